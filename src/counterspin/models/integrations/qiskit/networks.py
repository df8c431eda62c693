"""EstimatorQNN and SamplerQNN: mended where the library's defaults hide the gradient or add noise, and imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.assembly import assemble
from counterspin.models.integrations.qiskit.circuits import NotUnitary, Unrolled, unroll
from counterspin.models.integrations.qiskit.expressions import Parameters
from counterspin.models.integrations.qiskit.homes import attached
from counterspin.models.integrations.qiskit.observables import expectations, outcome_classes, pauli_sums
from counterspin.models.integrations.qiskit.primitives import shots_of
from counterspin.models.integrations.qiskit.repairs import mended
from counterspin.models.integrations.qiskit.values import numbers_of
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options, Unreadable, Values

__all__ = ["network_reading", "read_bare_network", "read_network", "read_torch_connector", "torch_connector_layer"]


def read_network(
    network: Any,
    weights: np.ndarray,
    options: Options,
    *,
    kind: str,
    state: Callable[[], dict[str, Tensor]] | None = None,
    above: int | None = None,
    remark: str = "",
) -> Candidate:
    """A neural network of Qiskit Machine Learning with these weights.

    Args:
        network: `EstimatorQNN`, `SamplerQNN` or another `NeuralNetwork`.
        weights: `(num_weights,)`.
        options: what the user said.
        kind: how the model is called in reports.
        state: weights by name, of a model that holds some.
        above: the class of a single value above the threshold.
        remark: a sentence about labels, put behind the reason.

    Raises:
        ModelError: no inputs, another number of features, a circuit that neither we nor the library can run.
    """
    if network.num_inputs == 0:
        raise ModelError(f"{kind} has no input parameters; name the parameters of the features as input_params.")
    if network.num_inputs != options.x.shape[1]:
        raise ModelError(f"x has {options.x.shape[1]} features; {kind} takes {network.num_inputs}.")
    copied = mended(network)
    sizes = [values for values in network.output_shape if values is not None]
    home = _home(copied.network, weights, int(np.prod(sizes)), differentiable=copied.differentiable)
    imported, reason = None, copied.obstacle
    if copied.obstacle is None:
        try:
            imported = network_reading(copied.network, weights)
            reason = f"the circuit of {type(network).__name__} was read: {_summary(imported)}"
        except NotUnitary as error:
            raise ModelError(f"the circuit of {kind} cannot be used: {error}.") from error
        except Unreadable as error:
            reason = f"the circuit cannot be imported: {error}"
            _refuse_broken(home, options.x, reason)
    return Candidate(
        kind=kind,
        home=home,
        values=_values_of(network),
        home_differentiable=copied.differentiable,
        stochastic=copied.stochastic,
        imported=imported,
        reason=f"{reason}{remark}",
        repairs=copied.repairs,
        features=network.num_inputs,
        above=above,
        state=state,
        shots=shots_of(copied.network) if copied.stochastic else 0,
    )


def read_bare_network(network: Any, options: Options) -> Candidate:
    """A network the user brings with its weights beside it: `weights={"weights": [...]}` or by parameter names.

    Raises:
        ModelError: weights that are missing or do not fit.
    """
    given = dict(options.weights)
    parameters = list(getattr(network, "weight_params", ()))
    whole = given.pop("weights", None) if "weights" not in {p.name for p in parameters} else None
    if whole is None:
        numbers = numbers_of(parameters, given)
        weights = np.array([numbers[p] for p in parameters], dtype=np.float64)
    else:
        weights = _numbers(whole)
    if len(weights) != network.num_weights or not np.isfinite(weights).all():
        raise ModelError(
            f"weights holds {len(weights)} numbers; {type(network).__name__} takes {network.num_weights} finite ones."
        )
    return read_network(network, weights, options, kind=f"qiskit.{type(network).__name__}")


def _numbers(whole: Any) -> np.ndarray:
    try:
        return np.asarray(whole, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise ModelError(
            f"weights['weights'] is a {type(whole).__name__} that holds no numbers; give real ones."
        ) from None


def read_torch_connector(connector: Any, options: Options) -> Candidate:
    """A `TorchConnector` with its current weights."""
    weights = connector.weight.detach().cpu().double().numpy().copy()
    return read_network(
        connector.neural_network,
        weights,
        options,
        kind="qiskit.TorchConnector",
        state=lambda: {"weight": connector.weight.detach()},
    )


def torch_connector_layer(connector: Any) -> CircuitReading:
    """A `TorchConnector` as a circuit whose weights are the connector's, number for number: they can be trained.

    Raises:
        Unreadable: values are sampled, weights enter otherwise than affinely, or the circuit cannot be read.
    """
    copied = mended(connector.neural_network)
    if copied.obstacle is not None:
        raise Unreadable(copied.obstacle)
    network = copied.network
    reading = network_reading(network, None)
    return replace(reading, weights=connector.weight.detach().double()[: reading.circuit.weights].clone())


def network_reading(network: Any, weights: np.ndarray | None) -> CircuitReading:
    """The circuit, measurement and head of an `EstimatorQNN` or `SamplerQNN`.

    Args:
        network: the network.
        weights: its weights `(num_weights,)`; None: they stay weights of the circuit, and the reading holds none.

    Raises:
        Unreadable: another network, or a circuit that cannot be read.
    """
    from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

    if not isinstance(network, EstimatorQNN | SamplerQNN):
        raise Unreadable(f"{type(network).__name__} is no network with a circuit")
    features, trained = list(network.input_params or ()), list(network.weight_params or ())
    if weights is None:
        parameters = Parameters(features, weights=trained)
    else:
        parameters = Parameters(features, values=dict(zip(trained, weights.tolist(), strict=True)))
    unrolled = unroll(network.circuit)
    if isinstance(network, EstimatorQNN):
        sums = pauli_sums(_listed(network.observables), unrolled.touched)
        assembled = assemble(unrolled, parameters, measured=[q for s in sums for string in s for q, _ in string])
        measurement, head = expectations(sums, assembled.wires)
    else:
        read = {bit: qubit for bit, qubit in _measured(network, unrolled).items() if qubit in unrolled.touched}
        assembled = assemble(unrolled, parameters, measured=sorted(set(read.values())))
        measurement, head = outcome_classes(
            read, assembled.wires, _interpreted(network), int(np.prod(network.output_shape))
        )
    return CircuitReading(
        circuit=assembled.circuit,
        weights=assembled.weights,
        front=assembled.front,
        measurement=measurement,
        head=head,
    )


def _measured(network: Any, unrolled: Unrolled) -> dict[int, int]:
    """Qubit by bit of the measured integer."""
    registers = [register for register in network.circuit.cregs if register.size]
    if not network.circuit.num_clbits:
        # The library measures every qubit then.
        return {qubit: qubit for qubit in range(unrolled.qubits)}
    named = [register for register in registers if register.name == "meas"] or registers
    bits = [network.circuit.find_bit(bit).index for bit in named[0]]
    return {offset: unrolled.measured[bit] for offset, bit in enumerate(bits) if bit in unrolled.measured}


def _interpreted(network: Any) -> Callable[[int], int | None]:
    """Measured integer -> index among the flattened values, with everything the library does in between."""
    shape, interpret = network.output_shape, network.interpret
    layout = getattr(network.circuit, "layout", None)
    physical = None if layout is None else layout.final_index_layout(filter_ancillas=True)
    limit = 2**network.num_virtual_qubits

    def index(integer: int) -> int | None:
        if physical is not None:
            integer = sum(((integer >> qubit) & 1) << bit for bit, qubit in enumerate(physical))
        elif integer >= limit:
            return None
        key = interpret(integer)
        keys = (int(key),) if np.ndim(key) == 0 else tuple(int(k) for k in key)
        if len(keys) != len(shape) or not all(-size <= k < size for k, size in zip(keys, shape, strict=True)):
            raise ModelError(f"interpret gives {key} for outcome {integer}; output_shape is {tuple(shape)}.")
        return int(np.ravel_multi_index([k % size for k, size in zip(keys, shape, strict=True)], shape))

    return index


def _home(network: Any, weights: np.ndarray, values: int, *, differentiable: bool) -> Callable[[Tensor], Tensor]:
    def forward(x: np.ndarray) -> np.ndarray:
        return _dense(network.forward(x, weights)).reshape(len(x), values)

    def backward(x: np.ndarray) -> np.ndarray:
        gradient, _ = network.backward(x, weights)
        if gradient is None:
            raise ModelError(f"{type(network).__name__} returned no gradient with respect to its inputs.")
        return _dense(gradient).reshape(len(x), values, x.shape[1])

    return attached(forward, backward if differentiable else None)


def _dense(array: Any) -> np.ndarray:
    return np.asarray(array.todense() if hasattr(array, "todense") else array)


def _values_of(network: Any) -> Values:
    from qiskit_machine_learning.neural_networks import SamplerQNN

    return "probabilities" if isinstance(network, SamplerQNN) else "expectations"


def _refuse_broken(home: Callable[[Tensor], Tensor], x: Tensor, reason: str) -> None:
    try:
        with torch.no_grad():
            home(x[:1])
    except Exception as error:
        raise ModelError(f"{reason}; nor can the library run it ({type(error).__name__}).") from error


def _summary(reading: CircuitReading) -> str:
    circuit = reading.circuit
    return f"{circuit.qubits} qubits, {len(circuit.gates)} gates, {circuit.weights} weights"


def _listed(observables: Any) -> Sequence[Any]:
    return list(observables) if isinstance(observables, list | tuple) else [observables]
