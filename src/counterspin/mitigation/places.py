"""A noise model written out: every channel at its place in one circuit, which mitigations then move, copy or undo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from counterspin.circuits import Circuit
from counterspin.noise import NoiseModel, Placed

__all__ = ["at_places", "by_gate", "gate_places", "with_places"]


def with_places(noise: NoiseModel, placed: Iterable[Placed]) -> NoiseModel:
    """The model with these channels in place of all that it puts between gates; global and readout noise stay."""
    return replace(noise, rules=(), qubit_depolarizing=0.0, layer_channels=(), idle=None, placed=tuple(placed))


def at_places(noise: NoiseModel, circuit: Circuit) -> NoiseModel:
    """The same noise of this circuit without rules, so that gates added behind it are ideal."""
    return with_places(noise, noise.place(circuit))


def gate_places(noise: NoiseModel, circuit: Circuit) -> dict[int, tuple[Placed, ...]]:
    """All channels but those of waiting qubits, by the gate they act after."""
    return by_gate(replace(noise, idle=None).place(circuit))


def by_gate(placed: Iterable[Placed]) -> dict[int, tuple[Placed, ...]]:
    """Channels by the gate they act after, in order; -1: those on the prepared state."""
    groups: dict[int, list[Placed]] = {}
    for channel in placed:
        groups.setdefault(channel.after, []).append(channel)
    return {after: tuple(group) for after, group in groups.items()}
