"""What an OpenQASM program says, before it means anything: expressions and statements with their places."""

from __future__ import annotations

from dataclasses import dataclass

from counterspin.circuits.qasm.tokens import Token

__all__ = [
    "Application",
    "Call",
    "Definition",
    "Directive",
    "Expression",
    "Include",
    "InputDeclaration",
    "Measurement",
    "Modifier",
    "Name",
    "Negative",
    "Number",
    "Operand",
    "Operation",
    "Program",
    "Register",
    "Statement",
]


@dataclass(frozen=True)
class Number:
    """A literal; integers stay integers, because OpenQASM 3 divides them differently."""

    value: int | float


@dataclass(frozen=True)
class Name:
    """A parameter, a constant, or with an index one element of an array input."""

    name: str
    index: int | None
    place: Token


@dataclass(frozen=True)
class Negative:
    """`-operand`."""

    operand: Expression


@dataclass(frozen=True)
class Operation:
    """`left symbol right` with symbol one of `+`, `-`, `*`, `/`, `^` (a power)."""

    symbol: str
    left: Expression
    right: Expression
    place: Token


@dataclass(frozen=True)
class Call:
    """`function(argument)`."""

    function: str
    argument: Expression
    place: Token


Expression = Number | Name | Negative | Operation | Call


@dataclass(frozen=True)
class Operand:
    """A register, or with an index one of its bits; inside a gate definition the name of a qubit."""

    name: str
    index: int | None
    place: Token


@dataclass(frozen=True)
class Modifier:
    """`ctrl @`, `ctrl(count) @` or `inv @`."""

    kind: str
    count: int
    place: Token


@dataclass(frozen=True)
class Application:
    """A gate applied: `modifiers name(angles) operands;`."""

    name: str
    modifiers: tuple[Modifier, ...]
    angles: tuple[Expression, ...]
    operands: tuple[Operand, ...]
    place: Token


@dataclass(frozen=True)
class Definition:
    """`gate name(parameters) qubits { body }`; `text` is the whole of it, one space between tokens."""

    name: str
    parameters: tuple[str, ...]
    qubits: tuple[str, ...]
    body: tuple[Application, ...]
    text: str
    place: Token


@dataclass(frozen=True)
class Include:
    """`include "file";`."""

    file: str
    place: Token


@dataclass(frozen=True)
class Register:
    """`qreg`, `creg`, `qubit` or `bit`, by whether it holds qubits."""

    name: str
    size: int
    quantum: bool
    place: Token


@dataclass(frozen=True)
class InputDeclaration:
    """`input float name;`, or with a size `input array[float, size] name;`."""

    name: str
    size: int | None
    place: Token


@dataclass(frozen=True)
class Measurement:
    """`measure source -> target;` or `target = measure source;`."""

    source: Operand
    target: Operand
    place: Token


@dataclass(frozen=True)
class Directive:
    """A comment for us: its words."""

    words: tuple[str, ...]
    place: Token


Statement = Application | Definition | Directive | Include | InputDeclaration | Measurement | Register


@dataclass(frozen=True)
class Program:
    """The statements of a program in version 2 or 3, barriers, pragmas and annotations left out."""

    version: int
    statements: tuple[Statement, ...]
