"""Encoded images become the pixels that they were made from."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from evendistill.data import decoding
from evendistill.data.decoding import channels_of, decode, decode_all
from evendistill.data.imagefolder import FileImages

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def files(folder, *payloads):
    """Images as files, the first argument first."""
    names = [f"{number:04}.png" for number in range(len(payloads))]
    for name, payload in zip(names, payloads, strict=True):
        (folder / name).write_bytes(payload)
    return FileImages(folder, names)


def smooth(height, width):
    """A picture in which neighbouring pixels are alike."""
    down, across = np.mgrid[:height, :width]
    waves = [np.sin(down / 9 + across / 13 + phase) for phase in range(3)]
    return ((np.stack(waves, axis=-1) + 1) * 127).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_formats_without_loss_give_their_pixels_back(kind):
    payload = encoded(COLOUR, kind, **({"lossless": True} if kind == "WEBP" else {}))
    pixels = decode(payload, "here", channels=3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, COLOUR)


def test_a_jpeg_is_near_its_pixels():
    pixels = decode(encoded(smooth(40, 60), "JPEG", quality=95), "here", channels=3)
    assert np.abs(pixels.astype(int) - smooth(40, 60)).mean() < 3


def test_grey_becomes_three_equal_channels_and_colours_become_the_brightness_that_people_see():
    assert np.array_equal(decode(encoded(GREY), "here", channels=1), GREY[..., None])
    assert np.array_equal(decode(encoded(GREY), "here", channels=3), np.stack([GREY] * 3, axis=-1))
    brightness = COLOUR @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    assert np.abs(decode(encoded(COLOUR), "here", channels=1)[..., 0] - brightness).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK"])
def test_other_modes_become_the_colours_that_they_stand_for(mode):
    flat = np.full((6, 8, 3), 255, np.uint8)
    flat[:, 4:] = 0
    pixels = decode(encoded(Image.fromarray(flat).convert(mode), "TIFF"), "here", channels=3)
    assert np.array_equal(pixels, flat)


def test_transparency_is_left_aside():
    seen_through = np.dstack([COLOUR, np.arange(48, dtype=np.uint8).reshape(6, 8)])
    assert np.array_equal(decode(encoded(seen_through), "here", channels=3), COLOUR)


def test_a_palette_stands_for_its_colours():
    palette = Image.fromarray(COLOUR).quantize(48, dither=Image.Dither.NONE)
    pixels = decode(encoded(palette, transparency=b"\x00\x80" + b"\xff" * 46), "here", channels=3)
    assert np.array_equal(pixels, COLOUR)


@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.uint16, "PNG"), (np.uint16, "TIFF"), (">u2", "TIFF"), (np.int32, "TIFF")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_of_sixteen_bits_the_upper_eight_stay(dtype, kind, channels):
    deep = (np.arange(48).reshape(6, 8) * 1394 + 17).astype(dtype)
    pixels = decode(encoded(deep, kind), "here", channels=channels)
    assert np.array_equal(pixels, np.stack([deep // 256] * channels, axis=-1))


@pytest.mark.parametrize(
    ("orientation", "turned"), [(1, lambda x: x), (3, lambda x: x[::-1, ::-1]), (6, lambda x: np.rot90(x, -1))]
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_an_image_is_turned_as_its_camera_was_held(orientation, turned, kind):
    notes = Image.Exif()
    notes[0x0112] = orientation
    assert np.array_equal(decode(encoded(COLOUR, kind, exif=notes), "here", channels=3), turned(COLOUR))


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (64, 64), (50, 51), (301, 40), (20, 70)])
@pytest.mark.parametrize("size", [1, 20, 33, 80])
def test_the_shorter_side_is_resized_and_the_middle_cut_out(shape, size):
    whole = Image.fromarray(smooth(*shape))
    (width, height), short = whole.size, min(shape)
    resized = whole.resize((int(size * width / short), int(size * height / short)), Image.Resampling.BILINEAR)
    left, top = round((resized.width - size) / 2), round((resized.height - size) / 2)
    expected = np.asarray(resized.crop((left, top, left + size, top + size)))
    pixels = decode(encoded(whole), "here", channels=3, size=size)
    assert pixels.shape == (size, size, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_long_thin_image_needs_no_memory_for_what_is_cut_off():
    assert decode(encoded(np.full((1, 20_000), 7, np.uint8)), "here", channels=1, size=600).mean() == 7


PNG = encoded(COLOUR)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "its 0 bytes have no known format"),
        (b"not an image", "its 12 bytes have no known format"),
        (PNG[:-40], "truncated"),
        (PNG[:60] + bytes(8) + PNG[68:], "broken|truncated|not valid"),
        (encoded(COLOUR, "JPEG")[:400], "Truncated"),
        (encoded(COLOUR, "WEBP")[:60], "WebP|webp|no known format|decod"),
        (b"P6 2_ 3 255 ", "Token|invalid|no known"),
        (encoded(np.ones((2, 2), np.float32), "TIFF"), "32-bit floats have no usual range"),
    ],
)
def test_a_damaged_image_is_one_line_that_names_its_place(payload, reason):
    with pytest.raises(ValueError, match=f"^train.parquet, row 3: not an image that can be read: .*({reason})") as told:
        decode(payload, "train.parquet, row 3", channels=3)
    assert "\n" not in str(told.value)
    assert "0x" not in str(told.value)


@pytest.mark.parametrize("side", [9_600, 20_000, 60_000])
def test_an_image_that_unpacks_to_far_too_many_pixels_is_refused(side):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=f"^here: not an image that can be read: .*{side**2} pixels.* bomb"):
        decode(bomb, "here", channels=1)


def test_what_pillow_remarks_on_does_not_reach_the_user_and_filters_are_given_back():
    filters = list(warnings.filters)
    oddity = encoded(COLOUR, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09")
    assert decode(oddity, "here", channels=3).shape == (6, 8, 3)
    assert warnings.filters == filters


@pytest.mark.parametrize(
    ("options", "message"), [({"channels": 4}, "1 or 3, got 4"), ({"channels": 3, "size": 0}, "at least 1, got 0")]
)
def test_impossible_requests_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        decode(PNG, "here", **options)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "RGB", "RGBA", "P", "CMYK"])
def test_the_first_image_says_whether_there_are_colours(tmp_path, mode):
    first = Image.new(mode, (3, 2)) if mode != "P" else Image.fromarray(COLOUR).quantize(8)
    found = channels_of(files(tmp_path, encoded(first, "TIFF"), PNG))
    assert found == (3 if mode in ("RGB", "RGBA", "P", "CMYK") else 1)


def test_all_images_lie_as_they_were_with_the_channels_of_a_pixel_side_by_side(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    images = decode_all(files(tmp_path, *map(encoded, pictures)))
    assert images.dtype == torch.uint8
    assert torch.equal(images, torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_grey_images_have_one_channel_unless_three_are_asked_for(tmp_path):
    source = files(tmp_path, encoded(GREY), encoded(GREY.T.copy().T))
    assert decode_all(source).shape == (2, 1, 6, 8)
    assert decode_all(source, channels=3).shape == (2, 3, 6, 8)


@pytest.mark.parametrize("count", [1, 2, 200])
def test_threads_give_what_one_after_the_other_gives(tmp_path, monkeypatch, count):
    source = files(tmp_path, *(encoded(np.roll(COLOUR, row)) for row in range(count)))
    alone = decode_all(source)
    monkeypatch.setattr(decoding, "WORTH_A_THREAD", 0)
    assert torch.equal(decode_all(source), alone)


@pytest.mark.parametrize("least", [0, 10**9], ids=["threads", "alone"])
def test_the_first_damaged_row_is_named(tmp_path, monkeypatch, least):
    monkeypatch.setattr(decoding, "WORTH_A_THREAD", least)
    payloads = [PNG] * 300
    payloads[170] = payloads[250] = PNG[:-30]
    with pytest.raises(ValueError, match=f"^{tmp_path}/0170.png: not an image"):
        decode_all(files(tmp_path, *payloads))


def test_images_of_several_sizes_need_one_to_be_given(tmp_path):
    source = files(tmp_path, PNG, PNG, encoded(smooth(30, 40)))
    with pytest.raises(
        ValueError, match=f"^{tmp_path}/0002.png: 40 x 30 pixels, but the first image has 8 x 6; image_size"
    ):
        decode_all(source)
    assert decode_all(source, size=5).shape == (3, 3, 5, 5)


def test_colours_are_not_lost_because_the_first_image_has_none(tmp_path):
    source = files(tmp_path, encoded(GREY), PNG)
    with pytest.raises(ValueError, match=f"^{tmp_path}/0001.png: an image with colours, but the first one is grey"):
        decode_all(source)
    assert decode_all(source, channels=1).shape == (2, 1, 6, 8)


@pytest.mark.parametrize("function", [channels_of, decode_all])
def test_no_images_are_refused(tmp_path, function):
    with pytest.raises(ValueError, match="at least one image, got none"):
        function(files(tmp_path))
