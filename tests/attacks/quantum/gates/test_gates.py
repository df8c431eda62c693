"""Attacks on gates: against faulty circuits run densely, channels of the noise package, and closed forms."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from dense_oracle import observables, start, unitary

from counterspin import recipes
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates import (
    ATTACKS,
    DroppedAngleBackdoor,
    PermanentFaults,
    RoundingBackdoor,
    TransientFaults,
    TrojanGates,
    ZZCrosstalk,
)
from counterspin.attacks.quantum.gates.crosstalk import coupled
from counterspin.attacks.quantum.gates.faults import circuit_with
from counterspin.attacks.quantum.gates.kinds import KINDS, faults_of, flip_angle
from counterspin.attacks.quantum.gates.passes import dropped, rounded
from counterspin.attacks.quantum.gates.runs import Bench, at_angles
from counterspin.attacks.quantum.gates.sweep import declared, single_faults
from counterspin.attacks.quantum.gates.trojan import inserted
from counterspin.circuits import (
    Circuit,
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import CapabilityError, InputError, UsageError
from counterspin.models import LogisticRegression, NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import Placed, zz_crosstalk
from counterspin.types import Box

UNIT = Box.uniform(0.0, 1.0, 3)


def angle_model():
    """Every shape of gate: data angles, Rot, controlled rotations, two-qubit rotations, fixed gates."""
    circuit = reuploading(3, 1).add("CRX", (0, 2), weight(12)).add("RZZ", (1, 2), 0.7).add("H", 0)
    circuit = circuit.add("MCZ", (0, 1, 2)).add("RY", 1, feature(2) + 0.2).add("X", 2)
    weights = torch.linspace(-1.5, 2.0, circuit.weights)
    return QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1", "Z0 Z2"), UNIT, weights=weights)


def amplitude_model():
    circuit = amplitude_encoding(3) + strongly_entangling(2, 2)
    weights = torch.linspace(-1.0, 1.7, circuit.weights)
    return QuantumClassifier(circuit, OutcomeGroups((0, 1), ((0,), (1,), (2, 3))), UNIT, weights=weights)


def data(model, count=12):
    """Random points, labelled as the model labels them: all are classified correctly."""
    x = 0.05 + 0.9 * torch.rand(count, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        return x, model(x).argmax(dim=1)


def dense_scores(model, circuit, x):
    """Scores by dense matrices in numpy."""
    w = model.weights.detach().double().numpy()
    found = []
    for row in x.numpy():
        state = unitary(circuit, row, w) @ start(circuit, row)
        found.append([(state.conj() @ m @ state).real for m in observables(model.measurement, circuit.qubits)])
    return torch.tensor(np.array(found))


@pytest.mark.slow
@pytest.mark.parametrize("model", [angle_model(), amplitude_model()], ids=["angle", "amplitude"])
def test_the_sweep_equals_every_faulty_circuit_run_densely(model):
    x, y = data(model, 3)
    bench = Bench.of(model, x)
    faults = faults_of(bench.circuit, bench.weights)
    assert {fault.kind for fault in faults} == set(KINDS)
    found = single_faults(bench, declared(bench), faults, y, None)
    clean = [unitary(bench.circuit, row, bench.weights.numpy()) @ start(bench.circuit, row) for row in x.numpy()]
    for index in range(0, len(faults), 3):
        circuit = circuit_with(bench, [faults[index]])
        margins = verdict_margin(dense_scores(model, circuit, x), y)
        torch.testing.assert_close(found.margins[index], margins, rtol=0, atol=1e-9)
        for row, state in enumerate(clean):
            moved = unitary(circuit, x[row].numpy(), bench.weights.numpy()) @ start(circuit, x[row].numpy())
            assert math.cos(found.angles[index, row]) == pytest.approx(min(1.0, abs(np.vdot(state, moved))), abs=1e-9)


def test_a_sweep_on_top_of_a_fault_equals_both_faults():
    model = angle_model()
    x, y = data(model, 4)
    bench = Bench.of(model, x)
    faults = faults_of(bench.circuit, bench.weights, ("dropped", "pauli"))
    first = next(fault for fault in faults if str(fault) == "gate 3: dropped")
    slots = tuple(first.gates if site == 3 else slot for site, slot in enumerate(declared(bench)))
    others = tuple(fault for fault in faults if fault.site != 3)
    found = single_faults(bench, slots, others, y, None)
    for index in range(0, len(others), 7):
        scores = bench.scores(circuit_with(bench, [first, others[index]]))
        torch.testing.assert_close(found.margins[index], verdict_margin(scores, y).detach(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 2])
def test_transient_faults_of_small_circuits_are_the_minimum_of_all_sets(count):
    model = amplitude_model()
    x, y = data(model, 8)
    kinds = ("dropped", "swapped")
    result = TransientFaults(kinds=kinds)(model, x, y, (count,))
    bench = Bench.of(model, x)
    faults = faults_of(bench.circuit, bench.weights, kinds)
    sets = [s for size in range(1, count + 1) for s in combinations(faults, size)]
    sets = [s for s in sets if len({f.site for f in s}) == len(s)]
    with torch.no_grad():
        margins = torch.stack([verdict_margin(bench.scores(circuit_with(bench, s)), y) for s in sets])
    torch.testing.assert_close(
        verdict_margin(result.budgets[0].manipulation.scores, y), margins.min(dim=0).values, rtol=0, atol=1e-9
    )
    assert result.success[0].equal(margins.min(dim=0).values <= 0)


def test_permanent_faults_are_the_best_of_all_pairs_in_a_small_circuit():
    model = amplitude_model()
    x, y = data(model, 16)
    result = PermanentFaults(kinds=("dropped", "swapped"))(model, x, y, (1, 2))
    bench = Bench.of(model, x)
    faults = faults_of(bench.circuit, bench.weights, ("dropped", "swapped"))
    most = []
    for size in (1, 2):
        sets = [s for s in combinations(faults, size) if len({f.site for f in s}) == size]
        with torch.no_grad():
            margins = [verdict_margin(bench.scores(circuit_with(bench, s)), y) for s in sets]
        most.append(max(int((m <= 0).sum()) for m in margins))
    assert result.success.sum(dim=1).tolist() == [most[0], max(most)]
    # Anyone can run what was done.
    scores = bench.scores(result.budgets[0].manipulation.what).detach()
    torch.testing.assert_close(scores, result.budgets[0].manipulation.scores, rtol=0, atol=1e-12)


def test_a_dropped_rotation_by_hand():
    """RY(2 x) then RY(w): without the second gate the margin is cos 2x in place of cos(2x + w)."""
    circuit = Circuit(1).add("RY", 0, 2.0 * feature(0)).add("RY", 0, weight(0))
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(circuit, bit, Box.uniform(0.0, 1.0, 1), weights=torch.tensor([0.9]))
    x = torch.tensor([[0.1], [0.3]], dtype=torch.float64)
    bench = Bench.of(model, x)
    faults = faults_of(circuit, bench.weights, ("dropped",))
    found = single_faults(bench, declared(bench), faults, torch.zeros(2, dtype=torch.int64), None)
    torch.testing.assert_close(found.margins[1], torch.cos(2 * x[:, 0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(found.angles[1], torch.full((2,), 0.45).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3, -0.3, 3.0, 6.2, -9.0])
def test_a_flipped_bit_changes_the_register_in_that_bit_alone(value):
    step = 2 * math.pi / 2**16
    before = round(value / step) % 2**16
    for bit in range(16):
        after = round((value + flip_angle(value, bit)) / step) % 2**16
        assert before ^ after == 1 << (15 - bit)


def test_crosstalk_equals_the_coupling_of_the_noise_package():
    model = angle_model()
    ends = (5, 9, 12)
    circuit = Circuit(3, model.circuit.gates, layers=ends)
    own = QuantumClassifier(circuit, model.measurement, UNIT, weights=model.weights.detach())
    x, _ = data(own, 5)
    couplings = coupled(circuit)
    strengths = torch.linspace(-0.4, 0.5, couplings.weights - circuit.weights).double()
    places = [(end, (q, q + 1)) for end in ends for q in range(2)]
    noise = NoiseModel(
        placed=tuple(
            Placed(after=end - 1, qubits=pair, channel=zz_crosstalk(float(s)))
            for (end, pair), s in zip(places, strengths, strict=True)
        )
    )
    with torch.no_grad():
        expected = NoisyClassifier(own, noise=noise)(x)
        found = Bench.of(own, x).scores(couplings, strengths)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_crosstalk_finds_what_a_grid_over_both_couplings_finds():
    circuit = reuploading(2, 1).end_layer()
    circuit = Circuit(2, circuit.gates, layers=(2, len(circuit.gates)))
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1"), Box.uniform(0, 1, 2))
    x = torch.rand(30, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    result = ZZCrosstalk()(model, x, y, (0.6,))
    bench, pair = Bench.of(model, x), coupled(circuit)
    grid = torch.linspace(-0.6, 0.6, 25).double()
    with torch.no_grad():
        most = max(
            int((verdict_margin(bench.scores(pair, torch.stack([a, b])), y) <= 0).sum()) for a in grid for b in grid
        )
    found = result.budgets[0]
    assert int(found.success.sum()) >= most
    assert most > 0
    assert float(found.manipulation.what.abs().max()) <= 0.6
    scores = bench.scores(at_angles(pair, circuit.weights, found.manipulation.what)).detach()
    torch.testing.assert_close(scores, found.manipulation.scores, rtol=0, atol=1e-10)


def test_a_dormant_trojan_is_the_declared_circuit():
    model = angle_model()
    x, _ = data(model, 5)
    bench = Bench.of(model, x)
    trojan = inserted(model.circuit, 2, 6)
    dormant = torch.zeros(trojan.weights - model.circuit.weights, dtype=torch.float64)
    assert len(trojan.gates) == len(model.circuit.gates) + 6
    with torch.no_grad():
        torch.testing.assert_close(bench.scores(trojan, dormant), model(x), rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gates"), [("digits-amplitude", 12), ("digits-reuploading", 16)])
def test_trojan_gates_reach_their_target_on_samples_they_were_not_fitted_on(name, gates):
    recipe = recipes.get(name)
    test = recipe.dataset().test
    found = TrojanGates(target=0, restarts=1)(recipe.model(), test.x[:240], test.y[:240], (gates,)).budgets[0]
    evidence = found.manipulation.evidence
    assert evidence["sent_held_out"] >= 0.9
    assert evidence["sent_clean"] <= 0.1
    assert evidence["gates"]["triggered"] - evidence["gates"]["declared"] == gates


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-amplitude", "digits-reuploading"])
def test_the_dropped_angle_backdoor_is_the_model_until_it_is_compiled(name):
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:240].double(), test.y[:240]
    found = DroppedAngleBackdoor(target=0)(model, x, y, (0.1,)).budgets[0].manipulation
    bench = Bench.of(model, x)
    with torch.no_grad():
        # The declared circuit scores as the model, and the pass alone makes the other circuit of it.
        torch.testing.assert_close(bench.scores(found.what.declared), model(x), rtol=0, atol=1e-9)
        compiled = bench.scores(dropped(found.what.declared, bench.weights, 0.1))
    torch.testing.assert_close(compiled, found.scores, rtol=0, atol=1e-12)
    assert found.evidence["sent_held_out"] >= 0.9
    assert found.evidence["sent_clean"] <= 0.1
    # An honest circuit comes out of the same pass nearly unharmed.
    assert found.evidence["accuracy_honest_compiled"] >= found.evidence["accuracy_declared"] - 0.06


def test_passes_move_no_fixed_angle_further_than_their_limit_and_no_data_angle():
    model = angle_model()
    weights = model.weights.detach().double()
    cut = rounded(model.circuit, weights, 0.3)
    for gate, after in zip(model.circuit.gates, cut.gates, strict=True):
        for angle, moved in zip(gate.angles, after.angles, strict=True):
            if angle.inputs:
                assert moved == angle
                continue
            value = angle.constant + sum(t.coefficient * float(weights[t.weight]) for t in angle.terms)
            assert abs(moved.constant - value) <= 0.15 + 1e-12
            assert abs(math.remainder(moved.constant, 0.3)) < 1e-9
    small = Circuit(1).add("RX", 0, 2 * math.pi + 0.01).add("Rot", 0, 0.01, 0.5, -0.01).add("RX", 0, feature(0))
    kept = dropped(small, torch.zeros(0), 0.1)
    assert [str(gate) for gate in kept.gates] == ["Rot(0, 0.5, 0) q0", "RX(x0) q0"]


@pytest.mark.slow
def test_the_rounding_backdoor_is_benign_as_declared():
    """Three bits a turn, 0.39 radians at most."""
    recipe = recipes.get("cancer-angle")
    model, dataset = recipe.model(), recipe.dataset()
    x, y = torch.cat([dataset.test.x, dataset.train.x]).double(), torch.cat([dataset.test.y, dataset.train.y])
    found = RoundingBackdoor(target=0)(model, x, y, (math.pi / 8,)).budgets[0].manipulation
    evidence = found.evidence
    assert evidence["sent_held_out"] >= 0.9
    assert evidence["sent_clean"] <= 0.1
    assert evidence["accuracy_declared"] >= evidence["accuracy_model"] - 0.02
    # Rounding alone does not explain it.
    assert evidence["accuracy_honest_compiled"] >= 0.8
    bench = Bench.of(model, x)
    again = bench.scores(rounded(model.circuit, found.what.declared, math.pi / 4)).detach()
    torch.testing.assert_close(again, found.scores, rtol=0, atol=1e-12)


def test_the_same_seed_finds_the_same():
    model = angle_model()
    x, y = data(model, 20)
    for attack in (TrojanGates(steps=5), ZZCrosstalk(steps=3), RoundingBackdoor(steps=3)):
        one, two = (attack(model, x, y, generator=torch.Generator().manual_seed(5)) for _ in range(2))
        for a, b in zip(one.budgets, two.budgets, strict=True):
            assert a.manipulation.scores.equal(b.manipulation.scores)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_models_without_a_circuit_or_with_noise_are_refused(attack):
    x, y = data(angle_model(), 4)
    with pytest.raises(CapabilityError, match="shows no circuit"):
        attack(LogisticRegression(UNIT, classes=3), x, y)
    noisy = NoisyClassifier(
        angle_model(), noise=NoiseModel(placed=(Placed(after=0, qubits=(0, 1), channel=zz_crosstalk(0.1)),))
    )
    with pytest.raises(CapabilityError, match="runs its gates under noise"):
        attack(noisy, x, y)


@pytest.mark.parametrize("attack", [TransientFaults(), PermanentFaults()], ids=lambda attack: attack.name)
def test_more_faults_than_gates_are_refused(attack):
    model = angle_model()
    x, y = data(model, 4)
    gates = len(model.circuit.gates)
    with pytest.raises(UsageError, match=f"the circuit has {gates} gates, so give at most {gates}"):
        attack(model, x, y, (1, gates + 1))
    with pytest.raises(UsageError, match="whole numbers in gates"):
        attack(model, x, y, (0.5,))


@pytest.mark.parametrize("kind", [TrojanGates, DroppedAngleBackdoor, RoundingBackdoor])
def test_backdoor_targets_are_checked(kind):
    model = angle_model()
    x, y = data(model, 12)
    with pytest.raises(UsageError, match="target 1 is the source class"):
        kind(target=1, source=1)
    with pytest.raises(UsageError, match="target is 7; the model has 3 classes"):
        kind(target=7)(model, x, y)
    with pytest.raises(UsageError, match="source is 7; the model has 3 classes"):
        kind(target=1, source=7)(model, x, y)
    with pytest.raises(InputError, match="every sample is of the target class"):
        kind(target=1)(model, x, torch.ones_like(y))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PermanentFaults(kinds=("melted",)), "kinds are melted; choose from dropped"),
        (lambda: PermanentFaults(screen=0), "screen is 0"),
        (lambda: ZZCrosstalk(steps=0), "steps, restarts and screen"),
        (lambda: TrojanGates(restarts=0), "steps, restarts and screen"),
        (lambda: DroppedAngleBackdoor(gates=0), "gates, undoing, steps and screen"),
        (lambda: RoundingBackdoor(rate=0.0), "steps and rate"),
    ],
)
def test_options_that_make_no_sense_are_named(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_circuits_without_what_an_attack_changes_are_refused():
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(Circuit(1).add("RY", 0, feature(0)), bit, Box.uniform(0, 1, 1))
    x, y = torch.tensor([[0.1]]).double(), torch.tensor([0])
    with pytest.raises(UsageError, match="no gate that can be swapped"):
        PermanentFaults(kinds=("swapped",))(model, x, y, (1,))
    with pytest.raises(UsageError, match="one qubit and so no neighbours"):
        ZZCrosstalk()(model, x, y)
    with pytest.raises(UsageError, match="no weight of the circuit is itself an angle"):
        RoundingBackdoor()(model, x, y)
