"""C8: its formula, which models it takes, masks, targets, and what it says it assumes."""

import math

import pytest
import torch
from angle_models import one_rotation

from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, reuploading
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}


def linear_head(seed=0):
    """Two qubits, data twice, three classes by a linear head with bias on <Z0>, <Z1>."""
    generator = torch.Generator().manual_seed(seed)
    head = Linear(torch.randn(3, 2, generator=generator), 0.2 * torch.randn(3, generator=generator))
    box = Box.uniform(-1.0, 1.0, features=2)
    model = QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), box, head=head, generator=generator)
    x = 2 * torch.rand(20, 2, generator=generator, dtype=torch.float64) - 1
    return model.requires_grad_(False), head, x, model(x).argmax(dim=1)


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)])
def test_formula(threat):
    model, head, x, y = linear_head()
    scales = model.weights[:4].double().reshape(2, 2)  # slopes: one feature each, so every dual norm is the slope
    turning = scales.abs().sum() / 2
    scores, weight = model(x), head.weight.double()
    expected = []
    for row, label in zip(scores, y, strict=True):
        # spread of c0 Z0 + c1 Z1 is 2 (|c0| + |c1|), the bias has none
        spread = 2 * (weight[label] - weight).abs().sum(dim=1)
        ratio = (row[label] - row) / (spread * turning)
        expected.append(min(ratio[k].item() for k in range(3) if k != label))
    found = LipschitzCertificate()(model, x, y, threat)
    assert found.radius_lower.tolist() == pytest.approx(expected, rel=1e-9)
    assert found.method == "lipschitz"
    assert not found.exact.any()


def test_one_rotation():
    # m / L = cos(x) / w for RX(w x): spread 2, slope w, half the spread of the generator 1/2.
    model, x = one_rotation(2.0), torch.tensor([[0.0], [0.3], [0.7]]).double()
    found = LipschitzCertificate()(model, x, torch.zeros(3), Linf(0.1))
    torch.testing.assert_close(found.radius_lower, torch.cos(2 * x[:, 0]) / 2, rtol=1e-9, atol=0)


def test_mask_drops_features_out():
    model, _, x, y = linear_head()
    whole, part = (LipschitzCertificate()(model, x, y, threat) for threat in (L2(0.1), L2(0.1, mask=(True, False))))
    scales = model.weights[:4].double().abs().reshape(2, 2).sum(dim=0)
    torch.testing.assert_close(part.radius_lower, whole.radius_lower * (scales.sum() / scales[0]), rtol=1e-9, atol=0)


def test_target_counts_alone():
    model, _, x, y = linear_head()
    each = []
    for shift in (1, 2):
        threat = L2(0.1, target=tuple(((y + shift) % 3).tolist()))
        each.append(LipschitzCertificate()(model, x, y, threat).radius_lower)
    whole = LipschitzCertificate()(model, x, y, L2(0.1)).radius_lower
    torch.testing.assert_close(torch.minimum(*each), whole, rtol=1e-12, atol=0)
    assert bool((torch.maximum(*each) > whole).all())


def test_assumptions_name_the_box_and_what_wraps():
    model, x = one_rotation(), torch.tensor([[0.3]]).double()
    zero = torch.zeros(1)
    assert LipschitzCertificate()(model, x, zero, Linf(0.1)).assumptions.box == "none"
    boxed = one_rotation(box=Box.uniform(0.0, 3.0, features=1))
    result = LipschitzCertificate()(boxed, x, zero, Linf(0.1))
    assert (result.assumptions.box, result.assumptions.noise, result.assumptions.notes) == ("not used", "any", ())
    wrapping = Box(torch.zeros(1).double(), torch.full((1,), 3.0).double(), torch.ones(1, dtype=torch.bool))
    result = LipschitzCertificate()(one_rotation(box=wrapping), x, zero, Linf(0.1))
    assert result.radius_lower.item() == pytest.approx(0.3)
    assert "periodic" in result.assumptions.notes[0]
    whole = Box(
        torch.zeros(1).double(), torch.tensor([2 * math.pi], dtype=torch.float64), torch.ones(1, dtype=torch.bool)
    )
    assert LipschitzCertificate()(one_rotation(box=whole), x, zero, Linf(0.1)).radius_lower.item() > 0.9


def test_scores_that_cannot_move_are_safe_for_ever():
    model, _, x, y = linear_head()
    with torch.no_grad():
        model.weights[:4] = 0
    y = model(x).argmax(dim=1)
    assert torch.isinf(LipschitzCertificate()(model, x, y, L2(0.1)).radius_lower).all()


def test_other_models_are_refused():
    box = Box.uniform(-1, 1, features=4)
    amplitudes = QuantumClassifier(amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), box)
    assert "exact-l2" in (LipschitzCertificate().refusal(amplitudes, L2(0.1)) or "")
    with pytest.raises(ConditionsError, match="amplitudes"):
        LipschitzCertificate()(amplitudes, torch.ones(1, 4), torch.tensor([0]), L2(0.1))
    with pytest.raises(CapabilityError, match="circuit"):
        LipschitzCertificate()(MLP(box, classes=2, hidden=(3,)), torch.ones(1, 4), torch.tensor([0]), L2(0.1))
