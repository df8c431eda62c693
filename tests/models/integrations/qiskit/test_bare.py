"""Bare circuits: features, numbers and readout named beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from qiskit_readings import FEATURES, WEIGHTS, options_for, read_values

from counterspin.errors import ModelError
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.qiskit import read
from counterspin.models.integrations.reading import CircuitReading

pytestmark = pytest.mark.slow

GIVEN = {"θ": WEIGHTS}


def circuit():
    from qiskit.circuit.library import real_amplitudes, zz_feature_map

    return zz_feature_map(2).compose(real_amplitudes(2, reps=2))


@pytest.mark.parametrize("inputs", ["x", "x[0], x[1]", None])
@pytest.mark.parametrize("readout", ["0.5*Z[0]*X[1] - Y[1] + 0.1", "Z[0] | X[0]*Y[1]", "P[1,0]", "P[0,1]: 00 | 11 01"])
def test_readouts_are_those_of_qiskit(readout, inputs):
    candidate = read(circuit(), options_for(weights=GIVEN, inputs=inputs, readout=readout))
    assert candidate.kind == "qiskit.QuantumCircuit"
    assert isinstance(candidate.imported, CircuitReading)
    expected = candidate.home(FEATURES)
    assert torch.allclose(read_values(candidate.imported, FEATURES), expected, rtol=0, atol=1e-12)
    assert expected.std(dim=0).min() > 1e-3


def test_the_home_is_what_qiskit_computes():
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    x = Parameter("x")
    turned = QuantumCircuit(2, 1)
    turned.rx(x, 1)
    turned.measure(1, 0)
    points = torch.tensor([[0.3], [1.2]], dtype=torch.float64)
    probabilities = read(turned, options_for(points, readout="P[1]")).home(points)
    assert probabilities[:, 1].tolist() == pytest.approx([math.sin(0.15) ** 2, math.sin(0.6) ** 2], abs=1e-15)
    scores = read(turned, options_for(points, readout="Z[1]")).home(points)
    assert (scores[:, 0] - scores[:, 1]).tolist() == pytest.approx([math.cos(0.3), math.cos(1.2)], abs=1e-15)
    # Qubit 0 is idle, and stays, so that readouts name Qiskit's qubits.
    adopted = adopt(turned, points, readout="Z[0] | Z[1]")
    assert adopted.model(points)[:, 0].tolist() == pytest.approx([1.0, 1.0])


def test_amplitudes_of_a_bare_circuit():
    from qiskit_machine_learning.circuit.library import raw_feature_vector

    bare = raw_feature_vector(4)
    bare.h(1)
    x = torch.tensor(np.random.default_rng(2).uniform(0.1, 1, size=(5, 4)))
    adopted = adopt(bare, x, readout="P[0,1]")
    assert adopted.route.route == "imported"
    assert adopted.route.home is not None
    assert torch.allclose(adopted.model(x), adopted.route.home(x), atol=1e-12)
    assert adopted.model.effective_observables() is not None  # exact certificates of amplitudes apply


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": GIVEN}, "a QuantumCircuit has no class scores of its own; name what is measured"),
        ({"weights": GIVEN, "readout": "Z[2]"}, "names qubit 2; the circuit has 2 qubits"),
        ({"readout": "Z[0]"}, "x has 2 features and 8 parameters of the circuit would take them; name those"),
        ({"readout": "Z[0]", "inputs": "x"}, "parameters 'θ' are not bound"),
        ({"readout": "Z[0]", "inputs": "y", "weights": GIVEN}, "inputs names 'y'; the circuit's parameters are"),
        ({"readout": "Z[0]", "inputs": "x[0]", "weights": GIVEN}, "x has 2 features and 1 parameters"),
    ],
)
def test_what_is_missing_is_named(options, message):
    with pytest.raises(ModelError, match=message):
        read(circuit(), options_for(**options))


def test_circuits_that_are_none_of_gates_are_refused_by_name():
    branching = circuit()
    branching.reset(0)
    with pytest.raises(ModelError, match="the circuit cannot be used: it resets qubit 0 after other gates"):
        read(branching, options_for(weights=GIVEN, readout="Z[0]"))
