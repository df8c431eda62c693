"""What amplitude encoding of a tape does with the features: nothing, padding, or anything else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits import Amplitudes
from counterspin.optimum import AffineMap

__all__ = ["Encoding", "encoding_of", "state_inputs"]

_EQUAL = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """How encoded states come from features.

    Args:
        amplitudes: what the circuit encodes.
        front: features -> the circuit's amplitude inputs: an affine map; None: the first features as they are.
        known: whether `front` says it all; False: the states have to be recorded for each batch.
    """

    amplitudes: Amplitudes
    front: AffineMap | None
    known: bool


def encoding_of(x: Tensor, states: Tensor) -> Encoding:
    """Recognise the encoding from some features and the states they became.

    A state is the features divided by a norm, padded with zeros (the leading amplitudes are the features themselves),
    or padded with a constant before the division (an affine map of the features).

    Args:
        x: features `(samples, features)` float64, no two rows parallel.
        states: normalised states `(samples, 2**k)` real or complex.
    """
    features, length = x.shape[1], states.shape[1]
    if states.is_complex() and bool(states.imag.abs().max() > _EQUAL):
        half = features // 2
        if features == 2 * half and half <= length:
            data = torch.complex(x[:, :half], x[:, half:])
            rest = _padding(data, states)
            if rest is not None and not bool(rest.abs().max() > _EQUAL if rest.numel() else False):
                return Encoding(amplitudes=Amplitudes(half, complex_data=True), front=None, known=True)
        return Encoding(amplitudes=Amplitudes(length, complex_data=True), front=None, known=False)
    states = states.real if states.is_complex() else states
    for taken in range(min(features, length), 0, -1):
        # Most encodings take all features, some only the leading ones.
        rest = _padding(x[:, :taken], states)
        if rest is None:
            continue
        if not rest.numel() or bool(rest.abs().max() <= _EQUAL):
            return Encoding(amplitudes=Amplitudes(taken), front=None, known=True)
        if bool((rest.amax(0) - rest.amin(0)).max() <= _EQUAL * max(1.0, float(rest.abs().max()))):
            weight = torch.zeros(length, features, dtype=torch.float64)
            weight[:taken, :taken] = torch.eye(taken, dtype=torch.float64)
            bias = torch.cat([torch.zeros(taken, dtype=torch.float64), rest.mean(0)])
            return Encoding(amplitudes=Amplitudes(length), front=AffineMap(weight, bias), known=True)
    return Encoding(amplitudes=Amplitudes(length), front=None, known=False)


def state_inputs(states: Tensor, amplitudes: Amplitudes) -> Tensor:
    """Recorded states as circuit inputs: the amplitudes, or real parts followed by imaginary parts."""
    if amplitudes.complex_data:
        return torch.cat([states.real, states.imag if states.is_complex() else torch.zeros_like(states)], dim=1)
    return states.real if states.is_complex() else states


def _padding(data: Tensor, states: Tensor) -> Tensor | None:
    """What follows the data in the states, in units of the data; None if the states do not begin with the data."""
    taken = data.shape[1]
    head, rest = states[:, :taken].to(data.dtype), states[:, taken:].to(data.dtype)
    # The norm that was divided by, from the leading amplitudes alone.
    norm = (head.conj() * data).sum(1, keepdim=True).real / head.abs().square().sum(1, keepdim=True)
    if not bool(torch.isfinite(norm).all()) or not torch.allclose(norm * head, data, rtol=0, atol=_EQUAL):
        return None
    return norm * rest
