"""What cannot be evaluated gets a clear error or its named check, never a quiet 0 % or 100 %."""

import pytest
import torch

import counterspin as cs
from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.errors import CapabilityError, InputError, ModelError, UsageError
from counterspin.evaluation.sanity import masks
from counterspin.types import Box

# Without S29 in the tier these cases have no answer yet.

ATTACKS = (FGSM(), RandomDraws(draws=50))


class Model:
    """Three classes, linear in four features of the unit box, behind a mask."""

    classes, outputs, stochastic = 3, "logits", False

    def __init__(self, mask=None, **attributes):
        self.bounds = Box.uniform(0.0, 1.0, 4)
        self.mask = mask
        for name, value in attributes.items():
            setattr(self, name, value)

    def plain(self, x):
        rows = [[1.0, -0.5, 0.3, 0.0], [-0.7, 0.8, 0.0, 0.4], [0.0, 0.1, -0.6, 0.9]]
        return (x - 0.5) @ torch.tensor(rows, dtype=x.dtype).T

    def __call__(self, x):
        return self.plain(x) if self.mask is None else self.mask(self.plain, x)


X = torch.rand(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = Model().plain(X).argmax(dim=1)


def audited(model, x=X, y=Y, threat=None, attacks=ATTACKS):
    return cs.audit(model, x, y, cs.Linf(0.1) if threat is None else threat, tier="quick", attacks=attacks).record


def statuses(record):
    return {check.id: check.status for check in record.sanity.checks}


@pytest.mark.parametrize(
    "mask",
    [
        lambda plain, x: torch.nan * plain(x),
        lambda plain, x: plain(x).masked_fill(x[:, :1] > 0.9, torch.inf),
        masks.broken_beyond(float(X.max()) + 1e-3),
    ],
    ids=["everywhere", "at a clean sample", "inside the budget"],
)
def test_scores_that_are_not_finite(mask):
    with pytest.raises(ModelError, match="NaN or infinite"):
        audited(Model(mask))


@pytest.mark.parametrize("factor", [1.3, -1.0])
def test_probabilities_that_are_none(factor):
    with pytest.raises(ModelError, match="probabilities"):
        audited(Model(lambda plain, x: factor * plain(x).softmax(dim=1), outputs="probabilities"))


@pytest.mark.slow
def test_a_random_model_declared_deterministic():
    noise = torch.Generator().manual_seed(1)
    record = audited(Model(masks.noisy(0.3, noise)))
    assert record.sanity.verdict == "fail"
    assert {"S03", "S27"} <= {name for name, status in statuses(record).items() if status == "FAIL"}


@pytest.mark.slow
def test_a_gradient_of_zero():
    record = audited(Model(masks.frozen_gradient))
    assert record.sanity.verdict == "fail"
    assert statuses(record)["S05"] == "FAIL"


@pytest.mark.parametrize("declared", [{}, {"differentiable": True}, {"differentiable": False}])
def test_a_gradient_that_is_detached(declared):
    with pytest.raises(CapabilityError, match="without a gradient"):
        audited(Model(masks.detached, **declared))


def test_a_mask_that_forbids_everything():
    with pytest.raises(UsageError, match="mask"):
        cs.Linf(0.1, mask=(False,) * 4)


def test_a_target_outside_the_classes_or_equal_to_a_label():
    with pytest.raises(UsageError, match="target"):
        audited(Model(), threat=cs.Linf(0.1, target=3))
    with pytest.raises(InputError, match="target"):
        audited(Model(), threat=cs.Linf(0.1, target=int(Y[0])))


@pytest.mark.slow
def test_one_sample_is_told_by_its_interval():
    record = audited(Model(), x=X[:1], y=Y[:1])
    assert statuses(record)["S25"] == "WARN"
    assert record.clean_accuracy.high - record.clean_accuracy.low > 0.9


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"y": (Y + 1) % 3}, "FAIL", "None of the 12 samples"),
        ({"x": X[:3].repeat(4, 1), "y": Y[:3].repeat(4)}, "WARN", "copies"),
        ({"x": torch.cat([X, X]), "y": torch.cat([Y, (Y + 1) % 3])}, "WARN", "another label"),
        ({"threat": cs.Linf(3.0)}, "WARN", "covers the whole box"),
    ],
    ids=["labels all wrong", "duplicates", "contradictions", "box smaller than eps"],
)
def test_what_is_decided_before_the_first_attack(changes, status, words):
    record = audited(Model(), **changes)
    assert statuses(record)["S29"] == status
    assert words in next(check.advice for check in record.sanity.checks if check.id == "S29")


@pytest.mark.slow
def test_a_target_that_cannot_be_reached():
    lowered = torch.tensor([0.0, 0.0, -100.0], dtype=torch.float64)
    y = Model().plain(X)[:, :2].argmax(dim=1)
    record = audited(Model(lambda plain, x: plain(x) + lowered.to(x)), y=y, threat=cs.Linf(0.1, target=2))
    assert record.budgets[0].worst_case.value == 1.0
    assert statuses(record)["S29"] == "WARN"


@pytest.mark.slow
def test_a_constant_model():
    constant = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    record = audited(Model(lambda plain, x: constant.to(x) + 0 * x[:, :1]), y=torch.zeros(12, dtype=torch.int64))
    assert record.budgets[0].worst_case.value == 1.0
    assert statuses(record)["S29"] == "WARN"
