"""Ctrl-C and SIGTERM are a question between two steps: asked in processes of their own, where signals may end one."""

import subprocess
import sys
import time

import pytest

from evendistill.experiments.engines.stopping import StoppedError

HEAD = """
import os, signal, sys, threading, time
from evendistill.experiments.engines.stopping import SIGNALS, signals_kept, spared, stoppable

def send(number):
    os.kill(os.getpid(), number)

def say(*words):
    print(*words, flush=True)
"""


def run(body):
    """Run a program; its exit code, what it said, and for how long it ran after it said "now"."""
    said, since = [], time.monotonic()
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, "-c", HEAD + body], **told) as program:
        for line in program.stdout or ():
            said.append(line.strip())
            since = time.monotonic() if said[-1] == "now" else since
    return program.returncode, said, time.monotonic() - since


@pytest.mark.parametrize(("name", "number"), [("SIGINT", 2), ("SIGTERM", 15)])
def test_inside_a_signal_is_noted_and_the_work_goes_on(name, number):
    body = f"""
with stoppable() as is_stopped:
    say(is_stopped(), is_stopped.number)
    send(signal.{name})
    say(is_stopped(), is_stopped.number)
say("saved")
"""
    assert run(body)[:2] == (0, ["False None", f"True {number}", "saved"])


def test_afterwards_signals_do_what_they_did_before():
    body = """
def own(number, frame):
    say("own handler", number)

signal.signal(signal.SIGTERM, own)
try:
    with stoppable():
        raise OSError
except OSError:
    pass
send(signal.SIGTERM)
try:
    send(signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    say("interrupted")
"""
    assert run(body)[:2] == (0, ["own handler 15", "interrupted"])


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_step_that_takes_too_long_is_ended_with_the_signal_s_code(name, code):
    body = f"""
with stoppable(patience=0.5, last_words="cut short"):
    send(signal.{name})
    say("now")
    time.sleep(30)
"""
    ended, said, seconds = run(body)
    assert (ended, said) == (code, ["now", "cut short"])
    assert 0.4 < seconds < 10


def test_what_has_saved_itself_in_time_is_not_ended_later():
    body = """
with stoppable(patience=0.3):
    send(signal.SIGTERM)
time.sleep(0.8)
say("still here")
"""
    assert run(body)[:2] == (0, ["still here"])


def test_an_error_inside_ends_the_waiting_too():
    body = """
try:
    with stoppable(patience=0.3):
        send(signal.SIGTERM)
        raise OSError
except OSError:
    time.sleep(0.8)
    say("still here")
"""
    assert run(body)[:2] == (0, ["still here"])


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_ctrl_c_after_another_signal_ends_at_once(first):
    body = f"""
with stoppable(patience=30):
    send(signal.{first})
    say("now")
    send(signal.SIGINT)
    say("not reached")
"""
    ended, said, seconds = run(body)
    assert (ended, said) == (130, ["now"])
    assert seconds < 10


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_sigterm_after_another_signal_changes_nothing(first):
    body = f"""
with stoppable() as is_stopped:
    send(signal.{first})
    send(signal.SIGTERM)
    say(is_stopped.number == signal.{first})
"""
    assert run(body)[:2] == (0, ["True"])


def test_outside_the_main_thread_nothing_changes():
    body = """
def work():
    before = [signal.getsignal(number) for number in SIGNALS]
    with stoppable(patience=0.1) as is_stopped:
        say(is_stopped(), before == [signal.getsignal(number) for number in SIGNALS])

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    assert run(body)[:2] == (0, ["False True"])


def test_handlers_that_were_set_inside_are_gone_afterwards():
    body = """
with stoppable() as is_stopped:
    with signals_kept():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
    send(signal.SIGTERM)
    say(is_stopped())
"""
    assert run(body)[:2] == (0, ["True"])


def test_a_handler_that_python_does_not_know_becomes_the_usual_one():
    body = """
known, signal.getsignal = signal.getsignal, lambda number: None
with stoppable():
    pass
say(known(signal.SIGTERM) is signal.SIG_DFL)
send(signal.SIGTERM)
"""
    assert run(body)[:2] == (-15, ["True"])


def test_a_process_begun_apart_does_not_see_ctrl_c_and_its_parent_does():
    body = """
import subprocess
with stoppable() as is_stopped:
    with spared():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        send(signal.SIGINT)
        say(is_stopped())
    say(is_stopped())
    os.kill(child.pid, signal.SIGINT)
    time.sleep(0.3)
    say(child.poll())
    child.terminate()
    say(child.wait())
"""
    assert run(body)[:2] == (0, ["False", "True", "None", "-15"])


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_the_error_tells_the_signal_by_its_exit_code(number, code):
    error = StoppedError(number)
    assert error.code == code
    assert str(error) == "interrupted; the same command goes on from here"
    assert isinstance(error, KeyboardInterrupt)
    assert not isinstance(error, Exception)  # what takes note of the failure of one run lets it pass
