"""What those who come later find: leases judged by whether they change, files whole or known to be damaged."""

import contextlib
import itertools
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from evendistill.storage import lease as leases
from evendistill.storage import watch as watches
from evendistill.storage.files import write_bytes
from evendistill.storage.intact import damage
from evendistill.storage.lease import WIDTH, Lease, LeaseLostError, held
from evendistill.storage.owners import LEASE, LOCK, content_of, is_dead, owner_of
from evendistill.storage.tensors import read_sealed, sealed_bytes, tensor_bytes
from evendistill.storage.watch import SILENCE, Watch, put_aside
from evendistill.training.folder import RunFolder

SCORES = {"scores": torch.arange(6.0).reshape(3, 2), "features": torch.ones(2, 1, dtype=torch.float16)}
RESULTS = {"model.safetensors": bytes(range(32)), "validation.json": b"{}\n"}


class Clock:
    """Seconds that pass only while a lease is waited for, and what happens meanwhile."""

    now = 0.0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 10 * SILENCE, "it waits for ever"
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", SimpleNamespace(sleep=clock.sleep))
    return clock


def foreign(folder: Path, beat: int = 0) -> bytes:
    """The lease of a process on another machine, of the same name; if it is there already, it is replaced in place."""
    told = {"format": 1, "host": socket.gethostname(), "boot": "another", "pid": 7, "token": "t", "beat": beat}
    content = json.dumps(told).ljust(WIDTH - 1).encode() + b"\n"
    path = folder / LEASE
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(content)
    return content


def test_a_lease_of_another_machine_is_left_alone_while_it_changes(tmp_path, clock):
    foreign(tmp_path)
    clock.meanwhile = lambda: clock.now > SILENCE - 2 and foreign(tmp_path, beat=1)
    with pytest.raises(BlockingIOError, match="process 7 on "), held(tmp_path, clock=clock):
        pass
    assert SILENCE - 2 < clock.now < SILENCE
    assert content_of(tmp_path / LEASE) == foreign(tmp_path, beat=1)


def test_a_lease_that_a_thread_beats_is_left_alone_by_real_clocks(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LOOK", 0.001)
    over = threading.Event()

    def beats():
        for beat in itertools.count(1):
            foreign(tmp_path, beat)
            if over.wait(0.002):
                return

    foreign(tmp_path)
    heart = threading.Thread(target=beats)
    heart.start()
    try:
        for _ in range(5):
            with pytest.raises(BlockingIOError, match="process 7 on "), held(tmp_path):
                pass
    finally:
        over.set()
        heart.join()


@pytest.mark.parametrize("years", [-10, 0, 10])
def test_a_silent_lease_of_another_machine_is_taken_over_after_a_minute_of_ones_own_time(
    tmp_path, clock, monkeypatch, years
):
    foreign(tmp_path)
    now = time.time()

    def jump():
        monkeypatch.setattr(time, "time", lambda: now + years * 3e7 * (clock.now % 3))
        os.utime(tmp_path / LEASE, (now, now + years * 3e7 * (clock.now % 2)))

    clock.meanwhile = jump
    with held(tmp_path, clock=clock) as lease:
        assert SILENCE <= clock.now < SILENCE + 2
        lease.check()
        owner = owner_of(tmp_path)
        assert owner is not None
        assert owner.is_here


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"\xff", bytes(WIDTH), b"{}", b"[]", b"null", b'{"host": 1, "boot": 2, "pid": 1e999}', b"[" * 10**5],
)
def test_a_lease_that_names_nobody_is_waited_for_and_then_put_aside(tmp_path, clock, content):
    (tmp_path / LEASE).write_bytes(content)
    (tmp_path / LOCK).touch()
    assert owner_of(tmp_path) is None
    assert not is_dead(tmp_path)
    with held(tmp_path, clock=clock) as lease:
        assert clock.now >= SILENCE
        lease.check()
    assert os.listdir(tmp_path) == [LOCK]


def test_an_owner_elsewhere_is_judged_by_whether_its_lease_changes(tmp_path):
    clock = Clock()
    watch = Watch(clock)
    assert watch.look(tmp_path) == "free"
    for now, beat, state in [
        (0, 0, "unsure"),
        (SILENCE - 1, 0, "unsure"),
        (SILENCE, 0, "silent"),
        (SILENCE + 1, 1, "held"),
        (2 * SILENCE, 1, "held"),
        (2 * SILENCE + 1, 1, "silent"),
        (2 * SILENCE + 1, 2, "held"),
    ]:
        clock.now = now
        foreign(tmp_path, beat)
        assert watch.look(tmp_path) == state
    (tmp_path / LEASE).unlink()
    assert watch.look(tmp_path) == "free"
    foreign(tmp_path, 2)
    clock.now += SILENCE
    assert watch.look(tmp_path) == "unsure"  # a new lease, whatever it says


def test_one_watch_judges_each_folder_by_itself(tmp_path):
    clock, folders = Clock(), [tmp_path / "a", tmp_path / "b"]
    watch = Watch(clock)
    for folder in folders:
        folder.mkdir()
    foreign(folders[1], beat=1)
    foreign(folders[0])
    assert [watch.look(folder) for folder in folders] == ["unsure", "unsure"]
    clock.now = SILENCE
    foreign(folders[1], beat=2)
    assert [watch.look(folder) for folder in folders] == ["silent", "held"]


def test_a_folder_is_free_once_its_owner_has_been_silent_for_a_minute(tmp_path):
    clock = Clock()
    watch = Watch(clock)
    assert watch.is_free(tmp_path)
    (tmp_path / LOCK).touch()  # nobody here holds it, which says nothing of a process elsewhere
    foreign(tmp_path)
    assert not is_dead(tmp_path)
    for now in (0, 1, SILENCE - 1):
        clock.now = now
        assert not watch.is_free(tmp_path)
    clock.now = SILENCE
    assert watch.is_free(tmp_path)
    assert os.listdir(tmp_path) == [LOCK]


def test_a_lease_that_changes_after_it_was_judged_is_put_back(tmp_path, monkeypatch):
    clock = Clock()
    watch = Watch(clock)
    with contextlib.closing(Lease(tmp_path)) as lease:
        watch.look(tmp_path)
        clock.now, rename, inode = SILENCE, os.rename, os.stat(tmp_path / LEASE).st_ino

        def beaten_just_before(source, target):
            lease.beat()
            rename(source, target)

        monkeypatch.setattr(os, "rename", beaten_just_before)
        watch.is_free(tmp_path)
        lease.check()
    assert os.stat(tmp_path / LEASE).st_ino == inode
    assert os.listdir(tmp_path) == [LEASE]


def test_what_is_put_back_does_not_take_the_place_of_a_newcomer(tmp_path, monkeypatch):
    foreign(tmp_path, beat=1)
    rename = os.rename

    def newcomer_just_after(source, target):
        rename(source, target)
        foreign(tmp_path, beat=2)

    monkeypatch.setattr(os, "rename", newcomer_just_after)
    put_aside(tmp_path, b"judged")
    assert content_of(tmp_path / LEASE) == foreign(tmp_path, beat=2)
    assert os.listdir(tmp_path) == [LEASE]


def test_of_two_who_put_the_same_lease_aside_the_second_finds_nothing(tmp_path):
    content = foreign(tmp_path)
    put_aside(tmp_path, content)
    put_aside(tmp_path, content)
    assert os.listdir(tmp_path) == []


class Interleaved:
    """Several who look on, take over, beat and wait; what one does is cut in two anywhere by what others do."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.clock, self.depth = folder, chance, Clock(), 0
        self.idle, self.leases, self.holders = [Watch(self.clock) for _ in range(4)], [], []

    def cut(self, call):
        def with_others_around(*arguments):
            self.others()
            result = call(*arguments)
            self.others()
            return result

        return with_others_around

    def others(self) -> None:
        if 0 < self.depth < 4 and self.chance.random() < 0.3:
            self.act()

    def act(self) -> None:
        self.depth += 1
        self.chance.choice([self.ask, self.ask, self.wait, self.beat])()
        self.depth -= 1
        self.check()

    def ask(self) -> None:
        watch = self.idle.pop()
        if watch.is_free(self.folder):
            with contextlib.suppress(BlockingIOError):
                self.leases.append(Lease(self.folder, self.clock))
        self.idle.insert(self.chance.randrange(len(self.idle) + 1), watch)

    def wait(self) -> None:
        self.clock.now += self.chance.choice([1.0, SILENCE])

    def beat(self) -> None:
        if self.leases:
            self.chance.choice(self.leases).beat()

    def check(self) -> None:
        found = [lease for lease in self.leases if is_holder(lease)]
        assert len(found) <= 1
        assert found or self.depth or not self.leases  # between two acts somebody has it, once anybody has had it
        for lease in found:
            assert lease not in self.holders[:-1]  # who has lost it to another never has it back
            if lease not in self.holders:
                self.holders.append(lease)


def is_holder(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLostError:
        return False
    return True


def test_however_several_are_interleaved_there_are_never_two_holders_and_none_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    changes = 0
    for seed in range(150):
        folder = tmp_path / str(seed)
        folder.mkdir()
        actors = Interleaved(folder, random.Random(seed))
        with monkeypatch.context() as patch:
            for module, name in ((os, "rename"), (os, "link"), (watches, "content_of")):
                patch.setattr(module, name, actors.cut(getattr(module, name)))
            for _ in range(20):
                actors.act()
        for lease in actors.leases:
            lease.close()
        assert os.listdir(folder) == [LEASE]
        changes += len(actors.holders) - 1
    assert changes > 150


def finished(path: Path) -> RunFolder:
    folder = RunFolder(path)
    with folder.locked():
        folder.begin({"seed": 1})
        folder.finish(RESULTS)
    return folder


def logged(folder: RunFolder) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines()]


def test_a_finished_run_with_a_damaged_file_is_reopened_and_its_log_says_why(tmp_path):
    folder = finished(tmp_path)
    folder.reopen("model.safetensors")
    assert folder.finished, "it is not damaged, or no longer"
    (tmp_path / "model.safetensors").write_bytes(b"altered")
    folder.reopen("model.safetensors")
    assert not folder.finished
    assert not (tmp_path / LEASE).exists()
    assert [line["event"] for line in logged(folder)] == ["began", "finished", "reopened"]
    assert logged(folder)[-1]["damaged"] == "model.safetensors"
    assert all(line["pid"] == os.getpid() and line.keys() >= {"host", "time"} for line in logged(folder))


def test_a_run_that_nobody_trains_is_given_up_unless_it_is_finished(tmp_path):
    done, cut_off = finished(tmp_path / "done"), RunFolder(tmp_path / "cut off")
    done.give_up({"seed": 1}, RuntimeError("its process died"))
    assert done.failure is None
    cut_off.give_up({"seed": 1}, RuntimeError("its process died"))
    assert cut_off.failure == "its process died"
    assert logged(cut_off)[-1]["error"] == "its process died"
    assert not (cut_off.path / LEASE).exists()
    assert json.loads((cut_off.path / "spec.json").read_text()) == {"seed": 1}, "it had not begun; now it is known"


def test_a_run_that_is_given_up_keeps_what_it_was_told_and_its_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({"seed": 1})
    (tmp_path / "checkpoint.pt").write_bytes(b"far")
    folder.give_up({"seed": 2}, ValueError("the data are not there"))
    assert json.loads((tmp_path / "spec.json").read_text()) == {"seed": 1}
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"far"
    folder.begin({"seed": 1})
    assert folder.failure is None


@pytest.mark.parametrize(
    "act",
    [lambda folder: folder.reopen("cause"), lambda folder: folder.give_up({"seed": 1}, ValueError("cause"))],
    ids=["reopened", "given up"],
)
def test_a_run_that_is_being_trained_is_neither_reopened_nor_given_up(tmp_path, act):
    folder = finished(tmp_path)
    with held(tmp_path), pytest.raises(BlockingIOError, match="is being trained"):
        act(folder)
    assert folder.finished
    assert len(logged(folder)) == 2


def test_a_damaged_spec_is_named_and_written_anew(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({"seed": 1})
    whole = (tmp_path / "spec.json").read_bytes()
    (tmp_path / "spec.json").write_bytes(whole[:-4])
    with pytest.warns(UserWarning, match=r"spec\.json is not valid JSON.*; it is written anew"):
        folder.begin({"seed": 1})
    assert (tmp_path / "spec.json").read_bytes() == whole
    with pytest.raises(ValueError, match="its seed is 1, asked for is 2"):
        folder.begin({"seed": 2})


@pytest.mark.parametrize("epochs", [3, 5, 6])
@pytest.mark.parametrize(
    ("tear", "damaged"),
    [
        (lambda text: text, None),
        (lambda text: text[:-1], None),
        (lambda text: "", None),
        (lambda text: text.replace("1", "\0", 1), 1),
        (lambda text: text[:-9], 5),
        (lambda text: text[:-9] + "\0" * 9, 5),
        (lambda text: text + text[:9], 6),
    ],
    ids=["whole", "no newline", "empty", "first line", "torn", "zeros at the end", "torn past the end"],
)
def test_a_log_of_five_epochs_is_whole_again_after_resuming(tmp_path, epochs, tear, damaged):
    history = [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 8)]
    RunFolder(tmp_path).log(history[:5])
    path = tmp_path / "metrics.jsonl"
    path.write_text(tear(path.read_text()))
    again, is_read = RunFolder(tmp_path), damaged is not None and damaged <= epochs
    with pytest.warns(UserWarning, match="has a damaged line") if is_read else contextlib.nullcontext():
        again.log(history[:epochs])
    assert again.history() == history[:epochs]
    again.log(history)
    assert again.history() == history


def flipped(payload: bytes, position: int, bit: int) -> bytes:
    return payload[:position] + bytes([payload[position] ^ 1 << bit]) + payload[position + 1 :]


def test_a_whole_folder_is_not_damaged_and_any_flipped_bit_is_found_and_named(tmp_path):
    finished(tmp_path)
    assert damage(tmp_path) is None
    for name in (*RESULTS, "DONE"):
        path = tmp_path / name
        whole = path.read_bytes()
        for position in range(len(whole)):
            path.write_bytes(flipped(whole, position, position % 8))
            found = damage(tmp_path)
            assert found == name or (name == "DONE" and found is not None)
        path.write_bytes(whole)
    assert damage(tmp_path) is None


@pytest.mark.parametrize("done", [b"", b"{", b"[]", b"{}", b"null", b'"model"', b"[" * 10**5, None])
def test_a_list_of_results_that_lists_nothing_is_the_damage(tmp_path, done):
    finished(tmp_path)
    (tmp_path / "DONE").unlink() if done is None else (tmp_path / "DONE").write_bytes(done)
    assert damage(tmp_path) == "DONE"


def test_a_result_that_is_missing_or_no_file_is_the_damage(tmp_path):
    finished(tmp_path)
    (tmp_path / "validation.json").unlink()
    assert damage(tmp_path) == "validation.json"
    (tmp_path / "validation.json").mkdir()
    assert damage(tmp_path) == "validation.json"


def test_sealed_tensors_are_read_back_and_equal_ones_give_equal_bytes(tmp_path):
    path = tmp_path / "scores.safetensors"
    for payload in (sealed_bytes(SCORES), tensor_bytes(SCORES)):
        path.write_bytes(payload)
        read = read_sealed(path)
        assert read.keys() == SCORES.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in SCORES.items())
    assert sealed_bytes(read) == sealed_bytes(dict(reversed(SCORES.items()))) == sealed_bytes(SCORES)


def test_any_flipped_bit_of_a_sealed_file_is_an_error_that_names_it(tmp_path):
    path, whole = tmp_path / "scores.safetensors", sealed_bytes(SCORES)
    others = [flipped(whole, position, position % 8) for position in range(len(whole))]
    for payload in (*others, whole.replace(b'"U8"', b'"I8"')):
        path.write_bytes(payload)
        with pytest.raises(ValueError, match=r"scores\.safetensors is not "):
            read_sealed(path)


def test_two_who_write_one_file_at_once_do_not_share_a_temporary_name(tmp_path, monkeypatch):
    replace, path = os.replace, tmp_path / "file"

    def second_comes_between(source, target):
        monkeypatch.setattr(os, "replace", replace)
        random.seed(0)
        write_bytes(path, b"second")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_comes_between)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    random.seed(0)
    write_bytes(path, b"first")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]
