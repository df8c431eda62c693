"""A circuit under noise in one line, as its classifier is printed."""

from __future__ import annotations

from collections.abc import Sequence

from counterspin.circuits import Circuit, Measurement
from counterspin.mitigation.base import Mitigation
from counterspin.mitigation.description import described
from counterspin.noise import NoiseModel, Placed

__all__ = ["noisy_words"]

# Channels whose places are printed.
_SHOWN = 16


def noisy_words(
    circuit: Circuit,
    noise: NoiseModel,
    channels: Sequence[Placed],
    measurement: Measurement,
    mitigation: Mitigation | None,
    *,
    simulated_preparation: bool,
) -> str:
    """Everything that tells two noisy models of one circuit apart, separated by commas.

    Example:
        >>> from counterspin.circuits import PauliExpectations
        >>> noise = NoiseModel(global_depolarizing=0.1)
        >>> noisy_words(Circuit(1), noise, (), PauliExpectations.of("Z0"), None, simulated_preparation=False)
        'global depolarizing 0.1'
    """
    parts = [f"{p.channel.name} after gate {p.after} on {p.qubits}" for p in channels[:_SHOWN]]
    rest = len(channels) - len(parts)
    parts += [f"{rest} more channels"] * bool(rest)
    if noise.global_depolarizing:
        parts.append(f"global depolarizing {noise.global_depolarizing:g}")
    if (errors := noise.readout_errors(circuit.qubits)) is not None:
        parts.append(f"readout flips {errors.flips}")
    if simulated_preparation:
        parts.append("preparation simulated")
    if mitigation is not None:
        parts.append("mitigation " + described(mitigation, circuit, noise, measurement.values))
    return ", ".join(parts)
