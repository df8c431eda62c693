"""Declared inputs of an OpenQASM 3 program: which are features, which are weights."""

from __future__ import annotations

import re

from counterspin.circuits.angles import Angle, feature, weight
from counterspin.circuits.qasm.syntax import Directive, InputDeclaration
from counterspin.circuits.qasm.tokens import refused

__all__ = ["Parameters"]

_MAKE = {"inputs": feature, "weights": weight}
_LETTERS = {"x": "inputs", "w": "weights"}
_NUMBERED = re.compile("([xw])([0-9]{1,9})")
_MOST = 1_000_000


class Parameters:
    """Names of inputs and weights with the expression each stands for.

    `x3` and `w3` carry their number; arrays `x` and `w` are numbered from 0. Other names are numbered in the order of
    their declaration once a directive has said what they are.
    """

    def __init__(self) -> None:
        self.values: dict[str, Angle] = {}
        self.declared: list[str] = []
        self._kinds: dict[str, str] = {}
        self._taken: dict[str, set[int]] = {"inputs": set(), "weights": set()}

    def direct(self, directive: Directive) -> None:
        """Note what a directive `inputs a b` or `weights c d` says of names that are declared later."""
        kind, *names = directive.words
        self._kinds |= dict.fromkeys(names, kind)

    def declare(self, declaration: InputDeclaration) -> None:
        """Add a declared input.

        Raises:
            InputError: a name that is taken or says neither input nor weight, a number that is taken.
        """
        name, size, place = declaration.name, declaration.size, declaration.place
        if name in self.declared:
            raise refused(place, f"input {name!r} is declared twice", "give it another name")
        if size is not None and size > _MOST:
            raise refused(place, f"an array of {size} inputs found", f"at most {_MOST:,} are read")
        numbered = _NUMBERED.fullmatch(name)
        if name in self._kinds:
            kind, first = self._kinds[name], 1 + max(self._taken[self._kinds[name]], default=-1)
        elif numbered and size is None:
            kind, first = _LETTERS[numbered[1]], int(numbered[2])
        elif name in _LETTERS and size is not None:
            kind, first = _LETTERS[name], 0
        else:
            raise refused(
                place,
                f"input {name!r} says neither feature nor weight",
                f"name features x0, x1, … and weights w0, w1, …, or put `// counterspin: weights {name}` before it",
            )
        indices = range(first, first + (1 if size is None else size))
        if self._taken[kind].intersection(indices):
            raise refused(place, f"{name!r} has the number of another of the {kind}", "number them without repetition")
        self._taken[kind].update(indices)
        self.declared.append(name)
        for position, index in enumerate(indices):
            self.values[name if size is None else f"{name}[{position}]"] = _MAKE[kind](index)
