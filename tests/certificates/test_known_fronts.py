"""Quadratic fronts: moves against closed forms and random points, and the certificate through them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates.hybrid import HybridCertificate
from counterspin.certificates.known_fronts import known_front, polynomial_moves
from counterspin.circuits import Circuit, OutcomeGroups, PauliExpectations, feature, reuploading
from counterspin.errors import ConditionsError
from counterspin.models import LogisticRegression, MappedClassifier, PolynomialMap, QuantumClassifier
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

FREE = {"linf": Linf(4.0, box="none"), "l2": L2(4.0, box="none"), "l1": L1(4.0, box="none")}
ORDER = {"linf": math.inf, "l2": 2.0, "l1": 1.0}


def _random_front(seed, features=3, outputs=2):
    generator = torch.Generator().manual_seed(seed)
    pairs = [(i, j) for i in range(features) for j in range(i, features)]
    rows = [[(i == k) + (j == k) for k in range(features)] for i, j in pairs]
    rows += torch.eye(features, dtype=torch.int64).tolist()
    return PolynomialMap(rows, torch.randn(outputs, len(rows), generator=generator, dtype=torch.float64))


def _ball(count, features, norm, generator):
    """Random points on the unit sphere of a norm, its corners among them."""
    points = torch.randn(count, features, generator=generator, dtype=torch.float64)
    points[: count // 2] = points[: count // 2].sign()
    points[: count // 4] *= torch.eye(features, dtype=torch.float64)[torch.arange(count // 4) % features]
    return points / torch.linalg.vector_norm(points, ord=ORDER[norm], dim=1, keepdim=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), norm=st.sampled_from(sorted(FREE)), radius=st.floats(0.01, 3.0))
def test_no_point_of_the_ball_moves_an_output_further(seed, norm, radius):
    generator = torch.Generator().manual_seed(seed)
    front = _random_front(seed)
    x = torch.randn(1, 3, generator=generator, dtype=torch.float64)
    movable = torch.tensor([True, True, False])
    moves = polynomial_moves(front.quadratic(), x, torch.tensor([radius], dtype=torch.float64), norm, movable)
    steps = radius * _ball(400, 3, norm, generator) * movable
    found = front(x + steps) - front(x)
    assert bool((found.abs() <= moves.reach).all())
    directions = torch.randn(1, 4, 2, generator=generator, dtype=torch.float64)
    along = moves.along(directions, torch.tensor([radius], dtype=torch.float64), norm)
    assert bool(((found @ directions[0].T).abs() <= along).all())
    # Entry by entry: the secant matrix is within its error of the slopes.
    _, linear, hessian = front.quadratic()
    matrices = linear + torch.einsum("oij,bj->boi", hessian, x + steps / 2)
    assert bool(((matrices * movable - moves.slopes).abs() <= moves.errors + 1e-12).all())


@pytest.mark.parametrize("norm", sorted(FREE))
def test_a_single_product_is_bounded_exactly_in_the_maximum_norm(norm):
    product = PolynomialMap([[1, 1]], torch.ones(1, 1, dtype=torch.float64)).quadratic()
    x, radius = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([0.5]).double()
    reach = polynomial_moves(product, x, radius, norm, torch.ones(2, dtype=torch.bool)).reach.item()
    # (1 + r)(2 + r) - 2 in the maximum norm; less elsewhere, and never below what a corner of the ball does.
    farthest = {"linf": 1.5 * 2.5 - 2, "l2": 0, "l1": 1.0}[norm]
    assert reach >= farthest
    if norm == "linf":
        assert reach == pytest.approx(farthest, rel=1e-9)


@pytest.mark.parametrize("norm", sorted(FREE))
def test_one_rotation_by_a_square(norm):
    # RX(x²) on |0>: the label falls where x² = π/2, and the certificate's slope is that of the secant to there.
    circuit = Circuit(1).add("RX", 0, feature(0))
    body = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.unbounded(1))
    front = PolynomialMap([[2]], torch.ones(1, 1, dtype=torch.float64))
    model = MappedClassifier(front, body, Box.uniform(-2, 2, features=1)).requires_grad_(False)
    result = HybridCertificate()(model, torch.tensor([[1.0]]).double(), [0], FREE[norm])
    boundary = math.sqrt(math.pi / 2) - 1
    assert result.radius_lower.item() == pytest.approx(boundary, rel=1e-6)
    assert result.radius_lower.item() <= boundary


@pytest.mark.one_fast
@pytest.mark.parametrize("norm", sorted(FREE))
@pytest.mark.parametrize("seed", range(3))
def test_no_point_within_the_radius_flips(norm, seed):
    body = QuantumClassifier(
        reuploading(2, 2),
        PauliExpectations.of("Z0", "Z1"),
        Box.unbounded(2),
        generator=torch.Generator().manual_seed(seed),
    )
    model = MappedClassifier(_random_front(seed), body, Box.uniform(-1, 1, features=3)).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(6, 3, generator=generator, dtype=torch.float64) - 1
    y = model(x).argmax(dim=1)
    result = HybridCertificate()(model, x, y, FREE[norm])
    assert bool((result.radius_lower > 1e-3).all())
    assert bool((result.radius_lower <= result.radius_upper).all())
    steps = _ball(2000, 3, norm, generator)
    points = x[:, None] + 0.999 * result.radius_lower[:, None, None] * steps
    assert bool((model(points.reshape(-1, 3)).argmax(dim=1).reshape(6, -1) == y[:, None]).all())


def test_refusals():
    box, body = (
        Box.uniform(-1, 1, features=2),
        QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.unbounded(2)),
    )
    with pytest.raises(ConditionsError, match="Python code"):
        known_front(MappedClassifier(torch.sin, body, box))
    cubic = PolynomialMap([[3, 0], [0, 1]], torch.eye(2))
    with pytest.raises(ConditionsError, match="degree 3"):
        known_front(MappedClassifier(cubic, body, box))
    with pytest.raises(ConditionsError, match="the model is LogisticRegression"):
        known_front(LogisticRegression(box, classes=2))
