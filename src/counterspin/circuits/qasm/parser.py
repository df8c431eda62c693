"""OpenQASM statements: the subset that describes a circuit and its final measurements."""

from __future__ import annotations

from counterspin.circuits.qasm.cursor import Cursor
from counterspin.circuits.qasm.declarations import parse_input, parse_register
from counterspin.circuits.qasm.expressions import parse_expression
from counterspin.circuits.qasm.syntax import (
    Application,
    Definition,
    Directive,
    Expression,
    Include,
    Measurement,
    Modifier,
    Operand,
    Program,
    Statement,
)
from counterspin.circuits.qasm.tokens import refused, tokens

__all__ = ["parse"]

_ALLOWED = {
    2: "allowed are include, qreg, creg, gate, barrier, gate applications and final measurements",
    3: "allowed are include, qubit, bit, input, gate, barrier, gate applications and final measurements",
}
_OTHER_STATEMENTS = (
    "for while else switch def extern let const return break continue end box delay cal defcal defcalgrammar output "
    "float int uint angle bool complex duration stretch"
)
_REFUSED = {
    "reset": "a reset found",
    "if": "a gate that depends on measured bits found",
    "opaque": "an opaque gate found, whose matrix is not given",
} | {word: f"{word!r} found" for word in _OTHER_STATEMENTS.split()}
_WORDS = frozenset({"qreg", "creg", "qubit", "bit", "input", "gate", "barrier", "measure", "include"})


def parse(text: str) -> Program:
    """The statements of a program.

    Raises:
        InputError: what does not belong to the subset, with line and column.

    Example:
        >>> program = parse('OPENQASM 3; include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];')
        >>> program.version, len(program.statements)
        (3, 4)
    """
    cursor = Cursor(tokens(text))
    statements: list[Statement] = []
    while cursor.here.kind == "directive":  # before the version, as any comment may stand
        statements.append(_directive(cursor))
    version = _version(cursor)
    while cursor.here.kind != "end":
        statement = _statement(cursor, version)
        statements += [] if statement is None else [statement]
    return Program(version, tuple(statements))


def _version(cursor: Cursor) -> int:
    cursor.expect("OPENQASM", "at the beginning, followed by 2.0 or 3.0")
    token = cursor.take()
    if token.text not in ("2.0", "2", "3.0", "3", "3.1"):
        raise refused(token, f"version {token} found", "OpenQASM 2.0, 3.0 and 3.1 are read")
    cursor.expect(";", "behind the version")
    return int(token.text[0])


def _statement(cursor: Cursor, version: int) -> Statement | None:
    place = cursor.here
    if place.kind == "directive":
        return _directive(cursor)
    if version == 3 and cursor.at("pragma", "#", "@"):
        cursor.skip_line()
        return None
    if cursor.at(*_REFUSED):
        raise refused(place, _REFUSED[place.text], _ALLOWED[version])
    if cursor.takes("include"):
        file = cursor.expect_kind("string", "the name of a file in quotes").text
        cursor.expect(";", "behind an include")
        return Include(file[1:-1], place)
    if cursor.at("qreg", "creg") or (version == 3 and cursor.at("qubit", "bit")):
        return parse_register(cursor)
    if version == 3 and cursor.at("input"):
        return parse_input(cursor)
    if cursor.at("gate"):
        return _definition(cursor, version)
    if cursor.at("measure"):
        return _measurement(cursor)
    if cursor.at("barrier"):
        _barrier(cursor)
        return None
    application = _application(cursor, version)
    return application if isinstance(application, Application) else _assignment(cursor, application)


def _directive(cursor: Cursor) -> Directive:
    place = cursor.take()
    return Directive(tuple(place.text.split(":", 1)[1].split()), place)


def _definition(cursor: Cursor, version: int) -> Definition:
    start = cursor.position
    cursor.expect("gate", "before the name of a gate")
    name = cursor.expect_kind("name", "the name of a gate")
    parameters: tuple[str, ...] = ()
    if cursor.takes("("):
        parameters = () if cursor.at(")") else _names(cursor, "a parameter")
        cursor.expect(")", "behind the parameters of a gate")
    qubits = _names(cursor, "a qubit")
    cursor.expect("{", "before the body of a gate")
    body: list[Application] = []
    while not cursor.takes("}"):
        if cursor.here.kind == "directive":
            cursor.take()
        elif cursor.at("barrier"):
            _barrier(cursor)
        elif cursor.at(*_REFUSED, *_WORDS):
            raise refused(cursor.here, f"{cursor.here} found in gate {name.text!r}", "a gate consists of gates only")
        else:
            application = _application(cursor, version)
            if not isinstance(application, Application):
                raise refused(cursor.here, f"{cursor.here} found", "a gate consists of gates only")
            body.append(application)
    return Definition(name.text, parameters, qubits, tuple(body), cursor.text_from(start), name)


def _names(cursor: Cursor, what: str) -> tuple[str, ...]:
    names = [cursor.expect_kind("name", f"the name of {what}").text]
    while cursor.takes(","):
        again = cursor.expect_kind("name", f"the name of {what}")
        if again.text in names:
            raise refused(again, f"{what} {again.text!r} is named twice", "give different names")
        names.append(again.text)
    return tuple(names)


def _application(cursor: Cursor, version: int) -> Application | Operand:
    """A gate application; in version 3 also the left side of an assignment, which only its `=` tells apart."""
    modifiers: list[Modifier] = []
    while version == 3 and cursor.at("ctrl", "inv", "pow", "negctrl"):
        modifiers.append(_modifier(cursor))
    name = cursor.expect_kind("name", "a statement")
    if version == 3 and not modifiers and cursor.at("=", "["):
        operand = Operand(name.text, _index(cursor), name)
        return operand
    angles: list[Expression] = []
    if cursor.takes("("):
        while not cursor.at(")"):
            angles.append(parse_expression(cursor, version))
            if not cursor.takes(","):
                break
        cursor.expect(")", "behind the angles of a gate")
    # Only a global phase acts on no qubit.
    operands = () if name.text == "gphase" and cursor.at(";") else _operands(cursor)
    cursor.expect(";", "behind a gate")
    return Application(name.text, tuple(modifiers), tuple(angles), operands, name)


def _modifier(cursor: Cursor) -> Modifier:
    token = cursor.take()
    if token.text in ("pow", "negctrl"):
        raise refused(token, f"modifier {token} found", "allowed are ctrl @, ctrl(n) @ and inv @")
    count = 1
    if token.text == "ctrl" and cursor.takes("("):
        count = int(cursor.expect_kind("integer", "a number of controls").text)
        cursor.expect(")", "behind a number of controls")
        if count == 0:
            raise refused(token, "a gate with 0 controls found", "give at least one")
    cursor.expect("@", "behind a modifier")
    return Modifier(token.text, count, token)


def _operands(cursor: Cursor) -> tuple[Operand, ...]:
    operands = [_operand(cursor)]
    while cursor.takes(","):
        operands.append(_operand(cursor))
    return tuple(operands)


def _operand(cursor: Cursor) -> Operand:
    name = cursor.expect_kind("name", "a qubit or a register")
    return Operand(name.text, _index(cursor), name)


def _index(cursor: Cursor) -> int | None:
    if not cursor.takes("["):
        return None
    index = int(cursor.expect_kind("integer", "an index (ranges and sets are not read)").text)
    cursor.expect("]", "behind an index")
    return index


def _barrier(cursor: Cursor) -> None:
    cursor.expect("barrier", "before its qubits")
    if not cursor.at(";"):
        _operands(cursor)
    cursor.expect(";", "behind a barrier")


def _measurement(cursor: Cursor) -> Measurement:
    place = cursor.expect("measure", "before a qubit")
    source = _operand(cursor)
    cursor.expect("->", "between the qubits and the bits of a measurement")
    target = _operand(cursor)
    cursor.expect(";", "behind a measurement")
    return Measurement(source, target, place)


def _assignment(cursor: Cursor, target: Operand) -> Measurement:
    cursor.expect("=", "before a measurement")
    place = cursor.expect("measure", "behind =: only measurements are assigned")
    source = _operand(cursor)
    cursor.expect(";", "behind a measurement")
    return Measurement(source, target, place)
