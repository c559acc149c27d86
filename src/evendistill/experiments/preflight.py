"""Before anything is trained: are the data there, and does each network of the user's own give scores for them?

Who trains in other processes needs no torch of their own, so it is imported only for what needs it.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evendistill.data.made_up import is_made_up
from evendistill.data.split_names import is_known
from evendistill.experiments.mends import AtSpec
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.results import is_finished
from evendistill.experiments.spec import DataSpec, OwnSpec, RunSpec

if TYPE_CHECKING:
    from evendistill.data.datasets import Data


def check_before_training(missing: Iterable[RunSpec], data: "Data | None" = None) -> None:
    """Find what every run would fail of, while nothing is trained or written yet.

    Data are looked for, and loaded only if there is a network of the user's own to try on them; the networks that come
    with the package, and those of timm, are not tried.

    Args:
        missing: the runs to train, all on the same data.
        data: as their networks see them, where they are loaded already.

    Raises:
        ValueError: if the data cannot be read, or a network cannot be imported or made, takes other inputs, or gives
            other than one raw score for each class; in one line.
    """
    _checked(list(missing), data)


def check_before_going_on(missing: Iterable[RunSpec], needed: Iterable[RunSpec], runs: Path) -> None:
    """The same, and whether the networks of the user's own still are those that have been trained already.

    A table of two networks under one name compares nothing, and a student would hear a teacher that nobody measured. Of
    each network to be trained or listened to, one finished run is asked for the classes that it recorded, in one of the
    batches that it was asked in.

    Args:
        missing: the runs to train.
        needed: all that the recipe asks for, finished or not.
        runs: folder of all runs.

    Raises:
        ValueError: as above, or if a network was edited or the data were changed; in one line.
    """
    to_train = list(missing)
    data = _checked(to_train, None)
    if data is None:
        return
    from evendistill.experiments.samedata import check_same_data

    for spec in _finished_like(_own_networks(to_train), needed, runs):
        check_same_data(spec, data, runs, beside=[spec])
        if said := _edited(spec, data, runs):
            raise ValueError(f"{said} Nothing was trained; undo that, give it another path, or begin anew with --out")


def reopen_edited_trial(needed: Iterable[RunSpec], runs: Path) -> None:
    """Take back that a trial is finished where a network of the user's own was edited since, with a warning.

    A trial is repeated until it goes well, and says nothing of a network that it has not seen.

    Args:
        needed: all that the trial asks for, finished or not.
        runs: folder of all runs.

    Raises:
        ValueError: if a network cannot be imported or made, or does not fit; in one line.
    """
    specs = list(needed)
    own, finished = list(_own_networks(specs)), [spec for spec in specs if is_finished(spec, runs)]
    if not own or not finished:
        return
    from evendistill.training.folder import RunFolder

    data = _tried(own, None)
    for spec in _finished_like(own, specs, runs):
        try:
            said = _edited(spec, data, runs)
        except ValueError as error:  # the weights do not fit
            said = str(error)
        if said:
            warnings.warn(f"{said} The trial is made anew", stacklevel=2)
            for each in finished:
                with suppress(BlockingIOError):  # another is at it
                    RunFolder(runs / each.folder_name).reopen("its network was edited", if_intact=True)
            return


def _checked(runs: list[RunSpec], data: "Data | None") -> "Data | None":
    """The data, if there are networks of the user's own, which were tried on them."""
    if not runs:
        return None
    if data is None:
        check_at_a_glance(runs)
    own = list(_own_networks(runs))
    return _tried(own, data) if own else None


def check_at_a_glance(runs: Iterable[RunSpec]) -> None:
    """Look for data, and import networks of the user's own; nothing is read or made, which may take a minute.

    Args:
        runs: on the same data.

    Raises:
        ValueError: if data lie here and cannot be read, or there is no such network; in one line.
    """
    some = list(runs)
    for network in (each.network for each in _own_networks(some)):
        if isinstance(network, OwnSpec):
            from evendistill.models.own import imported

            imported(network.path)
    _check_there(some[0].data)


def _tried(own: list[RunSpec], data: "Data | None") -> "Data":
    import torch

    from evendistill.experiments.networks import network_to_train
    from evendistill.experiments.sources import seen
    from evendistill.training import randomness

    data = seen(own[0].data, own[0].view) if data is None else data
    for spec in own:
        with randomness.isolated(0, torch.device("cpu")), randomness.threads(spec.training.threads):
            network_to_train(spec, data)
    return data


def _finished_like(own: Iterable[RunSpec], needed: Iterable[RunSpec], runs: Path) -> Iterator[RunSpec]:
    """Of each network the first finished run that trained it, or is a trade-off of a shared training of it."""
    names = {each.network.model_dump_json() for each in own}
    for spec in needed:
        name = spec.trained.network.model_dump_json()
        is_as_trained = spec.mend is None or (isinstance(spec.mend, AtSpec) and not spec.mend.by_costs)
        is_plain = is_as_trained and (spec.mend is not None or not isinstance(spec.objective, FrontierSpec))
        if name in names and is_plain and is_finished(spec, runs):
            names.remove(name)
            yield spec


def _edited(spec: RunSpec, data: "Data", runs: Path) -> str | None:
    """What the network of a finished run says now that it did not say then."""
    import torch

    from evendistill.experiments.networks import finished_network
    from evendistill.experiments.recorded import contradiction
    from evendistill.training.heldout import EVALUATION_BATCH

    network, batches = finished_network(spec, data, runs), torch.arange(len(data.test)).split(EVALUATION_BATCH)
    with suppress(RuntimeError, ValueError):  # one that cannot be asked says so in training, or is made anew if damaged
        return contradiction(spec, network, data.test, runs, [batches[len(batches) // 2]])
    return None


def _check_there(data: DataSpec) -> None:
    other = [data.validation] if data.validation and "/" in data.validation and not is_known(data.validation) else []
    for source in (data.source, *other):
        if source != "digits" and not is_made_up(source):
            from evendistill.data.sources import check_source

            check_source(source, group_column=data.group_column)


def _own_networks(runs: Iterable[RunSpec]) -> Iterator[RunSpec]:
    """One run for each network of the user's own that these runs make: to train it, or to read its weights into it."""
    tried = set[object]()
    for each in (each for run in runs for each in (run, *run.inputs)):
        if not isinstance(each.network, OwnSpec):
            continue
        key = (each.network.model_dump_json(), each.objective if isinstance(each.objective, FrontierSpec) else None)
        if key not in tried:
            tried.add(key)
            yield each
