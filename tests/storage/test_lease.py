"""Of many who want a folder one holds it; the dead lose it, the living keep it, and who has lost it writes nothing."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from evendistill.storage import lease as leases
from evendistill.storage.lease import WIDTH, Lease, LeaseLostError, held
from evendistill.storage.owners import LEASE, LOCK, Owner, boot, content_of, is_dead, owner_of
from evendistill.storage.watch import SILENCE, Watch, put_aside
from evendistill.training.folder import RunFolder

HERE = socket.gethostname()
HOLD = """
import sys, time
from pathlib import Path
from evendistill.storage.lease import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
RACE = """
import errno, fcntl, os, signal, sys
from pathlib import Path
from evendistill.storage import lease, watch

folder, kind = Path(sys.argv[1]), sys.argv[2]
lease.BEAT, lease.LOOK, watch.SILENCE = 0.02, 0.02, 0.4
if kind == "without locks":
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "no locks available")
    fcntl.flock = refuse

def race(start, all_have_tried, end, say):
    os.read(start, 1)
    try:
        with lease.held(folder) as own:
            say("in")
            os.read(all_have_tried, 1)
            try:
                own.check()
                say("holds")
            except lease.LeaseLostError:
                say("lost")
            os.read(end, 1)
    except BlockingIOError:
        say("out")

for turn in range(8):
    gates, (said, saying) = [os.pipe() for _ in range(3)], os.pipe()
    for _ in range(8):
        if os.fork() == 0:
            for _, opener in gates:
                os.close(opener)
            race(*(gate for gate, _ in gates), lambda word: os.write(saying, f"{os.getpid()} {word}\\n".encode()))
            os._exit(0)
    words = os.fdopen(said)
    os.close(gates[0][1])
    entered = [pid for pid, word in [words.readline().split() for _ in range(8)] if word == "in"]
    os.close(gates[1][1])
    stayed = [words.readline().split()[1] for _ in entered]
    for pid in entered if turn % 2 else ():
        os.kill(int(pid), signal.SIGKILL)
    os.close(gates[2][1])
    for _ in range(8):
        os.wait()
    print(len(entered), stayed.count("holds"), (folder / "lease.json").exists(), flush=True)
"""


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
    """The lease of a process on another machine; where it is there already, its content is replaced in place."""
    told = {"format": 1, "host": "elsewhere", "boot": "another", "pid": 7, "token": "t", "beat": beat}
    content = json.dumps(told).ljust(WIDTH - 1).encode() + b"\n"
    (folder / LEASE).write_bytes(content)
    return content


def take_over(folder: Path) -> bytes:
    """What another machine does after a minute of silence."""
    put_aside(folder, content_of(folder / LEASE) or b"")
    return foreign(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_locks(*arguments) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_the_second_is_told_who_is_first_and_the_lease_ends_with_its_holder(tmp_path, clock):
    told = []

    def ask():
        with pytest.raises(BlockingIOError) as refused, held(tmp_path / "run", clock=clock):
            pass
        told.append(str(refused.value))

    with held(tmp_path / "run") as first:
        assert owner_of(tmp_path / "run") == Owner(HERE[:64], boot(), os.getpid())
        other = threading.Thread(target=ask)
        other.start()
        other.join()
        ask()
        first.check()
    assert told == [f"{tmp_path / 'run'} is being trained by process {os.getpid()} on {HERE[:64]}"] * 2
    with pytest.raises(KeyError), held(tmp_path / "run"):
        raise KeyError
    assert os.listdir(tmp_path / "run") == [LOCK]
    assert clock.now == 0


def test_the_lease_of_a_killed_process_stays_and_is_taken_over_at_once(tmp_path, clock):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(BlockingIOError, match=f"process {holder.pid} on {HERE}"), held(tmp_path, clock=clock):
                pass
            assert not is_dead(tmp_path)
            assert not Watch(clock).is_free(tmp_path)
        finally:
            holder.kill()
    owner = owner_of(tmp_path)
    assert owner is not None
    assert owner.pid == holder.pid
    assert is_dead(tmp_path)
    assert Watch(clock).is_free(tmp_path)
    with held(tmp_path, clock=clock) as lease:
        lease.check()
        assert clock.now == 0
        assert not is_dead(tmp_path)
    assert os.listdir(tmp_path) == [LOCK]


@pytest.mark.parametrize("locks", ["with locks", "without locks"])
def test_of_eight_processes_one_gets_the_folder_even_where_a_dead_owner_has_left_its_lease(tmp_path, locks):
    race = subprocess.run([sys.executable, "-c", RACE, tmp_path, locks], check=True, capture_output=True, timeout=60)
    turns = [line.split() for line in race.stdout.decode().splitlines()]
    # in every other turn who has won is killed
    assert [turn[1:] for turn in turns] == [["1", "False"], ["1", "True"]] * 4
    entered = [int(turn[0]) for turn in turns]
    assert entered == [1] * 8 if locks == "with locks" else sum(entered) < 16  # without, one may lose it to another


@pytest.mark.parametrize("has_successor", [True, False])
def test_one_who_was_taken_over_notices_and_leaves_what_is_there_alone(tmp_path, has_successor):
    with held(tmp_path) as lease:
        lease.check()
        content = take_over(tmp_path)
        if not has_successor:
            (tmp_path / LEASE).unlink()
        with pytest.raises(LeaseLostError, match="was taken over by another process; this one stops"):
            lease.check()
        lease.tell(1, 2)
        lease.beat()
    assert content_of(tmp_path / LEASE) == (content if has_successor else None)


def test_who_only_looks_does_not_wait_for_an_owner_that_lives(tmp_path, monkeypatch):
    with held(tmp_path):

        def wait(seconds):
            raise AssertionError(f"waited {seconds} s")

        monkeypatch.setattr("evendistill.storage.owners.time.sleep", wait)
        assert not is_dead(tmp_path)


def test_a_file_server_that_knows_the_lease_no_more_says_that_it_is_lost_one_that_hiccups_says_nothing(
    tmp_path, monkeypatch
):
    def fail(number):
        def fstat(descriptor):
            raise OSError(number, os.strerror(number))

        return fstat

    with held(tmp_path) as lease, monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fail(errno.EIO))
        lease.check()
        patch.setattr(os, "fstat", fail(errno.ESTALE))
        with pytest.raises(LeaseLostError):
            lease.check()


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: folder.finish({"model.safetensors": b"late"}),
        lambda folder: folder.checkpoint(every=0).save({"step": 1}),
        lambda folder: folder.log([{"epoch": 1}, {"epoch": 2}]),
        lambda folder: folder.fail(ValueError("late")),
    ],
    ids=["finish", "checkpoint", "log", "fail"],
)
def test_a_run_that_was_taken_over_writes_nothing(tmp_path, write):
    folder = RunFolder(tmp_path)
    with folder.locked():
        take_over(tmp_path)
        for name in ("model.safetensors", "checkpoint.pt", "metrics.jsonl"):
            (tmp_path / name).write_bytes(b"the successor's\n")
        before = files(tmp_path)
        with pytest.raises(LeaseLostError):
            write(folder)
    assert files(tmp_path) == before


def test_a_run_that_is_taken_over_while_it_writes_its_results_does_not_call_them_done(tmp_path, monkeypatch):
    def write(path, payload):
        path.write_bytes(payload)
        take_over(tmp_path)

    monkeypatch.setattr("evendistill.training.folder.write_bytes", write)
    folder = RunFolder(tmp_path)
    with folder.locked(), pytest.raises(LeaseLostError):
        folder.finish({"model.safetensors": b"late"})
    assert not folder.finished


def test_how_far_the_work_is_stands_in_the_file_after_the_next_beat(tmp_path, clock):
    def told(step, steps, now):
        clock.now = now
        lease.tell(step, steps)
        before = owner_of(tmp_path)
        lease.beat()
        owner = owner_of(tmp_path)
        assert owner is not None
        assert before != owner
        return owner.step, owner.steps, owner.seconds_left

    with closing(Lease(tmp_path, clock)) as lease:
        assert told(10, 100, 5.0) == (10, 100, None)  # resumed there: nothing is known of its pace
        assert told(40, 100, 35.0) == (40, 100, 60.0)
        assert told(100, 100, 65.0) == (100, 100, 0.0)


@pytest.mark.parametrize("host", ["a", "a" * 300, "é" * 300, "\N{GRINNING FACE}" * 300, "\udcff" * 300])
def test_the_file_is_json_of_one_size_whatever_it_says(tmp_path, monkeypatch, host):
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(os, "getpid", lambda: 2**22)
    now = iter([0.0, 1e9])
    with closing(Lease(tmp_path, lambda: next(now))) as lease:
        for steps in (0, 1, 10**9):
            if steps:
                lease.tell(steps, 2 * 10**9)
            lease.beat()
            content = (tmp_path / LEASE).read_bytes()
            assert len(content) == WIDTH
            assert content.endswith(b"\n")
            assert json.loads(content)["pid"] == 2**22
            assert owner_of(tmp_path) is not None


def test_a_lease_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def link(source, target):
        assert not Path(target).exists()
        assert len(Path(source).read_bytes()) == WIDTH
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="the disk is full"), held(tmp_path):
        pass
    assert os.listdir(tmp_path) == [LOCK]


def test_the_heart_beats_through_hiccups_for_as_long_as_the_holder_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.001)
    beat, beats = Lease.beat, []

    def hiccup(self):
        beats.append(threading.current_thread())
        if len(beats) < 3:
            raise OSError(errno.EIO, "hiccup")
        beat(self)

    monkeypatch.setattr(Lease, "beat", hiccup)
    with held(tmp_path):
        first, until = content_of(tmp_path / LEASE), time.monotonic() + 10
        while content_of(tmp_path / LEASE) == first:
            assert time.monotonic() < until
            time.sleep(0.001)
    assert not beats[0].is_alive()


def test_where_there_are_no_locks_the_lease_keeps_a_second_one_out(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", without_locks)
    with held(tmp_path) as first:
        clock.meanwhile = first.beat
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"), held(tmp_path, clock=clock):
            pass
        first.check()
    assert os.listdir(tmp_path) == [LOCK]


def test_where_there_are_no_locks_an_owner_of_this_machine_too_is_judged_by_its_heart(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", without_locks)
    (tmp_path / LOCK).touch()
    with closing(Lease(tmp_path)) as dead:
        assert not is_dead(tmp_path)
        assert not Watch(clock).is_free(tmp_path)
        with held(tmp_path, clock=clock):
            assert clock.now >= SILENCE
            with pytest.raises(LeaseLostError):
                dead.check()


def test_a_second_lease_is_refused_and_leaves_the_first_as_it_is(tmp_path):
    with closing(Lease(tmp_path)) as lease:
        content = content_of(tmp_path / LEASE)
        with pytest.raises(BlockingIOError, match=f"is being trained by process {os.getpid()} on"):
            Lease(tmp_path)
        lease.check()
        assert files(tmp_path) == {LEASE: content}


def test_one_who_only_looks_keeps_nobody_out(tmp_path, monkeypatch):
    flock, asked = fcntl.flock, []

    def looked_at(file, kind):
        asked.append(kind)
        if len(asked) < 3:
            raise BlockingIOError
        flock(file, kind)

    monkeypatch.setattr(fcntl, "flock", looked_at)
    with held(tmp_path) as lease:
        lease.check()


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="the disk is broken"), held(tmp_path):
        pass
    assert not is_dead(tmp_path)


def test_the_lock_of_a_folder_that_is_cleaned_away_meanwhile_does_not_hold_the_one_in_its_place(tmp_path, monkeypatch):
    flock, run = fcntl.flock, tmp_path / "run"

    def cleaned_away(file, kind):
        run.rename(tmp_path / "trash")
        run.mkdir()
        flock(file, kind)

    monkeypatch.setattr(fcntl, "flock", cleaned_away)
    with pytest.raises(BlockingIOError, match="another process"), held(run):
        pass
    monkeypatch.setattr(fcntl, "flock", flock)
    with held(run) as lease:
        lease.check()


def test_a_file_system_without_hard_links_has_leases_too(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with held(tmp_path) as lease:
        lease.check()
        assert owner_of(tmp_path) is not None
        with pytest.raises(BlockingIOError):
            Lease(tmp_path)
    assert not (tmp_path / LEASE).exists()
    assert not list(tmp_path.glob(".*.tmp"))
