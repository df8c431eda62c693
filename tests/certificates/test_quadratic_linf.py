"""The L-infinity bracket of models: what is claimed under which threat, and the order of the bounds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates import ExactL2Certificate
from counterspin.certificates.quadratic_linf import QuadraticLinfCertificate
from counterspin.circuits import Linear, PauliExpectations, amplitude_encoding, angle_encoding
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.models import MLP, QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.threats.constraints import Group
from counterspin.types import Box


def test_one_bit_by_hand(bit):
    # Class 0 wins while z_0^2 + z_1^2 > z_2^2 + z_3^2: from (2, 0, 0, 1) the two meet at a step of e with
    # (2 - e)^2 = (1 + e)^2 + e^2, that is e = sqrt(12) - 3.
    x, y = torch.tensor([[2.0, 0.0, 0.0, 1.0]], dtype=torch.float64), torch.tensor([0])
    result = QuadraticLinfCertificate()(bit(), x, y, Linf(0.1, box="none"))
    assert result.radius_upper.item() == pytest.approx(math.sqrt(12) - 3, rel=1e-6)
    assert result.radius_lower.item() == pytest.approx(math.sqrt(12) - 3, rel=1e-6)
    assert result.exact.tolist() == [True]
    assert result.method == "quadratic-linf"
    assert result.assumptions.preparation == "ideal"
    assert result.assumptions.box == "none"
    # Third feature held: (2 - e)^2 = (1 + e)^2, e = 1/2.
    held = QuadraticLinfCertificate()(bit(), x, y, Linf(0.1, mask=(True, True, False, True)))
    assert held.radius_lower.item() == pytest.approx(0.5, rel=1e-6)
    assert held.radius_upper.item() == pytest.approx(0.5, rel=1e-6)
    assert held.assumptions.box == "used"


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), boxed=st.booleans())
def test_order_of_bounds_and_flips_on_random_models(seed, boxed):
    generator = torch.Generator().manual_seed(seed)
    circuit = amplitude_encoding(6)
    head = Linear(torch.randn(3, 3, generator=generator), 0.3 * torch.randn(3, generator=generator))
    box = Box.uniform(0, 1, features=6)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1", "Z2"), box, head=head).requires_grad_(False)
    x = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    y = model(x).argmax(dim=1)
    threat = Linf(0.1, box="data" if boxed else "none")
    result = QuadraticLinfCertificate(nodes=100)(model, x, y, threat)
    simple = ExactL2Certificate()(model, x, y, threat)
    assert bool((result.radius_lower >= simple.radius_lower).all())
    assert bool((result.radius_lower <= result.radius_upper).all())
    found = torch.isfinite(result.radius_upper)
    assert result.points is not None
    assert bool((model(result.points[found]).argmax(dim=1) != y[found]).all())
    distance = (result.points - x).abs().amax(dim=1)[found]
    torch.testing.assert_close(distance, result.radius_upper[found], rtol=1e-12, atol=0)
    if boxed:
        assert bool(box.contains(result.points).all())
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 6)
    z = x + corners[:, None] * result.radius_lower.clamp(max=5)[:, None] * (1 - 1e-9)
    z = box.clamp(z) if boxed else z
    assert torch.equal(model(z.flatten(0, 1)).argmax(dim=1), y.repeat(64))


@pytest.mark.slow
def test_beyond_the_branched_features_the_relaxation_remains(entangled):
    model, x, y = entangled(0)
    closed = QuadraticLinfCertificate()(model, x, y, Linf(0.1))
    rough = QuadraticLinfCertificate(branched_features=7)(model, x, y, Linf(0.1))
    none = QuadraticLinfCertificate(nodes=0)(model, x, y, Linf(0.1))
    assert float(closed.exact.double().mean()) >= 0.9
    assert bool((rough.radius_lower <= closed.radius_upper).all())
    assert bool((rough.radius_lower < closed.radius_lower * (1 - 1e-4)).any())
    torch.testing.assert_close(rough.radius_lower, none.radius_lower, rtol=0, atol=0)


@pytest.mark.slow
def test_misclassified_tied_and_targeted_samples(entangled):
    model, x, y = entangled(2)
    wrong = y.clone()
    wrong[0] = (y[0] + 1) % 3
    result = QuadraticLinfCertificate(nodes=50)(model, x, wrong, Linf(0.1))
    assert result.radius_lower[0] == result.radius_upper[0] == 0
    free = QuadraticLinfCertificate(nodes=50)(model, x[1:], y[1:], Linf(0.1))
    aimed = QuadraticLinfCertificate(nodes=50)(model, x[1:], y[1:], Linf(0.1, target=tuple(((y[1:] + 1) % 3).tolist())))
    assert bool((aimed.radius_upper >= free.radius_lower).all())
    reached = torch.isfinite(aimed.radius_upper)
    assert aimed.points is not None
    assert bool(reached.any())
    assert torch.equal(model(aimed.points[reached]).argmax(dim=1), ((y[1:] + 1) % 3)[reached])


@pytest.mark.slow
def test_discrete_and_tied_features_leave_the_lower_radius_only(entangled):
    model, x, y = entangled(3)
    free = QuadraticLinfCertificate(nodes=50)(model, x, y, Linf(0.1))
    for options in ({"tied": ((0, 1),)}, {"groups": (Group(features=(2,), values=((0.0,), (1.0,))),)}):
        result = QuadraticLinfCertificate(nodes=50)(model, x, y, Linf(0.1, **options))
        torch.testing.assert_close(result.radius_lower, free.radius_lower, rtol=0, atol=0)
        assert torch.isinf(result.radius_upper).all()
        assert not result.exact.any()
        assert "not used" in result.assumptions.notes[0]


def test_what_is_refused(bit, entangled):
    x, y = torch.ones(1, 4, dtype=torch.float64), torch.tensor([0])
    with pytest.raises(ConditionsError, match="bounds distances in linf"):
        QuadraticLinfCertificate()(bit(), x, y, L2(0.1))
    with pytest.raises(CapabilityError, match="effective observables"):
        QuadraticLinfCertificate()(MLP(Box.uniform(-1, 1, features=4), classes=2, hidden=(3,)), x, y, Linf(0.1))
    angles = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, features=2))
    with pytest.raises(ConditionsError, match="angles"):
        QuadraticLinfCertificate()(angles, x[:, :2], y, Linf(0.1))
    # A point past one end of a circle is kept as it is, so that a box of circles has no ends.
    circle = Box(torch.zeros(4), torch.ones(4), torch.tensor([True, False, False, False]))
    model = bit()
    model.bounds = circle
    assert "periodic" in (QuadraticLinfCertificate().refusal(model, Linf(0.1)) or "")
    assert QuadraticLinfCertificate().refusal(model, Linf(0.1, box="none")) is None
    for field in ("nodes", "branched_features", "starts"):
        with pytest.raises(UsageError, match=f"{field} is -1"):
            QuadraticLinfCertificate(**{field: -1})


@pytest.mark.slow
def test_same_generator_same_radii(entangled):
    model, x, y = entangled(1)
    first, second = (
        QuadraticLinfCertificate(nodes=10)(model, x, y, Linf(0.1), generator=torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    torch.testing.assert_close(first.radius_lower, second.radius_lower, rtol=0, atol=0)
    torch.testing.assert_close(first.radius_upper, second.radius_upper, rtol=0, atol=0)
