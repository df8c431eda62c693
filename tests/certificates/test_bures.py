"""C8b: tabulated angles, exact on one rotation, never below C8, and both ways of knowing the angle."""

import math

import pytest
import torch
from angle_models import one_rotation, random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.certificates.bures import BuresCertificate, probability_angle
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.circuits import OutcomeGroups, reuploading
from counterspin.errors import UsageError
from counterspin.models import QuantumClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping
from counterspin.optimum.states import nearest_states
from counterspin.simulation.density import noisy_density, noisy_observables, score_operators
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

# p_A, theta*, angle by which RX must turn
TABLE = [
    (0.95, 0.559885, 1.119770),
    (0.9, 0.463648, 0.927295),
    (0.8, 0.321751, 0.643501),
    (0.6, 0.100679, 0.201358),
    (1.0, 0.785398, 1.570796),
]
SCORES = BuresCertificate(knowledge="scores")


@pytest.mark.parametrize(("p", "theta", "flip"), TABLE)
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L1(0.1)])
def test_tabulated_values(p, theta, flip, threat):
    x = torch.tensor([[math.acos(2 * p - 1)]], dtype=torch.float64)
    exact = math.pi / 2 - x.item()
    found = BuresCertificate()(one_rotation(), x, torch.tensor([0]), threat).radius_lower.item()
    assert found == pytest.approx(flip, abs=1e-6)
    assert 1 - 1e-9 <= found / exact <= 1
    scores = SCORES(one_rotation(), x, torch.tensor([0]), threat).radius_lower.item()
    assert scores == pytest.approx(flip, abs=1e-6)
    assert scores <= exact
    assert probability_angle(torch.tensor(p), torch.tensor(1 - p)).item() == pytest.approx(theta, abs=1e-6)


@pytest.mark.parametrize("slope", [0.5, 3.0, -2.0])
def test_exact_on_one_rotation(slope):
    x = torch.linspace(0.02, 1.5, 40).double()[:, None] / abs(slope)
    exact = (math.pi / 2 - abs(slope) * x[:, 0]) / abs(slope)
    found = BuresCertificate()(one_rotation(slope), x, torch.zeros(40), L2(0.1)).radius_lower
    ratio = found / exact
    assert bool((ratio <= 1).all())
    assert bool((ratio >= 1 - 1e-9).all())


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), plain=st.booleans(), threat=st.sampled_from([Linf(0.1), L2(0.1), L1(0.1)]))
def test_never_below_the_lipschitz_certificate(seed, plain, threat):
    model, x, y = random_model(seed, plain=plain)
    lipschitz, states, scores = (
        certificate(model, x, y, threat).radius_lower
        for certificate in (LipschitzCertificate(), BuresCertificate(), SCORES)
    )
    assert bool((states >= lipschitz * (1 - 1e-9) - 1e-12).all())
    assert bool((scores >= lipschitz * (1 - 1e-9) - 1e-12).all())
    assert bool((states >= scores * (1 - 1e-9) - 1e-12).all())


@pytest.mark.parametrize("seed", range(6))
def test_angle_is_that_of_the_nearest_state(seed):
    # The exact fidelity by another solver, on dense matrices, over all rivals.
    model, x, y = random_model(seed, plain=True)
    observables = score_operators(model.readout, model.circuit.qubits)
    near = nearest_states(observables, model.states(x), y)
    turn = model.circuit.layers and len(model.circuit.layers) / 2  # one feature per gate: S_i is half the layers
    expected = near.upper.sqrt().asin() / turn
    found = BuresCertificate()(model, x, y, L1(0.1)).radius_lower
    finite = torch.isfinite(near.upper)
    torch.testing.assert_close(found[finite], expected[finite], rtol=1e-6, atol=1e-9)
    assert torch.isinf(found[~finite]).all()


def test_many_classes_ask_every_rival():
    # Four outcomes of two qubits: pruning by the margin must not change the minimum over rivals.
    generator = torch.Generator().manual_seed(3)
    groups = OutcomeGroups.first(qubits=2, classes=4)
    model = QuantumClassifier(reuploading(3, 2), groups, Box.unbounded(3), generator=generator).requires_grad_(False)
    x = 3 * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    y = model(x).argmax(dim=1)
    each = [
        BuresCertificate()(model, x[y != rival], y[y != rival], L2(0.1, target=rival)).radius_lower
        for rival in range(4)
    ]
    whole = BuresCertificate()(model, x, y, L2(0.1)).radius_lower
    best = torch.full_like(whole, torch.inf)
    for rival, radius in enumerate(each):
        best[y != rival] = torch.minimum(best[y != rival], radius)
    torch.testing.assert_close(whole, best, rtol=1e-9, atol=1e-12)


def test_probabilities_help_where_they_leave_others_out():
    # sqrt rule against the margin alone: p_y = .5, p_j = .1 of three outcomes.
    own, rival = torch.tensor(0.5).double(), torch.tensor(0.1).double()
    assert probability_angle(own, rival).item() == pytest.approx(math.asin((0.5**0.5 - 0.1**0.5) / 2**0.5))
    assert probability_angle(own, rival).item() > math.asin(0.4) / 2
    assert probability_angle(rival, own).item() == 0


def noisy_pair(gates_behind: bool):
    circuit = reuploading(2, 1, trainable_scale=False)
    if gates_behind:
        circuit = circuit.add("RY", 0, 0.3).add("CNOT", (0, 1))
    bit = OutcomeGroups((0,), ((0,), (1,)))
    weights = torch.linspace(-0.5, 0.6, circuit.weights).double()
    noise = after_every_gate(circuit, amplitude_damping(0.03))
    box = Box.unbounded(2)
    ideal = QuantumClassifier(circuit, bit, box, weights=weights).requires_grad_(False)
    return NoisyClassifier(ideal, noise=NoiseModel(placed=noise)), ideal


@pytest.mark.parametrize("gates_behind", [False, True])
def test_noise_is_part_of_the_model(gates_behind):
    noisy, ideal = noisy_pair(gates_behind)
    x = torch.tensor([[0.1, 0.4], [2.9, 0.3], [0.6, 1.0]]).double()
    y = noisy(x).argmax(dim=1)
    result = BuresCertificate()(noisy, x, y, L1(0.1))
    assert result.assumptions.noise == "modelled"
    assert BuresCertificate()(ideal, x, y, L1(0.1)).assumptions.noise == "none"
    # One use per feature: the turn per unit of L1 is 1/2. By hand: the state behind the last encoding gate.
    last = 1
    front = type(noisy.circuit)(2, noisy.circuit.gates[: last + 1])
    before = [p for p in noisy.channels if p.after < last]
    rho = noisy_density(front, x, torch.zeros(0), before)
    carried = noisy_observables(noisy.circuit, noisy.weights, noisy.readout, noisy.channels, after=last)
    near = nearest_states(carried.detach(), rho, y)
    torch.testing.assert_close(result.radius_lower, 2 * near.upper.sqrt().asin(), rtol=1e-5, atol=1e-6)
    assert bool((result.radius_lower >= SCORES(noisy, x, y, L1(0.1)).radius_lower - 1e-6).all())
    assert SCORES(noisy, x, y, L1(0.1)).assumptions.model == "scores"
    lipschitz = LipschitzCertificate()(noisy, x, y, L1(0.1)).radius_lower
    assert bool((result.radius_lower >= lipschitz - 1e-6).all())


def test_unknown_knowledge_is_refused():
    with pytest.raises(UsageError, match="knowledge is 'all'"):
        BuresCertificate(knowledge="all")


def test_misclassified_samples_have_radius_zero():
    x = torch.tensor([[0.3], [2.0]]).double()
    assert BuresCertificate()(one_rotation(), x, torch.tensor([0, 0]), L2(0.1)).radius_lower[1] == 0
