"""From what a vendor's calibration says to a snapshot: broken gates out, unphysical times clipped, all of it named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from counterspin.noise.devices.snapshot import (
    ENTANGLERS,
    GateCalibration,
    QubitCalibration,
    Snapshot,
    clipped_note,
    named,
    worthless,
)

__all__ = ["RawGates", "assemble"]

RawGates = Mapping[tuple[str, tuple[int, ...]], tuple[float | None, float | None]]


def assemble(
    *,
    name: str,
    vendor: str,
    date: str,
    qubits: Sequence[QubitCalibration],
    gates: RawGates,
    basis: Iterable[str],
    coupled: Iterable[tuple[int, int]] = (),
    assumptions: Iterable[str] = (),
) -> Snapshot:
    """A snapshot of what was read, with everything that was mended or left out named in its holes.

    * A gate whose error reaches that of full depolarisation (vendors write 1), or whose error or length is not known,
      is left out.
    * T2 above 2 T1 is clipped to 2 T1: the estimates are noisy, and no channel has such times.
    * A virtual RZ (no error, no duration) is added to every qubit.
    * Where X has no calibration, it is taken to be SX's.

    Args:
        name: what the snapshot is asked for by.
        vendor: whose device it is.
        date: ISO 8601.
        qubits: as read.
        gates: error and length in seconds by kind and qubits; None: not known.
        basis: native kinds.
        coupled: pairs the vendor calls coupled, to name those without a gate.
        assumptions: what the reader had to assume of the whole device.
    """
    kept = {place: _calibrated(place, values) for place, values in gates.items()}
    working = {place: gate for place, gate in kept.items() if gate is not None}
    clipped = tuple(index for index, qubit in enumerate(qubits) if _too_coherent(qubit))
    kinds = tuple(dict.fromkeys((*basis, "RZ", "X")))
    assumed = list(assumptions)
    lacking = [q for q in range(len(qubits)) if ("SX", (q,)) in working and ("X", (q,)) not in gates]
    if lacking:
        working |= {("X", (q,)): working["SX", (q,)] for q in lacking}
        assumed.append("X has no calibration of its own: it is taken to err and last as SX does.")
    working |= {("RZ", (q,)): GateCalibration(error=0.0, length=0.0) for q in range(len(qubits))}
    return Snapshot(
        name=name,
        vendor=vendor,
        date=date,
        qubits=tuple(_physical(qubit) if _too_coherent(qubit) else qubit for qubit in qubits),
        gates=working,
        basis=kinds,
        assumptions=tuple(assumed),
        clipped=clipped,
        holes=(
            *assumed,
            *_qubit_notes(qubits, clipped),
            *_gate_notes(gates, kept, kinds),
            *_uncoupled(gates, coupled),
        ),
    )


def _calibrated(
    place: tuple[str, tuple[int, ...]], values: tuple[float | None, float | None]
) -> GateCalibration | None:
    error, length = values
    if error is None or length is None or not math.isfinite(error) or not math.isfinite(length):
        return None
    if worthless(error, len(place[1])) or error < 0 or length < 0:
        return None
    return GateCalibration(error=error, length=length)


def _too_coherent(qubit: QubitCalibration) -> bool:
    return qubit.t1 is not None and qubit.t2 is not None and qubit.t2 > 2 * qubit.t1


def _physical(qubit: QubitCalibration) -> QubitCalibration:
    return replace(qubit, t2=2 * qubit.t1) if qubit.t1 is not None else qubit


def _qubit_notes(qubits: Sequence[QubitCalibration], clipped: Sequence[int]) -> list[str]:
    """What is missing or impossible about the qubits."""
    notes = []
    unknown = [index for index, qubit in enumerate(qubits) if qubit.t1 is None or qubit.t2 is None]
    if unknown:
        notes.append(f"T1 or T2 of {named('qubit', unknown)} is missing: left out.")
    unread = [index for index, qubit in enumerate(qubits) if qubit.readout is None]
    if unread:
        notes.append(f"The readout error of {named('qubit', unread)} is missing: left out.")
    useless = [index for index, qubit in enumerate(qubits) if qubit.readout is not None and sum(qubit.readout) >= 1]
    if useless:
        notes.append(f"A reading of {named('qubit', useless)} says nothing about it: left out.")
    if clipped:
        notes.append(clipped_note(clipped))
    return notes


def _gate_notes(
    gates: RawGates, kept: Mapping[tuple[str, tuple[int, ...]], GateCalibration | None], basis: tuple[str, ...]
) -> list[str]:
    """Which native gates are broken or without calibration."""
    broken: dict[str, dict[str, None]] = {}
    unknown: dict[str, dict[str, None]] = {}
    for (kind, qubits), gate in kept.items():
        if gate is None and kind in basis:
            one_way = kept.get((kind, qubits[::-1])) is not None
            places = (unknown if None in gates[kind, qubits] else broken).setdefault(kind, {})
            places["→".join(map(str, qubits)) if one_way else "-".join(map(str, sorted(qubits)))] = None
    notes = [f"{kind} is broken on {', '.join(places)}: left out." for kind, places in broken.items()]
    return notes + [f"{kind} has no calibration on {', '.join(places)}: left out." for kind, places in unknown.items()]


def _uncoupled(gates: RawGates, coupled: Iterable[tuple[int, int]]) -> list[str]:
    """Pairs that are called coupled and have no entangler."""
    having = {frozenset(qubits) for kind, qubits in gates if kind in ENTANGLERS}
    lacking = sorted({(min(pair), max(pair)) for pair in coupled if frozenset(pair) not in having})
    if not lacking:
        return []
    places = [f"{a}-{b}" for a, b in lacking]
    return [f"The coupled {named('pair', places)} {'have' if len(places) > 1 else 'has'} no two-qubit gate: left out."]
