"""Probabilistic error cancellation (Temme et al., arXiv:1612.02058; Endo et al., arXiv:1712.09271)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Variant
from counterspin.mitigation.places import at_places, with_places
from counterspin.mitigation.quasiprobability import pauli_operations, quasi_probability
from counterspin.noise import NoiseModel, Placed
from counterspin.noise.transfer import inverse
from counterspin.simulation.transfer import TRANSFER_QUBITS

__all__ = ["PEC"]


@dataclass(frozen=True, kw_only=True)
class PEC:
    r"""Every channel of the noise model undone on average, by circuits drawn from quasi-probabilities.

    The model must know the noise; what it does not know stays, and so do readout errors. The operations drawn act right
    behind the channels and are ideal (on a device they merge into neighbouring gates).

    Args:
        samples: circuits drawn, shared by all samples of a batch; None: the limit of infinitely many, in which the
            inverse map acts behind each channel.
        limit: largest sampling overhead :math:`\gamma^2` that is accepted.
        seed: of the draw; equal seeds give equal circuits.

    Raises:
        UsageError: no samples, or a limit below 1.

    Example:
        >>> from counterspin.noise import depolarizing
        >>> circuit = Circuit(1).add("X", 0)
        >>> noise = NoiseModel(placed=(Placed(after=0, qubits=(0,), channel=depolarizing(0.1)),))
        >>> round(PEC().one_norm(circuit, noise), 6)
        1.166667
    """

    samples: int | None = None
    limit: float = 1e4
    seed: int = 0

    linear = True

    def __post_init__(self) -> None:
        """Refuse empty draws."""
        if self.samples is not None and self.samples < 1:
            raise UsageError(f"samples is {self.samples}; draw at least 1 circuit, or None for the exact limit.")
        if not self.limit >= 1.0:
            raise UsageError(f"limit is {self.limit}; the overhead of any noise is at least 1.")

    @property
    def name(self) -> str:
        """`pec`, or for example `pec (100 circuits)`."""
        return "pec" if self.samples is None else f"pec ({self.samples} circuits)"

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """One variant with inverse maps, or as many as are drawn, weighted by γ and their signs.

        Raises:
            ConditionsError: a channel without inverse, an overhead beyond the limit, or the limit of infinitely many
                circuits on more than 8 qubits.
        """
        one_norm = self.one_norm(circuit, noise)
        if one_norm**2 > self.limit:
            raise ConditionsError(
                f"probabilistic error cancellation of this noise multiplies the shots by γ² = {one_norm**2:.3g}, "
                f"beyond the limit of {self.limit:g}; use a shallower circuit, weaker noise, zero-noise extrapolation, "
                "or a higher limit."
            )
        written = replace(at_places(noise, circuit), global_depolarizing=0.0)
        if self.samples is None and written.placed and circuit.qubits > TRANSFER_QUBITS:
            raise ConditionsError(
                f"samples is None and the circuit has {circuit.qubits} qubits; inverse maps are simulated up to "
                f"{TRANSFER_QUBITS}, so draw circuits (samples=100, for example)."
            )
        if self.samples is None:
            undone = [
                placed
                for channel in written.placed
                for placed in (channel, replace(channel, channel=inverse(channel.channel)))
            ]
            return (Variant(circuit=circuit, noise=with_places(written, undone)),)
        return tuple(self._drawn(circuit, noise, written, one_norm))

    def combine(self, values: Tensor) -> Tensor:
        """The sum of `values` `(circuits, batch, values)`, whose weights they carry; may leave their range."""
        return values.sum(0)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The sum over variants."""
        identity = torch.eye(values, dtype=torch.float64)
        return identity.expand(variants, -1, -1), torch.zeros(values, dtype=torch.float64)

    def one_norm(self, circuit: Circuit, noise: NoiseModel) -> float:
        """γ of the whole circuit, the product over its channels."""
        written = at_places(noise, circuit)
        channels = math.prod(quasi_probability(placed.channel).one_norm for placed in written.placed)
        identity, other = _global_inverse(noise.global_depolarizing, circuit.qubits)
        return channels * (identity - other)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        r""":math:`\gamma^2`."""
        return self.one_norm(circuit, noise) ** 2

    def shares(self, circuit: Circuit, noise: NoiseModel) -> int:
        r"""The circuits that are drawn; the limit of infinitely many gets :math:`1/\gamma^2` of the shots."""
        return round(self.shot_factor(circuit, noise)) if self.samples is None else self.samples

    def _drawn(self, circuit: Circuit, noise: NoiseModel, written: NoiseModel, one_norm: float) -> Iterator[Variant]:
        samples, generator = self.samples or 0, torch.Generator().manual_seed(self.seed)
        signs = torch.ones(samples, dtype=torch.float64)
        lists: list[list[Placed]] = [[] for _ in range(samples)]
        for placed in written.placed:
            mixture = quasi_probability(placed.channel)
            chosen = torch.multinomial(mixture.coefficients.abs(), samples, replacement=True, generator=generator)
            signs *= mixture.coefficients[chosen].sign()
            for channels, choice in zip(lists, chosen.tolist(), strict=True):
                channels.append(placed)
                for positions, operation in mixture.operations[choice]:
                    qubits = tuple(placed.qubits[position] for position in positions)
                    channels.append(Placed(after=placed.after, qubits=qubits, channel=operation))
        words, word_signs = _global_draws(noise.global_depolarizing, circuit.qubits, samples, generator)
        signs *= word_signs
        # Behind the last channels: global depolarising acts before the measurement and commutes with Paulis.
        last = len(circuit.gates) - 1
        for channels, word, sign in zip(lists, words.tolist(), signs.tolist(), strict=True):
            for qubit, letter in enumerate(word):
                operation = pauli_operations()[letter]
                if operation is not None:
                    channels.append(Placed(after=last, qubits=(qubit,), channel=operation))
            model = replace(with_places(written, channels), global_depolarizing=noise.global_depolarizing)
            yield Variant(circuit=circuit, noise=model, coefficient=one_norm * sign / samples)


def _global_inverse(strength: float, qubits: int) -> tuple[float, float]:
    """Coefficient of the identity, and of all other Pauli words together, in the inverse of global depolarising.

    Raises:
        ConditionsError: nothing is left to restore.
    """
    if strength >= 1.0:
        raise ConditionsError(
            "global_depolarizing is 1, which leaves nothing of the state; only weaker noise can be cancelled."
        )
    other = (1 - 4.0**-qubits) * (1 - 1 / (1 - strength))
    return 1 - other, other


def _global_draws(strength: float, qubits: int, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pauli words `(samples, qubits)`, letters 0 to 3, and their signs `(samples,)`."""
    identity, other = _global_inverse(strength, qubits)
    hit = torch.rand(samples, generator=generator, dtype=torch.float64) * (identity - other) < -other
    # The first letter other than I decides nothing: words are drawn until none of those that are hit is the identity.
    words = torch.randint(4, (samples, qubits), generator=generator)
    while bool((empty := hit & (words == 0).all(1)).any()):
        words[empty] = torch.randint(4, (int(empty.sum()), qubits), generator=generator)
    return words * hit[:, None], 1.0 - 2.0 * hit.double()
