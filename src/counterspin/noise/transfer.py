"""Inverses, real powers and Pauli twirls of channels, computed on their Pauli transfer matrices."""

from __future__ import annotations

import math
from typing import overload

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, UsageError
from counterspin.noise.channels import pauli_channel
from counterspin.noise.kraus import Channel
from counterspin.noise.linear_map import TransferMap
from counterspin.noise.matrix_power import real_power
from counterspin.noise.pauli import commutation_signs, pauli_words
from counterspin.noise.representations import is_completely_positive, transfer_to_kraus

__all__ = ["TransferMap", "inverse", "power", "twirled"]

# The largest factor by which an inverse may blow up expectation values.
_LARGEST_INVERSE = 1e8
_TWIRLED_QUBITS = 2


def inverse(channel: Channel | TransferMap) -> TransferMap:
    """The map that undoes a channel: trace-preserving, but positive only for unitary channels.

    Raises:
        ConditionsError: a channel that loses information for good, as full depolarising does.

    Example:
        >>> from counterspin.noise.channels import phase_flip
        >>> inverse(phase_flip(0.25)).transfer.diagonal().round(decimals=12).tolist()
        [1.0, 2.0, 2.0, 1.0]
    """
    smallest = float(torch.linalg.svdvals(channel.transfer)[-1])
    if smallest * _LARGEST_INVERSE < 1:
        raise ConditionsError(
            f"channel {channel.name} has no usable inverse: it shrinks some observable to {smallest:.3g} of itself; "
            "cancel a weaker channel, or mitigate by another method."
        )
    return TransferMap(f"inverse of {channel.name}", _trace_preserving(torch.linalg.inv(channel.transfer)))


@overload
def power(channel: Channel, factor: float) -> Channel: ...
@overload
def power(channel: TransferMap, factor: float) -> TransferMap: ...
def power(channel: Channel | TransferMap, factor: float) -> Channel | TransferMap:
    """The channel `factor` times in a row, for real factors by the principal power of its transfer matrix.

    Noise that a Lindblad equation makes (depolarising, damping, dephasing, thermal relaxation, rotations) has every
    power; other channels have the whole ones.

    Args:
        channel: what is to be repeated. A channel gives a channel, a `TransferMap` a `TransferMap`.
        factor: 0 or more; 1 is the channel itself, 0 no noise.

    Raises:
        UsageError: a factor below 0 or not finite.
        ConditionsError: that power of the channel is no channel.

    Example:
        >>> from counterspin.noise.channels import amplitude_damping
        >>> round(power(amplitude_damping(0.19), 0.5).transfer[3, 3].item(), 12)
        0.9
    """
    if not (math.isfinite(factor) and factor >= 0):
        raise UsageError(
            f"factor is {factor}; give a finite number of at least 0 (what undoes a channel is `inverse`)."
        )
    if factor == 1:
        return channel
    transfer = real_power(channel.transfer, factor)
    if transfer is None:
        raise _no_power(channel, factor, "its transfer matrix has no real one")
    transfer = _trace_preserving(transfer)
    name = f"{channel.name}^{factor:g}"
    if isinstance(channel, TransferMap):
        return TransferMap(name, transfer)
    if not is_completely_positive(transfer):
        raise _no_power(channel, factor, "it is not completely positive")
    return Channel(name, transfer_to_kraus(transfer))


def twirled(channel: Channel) -> Channel:
    """The Pauli channel left when random Paulis surround a channel: its transfer matrix without what is off-diagonal.

    Raises:
        UsageError: more than 2 qubits.

    Example:
        >>> from counterspin.noise.channels import overrotation
        >>> round(twirled(overrotation("X", 0.2)).transfer[2, 2].item() - math.cos(0.2), 12)
        0.0
    """
    if channel.qubits > _TWIRLED_QUBITS:
        raise UsageError(f"channel {channel.name} acts on {channel.qubits} qubits; twirling takes 1 or 2.")
    weights = commutation_signs(channel.qubits) @ channel.transfer.diagonal() / 4**channel.qubits
    words = pauli_words(channel.qubits)
    twirl = pauli_channel({word: max(0.0, float(w)) for word, w in zip(words[1:], weights[1:], strict=True)})
    return Channel(f"twirled {channel.name}", twirl.operators)


def _trace_preserving(transfer: Tensor) -> Tensor:
    """The matrix with the rounding of its first row taken away, which an inverse of weak signals magnifies."""
    first = torch.eye(len(transfer), dtype=transfer.dtype)[:1]
    return torch.cat([first, transfer[1:]])


def _no_power(channel: Channel | TransferMap, factor: float, why: str) -> ConditionsError:
    return ConditionsError(
        f"the power {factor:g} of {channel.name} is no channel: {why}; take a whole factor, or twirl the channel first."
    )
