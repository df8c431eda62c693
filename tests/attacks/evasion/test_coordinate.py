"""The coordinate attack against closed forms: products of cosines, single lines, linear models."""

import math

import pytest
import torch

from counterspin.attacks.evasion.coordinate import CoordinateAttack
from counterspin.circuits import (
    Circuit,
    Linear,
    PauliExpectations,
    amplitude_encoding,
    angle_encoding,
    feature,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import ConditionsError, UsageError
from counterspin.models import QuantumClassifier
from counterspin.threats import L0, L1, L2, Group, Linf
from counterspin.types import Box, Cost

TWO_SIDES = Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2))
NEVER_BROKEN = Linear(torch.tensor([[1.0], [-1.0]]), torch.tensor([10.0, -10.0]))


def classifier(circuit, observables, box, head=None, seed=0):
    g = torch.Generator().manual_seed(seed)
    weights = torch.randn(circuit.weights, generator=g, dtype=torch.float64)
    model = QuantumClassifier(circuit, PauliExpectations.of(*observables), box, head=head, weights=weights)
    return model.double().requires_grad_(False)


def cosines(qubits=3, head=TWO_SIDES, span=4.0):
    """Margin 2 ∏ cos x_i: the sign changes where one x_i reaches π/2 + kπ."""
    names = " ".join(f"Z{q}" for q in range(qubits))
    return classifier(angle_encoding(qubits, axis="x"), [names], Box.uniform(-span, span, qubits), head)


def samples(model, n=40, seed=0):
    g = torch.Generator().manual_seed(seed)
    box = model.bounds
    x = box.lower + (box.upper - box.lower) * torch.rand(n, box.features, generator=g, dtype=torch.float64)
    return x, model(x).argmax(dim=1)


def flip_distance(x):
    return (torch.remainder(x, math.pi) - math.pi / 2).abs().amin(dim=1)


@pytest.mark.one_fast
@pytest.mark.parametrize("order", ["cyclic", "greedy"])
@pytest.mark.parametrize("threat", [Linf, L2, L1])
def test_a_product_of_cosines_is_broken_exactly_beyond_its_radius(threat, order):
    model = cosines()
    x, y = samples(model)
    distance = flip_distance(x)
    # One feature is enough in every norm. Under L1 and L2 the first sweep shares the budget, the later ones may not
    # get it back, so a cyclic order is sure of it only in L-infinity.
    sure = 1.0 if threat is Linf or order == "greedy" else 3.0
    for eps in (0.05, 0.15, 0.3):
        result = CoordinateAttack(order=order)(model, x, y, threat(eps))
        assert not result.success[0, distance > eps].any()
        assert result.success[0, distance < eps / sure * (1 - 1e-9)].all()
        assert result.history[0]["inexact"] == [0.0] * len(x)


def test_one_change_anywhere_in_the_box_flips_a_sign():
    model = cosines()
    x, y = samples(model)
    result = CoordinateAttack(order="greedy", restarts=1)(model, x, y, L0(1))
    assert result.success.all()
    assert ((result.x_adv[0] != x).sum(dim=1) == 1).all()


@pytest.mark.parametrize("weight", [0.7, 3.0])
def test_one_rotation_is_met_to_the_last_digits(weight):
    circuit = angle_encoding(1, axis="x", scale=weight)
    model = classifier(circuit, ["Z0"], Box.uniform(0.0, math.pi / weight, 1), TWO_SIDES)
    x, y = samples(model)
    distance = (x[:, 0] - math.pi / (2 * weight)).abs()
    for eps in distance.quantile(torch.tensor([0.3, 0.7], dtype=torch.float64)).tolist():
        result = CoordinateAttack()(model, x, y, Linf(eps * (1 + 1e-12)))
        assert torch.equal(result.success[0], distance <= eps)


@pytest.mark.parametrize("uploads", [1, 2, 5])
def test_a_move_costs_twice_the_frequencies_and_one(uploads):
    circuit = reuploading(3, uploads, trainable_scale=False) + strongly_entangling(3, 2)
    model = classifier(circuit, ["Z0"], Box.uniform(0.0, 6.0, 3), NEVER_BROKEN)
    x, y = samples(model, n=7)
    result = CoordinateAttack(restarts=1, sweeps=1)(model, x, y, Linf(0.2))
    forwards = 7 * (1 + 3 * (2 * uploads + 1))  # one query where it starts
    assert result.cost == Cost(forwards=forwards, circuits=forwards)
    greedy = CoordinateAttack(restarts=1, sweeps=1, order="greedy")(model, x, y, Linf(0.2))
    assert greedy.cost.forwards == 7 * (1 + 3 * 2 * uploads + 1)


@pytest.mark.parametrize("target", [None, 2])
def test_a_line_ends_at_the_lowest_margin_of_a_dense_grid(target):
    # One feature on three qubits, uploaded three times: a line is all there is. The first class never loses.
    circuit = Circuit(3)
    for _ in range(3):
        for qubit, scale in enumerate((1.0, 0.5, 0.5)):
            circuit = circuit.add("RY", qubit, scale * feature(0))
        circuit = circuit + strongly_entangling(3, 1)
    head = Linear(torch.eye(4, dtype=torch.float64), torch.tensor([5.0, 0.5, 0.0, 0.7], dtype=torch.float64))
    model = classifier(circuit, ["Z0", "X1", "Z2", "Y0 Z1"], Box.uniform(0.0, 7.0, 1), head)
    x, y = samples(model, n=30)
    result = CoordinateAttack(restarts=1)(model, x, y, Linf(0.8, target=target))
    steps = torch.linspace(-0.8, 0.8, 8001, dtype=torch.float64)
    grid = (x + steps).clamp(0.0, 7.0)
    scores = model(grid.reshape(-1, 1)).reshape(len(x), -1, 4)
    if target is None:
        margin = scores[..., 0] - scores[..., 1:].amax(dim=2)
    else:
        margin = scores[..., [0, 1, 3]].amax(dim=2) - scores[..., 2]
    assert (result.best_loss[0] <= margin.amin(dim=1) + 1e-9).all()
    assert result.history[0]["inexact"] == [0.0] * len(x)


def test_many_frequencies_are_interpolated_and_said_to_be_inexact():
    model = classifier(reuploading(1, 5), ["Z0", "X0"], Box.uniform(0.0, 3.0, 1))
    x, y = samples(model)
    steps = torch.linspace(-0.3, 0.3, 3001, dtype=torch.float64)
    scores = model((x + steps).clamp(0.0, 3.0).reshape(-1, 1)).reshape(len(x), -1, 2)
    margin = (scores[..., 0] - scores[..., 1]) * torch.where(y == 0, 1.0, -1.0)[:, None]
    lowest = margin.amin(dim=1)
    result = CoordinateAttack(restarts=1)(model, x, y, Linf(0.3))
    assert torch.equal(result.success[0], lowest <= 0)
    surviving = ~result.success[0]
    assert (result.best_loss[0] - lowest)[surviving].max() <= 2e-4
    assert torch.tensor(result.history[0]["inexact"])[surviving].all()


class Clipped:
    """Says it runs its circuit on the features, and clips them to the box first."""

    classes, outputs, stochastic = 2, "logits", False

    def __init__(self, model):
        self.model, self.bounds = model, model.bounds
        self.circuit, self.weights, self.readout = model.circuit, model.weights, model.readout

    def circuit_inputs(self, x):
        return x

    def __call__(self, x):
        return self.model(self.bounds.clamp(x))


def test_a_model_that_is_not_its_circuit_is_found_out_and_still_attacked():
    model = Clipped(cosines(span=1.2))
    x, y = samples(model)
    model.bounds.upper[0] = 1.7  # one sign may flip, beyond π/2
    result = CoordinateAttack(restarts=1)(model, x, y, Linf(1.0))
    assert torch.equal(result.success[0], x[:, 0] >= math.pi / 2 - 1.0)
    assert torch.tensor(result.history[0]["inexact"])[~result.success[0]].all()


@pytest.mark.parametrize("classes", [2, 4])
def test_models_without_a_circuit_are_searched(cosine, classes):
    model = cosine(classes)
    x = torch.linspace(0.01, 0.99, 30, dtype=torch.float64)[:, None]
    for eps in (0.03, 0.2):
        result = CoordinateAttack()(model, x, model.labels(x), Linf(eps))
        assert torch.equal(result.success[0], model.distance(x) <= eps)


def test_a_linear_model_is_broken_exactly_beyond_its_distance(linear_case):
    model, x, y = linear_case()
    distance = model.distance(x, "linf")
    single = model.margin(x).abs() / model.w.abs().max()
    for eps in (0.1, 0.3):
        result = CoordinateAttack(restarts=1)(model, x, y, Linf(eps))
        assert torch.equal(result.success[0], distance <= eps)
        # Under L1 all of the budget belongs to the steepest feature, which the greedy order takes first.
        sparse = CoordinateAttack(restarts=1, order="greedy")(model, x, y, L1(eps))
        assert not sparse.success[0, single > eps].any()
        assert sparse.success[0, single < 0.99 * eps].all()


@pytest.mark.one_fast
@pytest.mark.parametrize("threat", [Linf(0.4), L2(0.7), L1(0.9), L0(2)])
def test_points_are_admissible(threat):
    model = cosines(head=NEVER_BROKEN, span=1.0)
    x, y = samples(model)
    result = CoordinateAttack(restarts=2)(model, x, y, threat)
    assert (threat.size(result.x_adv[0] - x) <= threat.eps[0] * (1 + 1e-9)).all()
    assert model.bounds.contains(result.x_adv[0]).all()
    assert (result.best_loss[0] < model(x)[:, 0] - model(x)[:, 1]).all()


def test_what_it_cannot_serve_is_refused():
    amplitudes = classifier(amplitude_encoding(4), ["Z0", "Z1"], Box.uniform(-1.0, 1.0, 4))
    with pytest.raises(ConditionsError, match="this circuit encodes amplitudes"):
        CoordinateAttack()(amplitudes, torch.ones(1, 4), [0], Linf(0.1))
    listed = Group(features=(0, 1, 2), values=((0, 0, 0), (1, 1, 1)))
    assert "continuous features" in str(CoordinateAttack().refusal(cosines(), Linf(0.1, groups=(listed,))))
    with pytest.raises(UsageError, match="order is 'random'; allowed: cyclic, greedy"):
        CoordinateAttack(order="random")
    with pytest.raises(UsageError, match="sweeps is 0"):
        CoordinateAttack(sweeps=0)


def test_its_name_tells_the_order():
    assert (CoordinateAttack().name, CoordinateAttack(order="greedy").name) == ("coordinate", "coordinate-greedy")


class Shots:
    """The model read with a finite number of shots per score."""

    stochastic = True

    def __init__(self, model, noise=0.02):
        self.model, self.noise, self.generator = model, noise, torch.Generator().manual_seed(0)
        self.bounds, self.classes, self.outputs = model.bounds, model.classes, model.outputs
        self.circuit, self.weights, self.readout = model.circuit, model.weights, model.readout
        self.circuit_inputs = model.circuit_inputs

    def __call__(self, x):
        scores = self.model(x)
        return scores + self.noise * torch.randn(scores.shape, generator=self.generator).to(scores)


def test_a_stochastic_model_is_attacked_and_said_to_be_inexact():
    exact = cosines(2)
    x, y = samples(exact, n=30)
    clear = (exact(x)[:, 0].abs() > 0.1) & ((flip_distance(x) - 0.3).abs() > 0.1)
    x, y = x[clear], y[clear]
    result = CoordinateAttack(restarts=1, sweeps=2)(Shots(exact), x, y, Linf(0.3))
    assert torch.equal(result.success[0], flip_distance(x) < 0.3)
    assert torch.tensor(result.history[0]["inexact"])[~result.success[0]].all()
