import math

import pytest

from counterspin.circuits.qasm.cursor import Cursor
from counterspin.circuits.qasm.expressions import Value, parse_expression, value_of
from counterspin.circuits.qasm.tokens import tokens


def value(text: str, version: int = 2) -> Value:
    cursor = Cursor(tokens(text))
    found = value_of(parse_expression(cursor, version), {}, version)
    assert cursor.here.kind == "end"
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("8 - 4 - 2", 2),
        ("16/4/2", 2),
        ("2^3^2", 512),
        ("-2^2", -4),
        ("2^-1", 0.5),
        ("-3*-2", 6),
        ("- -1 + +2", 3),
        ("1/2", 0.5),
        (".5e1 + 1.", 6.0),
        ("3*pi/4", 3 * math.pi / 4),
        ("sin(pi/6) + cos(0)*tan(pi/4)", 0.5 + 1.0),
        ("sqrt(2)^2 + ln(exp(3))", 5.0),
        ("2*sin(1 + 1)", 2 * math.sin(2)),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, abs=1e-15, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"), [("2**3**2", 512), ("π + τ/2", 2 * math.pi), ("arccos(-1)*4/2", 2 * math.pi), ("4/2", 2)]
)
def test_what_version_3_adds(text: str, expected: float) -> None:
    assert value(text, 3) == pytest.approx(expected, rel=1e-15)
