r"""Adversaries who turn the state: extra unitaries, and gate angles that are off.

A unitary :math:`e^{-i\delta H}` anywhere in a circuit turns the final state by a Bures angle of at most
:math:`|\delta|\,s`, :math:`s = \mathrm{spread}(H)/2 = (\lambda_{\max} - \lambda_{\min})/2`, whatever channels act
before and after it. So :math:`\prod_k e^{-i\delta_k H_k}` changes no decision while

.. math:: \sum_k |\delta_k|\, s_k < \theta^*,

with :math:`\theta^*` the angle to the nearest state that loses. A gate angle that is off by :math:`\Delta_j` is such a
unitary, and expectation values move by at most :math:`\mathrm{spread}(A) \sum_j |\Delta_j| s_j`, :math:`s_j = 1/2` for
rotations by half a Pauli string, phase gates and controlled rotations. The bound by :math:`\theta^*` is never smaller
than :math:`m / \mathrm{spread}(A)` for the margin m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates.assumptions import Assumptions
from counterspin.certificates.margins import noise_of
from counterspin.circuits import GATES, Circuit
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.models.affine import unwrapped
from counterspin.models.noisy import NoisyClassifier
from counterspin.optimum.turning import angle_from_weights
from counterspin.simulation import FOLDED_QUBITS
from counterspin.simulation.density import score_operators
from counterspin.types import HasCircuit, HasStates
from counterspin.validation import as_features, as_labels

__all__ = ["GateTampering", "angle_spreads", "gate_tampering", "generator_spread", "margin_drift", "unitary_radius"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class GateTampering:
    """How far the gate angles of a model may be off.

    Args:
        radius: size `(batch,)`, in radians and the norm asked for, of the joint error of all gate angles below which
            the decision stands; 0 for misclassified and tied samples, infinite where nothing changes it.
        turning: Bures angle θ* `(batch,)` of the final state to the nearest one that loses.
        spreads: spread of the generator of every gate angle, in the order of the circuit.
        assumptions: what the radii rest on.
    """

    radius: Tensor
    turning: Tensor
    spreads: Tensor
    assumptions: Assumptions


def generator_spread(generator: Tensor) -> float:
    """Largest minus smallest eigenvalue of a Hermitian `(d, d)`.

    Raises:
        InputError: no Hermitian matrix.

    Example:
        >>> generator_spread(torch.diag(torch.tensor([0.5, -0.5])))
        1.0
    """
    square = generator.ndim == 2 and generator.shape[0] == generator.shape[1]
    matrix = generator.detach().to(torch.complex128)
    if not square or not torch.allclose(matrix, matrix.mH, atol=1e-10, rtol=0):
        raise InputError(f"generator {tuple(generator.shape)} is not Hermitian; give a square H with H = H†.")
    eigenvalues = torch.linalg.eigvalsh(matrix)
    return float(eigenvalues[-1] - eigenvalues[0])


def angle_spreads(circuit: Circuit) -> Tensor:
    """Spread of the generator of every gate angle of a circuit, `(angles,)`; it is the gate's highest frequency.

    Example:
        >>> angle_spreads(Circuit(2).add("RX", 0, 0.1).add("CNOT", (0, 1)).add("CRY", (0, 1), 0.2)).tolist()
        [1.0, 1.0]
    """
    found = [max(frequencies) for gate in circuit.gates for frequencies in GATES[gate.kind].frequencies]
    return torch.tensor(found, dtype=torch.float64)


def margin_drift(spread: float, errors: Tensor, spreads: Tensor) -> Tensor:
    r"""How far an expectation value may move under gate errors, :math:`\mathrm{spread}(A)\sum_j|\Delta_j|s_j` `(...)`.

    Args:
        spread: of the observable A.
        errors: Δ `(..., gates)` in radians.
        spreads: of the gates' generators `(gates,)`.

    Example:
        >>> margin_drift(2.0, torch.tensor([0.1, -0.2]), torch.ones(2)).item()
        0.30000001192092896
    """
    return spread * (errors.abs() @ spreads.to(errors)) / 2


def unitary_radius(turning: Tensor, spreads: Tensor, norm: str = "linf") -> Tensor:
    r"""Size of :math:`\delta` below which :math:`\prod_k e^{-i\delta_k H_k}` changes no decision.

    .. math:: \frac{\theta^*}{\sum_k s_k}\ (L_\infty), \qquad \frac{\theta^*}{\|s\|_2}\ (L_2), \qquad
        \frac{\theta^*}{\max_k s_k}\ (L_1)

    Args:
        turning: θ* `(batch,)`, the Bures angle to the nearest state that loses: the arcsine of the root of an
            infidelity (`guan_infidelity`, `nearest_states`).
        spreads: of the generators `(unitaries,)`, not negative.
        norm: of δ: `"linf"`, `"l2"` or `"l1"`.

    Raises:
        UsageError: another norm.
        InputError: spreads that are negative, not finite, or none.

    Example:
        >>> round(unitary_radius(torch.tensor([0.5]).double(), torch.tensor([1.0, 1.0])).item(), 6)
        0.5
    """
    if norm not in ("linf", "l2", "l1"):
        raise UsageError(f"norm is {norm!r}; allowed: linf, l2, l1.")
    if spreads.ndim != 1 or not len(spreads) or not bool(((spreads >= 0) & torch.isfinite(spreads)).all()):
        raise InputError(f"spreads are {spreads.tolist()}; give one finite number of at least 0 per unitary.")
    dual = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}[norm]
    reach = torch.linalg.vector_norm(spreads.double() / 2, ord=dual)
    if not reach:
        return torch.full_like(turning.double(), torch.inf)
    return turning.double() / reach * (1 - (len(spreads) + 8) * _EPS)


@torch.no_grad()
def gate_tampering(model: Any, x: Any, y: Any, *, norm: str = "linf") -> GateTampering:
    r"""How far all gate angles of a known model may be off before a decision changes.

    Every angle of every gate, those that hold data included, has an error of its own, and all of them together are
    measured in `norm`. θ* is that of the final state, noise included, and of the class pair's observable at the
    readout: exact for one rotation before a projective bit, a lower bound where several gates cannot all turn the state
    the worst way.

    Args:
        model: ends in one circuit of at most 10 qubits, read with infinitely many shots; noise is that of a
            `NoisyClassifier`.
        x: inputs `(batch, features)`.
        y: labels `(batch,)`.
        norm: of the joint error: `"linf"` (the largest), `"l2"` or `"l1"` (their sum).

    Raises:
        CapabilityError: the model shows no circuit, or no state.
        ConditionsError: more than 10 qubits, no gate with an angle, or mitigated scores.
        InputError: data that cannot be used.
        UsageError: another norm.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, feature
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> circuit, bit = Circuit(1).add("RX", 0, feature(0)), OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(circuit, bit, Box.uniform(0.0, 3.0, features=1))
        >>> round(gate_tampering(model, [[0.5]], [0]).radius.item(), 5)  # π/2 - 0.5
        1.0708
    """
    body, input_map = unwrapped(model)
    noisy = isinstance(body, NoisyClassifier)
    if not isinstance(body, HasCircuit) or not (noisy or isinstance(body, HasStates)):
        raise CapabilityError(
            f"model ({type(model).__name__}) shows no circuit with its final state, which bounds on gate errors need."
        )
    qubits, spreads = body.circuit.qubits, angle_spreads(body.circuit)
    if qubits > FOLDED_QUBITS or not len(spreads):
        raise ConditionsError(
            f"the circuit has {qubits} qubits and {len(spreads)} gate angles; bounds on gate errors take 1 to "
            f"{FOLDED_QUBITS} qubits and at least one angle."
        )
    features = as_features(x, model.bounds).double()
    labels = as_labels(y, body.readout.classes, len(features))
    # Checks the norm before any compute.
    unit = unitary_radius(torch.ones(1, dtype=torch.float64), spreads, norm)

    operators = score_operators(body.readout, qubits, noise_of(model))
    mapped = features if input_map is None else input_map(features)
    states = body.density(mapped) if isinstance(body, NoisyClassifier) else body.states(mapped)
    turning = torch.full((len(features),), torch.inf, dtype=torch.float64)
    for own in labels.unique().tolist():
        rows = (labels == own).nonzero()[:, 0]
        for other in range(len(operators)):
            if other == own:
                continue
            eigenvalues, vectors = torch.linalg.eigh(operators[own] - operators[other])
            weights = _weights(states[rows], vectors)
            angles = angle_from_weights(eigenvalues, weights, mixed=True)
            standing = weights @ eigenvalues > 0
            turning[rows] = torch.minimum(turning[rows], torch.where(standing, angles, 0.0))
    return GateTampering(
        radius=turning * unit,
        turning=turning,
        spreads=spreads,
        assumptions=Assumptions(
            noise="modelled" if noisy else "none",
            adversary="tampered gate angles",
            notes=(f"joint error of {len(spreads)} gate angles in {norm}, in radians",),
        ),
    )


def _weights(states: Tensor, vectors: Tensor) -> Tensor:
    """`⟨k|ρ|k⟩` `(batch, D)` of pure `(batch, D)` or mixed `(batch, D, D)` states."""
    if states.ndim == 2:
        return (states.to(vectors) @ vectors.conj()).abs().square()
    return torch.einsum("ik,bij,jk->bk", vectors.conj(), states, vectors).real.clamp(min=0)
