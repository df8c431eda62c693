"""Angles and amplitudes of a Qiskit circuit as functions of features and weights."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.models.integrations.reading import Unreadable

__all__ = ["Function", "Parameters", "Polynomial"]

Monomial = tuple[tuple[int, ...], tuple[int, ...]]
Polynomial = dict[Monomial, float]  # (indices of feature factors, indices of weight factors) -> coefficient

_TAYLOR_ORDER = 2

_TORCH = {
    "Abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "conjugate": lambda x: x,
    "cos": torch.cos,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "sqrt": torch.sqrt,
    "tan": torch.tan,
}


@dataclass(frozen=True, eq=False)
class Function:
    """A real function of the features that is no polynomial.

    Args:
        text: the expression, by which two of them are the same.
        features: indices of the features it takes.
        call: those features `(batch,)` -> values `(batch,)`, attached to autograd.
    """

    text: str
    features: tuple[int, ...]
    call: Callable[..., Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        """Values `(batch,)` of `x` `(batch, features)`."""
        return self.call(*(x[:, i] for i in self.features))


class Parameters:
    """What a circuit's parameters stand for, and the expressions of them read so far.

    Args:
        features: parameters that are features, in the order of the features.
        values: numbers of the parameters that are bound.
        weights: parameters that stay weights, in the order of the weights.
    """

    def __init__(
        self, features: Iterable[Any], *, values: Mapping[Any, float] | None = None, weights: Iterable[Any] = ()
    ) -> None:
        self.features = {parameter: index for index, parameter in enumerate(features)}
        self.weights = {parameter: index for index, parameter in enumerate(weights)}
        self.values = dict(values or {})
        self._read: dict[Any, Polynomial | Function] = {}

    def depend_on_features(self, expression: Any) -> bool:
        """Whether a feature occurs in a number or parameter expression."""
        return any(parameter in self.features for parameter in _parameters_of(expression))

    def is_bound(self, expression: Any) -> bool:
        """Whether parameters occur and all of them are numbers by now."""
        parameters = _parameters_of(expression)
        return bool(parameters) and all(parameter in self.values for parameter in parameters)

    def read(self, expression: Any) -> Polynomial | Function:
        """The expression as a polynomial of features and weights, or as a function of the features.

        Raises:
            Unreadable: a parameter that is neither feature, weight nor number; a complex value; a function Qiskit
                knows and torch does not; weights inside a function that is no polynomial.
        """
        parameters = _parameters_of(expression)
        if not parameters:
            return {((), ()): _real(expression)}
        if expression in self.features:
            return {((self.features[expression],), ()): 1.0}
        if expression in self.weights:
            return {((), (self.weights[expression],)): 1.0}
        if expression not in self._read:
            self._read[expression] = self._parsed(expression, parameters)
        return self._read[expression]

    def _parsed(self, expression: Any, parameters: Sequence[Any]) -> Polynomial | Function:
        unknown = [p.name for p in parameters if p not in self.features | self.weights | self.values]
        if unknown:
            raise Unreadable(f"parameter {unknown[0]!r} is neither a feature nor bound to a number")
        bound = expression.bind({p: self.values[p] for p in parameters if p in self.values})
        left = _parameters_of(bound)
        if not left:
            return {((), ()): _real(bound)}
        terms = _taylor_terms(bound)
        if terms is not None:
            generators = [(p, self.features.get(p), self.weights.get(p)) for p in left]
            return _polynomial([([word.count(p) for p in left], value) for word, value in terms.items()], generators)
        # Here: SymPy takes half a second to import, and polynomials of low degree do without it.
        import sympy

        written = bound.sympify()
        symbols = {str(symbol): symbol for symbol in written.free_symbols}
        generators = [(symbols[p.name], self.features.get(p), self.weights.get(p)) for p in left if p.name in symbols]
        if not generators:
            return {((), ()): _real(complex(written))}
        try:
            polynomial = sympy.Poly(written, *(symbol for symbol, _, _ in generators))
            return _polynomial(polynomial.terms(), generators)
        except sympy.PolynomialError:
            return _function(written, generators)


def _taylor_terms(expression: Any) -> dict[tuple[Any, ...], float] | None:
    """Coefficients by monomial, a tuple of parameters, from derivatives at 0.

    None unless the derivatives end in numbers by the second order, as they do in affine angles and in products of two.
    """
    from qiskit.circuit.exceptions import CircuitError

    order = _parameters_of(expression)
    found: dict[tuple[Any, ...], float] = {}
    pending: list[tuple[tuple[Any, ...], Any]] = [((), expression)]
    for word, derivative in pending:
        parameters = _parameters_of(derivative)
        if parameters and len(word) == _TAYLOR_ORDER:
            return None
        try:
            value = complex(derivative.bind(dict.fromkeys(parameters, 0.0)).numeric() if parameters else derivative)
            # Each monomial once: its parameters in ascending order.
            first = order.index(word[-1]) if word else 0
            pending += [((*word, p), derivative.gradient(p)) for p in order[first:] if p in parameters]
        except (CircuitError, ArithmeticError, TypeError, ValueError, RuntimeError):
            return None
        if not cmath.isfinite(value):
            return None
        found[word] = _real(value) / math.prod(math.factorial(word.count(p)) for p in set(word))
    return {word: value for word, value in found.items() if value or not word}


def _parameters_of(expression: Any) -> list[Any]:
    return sorted(getattr(expression, "parameters", ()), key=lambda parameter: parameter.name)


def _real(number: Any) -> float:
    value = complex(number.numeric() if hasattr(number, "numeric") else number)
    if abs(value.imag) > 1e-12 * max(1.0, abs(value)) or not math.isfinite(value.real):
        raise Unreadable(f"an angle or amplitude is {value:g}; only finite real ones can be imported")
    return value.real


def _polynomial(terms: Sequence[Any], generators: Sequence[tuple[Any, int | None, int | None]]) -> Polynomial:
    found: Polynomial = {}
    for powers, coefficient in terms:
        pairs = list(zip(powers, generators, strict=True))
        features = tuple(sorted(f for power, (_, f, _) in pairs if f is not None for _ in range(power)))
        weights = tuple(sorted(w for power, (_, _, w) in pairs if w is not None for _ in range(power)))
        found[features, weights] = _real(complex(coefficient))
    return found


def _function(written: Any, generators: Sequence[tuple[Any, int | None, int | None]]) -> Function:
    import sympy

    if any(feature is None for _, feature, _ in generators):
        raise Unreadable(f"the angle {written} is no polynomial of its weights")
    foreign = {type(atom).__name__ for atom in written.atoms(sympy.Function)} - set(_TORCH)
    if foreign:
        raise Unreadable(f"the angle {written} calls {sorted(foreign)[0]}, which has no counterpart in torch")
    call = sympy.lambdify([symbol for symbol, _, _ in generators], written, modules=[_TORCH])
    return Function(str(written), tuple(f for _, f, _ in generators if f is not None), call)
