"""Noise of waiting qubits against a walk through continuous time."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_channels import embedded

from counterspin.circuits import GATES, Circuit, amplitude_encoding
from counterspin.errors import UsageError
from counterspin.noise import IdleRule, NoiseModel, alap_schedule, thermal_relaxation, time_ordered, zz_crosstalk
from counterspin.simulation.density import noisy_density

DURATIONS = {("H", ()): 1.0, ("RX", ()): 2.0, ("CNOT", ()): 5.0}
INF = (math.inf,) * 3
QUBITS = 3
Z = np.diag([1.0, -1.0])
ZZ = np.diag([1.0, -1.0, -1.0, 1.0])
GATES_DRAWN = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["H", "RX", "RZ"]), st.tuples(st.integers(0, 2))),
        st.tuples(st.just("CNOT"), st.permutations(range(3)).map(lambda p: tuple(p[:2]))),
    ),
    min_size=1,
    max_size=8,
)


def circuit_of(gates):
    circuit = Circuit(QUBITS)
    for number, (kind, qubits) in enumerate(gates):
        circuit = circuit.add(kind, qubits, *((0.3 + number,) if kind in ("RX", "RZ") else ()))
    return time_ordered(circuit, DURATIONS)


def run(circuit, rule):
    return noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0), rule.place(circuit))[0].numpy()


def walk(circuit, rule):
    """The density matrix by small steps in time, T1 infinite: all idle noise is diagonal, so that steps are exact."""
    plan = alap_schedule(circuit, rule.durations)
    middles = [(start + end) / 2 for start, end in zip(plan.starts, plan.ends, strict=True)]
    rho = np.zeros((2**QUBITS,) * 2, dtype=complex)
    rho[0, 0] = 1
    marks = sorted({0.0, plan.total, *plan.starts, *plan.ends, *middles})
    done = set()

    def act(now):
        for index, gate in enumerate(circuit.gates):
            if index not in done and middles[index] <= now:
                angles = torch.tensor([a.constant for a in gate.angles], dtype=torch.complex128)
                unitary = embedded(GATES[gate.kind].matrix(angles).numpy(), gate.qubits, QUBITS)
                rho[:] = unitary @ rho @ unitary.conj().T
                done.add(index)

    act(0.0)
    for begin, end in pairwise(marks):
        step, middle = end - begin, (begin + end) / 2
        running = [g for i, g in enumerate(circuit.gates) if plan.starts[i] < middle < plan.ends[i]]
        busy = {q for gate in running for q in gate.qubits}
        energy = np.zeros((2**QUBITS,) * 2)
        for qubit in set(range(QUBITS)) - busy:
            energy += 0.5 * rule.detuning[qubit] * embedded(Z, (qubit,), QUBITS).real
            flips = embedded(Z, (qubit,), QUBITS).real.diagonal()
            rho *= np.where(np.outer(flips, flips) < 0, math.exp(-step / rule.t2[qubit]), 1.0)
        for pair, rate in rule.crosstalk.items():
            free = (
                not any(set(pair) <= set(gate.qubits) for gate in running)
                if rule.crosstalk_when == "always"
                else busy.isdisjoint(pair)
            )
            energy += 0.5 * rate * embedded(ZZ, pair, QUBITS).real * free
        phases = np.exp(-1j * step * energy.diagonal())
        rho *= np.outer(phases, phases.conj())
        act(end)
    return rho


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(gates=GATES_DRAWN, when=st.sampled_from(["idle", "always"]))
def test_idle_noise_is_what_a_walk_through_time_finds(gates, when):
    circuit = circuit_of(gates)
    rule = IdleRule(
        durations=DURATIONS,
        t1=INF,
        t2=(7.0, 11.0, 5.0),
        detuning=(0.1, -0.2, 0.05),
        crosstalk={(0, 1): 0.13, (2, 1): -0.31},
        crosstalk_when=when,
    )
    np.testing.assert_allclose(run(circuit, rule), walk(circuit, rule), atol=1e-12, rtol=0)


def test_ramsey():
    # Qubit 0 waits 2 between its gates, H and H, for those of qubit 1.
    circuit = Circuit(2).add("CNOT", (1, 0)).add("H", 0).add("RX", 1, 0.0).add("RX", 1, 0.0).add("CNOT", (1, 0))
    circuit = circuit.add("H", 0)
    rule = IdleRule(durations=DURATIONS, t1=(20.0, math.inf), t2=(30.0, math.inf), detuning=(0.25, 0.0))
    plan = alap_schedule(circuit, DURATIONS)
    assert [(w.qubit, w.after, w.seconds) for w in plan.idle if w.qubit == 0] == [(0, 0, 3.0)]
    (placed,) = [p for p in rule.place(circuit) if p.qubits == (0,)]
    kept = math.exp(-3 / 30)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 0], expected[3, 3], expected[3, 0] = 1, math.exp(-3 / 20), 1 - math.exp(-3 / 20)
    expected[1:3, 1:3] = kept * torch.tensor(
        [[math.cos(0.75), -math.sin(0.75)], [math.sin(0.75), math.cos(0.75)]], dtype=torch.float64
    )
    assert placed.after == 0
    torch.testing.assert_close(placed.channel.transfer, expected, atol=1e-14, rtol=0)


def test_prepared_states_wait_for_their_first_gate():
    circuit = amplitude_encoding(8).add("H", 0).add("CNOT", (0, 1))
    rule = IdleRule(durations=DURATIONS, t1=(9.0, 8.0, 7.0), t2=(5.0, 6.0, 7.0), excited=(0.0, 0.1, 0.2))
    placed = rule.place(circuit)
    assert [(p.after, p.qubits) for p in placed] == [(-1, (1,)), (-1, (2,))]
    for p, expected in zip(
        placed, (thermal_relaxation(8.0, 6.0, 1.0, 0.1), thermal_relaxation(7.0, 7.0, 6.0, 0.2)), strict=True
    ):
        torch.testing.assert_close(p.channel.transfer, expected.transfer, atol=0, rtol=0)


def test_a_qubit_in_its_cold_ground_state_loses_nothing_by_waiting():
    circuit = circuit_of([("RX", (0,)), ("CNOT", (0, 1)), ("H", (2,))])
    cold = IdleRule(durations={**DURATIONS}, t1=(1.0,) * 3, t2=(1.0,) * 3, detuning=(0.3,) * 3)
    leading = [p for p in cold.place(circuit) if p.after == -1]
    assert {p.qubits for p in leading} == {(1,), (2,)}
    ideal = noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0))
    waited = noisy_density(circuit, torch.zeros(1, 0), torch.zeros(0), leading)
    torch.testing.assert_close(waited, ideal, atol=1e-14, rtol=0)
    warm = IdleRule(durations=DURATIONS, t1=(1.0,) * 3, t2=(1.0,) * 3, excited=(0.5,) * 3)
    assert (torch.from_numpy(run(circuit, warm)) - ideal[0]).abs().max() > 0.1


def test_where_crosstalk_acts():
    # 0-5 CNOT02, 3-5 RX1, 5-10 CNOT21, 8-9 H0, 9-10 H0.
    circuit = Circuit(3).add("RX", 1, math.pi).add("CNOT", (0, 2)).add("H", 0).add("CNOT", (2, 1)).add("H", 0)
    ordered = time_ordered(circuit, DURATIONS)
    assert [str(g) for g in ordered.gates] == ["CNOT q0,q2", "RX(3.14) q1", "CNOT q2,q1", "H q0", "H q0"]
    rule = IdleRule(durations=DURATIONS, t1=INF, t2=INF, crosstalk={(0, 1): 0.1})
    assert rule.place(ordered) == ()
    always = replace(rule, crosstalk_when="always").place(ordered)
    expected = [(-1, 2.5), (0, 1.5), (1, 3.5), (2, 1.0), (3, 1.0), (4, 0.5)]
    assert [(p.after, p.qubits) for p in always] == [(after, (0, 1)) for after, _ in expected]
    for placed, (_, seconds) in zip(always, expected, strict=True):
        turned = zz_crosstalk(0.1 * seconds)
        torch.testing.assert_close(placed.channel.transfer, turned.transfer, atol=1e-14, rtol=0)


def test_crosstalk_needs_the_order_of_time():
    # Qubit 1's gate is listed second and runs first.
    circuit = Circuit(3).add("H", 0).add("H", 1).add("RX", 1, 0.2).add("CNOT", (1, 2)).add("CNOT", (2, 0))
    shuffled = Circuit(3, tuple(circuit.gates[i] for i in (1, 2, 0, 3, 4)))
    rule = IdleRule(durations=DURATIONS, t1=INF, t2=INF, crosstalk={(0, 1): 0.1}, crosstalk_when="always")
    with pytest.raises(UsageError, match=r"crosstalk between qubits \(0, 1\) has no place .* run time_ordered"):
        rule.place(circuit)
    with pytest.raises(UsageError, match="run time_ordered"):
        rule.place(shuffled)
    ordered = time_ordered(circuit, DURATIONS)
    seconds = [round(float(p.channel.name[len("zz_crosstalk(") : -1]) / 0.1, 9) for p in rule.place(ordered)]
    assert sum(seconds) == pytest.approx(alap_schedule(ordered, DURATIONS).total)
    # Without coupling of this pair the order does not matter.
    assert IdleRule(durations=DURATIONS, t1=INF, t2=INF, crosstalk={(0, 1): 0.0}).place(circuit) == ()


def test_no_noise_is_no_channel():
    rule = IdleRule(durations=DURATIONS, t1=INF, t2=INF)
    assert rule.place(circuit_of([("H", (0,)), ("CNOT", (0, 1))])) == ()
    assert rule.channel(0, 3.0) is None


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_scaling_raises_every_channel_to_a_power(factor):
    rule = IdleRule(
        durations=DURATIONS,
        t1=(9.0, 8.0, math.inf),
        t2=(5.0, 16.0, 7.0),
        excited=(0.0, 0.1, 0.0),
        detuning=(0.1, 0.0, 0.2),
        crosstalk={(0, 1): 0.05},
    )
    circuit = circuit_of([("RX", (2,)), ("CNOT", (2, 0)), ("CNOT", (0, 1)), ("H", (2,)), ("CNOT", (2, 1))])
    plain = NoiseModel(placed=rule.place(circuit)).scaled(factor)
    placed = rule.scaled(factor).place(circuit)
    assert [p.qubits for p in placed if p.after == -1] == [(0,), (1,), (0, 1)]
    assert len(placed) == len(plain.placed) == 5
    for ours, powered in zip(placed, plain.placed, strict=True):
        assert (ours.after, ours.qubits) == (powered.after, powered.qubits)
        torch.testing.assert_close(ours.channel.transfer, powered.channel.transfer, atol=1e-13, rtol=0)
    assert rule.scaled(0.0).place(circuit) == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t1": (1.0,), "t2": (1.0, 1.0)}, "t2 has 2 values and t1 1"),
        ({"t1": (1.0, 1.0), "t2": (1.0, 2.5)}, "lower t2 to 2 s"),
        ({"t1": (-1.0,), "t2": (1.0,)}, "t1 of thermal_relaxation is -1.0"),
        ({"t1": (1.0,), "t2": (1.0,), "excited": (0.1, 0.1)}, "excited has 2 values"),
        ({"t1": (1.0,), "t2": (1.0,), "excited": (1.1,)}, "allowed: 0 to 1"),
        ({"t1": (1.0,), "t2": (1.0,), "detuning": (math.nan,)}, "not finite; give radians per second"),
        ({"t1": (1.0,), "t2": (1.0,), "crosstalk": {(0, 1): 1.0}}, r"crosstalk names \(0, 1\); give two of the"),
        ({"t1": (1.0,) * 2, "t2": (1.0,) * 2, "crosstalk": {(1, 1): 1.0}}, r"crosstalk names \(1, 1\)"),
        (
            {"t1": (1.0,), "t2": (1.0,), "crosstalk_when": "never"},
            "crosstalk_when is 'never'; give one of idle, always",
        ),
    ],
)
def test_rules_that_are_none(arguments, message):
    with pytest.raises(UsageError, match=message):
        IdleRule(durations=DURATIONS, **arguments)


def test_another_number_of_qubits():
    rule = IdleRule(durations=DURATIONS, t1=(1.0,) * 3, t2=(1.0,) * 3)
    with pytest.raises(UsageError, match="the idle rule is for 3 qubits and the circuit has 2"):
        rule.place(Circuit(2).add("H", 0))
