"""OpenQASM programs as models: the readout, the bounds and the weights are declared beside the gates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import OutcomeGroups, Readout
from counterspin.circuits.qasm import QasmProgram, load_qasm, read_program
from counterspin.circuits.readout_text import readout_from_text
from counterspin.errors import ModelError
from counterspin.models.quantum import QuantumClassifier
from counterspin.types import Box

__all__ = ["claims", "qasm_model"]

_MEASURED = 10


def claims(model: Any) -> bool:
    """Whether `model` is the path of a `.qasm` file or the text of a program.

    Example:
        >>> claims("model.qasm"), claims("OPENQASM 3.0; qubit q;"), claims("digits-amplitude")
        (True, True, False)
    """
    if not isinstance(model, str | os.PathLike):
        return False
    return str(os.fspath(model)).endswith(".qasm") or _is_text(model)


def qasm_model(
    source: str | os.PathLike[str],
    *,
    readout: str | None = None,
    bounds: Box | tuple[float, float] | None = None,
    weights: Mapping[str, Any] | None = None,
) -> QuantumClassifier:
    """The circuit of an OpenQASM 2 or 3 program as a classifier.

    What a program has no words for stands in comments of it, anywhere in the file; arguments come before them::

        OPENQASM 3.0;
        include "stdgates.inc";
        // counterspin: readout Z[0] | Z[1]
        // counterspin: bounds 0 3.141592653589793
        // counterspin: values w0=0.1 w1=-0.4
        input float x0;
        input float w0;
        input float w1;
        qubit[2] q;
        ...

    `readout` is in the grammar of `readout_from_text`, class k its part k, qubits in the order of their declaration.
    Without one the final measurements decide: class c is the outcome whose binary digits are the classical bits, bit 0
    the last digit, as counts of OpenQASM tools are written. `bounds` hold for every feature; without them the features
    are unbounded. `values` gives weights their numbers, arrays as `w=0.1,0.2`. Inputs called x0, x1, … are the
    features; other names are declared as such by `// counterspin: inputs a b`.

    Args:
        source: a path, or the text of a program.
        readout: as above.
        bounds: the box the features live in, or `(low, high)` for every feature.
        weights: numbers by name; arrays as sequences.

    Raises:
        InputError: a program that cannot be read, with line and column.
        UsageError: a readout that cannot be read.
        ModelError: no features, weights without a value, no readout, or parts that do not fit together.

    Example:
        >>> program = "OPENQASM 3.0; input float x0; qubit q; bit c; ry(x0) q; c = measure q;"
        >>> model = qasm_model(program.replace("ry(", "U(").replace("(x0)", "(x0, 0, 0)"), bounds=(0, 3.2))
        >>> round(model(torch.tensor([[1.0]], dtype=torch.float64))[0, 1].item(), 6)  # sin² 1/2
        0.229849
    """
    program = read_program(str(source)) if _is_text(source) else load_qasm(Path(source))
    circuit = program.circuit
    if not circuit.inputs:
        raise ModelError(
            "the program has no features: it prepares one state. Declare inputs (`input float x0;`, OpenQASM 3), or "
            "certify states given beside it."
        )
    found = _readout(program, program.notes.get("readout") if readout is None else readout)
    return QuantumClassifier(
        circuit,
        found.measurement,
        _box(program, bounds),
        head=found.head,
        trainable_head=False,
        weights=_weights(program, weights or {}),
    )


def _is_text(source: Any) -> bool:
    """Whether a text is a program; anything else is a path."""
    return isinstance(source, str) and (";" in source or "\n" in source)


def _readout(program: QasmProgram, text: str | None) -> Readout:
    if text is not None:
        return readout_from_text(text)
    measured = program.measured[::-1]
    if not measured:
        raise ModelError(
            "the program has no readout: measure qubits at its end, add a line `// counterspin: readout Z[0]`, or pass "
            "readout='Z[0]'."
        )
    if len(measured) > _MEASURED:
        raise ModelError(
            f"the program measures {len(measured)} qubits, and each of 2^{len(measured)} outcomes would be a class; "
            "group them, for example `// counterspin: readout P[0]`."
        )
    return Readout(OutcomeGroups(measured, tuple((outcome,) for outcome in range(2 ** len(measured)))))


def _box(program: QasmProgram, bounds: Box | tuple[float, float] | None) -> Box:
    features = program.circuit.inputs
    if isinstance(bounds, Box):
        return bounds
    if bounds is None and "bounds" not in program.notes:
        return Box.unbounded(features)
    said = program.notes["bounds"].split() if bounds is None else bounds
    try:
        low, high = (float(end) for end in said)
    except (TypeError, ValueError):
        raise ModelError(f"bounds are {said!r}; give two numbers, lowest and highest value of every feature.") from None
    return Box.uniform(low, high, features)


def _weights(program: QasmProgram, given: Mapping[str, Any]) -> Tensor:
    """Numbers of the weights `(weights,)` float64: those given, then those in the file."""
    numbers = _noted(program.notes.get("values", "")) | dict(given)
    known = {name.partition("[")[0] for name in program.weights}
    unknown = sorted(set(numbers) - known)
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        raise ModelError(f"{', '.join(unknown)} given a value; weights of the program: {allowed}.")
    missing = sorted(known - set(numbers))
    if missing:
        raise ModelError(
            f"weights {', '.join(missing)} have no value; add a line `// counterspin: values {missing[0]}=0.1`, or "
            f"pass weights={{{missing[0]!r}: 0.1}}."
        )
    values = torch.zeros(program.circuit.weights, dtype=torch.float64)
    for name in sorted(known):
        places = [number for written, number in program.weights.items() if written.partition("[")[0] == name]
        try:
            listed = np.atleast_1d(np.asarray(numbers[name], dtype=float))
        except (TypeError, ValueError):
            raise ModelError(f"weight {name} is {numbers[name]!r}; give a number.") from None
        if listed.shape != (len(places),) or not np.isfinite(listed).all():
            raise ModelError(f"weight {name} is {numbers[name]!r}; give {len(places)} finite numbers.")
        for place, number in zip(places, listed.tolist(), strict=True):
            if place < len(values):  # a declared weight that no gate uses
                values[place] = number
    return values


def _noted(text: str) -> dict[str, list[str]]:
    """Numbers by name out of `w0=0.1 w=0.2,0.3`."""
    pairs = [word.partition("=") for word in text.split()]
    wrong = [name for name, equals, value in pairs if not equals or not value]
    if wrong:
        raise ModelError(f"values {text!r} are not readable at {wrong[0]!r}; write `values w0=0.1 w1=0.2`.")
    return {name: value.split(",") for name, _, value in pairs}
