"""QNodes and TorchLayers: what they compute at home, and the circuit read out of their tape."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.calls import Call, feature_argument, qnode_call
from counterspin.models.integrations.pennylane.circuits import between, read_circuit
from counterspin.models.integrations.pennylane.foreign import has_gradient
from counterspin.models.integrations.pennylane.gradients import Mended, mended
from counterspin.models.integrations.pennylane.home import home_of
from counterspin.models.integrations.pennylane.library import pennylane
from counterspin.models.integrations.pennylane.measurements import value_kind
from counterspin.models.integrations.pennylane.tapes import recorder, runnable
from counterspin.models.integrations.probing import probe_points
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options, Unreadable, Values

__all__ = ["claims", "layer_call", "read"]

_ROWS, _PROBES = 16, 64
_NOT_UNIT = "norm 1.0"  # what PennyLane says of vectors that are not normalised
_UNIT = "AmplitudeEmbedding without normalize=True takes unit vectors only: features are divided by their norm first"
# Devices that compute what their gates say, exactly; others may be hardware or have noise of their own.
_SIMULATORS = ("pennylane.devices.", "pennylane_lightning.")


def claims(model: Any) -> bool:
    """Whether it is a QNode or a TorchLayer, told by the names of its types: PennyLane is not imported."""
    return _kind(model) is not None


def read(model: Any, options: Options) -> Candidate:
    """Read a QNode or TorchLayer.

    Args:
        model: what `claims` said yes to.
        options: what the user said.

    Raises:
        ModelError: unbound parameters, a structure that depends on the data, outputs that are no scores, a QNode that
            fails on the samples.

    Example:
        >>> candidate = read(qnode, Options(x=x, weights={"w": w}))  # doctest: +SKIP
        >>> candidate.imported.circuit.qubits  # doctest: +SKIP
        4
    """
    kind = _kind(model)
    layer = kind == "pennylane.TorchLayer"
    call = layer_call(model, options) if layer else qnode_call(model, options.weights, options.inputs)
    x = options.x.detach().double()[:_ROWS]
    call, values, repairs = _working(call, x)
    shots = bool(call.qnode.shots)
    probes = runnable(call, probe_points(x, options.box, _PROBES))
    home = replace(home_of(_exact(call), x, probes[::4]), call=call)
    black_box = options.gradient == "none" or (call.numeric and not has_gradient(call))
    check = (
        Mended(home=home, repairs=(), differentiable=False) if black_box else mended(home, values, x, exact=not shots)
    )
    imported, reason = _imported(call, x, probes, options)
    chosen = options.gradient == "none" or shots or call.qnode.interface == "numpy"  # a black box on purpose
    if not (check.differentiable or chosen) and imported is None:
        raise ModelError(
            f"{kind}: no gradient arrives at the features (they are cut off from autograd by detach, item, float or "
            "numpy, or rounded); compute the angles with torch or qml.math functions, or take the model as a black box "
            'with gradient="none".'
        )
    state: Callable[[], dict[str, Tensor]] | None = (
        (lambda: {name: value.detach() for name, value in model.state_dict().items()}) if layer else None
    )
    return Candidate(
        kind=str(kind),
        home=check.home,
        values=values,
        home_differentiable=check.differentiable,
        stochastic=shots,
        imported=imported,
        reason=reason,
        repairs=(*repairs, *check.repairs),
        features=options.x.shape[1],
        state=state,
        shots=call.qnode.shots.total_shots or 0,
    )


def layer_call(layer: Any, options: Options) -> Call:
    """The call of a TorchLayer's QNode: its parameters are the weights, as they are at each call."""
    name = options.inputs or layer.input_arg
    if options.weights:
        raise ModelError(
            f"weights name {', '.join(map(repr, options.weights))}; a TorchLayer holds its weights itself; give none."
        )
    parameters = layer.qnode_weights
    feature_argument(layer.qnode.func, parameters, name)
    qnode = layer.qnode if layer.qnode.interface == "torch" else layer.qnode.update(interface="torch")
    return Call(qnode=qnode, inputs=name, weights=lambda: parameters)


def _kind(model: Any) -> str | None:
    for base in type(model).__mro__:
        if base.__module__.split(".")[0] == "pennylane" and base.__name__ in ("QNode", "TorchLayer"):
            return f"pennylane.{base.__name__}"
    return None


def _working(call: Call, x: Tensor) -> tuple[Call, Values, tuple[str, ...]]:
    """The call in a form that runs: torch if the QNode's code allows it; what its values are; what was changed."""
    through_torch = replace(call, qnode=call.qnode.update(interface="torch"))
    unit, numeric = replace(through_torch, unit=True), replace(call, numeric=True)
    obstacle: Exception | None = None
    options: tuple[tuple[Call, tuple[str, ...]], ...] = ((through_torch, ()), (unit, (_UNIT,)), (numeric, ()))
    for option, repairs in options:
        if option.unit and _NOT_UNIT not in str(obstacle):
            continue
        try:
            # Attached to autograd: code that leaves torch for numpy fails here, not when gradients are asked for.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tape = option.tape(x[0].clone().requires_grad_())
            _refuse_half(option, x[0])
        except Exception as error:  # the user's code runs here
            obstacle = obstacle or error
            continue
        return option, value_kind(tape.measurements), repairs
    raise ModelError(
        f"the QNode failed on a sample of {x.shape[1]} features ({type(obstacle).__name__}: {obstacle}); check the "
        "number of features and the weights."
    )


def _refuse_half(call: Call, row: Tensor) -> None:
    """Raise what AmplitudeEmbedding raises off the unit sphere, if it does; other errors are left for later."""
    try:
        call.tape(0.5 * row)
    except ValueError as error:
        if _NOT_UNIT in str(error):
            raise
    except Exception:  # noqa: S110 - features that only take some values, such as bits
        pass


def _exact(call: Call) -> Call:
    """The call without shots."""
    qml = pennylane()
    return replace(call, qnode=qml.set_shots(call.qnode, None)) if call.qnode.shots else call


def _imported(call: Call, x: Tensor, probes: Tensor, options: Options) -> tuple[CircuitReading | None, str]:
    """The circuit, or None and why there is none."""
    if options.route == "wrap":
        return None, "wrapping was asked for"
    device = call.qnode.device
    if options.route != "import":
        if call.qnode.shots:
            return None, (
                f"the device measures {call.qnode.shots.total_shots} shots, which an import would leave out "
                "(route='import' takes the exact circuit)"
            )
        if not type(device).__module__.startswith(_SIMULATORS):
            return None, (
                f"the device {device.name} may add noise of its own (route='import' takes the circuit without it)"
            )
    try:
        points = torch.cat([between(x), probes])
        reading = read_circuit(recorder(call, points), x, points)
    except Unreadable as obstacle:
        return None, f"the circuit cannot be imported: {obstacle}"
    circuit = reading.circuit
    return reading, (
        f"the tape was read: {len(circuit.gates)} gates on {circuit.qubits} qubits, {circuit.weights} angles of weights"
    )
