"""Which solver serves which model."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, amplitude_encoding, angle_encoding, strongly_entangling
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import NoisyClassifier, QuantumClassifier, flips
from counterspin.models.affine import AffineInputs
from counterspin.models.classical import MLP
from counterspin.models.flips import FlipSolver
from counterspin.noise import NoiseModel
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.matrix_free import FormProducts
from counterspin.types import Box

BIT = OutcomeGroups((0,), ((0,), (1,)))


def _model(qubits, features=None, *, classes=2, complex_data=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = 2**qubits if features is None else features
    circuit = amplitude_encoding(features, qubits=qubits, complex_data=complex_data) + strongly_entangling(qubits, 3)
    groups = OutcomeGroups((0, 1), tuple((k,) for k in range(classes))) if classes > 2 else BIT
    weights = 3 * torch.randn(circuit.weights, generator=generator)
    return QuantumClassifier(circuit, groups, Box.unbounded(circuit.inputs), weights=weights).requires_grad_(False)


def _inputs(model, rows=8, seed=1):
    x = torch.randn(rows, model.bounds.features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x, model(x).argmax(dim=1)


@pytest.mark.one_fast
@pytest.mark.parametrize("complex_data", [False, True])
@pytest.mark.parametrize(("qubits", "features"), [(6, 64), (6, 50), (7, 128)])
@pytest.mark.parametrize("classes", [2, 4])
def test_products_agree_with_the_forms(monkeypatch, qubits, features, classes, complex_data):
    model = _model(qubits, features, classes=classes, complex_data=complex_data)
    x, y = _inputs(model)
    dense = FlipSolver.of(model)(x, y)
    monkeypatch.setattr(flips, "_DENSE_FEATURES", 1)
    solver = FlipSolver.of(model)
    assert isinstance(solver.forms, FormProducts)
    found = solver(x, y)
    assert bool((found.gap <= 1e-6).all())
    torch.testing.assert_close(found.lower, dense.lower, rtol=1e-7, atol=0)
    torch.testing.assert_close(found.points, dense.points, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("qubits", [8, 9, 10])
def test_products_agree_with_the_forms_on_more_qubits(monkeypatch, qubits):
    model = _model(qubits)
    x, y = _inputs(model)
    dense = FlipSolver.of(model)(x, y)
    monkeypatch.setattr(flips, "_DENSE_FEATURES", 1)
    found = FlipSolver.of(model)(x, y)
    assert bool((found.lower <= dense.upper).all())
    torch.testing.assert_close(found.lower, dense.lower, rtol=1e-7, atol=0)


@pytest.mark.slow
def test_thirteen_qubits():
    model = _model(13)
    x, y = _inputs(model, rows=6)
    solver = FlipSolver.of(model)
    assert isinstance(solver.forms, FormProducts)
    found = solver(x, y)
    assert bool((found.gap <= 1e-6).all())
    scores = model(found.points)
    assert bool((scores.gather(1, y[:, None])[:, 0] <= scores.gather(1, found.rival[:, None])[:, 0]).all())
    inside = x + (found.points - x) * (1 - 1e-5)
    assert torch.equal(model(inside).argmax(dim=1), y)


def test_forms_that_fill_memory_are_not_written_down(monkeypatch):
    model = _model(6, 10)
    monkeypatch.setattr(flips, "_DENSE_BYTES", 1000)
    assert isinstance(FlipSolver.of(model).forms, FormProducts)


def test_products_behind_a_map(monkeypatch):
    body = _model(5)
    generator = torch.Generator().manual_seed(2)
    map = AffineMap(
        torch.randn(32, 40, generator=generator, dtype=torch.float64),
        torch.randn(32, generator=generator, dtype=torch.float64),
    )
    model = AffineInputs(body, map, Box.unbounded(40))
    x, y = _inputs(model)
    dense = FlipSolver.of(model)(x, y)
    monkeypatch.setattr(flips, "_DENSE_FEATURES", 1)
    found = FlipSolver.of(model)(x, y)
    assert bool((found.lower <= dense.upper).all())
    assert bool((found.lower >= 0.5 * dense.lower).all())
    torch.testing.assert_close(found.upper, dense.upper, rtol=1e-6, atol=0)


def test_the_identity_is_no_map():
    body = _model(3)
    solver = FlipSolver.of(AffineInputs(body, AffineMap.identity(8), Box.unbounded(8)))
    assert solver.input_map is None


def test_models_that_are_no_quadratic_form_are_refused():
    with pytest.raises(CapabilityError, match="effective observables"):
        FlipSolver.of(MLP(Box.unbounded(2), classes=2, hidden=(3,)))
    angles = QuantumClassifier(angle_encoding(2), BIT, Box.unbounded(2))
    with pytest.raises(ConditionsError, match="gate angles"):
        FlipSolver.of(angles)
    with pytest.raises(ConditionsError, match="gate angles"):
        FlipSolver.of(AffineInputs(angles, AffineMap.identity(2), Box.unbounded(2)))


def test_a_noisy_model_is_never_solved_on_its_noiseless_circuit(monkeypatch):
    noisy = NoisyClassifier(_model(3), noise=NoiseModel(readout_flips=(0.0, 0.4)))
    expected = FlipSolver.of(noisy).forms
    monkeypatch.setattr(flips, "_DENSE_FEATURES", 1)
    found = FlipSolver.of(noisy).forms
    assert isinstance(FlipSolver.of(_model(3)).forms, FormProducts)
    assert torch.equal(found, expected)
