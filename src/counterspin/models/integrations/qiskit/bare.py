"""A bare `QuantumCircuit`: its features, numbers and readout are named beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Linear, Measurement, OutcomeGroups, Readout, readout_from_text
from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.assembly import assemble
from counterspin.models.integrations.qiskit.circuits import NotUnitary, unroll
from counterspin.models.integrations.qiskit.expressions import Parameters
from counterspin.models.integrations.qiskit.values import named_parameters, numbers_of, vector_name
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options, Unreadable

__all__ = ["read_circuit"]


def read_circuit(circuit: Any, options: Options) -> Candidate:
    """A circuit with the readout the user names; qubits of the readout are Qiskit's.

    Args:
        circuit: a `QuantumCircuit`.
        options: `inputs` names the parameters that are features (vectors or single ones, separated by commas);
            without it, the only parameters that `weights` does not name. `readout` is needed.

    Raises:
        ModelError: no readout, parameters that are not bound, another number of features, a circuit nobody can run.
    """
    if options.readout is None:
        raise ModelError(
            "a QuantumCircuit has no class scores of its own; name what is measured, for example readout='Z[0]'."
        )
    readout = readout_from_text(options.readout)
    if readout.measurement.qubits > circuit.num_qubits:
        raise ModelError(
            f"readout {options.readout!r} names qubit {readout.measurement.qubits - 1}; the circuit has "
            f"{circuit.num_qubits} qubits."
        )
    features, numbers = _split(circuit, options)
    unmeasured = circuit.remove_final_measurements(inplace=False) if circuit.num_clbits else circuit
    home = _home(unmeasured, features, numbers, readout)
    imported = None
    try:
        imported = _reading(circuit, Parameters(features, values=numbers), readout)
        reason = f"the circuit was read: {imported.circuit.qubits} qubits, {len(imported.circuit.gates)} gates"
    except NotUnitary as error:
        raise ModelError(f"the circuit cannot be used: {error}.") from error
    except Unreadable as error:
        reason = f"the circuit cannot be imported: {error}"
        try:
            home(options.x[:1])
        except Exception as failure:
            raise ModelError(f"{reason}; nor can Qiskit run it as a state vector.") from failure
    return Candidate(
        kind="qiskit.QuantumCircuit",
        home=home,
        values=readout.outputs,
        home_differentiable=False,
        stochastic=False,
        imported=imported,
        reason=reason,
        features=len(features),
    )


def _split(circuit: Any, options: Options) -> tuple[list[Any], dict[Any, float]]:
    """Parameters that are features, and the numbers of the others."""
    parameters = list(circuit.parameters)
    if options.inputs is not None:
        features = named_parameters(parameters, options.inputs)
    else:
        features = [p for p in parameters if p.name not in options.weights and vector_name(p) not in options.weights]
    expected = options.x.shape[1]
    if len(features) != expected:
        names = ", ".join(dict.fromkeys(vector_name(p) for p in parameters)) or "none"
        raise ModelError(
            f"x has {expected} features and {len(features)} parameters of the circuit would take them; name those that "
            f"are features by inputs= and give numbers for the others by weights=. Parameters: {names}."
        )
    return features, numbers_of([p for p in parameters if p not in features], options.weights)


def _reading(circuit: Any, parameters: Parameters, readout: Readout) -> CircuitReading:
    unrolled = unroll(circuit)
    # Every qubit is kept, so that the readout's qubits are ours.
    assembled = assemble(unrolled, parameters, measured=range(unrolled.qubits))
    return CircuitReading(
        circuit=assembled.circuit,
        weights=assembled.weights,
        front=assembled.front,
        measurement=readout.measurement,
        head=readout.head if isinstance(readout.head, Linear) else None,
    )


def _home(circuit: Any, features: list[Any], numbers: dict[Any, float], readout: Readout) -> Callable[[Tensor], Tensor]:
    from qiskit.quantum_info import Statevector

    # Amplitudes of parameters are known once all are bound.
    bound = circuit.assign_parameters(numbers) if numbers else circuit

    def home(x: Tensor) -> Tensor:
        rows = []
        for row in x.detach().double().tolist():
            state = Statevector(bound.assign_parameters(dict(zip(features, row, strict=True))))
            rows.append(_measured(state, readout.measurement))
        return readout.scores(torch.from_numpy(np.array(rows))).to(x)

    return home


def _measured(state: Any, measurement: Measurement) -> list[float]:
    from qiskit.quantum_info import SparsePauliOp

    if isinstance(measurement, OutcomeGroups):
        # Qiskit lists the least significant qubit first.
        shares = state.probabilities(list(reversed(measurement.measured)))
        return [float(sum(shares[outcome] for outcome in group)) for group in measurement.groups]
    strings = [[("".join(p for _, p in s), [q for q, _ in s], 1.0)] for s in measurement.observables]
    operators = [SparsePauliOp.from_sparse_list(s, num_qubits=state.num_qubits) for s in strings]
    return [float(state.expectation_value(operator).real) for operator in operators]
