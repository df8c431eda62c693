"""Every device with a calibration at hand, and how one is asked for."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from counterspin.errors import InputError, MissingExtraError, UsageError
from counterspin.noise.devices import calibration_file, google, ibm
from counterspin.noise.devices.snapshot import Snapshot, clipped_note

__all__ = ["DeviceRow", "list_devices", "load", "missing_packages"]

_VENDORS = {"ibm": ibm, "google": google}
_PACKAGES = {"ibm": "qiskit-ibm-runtime", "google": "cirq-google"}


@dataclass(frozen=True, kw_only=True)
class DeviceRow:
    """One line of `counterspin list devices`.

    Args:
        name: what `--device` takes.
        vendor: whose device it is.
        qubits: how many it has.
        date: day of the calibration, as it can be put behind the name with @.
        t1_median: in seconds, over its working qubits, as all figures here; None: there is none.
        t2_median: in seconds.
        readout_error_median: of the mean of a qubit's two readout errors.
        two_qubit_error_median: average infidelity of the pairs' entanglers; None: no pair works.
        usable: whether circuits of more than one qubit (or as many as it has) can be placed on it.
        note: what does not work or had to be assumed.
    """

    name: str
    vendor: str
    qubits: int
    date: str
    t1_median: float | None
    t2_median: float | None
    readout_error_median: float | None
    two_qubit_error_median: float | None
    usable: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """The row as JSON."""
        return asdict(self)


def load(name: str) -> Snapshot:
    """The calibration of a device.

    Args:
        name: "ibm:manila", "ibm:fez@2025-02-26" (the date must be that of the calibration that ships; its beginning
            is enough), "google:willow_pink", or the path of a calibration file that ends in .json.

    Raises:
        UsageError: an unknown device or a date that does not ship.
        MissingExtraError: the package that carries the vendor's calibrations is not installed.
        InputError: a calibration that cannot be read.
    """
    if name.endswith(".json"):
        return _own_file(Path(name))
    vendor, _, rest = name.partition(":")
    device, _, date = rest.partition("@")
    if vendor not in _VENDORS or not device:
        raise UsageError(
            f"device is {name!r}; give ibm:<name>, google:<name> (`counterspin list devices` shows them) or the path "
            f"of a calibration file that ends in .json.{_hint(name)}"
        )
    files = _VENDORS[vendor].devices()
    if files is None:
        raise MissingExtraError(
            f"the calibrations of {vendor} devices come with {_PACKAGES[vendor]}, which is not installed; run: "
            "pip install counterspin[devices]"
        )
    if device not in files:
        known = ", ".join(files)
        raise UsageError(f"there is no calibration of {vendor}:{device}; devices: {known}.{_hint(device)}")
    snapshot = _shipped(f"{vendor}:{device}", files[device])
    if "@" in rest and (not date or not snapshot.date.startswith(date)):
        raise UsageError(
            f"no calibration of {vendor}:{device} from {date or 'an empty date'} ships; there is "
            f"{snapshot.name}@{snapshot.date[:10]}."
        )
    return snapshot


def list_devices() -> tuple[DeviceRow, ...]:
    """A row for every calibration of the installed packages, by vendor and name; see `missing_packages`.

    A calibration that cannot be read is a row that is not usable.
    """
    return tuple(
        _row(f"{vendor}:{device}", vendor, file)
        for vendor, module in _VENDORS.items()
        for device, file in (module.devices() or {}).items()
    )


def missing_packages() -> tuple[str, ...]:
    """The packages with calibrations that are not installed; `counterspin[devices]` brings them."""
    return tuple(_PACKAGES[vendor] for vendor, module in _VENDORS.items() if module.devices() is None)


@lru_cache(maxsize=8)
def _shipped(name: str, file: Path) -> Snapshot:
    # Files of an installed package do not change; what is kept is immutable.
    return _VENDORS[name.partition(":")[0]].read(name, file)


def _own_file(path: Path) -> Snapshot:
    if not path.is_file():
        raise UsageError(f"device is {path}, and there is no such file; give the path of a calibration file.")
    return calibration_file.read(path)


def _hint(name: str) -> str:
    """`Did you mean …?`, over every device known here."""
    known = [f"{vendor}:{device}" for vendor, module in _VENDORS.items() for device in module.devices() or {}]
    by_device = {full.partition(":")[2]: full for full in known}
    wanted = name.partition("@")[0]
    close = difflib.get_close_matches(wanted, known, n=1) or [
        by_device[match] for match in difflib.get_close_matches(wanted, by_device, n=3)
    ]
    return f" Did you mean {', '.join(close)}?" if close else ""


def _row(name: str, vendor: str, file: Path) -> DeviceRow:
    try:
        snapshot = _VENDORS[vendor].read(name, file)
    except InputError as error:
        return DeviceRow(
            name=name,
            vendor=vendor,
            qubits=0,
            date="",
            t1_median=None,
            t2_median=None,
            readout_error_median=None,
            two_qubit_error_median=None,
            usable=False,
            note=str(error),
        )
    working = [snapshot.qubits[qubit] for qubit in snapshot.working]
    enough = bool(snapshot.edges) or (len(snapshot.qubits) == 1 and bool(working))
    return DeviceRow(
        name=name,
        vendor=vendor,
        qubits=len(snapshot.qubits),
        date=snapshot.date[:10],
        t1_median=_median(qubit.t1 for qubit in working if qubit.t1 is not None),
        t2_median=_median(qubit.t2 for qubit in working if qubit.t2 is not None),
        readout_error_median=_median(sum(qubit.readout) / 2 for qubit in working if qubit.readout is not None),
        two_qubit_error_median=_median(snapshot.gates[snapshot.entangler(a, b)].error for a, b in snapshot.edges),
        usable=enough,
        note=" ".join(_told(snapshot, enough)),
    )


def _told(snapshot: Snapshot, enough: bool) -> list[str]:
    """What a row says about a device: what cannot be used, in figures, and what had to be assumed."""
    lost = len(snapshot.qubits) - len(snapshot.working)
    notes = [] if enough else ["No pair of qubits works: only circuits of one qubit."]
    notes += [f"{lost} of {len(snapshot.qubits)} qubits cannot be used."] if lost else []
    pairs = [snapshot.entangler(a, b) for a, b in snapshot.edges]
    beyond = sum(snapshot.infidelity(*pair) > snapshot.gates[pair].error for pair in pairs)
    if beyond > len(pairs) / 2:
        notes.append(
            f"On {beyond} of {len(pairs)} pairs relaxation over the gate's duration errs more than calibrated."
        )
    notes += snapshot.assumptions
    return [*notes, clipped_note(snapshot.clipped)] if snapshot.clipped else notes


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None
