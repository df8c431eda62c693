"""Exact radii of angle-encoded models: closed forms, box, circle and mask, what is refused, and completeness."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit
from scipy.optimize import minimize

from counterspin.certificates.branch_and_bound import BranchAndBoundCertificate
from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    angle_encoding,
    feature,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.models import MLP, AffineInputs, HybridClassifier, QuantumClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, depolarizing
from counterspin.optimum import AffineMap
from counterspin.threats import L0, L1, L2, Group, Linf
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))
BNB = BranchAndBoundCertificate()
BOX = Box.uniform(-math.pi, math.pi, 3)


def entangled(seed=0, inputs=3, observables=("Z0", "X1"), box=None, **options):
    circuit = angle_encoding(inputs) + strongly_entangling(inputs, 2)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    box = Box.uniform(-math.pi, math.pi, inputs) if box is None else box
    measured = PauliExpectations.of(*observables)
    return QuantumClassifier(circuit, measured, box, weights=weights, **options).requires_grad_(False)


def inputs_of(model, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(samples, model.bounds.features, generator=generator, dtype=torch.float64)
    x = model.bounds.lower + share * (model.bounds.upper - model.bounds.lower)
    return x, model(x).argmax(dim=1)


def rotation(w=1.3, box=None):
    """<Z> = cos(w x): the boundary is at w x = pi/2 + k pi."""
    circuit = Circuit(1).add("RX", 0, w * feature(0))
    return QuantumClassifier(circuit, BIT, Box.uniform(-3, 3, 1) if box is None else box).requires_grad_(False)


def rotation_pair():
    """<Z_i> = cos(x_i) of two qubits."""
    measured = PauliExpectations.of("Z0", "Z1")
    return QuantumClassifier(angle_encoding(2), measured, Box.uniform(-1, 1, 2)).requires_grad_(False)


@pytest.mark.parametrize(
    ("p", "flip"), [(0.95, 1.119770), (0.9, 0.927295), (0.8, 0.643501), (0.6, 0.201358), (1.0, 1.570796)]
)
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)])
def test_tabulated_flip_angles_of_one_rotation(p, flip, threat):
    x = torch.tensor([[math.acos(2 * p - 1)]], dtype=torch.float64)
    result = BNB(rotation(1.0), x, [0], threat)
    assert result.radius_lower.item() == pytest.approx(flip, abs=1e-6)
    assert result.radius_upper.item() == pytest.approx(math.pi / 2 - x.item(), rel=1e-9)
    assert result.radius_lower.item() <= math.pi / 2 - x.item()
    assert result.exact.all()


@pytest.mark.slow
def test_product_of_cosines():
    # <ZZZ> of three rotations is the product of cosines: the nearest zero of any factor, in every norm.
    circuit = angle_encoding(3)
    head = Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0 Z1 Z2"), BOX, head=head).requires_grad_(False)
    x, y = inputs_of(model, 6)
    to_zero = torch.remainder(x, math.pi) - math.pi / 2
    # Zeros beyond the box are none.
    nearest = to_zero.abs().amin(dim=1)
    for threat in (Linf(0.1), L2(0.1), L1(0.1)):
        result = BNB(model, x, y, threat)
        torch.testing.assert_close(result.radius_lower, nearest, rtol=1e-6, atol=0)
        assert result.exact.all()


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), norm=st.sampled_from([Linf, L2, L1]), boxed=st.booleans(), biased=st.booleans())
@settings(max_examples=5, deadline=None)
def test_random_circuits_against_draws_and_descent(seed, norm, boxed, biased):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 2, inputs=2, weights=3, extra=2)
    weights = torch.from_numpy(rng.normal(size=circuit.weights))
    head = Linear(torch.from_numpy(rng.normal(size=(3, 2))), torch.from_numpy(0.2 * rng.normal(size=3)))
    model = QuantumClassifier(
        circuit,
        PauliExpectations.of("Z0", "X0 Y1"),
        Box.uniform(-1.0, 1.0, circuit.inputs),
        weights=weights,
        head=head if biased else Linear(torch.eye(3, 2).double(), torch.zeros(3).double() - torch.tensor([0, 0, 9.0])),
    ).requires_grad_(False)
    x, y = inputs_of(model, 2, seed % 1000)
    threat = norm(0.1) if boxed else norm(0.1, box="none")
    result = BranchAndBoundCertificate(nodes=2000)(model, x, y, threat)
    span = torch.where(torch.isfinite(result.radius_lower), result.radius_lower, 1.0)[:, None]
    for row in range(2):
        u = 2 * torch.from_numpy(rng.random((4000, circuit.inputs))) - 1
        z = x[row] + u * span[row] * 1.5
        z = z.clamp(-1, 1) if boxed else z
        lost = model(z).argmax(dim=1) != y[row]
        found = threat.size(z - x[row])[lost]
        assert not len(found) or float(found.min()) >= result.radius_lower[row]

        def lead(v, row=row):
            scores = model(torch.from_numpy(v)[None])[0]
            return float(scores[y[row]] - scores[torch.arange(3) != y[row]].max())

        if boxed and norm is L2:
            for start in u[:3].numpy():
                best = minimize(
                    lambda v, row=row: float(((v - x[row].numpy()) ** 2).sum()),
                    np.clip(x[row].numpy() + start, -1, 1),
                    bounds=[(-1, 1)] * circuit.inputs,
                    constraints={"type": "ineq", "fun": lambda v, row=row: -lead(v)},
                    method="SLSQP",
                )
                if lead(best.x) <= 0:
                    assert best.fun**0.5 >= result.radius_lower[row] * (1 - 1e-9)
    finite = torch.isfinite(result.radius_upper)
    assert (model(result.points)[finite].argmax(dim=1) != y[finite]).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)])
def test_the_bracket_closes_and_every_point_flips(threat):
    model = entangled(observables=("Z0", "X1", "Y2"))
    x, y = inputs_of(model, 8)
    result = BNB(model, x, y, threat)
    assert result.exact.all()
    assert (result.radius_lower <= result.radius_upper).all()
    assert (result.radius_upper <= result.radius_lower * (1 + 2e-6)).all()
    assert model.bounds.contains(result.points).all()
    torch.testing.assert_close(threat.size(result.points - x), result.radius_upper, rtol=1e-12, atol=0)
    scores = model(result.points)
    rivals = scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    assert (scores.gather(1, y[:, None])[:, 0] <= rivals).all()
    assert result.assumptions.box == "used"
    assert result.assumptions.noise == "none"


def test_a_radius_five_per_cent_larger_would_be_refuted():
    model = entangled()
    x, y = inputs_of(model, 5)
    result = BNB(model, x, y, L2(0.1))
    step = result.points - x
    inside = x + step * 1.0001
    assert (model(inside).argmax(dim=1) != y).all()
    assert (threat_size := torch.linalg.vector_norm(step, dim=1) * 1.0001).le(result.radius_lower * 1.05).all()
    assert threat_size.gt(result.radius_lower).all()


@pytest.mark.slow
def test_box_mask_and_circle_narrow_the_attacker_exactly():
    model = rotation(1.0, Box.uniform(0.0, 1.4, 1))
    # The boundary at pi/2 lies outside the box.
    result = BNB(model, [[1.0]], [0], Linf(0.1))
    assert torch.isinf(result.radius_lower).all()
    assert result.exact.all()
    free = BNB(model, [[1.0]], [0], Linf(0.1, box="none"))
    assert free.radius_lower.item() == pytest.approx(math.pi / 2 - 1.0, rel=1e-6)
    assert free.assumptions.box == "none"

    circle = Box(*torch.tensor([[0.0], [2 * math.pi]], dtype=torch.float64), torch.tensor([True]))
    near_the_seam = BNB(rotation(1.0, circle), [[0.1], [6.2]], [0, 0], L2(0.1))
    expected = [math.pi / 2 - 0.1, math.pi / 2 - (2 * math.pi - 6.2)]
    assert near_the_seam.radius_lower.tolist() == pytest.approx(expected, rel=1e-6)
    assert not near_the_seam.assumptions.notes

    whole = entangled()
    x, y = inputs_of(whole, 4)
    for mask in ((True, False, True), (False, True, False)):
        masked = BNB(whole, x, y, L2(0.1, mask=mask))
        assert (masked.radius_lower >= BNB(whole, x, y, L2(0.1)).radius_lower * (1 - 1e-6)).all()
        assert (masked.points[:, ~torch.tensor(mask)] == x[:, ~torch.tensor(mask)]).all()
        t = torch.linspace(-1, 1, 401, dtype=torch.float64)
        grid = torch.cartesian_prod(t, t) if sum(mask) == 2 else t[:, None]
        for row in range(4):
            z = x[row].repeat(len(grid), 1)
            z[:, torch.tensor(mask)] += grid
            z = z[whole.bounds.contains(z)]
            lost = whole(z).argmax(dim=1) != y[row]
            if lost.any():
                nearest = float((z[lost] - x[row]).norm(dim=1).min())
                assert masked.radius_lower[row] <= nearest <= masked.radius_upper[row] + 0.01


def test_a_circle_that_the_scores_do_not_share_ends_the_radius_at_its_seam():
    circle = Box(torch.tensor([0.0]).double(), torch.tensor([3.0]).double(), torch.tensor([True]))
    result = BNB(rotation(1.0, circle), [[0.2]], [0], L2(0.1))
    assert result.radius_lower.item() == pytest.approx(0.2)
    assert "wraps" in result.assumptions.notes[0]


def test_features_without_bounds_are_searched_over_a_period():
    never = QuantumClassifier(
        Circuit(1).add("RX", 0, feature(0)),
        PauliExpectations.of("Z0", "Z0"),
        Box.unbounded(1),
        head=Linear(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([2.0, 0.0])),
    ).requires_grad_(False)
    result = BNB(never, [[0.3]], [0], L2(0.1))
    assert torch.isinf(result.radius_lower).all()
    assert result.exact.all()
    # 1 and the golden ratio have no common period: what was searched is said.
    circuit = Circuit(2).add("RX", 0, feature(0)).add("RX", 1, 1.618033988749895 * feature(0))
    both = PauliExpectations.of("Z0", "Z1")
    head = Linear(torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([2.1, 0.0]))
    open_ = QuantumClassifier(circuit, both, Box.unbounded(1), head=head).requires_grad_(False)
    result = BNB(open_, [[0.0]], [0], L2(0.1))
    assert result.radius_lower.item() == pytest.approx(16 * 2 * math.pi / 2.618033988749895)
    assert not result.exact.any()
    assert "no common period" in result.assumptions.notes[0]


def test_channels_between_gates_are_part_of_the_scores():
    circuit = angle_encoding(2) + strongly_entangling(2, 1)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise = after_every_gate(circuit, depolarizing(0.05))
    head = Linear(torch.eye(2), torch.tensor([0.2, 0.0]))
    body = QuantumClassifier(
        circuit, PauliExpectations.of("Z0", "X1"), Box.uniform(-2, 2, 2), head=head, weights=weights
    )
    model = NoisyClassifier(body, noise=NoiseModel(placed=noise)).requires_grad_(False)
    x, y = inputs_of(model, 4)
    result = BNB(model, x, y, L2(0.1))
    assert result.exact.all()
    assert result.assumptions.noise == "modelled"
    lost = torch.isfinite(result.radius_upper)
    assert (model(result.points).argmax(dim=1) != y)[lost].all()


def test_many_frequencies_are_bounded_by_their_bandwidth():
    # Trainable scales along three features: 13 frequencies each, more grid points than are worth fitting.
    circuit = reuploading(3, 3)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights[sorted(circuit.scaling_weights)] = 0.2 + 0.1 * torch.arange(9).double().sqrt()
    model = QuantumClassifier(
        circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 3), weights=weights
    ).requires_grad_(False)
    x, y = inputs_of(model, 2)
    result = BranchAndBoundCertificate(tolerance=1e-2, nodes=3000)(model, x, y, Linf(0.1))
    assert (result.radius_lower > 0).all()
    u = 2 * torch.rand(2000, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 1
    for row in range(2):
        z = (x[row] + u * result.radius_lower[row].clamp(max=2)).clamp(-1, 1)
        assert (model(z).argmax(dim=1) == y[row]).all()


@pytest.mark.slow
def test_targets():
    model = entangled(observables=("Z0", "X1", "Y2"), inputs=3)
    x, y = inputs_of(model, 8)
    x, y = x[y != 2], y[y != 2]
    result = BranchAndBoundCertificate(nodes=2000)(model, x, y, L2(0.1, target=2))
    free = BNB(model, x, y, L2(0.1))
    assert (result.radius_upper >= free.radius_lower).all()
    finite = torch.isfinite(result.radius_upper)
    assert finite.any()
    assert (model(result.points[finite]).argmax(dim=1) == 2).all()


def test_misclassified_samples_and_those_the_scores_do_not_see():
    model = entangled()
    x, y = inputs_of(model, 3)
    assert not BNB(model, x, 1 - y, L2(0.1)).radius_lower.any()
    blind = QuantumClassifier(
        Circuit(2).add("RX", 0, 0.2).add("RZ", 1, feature(0) + feature(1)), BIT, Box.uniform(0, 1, 2)
    ).requires_grad_(False)
    result = BNB(blind, [[0.3, 0.4]], [0], L2(0.1))
    # RZ on the other qubit moves no score, though its frequency is there: proved by searching.
    assert torch.isinf(result.radius_lower).all()
    assert result.exact.all()


def test_what_is_refused():
    model = entangled()
    seven = QuantumClassifier(angle_encoding(7), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 7))
    assert "at most 6" in str(BNB.refusal(seven, L2(0.1)))
    assert BNB.refusal(seven, L2(0.1, mask=(True,) * 6 + (False,))) is None
    grid = (Group(features=(0,), values=((0.0,), (1.0,))),)
    assert "exhaustive" in str(BNB.refusal(model, L2(0.1, groups=grid)))
    assert "tied" in str(BNB.refusal(model, L2(0.1, tied=((0, 1),))))
    with pytest.raises(ConditionsError, match="norm is l0"):
        BNB(model, torch.zeros(1, 3), [0], L0(1))
    encoded = QuantumClassifier(amplitude_encoding(4), BIT, Box.uniform(0, 1, 4))
    assert "amplitudes" in str(BNB.refusal(encoded, L2(0.1)))
    body = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 2))
    front = HybridClassifier(MLP(Box.uniform(0, 1, 3), classes=2, hidden=(3,)), body)
    assert "known to be affine" in str(BNB.refusal(front, L2(0.1)))
    with pytest.raises(CapabilityError):
        BNB(MLP(Box.uniform(0, 1, 3), classes=2, hidden=(3,)), torch.zeros(1, 3), [0], L2(0.1))
    for options in ({"tolerance": 0.0}, {"tolerance": 1.0}, {"nodes": 0}):
        with pytest.raises(UsageError):
            BranchAndBoundCertificate(**options)


class Squared(QuantumClassifier):
    """Scores that are no expectation values."""

    def forward(self, x):
        return super().forward(x) ** 3


def test_scores_that_are_not_linear_in_expectations_are_found_out():
    model = Squared(angle_encoding(2), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 2)).requires_grad_(False)
    assert "not linear in expectation values" in str(BNB.refusal(model, L2(0.1)))
    # Also where one unit of a feature turns no angle that a probe could see.
    slow = Squared(angle_encoding(2, scale=1e-6), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1e6, 1e6, 2))
    assert "not linear in expectation values" in str(BNB.refusal(slow.requires_grad_(False), L2(0.1)))


def test_a_front_that_looks_affine_next_to_zero_is_refused():
    front = MLP(Box.uniform(-1e6, 1e6, 2), classes=2, hidden=(3,))
    with torch.no_grad():
        front.matrices[0].mul_(1e-6)
    model = HybridClassifier(front, rotation_pair()).requires_grad_(False)
    assert "known to be affine" in str(BNB.refusal(model, L2(0.1)))


def test_principal_components_of_any_units():
    # <Z_i> = cos(v_i), v = W x + b: class 1 wins beyond the planes v_0 = ± v_1.
    weight = 1e-6 * torch.tensor([[1.0, 0.5], [-0.25, 0.75]], dtype=torch.float64)
    input_map = AffineMap(weight, torch.tensor([0.4, -1.1], dtype=torch.float64))
    model = AffineInputs(rotation_pair(), input_map, Box.uniform(-1e6, 1e6, 2)).requires_grad_(False)
    result = BNB(model, torch.zeros(1, 2, dtype=torch.float64), [0], L2(0.1))
    planes = [(0.4 + sign * -1.1, weight[0] + sign * weight[1]) for sign in (1.0, -1.0)]
    nearest = min(abs(height) / float(normal.norm()) for height, normal in planes)
    assert result.exact.all()
    assert result.radius_lower.item() == pytest.approx(nearest, rel=1e-6)


@pytest.mark.slow
def test_four_qubits_and_four_angles_take_less_than_a_second_per_sample():
    model = entangled(inputs=4)
    x, y = inputs_of(model, 8)
    for threat in (Linf(0.1), L2(0.1), L1(0.1)):
        began = time.perf_counter()
        result = BranchAndBoundCertificate(tolerance=1e-4)(model, x, y, threat)
        assert (time.perf_counter() - began) / 8 < 1.0
        assert (result.radius_upper - result.radius_lower <= 1e-4 * result.radius_upper).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("norm", [Linf, L2, L1])
def test_a_search_that_stops_at_the_budgets_proves_them_and_no_more(norm):
    model = entangled(observables=("Z0", "X1", "Y2"))
    x, y = inputs_of(model, 12)
    whole = BNB(model, x, y, norm(0.1))
    largest = float(whole.radius_lower.sort().values[5:7].mean())
    stopped = BranchAndBoundCertificate(stop_at_budgets=True)(model, x, y, norm(largest / 2, largest))
    beyond = whole.radius_lower > largest * 1.001
    assert 0 < int(beyond.sum()) < 12
    # Up to the budget nothing changes.
    torch.testing.assert_close(stopped.radius_lower[~beyond], whole.radius_lower[~beyond], rtol=1e-6, atol=0)
    torch.testing.assert_close(stopped.radius_upper[~beyond], whole.radius_upper[~beyond], rtol=1e-6, atol=0)
    assert bool(stopped.exact[~beyond].all())
    # Beyond it every budget is proved, by a lower bound that claims no more.
    assert bool((stopped.radius_lower[beyond] > largest).all())
    assert bool((stopped.radius_lower[beyond] <= whole.radius_lower[beyond]).all())
    assert not stopped.exact[beyond].any()
    assert stopped.verdicts(largest) == whole.verdicts(largest)
    assert any("largest budget" in note for note in stopped.assumptions.notes)
    assert not any("budget" in note for note in whole.assumptions.notes)


def test_budgets_that_end_a_search_are_those_of_the_sample():
    # <Z> = cos(x): relative budgets of 0.1 and of 1.0 where the boundary is 1.07 and 0.57 away; none for the origin.
    stopping = BranchAndBoundCertificate(stop_at_budgets=True)
    x = torch.tensor([[0.5], [1.0], [0.0]], dtype=torch.float64)
    threat = L2(0.2, 1.0, units="relative", box="none")
    result = stopping(rotation(1.0), x, [0, 0, 0], threat)
    assert result.radius_lower[0].item() == pytest.approx(0.5 * 1.001, rel=1e-6)
    assert result.radius_lower[1:].tolist() == pytest.approx([math.pi / 2 - 1.0, math.pi / 2], rel=1e-6)
    assert result.exact.tolist() == [False, True, True]
