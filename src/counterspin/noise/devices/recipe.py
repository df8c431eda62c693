r"""From a calibration to a noise model.

Every native gate is followed by thermal relaxation of its qubits over its duration, then by depolarising noise that
brings the average infidelity of both to the calibrated gate error e. With the average infidelity :math:`e_R` of
relaxation alone, the strength is

.. math:: p = \frac{e - e_R}{1 - 1/d - e_R}

(the device model of Qiskit Aer). Where relaxation alone errs more than calibrated, nothing is added, and `notes_of`
says so. Waiting qubits relax as well. The equilibrium is taken to be the ground state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from counterspin.noise.channels import depolarizing, thermal_relaxation
from counterspin.noise.devices.snapshot import GateCalibration, Snapshot, clipped_note
from counterspin.noise.idle import IdleRule
from counterspin.noise.kraus import Channel
from counterspin.noise.model import GateRule, NoiseModel
from counterspin.noise.readout import ReadoutErrors
from counterspin.noise.representations import tensor, transfer_to_kraus

__all__ = ["gate_channel", "noise_of", "notes_of"]

Place = tuple[str, tuple[int, ...]]

_BEYOND = (
    "Relaxation over the gate's duration alone errs more than calibrated for {gates}: no depolarising noise is added, "
    "these gates are noisier than their calibrated error."
)


@lru_cache(maxsize=16)
def noise_of(snapshot: Snapshot, chosen: tuple[int, ...]) -> NoiseModel:
    """The noise of a device on some of its qubits, for circuits of native gates.

    Args:
        snapshot: the calibration.
        chosen: device qubits; qubit k of the circuit is the k-th of them.

    Returns:
        Channels after the gates of the device's basis (RZ is virtual), readout errors, and noise of waiting times. A
        two-qubit gate that is calibrated in one direction only is as noisy in the other. A circuit with any other
        gate, or with a two-qubit gate where the device has none, is refused when the noise is placed: it has no
        duration.

    Raises:
        UsageError: qubits the device does not have, that are out of order, or named twice.

    Example:
        >>> from counterspin.noise.devices.assembly import assemble
        >>> from counterspin.noise.devices.snapshot import QubitCalibration
        >>> qubit = QubitCalibration(label="0", t1=1e-4, t2=8e-5, readout=(0.01, 0.03))
        >>> toy = assemble(
        ...     name="toy",
        ...     vendor="own",
        ...     date="2026-01-31",
        ...     qubits=[qubit],
        ...     gates={("SX", (0,)): (1e-3, 4e-8)},
        ...     basis=("SX",),
        ... )
        >>> noise = noise_of(toy, (0,))
        >>> [(rule.kinds, rule.qubits) for rule in noise.rules], noise.readout.flips
        ([(('SX',), (0,)), (('X',), (0,))], ((0.01, 0.03),))
    """
    small = snapshot.restricted(chosen)
    gates = _native(small)
    rules = [
        GateRule(channel=channel, kinds=(kind,), qubits=qubits, targets="gate")
        for (kind, qubits), gate in gates.items()
        if (channel := gate_channel(small, (kind, qubits), gate)) is not None
    ]
    t1, t2 = _times(small, range(len(chosen)))
    return NoiseModel(
        rules=tuple(rules),
        idle=IdleRule(durations={place: gate.length for place, gate in gates.items()}, t1=t1, t2=t2),
        readout=ReadoutErrors(flips=tuple(qubit.readout or (0.0, 0.0) for qubit in small.qubits)),
    )


def gate_channel(snapshot: Snapshot, place: Place, gate: GateCalibration) -> Channel | None:
    """What follows a gate: relaxation, then depolarising up to the calibrated error; None: nothing does."""
    t1, t2 = _times(snapshot, place[1])
    relaxation = tensor(*(thermal_relaxation(one, two, gate.length) for one, two in zip(t1, t2, strict=True)))
    strength = _strength(snapshot, place[1], gate)
    if strength <= 0:
        return Channel(_name(snapshot, place), relaxation.operators) if gate.length > 0 else None
    both = depolarizing(strength, len(t1)).transfer @ relaxation.transfer
    return Channel(_name(snapshot, place), transfer_to_kraus(both))


def notes_of(snapshot: Snapshot, chosen: Sequence[int]) -> tuple[str, ...]:
    """What had to be assumed for the noise of these qubits, and what the recipe could not do, one sentence each.

    Raises:
        UsageError: as `noise_of`.
    """
    snapshot.require(chosen)
    clipped = [qubit for qubit in snapshot.clipped if qubit in chosen]
    beyond: dict[str, dict[str, None]] = {}
    for (kind, qubits), gate in _native(snapshot).items():
        if set(qubits) <= set(chosen) and gate.length > 0 and _strength(snapshot, qubits, gate) < 0:
            beyond.setdefault("-".join(map(str, sorted(qubits))), {})[kind] = None
    exceeding = [f"{' and '.join(kinds)} on {place}" for place, kinds in beyond.items()]
    return (
        *snapshot.assumptions,
        *([clipped_note(clipped)] if clipped else []),
        *([_BEYOND.format(gates=", ".join(exceeding))] if exceeding else []),
    )


def _native(snapshot: Snapshot) -> dict[Place, GateCalibration]:
    """The gates of the basis, in both directions."""
    native = {(kind, qubits): gate for (kind, qubits), gate in snapshot.gates.items() if kind in snapshot.basis}
    return {(kind, qubits[::-1]): gate for (kind, qubits), gate in native.items()} | native


def _times(snapshot: Snapshot, qubits: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    known = [snapshot.qubits[qubit] for qubit in qubits]
    return tuple(qubit.t1 or math.inf for qubit in known), tuple(qubit.t2 or math.inf for qubit in known)


def _strength(snapshot: Snapshot, qubits: Sequence[int], gate: GateCalibration) -> float:
    """Of the depolarising noise that is missing to the calibrated error; negative where relaxation exceeds it."""
    relaxation = snapshot.relaxation_error(qubits, gate.length)
    missing = gate.error - relaxation
    return missing / (1 - 0.5 ** len(qubits) - relaxation) if missing > 0 else missing


def _name(snapshot: Snapshot, place: Place) -> str:
    kind, qubits = place
    return f"{snapshot.name} {kind} {'-'.join(snapshot.qubits[qubit].label for qubit in qubits)}"
