"""Whether this machine can train: every check that there is, one that breaks not keeping the others from being made."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evendistill.data.wording import reason
from evendistill.experiments.beginning import installed

ELSEWHERE = "name another folder with --out"
REPORT = "if it stays so, report it with what `evendistill doctor --json` prints"


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: of what was checked.
        state: "fine"; "note", if something can be better but training works without; or "broken".
        said: in one line.
        mend: how to mend it, in one line; empty where there is nothing to mend.
        facts: as plain JSON values.
    """

    name: str
    state: Literal["fine", "note", "broken"]
    said: str
    mend: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def examine(folder: Path) -> list[Check]:
    """Check packages, devices, the folder of runs, and a tiny training run in it. Nothing is left behind.

    Args:
        folder: where runs would lie; it need not be there.
    """
    found: list[Check] = []
    for name, check, mend in _checks(folder):
        try:
            found.extend(check())
        except Exception as error:  # noqa: BLE001 - whatever is broken is what is looked for
            found.append(Check(name, "broken", reason(error), f"{mend}; {REPORT}"))
    return found


def is_fine(checks: Iterable[Check]) -> bool:
    """Whether nothing essential is broken."""
    return all(check.state != "broken" for check in checks)


def plain(checks: Iterable[Check]) -> dict[str, Any]:
    """As plain JSON values."""
    listed = list(checks)
    told = [
        {
            "name": each.name,
            "state": each.state,
            "said": each.said,
            "mend": each.mend or None,
            "facts": dict(each.facts),
        }
        for each in listed
    ]
    return {"fine": is_fine(listed), "checks": told}


def _checks(folder: Path) -> list[tuple[str, Callable[[], Iterable[Check]], str]]:
    return [
        ("packages", _packages, "pip install --force-reinstall evendistill"),
        ("extras", _extras, "pip install 'evendistill[hf]'"),
        ("device", _device, "pip install --force-reinstall torch"),
        ("processor", _processor, "pip install --force-reinstall torch"),
        ("folder", lambda: _folder(folder), ELSEWHERE),
        ("training", lambda: _training(folder), "pip install --force-reinstall torch"),
    ]


def _packages() -> Iterator[Check]:
    python, wanted = installed.python()
    state = "fine" if python >= wanted else "broken"
    told = ".".join(map(str, python))
    yield Check("python", state, told, "" if state == "fine" else "use Python 3.11 or later", {"version": told})
    found = installed.required()
    versions = {each.name: each.version for each in found}
    wrong = [each for each in found if not each.is_enough]
    said = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    mend = "pip install " + " ".join(f"'{each.wanted}'" for each in wrong) if wrong else ""
    yield Check("packages", "broken" if wrong else "fine", said, mend, {"versions": versions})


def _extras() -> Iterator[Check]:
    for extra, found in installed.extras().items():
        enables = installed.ENABLES.get(extra, "more")
        lacking = [each for each in found if not each.is_enough]
        facts = {"enables": enables, "versions": {each.name: each.version for each in found}}
        if lacking:
            words = ", ".join(f"{each.name} {each.version or 'missing'}" for each in lacking)
            mend = f"pip install 'evendistill[{extra}]'"
            yield Check(f"extra {extra}", "note", f"{words}; without it no {enables}", mend, facts)
        else:
            yield Check(f"extra {extra}", "fine", enables, "", facts)


def _device() -> Iterator[Check]:
    from evendistill.experiments.beginning import machine

    gpus = machine.gpus()
    facts = {"devices": [vars(gpu) for gpu in gpus]}
    if gpus:
        told = (f"{gpu.name}, {gpu.bytes / 1e9:.0f} GB, {'' if gpu.bf16 else 'no '}bf16" for gpu in gpus)
        yield Check("device", "fine", "; ".join(told), "", facts)
    elif machine.has_nvidia():
        said = "there is an NVIDIA GPU, but this torch cannot use it; runs train on the processor"
        yield Check("device", "note", said, "install the CUDA build of torch, see https://pytorch.org", facts)
    else:
        yield Check("device", "fine", "no GPU; runs train on the processor", "", facts)


def _processor() -> Iterator[Check]:
    from evendistill.experiments.beginning import machine

    cores, quota, bf16 = machine.usable_cores(), machine.quota(), machine.has_fast_bf16()
    facts = {"cores": cores, "quota": quota, "bf16": bf16, "threads": machine.threads()}
    said = f"{cores} cores for this process, {'fast' if bf16 else 'no fast'} bf16"
    if quota is not None and quota < cores:
        mend = f"run with --jobs {max(1, int(quota))}"
        yield Check("processor", "note", f"{said}; the container may use only {quota:g} of them", mend, facts)
    else:
        yield Check("processor", "fine", said, "", facts)


def _folder(folder: Path) -> Iterator[Check]:
    from evendistill.experiments.beginning import disk

    yield from disk.checks(folder)


def _training(folder: Path) -> Iterator[Check]:
    from evendistill.experiments.beginning.rehearsal import rehearse

    try:
        found = rehearse(folder)
    except OSError as error:
        yield Check("training", "broken", f"there is no folder to train in: {reason(error)}", ELSEWHERE)
        return
    said = f"two epochs on digits, on {found.device}, in {found.seconds:.1f} s"
    facts = vars(found)
    if found.is_repeatable and found.resumes_exactly:
        yield Check("training", "fine", f"{said}; repeated and resumed bit for bit", "", facts)
    else:
        what = "a run that was cut off ends otherwise" if found.is_repeatable else "the same run twice ends otherwise"
        yield Check("training", "broken", f"{said}; {what}", f"pip install --force-reinstall torch; {REPORT}", facts)
