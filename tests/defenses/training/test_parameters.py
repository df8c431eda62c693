"""Parameter norms against sums written out, and what they refuse."""

import math

import pytest
import torch

from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    angle_encoding,
    feature,
    reuploading,
)
from counterspin.circuits.angles import weight
from counterspin.defenses.training.noise import NoiseView
from counterspin.defenses.training.parameters import ENTRY, ParameterNorm
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import Linf
from counterspin.training import Step
from counterspin.types import Box

THREAT = Linf(0.1)
STEP = Step(epoch=1, progress=0.0, rows=torch.arange(1), generator=torch.Generator().manual_seed(0), memory={})
X, Y = torch.zeros(1, 1), torch.zeros(1, dtype=torch.long)
BOX = Box.uniform(0.0, 1.0, 1)


def model():
    """One scale (w0) and two angles (w1, w2), the second beyond half a turn."""
    circuit = Circuit(1).add("RY", 0, math.pi * feature(0) * weight(0)).add("RZ", 0, weight(1)).add("RY", 0, weight(2))
    head = Linear(torch.tensor([[3.0], [-4.0]]), torch.tensor([7.0, 7.0]))
    return QuantumClassifier(
        circuit, PauliExpectations.of("Z0"), BOX, head=head, weights=torch.tensor([2.0, -0.5, 2 * math.pi - 0.25])
    )


def penalty(own, **options):
    return ParameterNorm(strength=0.1, **options)(own, X, Y, STEP)


@pytest.mark.parametrize(
    ("of", "order", "expected"),
    [
        ("angles", 1, 0.075),
        ("angles", 2, 0.03125),
        ("scales", 1, 0.2),
        ("scales", 2, 0.4),
        ("head", 1, 0.7),
        ("head", 2, 2.5),
    ],
)
def test_sums_by_hand(of, order, expected):
    assert float(penalty(model(), of=of, order=order).detach()) == pytest.approx(expected, rel=1e-5)


def test_all_is_every_trained_parameter_of_any_model():
    own = MLP(BOX, classes=2, hidden=(3,))
    total = sum(float(p.detach().square().sum()) for p in own.parameters())
    assert float(penalty(own, of="all").detach()) == pytest.approx(0.1 * total, rel=1e-5)
    next(own.parameters()).requires_grad_(False)
    less = sum(float(p.detach().square().sum()) for p in own.parameters() if p.requires_grad)
    assert float(penalty(own, of="all").detach()) == pytest.approx(0.1 * less, rel=1e-5)


def test_angles_are_drawn_to_the_nearest_full_turn():
    own = model()
    penalty(own, of="angles", order=2).backward()
    torch.testing.assert_close(own.weights.grad, torch.tensor([0.0, -0.1, -0.05]), atol=1e-6, rtol=0)
    own.weights.grad = None
    penalty(own, of="angles", order=1).backward()
    torch.testing.assert_close(own.weights.grad, torch.tensor([0.0, -0.1, -0.1]))


def test_scale_heads_count_their_value():
    own = QuantumClassifier(
        angle_encoding(1), OutcomeGroups((0,), ((0,), (1,))), BOX, head=Scale(torch.tensor(5.0)), trainable_head=True
    )
    value = penalty(own, of="head", order=1)
    assert float(value.detach()) == pytest.approx(0.5, rel=1e-5)
    value.backward()
    assert float(own.get_parameter("log_scale").grad) == pytest.approx(0.5, rel=1e-5)


def test_the_norm_is_that_of_the_model_behind_a_view():
    own = model()
    seen = NoiseView(sources=("bit_flip:0.1/gate",)).apply(own, STEP)
    assert torch.equal(penalty(seen), penalty(own))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"strength": 0.0}, "above 0"), ({"strength": math.nan}, "above 0"), ({"order": 3}, "allowed: 1, 2"),
     ({"of": "bias"}, "angles, scales")],
)  # fmt: skip
def test_refused_values(options, says):
    with pytest.raises(UsageError, match=says):
        ParameterNorm(**options)


def test_refused_models():
    ParameterNorm().check(model(), THREAT)
    with pytest.raises(CapabilityError, match="of=all"):
        ParameterNorm().check(MLP(BOX, classes=2, hidden=(3,)), THREAT)
    with pytest.raises(CapabilityError, match="no parameters"):
        ParameterNorm(of="all").check(MLP(BOX, classes=2, hidden=(3,)).requires_grad_(False), THREAT)
    plain = QuantumClassifier(
        reuploading(2, 1, trainable_scale=False), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2)
    )
    with pytest.raises(CapabilityError, match="no weights that are scales"):
        ParameterNorm(of="scales").check(plain, THREAT)
    with pytest.raises(CapabilityError, match="no head"):
        ParameterNorm(of="head").check(plain, THREAT)


def test_entry():
    built = ENTRY.build({"strength": "0.5", "order": "1", "of": "head"}, THREAT)
    assert built == ParameterNorm(strength=0.5, order=1, of="head")
    assert ENTRY.build({}, THREAT) == ParameterNorm()
    with pytest.raises(UsageError, match="allowed"):
        ENTRY.build({"of": "tail"}, THREAT)
