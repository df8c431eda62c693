"""The layouts of kernels/c/transfer_program.h as numpy and ctypes types."""

import ctypes

import numpy as np

from counterspin.simulation.kernels.abi import RUN, ProgramStruct

__all__ = ["ADDITIONS_KIND", "OP", "PASS", "RUN_KIND", "SPARSE_KIND", "TransferStruct"]

RUN_KIND, SPARSE_KIND, ADDITIONS_KIND = 0, 1, 2

OP = np.dtype(
    [
        ("kind", "i4"),
        ("needs", "i4"),
        ("shifts", "i4"),
        ("stride", "i4"),
        ("run", RUN),
        *((name, "i4") for name in ("size", "local", "rest", "rests", "rows", "columns")),
    ]
)
PASS = np.dtype([(name, "i4") for name in ("first", "count", "needs", "index", "tile", "size", "base", "bases")])


class TransferStruct(ctypes.Structure):
    """`Transfer`: the angles as a program of their own, counts, then pointers to the tables, kept in `tables`."""

    tables: dict[str, np.ndarray]

    _fields_ = (
        ("angles", ProgramStruct),
        *((name, ctypes.c_int32) for name in ("passes", "most_ops", "most_taped", "longest")),
        *((name, ctypes.c_void_p) for name in ("preparation", "pass_", "op", "offset", "source", "scale", "map")),
        *((name, ctypes.c_void_p) for name in ("start", "entry", "coefficient")),
        *((name, ctypes.c_void_p) for name in ("read_start", "read_entry", "read_coefficient")),
    )
