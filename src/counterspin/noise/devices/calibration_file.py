"""A user's own calibration file: its schema, and how it is read and written.

The file is JSON, all times in seconds, all frequencies in Hz (`schemas/device-1.json` in the repository is the JSON
Schema of it):

    {"schema": "counterspin-device-1", "name": "my-chip", "vendor": "my-lab", "date": "2026-01-31",
     "qubits": [{"t1": 1.2e-4, "t2": 9e-5, "readout": {"read_1_when_0": 0.012, "read_0_when_1": 0.031}},
                {"t1": 1.0e-4, "t2": 8e-5, "readout": {"read_1_when_0": 0.010, "read_0_when_1": 0.027}}],
     "gates": [{"kind": "SX", "qubits": [0], "error": 2e-4, "length": 3.5e-8},
               {"kind": "SX", "qubits": [1], "error": 3e-4, "length": 3.5e-8},
               {"kind": "CZ", "qubits": [0, 1], "error": 5e-3, "length": 6.8e-8}]}

`error` is the average gate infidelity; 1 marks a gate that is out of order. SX is needed on every qubit that is to be
used; X is taken to cost as much as SX unless it is given; RZ is virtual. Two-qubit gates are CNOT, CZ or ECR, the
control first; one direction is enough.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from counterspin.errors import InputError
from counterspin.noise.devices.assembly import assemble
from counterspin.noise.devices.snapshot import QubitCalibration, Snapshot

__all__ = ["DeviceFile", "read", "write"]

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Lifetime = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ReadoutEntry(_Part):
    """Errors of reading one qubit."""

    read_1_when_0: Probability = Field(description="probability to read 1 where the qubit is 0")
    read_0_when_1: Probability = Field(description="probability to read 0 where the qubit is 1")


class QubitEntry(_Part):
    """One qubit."""

    t1: Lifetime = Field(description="relaxation time in seconds")
    t2: Lifetime = Field(description="dephasing time in seconds, at most 2 t1")
    readout: ReadoutEntry
    readout_length: Seconds | None = Field(default=None, description="duration of a measurement in seconds")
    frequency: Lifetime | None = Field(default=None, description="in Hz")
    label: str | None = Field(default=None, description="what you call it; its number where there is none")

    @model_validator(mode="after")
    def _physical(self) -> QubitEntry:
        if self.t2 > 2 * self.t1:
            raise ValueError(
                f"t2 is {self.t2:g} s, above 2 t1 = {2 * self.t1:g} s, which no qubit has; measure again, or write "
                f"{2 * self.t1:g}"
            )
        return self


class GateEntry(_Part):
    """One native gate on its qubits."""

    kind: Literal["SX", "X", "RX", "CNOT", "CZ", "ECR", "RZZ"]
    qubits: list[int] = Field(min_length=1, max_length=2, description="numbers from 0, the control first")
    error: Probability = Field(description="average gate infidelity; 1: out of order")
    length: Seconds = Field(description="duration in seconds")


class DeviceFile(_Part):
    """Calibration of a device, version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    schema_name: Literal["counterspin-device-1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    vendor: str = "own"
    date: str = Field(description="ISO 8601, for example 2026-01-31")
    qubits: list[QubitEntry] = Field(min_length=1)
    gates: list[GateEntry]

    @model_validator(mode="after")
    def _consistent(self) -> DeviceFile:
        try:
            datetime.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"date is {self.date!r}; write it as 2026-01-31") from None
        seen = set()
        for gate in self.gates:
            place = (gate.kind, tuple(gate.qubits))
            wanted = 2 if gate.kind in ("CNOT", "CZ", "ECR", "RZZ") else 1
            if len(set(gate.qubits)) != wanted or len(gate.qubits) != wanted:
                raise ValueError(f"gate {gate.kind} on {gate.qubits} needs {wanted} different qubits")
            if not all(0 <= qubit < len(self.qubits) for qubit in gate.qubits):
                raise ValueError(f"gate {gate.kind} on {gate.qubits}: qubits go from 0 to {len(self.qubits) - 1}")
            if place in seen:
                raise ValueError(f"gate {gate.kind} on {gate.qubits} is given twice")
            seen.add(place)
        if not any(gate.kind == "SX" for gate in self.gates):
            raise ValueError("no SX is calibrated; every circuit is written in RZ, SX and a two-qubit gate")
        return self


def read(path: Path) -> Snapshot:
    """The snapshot in a calibration file.

    Raises:
        InputError: a file that cannot be read, or does not fit the schema; the message names the place.
    """
    try:
        file = DeviceFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the calibration file {path} cannot be used: {_reason(error)}; its schema is described in "
            "counterspin.noise.devices.calibration_file and schemas/device-1.json."
        ) from None
    qubits = [
        QubitCalibration(
            label=qubit.label or str(index),
            t1=qubit.t1,
            t2=qubit.t2,
            frequency=qubit.frequency,
            readout=(qubit.readout.read_1_when_0, qubit.readout.read_0_when_1),
            readout_length=qubit.readout_length,
        )
        for index, qubit in enumerate(file.qubits)
    ]
    return assemble(
        name=file.name,
        vendor=file.vendor,
        date=file.date,
        qubits=qubits,
        gates={(gate.kind, tuple(gate.qubits)): (gate.error, gate.length) for gate in file.gates},
        basis=("RZ", *sorted({gate.kind for gate in file.gates})),
    )


def write(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot as a calibration file, to change and use as one's own.

    Args:
        snapshot: of working qubits only (`snapshot.restricted(snapshot.working)`).
        path: where to.

    Raises:
        UsageError: a qubit that is out of order.
    """
    snapshot.require(range(len(snapshot.qubits)))
    document: dict[str, Any] = {
        "schema": "counterspin-device-1",
        "name": snapshot.name,
        "vendor": snapshot.vendor,
        "date": snapshot.date,
        "qubits": [_written(qubit) for qubit in snapshot.qubits],
        "gates": [
            {"kind": kind, "qubits": list(qubits), "error": gate.error, "length": gate.length}
            for (kind, qubits), gate in snapshot.gates.items()
            if kind != "RZ"
        ],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _written(qubit: QubitCalibration) -> dict[str, Any]:
    known = {
        "t1": qubit.t1,
        "t2": qubit.t2,
        "readout": dict(zip(("read_1_when_0", "read_0_when_1"), qubit.readout or (), strict=True)),
        "readout_length": qubit.readout_length,
        "frequency": qubit.frequency,
        "label": qubit.label,
    }
    return {name: value for name, value in known.items() if value is not None}


def _reason(error: Exception) -> str:
    """What is wrong, and where, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}{more}"
    return f"it is no JSON ({error})" if isinstance(error, json.JSONDecodeError) else str(error)
