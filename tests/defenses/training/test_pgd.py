"""PGD training: exact on logistic regression, share of clean loss, refusals."""

import pytest
import torch
from linear_training import linear_batch, linear_model, step_at, worst_margins
from torch.nn.functional import softplus

from counterspin.attacks.losses import Margin
from counterspin.defenses.training.fgsm import FGSMTraining
from counterspin.defenses.training.mixed import ATTACKS, MixedTraining
from counterspin.defenses.training.pgd import PGDTraining
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import CapabilityError, UsageError
from counterspin.threats import L2, Linf
from counterspin.types import Box

EPS = EpsilonSchedule(final=0.15)


def closed_form(model, x, y, eps: float, norm: str):
    """CE of two classes at the margin minus eps ‖w‖ in the dual norm."""
    return softplus(-worst_margins(model, x, y, eps, norm)).mean()


@pytest.mark.parametrize("progress", [0.1, 0.9])
@pytest.mark.parametrize("training", [PGDTraining, FGSMTraining])
def test_linf_on_logistic_regression_is_exact(training, progress: float) -> None:
    model, (x, y) = linear_model(), linear_batch()
    objective = training(threat=Linf(0.1), schedule=EPS)
    # One step of 1.25 from a random start does not reach every corner; twice the radius does.
    objective = objective if training is PGDTraining else FGSMTraining(threat=Linf(0.1), schedule=EPS, step_size=2.0)
    value = objective(model, x, y, step_at(progress))
    expected = closed_form(model, x, y, EPS(progress), "linf")
    assert value.item() == pytest.approx(float(expected), abs=1e-12)


def test_weight_gradient_is_that_of_the_closed_form() -> None:
    model, (x, y) = linear_model(), linear_batch()
    value = PGDTraining(threat=Linf(0.1), schedule=EPS)(model, x, y, step_at())
    found = torch.autograd.grad(value, list(model.parameters()))
    weight, bias = (parameter.detach().clone().requires_grad_() for parameter in model.parameters())
    sign = torch.where(y == 0, 1.0, -1.0).to(x)
    margin = sign * (x @ (weight[0] - weight[1]) + bias[0] - bias[1]) - 0.15 * (weight[0] - weight[1]).abs().sum()
    expected = torch.autograd.grad(softplus(-margin).mean(), [weight, bias])
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_l2_on_logistic_regression() -> None:
    model, (x, y) = linear_model(), linear_batch()
    value = PGDTraining(threat=L2(0.1), schedule=EPS, steps=30, step_size=0.5)(model, x, y, step_at())
    assert value.item() == pytest.approx(float(closed_form(model, x, y, 0.15, "l2")), abs=1e-6)


def test_clean_share_mixes_both_losses() -> None:
    model, (x, y) = linear_model(), linear_batch()
    value = PGDTraining(threat=Linf(0.1), schedule=EPS, clean_share=0.3)(model, x, y, step_at())
    expected = 0.7 * closed_form(model, x, y, 0.15, "linf") + 0.3 * closed_form(model, x, y, 0.0, "linf")
    assert value.item() == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_of_the_mixture(attack: str) -> None:
    model, (x, y) = linear_model(), linear_batch()
    points = MixedTraining(threat=Linf(0.1), schedule=EPS, attacks=(attack,)).points(model, x, y, step_at())
    moved = (points - x).abs()
    assert bool((moved <= 0.15 + 1e-12).all())
    at_corner = bool(torch.isclose(moved, torch.tensor(0.15, dtype=moved.dtype)).all())
    assert at_corner == attack.startswith("pgd")


def test_the_mixture_draws_attacks_and_norms_evenly() -> None:
    model, (x, y) = linear_model(), linear_batch()
    objective = MixedTraining(threat=Linf(0.1), schedule=EPS, attacks=("pgd-ce",), others=(L2(0.4),), steps=20)
    step, corners, balls = step_at(), 0, 0
    for _ in range(60):
        delta = objective.points(model, x, y, step) - x
        corners += bool(((delta.abs() - 0.15).abs() < 1e-9).all())
        balls += bool(((delta.norm(dim=1) - 0.4).abs() < 1e-6).all())
    assert corners + balls == 60
    assert 18 <= balls <= 42  # 30 of 60 with a standard deviation of 3.9


def test_checks_come_before_compute() -> None:
    box = Box.uniform(0.0, 1.0, features=6)
    model = linear_model(box=box)
    PGDTraining(threat=Linf(0.1), schedule=EPS).check(model, Linf(0.1))
    with pytest.raises(UsageError, match="beyond the box"):
        PGDTraining(threat=Linf(0.1), schedule=EpsilonSchedule(final=0.6)).check(model, Linf(0.1))
    with pytest.raises(UsageError, match="beyond the box"):
        MixedTraining(threat=Linf(0.1), schedule=EPS, others=(L2(3.0),)).check(model, Linf(0.1))
    model.outputs = "expectations"
    with pytest.raises(UsageError, match="needs logits or probabilities"):
        PGDTraining(threat=Linf(0.1), schedule=EPS).check(model, Linf(0.1))
    model.outputs, model.differentiable = "logits", False
    with pytest.raises(CapabilityError, match="pgd-at follows the gradient"):
        PGDTraining(threat=Linf(0.1), schedule=EPS).check(model, Linf(0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"step_size": 0.0}, "step_size is 0.0"),
        ({"clean_share": 1.0}, "clean_share is 1.0"),
    ],
)
def test_refusals(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PGDTraining(threat=Linf(0.1), schedule=EPS, **change)
    with pytest.raises(UsageError, match=r"attacks is \('apgd',\)"):
        MixedTraining(threat=Linf(0.1), schedule=EPS, attacks=("apgd",))


def test_what_is_ascended_is_configurable() -> None:
    assert "Margin" in repr(PGDTraining(threat=Linf(0.1), schedule=EPS, ascended=Margin()))
