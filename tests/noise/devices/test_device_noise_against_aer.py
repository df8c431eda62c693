"""A native circuit under a device's noise has the outcome probabilities of Qiskit Aer's density-matrix simulator.

Nothing is shared with Aer but the calibration: schedule and waiting times are Qiskit's, channels, their order and the
readout errors Aer's.
"""

from dataclasses import replace

import pytest
import torch

from counterspin.circuits import Circuit, PauliExpectations, Readout
from counterspin.noise.devices import best_subgraph, load, missing_packages, noise_of
from counterspin.simulation import outcome_distributions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_packages()), reason="the devices extra is not installed"),
]

# The clock of the devices below: every duration is a whole number of these.
DT = 2e-9 / 9


def native_circuit(snapshot) -> Circuit:
    """Pulses, turns and entanglers on every link, with waiting times between."""
    circuit = Circuit(len(snapshot.qubits))
    for qubit in range(circuit.qubits):
        circuit = circuit.add("SX", qubit).add("RZ", qubit, 0.3 + 0.4 * qubit).add("SX", qubit)
    for link, (a, b) in enumerate(snapshot.edges):
        kind, pair = snapshot.entangler(a, b)
        circuit = circuit.add(kind, pair).add("RZ", a, 0.7).add("SX", a).add("X", b).add("SX", b)
        circuit = circuit.add(kind, pair).add("RZ", b, -0.2 * link - 0.1)
    return circuit.add("SX", 0)


def aer_probabilities(snapshot, circuit: Circuit) -> torch.Tensor:
    """The same in Qiskit, readout errors applied to its probabilities; qubit 0 most significant."""
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit import Delay
    from qiskit.transpiler import InstructionDurations, PassManager
    from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay, TimeUnitConversion
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, RelaxationNoisePass, depolarizing_error, thermal_relaxation_error

    names = {"SX": "sx", "X": "x", "RZ": "rz", "CNOT": "cx", "CZ": "cz", "ECR": "ecr"}
    native = QuantumCircuit(circuit.qubits)
    for gate in circuit.gates:
        angles = [float(angle.constant) for angle in gate.angles]
        getattr(native, names[gate.kind])(*angles, *gate.qubits)
    durations = InstructionDurations(dt=DT)
    model = NoiseModel()
    for (kind, qubits), gate in snapshot.gates.items():
        durations.update([(names[kind], list(qubits), round(gate.length / DT), "dt")])
        if kind == "RZ":
            continue
        each = [thermal_relaxation_error(snapshot.qubits[q].t1, snapshot.qubits[q].t2, gate.length) for q in qubits]
        relaxation = each[0] if len(each) == 1 else each[1].tensor(each[0])
        d, fidelity = 2 ** len(qubits), average_gate_fidelity(relaxation)
        strength = max(0.0, d * (gate.error - 1 + fidelity) / (d * fidelity - 1))
        error = relaxation.compose(depolarizing_error(strength, len(qubits)))
        model.add_quantum_error(error, [names[kind]], list(qubits))
    scheduled = PassManager(
        [TimeUnitConversion(durations), ALAPScheduleAnalysis(durations), PadDelay(durations=durations)]
    ).run(native)
    waiting = RelaxationNoisePass([q.t1 for q in snapshot.qubits], [q.t2 for q in snapshot.qubits], DT, [Delay])
    scheduled = waiting(scheduled)
    scheduled.save_probabilities()
    simulator = AerSimulator(method="density_matrix", noise_model=model, fusion_enable=False)
    run = simulator.run(transpile(scheduled, simulator, optimization_level=0), shots=1)
    probabilities = torch.tensor(run.result().data(0)["probabilities"])
    # Qiskit's qubit 0 is the least significant; readout errors qubit by qubit.
    grid = probabilities.reshape((2,) * circuit.qubits).permute(*reversed(range(circuit.qubits)))
    for axis, qubit in enumerate(snapshot.qubits):
        up, down = qubit.readout
        confusion = torch.tensor([[1 - up, down], [up, 1 - down]], dtype=grid.dtype)
        grid = torch.tensordot(confusion, grid, dims=([1], [axis])).movedim(0, axis)
    return grid.flatten()


def average_gate_fidelity(error) -> float:
    from qiskit.quantum_info import SuperOp
    from qiskit.quantum_info import average_gate_fidelity as fidelity

    return fidelity(SuperOp(error))


@pytest.mark.parametrize(("name", "qubits"), [("ibm:manila", 4), ("ibm:sherbrooke", 3), ("ibm:prague", 3)])
@pytest.mark.parametrize("engine", ["transfer", "density"])
def test_outcome_probabilities_are_those_of_aer(name, qubits, engine):
    pytest.importorskip("qiskit_aer")
    snapshot = load(name)
    chosen = best_subgraph(snapshot, qubits)
    small = snapshot.restricted(chosen)
    circuit = native_circuit(small)
    noise = noise_of(snapshot, chosen)
    inputs, weights = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    readout = Readout(PauliExpectations.of("Z0"))
    found = outcome_distributions(circuit, inputs, weights, readout, noise=noise, engine=engine)[0][0]
    wanted = aer_probabilities(small, circuit)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-8)
    for less in (replace(noise, idle=None), replace(noise, readout=None)):
        other = outcome_distributions(circuit, inputs, weights, readout, noise=less, engine=engine)[0][0]
        assert float((other - wanted).abs().max()) > 1e-6
