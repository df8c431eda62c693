"""Copies of networks with what hides or falsifies their gradient mended."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.primitives import estimator_precision, sampler_shots

__all__ = ["Mended", "mended"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mended:
    """A network that may be asked for values and gradients.

    Args:
        network: a copy; the user's is left as it is.
        repairs: what was mended, one sentence each.
        obstacle: why its values are not those of the ideal circuit; None: they are.
        stochastic: whether its values are random.
        differentiable: whether the library has a gradient with respect to the inputs.
    """

    network: Any
    repairs: tuple[str, ...]
    obstacle: str | None
    stochastic: bool
    differentiable: bool


def mended(network: Any) -> Mended:
    """A copy of a network that gives exact values where its primitive can, and a gradient of the inputs.

    Mended are: `input_gradients=False`, the default, with which the gradient is silently None; the precision at which
    an `EstimatorQNN` samples (1/64 unless another is asked for); SPSA gradients, which of a single sample are noise; a
    classical register not called `meas`, whose outcomes a `SamplerQNN` averages over the batch. The gradient of a
    `SamplerQNN` on physical qubits is given up.

    Raises:
        ModelError: measurements in several classical registers, none of them called `meas`.
    """
    from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

    copied = copy.copy(network)
    repairs: list[str] = []
    obstacle, stochastic = None, False
    if isinstance(copied, EstimatorQNN):
        obstacle = _exact_estimator(copied, repairs)
        stochastic = estimator_precision(copied.estimator) == "sampled"
    elif isinstance(copied, SamplerQNN):
        shots = sampler_shots(copied.sampler)
        stochastic = shots is not None
        obstacle = f"{shots}: only its own library runs it" if stochastic else None
        _named_register(copied, repairs)
    else:
        return Mended(
            network=copied,
            repairs=(),
            obstacle=None,
            stochastic=False,
            differentiable=bool(copied.input_gradients),
        )
    _shift_rule(copied, repairs)
    # A parametrised state preparation cannot be opened before its parameters are bound: no shift rule applies.
    differentiable = not copied.circuit.count_ops().get("ParameterizedInitialize")
    if isinstance(copied, SamplerQNN) and copied.circuit.layout is not None:
        differentiable = False
        repairs.append(
            "the circuit is transpiled to physical qubits, whose outcomes SamplerQNN counts in its gradient but not in "
            "its values: that gradient is not used"
        )
    if differentiable and not copied.input_gradients:
        copied.input_gradients = True
        repairs.append(
            "input_gradients was off, as is the library's default, so that the gradient of the features was silently "
            "None: switched on"
        )
    return Mended(
        network=copied,
        repairs=tuple(repairs),
        obstacle=obstacle,
        stochastic=stochastic,
        differentiable=differentiable,
    )


def _exact_estimator(network: Any, repairs: list[str]) -> str | None:
    """Make an estimator's values exact where it can; why they are not those of the ideal circuit all the same."""
    from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
    from qiskit_machine_learning.primitives import QMLEstimator

    name, precision = type(network.estimator).__name__, network.default_precision
    kind = estimator_precision(network.estimator)
    if kind == "sampled":
        return f"{name} measures with finite shots (precision {precision:g}): only its own library runs it"
    if kind == "exact":
        return None
    if precision:
        network._default_precision = 0.0
        repairs.append(
            f"{name} added noise of standard deviation {precision:g} (default_precision) to every value: set to 0, "
            "exact values"
        )
    if kind == "noisy":
        return f"{name} has a noise model, which is not imported"
    own = getattr(network.estimator, "default_precision", None)
    own = network.estimator.options.default_precision if own is None else own
    if own:
        # The gradient asks the estimator for its own default precision.
        network.gradient = ParamShiftEstimatorGradient(QMLEstimator())
        repairs.append(f"the gradient was sampled at precision {own:g}: replaced by exact parameter shifts")
    return None


def _shift_rule(network: Any, repairs: list[str]) -> None:
    from qiskit_machine_learning import gradients

    gradient = network.gradient
    epsilon = getattr(gradient, "_epsilon", 0.0)
    match gradient:
        case gradients.SPSAEstimatorGradient():
            shifted: Any = gradients.ParamShiftEstimatorGradient
            primitive = network.estimator
        case gradients.SPSASamplerGradient():
            shifted = gradients.ParamShiftSamplerGradient
            primitive = network.sampler
        case _:
            return
    network.gradient = shifted(primitive, pass_manager=gradient._pass_manager)
    repairs.append(
        f"{type(gradient).__name__} perturbs all parameters at once by {epsilon:g}: along one random direction it is "
        f"the wrong gradient of a sample; replaced by {shifted.__name__}"
    )


def _named_register(network: Any, repairs: list[str]) -> None:
    registers = [register for register in network._circuit.cregs if register.size]
    if not registers or "meas" in [register.name for register in registers]:
        return
    if len(registers) > 1:
        raise ModelError(
            f"the circuit measures into registers {', '.join(r.name for r in registers)}, whose outcomes SamplerQNN "
            "averages over the batch; measure into one register called 'meas', for example by measure_all()."
        )
    network._circuit = _renamed(network._circuit)
    repairs.append(
        f"SamplerQNN averages the outcomes of a register called {registers[0].name!r} over the batch: renamed to 'meas'"
    )


def _renamed(circuit: Any) -> Any:
    """The circuit with its only classical register called `meas`."""
    from qiskit import ClassicalRegister, QuantumCircuit

    register = ClassicalRegister(circuit.num_clbits, "meas")
    renamed = QuantumCircuit(*circuit.qregs, register, global_phase=circuit.global_phase)
    for entry in circuit.data:
        bits = [register[circuit.find_bit(bit).index] for bit in entry.clbits]
        renamed.append(entry.operation, entry.qubits, bits)
    return renamed
