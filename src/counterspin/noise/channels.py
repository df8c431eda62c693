"""The textbook channels on one qubit."""

from __future__ import annotations

import math

import torch

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.kraus import Channel, Placed

__all__ = ["after_every_gate", "amplitude_damping", "bit_flip", "depolarizing", "phase_damping", "phase_flip"]

_I = ((1, 0), (0, 1))
_X = ((0, 1), (1, 0))
_Y = ((0, -1j), (1j, 0))
_Z = ((1, 0), (0, -1))


def depolarizing(p: float) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,1/2`: each Pauli with probability `p / 4`.

    Some tools call 3p/4, the chance of an error, the strength.

    Raises:
        UsageError: p outside [0, 1].

    Example:
        >>> depolarizing(0.1).operators.shape
        torch.Size([4, 2, 2])
    """
    p = _probability("depolarizing", p)
    return _mixture("depolarizing", p, ((1 - 0.75 * p, _I), (p / 4, _X), (p / 4, _Y), (p / 4, _Z)))


def bit_flip(p: float) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,X\rho X`.

    Raises:
        UsageError: p outside [0, 1].
    """
    p = _probability("bit_flip", p)
    return _mixture("bit_flip", p, ((1 - p, _I), (p, _X)))


def phase_flip(p: float) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,Z\rho Z`.

    Raises:
        UsageError: p outside [0, 1].
    """
    p = _probability("phase_flip", p)
    return _mixture("phase_flip", p, ((1 - p, _I), (p, _Z)))


def amplitude_damping(gamma: float) -> Channel:
    r"""Decay of 1 to 0 with probability γ: :math:`K_0 = \mathrm{diag}(1, \sqrt{1-\gamma})`, `K_1 = √γ |0⟩⟨1|`.

    Raises:
        UsageError: gamma outside [0, 1].
    """
    gamma = _probability("amplitude_damping", gamma)
    kept, lost = math.sqrt(1 - gamma), math.sqrt(gamma)
    return _channel(f"amplitude_damping({gamma:g})", [((1, 0), (0, kept)), ((0, lost), (0, 0))])


def phase_damping(gamma: float) -> Channel:
    r"""Loss of phase: off-diagonal entries shrink to :math:`\sqrt{1-\gamma}` of themselves.

    With :math:`\gamma = 1 - e^{-\sigma^2}` after a gate `RZ(x)` it is the average over `x + σ·g` with standard normal
    `g` (arXiv:2408.01200).

    Raises:
        UsageError: gamma outside [0, 1].
    """
    gamma = _probability("phase_damping", gamma)
    kept, lost = math.sqrt(1 - gamma), math.sqrt(gamma)
    return _channel(f"phase_damping({gamma:g})", [((1, 0), (0, kept)), ((0, 0), (0, lost))])


def after_every_gate(circuit: Circuit, channel: Channel) -> tuple[Placed, ...]:
    """A one-qubit channel on every qubit of every gate, right after it.

    Raises:
        UsageError: a channel on several qubits.

    Example:
        >>> placed = after_every_gate(Circuit(2).add("H", 0).add("CNOT", (0, 1)), bit_flip(0.1))
        >>> [(p.after, p.qubits) for p in placed]
        [(0, (0,)), (1, (0,)), (1, (1,))]
    """
    return tuple(
        Placed(after=index, qubits=(qubit,), channel=channel)
        for index, gate in enumerate(circuit.gates)
        for qubit in gate.qubits
    )


def _probability(name: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"the strength of {name} is {value}; it is a probability, allowed: 0 to 1.")
    return float(value)


def _mixture(name: str, strength: float, parts: tuple[tuple[float, tuple], ...]) -> Channel:
    """A random unitary channel: (probability, unitary) pairs; those of probability 0 are left out."""
    scaled = [
        [[math.sqrt(weight) * entry for entry in row] for row in unitary] for weight, unitary in parts if weight > 0
    ]
    return _channel(f"{name}({strength:g})", scaled)


def _channel(name: str, operators: list) -> Channel:
    return Channel(name, torch.tensor(operators, dtype=torch.complex128))
