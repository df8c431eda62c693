"""Losses of samples, of the worst share, of the worst group and of smoothed labels, each against its definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from linear_training import linear_batch, linear_model, step_at
from torch.nn.functional import cross_entropy

from counterspin.defenses.training.groups import WorstGroup
from counterspin.defenses.training.mixup import Mixup
from counterspin.defenses.training.sample_losses import check_log_probabilities, log_probabilities, sample_losses
from counterspin.defenses.training.smoothed_labels import LabelSmoothing
from counterspin.defenses.training.tail import TailLoss
from counterspin.errors import UsageError
from counterspin.threats import Group, Linf
from counterspin.training import CrossEntropyObjective, Step

NAME = "group-worst/weights"


def three() -> tuple:
    return linear_model(classes=3), *linear_batch(classes=3)


def losses_of(model, x, y) -> np.ndarray:
    return cross_entropy(model(x), y, reduction="none").detach().numpy()


def test_sample_losses_average_to_the_objective() -> None:
    model, x, y = three()
    for loss in (CrossEntropyObjective(), LabelSmoothing(amount=0.3)):
        each = sample_losses(loss, model, x, y)
        assert each.shape == (12,)
        assert each.mean().item() == pytest.approx(loss(model, x, y).item(), abs=1e-12)
    np.testing.assert_allclose(sample_losses(CrossEntropyObjective(), model, x, y).detach(), losses_of(model, x, y))


def test_probabilities_and_expectations() -> None:
    model, x, y = three()
    probabilities = torch.tensor([[0.25, 0.0]], dtype=torch.float64)
    assert log_probabilities(probabilities, "probabilities").tolist()[0] == pytest.approx(
        [math.log(0.25), math.log(1e-12)]
    )
    model.outputs = "expectations"
    for refused in (lambda: check_log_probabilities(model), lambda: TailLoss()(model, x, y)):
        with pytest.raises(UsageError, match="needs logits or probabilities"):
            refused()


def test_a_loss_without_samples_is_refused() -> None:
    model, x, y = three()
    with pytest.raises(UsageError, match="loss mixup is no mean of a loss per sample"):
        sample_losses(Mixup(), model, x, y)


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.5])
def test_label_smoothing_is_that_of_torch(amount: float) -> None:
    model, x, y = three()
    expected = cross_entropy(model(x), y, label_smoothing=amount)
    assert LabelSmoothing(amount=amount)(model, x, y).item() == pytest.approx(expected.item(), abs=1e-12)


@given(share=st.floats(0.01, 1.0))
def test_cvar_is_its_variational_form(share: float) -> None:
    r"""min over t of t + E[(loss - t)+] / alpha (Rockafellar and Uryasev), whose minimum is at one of the losses."""
    model, x, y = three()
    losses = losses_of(model, x, y)
    expected = min(t + np.maximum(losses - t, 0).mean() / share for t in losses)
    assert TailLoss(share=share)(model, x, y).item() == pytest.approx(expected, abs=1e-10)


def test_cvar_of_everything_is_the_mean() -> None:
    model, x, y = three()
    assert TailLoss(share=1.0)(model, x, y).item() == pytest.approx(losses_of(model, x, y).mean(), abs=1e-12)


def test_group_weights_by_hand() -> None:
    model, x, y = three()
    x, y = x[:11], y[:11]  # groups of 4, 4 and 3
    losses = losses_of(model, x, y)
    means = np.array([losses[y.numpy() == k].mean() for k in range(3)])
    step, weights = step_at(rows=11), np.full(3, 1 / 3)
    for _ in range(4):
        value = WorstGroup(rate=0.5)(model, x, y, step)
        weights = weights * np.exp(0.5 * means)
        weights /= weights.sum()
        np.testing.assert_allclose(step.memory[NAME], weights, atol=1e-12)
        assert value.item() == pytest.approx(weights @ means, abs=1e-12)


def test_given_groups_follow_the_rows_and_repeats() -> None:
    model, x, y = three()
    rows = torch.tensor([5, 0, 2, 3])
    step = Step(epoch=1, progress=0.5, rows=rows, generator=torch.Generator(), memory={})
    groups = (1, 0, 0, 1, 0, 1)
    value = WorstGroup(rate=0.5, groups=groups)(model, x[:4].repeat(2, 1), y[:4].repeat(2), step)
    losses = losses_of(model, x[:4], y[:4])
    means = np.array([losses[2], losses[[0, 1, 3]].mean()])  # rows 5, 0, 2, 3 are of the groups 1, 1, 0, 1
    weights = np.exp(0.5 * means) / np.exp(0.5 * means).sum()
    assert groups[0] == 1
    assert value.item() == pytest.approx(weights @ means, abs=1e-12)
    with pytest.raises(UsageError, match="groups holds 2 samples"):
        WorstGroup(groups=(0, 1))(model, x[:4], y[:4], step)


def test_a_batch_without_a_group() -> None:
    model, x, y = three()
    step = step_at(rows=8)
    kept = y != 2
    value = WorstGroup(rate=0.5)(model, x[kept], y[kept], step)
    assert math.isfinite(value.item())
    weights = step.memory[NAME]
    assert weights[2] < weights[:2].min()


def test_a_starved_group_comes_back() -> None:
    model, x, y = three()
    step = step_at(memory={NAME: torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).clamp_min(1e-300)})
    for _ in range(3):
        WorstGroup(rate=400.0)(model, x, y, step)
    assert int(step.memory[NAME].argmax()) == int(
        np.argmax([losses_of(model, x, y)[y.numpy() == k].mean() for k in range(3)])
    )


def test_mixup_of_one_sample_is_the_loss_itself() -> None:
    model, x, y = three()
    value = Mixup()(model, x[:1], y[:1], step_at(rows=1))
    assert value.item() == pytest.approx(losses_of(model, x[:1], y[:1])[0], abs=1e-12)


def test_mixup_is_both_losses_between_two_samples() -> None:
    model, x, y = three()
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    value = Mixup(alpha=2.0)(model, x, y, step_at())
    mixed = seen[0]
    # Each row of `mixed` lies between its own sample and one other, at the same share.
    shares = []
    expected = 0.0
    for row in range(12):
        fits = []
        for other in range(12):
            direction = x[other] - x[row]
            length = float(direction @ direction)
            t = float((mixed[row] - x[row]) @ direction) / length if length else 0.0
            fits.append((float((x[row] + t * direction - mixed[row]).norm()), t, other))
        error, t, other = min(fits)
        assert error < 1e-12
        if other != row:
            shares.append(t)
        weight = shares[0] if shares else t
        logits = mixed[row : row + 1] @ model.weight.T + model.bias
        expected += (1 - weight) * cross_entropy(logits, y[row : row + 1]).item() / 12
        expected += weight * cross_entropy(logits, y[other : other + 1]).item() / 12
    assert max(shares) - min(shares) < 1e-9
    assert value.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TailLoss(share=0.0), r"share is 0\.0"),
        (lambda: TailLoss(share=1.5), r"share is 1\.5"),
        (lambda: WorstGroup(rate=0.0), r"rate is 0\.0"),
        (lambda: WorstGroup(groups=()), "groups holds no or negative groups"),
        (lambda: LabelSmoothing(amount=1.0), r"amount is 1\.0"),
        (lambda: Mixup(alpha=0.0), r"alpha is 0\.0"),
        (
            lambda: Mixup().check(linear_model(), Linf(0.1, groups=(Group(features=(0,), values=((0.0,), (1.0,))),))),
            "discrete features have not",
        ),
    ],
)
def test_refusals(build, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()
