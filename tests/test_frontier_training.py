"""The whole frontier by one training, in Python: one trade-off where there is one, resumable, refused in one line."""

from typing import Any

import pytest
import torch

import evendistill as ed
from evendistill.data.examples import as_examples
from evendistill.training.heldout import HeldOut

QUICK = ed.Recipe(epochs=6, batch_size=64, update_every=2, threads=1)
TOLD: dict[str, Any] = {"recipe": QUICK, "progress": False}


@pytest.fixture(scope="module")
def data():
    return ed.load_data("digits", imbalance=10)


@pytest.fixture(scope="module")
def teacher(data):
    torch.manual_seed(0)
    return ed.train(ed.models.mlp(64, 10, (32,)), data.train, data.validation, objective=ed.Balanced(), **TOLD).model


def student():
    torch.manual_seed(1)
    return ed.models.mlp(64, 10, (16,))


def test_of_one_alpha_training_is_that_of_the_trade_off_bit_for_bit(data, teacher):
    one = ed.distill(teacher, student(), data.train, data.validation, objective=ed.TradeOff(0.5), **TOLD)
    objective = ed.FrontierObjective((0.5,))
    same = ed.distill(teacher, student(), data.train, data.validation, objective=objective, **TOLD)
    assert torch.equal(one.scores(data.test), same.scores(data.test))
    assert one.history == same.history
    assert torch.equal(one.multipliers, same.multipliers)
    assert type(same.at(0.5)) is type(one.model)
    assert same.evaluate(data.test).recalls.equal(one.evaluate(data.test).recalls)


@pytest.mark.parametrize("by", ["scale-and-bias", "film"])
@pytest.mark.parametrize("verb", ["train", "distill"])
def test_each_alpha_is_a_plain_network_with_the_conditioned_scores(data, teacher, verb, by):
    told: dict[str, Any] = TOLD | {"objective": ed.FrontierObjective((0, 0.5, 1), by=by)}
    taught = (teacher,) if verb == "distill" else ()
    result = getattr(ed, verb)(*taught, student(), data.train, data.validation, **told)
    scores = result.scores(data.test)
    assert scores.shape == (len(data.test.labels), 30)
    for alpha, part in zip((0, 0.5, 1), scores.chunk(3, dim=1), strict=True):
        plain = result.at(alpha)
        assert list(plain.state_dict()) == list(student().state_dict())
        with torch.no_grad():
            found = plain(next(data.test.batches([torch.arange(40)])))
            torch.testing.assert_close(found, part[:40], rtol=0, atol=1e-6 * float(part.abs().max()))
    assert result.multipliers.shape == (3, 10)
    assert result.multipliers.sum(dim=1).tolist() == pytest.approx([1, 1, 1])
    last = result.history[-1]
    assert len(last["multipliers"]) == len(last["class_errors"]) == len(last["gap"]) == 3
    assert torch.tensor(last["multipliers"]).float().equal(result.multipliers)


def test_in_a_folder_it_resumes_and_is_found_again(data, teacher, tmp_path):
    told: dict[str, Any] = TOLD | {"objective": ed.FrontierObjective((0, 1))}
    straight = ed.distill(teacher, student(), data.train, data.validation, **told)

    def stop(record):
        if record["epoch"] == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ed.distill(teacher, student(), data.train, data.validation, out=tmp_path / "run", on_record=stop, **told)
    for _ in range(2):  # once to go on, once to find it done
        result = ed.distill(teacher, student(), data.train, data.validation, out=tmp_path / "run", **told)
        assert torch.equal(result.scores(data.test), straight.scores(data.test))
        assert torch.equal(result.multipliers, straight.multipliers)
        assert result.at(1).training is False


def test_the_held_out_errors_of_each_alpha_move_its_own_multipliers(data, teacher):
    told: dict[str, Any] = TOLD | {"objective": ed.FrontierObjective((0, 0.5, 1)), "validation_labels": "true"}
    result = ed.distill(teacher, student(), data.train, data.validation, **told)
    base, middle, last = result.multipliers
    assert base.tolist() == pytest.approx([0.1] * 10)
    assert last.max() > middle.max() > 0.1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"recipe": ed.Recipe(epochs=1, iterate="best")}, "iterate must be 'last', got 'best'"),
        ({"recipe": ed.Recipe(epochs=1, iterate="averaged")}, "iterate must be 'last', got 'averaged'"),
        ({"feature_weight": 1.0}, "feature_weight must be 0"),
    ],
)
def test_what_a_frontier_cannot_do_is_one_line(data, teacher, told, message):
    whole: dict[str, Any] = TOLD | {"objective": ed.FrontierObjective()} | told
    with pytest.raises(ValueError, match=message):
        ed.distill(teacher, student(), data.train, data.validation, **whole)


def test_a_frontier_is_not_evaluated_as_if_it_were_one_network_and_one_network_is_no_frontier(data):
    told: dict[str, Any] = TOLD | {"recipe": ed.Recipe(epochs=1, threads=1)}
    result = ed.train(student(), data.train, data.validation, objective=ed.FrontierObjective(), **told)
    with pytest.raises(ValueError, match=r"evaluate one of them: result\.at\(alpha\)"):
        result.evaluate(data.test)
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\], got 1\.2"):
        result.at(1.2)
    plain = ed.train(student(), data.train, data.validation, **told)
    with pytest.raises(ValueError, match="not the network of several trade-offs"):
        plain.at(0.5)


def test_held_out_errors_of_a_frontier_are_those_of_each_of_its_networks():
    labels = torch.arange(40) % 4
    examples = as_examples((torch.randn(40, 4), labels))
    both = torch.nn.Linear(4, 8)
    one, other = (torch.nn.Linear(4, 4) for _ in range(2))
    for half, alone in enumerate((one, other)):
        alone.weight.data, alone.bias.data = (each[4 * half : 4 * half + 4] for each in (both.weight, both.bias))
    told: dict[str, Any] = {"shape": (4,), "most": 30, "gain": "zero_one", "device": torch.device("cpu")}

    def gains(network, heads):
        return HeldOut(examples, labels, heads=heads, **told).gains(network, torch.Generator().manual_seed(0))

    expected = torch.cat([gains(one, 1), gains(other, 1)])
    assert not torch.equal(*expected.chunk(2))
    assert torch.equal(gains(both, 2), expected)
