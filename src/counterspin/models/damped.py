r"""Gaussian smoothing of angle-encoded circuits without sampling: a loss of phase in the eigenbasis of the encoding.

Encoding gates that commute are one gate :math:`e^{-i\sum_j (w_j\cdot x + \theta_j) H_j}`. In the common eigenbasis of
the generators it multiplies entry (a, b) of the density matrix by :math:`e^{-i(\Lambda_a - \Lambda_b)\cdot x}` with
:math:`\Lambda_a = \sum_j h_{ja} w_j`, and the average over Gaussian noise on `x` damps that entry by

.. math:: E\,e^{-i(\Lambda_a - \Lambda_b)\cdot\sigma g} = e^{-\sigma^2\|\Lambda_a - \Lambda_b\|^2/2}.

With one gate `RZ(w x_i)` per feature and qubit this is the phase-damping channel of strength
:math:`1 - e^{-\sigma^2w^2}` on that qubit (Saxena et al., arXiv:2408.01200).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import logm
from torch import Tensor, nn

from counterspin.circuits import Amplitudes, Angle, Circuit, Gate
from counterspin.errors import ConditionsError, UsageError
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.noise.kraus import Placed
from counterspin.simulation import final_states
from counterspin.simulation.density import check_channels, noisy_density, noisy_observables
from counterspin.types import Box, Outputs

__all__ = ["DampedClassifier"]

# Commutators and off-diagonal rests below this count as rounding: entries of the matrices are of order 1.
_COMMUTE = 1e-9


class DampedClassifier(nn.Module):
    r"""The scores of an angle-encoded classifier averaged exactly over Gaussian noise on its features.

    .. math:: g_k(x) = E_{\eta \sim N(0, \sigma^2 1)}\,f_k(x + \eta)

    It decides by the largest *averaged score*, not by majority vote. Its weights are those of the body at the time it
    is built. At most 8 qubits.

    Args:
        body: data enters through commuting gates of one angle each; gates between them must commute with their
            generators, and no channel may act between them.
        sigma: standard deviation σ of the noise, in units of the features; 0: the body itself.

    Raises:
        UsageError: sigma below 0 or not finite, or more than 8 qubits.
        ConditionsError: data enters otherwise.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, feature
        >>> circuit = Circuit(1).add("RX", 0, feature(0))
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> body = QuantumClassifier(circuit, bit, Box.uniform(0.0, 3.0, features=1))
        >>> smooth = DampedClassifier(body, sigma=1.0)
        >>> round(smooth(torch.zeros(1, 1).double())[0, 0].item(), 6)  # (1 + e^(-1/2)) / 2
        0.803265
    """

    stochastic = False
    differentiable = True
    observables: Tensor
    coefficients: Tensor
    slopes: Tensor

    def __init__(self, body: QuantumClassifier | NoisyClassifier, *, sigma: float) -> None:
        super().__init__()
        if not 0 <= sigma < float("inf"):
            raise UsageError(f"sigma is {sigma}; give a standard deviation of at least 0, in units of the features.")
        channels = body.channels if isinstance(body, NoisyClassifier) else ()
        noise = body.noise if isinstance(body, NoisyClassifier) else None
        if isinstance(body, NoisyClassifier) and body.mitigation is not None:
            raise ConditionsError("exact smoothing averages one circuit; this model mitigates, build it without.")
        check_channels(body.circuit, channels)
        parts = _split(body.circuit, channels)
        self.sigma = float(sigma)
        self.bounds: Box = body.bounds
        self.classes = body.classes
        self.outputs: Outputs = body.outputs
        with torch.no_grad():
            weights = body.weights.detach().cpu().double()
            observables = noisy_observables(
                body.circuit, weights, body.readout, channels, after=parts.last, noise=noise
            )
            coefficients, slopes = _damped(parts, weights, observables, self.sigma)
        self.register_buffer("observables", observables)
        self.register_buffer("coefficients", coefficients)
        self.register_buffer("slopes", slopes)

    def forward(self, x: Tensor) -> Tensor:
        """Averaged scores `(batch, classes)` of `x` `(batch, features)`, computed in float64, in the dtype of `x`."""
        phases = torch.exp(-1j * (x.double() @ self.slopes.T))
        return torch.einsum("ba,kac,bc->bk", phases, self.coefficients, phases.conj()).real.to(x.dtype)

    def extra_repr(self) -> str:
        """What tells two of them apart."""
        return f"sigma={self.sigma}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """A circuit taken apart at its encoding gates.

    Args:
        front: the gates before the first of them, then those between, which must commute with them.
        between: how many stood between.
        channels: what acts in the front.
        encoding: the encoding gates.
        last: index of the last one in the circuit.
        inputs: number of features.
    """

    front: Circuit
    between: int
    channels: tuple[Placed, ...]
    encoding: tuple[Gate, ...]
    last: int
    inputs: int


def _split(circuit: Circuit, channels: tuple[Placed, ...]) -> _Parts:
    if circuit.amplitudes is not None:
        raise ConditionsError("exact smoothing needs data in gate angles; this circuit encodes amplitudes.")
    if any(not isinstance(angle, Angle) for gate in circuit.gates for angle in gate.angles):
        raise ConditionsError("exact smoothing needs angles that are expressions; this circuit holds tensors.")
    where = [i for i, gate in enumerate(circuit.gates) if any(a.inputs for a in _expressions(gate))]
    if not where:
        raise ConditionsError("exact smoothing needs data in gate angles; no gate of this circuit holds an input.")
    first, last = where[0], where[-1]
    encoding = tuple(circuit.gates[i] for i in where)
    for gate in encoding:
        if len(gate.angles) != 1:
            raise ConditionsError(
                f"gate {gate} has {len(gate.angles)} angles, which do not commute; encode data in single rotations."
            )
    for placed in channels:
        if first <= placed.after < last:
            raise ConditionsError(
                f"channel {placed.channel.name} after gate {placed.after} acts between the encoding gates {first} and "
                f"{last}; exact smoothing needs it before or behind them."
            )
    between = tuple(circuit.gates[i] for i in range(first, last) if i not in where)
    return _Parts(
        front=Circuit(circuit.qubits, circuit.gates[:first] + between),
        between=len(between),
        channels=tuple(p for p in channels if p.after < first),
        encoding=encoding,
        last=last,
        inputs=circuit.inputs,
    )


def _damped(parts: _Parts, weights: Tensor, observables: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Coefficients `(classes, D, D)` of the products of phases, and the slopes Λ `(D, features)` of those phases."""
    qubits = parts.front.qubits
    generators = torch.stack([_generator(gate, qubits) for gate in parts.encoding])
    for gate, generator in zip(parts.encoding, generators, strict=True):
        _check_commuting(generator, generators, gate)
    for gate in parts.front.gates[len(parts.front.gates) - parts.between :]:
        _check_commuting(_unitary(gate, qubits, weights), generators, gate)
    vectors, eigenvalues = _common_eigenbasis(generators)
    constants, rates = _affine(parts, weights)
    offsets, slopes = eigenvalues.T @ constants, eigenvalues.T @ rates
    start = noisy_density(parts.front, torch.zeros(1, 0).double(), weights[: parts.front.weights], parts.channels)[0]
    apart = (slopes[:, None] - slopes[None, :]).square().sum(dim=2)
    kept = torch.exp(-1j * (offsets[:, None] - offsets[None, :]) - sigma**2 * apart / 2)
    return (vectors.mH @ observables @ vectors).mT * (vectors.mH @ start @ vectors * kept), slopes


def _common_eigenbasis(generators: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors `(D, D)` and the eigenvalues `(generators, D)` of commuting Hermitian matrices."""
    # Almost every mixture of them separates their joint eigenspaces.
    mixture = torch.rand(len(generators), generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    _, vectors = torch.linalg.eigh(torch.einsum("g,gij->ij", mixture.to(generators.dtype), generators))
    turned = vectors.mH @ generators @ vectors
    eigenvalues = turned.diagonal(dim1=1, dim2=2).real
    rest = float((turned - torch.diag_embed(eigenvalues)).abs().max())
    if rest > _COMMUTE:
        raise ConditionsError(
            f"the encoding gates have no common eigenbasis (rest {rest:.3g}); exact smoothing needs one."
        )
    return vectors, eigenvalues


def _affine(parts: _Parts, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Constants `(gates,)` and rates `(gates, features)` of the encoding angles."""
    constants = torch.zeros(len(parts.encoding), dtype=torch.float64)
    rates = torch.zeros(len(parts.encoding), parts.inputs, dtype=torch.float64)
    for row, gate in enumerate(parts.encoding):
        for angle in _expressions(gate):
            constants[row] += angle.constant
            for term in angle.terms:
                value = term.coefficient * (1.0 if term.weight is None else float(weights[term.weight]))
                if term.input is None:
                    constants[row] += value
                else:
                    rates[row, term.input] += value
    return constants, rates


def _expressions(gate: Gate) -> tuple[Angle, ...]:
    return tuple(angle for angle in gate.angles if isinstance(angle, Angle))


def _unitary(gate: Gate, qubits: int, weights: Tensor) -> Tensor:
    alone = Circuit(qubits, (gate,), amplitudes=Amplitudes(2**qubits))
    basis = torch.eye(2**qubits, dtype=torch.float64)
    return final_states(alone, basis, weights[: alone.weights], engine="torch").T


def _generator(gate: Gate, qubits: int) -> Tensor:
    """H of the gate exp(-i θ H); its eigenvalues lie within ±1, so the logarithm at θ = 1 has one branch."""
    unitary = _unitary(Gate(gate.kind, gate.qubits, (Angle(1.0),)), qubits, torch.zeros(0, dtype=torch.float64))
    hermitian = 1j * torch.as_tensor(np.asarray(logm(unitary.numpy())), dtype=torch.complex128)
    return (hermitian + hermitian.mH) / 2


def _check_commuting(matrix: Tensor, generators: Tensor, gate: Gate) -> None:
    off = float((matrix @ generators - generators @ matrix).abs().max())
    if off > _COMMUTE:
        raise ConditionsError(
            f"gate {gate} does not commute with the encoding gates (commutator {off:.3g}); phase damping is Gaussian "
            "smoothing for commuting encodings only, use SmoothedClassifier."
        )
