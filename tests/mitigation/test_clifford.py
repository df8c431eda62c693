"""Near-Clifford circuits: angles on the grid, the share that stays, one circuit for the batch, stabiliser values."""

import math

import pytest
import torch
from every_gate import pauli_classifier
from hypothesis import given
from hypothesis import strategies as st
from small_circuits import AMPLITUDES, GATES, arguments, seeded

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature, weight
from counterspin.circuits.binding import bind
from counterspin.errors import UsageError
from counterspin.mitigation.clifford import clifford_steps, near_clifford, rotation_angles
from counterspin.simulation import run


def off_grid(angles, circuit):
    steps = clifford_steps(circuit)
    return (angles - torch.round(angles / steps) * steps).abs()


@given(
    seed=st.integers(0, 2**31),
    kept=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    how=st.sampled_from(["nearest", "sampled"]),
)
def test_a_share_stays_and_the_rest_is_clifford(seed, kept, how):
    x, w = arguments(GATES, batch=5)
    made = near_clifford(GATES, x, w, count=7, kept=kept, replacement=how, generator=seeded(seed))
    exact = rotation_angles(GATES, x, w)[made.rows]
    free = off_grid(exact, GATES) > 1e-9
    left = off_grid(made.angles, GATES) > 1e-9
    assert made.rows.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert torch.equal(made.left, torch.round(kept * free.sum(1)).long())
    assert torch.equal(left.sum(1), made.left)
    # What stays is the circuit's own angle, what turns moves by at most half a turn and a quarter.
    assert torch.equal(made.angles[left], exact[left])
    assert float((made.angles - exact).abs().max()) <= math.pi + 1e-9


def test_nearest_is_the_nearest_multiple():
    circuit = Circuit(2).add("RX", 0, feature(0)).add("CRY", (0, 1), weight(0)).add("RZZ", (0, 1), 3 * feature(0))
    x, w = torch.tensor([[0.8], [-2.0]], dtype=torch.float64), torch.tensor([1.5], dtype=torch.float64)
    made = near_clifford(circuit, x, w, count=2, kept=0.0, replacement="nearest", generator=seeded(0))
    half = math.pi / 2
    expected = torch.tensor([[half, 0.0, 2 * half], [-half, 0.0, -4 * half]], dtype=torch.float64)
    torch.testing.assert_close(made.angles, expected, atol=1e-12, rtol=0)


def test_the_batch_is_the_single_circuits():
    x, w = arguments(GATES, batch=4)
    made = near_clifford(GATES, x, w, count=6, generator=seeded(3))
    readout = Readout(PauliExpectations.of("Z0", "X1 Y2", "Z2"))
    batch = run(made.circuit, made.inputs, made.weights, readout)
    for row in range(6):
        column = iter(made.angles[row].tolist())
        alone = Circuit(3)
        for gate in GATES.gates:
            alone = alone.add(gate.kind, gate.qubits, *(next(column) for _ in gate.angles))
        values = run(alone, torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0), readout)
        torch.testing.assert_close(batch[row : row + 1], values, atol=1e-12, rtol=0)


def test_clifford_circuits_have_stabiliser_values():
    x, w = arguments(GATES, batch=4)
    made = near_clifford(GATES, x, w, count=12, kept=0.0, generator=seeded(5))
    values = run(made.circuit, made.inputs, made.weights, Readout(PauliExpectations.of("Z0", "X1 Y2", "Z2")))
    torch.testing.assert_close(values, values.round(), atol=1e-12, rtol=0)


def test_all_kept_is_the_circuit_itself():
    x, w = arguments(AMPLITUDES, batch=4)
    made = near_clifford(AMPLITUDES, x, w, count=4, kept=1.0, generator=seeded(0))
    readout = Readout(PauliExpectations.of("Z0", "X1 Y2"))
    torch.testing.assert_close(
        run(made.circuit, made.inputs, made.weights, readout), run(AMPLITUDES, x, w, readout), atol=1e-12, rtol=0
    )


def test_kinds_and_places_are_kept():
    circuit = pauli_classifier().circuit
    x = torch.randn(3, circuit.inputs, generator=seeded(0), dtype=torch.float64)
    w = torch.randn(circuit.weights, generator=seeded(1), dtype=torch.float64)
    made = near_clifford(circuit, x, w, count=3, kept=0.0, generator=seeded(0))
    assert [(g.kind, g.qubits) for g in made.circuit.gates] == [(g.kind, g.qubits) for g in circuit.gates]
    assert made.circuit.weights == 0


def test_angles_are_those_of_the_bound_circuit_and_attached():
    x, w = arguments(GATES, batch=2)
    x.requires_grad_()
    angles = rotation_angles(GATES, x, w)
    bound = bind(GATES, inputs=x[1].tolist(), weights=w.tolist())
    expected = [angle.constant for gate in bound.gates for angle in gate.angles]
    torch.testing.assert_close(angles[1], torch.tensor(expected, dtype=torch.float64), atol=1e-14, rtol=0)
    (gradient,) = torch.autograd.grad(angles.sum(), x)
    assert bool((gradient != 0).any())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"kept": 1.5}, "kept is 1.5"),
        ({"replacement": "far"}, "replacement is 'far'"),
    ],
)
def test_refusals(changed, message):
    x, w = arguments(GATES, batch=2)
    with pytest.raises(UsageError, match=message):
        near_clifford(GATES, x, w, **({"count": 3, "generator": seeded(0)} | changed))


def test_no_sample_is_refused():
    x, w = arguments(GATES, batch=2)
    with pytest.raises(UsageError, match="no sample"):
        near_clifford(GATES, x[:0], w, count=3, generator=seeded(0))
