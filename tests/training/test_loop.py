"""What the loop does at each step, and what it leaves alone."""

import copy
import itertools
import math
import re
from typing import Any

import pytest
import torch
from torch import nn

import evendistill as ed
from evendistill.models.average import AverageOfScores
from evendistill.training.optimisers import make_optimiser
from evendistill.training.schedule import learning_rate_factor

INPUTS, LABELS = torch.randn(48, 5, generator=torch.Generator().manual_seed(1)), torch.arange(48) % 3
VALIDATION = (torch.randn(30, 5, generator=torch.Generator().manual_seed(2)), torch.arange(30) % 3)
DATA = (INPUTS, LABELS)


def network() -> nn.Sequential:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def train(model: nn.Module | None = None, **told) -> ed.Result:
    kept = {name: told.pop(name) for name in ("objective", "seed") if name in told}
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 16, "update_every": 2} | told
    recipe = ed.Recipe(**settings)
    return ed.train(model or network(), DATA, VALIDATION, recipe=recipe, progress=False, **kept)


def states(result: ed.Result) -> list[torch.Tensor]:
    return list(result.model.state_dict().values())


def test_the_callers_model_and_generators_are_not_touched():
    model = network()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    train(model, objective=ed.Robust())
    assert torch.equal(torch.rand(1), drawn)
    assert model.training
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, second, third = train(seed=1), train(seed=1), train(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(states(first), states(second), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states(first), states(third), strict=True))


def test_validation_leaves_no_trace_in_batch_norm():
    """Held-out images a million away, looked at before every step, do not move the running statistics."""
    recipe = ed.Recipe(epochs=2, batch_size=16, update_every=1, multiplier_step=1e-9)
    far = (VALIDATION[0] + 1e6, VALIDATION[1])
    results = [
        ed.train(network(), DATA, held_out, objective=ed.Robust(), recipe=recipe, progress=False)
        for held_out in (VALIDATION, far)
    ]
    for result in results:
        assert result.model.state_dict()["1.running_mean"].abs().max() < 10
    means = [result.model.state_dict()["1.running_mean"] for result in results]
    torch.testing.assert_close(*means, rtol=0, atol=1e-5)


def test_an_objective_without_multipliers_never_looks_at_validation(monkeypatch):
    monkeypatch.setattr("evendistill.training.heldout.HeldOut.gains", None)
    for objective in (ed.Standard(), ed.Balanced()):
        result = train(objective=objective)
        torch.testing.assert_close(result.multipliers, torch.full((3,), 1 / 3))
        assert "multipliers" not in result.history[-1]


@pytest.mark.parametrize(("phase", "moves"), [("global", [0, 2, 4]), ("epoch", [0, 2, 3, 5])])
def test_multipliers_move_before_their_steps(monkeypatch, phase, moves):
    from evendistill.training.loop import HeldOut
    from evendistill.training.state import State

    steps, look, rate = [], HeldOut.gains, State.set_learning_rate
    now = []
    monkeypatch.setattr(State, "set_learning_rate", lambda self: (now.append(self.step), rate(self))[1])
    monkeypatch.setattr(HeldOut, "gains", lambda self, *a: (steps.append(len(now)), look(self, *a))[1])
    train(objective=ed.Robust(), update_phase=phase)
    assert steps == moves  # two epochs of three steps


def test_more_held_out_examples_than_asked_for_are_thinned_afresh(monkeypatch):
    from evendistill.training import heldout

    seen = []
    risks = heldout.group_risks
    monkeypatch.setattr(
        heldout,
        "group_risks",
        lambda losses, targets, *a: (seen.append(targets.clone()), risks(losses, targets, *a))[1],
    )
    train(objective=ed.Robust(), update_examples=11, update_every=1, epochs=1)
    assert [len(targets) for targets in seen] == [11, 11, 11]
    assert not torch.equal(seen[0], seen[1])


def test_the_averaged_iterate_is_the_mean_of_scores_and_not_of_weights():
    """Networks after each period of two steps, kept by hand from runs that stop there."""
    schedule = {"schedule": "constant", "learning_rate": 0.05}
    averaged = train(epochs=2, iterate="averaged", **schedule)
    assert isinstance(averaged.model, AverageOfScores)
    from evendistill.training.state import State

    kept = []
    with pytest.MonkeyPatch.context() as patch:
        keep = State.keep_iterate
        patch.setattr(
            State,
            "keep_iterate",
            lambda self: (kept.append(copy.deepcopy(self.network)) if self.step in (2, 4, 6) else None, keep(self))[1],
        )
        train(epochs=2, **schedule)
    assert len(kept) == len(averaged.model.networks) == 3
    with torch.no_grad():
        by_hand = torch.stack([member.eval()(VALIDATION[0]) for member in kept]).mean(dim=0)
    torch.testing.assert_close(averaged.scores(VALIDATION), by_hand)
    mean = copy.deepcopy(kept[0])
    members = [member.state_dict() for member in kept]
    mean.load_state_dict({name: sum(m[name] for m in members) / 3 for name in members[0]})
    with torch.no_grad():
        assert not torch.allclose(mean.eval()(VALIDATION[0]), by_hand, atol=1e-3)


def test_the_best_iterate_has_the_best_validation_worst_class():
    result = train(epochs=12, iterate="best", learning_rate=0.3, objective=ed.Robust())
    merits = [
        (record["validation_worst_class_accuracy"], record["validation_average_accuracy"]) for record in result.history
    ]
    found = result.evaluate(VALIDATION)
    assert (found.worst_class_accuracy, found.average_accuracy) == max(merits)
    assert max(merits) > merits[-1]  # else the last would have done


def test_an_average_too_large_for_memory_is_refused(monkeypatch):
    monkeypatch.setattr("evendistill.training.state.MOST_AVERAGED_BYTES", 1000)
    with pytest.raises(ValueError, match="would keep 3 networks"):
        train(iterate="averaged")


def test_a_loss_that_diverges_stops_the_run_and_says_where(tmp_path):
    recipe = ed.Recipe(epochs=5, batch_size=16, learning_rate=1e30, schedule="constant")
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) at training step \d+ \(epoch \d of 5\)"):
        ed.train(model, DATA, VALIDATION, recipe=recipe, out=tmp_path, progress=False)
    assert "the loss became" in (tmp_path / "FAILED").read_text()
    assert not (tmp_path / "DONE").exists()


class SpoiltLater(torch.utils.data.Dataset):
    """Whole when it is read first, as augmentation may be; later one example divides by zero."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, row):
        self.reads += 1
        return INPUTS[row] / (0.0 if row == 3 and self.reads > 48 else 1.0), int(LABELS[row])


@pytest.mark.parametrize(
    ("rate", "data", "weight", "advice"),
    [
        (1e6, DATA, 1.0, "; a learning_rate of 0.1 in place of 1e+06, or a longer warm-up, may help"),
        (0.1, DATA, 1e30, "; a learning_rate of 0.01 in place of 0.1, or a longer warm-up, may help"),
        (0.1, DATA, math.nan, "all inputs are finite; look into their scale and the initial weights"),
        (0.1, SpoiltLater(), 1.0, "; training example 3 has NaN or infinity in its inputs"),
    ],
)
def test_what_may_have_made_a_loss_diverge_is_said(rate, data, weight, advice):
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), last := nn.Linear(8, 3))
    with torch.no_grad():
        last.weight.mul_(weight)
    recipe = ed.Recipe(epochs=60, batch_size=16, learning_rate=rate, schedule="constant")
    with pytest.raises(FloatingPointError, match=f"{re.escape(advice)}$"):
        ed.train(model, data, None, recipe=recipe, progress=False)


def test_a_class_that_the_teacher_never_names_is_said_to_be_absent_from_what_it_says():
    scores = ed.TeacherScores(*(torch.tensor([9.0, -99.0, 8.0]).repeat(len(y), 1) for _, y in (DATA, VALIDATION)))
    told = {"objective": ed.Robust(), "temperature": 1.0, "recipe": ed.Recipe(epochs=1, batch_size=16, update_every=1)}
    with pytest.warns(
        UserWarning, match=r"^absent from what the teacher says of validation: class 1; its multiplier keeps its value$"
    ):
        ed.distill(scores, network(), DATA, VALIDATION, **told, validation_temperature=0.1, progress=False)


def test_a_class_absent_from_validation_keeps_its_multiplier_and_is_named():
    held_out = (VALIDATION[0][VALIDATION[1] != 1], VALIDATION[1][VALIDATION[1] != 1])
    recipe = ed.Recipe(epochs=2, batch_size=16, update_every=1)
    with pytest.warns(UserWarning, match="absent from validation: class 1;"):
        result = ed.train(network(), DATA, held_out, objective=ed.Robust(), recipe=recipe, progress=False)
    assert result.multipliers[1].item() == pytest.approx(1 / 3)
    assert result.multipliers.sum().item() == pytest.approx(1)
    assert not torch.allclose(result.multipliers, torch.full((3,), 1 / 3), atol=1e-3)
    with pytest.warns(UserWarning, match="absent from the labels: class 1;"):
        assert math.isnan(result.evaluate(held_out).recalls[1])
    assert result.history[-1]["class_errors"][1] is None


def test_an_own_optimiser_is_driven_by_the_schedule():
    seen = {}

    def make(parameters):
        seen["optimiser"] = torch.optim.Adam(parameters, lr=0.03)
        return seen["optimiser"]

    result = train(optimizer=make, schedule="constant")
    assert seen["optimiser"].param_groups[0]["lr"] == 0.03
    assert result.history[-1]["learning_rate"] == 0.03
    with pytest.raises(ValueError, match=r"optimizer must return a torch.optim.Optimizer, got int"):
        train(optimizer=lambda parameters: 3)


def test_adamw_learns_too():
    result = train(optimizer="adamw", learning_rate=0.02, epochs=40)
    assert result.history[-1]["loss"] < 0.9 * result.history[0]["loss"]


def test_bf16_computes_the_loss_in_float32():
    result = train(precision="bf16", objective=ed.Robust())
    assert result.scores(VALIDATION).dtype == torch.float32
    assert math.isfinite(result.history[-1]["loss"])


@pytest.mark.parametrize("nesterov", [True, False])
def test_one_epoch_equals_a_loop_written_by_hand(nesterov):
    """Plain SGD steps on F.cross_entropy over the same order of examples."""
    from evendistill.data.sampling import epoch_order
    from evendistill.training.randomness import generator

    result = train(epochs=1, nesterov=nesterov, warmup_epochs=0, learning_rate=0.1, weight_decay=1e-3, seed=5)
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=1e-3)
    for step, rows in enumerate(epoch_order(48, None, generator(5, "order", 0)).split(16)):
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * (1 + math.cos(math.pi * step / 3)) / 2
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(INPUTS[rows]), LABELS[rows]).backward()
        optimiser.step()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(result.model.state_dict()[name], tensor)


def test_the_step_schedule_is_the_papers():
    """CIFAR-LT: warm-up to 15, tenfold decay after 96, 192, 224 of 256 epochs."""
    recipe = ed.Recipe(epochs=256, schedule="step", warmup_epochs=15, milestones=(96, 192, 224))
    at = {epoch: learning_rate_factor(epoch * 10, recipe, steps_per_epoch=10) for epoch in (0, 15, 95, 96, 192, 224)}
    assert at == pytest.approx({0: 1 / 150, 15: 1, 95: 1, 96: 0.1, 192: 0.01, 224: 0.001})
    assert learning_rate_factor(149, recipe, steps_per_epoch=10) == 1


def test_cosine_falls_from_one_to_zero_after_the_warm_up():
    recipe = ed.Recipe(epochs=10, warmup_epochs=2)
    factors = [learning_rate_factor(step, recipe, steps_per_epoch=5) for step in range(50)]
    assert factors[10] == 1
    assert factors[30] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.01
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive and finite, got -1.0"),
        ({"multiplier_step": 0}, "multiplier_step must be positive"),
        ({"optimizer": "sdg"}, "optimizer must be one of sgd, adamw, got 'sdg'"),
        ({"gain": "hinge"}, "gain must be one of"),
        ({"milestones": (3, 2), "schedule": "step"}, "milestones must be ascending"),
        ({"milestones": (3,)}, "milestones belong to schedule 'step'"),
        ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs must be below epochs 5"),
        ({"momentum": 0.0}, "nesterov needs a positive momentum"),
        ({"weight_decay": math.nan}, "weight_decay must be at least 0, got nan"),
    ],
)
def test_a_recipe_out_of_range_names_field_and_value(told, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        ed.Recipe(**told)


@pytest.mark.parametrize(("decayed", "norm", "weight"), [("all", 0.9, 0.9), ("matrices", 1.0, 0.9)])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_acts_on_what_the_recipe_says(optimizer, decayed, norm, weight):
    """Without gradients only the decay moves parameters, by a tenth."""
    linear, norms = nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2)
    network = nn.Sequential(linear, norms)
    recipe = ed.Recipe(
        optimizer=optimizer, learning_rate=0.5, weight_decay=0.2, momentum=0, nesterov=False, decayed=decayed
    )
    optimiser = make_optimiser(network.parameters(), recipe)
    before = linear.weight.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    torch.testing.assert_close(norms.weight.detach(), torch.full((2,), norm))
    torch.testing.assert_close(linear.weight.detach(), weight * before)
