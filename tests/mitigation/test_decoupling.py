"""Dynamical decoupling: spin echoes by their closed forms, costs of pulses, refusals."""

import math
from dataclasses import replace

import pytest
import torch

from counterspin.circuits import Circuit, PauliExpectations, Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.decoupling import Decoupling, gaps
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import GateRule, IdleRule, NoiseModel, depolarizing, phase_flip
from counterspin.simulation import run
from tests.support.noisy_circuits import AMPLITUDES, IDLE, arguments, ideal_values

US = 1e-6
DURATIONS = {("X", ()): 0.1 * US, ("H", ()): 0.1 * US, ("CZ", ()): 0.5 * US, ("RY", ()): 0.1 * US}
NOTHING = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
FIRST = PauliExpectations.of("Z0")
FOREVER = (math.inf, math.inf)


def waiting(gates: int = 20) -> Circuit:
    """Qubit 0 waits as |+⟩ while qubit 1 is busy for `gates` tenths of a microsecond; ideally ⟨Z0⟩ = 1."""
    circuit = Circuit(2).add("H", 0).add("CZ", (0, 1))
    for _ in range(gates):
        circuit = circuit.add("X", 1)
    return circuit.add("CZ", (0, 1)).add("H", 0)


def model(**options: object) -> NoiseModel:
    return NoiseModel(idle=IdleRule(durations=DURATIONS, t1=FOREVER, t2=FOREVER, **options))  # type: ignore[arg-type]


def value(circuit: Circuit, noise: NoiseModel, decoupling: Decoupling | None) -> float:
    if decoupling is None:
        return float(run(circuit, *NOTHING, Readout(FIRST), noise=noise))
    return float(mitigated_values(decoupling, circuit, *NOTHING, FIRST, noise))


@pytest.mark.parametrize("sequence", ["XX", "XY4"])
def test_a_constant_detuning_is_turned_back(sequence: str) -> None:
    noise = model(detuning=(0.7 / US, 0.0))
    assert value(waiting(), noise, None) == pytest.approx(math.cos(0.7 * 2.0), abs=1e-10)
    assert value(waiting(), noise, Decoupling(sequence=sequence)) == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize(("sequence", "pulses"), [("XX", 2), ("XY4", 4)])
def test_even_gaps_leave_their_share_of_the_phase(sequence: str, pulses: int) -> None:
    noise = model(detuning=(0.7 / US, 0.0))
    left = 0.7 * (2.0 - 0.1 * pulses) / (pulses + 1)
    found = value(waiting(), noise, Decoupling(sequence=sequence, spacing="even"))
    assert found == pytest.approx(math.cos(left), abs=1e-10)


def test_coupling_to_a_busy_neighbour_is_turned_back() -> None:
    # The neighbour's X gates would refocus the coupling by themselves; its CZ gates with a third qubit do not.
    circuit = Circuit(3).add("H", 0).add("CZ", (0, 1))
    for _ in range(4):
        circuit = circuit.add("CZ", (1, 2))
    circuit = circuit.add("CZ", (0, 1)).add("H", 0)
    rule = IdleRule(
        durations=DURATIONS,
        t1=(math.inf,) * 3,
        t2=(math.inf,) * 3,
        crosstalk={(0, 1): 0.5 / US},
        crosstalk_when="always",
    )
    noise = NoiseModel(idle=rule)
    bare, echoed = (value(circuit, noise, d) for d in (None, Decoupling()))
    # What is left couples in the half of each H that is next to a CZ, outside the window.
    assert bare == pytest.approx(math.cos(0.5 * 2.1), abs=1e-10)
    assert echoed == pytest.approx(math.cos(0.5 * 0.1), abs=1e-10)


def test_equal_pulses_on_both_qubits_do_not_turn_their_coupling_back() -> None:
    circuit = Circuit(3).add("H", 0).add("CZ", (0, 2)).add("CZ", (1, 2))
    for _ in range(20):
        circuit = circuit.add("X", 2)
    circuit = circuit.add("CZ", (1, 2)).add("CZ", (0, 2)).add("H", 0)
    rule = IdleRule(durations=DURATIONS, t1=(math.inf,) * 3, t2=(math.inf,) * 3, crosstalk={(0, 1): 0.3 / US})
    noise = NoiseModel(idle=rule)
    assert value(circuit, noise, Decoupling()) < 0.999


@pytest.mark.parametrize(("sequence", "pulses"), [("XX", 2), ("XY4", 4)])
def test_every_pulse_costs_its_error(sequence: str, pulses: int) -> None:
    noise = replace(
        model(detuning=(0.7 / US, 0.0)), rules=(GateRule(channel=depolarizing(0.01), kinds=("X",), qubits=(0,)),)
    )
    assert value(waiting(), noise, Decoupling(sequence=sequence)) == pytest.approx(0.99**pulses, abs=1e-10)


def test_relaxation_stays_but_for_the_time_of_the_pulses() -> None:
    noise = NoiseModel(idle=IdleRule(durations=DURATIONS, t1=(math.inf,) * 2, t2=(20 * US, math.inf)))
    assert value(waiting(), noise, None) == pytest.approx(math.exp(-2.0 / 20), abs=1e-10)
    assert value(waiting(), noise, Decoupling()) == pytest.approx(math.exp(-1.8 / 20), abs=1e-10)


def test_pulses_stand_where_the_spacing_says() -> None:
    (variant,) = Decoupling().construct(waiting(), model(detuning=(1.0, 0.0)))
    kinds = [gate.kind for gate in variant.circuit.gates if 0 in gate.qubits]
    assert kinds == ["H", "CZ", "X", "X", "CZ", "H"]
    angles = [math.acos(min(1.0, float(p.channel.transfer[1, 1]))) for p in variant.noise.placed if p.qubits == (0,)]
    waits = [angle / 1.0 / US for angle in angles if angle > 1e-9]
    assert waits == pytest.approx([0.45, 0.9, 0.45], abs=1e-3)


def test_given_gates_stay_in_their_order() -> None:
    late_first = Circuit(2).add("H", 0).add("CZ", (0, 1)).add("CZ", (0, 1)).add("H", 0)
    for _ in range(20):
        late_first = late_first.add("X", 1)
    circuit = late_first.add("CZ", (0, 1)).add("H", 0)
    (variant,) = Decoupling().construct(circuit, model(detuning=(1.0, 0.0)))
    added = [index for index, gate in enumerate(variant.circuit.gates) if gate.kind == "X" and gate.qubits == (0,)]
    assert len(added) == 2
    kept = tuple(gate for index, gate in enumerate(variant.circuit.gates) if index not in added)
    assert kept == circuit.gates


def test_what_gates_suffer_moves_with_them() -> None:
    noise = replace(model(), rules=(GateRule(channel=phase_flip(0.01), kinds=("CZ",), targets="each"),))
    (variant,) = Decoupling().construct(waiting(), noise)
    kinds = {variant.circuit.gates[p.after].kind for p in variant.noise.placed}
    assert kinds == {"CZ"}
    assert len(variant.noise.placed) == 4


def test_ideal_values_stay_and_gradients_pass() -> None:
    circuit = AMPLITUDES
    rule = IDLE.idle
    assert rule is not None
    quiet = NoiseModel(idle=replace(rule, t1=(math.inf,) * 3, t2=(math.inf,) * 3, detuning=()))
    x, w = arguments(circuit)
    x = x.requires_grad_()
    measurement = PauliExpectations.of("Z0", "X1 Y2", "Z2")
    found = mitigated_values(Decoupling(sequence="XY4"), circuit, x, w, measurement, quiet)
    (variant,) = Decoupling(sequence="XY4").construct(circuit, quiet)
    assert len(variant.circuit.gates) > len(circuit.gates)
    expected = ideal_values(circuit, x, w)
    assert torch.allclose(found, expected, atol=1e-10)
    slope, wanted = (torch.autograd.grad(values.square().sum(), x)[0] for values in (found, expected))
    assert torch.allclose(slope, wanted, atol=1e-10)


def test_detuned_model_is_nearer_to_the_ideal_with_pulses() -> None:
    x, w = arguments(AMPLITUDES, batch=16)
    measurement = PauliExpectations.of("Z0", "X1 Y2", "Z2")
    ideal = ideal_values(AMPLITUDES, x, w)
    rule = IDLE.idle
    assert rule is not None
    detuned = replace(IDLE, idle=replace(rule, detuning=(1e6, -2e6, 1e6)))
    bare = run(AMPLITUDES, x, w, Readout(measurement), noise=detuned)
    echoed = mitigated_values(Decoupling(), AMPLITUDES, x, w, measurement, detuned)
    assert float((echoed - ideal).abs().mean()) < 0.6 * float((bare - ideal).abs().mean())


def test_short_windows_and_qubits_in_their_first_state_stay_empty() -> None:
    (variant,) = Decoupling().construct(waiting(2), model(detuning=(1.0, 0.0)))
    assert len(variant.circuit.gates) == len(waiting(2).gates)
    late = Circuit(2).add("X", 1).add("X", 1).add("X", 1).add("X", 1).add("X", 1).add("X", 1).add("CZ", (0, 1))
    (variant,) = Decoupling().construct(late, model(detuning=(1.0, 0.0)))
    assert variant.circuit.gates == late.gates


def test_devices_without_x_pulse_by_two_sx() -> None:
    durations = {("SX", ()): 0.05 * US, ("CZ", ()): 2.0 * US}
    noise = NoiseModel(
        idle=IdleRule(durations=durations, t1=(math.inf,) * 3, t2=(math.inf,) * 3, detuning=(0.3 / US, 0, 0))
    )
    circuit = Circuit(3).add("SX", 0).add("CZ", (0, 1)).add("CZ", (1, 2)).add("CZ", (0, 1)).add("SX", 0)
    (variant,) = Decoupling().construct(circuit, noise)
    assert [g.kind for g in variant.circuit.gates if g.qubits == (0,)] == ["SX"] * 6
    assert value(circuit, noise, Decoupling()) == pytest.approx(value(circuit, NoiseModel(), None), abs=1e-10)


def test_gaps_add_up() -> None:
    assert sum(gaps(7.0, 4, "symmetric")) == pytest.approx(7.0)
    assert gaps(8.0, 4, "symmetric") == (1.0, 2.0, 2.0, 2.0, 1.0)
    assert sum(gaps(7.0, 4, "even")) == pytest.approx(7.0)


def test_combine_and_linear_map_are_the_identity() -> None:
    values = torch.rand(1, 4, 3, dtype=torch.float64)
    maps, offset = Decoupling().linear_map(1, 3)
    assert torch.equal(torch.einsum("ckj,cbj->bk", maps, values) + offset, Decoupling().combine(values))
    assert Decoupling().shot_factor(waiting(), model()) == 1.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(ConditionsError, match="no idle rule; give one"):
        Decoupling().construct(waiting(), NoiseModel(qubit_depolarizing=0.1))
    with pytest.raises(UsageError, match="sequence is 'YY'"):
        Decoupling(sequence="YY")
    with pytest.raises(UsageError, match="spacing is 'odd'"):
        Decoupling(spacing="odd")
    bare = IdleRule(durations={("H", ()): US, ("CZ", ()): US, ("RY", ()): 9 * US}, t1=FOREVER, t2=FOREVER)
    circuit = Circuit(2).add("CZ", (0, 1)).add("RY", 0, 0.1).add("CZ", (0, 1))
    with pytest.raises(UsageError, match="neither X nor SX on qubit 1"):
        Decoupling().construct(circuit, NoiseModel(idle=bare))
