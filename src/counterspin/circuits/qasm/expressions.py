"""Angles of OpenQASM gates: their grammar, and their value as affine expressions of inputs and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from counterspin.circuits.angles import Angle
from counterspin.circuits.qasm.cursor import Cursor
from counterspin.circuits.qasm.syntax import Call, Expression, Name, Negative, Number, Operation
from counterspin.circuits.qasm.tokens import Token, refused
from counterspin.errors import UsageError

__all__ = ["Value", "parse_expression", "value_of"]

Value = int | float | Angle

_CONSTANTS = {"pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "exp": math.exp,
    "ln": math.log,
    "log": math.log,
    "sqrt": math.sqrt,
}
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4, "**": 4}
_NEGATIVE = 3  # between products and powers: -a*b is (-a)*b, -a^b is -(a^b)
_DEEPEST = 100


def parse_expression(cursor: Cursor, version: int, *, depth: int = 0, binding: int = 0) -> Expression:
    """Read one expression.

    Raises:
        InputError: no expression, or one nested deeper than 100.
    """
    if depth > _DEEPEST:
        raise refused(cursor.here, f"an angle is nested more than {_DEEPEST} deep", "write it with fewer parentheses")
    if cursor.takes("-"):
        left: Expression = Negative(parse_expression(cursor, version, depth=depth + 1, binding=_NEGATIVE))
    elif cursor.takes("+"):
        left = parse_expression(cursor, version, depth=depth + 1, binding=_NEGATIVE)
    else:
        left = _operand(cursor, version, depth)
    while cursor.at(*_BINDING) and _BINDING[cursor.here.text] > binding:
        place = cursor.take()
        if place.text == ("**" if version == 2 else "^"):
            power = "^" if version == 2 else "**"
            raise refused(place, f"{place} found", f"a power is written {power} in OpenQASM {version}")
        # Powers group to the right, everything else to the left.
        tight = _BINDING[place.text] - (_BINDING[place.text] == _BINDING["^"])
        right = parse_expression(cursor, version, depth=depth + 1, binding=tight)
        left = Operation("^" if place.text == "**" else place.text, left, right, place)
    return left


def _operand(cursor: Cursor, version: int, depth: int) -> Expression:
    token = cursor.take()
    if token.kind == "integer":
        return Number(int(token.text))
    if token.kind == "real":
        return Number(_finite_literal(token))
    if token.text == "(":
        inner = parse_expression(cursor, version, depth=depth + 1)
        cursor.expect(")", "behind an expression in parentheses")
        return inner
    if token.kind != "name":
        raise refused(token, f"{token} found", "expected a number, pi, a parameter or a function of one")
    if cursor.takes("("):
        argument = parse_expression(cursor, version, depth=depth + 1)
        cursor.expect(")", f"behind the argument of {token.text}")
        return Call(token.text, argument, token)
    if cursor.takes("["):
        index = int(cursor.expect_kind("integer", "the number of an element of an array").text)
        cursor.expect("]", "behind an index")
        return Name(token.text, index, token)
    return Name(token.text, None, token)


def _finite_literal(token: Token) -> float:
    value = float(token.text)
    if math.isinf(value):
        raise refused(token, f"{token} found, which is too large for a float", "angles are finite")
    return value


def value_of(expression: Expression, names: Mapping[str, Value], version: int) -> Value:
    """The value of an expression: a number, or an `Angle` where inputs or weights occur.

    Args:
        expression: what was read.
        names: parameters and inputs; element k of an array `x` is `"x[k]"`.
        version: 2 or 3. In 3 the quotient of two integers must be one, because there it would be rounded.

    Raises:
        InputError: unknown names, results that are not affine in the inputs or not finite.

    Example:
        >>> from counterspin.circuits.angles import feature
        >>> from counterspin.circuits.qasm.tokens import tokens
        >>> print(value_of(parse_expression(Cursor(tokens("pi/2 - 2*x0")), 3), {"x0": feature(0)}, 3))
        1.57 - 2·x0
    """
    match expression:
        case Number(value):
            return value
        case Name(name, index, place):
            return _named(name if index is None else f"{name}[{index}]", place, names)
        case Negative(operand):
            return _times(-1, value_of(operand, names, version))
        case Call(function, argument, place):
            return _called(function, value_of(argument, names, version), place)
        case Operation():
            return _chain(expression, names, version)


def _chain(last: Operation, names: Mapping[str, Value], version: int) -> Value:
    # A long sum is a long chain of left sides: walked, because recursion would run out of stack.
    chain = [last]
    while isinstance(chain[-1].left, Operation):
        chain.append(chain[-1].left)
    value = value_of(chain[-1].left, names, version)
    for operation in reversed(chain):
        right = value_of(operation.right, names, version)
        value = _combined(operation.symbol, value, right, operation.place, version)
    return value


def _named(name: str, place: Token, names: Mapping[str, Value]) -> Value:
    if name in names:
        return names[name]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    known = ", ".join([*names, "pi"])
    raise refused(place, f"{name!r} is no known parameter or input", f"known here: {known}")


def _called(function: str, argument: Value, place: Token) -> Value:
    if function not in _FUNCTIONS:
        raise refused(place, f"{function!r} is no known function", f"known: {', '.join(_FUNCTIONS)}")
    if isinstance(argument, Angle):
        raise refused(place, f"{function} of an input or weight found", "angles must be affine in inputs and weights")
    try:
        return _finite(_FUNCTIONS[function](argument), place)
    except (ValueError, OverflowError):
        raise refused(place, f"{function}({argument}) has no finite real value", "change the argument") from None


def _combined(symbol: str, left: Value, right: Value, place: Token, version: int) -> Value:
    if symbol in "+-":
        sign = 1 if symbol == "+" else -1
        return _finite(left + _times(sign, right), place)
    if symbol == "*":
        if isinstance(left, Angle) and isinstance(right, Angle):
            try:
                return left * right
            except UsageError as error:
                raise refused(place, "a product that is not affine found", str(error).rstrip(".")) from None
        return _finite(_times(right, left) if isinstance(left, Angle) else _times(left, right), place)
    if isinstance(right, Angle):
        what = "a power to" if symbol == "^" else "a division by"
        raise refused(place, f"{what} an input or weight found", "angles must be affine in inputs and weights")
    if symbol == "/":
        return _quotient(left, right, place, version)
    if isinstance(left, Angle):
        raise refused(place, "a power of an input or weight found", "angles must be affine in inputs and weights")
    try:
        power = float(left) ** right
    except (ZeroDivisionError, OverflowError):
        power = math.nan
    return _finite(power if isinstance(power, float) else math.nan, place)


def _quotient(left: Value, right: float, place: Token, version: int) -> Value:
    if right == 0:
        raise refused(place, "a division by zero found", "change the divisor")
    if isinstance(left, Angle):
        terms = tuple(replace(term, coefficient=term.coefficient / right) for term in left.terms)
        return _finite(Angle(left.constant / right, terms), place)
    if version == 3 and isinstance(left, int) and isinstance(right, int) and left % right:
        remedy = f"OpenQASM 3 rounds it to an integer; write {left}.0/{right} for the exact quotient"
        raise refused(place, f"the quotient {left}/{right} of two integers found", remedy)
    return _finite(left / right, place)


def _times(factor: float | Angle, value: Value) -> Value:
    # Not Angle.__mul__: a coefficient 0 must stay, because it makes the input count.
    if not isinstance(value, Angle):
        return factor * value
    if isinstance(factor, Angle):
        return factor * value
    terms = tuple(replace(term, coefficient=factor * term.coefficient) for term in value.terms)
    return Angle(factor * value.constant, terms)


def _finite(value: Value, place: Token) -> Value:
    try:
        numbers = [value.constant, *(t.coefficient for t in value.terms)] if isinstance(value, Angle) else [value]
        if all(math.isfinite(number) for number in numbers):
            return value
    except OverflowError:  # an integer beyond the range of floats
        pass
    raise refused(place, "an angle that is not a finite real number found", "angles are finite")
