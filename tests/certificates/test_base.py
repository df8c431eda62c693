"""The template every certificate shares: checks, the rule for misclassified samples, nothing left changed."""

import dataclasses
from typing import ClassVar

import pytest
import torch

from counterspin.certificates import Certificate, ExactL2Certificate
from counterspin.certificates.base import Assumptions, Radii, in_norm_of
from counterspin.errors import CapabilityError, ConditionsError, InputError, ModelError
from counterspin.threats import L0, L2, Linf
from counterspin.types import Box


class Linear:
    """Two classes, scores (w.x, -w.x)."""

    outputs = "logits"
    stochastic = False
    classes = 2
    bounds = Box.uniform(-1, 1, features=2)

    def __init__(self):
        self.w = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)

    def __call__(self, x):
        value = x @ self.w.to(x)
        return torch.stack([value, -value], dim=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearCertificate(Certificate):
    """d_2 = |w.x| / ‖w‖ for everybody; the template must overrule it for misclassified samples."""

    name: ClassVar[str] = "linear"

    def _prepare(self, model, threat):
        if threat.mask is not None:
            raise ConditionsError("certificate linear moves every feature; leave out the mask.")
        return model.w / 5

    def _radii(self, model, prepared, task):
        distance, notes = in_norm_of(task.threat, (task.x @ prepared).abs(), 2)
        points = task.x - (task.x @ prepared)[:, None] * prepared
        assumptions = Assumptions(notes=notes)
        return Radii(lower=distance, upper=distance, exact=distance > 0, assumptions=assumptions, points=points)


X = torch.tensor([[0.3, 0.4], [-0.3, -0.4], [0.4, -0.3]], dtype=torch.float64)
Y = torch.tensor([0, 0, 0])


def test_misclassified_and_tied_samples_have_radius_zero():
    result = LinearCertificate()(Linear(), X, Y, L2(0.1))
    torch.testing.assert_close(result.radius_lower, torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(result.radius_upper, torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64))
    assert result.method == "linear"
    assert result.seconds >= result.prepare_seconds >= 0
    torch.testing.assert_close(result.points[1:], X[1:])
    torch.testing.assert_close(result.points[0], torch.zeros(2, dtype=torch.float64))


def test_verdicts_per_sample():
    result = LinearCertificate()(Linear(), X, Y, L2(0.1))
    assert result.verdicts(0.4) == ["proved", "counterexample", "counterexample"]
    # A flip exactly at the radius is within reach.
    assert result.verdicts(result.radius_lower)[0] == "counterexample"
    assert dataclasses.replace(result, radius_upper=result.radius_upper + 1).verdicts(0.6)[0] == "inconclusive"


def test_refusal_says_why_and_nothing_otherwise():
    assert LinearCertificate().refusal(Linear(), L2(0.1)) is None
    assert "leave out the mask" in LinearCertificate().refusal(Linear(), L2(0.1, mask=(True, False)))
    assert "norm is l0" in LinearCertificate().refusal(Linear(), L0(1))
    assert "effective observables" in ExactL2Certificate().refusal(Linear(), L2(0.1))


def test_accepts_lists_arrays_and_float32():
    for x, y in ((X.tolist(), Y.tolist()), (X.numpy(), Y.numpy()), (X.float(), Y)):
        result = LinearCertificate()(Linear(), x, y, L2(0.1))
        assert result.radius_lower.dtype == torch.float64
        assert result.radius_lower[0].item() == pytest.approx(0.5, rel=1e-6)


def test_no_graph_and_no_grad_is_left_behind():
    model = Linear()
    x = X.clone().requires_grad_()
    result = LinearCertificate()(model, x, Y, L2(0.1))
    assert not result.radius_lower.requires_grad
    assert model.w.grad is None
    assert x.grad is None
    assert torch.is_grad_enabled()


def test_norm_inequality():
    assert in_norm_of(L2(0.1), torch.tensor(1.0), 4) == (torch.tensor(1.0), ())
    radius, assumptions = in_norm_of(Linf(0.1), torch.tensor(1.0), 4)
    assert radius.item() == 0.5
    assert "sqrt(4)" in assumptions[0]


def test_box_rule_decides_what_is_refused():
    outside = 2 * torch.ones(1, 2)
    with pytest.raises(InputError, match="leaves the box"):
        LinearCertificate()(Linear(), outside, Y[:1], L2(0.1))
    assert LinearCertificate()(Linear(), outside, Y[:1], L2(0.1, box="none")).radius_lower.item() > 0


@pytest.mark.parametrize(
    ("x", "y", "threat", "message"),
    [
        (X[0], Y[:1], L2(0.1), "shape"),
        (X, Y[:2], L2(0.1), "one label per sample"),
        (X, torch.tensor([0, 1, 2]), L2(0.1), "label 2"),
        (X * torch.nan, Y, L2(0.1), "NaN"),
        (X, Y, L2(0.1, target=0), "target equals the label of sample 0"),
        (X, Y, L2(0.1, target=7), "target holds label 7"),
    ],
)
def test_bad_input_is_refused(x, y, threat, message):
    with pytest.raises(InputError, match=message):
        LinearCertificate()(Linear(), x, y, threat)


def test_models_that_cannot_be_certified_are_refused():
    noisy = Linear()
    noisy.stochastic = True
    with pytest.raises(ConditionsError, match="shot noise"):
        LinearCertificate()(noisy, X, Y, L2(0.1))
    with pytest.raises(CapabilityError, match="needs effective observables"):
        ExactL2Certificate()(Linear(), X, Y, L2(0.1))
    broken = Linear()
    broken.w = torch.full((2,), torch.nan, dtype=torch.float64)
    with pytest.raises(ModelError, match="NaN"):
        LinearCertificate()(broken, X, Y, L2(0.1))


def test_radii_do_not_depend_on_the_budgets():
    one, other = (LinearCertificate()(Linear(), X, Y, L2(*eps)) for eps in ((0.1,), (0.2, 0.9)))
    assert torch.equal(one.radius_lower, other.radius_lower)
