"""Values and gradients under every channel against PennyLane's density matrices, the whole circuit at once."""

import pytest
import torch

from counterspin.circuits import Circuit, PauliExpectations, feature, weight
from counterspin.noise import (
    Placed,
    amplitude_damping,
    bit_flip,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    pauli_channel,
    phase_damping,
    phase_flip,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.kraus import Channel
from counterspin.simulation.transfer import transfer_values

pytestmark = pytest.mark.slow

QUBITS, LAYERS, BATCH = 3, 2, 4
TWO_QUBITS = depolarizing(0.2, qubits=2)


def relaxation(qml, wires):
    # T2 between T1 and 2 T1, where the channel is no mixture of a reset and a loss of phase.
    return qml.ThermalRelaxationError(pe=0.0, t1=1.0, t2=1.6, tg=0.3, wires=wires[0])


CHANNELS = {
    # Theirs is the chance of an error: 3/4 of our strength.
    "depolarizing": (depolarizing(0.2), lambda qml, w: qml.DepolarizingChannel(0.15, w[0])),
    "bit flip": (bit_flip(0.1), lambda qml, w: qml.BitFlip(0.1, w[0])),
    "phase flip": (phase_flip(0.1), lambda qml, w: qml.PhaseFlip(0.1, w[0])),
    "amplitude damping": (amplitude_damping(0.2), lambda qml, w: qml.AmplitudeDamping(0.2, w[0])),
    "phase damping": (phase_damping(0.3), lambda qml, w: qml.PhaseDamping(0.3, w[0])),
    "generalized damping": (
        generalized_amplitude_damping(0.2, 0.3),
        lambda qml, w: qml.GeneralizedAmplitudeDamping(0.2, 0.3, w[0]),
    ),
    "thermal relaxation": (thermal_relaxation(1.0, 1.6, 0.3), relaxation),
    "pauli": (pauli_channel({"XY": 0.1}), lambda qml, w: qml.PauliError("XY", 0.1, w)),
    "over-rotation": (overrotation("Y", 0.2), lambda qml, w: qml.RY(0.2, w[0])),
    "crosstalk": (zz_crosstalk(0.3), lambda qml, w: qml.IsingZZ(0.3, w)),
    "two-qubit Kraus": (
        Channel("Kraus", TWO_QUBITS.operators),
        lambda qml, w: qml.QubitChannel([k.numpy() for k in TWO_QUBITS.operators], w),
    ),
}


def ours(channel):
    circuit, places = Circuit(QUBITS), []
    for layer in range(LAYERS):
        for q in range(QUBITS):
            base = 3 * (layer * QUBITS + q)
            circuit = circuit.add("RY", q, feature(q)).add("Rot", q, *(weight(base + k) for k in range(3)))
        for q in range(QUBITS):
            circuit = circuit.add("CNOT", (q, (q + 1) % QUBITS))
            where = (q, (q + 1) % QUBITS)[: channel.qubits]
            places.append(Placed(after=len(circuit.gates) - 1, qubits=where, channel=channel))
    return circuit, tuple(places)


def theirs(qml, make):
    @qml.qnode(qml.device("default.mixed", wires=QUBITS), interface="torch", diff_method="backprop")
    def node(x, w):
        for layer in range(LAYERS):
            for q in range(QUBITS):
                qml.RY(x[q], wires=q)
                qml.Rot(*w[layer, q], wires=q)
            for q in range(QUBITS):
                pair = [q, (q + 1) % QUBITS]
                qml.CNOT(wires=pair)
                make(qml, pair)
        return [qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Y(2))]

    return node


@pytest.mark.parametrize("name", CHANNELS)
def test_values_and_gradients(name):
    import pennylane as qml

    channel, make = CHANNELS[name]
    circuit, places = ours(channel)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, QUBITS, generator=generator, dtype=torch.float64).mul(3).requires_grad_()
    w = torch.rand(circuit.weights, generator=generator, dtype=torch.float64).mul(3).requires_grad_()
    found = transfer_values(circuit, x, w, PauliExpectations.of("Z0", "X1 Y2"), places)
    node = theirs(qml, make)
    expected = torch.stack([torch.stack(node(row, w.reshape(LAYERS, QUBITS, 3))) for row in x])
    assert torch.allclose(found, expected, rtol=0, atol=1e-10)
    slope = torch.tensor([1.0, 0.7], dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad((found * slope).sum(), (x, w)),
        torch.autograd.grad((expected * slope).sum(), (x, w)),
        strict=True,
    ):
        assert torch.allclose(mine, other, rtol=0, atol=1e-10)
