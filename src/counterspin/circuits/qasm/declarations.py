"""Declarations of registers and inputs."""

from __future__ import annotations

from counterspin.circuits.qasm.cursor import Cursor
from counterspin.circuits.qasm.syntax import InputDeclaration, Register
from counterspin.circuits.qasm.tokens import refused

__all__ = ["parse_input", "parse_register"]


def parse_register(cursor: Cursor) -> Register:
    """Read `qreg q[2];`, `creg c[2];`, `qubit[2] q;` or `bit[2] c;`.

    Raises:
        InputError: anything else, or a register of size 0.
    """
    keyword = cursor.take()
    size = None
    if keyword.text in ("qubit", "bit") and cursor.takes("["):
        size = int(cursor.expect_kind("integer", "the size of a register").text)
        cursor.expect("]", "behind the size of a register")
    name = cursor.expect_kind("name", "the name of a register")
    if keyword.text in ("qreg", "creg"):
        cursor.expect("[", "before the size of a register")
        size = int(cursor.expect_kind("integer", "the size of a register").text)
        cursor.expect("]", "behind the size of a register")
    cursor.expect(";", "behind the declaration of a register")
    if size == 0:
        raise refused(name, f"register {name.text!r} of size 0 found", "a register has at least one bit")
    return Register(name.text, 1 if size is None else size, keyword.text.startswith("q"), name)


def parse_input(cursor: Cursor) -> InputDeclaration:
    """Read `input float[64] x0;` or `input array[float[64], 4] x;`.

    Raises:
        InputError: anything else.
    """
    cursor.expect("input", "before the type of an input")
    size = None
    if cursor.takes("array"):
        cursor.expect("[", "behind array")
        _real_type(cursor)
        cursor.expect(",", "behind the type of an array's elements")
        size = int(cursor.expect_kind("integer", "the size of an array").text)
        cursor.expect("]", "behind the size of an array")
    else:
        _real_type(cursor)
    name = cursor.expect_kind("name", "the name of an input")
    cursor.expect(";", "behind the declaration of an input")
    return InputDeclaration(name.text, size, name)


def _real_type(cursor: Cursor) -> None:
    if not cursor.at("float", "angle"):
        raise refused(cursor.here, f"type {cursor.here} of an input found", "inputs are float, angle or arrays of them")
    cursor.take()
    if cursor.takes("["):
        cursor.expect_kind("integer", "a number of bits")
        cursor.expect("]", "behind a number of bits")
