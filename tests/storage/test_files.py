"""Files are whole or not there, and equal values give equal bytes."""

import errno
import hashlib
import math
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from evendistill.storage.files import digest, json_bytes, read_json, write_bytes
from evendistill.storage.tensors import read_tensors, tensor_bytes

plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def test_what_is_written_is_read_back(tmp_path):
    write_bytes(tmp_path / "file", b"first")
    write_bytes(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("cut_off", [OSError("the disk is full"), KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_fails_midway_leaves_the_old_file_whole_and_nothing_else(tmp_path, monkeypatch, call, cut_off):
    write_bytes(tmp_path / "file", b"old")

    def fail(*arguments):
        raise cut_off

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(cut_off)):
        write_bytes(tmp_path / "file", b"new and longer")
    with pytest.raises(type(cut_off)):
        write_bytes(tmp_path / "another", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_new_file_is_whole_and_on_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    write_bytes(tmp_path / "file", b"old")
    calls = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        calls.append(("fsync", os.fstat(descriptor).st_size))
        real_fsync(descriptor)

    def replace(source, target):
        assert source.parent == target.parent
        assert target.read_bytes() == b"old"
        calls.append(("replace", source.read_bytes()))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_bytes(tmp_path / "file", b"newer")
    assert calls == [("fsync", 5), ("replace", b"newer")]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # which names no file

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_bytes(tmp_path / "file", b"new")
    assert caught.value.filename == str(tmp_path / "file")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "missing" / "file", b"new")


def test_equal_values_give_equal_json_whatever_the_order_of_their_keys():
    assert json_bytes({"b": 1, "a": {"d": 2, "c": 3}}) == json_bytes({"a": {"c": 3, "d": 2}, "b": 1})
    assert json_bytes({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'.encode()


@given(plain_json)
def test_json_survives_the_disk(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    path.write_bytes(json_bytes(value))
    assert read_json(path) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"recalls": [0.5, value]})


@pytest.mark.parametrize("payload", [b"", b'{"a": 1', b"\xff\xfe", b"[1, 2", b"hello", b"[" * 100_000])
def test_bad_json_is_an_error_that_names_the_file(tmp_path, payload):
    path = tmp_path / "spec.json"
    path.write_bytes(payload)
    with pytest.raises(ValueError, match=r"spec\.json is not valid JSON"):
        read_json(path)


def test_equal_tensors_give_equal_bytes_whatever_their_order_and_layout():
    weight = torch.randn(4, 3)
    bias, steps = torch.randn(3), torch.tensor(7)
    first = tensor_bytes({"weight": weight.T, "bias": bias, "steps": steps})
    second = tensor_bytes({"steps": steps.clone(), "bias": bias.clone(), "weight": weight.T.contiguous()})
    assert first == second
    assert tensor_bytes({"weight": weight.T, "bias": bias + 1, "steps": steps}) != first


def test_tensors_survive_the_disk_and_carry_no_metadata(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {
        "half": torch.randn(2).half(),
        "empty": torch.zeros(0, 3),
        "flag": torch.tensor([True]),
        "n": torch.ones(()),
    }
    path.write_bytes(
        tensor_bytes({name: tensor.requires_grad_(tensor.is_floating_point()) for name, tensor in tensors.items()})
    )
    read = read_tensors(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in tensors.items())
    with safe_open(path, "pt") as file:
        assert not file.metadata()


def test_tied_weights_are_each_written_whole(tmp_path):
    path, weight = tmp_path / "model.safetensors", torch.randn(4, 3)
    path.write_bytes(tensor_bytes({"encoder": weight, "decoder": weight, "rows": weight[1:]}))
    read = read_tensors(path)
    assert torch.equal(read["encoder"], weight)
    assert torch.equal(read["decoder"], weight)
    assert torch.equal(read["rows"], weight[1:])


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:10], lambda b: b"", lambda b: b + b"x", lambda b: b"junk" * 9]
)
def test_a_damaged_safetensors_file_is_an_error_that_names_it(tmp_path, damage):
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(tensor_bytes({"weight": torch.randn(4, 3)})))
    with pytest.raises(ValueError, match=r"model\.safetensors is not a whole safetensors file"):
        read_tensors(path)


def test_the_digest_is_sha_256():
    assert digest(b"evendistill") == hashlib.sha256(b"evendistill").hexdigest()
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
