"""Parameter expressions as polynomials and functions, against Qiskit's own evaluation."""

from __future__ import annotations

import math

import pytest
import torch

from counterspin.models.integrations.qiskit.assembly import FunctionMap, assemble
from counterspin.models.integrations.qiskit.circuits import unroll
from counterspin.models.integrations.qiskit.expressions import Function, Parameters
from counterspin.models.integrations.reading import Unreadable
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap

pytestmark = pytest.mark.slow


def vectors():
    from qiskit.circuit import ParameterVector

    return ParameterVector("x", 3), ParameterVector("t", 2)


def assembled_angles(expressions, parameters):
    """A circuit of one RX per expression."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(1)
    for expression in expressions:
        circuit.rx(expression, 0)
    return assemble(unroll(circuit), parameters, measured=[0])


def test_polynomials_are_read_exactly():
    x, t = vectors()
    parameters = Parameters(x, values={t[0]: 2.0}, weights=[t[1]])
    found = parameters.read(2 * (math.pi - x[0]) * (math.pi - x[2]) + t[0] * x[1] * t[1] - 1)
    assert found == pytest.approx(
        {
            ((0, 2), ()): 2.0,
            ((0,), ()): -2 * math.pi,
            ((2,), ()): -2 * math.pi,
            ((1,), (0,)): 2.0,
            ((), ()): 2 * math.pi**2 - 1,
        },
        rel=1e-15,
    )
    assert parameters.read(0.25) == {((), ()): 0.25}
    assert parameters.read(x[1]) == {((1,), ()): 1.0}
    assert parameters.read(x[0] - x[0] + t[0]) == {((), ()): 2.0}


def test_functions_are_those_of_qiskit_with_their_derivatives():
    x, t = vectors()
    parameters = Parameters(x, values={t[0]: 0.5})
    y = torch.tensor([[0.3, 0.8, 0.6], [0.9, 0.2, 0.4]], dtype=torch.float64, requires_grad=True)
    expressions = [
        x[0].sin() * x[1].cos() + t[0],
        (x[0] * x[2]).exp() - x[1].log(),
        x[2].arcsin() + x[0].arccos() + x[1].arctan(),
        x[1].tan() ** 2 + (x[0] - x[1]).abs(),
    ]
    for expression in expressions:
        function = parameters.read(expression)
        assert isinstance(function, Function)
        values = function(y)
        for row, value in zip(y.tolist(), values.tolist(), strict=True):
            numbers = dict(zip(x, row, strict=True)) | {t[0]: 0.5}
            bound = expression.bind({p: numbers[p] for p in expression.parameters})
            assert value == pytest.approx(float(bound), abs=1e-13)
        assert torch.autograd.gradcheck(function, (y,))


def test_an_angle_that_hangs_on_bound_parameters_alone_is_a_weight():
    x, t = vectors()
    found = assembled_angles([x[0], t[0] * t[1] + 1, 0.7, x[2] + t[0]], Parameters(x, values={t[0]: 2.0, t[1]: 3.0}))
    assert [str(gate) for gate in found.circuit.gates] == ["RX(x0) q0", "RX(w0) q0", "RX(0.7) q0", "RX(2 + x2) q0"]
    assert found.weights.tolist() == [7.0]
    assert found.front is None


def test_weights_that_stay_weights_may_multiply_features():
    x, t = vectors()
    found = assembled_angles([x[0] * t[1] * 2, x[2] + t[0], x[0] * x[1] + t[0]], Parameters(x, weights=t))
    texts = [str(gate) for gate in found.circuit.gates]
    assert texts == ["RX(2·x0·w1) q0", "RX(x1 + w0) q0", "RX(x2 + w0) q0"]
    assert isinstance(found.front, PolynomialMap)
    assert found.front(torch.tensor([[2.0, 3.0, 5.0]])).tolist() == [[2.0, 5.0, 6.0]]
    with pytest.raises(Unreadable, match="multiplies two weights"):
        assembled_angles([x[0] + t[0] * t[1]], Parameters(x, weights=t))
    with pytest.raises(Unreadable, match="no polynomial of its weights"):
        assembled_angles([x[0] + t[0].sin()], Parameters(x, weights=t))


def test_fronts_are_as_simple_as_the_angles_allow():
    x, _ = vectors()
    assert assembled_angles([x[2] * 3 - 1, x[0]], Parameters(x)).front is None
    # The last feature is in no angle: the circuit takes fewer inputs than there are features.
    partial = assembled_angles([x[1] * 3, x[0]], Parameters(x)).front
    assert isinstance(partial, AffineMap)
    mixed = assembled_angles([x[0] * x[1], x[0].sin(), x[0].sin(), x[2]], Parameters(x))
    assert isinstance(mixed.front, FunctionMap)
    assert mixed.circuit.inputs == 3
    point = torch.tensor([[0.5, 4.0, 7.0]], dtype=torch.float64)
    assert mixed.front(point).tolist() == [pytest.approx([2.0, math.sin(0.5), 7.0], rel=1e-15)]


def test_the_same_product_is_one_input():
    x, _ = vectors()
    found = assembled_angles([x[0] * x[1], x[2], 1 + x[1] * x[0] - 1], Parameters(x))
    assert found.circuit.inputs == 2


def test_what_cannot_be_read_is_named():
    x, t = vectors()
    with pytest.raises(Unreadable, match=r"parameter 't\[0\]' is neither a feature nor bound"):
        Parameters(x).read(x[0] + t[0])
    with pytest.raises(Unreadable, match="only finite real ones"):
        Parameters(x).read(1j + 0.5)
    with pytest.raises(Unreadable, match="no gate of the circuit depends on a feature"):
        assembled_angles([t[0]], Parameters(x, values={t[0]: 1.0}))
