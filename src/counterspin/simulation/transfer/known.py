"""Circuits with channels compiled once: an attack asks for the same one thousands of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from counterspin.circuits import Circuit, Measurement, OutcomeGroups, PauliExpectations
from counterspin.noise.kraus import Placed
from counterspin.simulation.measurement import Setting, settings
from counterspin.simulation.transfer.primitives import Primitives, primitives
from counterspin.simulation.transfer.program import TransferProgram, compiled
from counterspin.simulation.transfer.reads import Reads, distribution_reads, reads

__all__ = ["Known", "known"]


@dataclass(frozen=True, eq=False)
class Known:
    """What was found out about a circuit.

    Args:
        steps: for the torch engine.
        reads: what is read.
        program: for the kernel; None: it cannot run it.
    """

    steps: Primitives
    reads: Reads
    program: TransferProgram | None


class _Identity:
    """A tuple of channels as a key: hashing a hundred places would cost a tenth of a small circuit's time."""

    def __init__(self, value: tuple[Placed, ...]) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value


def known(
    circuit: Circuit,
    channels: Sequence[Placed],
    measured: Measurement | Sequence[Setting],
    *,
    whole: bool,
) -> Known:
    """The steps and the program of a circuit.

    Args:
        circuit: what is run.
        channels: what acts between its gates.
        measured: a measurement, or settings.
        whole: read the strings of whole outcome distributions, not the values alone.
    """
    chosen = measured if isinstance(measured, PauliExpectations | OutcomeGroups) else tuple(measured)
    return _by_identity(circuit, _Identity(tuple(channels)), chosen, whole)


@lru_cache(maxsize=256)
def _by_identity(
    circuit: Circuit, channels: _Identity, measured: Measurement | tuple[Setting, ...], whole: bool
) -> Known:
    return _by_value(circuit, channels.value, measured, whole)


@lru_cache(maxsize=64)
def _by_value(
    circuit: Circuit, channels: tuple[Placed, ...], measured: Measurement | tuple[Setting, ...], whole: bool
) -> Known:
    steps = primitives(circuit, channels)
    if whole:
        chosen = settings(measured, circuit.qubits) if not isinstance(measured, tuple) else measured
        found = distribution_reads(chosen, circuit.qubits)
    else:
        found = reads(measured, circuit.qubits)
    return Known(steps, found, compiled(circuit, steps, found))
