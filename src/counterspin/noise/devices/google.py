r"""Calibrations of Google devices: the JSON files of the installed package cirq-google, which is never imported.

What is read, and what had to be assumed (each snapshot repeats it in its `assumptions`):

* `single_qubit_idle_t1_micros`; T2 is not calibrated. It follows, as in cirq-google's own noise properties, from the
  incoherent error per gate: :math:`1/T_\varphi = 3 e/t - 1/T_1` with the pulse's duration t, and
  :math:`1/T_2 = 1/(2 T_1) + 1/T_\varphi`, at most `2 T1`.
* Pauli errors r per gate: the average infidelity is `r d / (d + 1)`.
* every single-qubit gate is one PhasedXZ pulse, and a general rotation in our basis is RZ SX RZ SX RZ: two SX make one
  pulse, so SX has half its duration and its error is the one of which two make the pulse's. X is a whole pulse.
* two-qubit gates are run in parallel and judged by cross-entropy benchmarking; an error per cycle is taken as the
  gate's, as cirq-google does. Willow has CZ. Rainbow and Weber have √iSWAP: a CZ is two of them with a layer of pulses
  between, and its process fidelity is taken as the product of theirs. Coherent angle errors are part of these errors.
* readout: `single_qubit_p00_error` (1 read where the qubit is 0) and `single_qubit_p11_error`.
* durations come from the device specifications that ship beside the calibrations.
"""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterspin.errors import InputError
from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot

__all__ = ["devices", "read"]

_PACKAGE = "cirq_google"
_FILE = re.compile(r"(?P<name>[a-z_]+?)_(?:[a-z0-9]+-)?(?P<date>\d{4}_\d{2}_\d{2})_calibration\.json")
_CZ = "two_qubit_parallel_cz_gate_xeb_pauli_error_per_cycle"
_ROOT_ISWAP = "two_qubit_parallel_sqrt_iswap_gate_xeb_pauli_error_per_cycle"


@dataclass(frozen=True, kw_only=True)
class _Durations:
    """In seconds."""

    pulse: float
    entangler: float
    readout: float


# The specification of Rainbow and Weber says 4 ms of readout; cirq-google's own noise properties take 4 µs.
_SYCAMORE = _Durations(pulse=25e-9, entangler=32e-9, readout=4e-6)
_WILLOW = _Durations(pulse=25e-9, entangler=42e-9, readout=6e-7)


def devices() -> dict[str, Path] | None:
    """The calibration file of every device that ships, by name; None: the package is not installed."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).parent / "devices" / "calibrations"
    found = [(_FILE.fullmatch(file.name), file) for file in sorted(home.glob("*_calibration.json"))]
    return {match["name"]: file for match, file in found if match}


def read(name: str, file: Path) -> Snapshot:
    """The snapshot in a calibration file.

    Args:
        name: what the snapshot is to be called.
        file: path of `<device>_<date>_calibration.json`.

    Raises:
        InputError: a file that is no calibration.
    """
    try:
        match = _FILE.fullmatch(file.name)
        date = match["date"].replace("_", "-") if match else ""
        metrics = _metrics(json.loads(file.read_text(encoding="utf-8")))
        return _snapshot(name, date, metrics)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the calibration of {name} cannot be read ({type(error).__name__}: {error}; {file}); reinstall it: "
            "pip install --force-reinstall --no-deps cirq-google."
        ) from None


def _metrics(document: dict[str, Any]) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and labels of the qubits."""
    metrics: dict[str, dict[tuple[str, ...], float]] = {}
    for entry in document["metrics"]["metrics"]:
        value = entry["values"][0]
        metrics.setdefault(entry["name"], {})[tuple(entry["targets"])] = float(
            next(value[kind] for kind in ("doubleVal", "floatVal", "int64Val", "int32Val") if kind in value)
        )
    return metrics


def _snapshot(name: str, date: str, metrics: dict[str, dict[tuple[str, ...], float]]) -> Snapshot:
    durations = _WILLOW if _CZ in metrics else _SYCAMORE
    labels = sorted({key[0] for key in metrics["single_qubit_idle_t1_micros"]}, key=_place)
    index = {label: number for number, label in enumerate(labels)}
    pulses = {index[key[0]]: error for key, error in metrics["single_qubit_rb_pauli_error_per_gate"].items()}
    gates: dict[tuple[str, tuple[int, ...]], tuple[float | None, float | None]] = {}
    for qubit, pauli in pulses.items():
        gates["SX", (qubit,)] = (_average(1 - (1 - pauli) ** 0.5, 1), durations.pulse / 2)
        gates["X", (qubit,)] = (_average(pauli, 1), durations.pulse)
    for (first, second), pauli in (metrics.get(_CZ) or metrics[_ROOT_ISWAP]).items():
        a, b = sorted((index[first], index[second]))
        length = durations.entangler
        if _CZ not in metrics:
            pauli = 1 - (1 - pauli) ** 2 * (1 - pulses[a]) * (1 - pulses[b])
            length = 2 * durations.entangler + durations.pulse
        gates["CZ", (a, b)] = gates["CZ", (b, a)] = (_average(pauli, 2), length)
    return assemble(
        name=name,
        vendor="google",
        date=date,
        qubits=[_qubit(label, metrics, durations) for label in labels],
        gates=gates,
        basis=("RZ", "CZ", "SX", "X"),
        assumptions=_assumptions(_CZ in metrics),
    )


def _assumptions(has_cz: bool) -> list[str]:
    notes = [
        "T2 is not calibrated: it follows from T1 and the incoherent error per pulse, at most 2 T1.",
        "Every single-qubit gate is one pulse: two SX are taken to err and last as one pulse, X as one.",
        "Errors per cycle are taken as the gate's, coherent angle errors within them.",
    ]
    if not has_cz:
        notes.append("The device has √iSWAP: a CZ is taken to cost two of them and a layer of pulses between.")
    return notes


def _qubit(label: str, metrics: dict[str, dict[tuple[str, ...], float]], durations: _Durations) -> QubitCalibration:
    t1 = 1e-6 * metrics["single_qubit_idle_t1_micros"][label,]
    dephasing = 3 * metrics["single_qubit_rb_incoherent_error_per_gate"][label,] / durations.pulse - 1 / t1
    readout = [metrics[f"single_qubit_{which}_error"].get((label,)) for which in ("p00", "p11")]
    known = None if readout[0] is None or readout[1] is None else (readout[0], readout[1])
    return QubitCalibration(
        label=label,
        t1=t1,
        t2=min(1 / (1 / (2 * t1) + max(dephasing, 0.0)), 2 * t1),
        readout=known,
        readout_length=durations.readout,
    )


def _average(pauli: float, qubits: int) -> float:
    """Average infidelity of a process infidelity."""
    dimension = 2**qubits
    return pauli * dimension / (dimension + 1)


def _place(label: str) -> tuple[int, ...]:
    return tuple(int(part) for part in label.split("_"))
