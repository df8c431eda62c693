"""An independent simulation in numpy: every gate as the exponential of its generator, every matrix on all qubits."""

import functools

import numpy as np
from scipy.linalg import block_diag, expm

from counterspin.circuits import Angle, Circuit, Measurement, OutcomeGroups

__all__ = ["angle_value", "density", "depolarized", "gate_matrix", "observables", "start", "unitary"]

I2, X, Y, Z = np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0])
PAULIS = {"I": I2, "X": X, "Y": Y, "Z": Z}
PROJECTOR = np.diag([0.0, 1.0])


def gate_matrix(kind: str, angles: list[float], qubits: int) -> np.ndarray:
    def rotation(pauli: np.ndarray, angle: float) -> np.ndarray:
        return expm(-0.5j * angle * pauli)

    match kind:
        case "X" | "Y" | "Z":
            return PAULIS[kind]
        case "H":
            return (X + Z) / np.sqrt(2)
        case "S":
            return expm(0.5j * np.pi * PROJECTOR)
        case "T":
            return expm(0.25j * np.pi * PROJECTOR)
        case "SX":
            return expm(0.25j * np.pi * (I2 - X))
        case "RX" | "RY" | "RZ":
            return rotation(PAULIS[kind[1]], angles[0])
        case "P":
            return expm(1j * angles[0] * PROJECTOR)
        case "Rot":
            return rotation(Z, angles[2]) @ rotation(Y, angles[1]) @ rotation(Z, angles[0])
        case "U3":
            phase = np.exp(0.5j * (angles[1] + angles[2]))
            return phase * rotation(Z, angles[1]) @ rotation(Y, angles[0]) @ rotation(Z, angles[2])
        case "CNOT":
            return block_diag(I2, X)
        case "SWAP":
            return 0.5 * (np.eye(4) + np.kron(X, X) + np.kron(Y, Y) + np.kron(Z, Z))
        case "ECR":
            return np.kron(X, I2) @ rotation(np.kron(Z, X), np.pi / 2)
        case "CRX" | "CRY" | "CRZ":
            return block_diag(I2, rotation(PAULIS[kind[2]], angles[0]))
        case "CP":
            return expm(1j * angles[0] * np.kron(PROJECTOR, PROJECTOR))
        case "RXX" | "RYY" | "RZZ":
            return rotation(np.kron(PAULIS[kind[1]], PAULIS[kind[2]]), angles[0])
        case "CZ" | "MCZ":
            return np.eye(2**qubits) - 2 * functools.reduce(np.kron, [PROJECTOR] * qubits)
    raise AssertionError(f"the oracle lacks gate {kind}")


def embedded(matrix: np.ndarray, wires: tuple[int, ...], qubits: int) -> np.ndarray:
    """The matrix on `wires` of `qubits` qubits: kron with the identity, axes put in place."""
    others = [q for q in range(qubits) if q not in wires]
    full = np.kron(matrix, np.eye(2 ** len(others))).reshape((2,) * (2 * qubits))
    order = np.argsort([*wires, *others])
    return full.transpose([*order, *(order + qubits)]).reshape(2**qubits, 2**qubits)


def angle_value(angle: Angle, x: np.ndarray, w: np.ndarray) -> float:
    terms = (
        t.coefficient * (1 if t.input is None else x[t.input]) * (1 if t.weight is None else w[t.weight])
        for t in angle.terms
    )
    return float(angle.constant + sum(terms))


def gate_unitaries(circuit: Circuit, x: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
    return [
        embedded(gate_matrix(g.kind, [angle_value(a, x, w) for a in g.angles], len(g.qubits)), g.qubits, circuit.qubits)
        for g in circuit.gates
    ]


def unitary(circuit: Circuit, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return functools.reduce(lambda done, gate: gate @ done, gate_unitaries(circuit, x, w), np.eye(2**circuit.qubits))


def start(circuit: Circuit, x: np.ndarray) -> np.ndarray:
    state = np.zeros(2**circuit.qubits, dtype=complex)
    if circuit.amplitudes is None:
        state[0] = 1.0
        return state
    data = x[: circuit.amplitudes.features].astype(complex)
    length = circuit.amplitudes.length
    data = data[:length] + 1j * data[length:] if circuit.amplitudes.complex_data else data
    state[:length] = data / np.linalg.norm(data)
    return state


def observables(measurement: Measurement, qubits: int) -> list[np.ndarray]:
    if isinstance(measurement, OutcomeGroups):
        found = []
        for group in measurement.groups:
            total = np.zeros((2**qubits, 2**qubits))
            for outcome in group:
                bits = f"{outcome:0{len(measurement.measured)}b}"
                letters = dict(zip(measurement.measured, bits, strict=True))
                factors = {"0": np.eye(2) - PROJECTOR, "1": PROJECTOR, None: I2}
                total += functools.reduce(np.kron, [factors[letters.get(q)] for q in range(qubits)])
            found.append(total)
        return found
    return [
        functools.reduce(np.kron, [PAULIS[dict(string).get(q, "I")] for q in range(qubits)])
        for string in measurement.observables
    ]


def depolarized(rho: np.ndarray, strength: float, qubits: int) -> np.ndarray:
    """Every qubit through (1 - p) rho + p Tr_q(rho) ⊗ 1/2, written as the average over the four Paulis."""
    for qubit in range(qubits):
        turned = [embedded(p, (qubit,), qubits) @ rho @ embedded(p, (qubit,), qubits) for p in PAULIS.values()]
        rho = (1 - strength) * rho + strength * sum(turned) / 4
    return rho


def density(circuit: Circuit, x: np.ndarray, w: np.ndarray, strength: float) -> np.ndarray:
    state = start(circuit, x)
    rho = np.outer(state, state.conj())
    gates = gate_unitaries(circuit, x, w)
    for position in range(len(gates) + 1):
        if position:
            rho = gates[position - 1] @ rho @ gates[position - 1].conj().T
        for _ in range(circuit.layers.count(position)):
            rho = depolarized(rho, strength, circuit.qubits)
    return rho
