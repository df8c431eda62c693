"""C3: printed values, the exact radius of the noisy model, unequal groups, and the refusals."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_states import random_mixed, random_projectors, random_pure
from small_bits import amplitude_bit, amplitude_groups

from counterspin.certificates.states import DepolarizingPrivacyCertificate, privacy_trace_distance
from counterspin.circuits import PauliExpectations, amplitude_encoding
from counterspin.errors import ConditionsError, InputError
from counterspin.models import QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.optimum import nearest_flips
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance import trace_distance, trace_distance_bounds
from counterspin.simulation import fold
from counterspin.threats import L2
from counterspin.types import Box

# Strength, noiseless p_A, noisy y, tau: two classes.
TABLE = [(0.3, 0.95, 0.815, 0.2355), (0.1, 0.95, None, 0.1159), (0.5, 0.8, 0.65, 0.1814)]


@pytest.mark.parametrize(("strength", "p", "noisy", "tau"), TABLE)
def test_printed_values(strength, p, noisy, tau):
    y = (1 - strength) * p + strength / 2
    assert noisy is None or y == pytest.approx(noisy, abs=1e-12)
    found = privacy_trace_distance(torch.tensor([[y, 1 - y]], dtype=torch.float64), torch.tensor([0]), strength, 0.5)
    assert found.item() == pytest.approx(tau, abs=5e-5)
    x = torch.tensor([[0.0, 3 * p**0.5, 3 * (1 - p) ** 0.5, 0.0]], dtype=torch.float64)
    radius = DepolarizingPrivacyCertificate(strength=strength)(amplitude_bit(), x, torch.tensor([0]), L2(0.1))
    assert radius.radius_lower.item() == pytest.approx(3 * found.item(), abs=1e-9)
    assert f"strength {strength:g}" in " ".join(radius.assumptions.notes)
    assert radius.assumptions.noise == "modelled"


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4), strength=st.floats(0.01, 0.95), rank=st.integers(0, 3))
def test_never_beyond_the_nearest_state_in_trace_distance(seed, classes, strength, rank):
    generator = torch.Generator().manual_seed(seed)
    m = random_projectors(generator, classes, 6)
    states = random_mixed(generator, 6, 6, rank) if rank else random_pure(generator, 6, 6)
    shares = m.diagonal(dim1=1, dim2=2).sum(dim=1).real / 6
    noisy = (1 - strength) * m + strength * shares[:, None, None] * torch.eye(6)
    y = state_scores(noisy, states).argmax(dim=1)
    bound = privacy_trace_distance(state_scores(noisy, states), y, strength, float(shares.min()))
    assert bool((bound <= trace_distance_bounds(noisy, states, y).upper).all())
    # States on the way to random ones, whatever the optimiser thinks.
    rho = states if rank else states[:, :, None] * states[:, None, :].conj()
    other = random_mixed(generator, 50, 6, 1)
    for i in range(6):
        moved = rho[i] + torch.linspace(0, 1, 50)[:, None, None] * (other - rho[i])
        safe = trace_distance(rho[i], moved) < bound[i]
        assert bool((state_scores(noisy, moved).argmax(dim=1) == y[i])[safe].all())


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("strength", [0.05, 0.4, 0.9])
def test_radius_is_below_the_exact_one_of_the_noisy_model(classes, strength):
    model, x, _ = amplitude_groups(classes, classes, samples=30)
    noise = NoiseModel(global_depolarizing=strength)
    noisy = fold(model.circuit, model.weights, model.readout, noise)
    y = noisy.scores(x).argmax(dim=1)
    exact = nearest_flips(noisy.forms(), x, y)
    bound = DepolarizingPrivacyCertificate(strength=strength)(model, x, y, L2(0.1, box="none")).radius_lower
    assert bool((bound <= exact.lower).all())
    assert bool((bound > 0).any())


def test_published_share_is_unsound_for_unequal_groups():
    # 5 outcomes against 1 of 6: with q = 1/2 the bound passes the exact distance, with q = 1/6 it does not.
    m = torch.diag_embed(torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1]])).cdouble()
    shares = torch.tensor([5 / 6, 1 / 6], dtype=torch.float64)
    strength, y = 0.4, torch.tensor([0])
    noisy = (1 - strength) * m + strength * shares[:, None, None] * torch.eye(6)
    psi = torch.tensor([[0.99**0.5, 0, 0, 0, 0, 0.01**0.5]]).cdouble()
    exact = trace_distance_bounds(noisy, psi, y).upper.item()
    sound, published = (
        privacy_trace_distance(state_scores(noisy, psi), y, strength, q).item() for q in (float(shares.min()), 0.5)
    )
    assert 0 < sound <= exact < published


def test_grows_with_the_noise_while_the_exact_radius_stays():
    model, x = amplitude_bit(), torch.tensor([[0.0, 0.9, 0.3, 0.0]], dtype=torch.float64)
    y, threat = torch.tensor([0]), L2(0.1, box="none")
    bounds, exact = [], []
    for p in (0.1, 0.3, 0.6, 0.9):
        bounds.append(DepolarizingPrivacyCertificate(strength=p)(model, x, y, threat).radius_lower.item())
        noisy = fold(model.circuit, model.weights, model.readout, NoiseModel(global_depolarizing=p))
        exact.append(nearest_flips(noisy.forms(), x, y).lower.item())
    assert bounds == sorted(bounds)
    assert bounds[-1] > 2 * bounds[0]
    assert max(exact) - min(exact) < 1e-9


def test_a_decision_that_the_noise_moves_has_radius_zero():
    # Seven of eight outcomes count for class 0: strong noise decides for it, whatever the input.
    model, _, _ = amplitude_groups(0, 2)
    groups = type(model.readout.measurement)((0, 1, 2), (tuple(range(7)), (7,)))
    uneven = QuantumClassifier(model.circuit, groups, model.bounds, weights=model.weights.detach())
    observables = uneven.effective_observables().forms()
    x = torch.linalg.eigh(observables[1]).eigenvectors[:, -1:].T.abs()
    x = x if uneven(x).argmax() == 1 else torch.linalg.eigh(observables[1]).eigenvectors[:, -1:].T
    y, threat = torch.tensor([1]), L2(0.1, box="none")
    bounds = [DepolarizingPrivacyCertificate(strength=p)(uneven, x, y, threat).radius_lower.item() for p in (0.05, 0.9)]
    # One of eight outcomes for class 1: q = 1/8, not the published 1/2.
    clean = uneven(x).double()
    noisy = 0.95 * clean + 0.05 * torch.tensor([[7 / 8, 1 / 8]], dtype=torch.float64)
    expected = privacy_trace_distance(noisy, y, 0.05, 1 / 8).item()
    assert bounds[0] == pytest.approx(expected, rel=1e-9)
    assert bounds[0] > 0
    assert bounds[1] == 0


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("strength", [0.2, 0.8])
def test_outcome_k_mod_10_of_64_is_judged_under_the_noise(strength):
    # Classes 0 to 3 own 7 outcomes and the others 6: a noisy margin is that of the clean one plus strength / 64.
    model, x, clean = amplitude_groups(3, 10, qubits=6, samples=300)
    certificate, threat = DepolarizingPrivacyCertificate(strength=strength), L2(0.1, box="none")
    noisy = fold(model.circuit, model.weights, model.readout, NoiseModel(global_depolarizing=strength))
    decided = noisy.scores(x).argmax(dim=1)
    moved = decided != clean
    assert 0 < int(moved.sum()) < len(x)
    assert bool((decided[moved] < 4).all())
    right = certificate(model, x, decided, threat)
    assert bool((right.radius_lower > 0).all())
    assert bool(torch.isinf(right.radius_upper).all())
    assert bool((right.radius_lower <= nearest_flips(noisy.forms(), x, decided).upper).all())
    wrong = certificate(model, x, clean, threat)
    assert torch.equal(wrong.radius_lower[~moved], right.radius_lower[~moved])
    assert wrong.radius_lower[moved].tolist() == wrong.radius_upper[moved].tolist() == [0.0] * int(moved.sum())


@pytest.mark.parametrize("strength", [0.0, 1.0, -0.2, float("nan")])
def test_strengths_are_checked(strength):
    with pytest.raises(ConditionsError, match="above 0 and below 1"):
        DepolarizingPrivacyCertificate(strength=strength)
    with pytest.raises(ConditionsError, match="above 0 and below 1"):
        privacy_trace_distance(torch.tensor([[0.9, 0.1]]), torch.tensor([0]), strength, 0.5)


def test_other_scores_are_refused():
    with pytest.raises(InputError, match="class probabilities"):
        privacy_trace_distance(torch.tensor([[0.9, -0.1]]), torch.tensor([0]), 0.3, 0.5)
    with pytest.raises(InputError, match="smallest_share is 0"):
        privacy_trace_distance(torch.tensor([[0.9, 0.1]]), torch.tensor([0]), 0.3, 0.0)
    model = QuantumClassifier(amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, features=4))
    certificate = DepolarizingPrivacyCertificate(strength=0.3)
    with pytest.raises(ConditionsError, match="expectation values"):
        certificate(model, torch.ones(1, 4), torch.tensor([0]), L2(0.1))
    assert "expectation values" in certificate.refusal(model, L2(0.1))
    assert certificate.refusal(amplitude_bit(), L2(0.1)) is None
