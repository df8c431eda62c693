"""C8c: closed forms, an independent integration, dominance over the range form, bounds as arguments."""

import math

import numpy as np
import pytest
import torch
from angle_models import one_rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from counterspin.certificates.bernstein import BernsteinCertificate, bernstein_radius
from counterspin.certificates.margins import margin_gradients
from counterspin.circuits import Circuit, Linear, OutcomeGroups, PauliExpectations, feature, reuploading
from counterspin.errors import CapabilityError
from counterspin.models import QuantumClassifier
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

TABLE = [(0.95, 1.119770), (0.9, 0.927295), (0.8, 0.643501), (0.6, 0.201358), (1.0, 1.570796)]


def radius(h0: float, g: float, omega: float, tau: float) -> float:
    return bernstein_radius(*(torch.tensor(v, dtype=torch.float64) for v in (h0, g, omega, tau))).item()


def by_integration(h0: float, g: float, omega: float, tau: float) -> float:
    """The worst fall h' = -Ω min(sin(p + Ωt), sqrt(1 - h²)) from h0 to the threshold, by small steps."""
    p, h, phase, step = math.asin(g / omega), h0, 0.0, 2e-5
    while h > tau:
        fall = min(math.sin(min(p + phase, math.pi / 2)), math.sqrt(max(0.0, 1 - h * h)))
        h -= step * max(fall, step)
        phase += step
    return phase / omega


@pytest.mark.parametrize(("p", "flip"), TABLE)
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)])
def test_tabulated_values(p, flip, threat):
    x = torch.tensor([[math.acos(2 * p - 1)]], dtype=torch.float64)
    found = BernsteinCertificate()(one_rotation(), x, torch.tensor([0]), threat).radius_lower.item()
    assert found == pytest.approx(flip, abs=1e-6)
    assert 1 - 1e-9 <= found / (math.pi / 2 - x.item()) <= 1


@pytest.mark.parametrize("slope", [0.5, 3.0, -2.0])
def test_exact_on_one_rotation(slope):
    x = torch.linspace(0.02, 1.5, 40).double()[:, None] / abs(slope)
    found = BernsteinCertificate()(one_rotation(slope), x, torch.zeros(40), L2(0.1)).radius_lower
    ratio = found / (math.pi / 2 / abs(slope) - x[:, 0])
    assert bool((ratio <= 1).all())
    assert bool((ratio >= 1 - 1e-9).all())


def product_model(features: int) -> QuantumClassifier:
    """f = cos x_1 ... cos x_n as the margin: scores ±<Z Z ... Z> of one RX per qubit."""
    circuit = Circuit(features)
    for qubit in range(features):
        circuit = circuit.add("RX", qubit, feature(qubit))
    parity = PauliExpectations.of(" ".join(f"Z{qubit}" for qubit in range(features)))
    head = Linear(torch.tensor([[0.5], [-0.5]]), torch.zeros(2))
    return QuantumClassifier(circuit, parity, Box.unbounded(features), head=head).requires_grad_(False)


@pytest.mark.parametrize("features", [1, 2, 3, 4])
def test_product_of_cosines(features):
    # Exact L-infinity radius: the nearest zero of any factor. The bound in closed form: h = f, spread 2, Ω = n,
    # g = sum of |df/dx_i|, threshold 0.
    x = 1.2 * torch.rand(50, features, generator=torch.Generator().manual_seed(features), dtype=torch.float64)
    f = torch.cos(x).prod(dim=1)
    p = ((f[:, None] * torch.tan(x)).abs().sum(dim=1) / features).asin()
    closed = ((torch.cos(p) - f).clamp(-1, 1).acos() - p) / features
    exact = (math.pi / 2 - x).amin(dim=1)
    found = BernsteinCertificate()(product_model(features), x, torch.zeros(50), Linf(0.1)).radius_lower
    torch.testing.assert_close(found, closed, rtol=1e-9, atol=0)
    assert bool((found <= exact).all())
    if features == 1:
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=0)
    else:
        assert float((found / exact).median()) > {2: 0.5, 3: 0.33, 4: 0.23}[features]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    angle=st.floats(0.05, 1.5),
    share=st.floats(0.0, 1.0),
    omega=st.floats(0.5, 6.0),
    drop=st.floats(0.05, 0.95),
)
def test_agrees_with_the_worst_fall(angle, share, omega, drop):
    # h0 = cos(angle), slope a share of what |h| <= 1 allows, threshold anywhere between -1 and h0.
    h0 = math.cos(angle)
    tau = h0 - drop * (1 + h0)
    g = share * omega * math.sin(angle)
    found = radius(h0, g, omega, tau)
    assert found == pytest.approx(by_integration(h0, g, omega, tau), rel=2e-3, abs=2e-4)
    assert found >= (math.acos(tau) - math.acos(h0)) / omega * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), degree=st.integers(1, 5))
def test_sound_on_trigonometric_polynomials(seed, degree):
    # Real polynomials of modulus at most 1: h stays above the threshold up to the radius, on both sides.
    rng = np.random.default_rng(seed)
    k = np.arange(1, degree + 1)
    a, b, c = rng.normal(size=degree), rng.normal(size=degree), rng.normal()
    grid = np.linspace(0, 2 * np.pi, 4001)

    def value(t):
        return c + np.cos(np.outer(t, k)) @ a + np.sin(np.outer(t, k)) @ b

    size = np.abs(value(grid)).max() * (1 + 1e-4)  # the grid may miss the peak by degree² · step² / 8
    t0 = rng.uniform(0, 2 * np.pi)
    h0, g = value([t0])[0] / size, abs(-(np.sin(k * t0) * k) @ a + (np.cos(k * t0) * k) @ b) / size
    tau = h0 - rng.uniform(0, 1) * (1 + h0)
    reach = radius(h0, g, float(degree), tau)
    path = t0 + np.linspace(-1, 1, 2001) * min(reach, 7.0) * (1 - 1e-9)
    assert (value(path) / size > tau).all()


def test_bounds_may_stand_in_for_values():
    # Lower bounds on the score and upper bounds on the slope never lengthen the radius, not even beyond each other.
    best = radius(0.7, 0.2, 2.0, 0.1)
    assert radius(0.6, 0.2, 2.0, 0.1) < best
    assert radius(0.7, 0.5, 2.0, 0.1) < best
    assert radius(0.7, 0.2, 2.5, 0.1) < best
    ranges = (math.acos(0.1) - math.acos(0.7)) / 2.0
    assert radius(0.7, 2.0, 2.0, 0.1) == pytest.approx(ranges)  # a useless slope leaves the value alone


def test_ends_of_the_scale():
    assert radius(0.2, 0.1, 1.0, 0.2) == 0
    assert radius(0.1, 0.1, 1.0, 0.2) == 0
    assert radius(0.2, 0.1, 1.0, -1.01) == math.inf
    assert radius(0.2, 0.0, 0.0, 0.1) == math.inf
    assert radius(1.0, 0.0, 2.0, -1.0) == pytest.approx(math.pi / 2)


def test_threshold_of_an_unbalanced_margin():
    # Margin cos x + 0.5 on RX: spread 2, extremes -0.5 and 1.5, so the boundary is at arccos(-0.5).
    circuit = Circuit(1).add("RX", 0, feature(0))
    head = Linear(torch.tensor([[0.5], [-0.5]]), torch.tensor([0.25, -0.25]))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0"), Box.unbounded(1), head=head).requires_grad_(False)
    x = torch.linspace(0, 1.9, 25).double()[:, None]
    found = BernsteinCertificate()(model, x, torch.zeros(25), L2(0.1)).radius_lower
    exact = math.acos(-0.5) - x[:, 0]
    assert bool((found <= exact * (1 + 1e-9)).all())
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)


def test_gradients_of_the_margin_are_those_of_every_rival():
    model = QuantumClassifier(
        reuploading(2, 2), OutcomeGroups.first(qubits=2, classes=4), Box.unbounded(2)
    ).requires_grad_(False)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0])
    found = margin_gradients(model, x, y)
    step = 1e-6
    for feature_index in range(2):
        move = step * torch.eye(2).double()[feature_index]
        up, down = model(x + move), model(x - move)
        slope = (up - down) / (2 * step)
        expected = slope.gather(1, y[:, None]) - slope
        torch.testing.assert_close(found.gradients[:, :, feature_index], expected, rtol=0, atol=1e-8)
    scores = model(x)
    torch.testing.assert_close(found.values, scores.gather(1, y[:, None]) - scores, rtol=0, atol=1e-15)


def test_l1_and_masks_use_the_features_that_move():
    model = product_model(2)
    x = torch.tensor([[0.4, 0.9]], dtype=torch.float64)
    one = BernsteinCertificate()(model, x, torch.zeros(1), Linf(0.1, mask=(True, False))).radius_lower.item()
    # With x_2 fixed the margin is cos(0.9) cos(x_1): band 1, still normalised by the spread 2.
    f, g = math.cos(0.4) * math.cos(0.9), math.sin(0.4) * math.cos(0.9)
    p = math.asin(g)
    assert one == pytest.approx(math.acos(math.cos(p) - f) - p, rel=1e-9)
    l1 = BernsteinCertificate()(model, x, torch.zeros(1), L1(0.1)).radius_lower.item()
    p = math.asin(math.cos(0.4) * math.sin(0.9))
    assert l1 == pytest.approx(math.acos(math.cos(p) - f) - p, rel=1e-9)


def test_needs_a_gradient():
    model = one_rotation()
    model.differentiable = False
    with pytest.raises(CapabilityError, match="gradient"):
        BernsteinCertificate()(model, [[0.3]], [0], L2(0.1))


def test_closed_form_against_a_root_finder():
    # h0 - cos p + cos(p + Ωt) = τ, solved by bisection instead of arc cosines.
    h0, g, omega, tau = 0.55, 0.7, 1.7, -0.1
    p = math.asin(g / omega)
    t = brentq(lambda t: h0 - math.cos(p) + math.cos(p + omega * t) - tau, 0, (math.pi / 2 - p) / omega)
    assert radius(h0, g, omega, tau) == pytest.approx(t, rel=1e-12)
