"""Pauli twirling of two-qubit Clifford gates (Wallman and Emerson, arXiv:1512.01098)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from counterspin.circuits import GATES, Circuit, Gate
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Variant
from counterspin.mitigation.places import by_gate, with_places
from counterspin.mitigation.quasiprobability import pauli_operations
from counterspin.noise import Channel, NoiseModel, Placed, compose, tensor, twirled
from counterspin.noise.pauli import pauli_operators

__all__ = ["Twirling", "twirled_gates", "word_behind"]

_IDENTITY = Channel("identity", torch.eye(2, dtype=torch.complex128)[None])


@dataclass(frozen=True, kw_only=True)
class Twirling:
    r"""Coherent errors of two-qubit Clifford gates turned into Pauli errors, which do not add up in phase.

    .. math:: \Lambda \mapsto \frac{1}{16} \sum_P \bar P\,\Lambda\,U P U^\dagger, \qquad \bar P = U P U^\dagger

    What acts right behind a gate on its two qubits is twirled, up to the first channel that couples them to others:
    random Paulis act before the gate, the Paulis that undo them behind its noise, both ideal (on a device they merge
    into neighbouring gates). The mean over Paulis removes nothing by itself; it makes noise that zero-noise
    extrapolation and error cancellation suit.

    Args:
        samples: circuits drawn, shared by all samples of a batch; None: the limit of infinitely many, in which every
            twirled channel is a Pauli channel.
        seed: of the draw; equal seeds give equal circuits.

    Raises:
        UsageError: no samples.

    Example:
        >>> from counterspin.noise import zz_crosstalk
        >>> error = Placed(after=0, qubits=(0, 1), channel=zz_crosstalk(0.2))
        >>> variants = Twirling().construct(Circuit(2).add("CZ", (0, 1)), NoiseModel(placed=(error,)))
        >>> variants[0].noise.placed[0].channel.name
        'twirled zz_crosstalk(0.2)'
    """

    samples: int | None = None
    seed: int = 0

    linear = True

    def __post_init__(self) -> None:
        """Refuse empty draws."""
        if self.samples is not None and self.samples < 1:
            raise UsageError(f"samples is {self.samples}; draw at least 1 circuit, or None for the exact limit.")

    @property
    def name(self) -> str:
        """`twirling`, or for example `twirling (100 circuits)`."""
        return "twirling" if self.samples is None else f"twirling ({self.samples} circuits)"

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """One variant with twirled channels, or as many as are drawn; a circuit without such gates stays as it is.

        Raises:
            ConditionsError: a map that is no channel is to be twirled.
        """
        if self.samples is None:
            return (Variant(circuit=circuit, noise=with_places(noise, _limit(circuit, noise))),)
        return tuple(
            Variant(circuit=circuit, noise=with_places(noise, placed))
            for placed in _draws(circuit, noise, self.samples, torch.Generator().manual_seed(self.seed))
        )

    def combine(self, values: Tensor) -> Tensor:
        """The mean of `values` `(circuits, batch, values)`."""
        return values.mean(0)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The mean over variants."""
        identity = torch.eye(values, dtype=torch.float64) / variants
        return identity.expand(variants, -1, -1), torch.zeros(values, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """1: the shots are shared out among the circuits."""
        return 1.0


def twirled_gates(circuit: Circuit) -> tuple[int, ...]:
    """Indices of the gates that are twirled: Clifford gates on two qubits without angles.

    Example:
        >>> twirled_gates(Circuit(2).add("H", 0).add("CNOT", (0, 1)).add("RZZ", (0, 1), 0.3))
        (1,)
    """
    return tuple(
        index
        for index, gate in enumerate(circuit.gates)
        if len(gate.qubits) == 2 and GATES[gate.kind].qubits == 2 and not gate.angles
    )


@lru_cache(maxsize=64)
def word_behind(kind: str, word: tuple[int, int]) -> tuple[int, int]:
    r"""The Pauli word :math:`U P U^\dagger` up to its sign, letters I, X, Y, Z as 0 to 3.

    Raises:
        ConditionsError: the gate takes a Pauli word to something else.

    Example:
        >>> word_behind("CNOT", (1, 0))
        (1, 1)
    """
    words = pauli_operators(2)
    unitary = GATES[kind].matrix(torch.zeros(0, dtype=torch.complex128))
    moved = unitary @ words[4 * word[0] + word[1]] @ unitary.mH
    overlaps = torch.einsum("pab,ba->p", words, moved).abs() / 4
    best = int(overlaps.argmax())
    if float(overlaps[best]) < 1 - 1e-9:
        raise ConditionsError(f"gate {kind} is no Clifford gate: it takes a Pauli word to a sum of several.")
    return divmod(best, 4)


def _own(gate: Gate, channels: tuple[Placed, ...]) -> int:
    """How many of the channels behind a gate are its own, before the first one that couples it to other qubits."""
    pair = set(gate.qubits)
    for count, placed in enumerate(channels):
        if not pair.issuperset(placed.qubits) and not pair.isdisjoint(placed.qubits):
            return count
    return len(channels)


def _limit(circuit: Circuit, noise: NoiseModel) -> Iterator[Placed]:
    channels, chosen = by_gate(noise.place(circuit)), set(twirled_gates(circuit))
    for index in range(-1, len(circuit.gates)):
        behind = channels.get(index, ())
        if index not in chosen:
            yield from behind
            continue
        gate = circuit.gates[index]
        own = _own(gate, behind)
        parts = [placed for placed in behind[:own] if set(placed.qubits) <= set(gate.qubits)]
        if parts:
            joined = compose(*(_on_pair(placed, gate.qubits) for placed in parts))
            if not isinstance(joined, Channel):
                raise ConditionsError(
                    f"what acts behind gate {gate} is no channel, so that it cannot be twirled; twirl before other "
                    "mitigations."
                )
            yield Placed(after=index, qubits=gate.qubits, channel=twirled(joined))
        yield from (placed for placed in behind[:own] if placed not in parts)
        yield from behind[own:]


def _on_pair(placed: Placed, pair: tuple[int, ...]) -> Channel:
    """The channel on both qubits of a gate, in its order."""
    channel = placed.channel
    if not isinstance(channel, Channel):
        raise ConditionsError(
            f"{channel.name} is no channel, so that it cannot be twirled; twirl before other mitigations."
        )
    if placed.qubits == pair:
        return channel
    if len(placed.qubits) == 2:
        axes = (0, 2, 1, 4, 3)
        swapped = channel.operators.reshape(-1, 2, 2, 2, 2).permute(axes).reshape(-1, 4, 4)
        return Channel(channel.name, swapped)
    return tensor(channel, _IDENTITY) if placed.qubits[0] == pair[0] else tensor(_IDENTITY, channel)


def _draws(circuit: Circuit, noise: NoiseModel, samples: int, generator: torch.Generator) -> Iterator[list[Placed]]:
    channels, chosen = by_gate(noise.place(circuit)), twirled_gates(circuit)
    words = torch.randint(4, (samples, len(chosen), 2), generator=generator).tolist()
    own = {index: _own(circuit.gates[index], channels.get(index, ())) for index in chosen}
    for drawn in words:
        before = {index: tuple(word) for index, word in zip(chosen, drawn, strict=True)}
        placed: list[Placed] = []
        for index in range(-1, len(circuit.gates)):
            behind = channels.get(index, ())
            if index in before:
                gate = circuit.gates[index]
                placed += behind[: own[index]]
                placed += _paulis(index, gate.qubits, word_behind(gate.kind, before[index]))
                behind = behind[own[index] :]
            placed += behind
            if index + 1 in before:
                placed += _paulis(index, circuit.gates[index + 1].qubits, before[index + 1])
        yield placed


def _paulis(after: int, qubits: tuple[int, ...], word: tuple[int, ...]) -> Iterator[Placed]:
    for qubit, letter in zip(qubits, word, strict=True):
        operation = pauli_operations()[letter]
        if operation is not None:
            yield Placed(after=after, qubits=(qubit,), channel=operation)
