"""Schedules as late as possible: worked examples, and properties of random circuits."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise import alap_schedule, time_ordered

DURATIONS = {("H", ()): 1.0, ("X", ()): 2.0, ("CNOT", ()): 5.0, ("CZ", (0, 1)): 3.0}
GATES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["H", "X", "RZ"]), st.tuples(st.integers(0, 2))),
        st.tuples(st.just("CNOT"), st.permutations(range(3)).map(lambda p: tuple(p[:2]))),
    ),
    max_size=12,
)


def circuit_of(gates):
    circuit = Circuit(3)
    for kind, qubits in gates:
        circuit = circuit.add(kind, qubits, *((0.3,) if kind == "RZ" else ()))
    return circuit


def windows(plan):
    return [(w.qubit, w.after, w.start, w.seconds) for w in plan.idle]


def test_gates_run_as_late_as_possible():
    # H0 waits for nothing but the CNOT, which waits for two X.
    plan = alap_schedule(Circuit(2).add("H", 0).add("X", 1).add("X", 1).add("CNOT", (0, 1)), DURATIONS)
    assert plan.starts == (3.0, 0.0, 2.0, 4.0)
    assert plan.ends == (4.0, 2.0, 4.0, 9.0)
    assert plan.total == 9.0
    assert windows(plan) == [(0, -1, 0.0, 3.0)]


def test_waiting_between_gates_and_for_the_measurement():
    circuit = Circuit(3).add("CNOT", (0, 1)).add("X", 1).add("CNOT", (1, 2)).add("H", 0).add("CNOT", (0, 1))
    plan = alap_schedule(circuit, DURATIONS)
    # 0-5 CNOT01, 5-7 X1, 7-12 CNOT12, 12-17 CNOT01; H0 at 11-12; qubit 2 waits at both ends.
    assert plan.starts == (0.0, 5.0, 7.0, 11.0, 12.0)
    assert plan.total == 17.0
    assert windows(plan) == [(0, 0, 5.0, 6.0), (2, -1, 0.0, 7.0), (2, 2, 12.0, 5.0)]
    assert plan.idle[0].end == 11.0


def test_a_qubit_without_gates_waits_all_along():
    plan = alap_schedule(Circuit(2).add("X", 0), DURATIONS)
    assert windows(plan) == [(1, -1, 0.0, 2.0)]
    assert alap_schedule(Circuit(2), DURATIONS).total == 0.0
    assert alap_schedule(Circuit(2), DURATIONS).idle == ()


def test_virtual_gates_take_no_time_unless_told():
    circuit = Circuit(2).add("X", 0).add("RZ", 0, 0.1).add("X", 0).add("X", 1)
    plan = alap_schedule(circuit, DURATIONS)
    assert plan.starts == (0.0, 2.0, 2.0, 2.0)
    assert windows(plan) == [(1, -1, 0.0, 2.0)]
    assert alap_schedule(circuit, {**DURATIONS, ("RZ", ()): 0.5}).total == 4.5


def test_rounding_opens_no_windows():
    circuit = Circuit(2).add("H", 0).add("H", 0).add("H", 0).add("CNOT", (0, 1)).add("H", 1)
    plan = alap_schedule(circuit, {("H", ()): 0.1, ("CNOT", ()): 0.7})
    assert windows(plan) == [(0, 3, pytest.approx(1.0), pytest.approx(0.1)), (1, -1, 0.0, pytest.approx(0.3))]


def test_durations_by_qubits_come_first_and_symmetric_gates_have_no_direction():
    durations = {**DURATIONS, ("CNOT", (1, 0)): 7.0}
    assert alap_schedule(Circuit(2).add("CNOT", (1, 0)), durations).total == 7.0
    assert alap_schedule(Circuit(2).add("CNOT", (0, 1)), durations).total == 5.0
    assert alap_schedule(Circuit(2).add("CZ", (1, 0)), durations).total == 3.0
    with pytest.raises(UsageError, match=r"durations has no entry for gate CNOT on \(0, 1\)"):
        alap_schedule(Circuit(2).add("CNOT", (0, 1)), {("CNOT", (1, 0)): 1.0})


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_durations_that_are_none(seconds):
    with pytest.raises(UsageError, match=f"the duration of X on any qubits is {seconds}; give finite seconds"):
        alap_schedule(Circuit(1).add("X", 0), {("X", ()): seconds})


def test_a_missing_duration_is_named():
    with pytest.raises(UsageError, match=r"no entry for gate Y on \(0,\); add \('Y', \(0,\)\) or \('Y', \(\)\)"):
        alap_schedule(Circuit(1).add("Y", 0), DURATIONS)


@settings(max_examples=60, deadline=None)
@given(gates=GATES)
def test_every_qubit_is_busy_or_idle_at_all_times(gates):
    circuit = circuit_of(gates)
    plan = alap_schedule(circuit, DURATIONS)
    for qubit in range(3):
        on = [i for i, gate in enumerate(circuit.gates) if qubit in gate.qubits]
        for before, after in itertools.pairwise(on):
            assert plan.ends[before] <= plan.starts[after]
        busy = sum(plan.ends[i] - plan.starts[i] for i in on)
        waits = [w for w in plan.idle if w.qubit == qubit]
        assert busy + sum(w.seconds for w in waits) == pytest.approx(plan.total, abs=1e-12)
        for wait in waits:
            assert wait.start == (0.0 if wait.after < 0 else plan.ends[wait.after])
    # As late as possible: every gate is followed at once by another one or by the measurement.
    for index, gate in enumerate(circuit.gates):
        later = [
            plan.starts[i] for i in range(index + 1, len(gates)) if set(gate.qubits) & set(circuit.gates[i].qubits)
        ]
        assert plan.ends[index] == min(later, default=plan.total)
    assert min(plan.starts, default=0.0) == 0.0


@settings(max_examples=60, deadline=None)
@given(gates=GATES)
def test_the_order_of_time_keeps_the_order_on_every_qubit(gates):
    circuit = circuit_of(gates)
    ordered = time_ordered(circuit, DURATIONS)
    for qubit in range(3):
        assert [g for g in circuit.gates if qubit in g.qubits] == [g for g in ordered.gates if qubit in g.qubits]
    plan = alap_schedule(ordered, DURATIONS)
    middles = [start + end for start, end in zip(plan.starts, plan.ends, strict=True)]
    assert middles == sorted(middles)
    assert time_ordered(ordered, DURATIONS) == ordered


def test_layers_have_no_place_in_the_order_of_time():
    with pytest.raises(UsageError, match="drop its layers first"):
        time_ordered(Circuit(1).add("X", 0).end_layer(), DURATIONS)
