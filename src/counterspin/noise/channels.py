"""The textbook channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.pauli import pauli_operators, pauli_words

__all__ = [
    "after_every_gate",
    "amplitude_damping",
    "bit_flip",
    "depolarizing",
    "generalized_amplitude_damping",
    "overrotation",
    "pauli_channel",
    "phase_damping",
    "phase_flip",
    "thermal_relaxation",
    "zz_crosstalk",
]

_MIXED_QUBITS = 2
# Probabilities may sum to 1, and T2 reach 2 T1, up to rounding.
_ROUNDING = 1e-12


def depolarizing(p: float, qubits: int = 1) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,1/2^k`: each of the 4^k Pauli words with probability `p / 4^k`.

    Some tools call the chance of an error, 3p/4 on one qubit and 15p/16 on two, the strength.

    Args:
        p: strength.
        qubits: 1 or 2.

    Raises:
        UsageError: p outside [0, 1], or another number of qubits.

    Example:
        >>> depolarizing(0.1).operators.shape
        torch.Size([4, 2, 2])
    """
    p = _probability("depolarizing", p)
    if qubits not in range(1, _MIXED_QUBITS + 1):
        raise UsageError(f"depolarizing got qubits {qubits}; it acts on 1 or 2: place one channel on each qubit.")
    share = p / 4**qubits
    name = f"depolarizing({p:g})" if qubits == 1 else f"depolarizing({p:g}, {qubits} qubits)"
    return _mixture(name, [1 - p + share] + [share] * (4**qubits - 1))


def bit_flip(p: float) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,X\rho X`.

    Raises:
        UsageError: p outside [0, 1].
    """
    p = _probability("bit_flip", p)
    return _mixture(f"bit_flip({p:g})", [1 - p, p, 0, 0])


def phase_flip(p: float) -> Channel:
    r""":math:`\rho \mapsto (1-p)\rho + p\,Z\rho Z`.

    Raises:
        UsageError: p outside [0, 1].
    """
    p = _probability("phase_flip", p)
    return _mixture(f"phase_flip({p:g})", [1 - p, 0, 0, p])


def pauli_channel(probabilities: Sequence[float] | Mapping[str, float]) -> Channel:
    """Random Pauli words.

    Args:
        probabilities: those of X, Y and Z on one qubit, or by word, `{"XI": 0.01, "ZZ": 0.002}`: the first letter is
            the channel's most significant qubit, words left out have probability 0. What is missing to 1 is the
            identity's.

    Raises:
        UsageError: probabilities outside [0, 1] or of a sum other than allowed, words that are none or of different
            lengths.

    Example:
        >>> pauli_channel((0.01, 0.0, 0.02)).name
        'pauli_channel(X 0.01, Z 0.02)'
    """
    if not isinstance(probabilities, Mapping):
        if len(probabilities) != 3:
            raise UsageError(
                f"pauli_channel got {len(probabilities)} probabilities; give those of X, Y, Z, or a mapping of words."
            )
        probabilities = dict(zip("XYZ", probabilities, strict=True))
    lengths = {len(word) for word in probabilities}
    if len(lengths) != 1 or not set("".join(probabilities)) <= set("IXYZ") or not 1 <= max(lengths) <= 8:
        raise UsageError(
            f"pauli_channel got the words {', '.join(probabilities) or 'none'}; give words of the letters I, X, Y, Z, "
            "all of one length from 1 to 8."
        )
    given = {word: _probability(f"pauli_channel at {word}", p) for word, p in probabilities.items()}
    identity = "I" * lengths.pop()
    errors = math.fsum(p for word, p in given.items() if word != identity)
    kept = given.get(identity, max(0.0, 1 - errors))
    if abs(errors + kept - 1) > _ROUNDING:
        raise UsageError(
            f"the probabilities of pauli_channel sum to {errors + kept:.6g}; with the identity's they sum to 1: lower "
            f"them, or leave {identity} out."
        )
    words = pauli_words(len(identity))
    weights = [given.get(word, 0.0) for word in words]
    weights[0] = max(0.0, 1 - errors)
    said = ", ".join(f"{word} {p:g}" for word, p in given.items() if p and word != identity)
    return _mixture(f"pauli_channel({said})", weights)


def amplitude_damping(gamma: float) -> Channel:
    r"""Decay of 1 to 0 with probability γ: :math:`K_0 = \mathrm{diag}(1, \sqrt{1-\gamma})`, `K_1 = √γ |0⟩⟨1|`.

    Raises:
        UsageError: gamma outside [0, 1].
    """
    gamma = _probability("amplitude_damping", gamma)
    kept, lost = math.sqrt(1 - gamma), math.sqrt(gamma)
    return _channel(f"amplitude_damping({gamma:g})", [((1, 0), (0, kept)), ((0, lost), (0, 0))])


def generalized_amplitude_damping(gamma: float, excited: float) -> Channel:
    """Decay towards a warm equilibrium: with probability γ the qubit is exchanged for one that is 1 with `excited`.

    Args:
        gamma: strength.
        excited: population of 1 in equilibrium; 0 is `amplitude_damping`.

    Raises:
        UsageError: a value outside [0, 1].

    Example:
        >>> warm = generalized_amplitude_damping(1.0, 0.25)
        >>> round(warm.transfer[3, 0].item(), 12)
        0.5
    """
    gamma = _probability("generalized_amplitude_damping", gamma)
    excited = _probability("generalized_amplitude_damping (excited)", excited)
    name = f"generalized_amplitude_damping({gamma:g}, {excited:g})"
    return _relaxation(name, gamma * (1 - excited), gamma * excited, math.sqrt(1 - gamma))


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


def thermal_relaxation(t1: float, t2: float, time: float, excited: float = 0.0) -> Channel:
    r"""What a qubit suffers in `time` seconds by energy relaxation T1 and loss of coherence T2.

    The populations approach equilibrium as :math:`e^{-t/T_1}`, the off-diagonal entries shrink as
    :math:`e^{-t/T_2}`. It is a channel for :math:`T_2 \le 2 T_1`; for :math:`T_2 > T_1` it is no mixture of resets and
    phase flips, and the Kraus operators come from its Choi matrix, written out.

    Args:
        t1: relaxation time in seconds; `math.inf`: none.
        t2: coherence time in seconds; `math.inf`: none lost, where t1 is infinite too.
        time: seconds.
        excited: population of 1 in equilibrium.

    Raises:
        UsageError: times that are not positive, T2 above 2 T1, a population outside [0, 1].

    Example:
        >>> relaxed = thermal_relaxation(100e-6, 150e-6, 1e-6)
        >>> relaxed.transfer[1, 1].item() == math.exp(-1 / 150)
        True
    """
    for name, value in (("t1", t1), ("t2", t2)):
        if not value > 0:
            raise UsageError(f"{name} of thermal_relaxation is {value}; give seconds above 0, or math.inf.")
    if not (math.isfinite(time) and time >= 0):
        raise UsageError(f"time of thermal_relaxation is {time}; give finite seconds, at least 0.")
    if t2 > 2 * t1 * (1 + _ROUNDING):
        raise UsageError(
            f"t2 is {t2:g} s and t1 is {t1:g} s: no qubit keeps coherence longer than 2 T1; lower t2 to {2 * t1:g} s."
        )
    excited = _probability("thermal_relaxation (excited)", excited)
    relaxed = -math.expm1(-time / t1)
    name = f"thermal_relaxation({t1:g}, {t2:g}, {time:g})"
    return _relaxation(name, relaxed * (1 - excited), relaxed * excited, math.exp(-time / t2))


def overrotation(axis: str, angle: float) -> Channel:
    r"""A coherent error: the rotation :math:`e^{-i\,\mathrm{angle}\,P/2}` about the axis X, Y or Z.

    Raises:
        UsageError: another axis, an angle that is not finite.
    """
    if axis.upper() not in ("X", "Y", "Z"):
        raise UsageError(f"axis of overrotation is {axis!r}; give 'X', 'Y' or 'Z'.")
    return _rotation(f"overrotation({axis.upper()}, {angle:g})", axis.upper(), angle)


def zz_crosstalk(angle: float) -> Channel:
    r"""A coherent coupling of two qubits: :math:`e^{-i\,\mathrm{angle}\,Z \otimes Z/2}`.

    Raises:
        UsageError: an angle that is not finite.
    """
    return _rotation(f"zz_crosstalk({angle:g})", "ZZ", angle)


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


def _mixture(name: str, weights: Sequence[float]) -> Channel:
    """A random Pauli word each, of the probabilities in the order of `pauli_words`; those of 0 are left out."""
    probabilities = torch.tensor(weights, dtype=torch.float64)
    words = pauli_operators((len(weights).bit_length() - 1) // 2)
    kept = probabilities > 0
    return Channel(name, probabilities[kept].sqrt()[:, None, None] * words[kept])


def _relaxation(name: str, down: float, up: float, coherence: float) -> Channel:
    """1 falls to 0 with probability `down`, 0 rises to 1 with `up`, off-diagonal entries shrink to `coherence`.

    The Choi matrix is |0⟩⟨1| and |1⟩⟨0| beside the block ((1 - up, coherence), (coherence, 1 - down)) of the diagonal
    Kraus operators, here factorised by Cholesky.
    """
    stays = 1 - up
    shared = coherence / math.sqrt(stays) if stays else 0.0
    alone = math.sqrt(max(0.0, 1 - down - shared**2))
    operators = [
        ((math.sqrt(stays), 0), (0, shared)),
        ((0, 0), (0, alone)),
        ((0, math.sqrt(down)), (0, 0)),
        ((0, 0), (math.sqrt(up), 0)),
    ]
    return _channel(name, [rows for rows in operators if any(entry for row in rows for entry in row)])


def _rotation(name: str, word: str, angle: float) -> Channel:
    if not math.isfinite(angle):
        raise UsageError(f"the angle of {name.partition('(')[0]} is {angle}; give finite radians.")
    operators = pauli_operators(len(word))
    unitary = math.cos(angle / 2) * operators[0] - 1j * math.sin(angle / 2) * operators[_index(word)]
    return Channel(name, unitary[None])


def _index(word: str) -> int:
    return pauli_words(len(word)).index(word)


def _channel(name: str, operators: list) -> Channel:
    return Channel(name, torch.tensor(operators, dtype=torch.complex128))
