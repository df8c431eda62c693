"""Qiskit circuits as our gates, against Qiskit's own state vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.models.integrations.qiskit.assembly import assemble
from counterspin.models.integrations.qiskit.circuits import unroll
from counterspin.models.integrations.qiskit.expressions import Parameters
from counterspin.models.integrations.reading import Unreadable
from counterspin.simulation import final_states

pytestmark = pytest.mark.slow

QUBITS = 4
# Non-unitary, or not a gate of its own.
LEFT_OUT = {"measure", "reset", "delay", "global_phase"}


def little_endian(states: torch.Tensor) -> np.ndarray:
    """Our states with Qiskit's order of amplitudes."""
    qubits = int(states.shape[1]).bit_length() - 1
    order = [int(f"{k:0{qubits}b}"[::-1], 2) for k in range(2**qubits)]
    return states.numpy()[:, order]


def assert_same_state(circuit, features, x) -> None:
    """The circuit read by us against Qiskit's state at one point, up to a global phase."""
    from qiskit.quantum_info import Statevector

    assembled = assemble(unroll(circuit), Parameters(features), measured=range(circuit.num_qubits))
    inputs = x[None] if assembled.front is None else assembled.front(x[None])
    found = little_endian(final_states(assembled.circuit, inputs, assembled.weights))[0]
    expected = Statevector(circuit.assign_parameters(dict(zip(features, x.tolist(), strict=True)), strict=False)).data
    assert abs(np.vdot(expected, found)) == pytest.approx(1.0, abs=1e-12)


def standard_gates() -> list:
    from qiskit.circuit.library import get_standard_gate_name_mapping

    mapping = get_standard_gate_name_mapping()
    return [gate for name, gate in sorted(mapping.items()) if name not in LEFT_OUT and gate.num_qubits <= QUBITS]


def test_every_standard_gate_is_read_with_its_angles_from_features():
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

    for gate in standard_gates():
        features = ParameterVector("x", len(gate.params) + QUBITS)
        circuit = QuantumCircuit(QUBITS)
        # A generic state, in which no gate acts trivially, on wires in an order of no symmetry.
        for qubit in range(QUBITS):
            circuit.ry(features[len(gate.params) + qubit], qubit)
            circuit.rz(0.3 + qubit, qubit)
        circuit.append(gate.base_class(*features[: len(gate.params)]), [2, 0, 3, 1][: gate.num_qubits])
        x = torch.linspace(0.3, 1.9, len(features), dtype=torch.float64)
        assert_same_state(circuit, list(features), x)


def test_native_gates_of_devices_stay_one_gate_each():
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2)
    circuit.sx(1)
    circuit.ecr(1, 0)
    assert [(operation.kind, operation.qubits) for operation in unroll(circuit).operations] == [
        ("SX", (1,)),
        ("ECR", (1, 0)),
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), gates=st.integers(3, 15))
def test_random_circuits_of_random_gates_are_read(seed, gates):
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

    generator = np.random.default_rng(seed)
    features = ParameterVector("x", 3)
    circuit = QuantumCircuit(QUBITS)
    circuit.ry(features[2], 0)
    known = standard_gates()
    for _ in range(gates):
        gate = known[generator.integers(len(known))]
        angles = [
            float(a) + (float(b) * features[int(k)] if k < 3 else 0.0)
            for a, b, k in zip(
                *generator.normal(size=(2, len(gate.params))), generator.integers(0, 4, len(gate.params)), strict=True
            )
        ]
        circuit.append(gate.base_class(*angles), generator.permutation(QUBITS)[: gate.num_qubits].tolist())
    assert_same_state(circuit, list(features), torch.from_numpy(generator.uniform(-2, 2, 3)))


# Qiskit's matrix of an evolution gate.
@pytest.mark.filterwarnings("ignore:splu converted its input to CSC format")
@pytest.mark.filterwarnings("ignore:spsolve is more efficient when sparse b is in the CSC matrix format")
def test_open_controls_custom_gates_unitaries_and_evolutions_are_opened():
    from qiskit import QuantumCircuit
    from qiskit.circuit import Gate, ParameterVector
    from qiskit.circuit.library import HGate, PauliEvolutionGate, QFTGate, RYGate, UnitaryGate, XGate
    from qiskit.quantum_info import SparsePauliOp, random_unitary

    features = ParameterVector("x", 2)
    inner = QuantumCircuit(2, name="inner", global_phase=0.4)
    inner.rx(features[1] ** 2, 1)
    inner.cx(1, 0)
    misnamed = Gate("h", 1, [])  # called like a Hadamard, and none
    misnamed.definition = QuantumCircuit(1)
    misnamed.definition.rx(0.7, 0)
    circuit = QuantumCircuit(3)
    circuit.ry(features[0], 0)
    circuit.append(inner.to_gate(), [2, 0])
    circuit.append(misnamed, [1])
    circuit.append(XGate().control(2, ctrl_state=1), [0, 2, 1])
    circuit.append(HGate().control(2, annotated=False), [1, 0, 2])
    circuit.append(HGate().control(2, annotated=True, ctrl_state=2), [1, 2, 0])
    circuit.append(RYGate(features[0] * 2).control(1, ctrl_state=0), [2, 1])
    circuit.append(UnitaryGate(random_unitary(4, seed=1)), [2, 0])
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XYZ", "ZZI"], [0.3, -0.8]), time=features[1]), range(3))
    circuit.append(QFTGate(3), range(3))
    assert_same_state(circuit, list(features), torch.tensor([0.8, -1.1], dtype=torch.float64))


def test_constant_states_are_prepared_at_the_start():
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter
    from qiskit.quantum_info import random_statevector

    for prepare in ("initialize", "prepare_state"):
        x = Parameter("x")
        circuit = QuantumCircuit(3)
        getattr(circuit, prepare)(random_statevector(4, seed=3).data, [2, 0])
        circuit.rx(x, 0)
        circuit.cx(0, 1)
        assert_same_state(circuit, [x], torch.tensor([0.6], dtype=torch.float64))


@pytest.mark.parametrize("wires", [[0, 1], [3, 1], [1, 0], [2, 3]])
def test_feature_amplitudes_lie_on_the_qubits_they_are_given(wires):
    from qiskit import QuantumCircuit
    from qiskit_machine_learning.circuit.library import raw_feature_vector

    encoding = raw_feature_vector(4)
    circuit = QuantumCircuit(QUBITS)
    circuit.compose(encoding, wires, inplace=True)
    for qubit in range(QUBITS):
        circuit.ry(0.4 + qubit, qubit)
        circuit.cx(qubit, (qubit + 1) % QUBITS)
    x = torch.tensor([0.9, -0.4, 0.3, 1.7], dtype=torch.float64)
    features = list(encoding.parameters)
    assembled = assemble(unroll(circuit), Parameters(features), measured=range(QUBITS))
    assert assembled.front is None  # the features are the inputs: certificates of amplitudes apply
    assert_same_state(circuit, features, x)


def test_qubits_nothing_acts_on_are_left_out():
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    x = Parameter("x")
    circuit = QuantumCircuit(100)
    circuit.rx(x, 70)
    circuit.cx(70, 3)
    circuit.barrier()
    assembled = assemble(unroll(circuit), Parameters([x]), measured=[3])
    assert assembled.wires == {3: 0, 70: 1}
    assert [str(gate) for gate in assembled.circuit.gates] == ["RX(x0) q1", "CNOT q1,q0"]


def test_final_measurements_are_noted():
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(3, 2)
    circuit.h(2)
    circuit.measure([2, 0], [0, 1])
    unrolled = unroll(circuit)
    assert unrolled.measured == {0: 2, 1: 0}
    assert unrolled.touched == {2}


def refused_circuits() -> dict:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Instruction
    from qiskit_machine_learning.circuit.library import raw_feature_vector

    middle, reset, late, opaque = (QuantumCircuit(2, 1) for _ in range(4))
    middle.h(0)
    middle.measure(0, 0)
    middle.h(0)
    reset.h(1)
    reset.reset(1)
    late.h(1)
    late.compose(raw_feature_vector(4), inplace=True)
    opaque.append(Instruction("oracle", 1, 0, []), [0])
    branch = QuantumCircuit(2, 1)
    branch.h(0)
    branch.measure(0, 0)
    with branch.if_test((branch.clbits[0], 1)):
        branch.x(1)
    return {
        "'h' acts on qubit 0 after its measurement; measure at the end only": middle,
        "it resets qubit 1 after other gates": reset,
        "its feature amplitudes are set after other gates": late,
        "instruction 'oracle' has no definition in known gates": opaque,
        "it branches on measured bits \\('if_else'\\)": branch,
    }


def test_what_is_no_circuit_of_gates_is_named():
    for reason, circuit in refused_circuits().items():
        with pytest.raises(Unreadable, match=reason):
            unroll(circuit)
