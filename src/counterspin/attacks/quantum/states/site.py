"""Where an attack on states strikes: the state right behind the data, and the observables that score it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models.affine import unwrapped
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.optimum import state_scores
from counterspin.simulation import FOLDED_QUBITS, final_states, noisy_density, noisy_observables
from counterspin.simulation.angles import angle_values
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.density import DENSITY_QUBITS, score_operators
from counterspin.simulation.statevector import evolve
from counterspin.types import Classifier, HasCircuit, HasObservables

__all__ = ["StateSite", "check_site", "mixed_site", "site_qubits", "state_site"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StateSite:
    """The attacked states and what the rest of the model makes of any state in their place.

    Args:
        states: clean states, pure `(batch, D)` or mixed `(batch, D, D)`, complex128.
        observables: Hermitian `(classes, D, D)` complex128; expectation values in the state are the class scores.
    """

    states: Tensor
    observables: Tensor

    @property
    def mixed(self) -> bool:
        """Whether the clean states are density matrices."""
        return self.states.ndim == 3

    @property
    def qubits(self) -> int:
        """Number of qubits."""
        return self.observables.shape[1].bit_length() - 1

    def scores(self, states: Tensor) -> Tensor:
        """Class scores float64 `(batch, classes)` of pure or mixed states in the place of the clean ones."""
        return state_scores(self.observables, states)


def check_site(model: Classifier) -> None:
    """Refuse a model without such a state, before any compute.

    Raises:
        CapabilityError: no circuit, or channels on more than 8 qubits.
        ConditionsError: more than 10 qubits, or mitigated scores that are no expectation values.
    """
    body = _body(model)
    if not isinstance(body, HasCircuit | HasObservables):
        raise CapabilityError(
            f"model ({type(model).__name__}) shows no circuit, so there is no quantum state to attack; attack its "
            "features, or give a quantum model."
        )
    qubits = body.circuit.qubits
    if qubits > FOLDED_QUBITS:
        raise ConditionsError(
            f"the circuit has {qubits} qubits; attacks on states take at most {FOLDED_QUBITS}, for the observables "
            "are written down as matrices."
        )
    if not isinstance(body, NoisyClassifier):
        return
    if body.channels and qubits > DENSITY_QUBITS:
        raise CapabilityError(
            f"the circuit has {qubits} qubits under channels, which are simulated by drawn errors; attacks on states "
            f"take at most {DENSITY_QUBITS} qubits under noise."
        )
    mitigation = body.mitigation
    if mitigation is not None and not (mitigation.linear and _last_data_gate(body.circuit) < 0):
        raise ConditionsError(
            f"the scores are mitigated ({mitigation.name}), so that no observable of the attacked state gives them; "
            "attack the model without mitigation, or an amplitude encoding with a linear one."
        )


def mixed_site(model: Classifier) -> bool:
    """Whether channels act before the last gate that holds data, so that the attacked states are mixed."""
    body = _body(model)
    if not isinstance(body, NoisyClassifier):
        return False
    cut = _last_data_gate(body.circuit)
    return any(placed.after < cut for placed in body.channels)


def site_qubits(model: Classifier) -> int:
    """Number of qubits of the attacked states of a model that `check_site` accepts."""
    return _body(model).circuit.qubits


@torch.no_grad()
def state_site(model: Classifier, x: Tensor) -> StateSite:
    """The states right behind the last gate that holds data, and the observables of everything behind them.

    One rule for all encodings. Amplitudes alone: the encoded state, before the first gate. Angles: the state behind the
    encoding. Data uploaded again and again: behind its last upload. Kernels: the state whose fidelities are measured.
    Channels before that gate have acted on the state, which is mixed then; those behind it, the readout error and
    global depolarising belong to the observables. A classical front has been applied.

    Args:
        model: what `check_site` accepts.
        x: features float64 `(batch, features)`.

    Raises:
        ConditionsError: as `check_site`, or a mitigation without effective observables.
    """
    body = _body(model)
    if isinstance(body, HasObservables):
        states = model.states(x) if isinstance(model, MappedKernelClassifier) else body.states(x)  # type: ignore[attr-defined]
        return StateSite(states=states.to(torch.complex128), observables=body.observables().to(torch.complex128))
    _, input_map = unwrapped(model)
    inputs = body.circuit_inputs(x if input_map is None else input_map(x)).double()
    circuit, weights, readout = body.circuit, body.weights.detach().double().cpu(), body.readout
    noisy = isinstance(body, NoisyClassifier)
    noise, channels = (body.noise, body.channels) if noisy else (None, ())
    cut = _last_data_gate(circuit)
    front = Circuit(circuit.qubits, circuit.gates[: cut + 1], amplitudes=circuit.amplitudes)
    before = tuple(placed for placed in channels if placed.after < cut)
    taken = weights[: front.weights]
    if before:
        states = noisy_density(front, inputs, taken, before)
    else:
        states = final_states(front, inputs, taken).to(torch.complex128)
    if noisy and body.mitigation is not None:
        observables = body.effective_observables().matrices
    elif channels:
        observables = noisy_observables(circuit, weights, readout, channels, after=cut, noise=noise)
    else:
        rest = Circuit(circuit.qubits, circuit.gates[cut + 1 :])
        program, basis = compile_circuit(rest), torch.eye(2**circuit.qubits, dtype=torch.complex128)
        # Rows are the images of basis states, so this is the transpose of the unitary.
        images = evolve(program, basis, angle_values(program, basis.real.new_zeros(len(basis), 0), weights))
        observables = images.conj() @ score_operators(readout, circuit.qubits, noise) @ images.mT
    return StateSite(states=states, observables=(observables + observables.mH) / 2)


def _body(model: Classifier) -> Any:
    return model.body if isinstance(model, MappedKernelClassifier) else unwrapped(model)[0]


def _last_data_gate(circuit: Circuit) -> int:
    """Index of the last gate whose angles depend on the sample; -1: none does."""
    holding = [
        index
        for index, gate in enumerate(circuit.gates)
        if any(not isinstance(angle, Angle) or angle.inputs for angle in gate.angles)
    ]
    return max(holding, default=-1)
