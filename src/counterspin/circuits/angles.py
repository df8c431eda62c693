"""Gate angles: affine expressions of a circuit's inputs and weights, or tensors computed outside."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from counterspin.errors import UsageError

__all__ = ["Angle", "Given", "Term", "feature", "weight"]


@dataclass(frozen=True)
class Term:
    """One summand `coefficient · x[input] · w[weight]`; a factor that is None is absent."""

    coefficient: float
    input: int | None = None
    weight: int | None = None

    def __post_init__(self) -> None:
        """Refuse negative indices, which would count from the end."""
        for name, index in (("input", self.input), ("weight", self.weight)):
            if index is not None and index < 0:
                raise UsageError(f"{name} index is {index}; indices start at 0.")


@dataclass(frozen=True)
class Angle:
    """`constant + Σ coefficient · x_i · w_j`: affine in the inputs for fixed weights and the other way round.

    Expressions are written with `feature` and `weight`, `+`, `-` and `*`.

    Example:
        >>> print(3.0 * feature(0) * weight(2) + 0.5)
        0.5 + 3·x0·w2
    """

    constant: float = 0.0
    terms: tuple[Term, ...] = ()

    def __add__(self, other: Angle | float) -> Angle:
        """Sum of two expressions."""
        if isinstance(other, Angle):
            return Angle(self.constant + other.constant, self.terms + other.terms)
        return Angle(self.constant + float(other), self.terms)

    __radd__ = __add__

    def __neg__(self) -> Angle:
        """The expression with its sign changed."""
        return self * -1.0

    def __sub__(self, other: Angle | float) -> Angle:
        """Difference of two expressions."""
        return self + (-other)

    def __rsub__(self, other: float) -> Angle:
        """A number minus the expression."""
        return -self + other

    def __mul__(self, other: Angle | float) -> Angle:
        """Product with a number, or of one input expression and one weight expression."""
        if not isinstance(other, Angle):
            factor = float(other)
            if factor == 0.0:
                return Angle()
            scaled = tuple(Term(t.coefficient * factor, t.input, t.weight) for t in self.terms)
            return Angle(self.constant * factor, scaled)
        products = [Term(a.coefficient * b.coefficient, *_joined(a, b)) for a in self.terms for b in other.terms]
        return self * other.constant + Angle(0.0, (other * self.constant).terms + tuple(products))

    __rmul__ = __mul__

    @property
    def inputs(self) -> frozenset[int]:
        """Indices of the inputs that occur."""
        return frozenset(t.input for t in self.terms if t.input is not None)

    @property
    def weights(self) -> frozenset[int]:
        """Indices of the weights that occur."""
        return frozenset(t.weight for t in self.terms if t.weight is not None)

    def shifted(self, inputs: int = 0, weights: int = 0) -> Angle:
        """The same expression of inputs and weights numbered higher."""
        return Angle(
            self.constant,
            tuple(
                Term(
                    t.coefficient,
                    None if t.input is None else t.input + inputs,
                    None if t.weight is None else t.weight + weights,
                )
                for t in self.terms
            ),
        )

    def __str__(self) -> str:
        """Human-readable form, three significant digits."""
        parts = [f"{self.constant:.3g}"] if self.constant or not self.terms else []
        for term in self.terms:
            factors = [] if term.coefficient == 1.0 else [f"{term.coefficient:.3g}"]
            factors += [f"x{term.input}"] if term.input is not None else []
            factors += [f"w{term.weight}"] if term.weight is not None else []
            parts.append("·".join(factors))
        return " + ".join(parts).replace("+ -", "- ")


@dataclass(frozen=True, eq=False)
class Given:
    """An angle computed outside the circuit: a tensor `()` shared by all samples, or `(batch,)`, one per sample.

    Compared by identity; a circuit that holds one cannot be saved.
    """

    value: Tensor

    def __post_init__(self) -> None:
        """Refuse tensors that are no angles."""
        if self.value.ndim > 1 or not self.value.is_floating_point():
            raise UsageError(
                f"a gate angle given as a tensor must be real with shape () or (batch,); got {self.value.dtype} "
                f"{tuple(self.value.shape)}."
            )

    def __str__(self) -> str:
        """Human-readable form."""
        return "tensor"


def feature(index: int) -> Angle:
    """Input `x[index]` as an angle expression."""
    return Angle(0.0, (Term(1.0, input=index),))


def weight(index: int) -> Angle:
    """Weight `w[index]` as an angle expression."""
    return Angle(0.0, (Term(1.0, weight=index),))


def _joined(a: Term, b: Term) -> tuple[int | None, int | None]:
    if (a.input is not None and b.input is not None) or (a.weight is not None and b.weight is not None):
        raise UsageError(
            "an angle may multiply one input by one weight, not two inputs or two weights; it must stay affine in each."
        )
    return (a.input if a.input is not None else b.input, a.weight if a.weight is not None else b.weight)
