"""Certificates against attacks on gates: sound against random and adversarial changes, exact where they say so."""

import math

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates import (
    DroppedAngleBackdoor,
    PermanentFaults,
    RoundingBackdoor,
    TransientFaults,
    TrojanGates,
    ZZCrosstalk,
)
from counterspin.attacks.quantum.gates.crosstalk import coupled
from counterspin.attacks.quantum.gates.faults import circuit_with
from counterspin.attacks.quantum.gates.kinds import faults_of
from counterspin.attacks.quantum.gates.runs import Bench
from counterspin.circuits import Amplitudes, Circuit, OutcomeGroups, PauliExpectations, feature, weight
from counterspin.evaluation.parts.gates import certified, coupling_angles
from counterspin.evaluation.parts.matched import matched
from counterspin.models import QuantumClassifier
from counterspin.simulation import final_states
from counterspin.types import Box


def model_of_small_rotations():
    """Data in the first gates, then rotations so small that dropping them turns the state little."""
    circuit = Circuit(2).add("RY", 0, 3.0 * feature(0)).add("RY", 1, 3.0 * feature(1)).end_layer()
    for index in range(6):
        circuit = circuit.add("RX" if index % 2 else "RY", index % 2, weight(index))
    circuit = circuit.add("RZZ", (0, 1), weight(6)).end_layer()
    weights = torch.tensor([0.05, -0.08, 0.1, 0.03, -0.06, 0.09, 0.1])
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0, 1, 2), weights=weights)


def data(model, count=60):
    x = torch.rand(count, model.bounds.features, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        return x, model(x).argmax(dim=1)


def test_faults_are_certified_exactly_where_they_do_not_break():
    model = model_of_small_rotations()
    x, y = data(model)
    attack = TransientFaults(kinds=("dropped", "swapped"))
    found, proof = attack(model, x, y, (1, 2)), matched(attack, model, x, y, (1.0, 2.0))
    assert proof.exact
    assert proof.holds.equal(~found.success)
    assert 0 < int(proof.holds[0].sum()) < len(y)


def test_turns_of_several_faults_prove_something_and_never_too_much(monkeypatch):
    monkeypatch.setattr("counterspin.evaluation.parts.gates.is_exhaustive", lambda faults, count: count == 1)
    model = model_of_small_rotations()
    x, y = data(model)
    attack = TransientFaults(kinds=("dropped",))
    exact = ~attack(model, x, y, (2,)).success[0]
    # The data gates may be dropped too, which nothing survives: look at those behind them.
    proof = certified(attack, model, x, y, (2.0, 3.0))
    assert not proof.exact
    assert not bool((proof.holds[0] & ~exact).any())
    assert bool((proof.holds[1] <= proof.holds[0]).all())


def test_turns_of_small_faults_prove_most_samples(monkeypatch):
    """With data amplitudes all gates are small rotations; three of them turn by at most 0.145 together."""
    monkeypatch.setattr("counterspin.evaluation.parts.gates.is_exhaustive", lambda faults, count: count == 1)
    whole = model_of_small_rotations()
    circuit = Circuit(2, whole.circuit.gates[2:], amplitudes=Amplitudes(4), layers=(7,))
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(circuit, bit, Box.uniform(0, 1, 4), weights=whole.weights.detach())
    x, y = data(model)
    proof = certified(PermanentFaults(kinds=("dropped",)), model, x, y, (3.0,))
    assert int(proof.holds.sum()) > len(y) / 3
    bench = Bench.of(model, x)
    faults = faults_of(circuit, bench.weights, ("dropped",))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(60):
            chosen = [faults[i] for i in torch.randperm(len(faults), generator=generator)[:3].tolist()]
            broken = verdict_margin(bench.scores(circuit_with(bench, chosen)), y) <= 0
            assert not bool((proof.holds[0] & broken).any())


@pytest.mark.parametrize("tenant", ["neighbours", "boundary"])
def test_couplings_turn_the_state_by_at_most_their_angles(tenant):
    recipe = recipes.get("cancer-angle")
    model, x = recipe.model(), recipe.dataset().test.x[:20].double()
    bench, pair = Bench.of(model, x), coupled(model.circuit, tenant)
    bound = coupling_angles(bench, tenant, 0.03)
    clean = final_states(bench.circuit, bench.inputs, bench.weights)
    count, generator = pair.weights - bench.circuit.weights, torch.Generator().manual_seed(0)
    assert bool((bound <= count * 0.015 + 1e-12).all())
    for _ in range(20):
        signs = torch.randint(0, 2, (count,), generator=generator).double() * 2 - 1
        moved = final_states(pair, bench.inputs, torch.cat([bench.weights, 0.03 * signs]))
        turned = torch.acos((clean.conj() * moved).sum(dim=1).abs().clamp(max=1))
        assert bool((turned <= bound + 1e-7).all())


def test_one_coupling_turns_by_hand():
    """RX(2 x) turns Z to cos 2x: exp(-i z Z/2) turns that state by arcsin(sin(z/2) sin 2x), exactly."""
    circuit = Circuit(1).add("RX", 0, 2.0 * feature(0))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), Box.uniform(0, 1, 1))
    x = torch.tensor([[0.2], [0.6]], dtype=torch.float64)
    found = coupling_angles(Bench.of(model, x), "boundary", 0.5)
    torch.testing.assert_close(found, torch.asin(math.sin(0.25) * torch.sin(2 * x[:, 0])), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["cancer-angle", "digits-reuploading"])
def test_crosstalk_breaks_nothing_that_is_certified(name):
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y, budgets = test.x[:20].double(), test.y[:20], (0.002, 0.2)
    attack = ZZCrosstalk(steps=6, restarts=1)
    found, proof = attack(model, x, y, budgets), matched(attack, model, x, y, budgets)
    assert not bool((proof.holds & found.success).any())
    assert bool(proof.holds[0].any())
    assert bool(found.success[1].any())


def test_dropped_rotations_break_nothing_that_is_certified():
    recipe = recipes.get("cancer-angle")
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:60].double(), test.y[:60]
    attack = DroppedAngleBackdoor(undoing=60, gates=4, steps=20)
    budgets = (0.002, 0.1)
    found, proof = attack(model, x, y, budgets), matched(attack, model, x, y, budgets)
    assert not bool((proof.holds & found.success).any())
    assert bool(proof.holds[0].any())


@pytest.mark.parametrize("attack", [TrojanGates(), RoundingBackdoor()], ids=lambda attack: attack.name)
def test_backdoors_without_a_bound_say_so(attack):
    model = model_of_small_rotations()
    x, y = data(model, 4)
    assert matched(attack, model, x, y, (1.0,)) is None
