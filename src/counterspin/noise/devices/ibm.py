"""Calibrations of IBM devices: the JSON files of the installed package qiskit-ibm-runtime, which is never imported.

What is read of `props_*.json` and `conf_*.json`:

* T1, T2, frequency, readout length of every qubit, and its two readout errors: `prob_meas1_prep0` (1 read where the
  qubit is 0) and `prob_meas0_prep1`. Where only the averaged `readout_error` exists, it is taken for both.
* error and length of every native gate. `cx`, `cz`, `ecr`, `rzz` become CNOT, CZ, ECR, RZZ; `sx`, `x`, `rx` become SX,
  X, RX; `rz` is virtual: no error, no duration. `id`, `reset`, `measure` are no gates of a circuit.
* devices of before 2021 have the basis `u1`, `u2`, `u3`. A `u2` is one pulse between virtual Z rotations, as SX is,
  and a `u3` is two: SX is taken to err and last as `u2`, X as `u3`; circuits are written in RZ, SX, X and CNOT.
"""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

from counterspin.errors import InputError
from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot

__all__ = ["devices", "read"]

_PACKAGE = "qiskit_ibm_runtime"
_KINDS = {"cx": "CNOT", "cz": "CZ", "ecr": "ECR", "rzz": "RZZ", "rx": "RX", "sx": "SX", "x": "X", "rz": "RZ"}
_PULSES = {"u2": "SX", "u3": "X"}
_UNITS = {
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
    "GHz": 1e9,
    "MHz": 1e6,
    "Hz": 1.0,
    "": 1,
}


def devices() -> dict[str, Path] | None:
    """The calibration file of every device that ships, by name; None: the package is not installed."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).parent / "fake_provider" / "backends"
    # A second file of a device (cambridge_alt) is the same calibration under other gate names.
    return {file.parent.name: file for file in sorted(home.glob("*/props_*.json")) if _is_main(file)}


def read(name: str, properties: Path) -> Snapshot:
    """The snapshot in a device's properties file; its configuration lies beside it.

    Args:
        name: what the snapshot is to be called.
        properties: path of `props_<device>.json`.

    Raises:
        InputError: a file that is no calibration.
    """
    configuration = properties.with_name(f"conf_{properties.parent.name}.json")
    try:
        known, told = (json.loads(file.read_text(encoding="utf-8")) for file in (properties, configuration))
        return _snapshot(name, known, told)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the calibration of {name} cannot be read ({type(error).__name__}: {error}; {properties}); reinstall it: "
            "pip install --force-reinstall --no-deps qiskit-ibm-runtime."
        ) from None


def _is_main(file: Path) -> bool:
    return file.name == f"props_{file.parent.name}.json"


def _snapshot(name: str, known: dict[str, Any], told: dict[str, Any]) -> Snapshot:
    assumptions = []
    if str(known["backend_name"]).startswith("fake_"):
        assumptions.append(
            f"It ships as {known['backend_name']}, a device made up for tests: its figures are no measured calibration."
        )
    values = [_values(entries) for entries in known["qubits"]]
    qubits = [_qubit(index, each) for index, each in enumerate(values)]
    symmetric = [index for index, each in enumerate(values) if not _SPLIT <= each.keys() and "readout_error" in each]
    if symmetric:
        assumptions.append(
            f"Only the average readout error is known of {len(symmetric)} of {len(qubits)} qubits: taken both ways."
        )
    names = {str(gate["gate"]) for gate in known["gates"]}
    kinds = _KINDS if "sx" in names else _KINDS | _PULSES
    if kinds is not _KINDS:
        assumptions.append(
            "The basis is u1, u2, u3: SX is taken to err and last as u2 (one pulse), X as u3 (two pulses)."
        )
    gates = {}
    for gate in known["gates"]:
        if gate["gate"] in kinds and kinds[gate["gate"]] != "RZ":
            found = _values(gate["parameters"])
            place = tuple(int(qubit) for qubit in gate["qubits"])
            gates[kinds[gate["gate"]], place] = (found.get("gate_error"), found.get("gate_length"))
    return assemble(
        name=name,
        vendor="ibm",
        date=str(known["last_update_date"]),
        qubits=qubits,
        gates=gates,
        basis=("RZ", *sorted({kinds[basis] for basis in told["basis_gates"] if basis in kinds} | {"SX", "X"})),
        coupled=[(int(a), int(b)) for a, b in told.get("coupling_map") or ()],
        assumptions=assumptions,
    )


_SPLIT = {"prob_meas1_prep0", "prob_meas0_prep1"}


def _values(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Finite values by name, in SI units."""
    return {
        str(entry["name"]): float(entry["value"]) * _UNITS[entry.get("unit", "")]
        for entry in entries
        if math.isfinite(float(entry["value"]))
    }


def _qubit(index: int, values: dict[str, float]) -> QubitCalibration:
    readout = None
    if values.keys() >= _SPLIT:
        readout = (values["prob_meas1_prep0"], values["prob_meas0_prep1"])
    elif "readout_error" in values:
        readout = (values["readout_error"], values["readout_error"])
    t1, t2 = (values[name] if values.get(name, 0.0) > 0 else None for name in ("T1", "T2"))
    return QubitCalibration(
        label=str(index),
        t1=t1,
        t2=t2,
        frequency=values.get("frequency"),
        readout=readout,
        readout_length=values.get("readout_length"),
    )
