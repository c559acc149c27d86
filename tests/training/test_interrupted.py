"""Ctrl-C in a call with a folder: the step is finished and saved, then it is raised, and the same call goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALL = """
import signal, sys, time
import torch
import evendistill as ed

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start what is behind another without it
torch.manual_seed(0)
data = ed.load_data("digits", imbalance=10)
recipe = ed.Recipe(epochs=EPOCHS, batch_size=32, update_every=3)

def told(record):
    time.sleep(0.02)

def call():
    return ed.train(ed.models.mlp(64, 10, hidden=(16,)), data.train, data.validation, objective=ed.Robust(),
                    recipe=recipe, out=sys.argv[1], on_record=told, progress=False)

try:
    call()
except KeyboardInterrupt as error:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    sys.exit(f"said: {error}")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
OWN_HANDLER = "signal.signal(signal.SIGINT, lambda *_: print('own', flush=True))\ncall()"
IN_A_THREAD = "import threading\nthread = threading.Thread(target=call)\nthread.start()\nthread.join()"
STUCK = "told = lambda record: [open(sys.argv[1] + '/stuck', 'w').close(), time.sleep(60)]\ncall()"


def start(folder: Path, program: str = CALL, epochs: int = 40) -> subprocess.Popen[str]:
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    code = program.replace("EPOCHS", str(epochs))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], **told)


def other(ending: str) -> str:
    return CALL.partition("try:\n")[0] + ending


def epochs_told(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.is_file() else 0


def wait_for(running: subprocess.Popen[str], is_so) -> None:
    while not is_so():
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("model.safetensors", "validation.json")]


def test_ctrl_c_saves_the_step_and_the_same_call_goes_on_bit_for_bit(tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    whole, running = start(undisturbed), start(disturbed)
    wait_for(running, lambda: epochs_told(disturbed) >= 5)
    os.kill(running.pid, signal.SIGINT)
    assert running.communicate(timeout=60)[1] == "said: interrupted; the same call goes on from here\n"
    assert (disturbed / "checkpoint.pt").is_file()
    assert not (disturbed / "lease.json").exists()
    assert not (disturbed / "FAILED").exists()
    first = json.loads((disturbed / "metrics.jsonl").read_text().splitlines()[0])["time"]
    running = start(disturbed)
    assert running.communicate(timeout=120)[1] == ""
    assert json.loads((disturbed / "metrics.jsonl").read_text().splitlines()[0])["time"] == first, "began anew"
    assert whole.communicate(timeout=120)[1] == ""
    assert results(disturbed) == results(undisturbed)


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path):
    running = start(tmp_path, other(STUCK))
    wait_for(running, (tmp_path / "stuck").exists)
    for _ in range(2):
        os.kill(running.pid, signal.SIGINT)
        time.sleep(0.3)  # two that come at once are one
    assert "KeyboardInterrupt" in running.communicate(timeout=30)[1]


@pytest.mark.parametrize("ending", [OWN_HANDLER, IN_A_THREAD], ids=["own handler", "in a thread"])
def test_other_handlers_and_other_threads_are_left_alone(tmp_path, ending):
    running = start(tmp_path, other(ending), epochs=10)
    wait_for(running, lambda: epochs_told(tmp_path) >= 2)
    if ending == OWN_HANDLER:
        os.kill(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (out, err, running.returncode) == ("own\n" if ending == OWN_HANDLER else "", "", 0)
    assert (tmp_path / "DONE").is_file()
