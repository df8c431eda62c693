"""Noise written on one line, as on a command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from counterspin.errors import UsageError
from counterspin.noise.channels import (
    amplitude_damping,
    bit_flip,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    phase_damping,
    phase_flip,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.kraus import Channel
from counterspin.noise.model import NoiseModel
from counterspin.noise.rules import GateRule

__all__ = ["parse"]

_GRAMMAR = (
    "write it like 'depolarizing:0.01', 'amplitude_damping:0.02/gate', 'phase_flip:0.01/layer', 'readout:0.01,0.02' or "
    "several of them joined by '+'"
)


@dataclass(frozen=True, kw_only=True)
class _Kind:
    make: Callable[..., Channel]
    numbers: int
    targets: str = "each"


_KINDS = {
    "depolarizing": _Kind(make=depolarizing, numbers=1),
    "amplitude_damping": _Kind(make=amplitude_damping, numbers=1),
    "generalized_amplitude_damping": _Kind(make=generalized_amplitude_damping, numbers=2),
    "phase_damping": _Kind(make=phase_damping, numbers=1),
    "thermal_relaxation": _Kind(make=thermal_relaxation, numbers=3),
    "bit_flip": _Kind(make=bit_flip, numbers=1),
    "phase_flip": _Kind(make=phase_flip, numbers=1),
    "overrotation": _Kind(make=lambda angle: overrotation("X", angle), numbers=1),
    "zz_crosstalk": _Kind(make=zz_crosstalk, numbers=1, targets="gate"),
}


def parse(text: str) -> NoiseModel:
    """The noise model that a line of text describes.

    * `depolarizing:0.01`: global depolarising before the measurement.
    * `NAME:NUMBERS/gate`: a channel on every qubit of every gate, right after it: depolarizing, amplitude_damping,
      phase_damping, bit_flip, phase_flip, overrotation (radians about x), generalized_amplitude_damping (γ, excited
      population), thermal_relaxation (T1, T2, time in seconds); zz_crosstalk (radians) on the two qubits of every
      two-qubit gate.
    * `NAME:NUMBERS/layer`: the same on every qubit after every layer (not zz_crosstalk).
    * `readout:0.01,0.02`: P(read 1 | 0) and P(read 0 | 1) of every qubit; one number: both.
    * several of them joined by `+`, acting in this order.

    Raises:
        UsageError: another text, or numbers outside their range.

    Example:
        >>> noise = parse("depolarizing:0.1 + bit_flip:0.02/gate + readout:0.01,0.03")
        >>> noise.global_depolarizing, noise.rules[0].channel.name, noise.readout_flips
        (0.1, 'bit_flip(0.02)', (0.01, 0.03))
    """
    noise = NoiseModel()
    for part in text.split("+"):
        name, colon, rest = part.strip().partition(":")
        written, slash, place = rest.partition("/")
        if not colon or (slash and place.strip() not in ("gate", "layer")):
            raise UsageError(f"noise {text!r} is not readable at {part.strip()!r}; {_GRAMMAR}.")
        noise = _with(noise, text, name.strip(), _numbers(written, text), place.strip())
    return noise


def _with(noise: NoiseModel, text: str, name: str, numbers: list[float], place: str) -> NoiseModel:
    """The model with one more part."""
    if name == "readout" and len(numbers) in (1, 2) and not place:
        if noise.readout_flips != (0.0, 0.0):
            raise UsageError(f"noise {text!r} names readout twice; name it once.")
        return replace(noise, readout_flips=(numbers[0], numbers[-1]))
    if name not in _KINDS:
        known = ", ".join((*_KINDS, "readout"))
        if name != "readout":
            raise UsageError(f"noise {text!r} names {name!r}, which is unknown; known: {known}.")
        raise UsageError(
            f"noise {text!r} is not readable at 'readout'; write readout:P,Q with the probabilities to read 1 where "
            "the qubit is 0, and 0 where it is 1, or readout:P for both."
        )
    kind = _KINDS[name]
    if len(numbers) != kind.numbers:
        raise UsageError(f"noise {text!r} gives {name} {len(numbers)} numbers; it takes {kind.numbers}.")
    if not place:
        if name != "depolarizing":
            raise UsageError(f"noise {text!r} does not say where {name} acts; append /gate or /layer.")
        if noise.global_depolarizing:
            raise UsageError(f"noise {text!r} names global depolarizing twice; name it once.")
        return replace(noise, global_depolarizing=numbers[0])
    channel = kind.make(*numbers)
    if place == "gate":
        return replace(noise, rules=(*noise.rules, GateRule(channel=channel, targets=kind.targets)))
    if name == "depolarizing" and not noise.qubit_depolarizing and not noise.layer_channels:
        return replace(noise, qubit_depolarizing=numbers[0])
    if channel.qubits > 1:
        raise UsageError(f"noise {text!r} puts {name}, a channel on two qubits, on each qubit; write /gate.")
    return replace(noise, layer_channels=(*noise.layer_channels, channel))


def _numbers(written: str, text: str) -> list[float]:
    try:
        numbers = [float(number) for number in written.split(",")]
    except ValueError:
        numbers = [math.nan]
    if any(math.isnan(number) for number in numbers):
        raise UsageError(f"noise {text!r} has no numbers in {written.strip()!r}; {_GRAMMAR}.")
    return numbers
