"""The layouts of c/program.h as numpy and ctypes types."""

import ctypes

import numpy as np

__all__ = ["ANGLE", "LAYOUT", "PASS", "PAULI", "ROTATION", "RUN", "TERM", "ProgramStruct"]

LAYOUT = 4

QUBIT = np.dtype([("flip", "u4"), ("mask", "u4"), ("offset", "i4")])
RUN = np.dtype([("start", "i4"), ("count", "i4")])
PASS = np.dtype(
    [
        ("kind", "i4"),
        ("angle", "i4"),
        ("sign", "i4"),
        ("needs", "i4"),
        ("first", QUBIT),
        ("second", QUBIT),
        ("first_run", RUN),
        ("second_run", RUN),
        ("low", "i4"),
        ("high", "i4"),
        ("signs_start", "i4"),
        ("signs_count", "i4"),
    ]
)
ROTATION = np.dtype([("axis", "i4"), ("angle", "i4")])
TERM = np.dtype([("coefficient", "f8"), ("input", "i4"), ("weight", "i4")])
ANGLE = np.dtype([("constant", "f8"), ("start", "i4"), ("count", "i4"), ("needs", "i4"), ("reserved", "i4")])
PAULI = np.dtype([("flip", "u4"), ("mask", "u4"), ("offset", "i4"), ("turns", "i4")])


class ProgramStruct(ctypes.Structure):
    """`Program`: counts, then pointers to the tables, which are kept in `tables`."""

    tables: dict[str, np.ndarray]

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("qubits", "inputs", "weights", "values", "amplitudes", "complex_data")),
        *((name, ctypes.c_int32) for name in ("angles", "shared", "passes", "paulis")),
        *((name, ctypes.c_int32) for name in ("leading", "reserved")),
        *((name, ctypes.c_void_p) for name in ("angle", "term", "rotation", "pass_", "signs", "pauli", "group")),
    )
