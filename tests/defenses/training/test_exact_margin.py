"""Exact-margin training: its gradient against differences of certified radii, its schedule, what it refuses."""

from dataclasses import replace

import pytest
import torch

from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.datasets import Split
from counterspin.defenses.training import exact_margin
from counterspin.defenses.training.angle_noise import AngleNoise
from counterspin.defenses.training.circuit_views import CircuitView, ReadoutView
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.exact_margin import ENTRY, ExactMargin
from counterspin.defenses.training.pair_forms import pair_spectra
from counterspin.defenses.training.registry import parse
from counterspin.defenses.training.signed_distances import signed_distances
from counterspin.errors import CapabilityError, ConditionsError, InterruptedRunError, UsageError
from counterspin.models import MLP, AffineInputs, NoisyClassifier, QuantumClassifier
from counterspin.models.flips import FlipSolver
from counterspin.noise import NoiseModel
from counterspin.optimum import AffineMap
from counterspin.threats import L2, Linf
from counterspin.training import CrossEntropyObjective, Step, TrainingSettings, fit
from counterspin.types import Box


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grouped(seed=1, features=8):
    """Three qubits, outcomes 0 to 2 of two of them, float64."""
    circuit = amplitude_encoding(features) + strongly_entangling(3, 3)
    groups = OutcomeGroups.first(qubits=2, classes=3)
    box = Box.uniform(0.0, 1.0, features=features)
    head = Scale(torch.tensor(5.0))
    return QuantumClassifier(circuit, groups, box, head=head, generator=seeded(seed)).double()


def headed(seed=2):
    """A linear head with bias on ⟨Z⟩ of every qubit, behind an affine map of 5 features to 8 values."""
    generator = seeded(seed)
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    head = Linear(torch.randn(3, 3, generator=generator), 0.3 * torch.randn(3, generator=generator))
    zs = PauliExpectations.of("Z0", "Z1", "Z2")
    body = QuantumClassifier(circuit, zs, Box.unbounded(8), head=head, generator=generator)
    weight = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    offset = torch.randn(8, generator=generator, dtype=torch.float64)
    return AffineInputs(body, AffineMap(weight, offset), Box.uniform(0.0, 1.0, features=5)).double()


def noisy(seed=3):
    return NoisyClassifier(grouped(seed), noise=NoiseModel(qubit_depolarizing=0.05, readout_flips=(0.02, 0.04)))


def two_bases(seed=4):
    generator = seeded(seed)
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    head = Linear(torch.randn(3, 3, generator=generator), torch.zeros(3))
    paulis = PauliExpectations.of("Z0", "X1", "Y0 Z2")
    box = Box.uniform(0.0, 1.0, features=8)
    return QuantumClassifier(circuit, paulis, box, head=head, generator=generator).double()


def batch(model, rows=12, seed=0):
    x = torch.rand(rows, model.bounds.features, generator=seeded(seed), dtype=torch.float64)
    return x, torch.arange(rows) % 3


def drifted():
    """The map and linear head of `headed`, seen with angles that are off."""
    return AngleNoise(sigma=0.2).apply(headed(), step_at(0.5))


def step_at(progress, generator=None):
    return Step(epoch=1, progress=progress, rows=torch.arange(12), generator=generator or seeded(), memory={})


MODELS = {
    "groups": grouped,
    "padded": lambda: grouped(features=6),
    "head": headed,
    "noise": noisy,
    "bases": two_bases,
    "drifted": drifted,
}


def solver(model):
    found = FlipSolver.of(model)
    if isinstance(model, CircuitView) and isinstance(model.body, AffineInputs):
        found = replace(found, input_map=model.body.input_map())
    return found


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_value_and_gradient_are_those_of_the_certified_radii(make):
    model = make()
    x, _ = batch(model)
    y = model(x).argmax(dim=1)
    objective = ExactMargin(target=1.0, softness=0.0)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    loss = objective.lack(model, x, y, 1.0)
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)

    def mean_radius():
        return (solver(model)(x, y).upper / x.norm(dim=1)).clamp(max=1.0).mean()

    assert loss.item() == pytest.approx(1 - mean_radius().item(), abs=1e-9)
    direction = [torch.randn(w.shape, generator=seeded(5), dtype=w.dtype) for w in weights]
    expected = -sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)
    radii = []
    with torch.no_grad():
        for h in (1e-5, -1e-5):
            for w, d in zip(weights, direction, strict=True):
                w += h * d
            radii.append(mean_radius().item())
            for w, d in zip(weights, direction, strict=True):
                w -= h * d
    assert (radii[0] - radii[1]) / 2e-5 == pytest.approx(expected, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("rivals", ["nearest", "all"])
@pytest.mark.parametrize("units", ["relative", "feature"])
@pytest.mark.parametrize("softness", [0.0, 0.2])
def test_gradient_with_misclassified_samples(rivals, units, softness, monkeypatch):
    monkeypatch.setattr(exact_margin, "_NEGLIGIBLE", 0.0)
    model = grouped()
    x, y = batch(model)
    assert 0 < int((model(x).argmax(dim=1) == y).sum()) < len(y)
    objective = ExactMargin(target=0.9, rivals=rivals, units=units, softness=softness)
    (gradient,) = torch.autograd.grad(objective.lack(model, x, y, 0.9), model.weights)
    for seed in range(3):
        direction = torch.randn(gradient.shape, generator=seeded(seed), dtype=gradient.dtype)
        ends = []
        with torch.no_grad():
            for h in (1e-6, -1e-6):
                model.weights += h * direction
                ends.append(objective.lack(model, x, y, 0.9).item())
                model.weights -= h * direction
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(gradient @ direction), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("rivals", ["nearest", "all"])
def test_soft_value_by_hand(rivals):
    model = grouped()
    x, y = batch(model)
    distances = signed_distances(pair_spectra(model, y), x, y).values / x.norm(dim=1, keepdim=True)
    if rivals == "nearest":
        terms = ((0.5 - distances.amin(dim=1)) / 0.1).exp()
    else:
        terms = torch.where(torch.isfinite(distances), ((0.5 - distances) / 0.1).exp(), 0.0).sum(dim=1)
    expected = 0.1 * (1 + terms).log().mean()
    found = ExactMargin(target=0.5, rivals=rivals, softness=0.2).lack(model, x, y, 0.5)
    torch.testing.assert_close(found, expected)


def test_far_samples_exert_no_force():
    model = grouped()
    x, _ = batch(model)
    y = model(x).argmax(dim=1)
    loss = ExactMargin(target=1e-9, softness=0.0).lack(model, x, y, 1e-9)
    loss.backward()
    assert loss.item() == 0.0
    assert not bool(model.weights.grad.any())


def test_warm_up_and_growing_target():
    model = grouped()
    x, y = batch(model)
    objective = ExactMargin(target=0.4, start=0.2, warmup=0.2, full=0.6, weight=3.0, loss_weight=0.5)
    plain = CrossEntropyObjective()(model, x, y)
    assert torch.equal(objective(model, x, y, step_at(0.1)), plain)
    assert [round(objective.at(p), 6) for p in (0.2, 0.4, 0.6, 0.99)] == [0.2, 0.3, 0.4, 0.4]
    expected = 3.0 * objective.lack(model, x, y, 0.3) + 0.5 * plain
    torch.testing.assert_close(objective(model, x, y, step_at(0.4)), expected)
    alone = replace(objective, loss_weight=0.0)
    torch.testing.assert_close(alone(model, x, y, step_at(0.4)), 3.0 * objective.lack(model, x, y, 0.3))


def test_refusals_come_before_any_compute():
    angles = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, features=2))
    objective = ExactMargin(target=0.1)
    with pytest.raises(ConditionsError, match="encodes data in gate angles"):
        objective.check(angles, L2(0.1))
    with pytest.raises(CapabilityError, match="quadratic forms of its input, and model is a MLP"):
        objective.check(MLP(Box.uniform(0, 1, features=2), classes=2, hidden=(3,)), L2(0.1))
    wide = QuantumClassifier(
        amplitude_encoding(1025), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0, 1, features=1025)
    )
    with pytest.raises(ConditionsError, match="1025 features"):
        objective.check(wide, L2(0.1))
    objective.check(grouped(), Linf(0.1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": 0.0}, "target is 0.0"),
        ({"target": 1.5}, "give at most 1"),
        ({"target": 0.1, "weight": float("nan")}, "weight is nan"),
        ({"target": 0.1, "softness": -1.0}, "softness is -1.0"),
        ({"target": 0.1, "warmup": 0.8}, "0 <= warmup < full <= 1"),
        ({"target": 0.1, "start": 0.2}, "start is 0.2"),
        ({"target": 0.1, "rivals": "some"}, "allowed: all, nearest"),
        ({"target": 0.1, "units": "pixels"}, "allowed: relative, feature"),
    ],
)
def test_values_that_make_no_objective(values, message):
    with pytest.raises(UsageError, match=message):
        ExactMargin(**values)


def test_entry_reads_the_threat():
    relative = ENTRY.build({}, L2(0.05, 0.1, 0.15, units="relative"))
    assert (relative.target, relative.units) == (pytest.approx(0.15), "relative")
    assert ENTRY.build({}, L2(0.5)).units == "feature"
    pixels = ENTRY.build({"rivals": "nearest", "start": "0.1"}, Linf(0.1))
    assert (pixels.target, pixels.units, pixels.rivals, pixels.start) == (0.2, "relative", "nearest", 0.1)
    assert pixels.to_json()["name"] == "exact-margin"


@pytest.mark.slow
def test_training_enlarges_the_radii_and_resumes_bit_by_bit(tmp_path):
    x = torch.rand(60, 8, generator=seeded(3), dtype=torch.float64)
    split = Split(x, (x[:, 0] > x[:, 3]).long() + (x[:, 5] > 0.6).long())
    settings = TrainingSettings(epochs=12, batch_size=20, learning_rate=0.1)

    def trained(objective, checkpoint=None):
        model = grouped().float()
        fit(model, objective, split, None, settings, generator=seeded(1), checkpoint=checkpoint)
        return model

    objective = ExactMargin(target=0.3, start=0.1)
    plain, hardened = trained(CrossEntropyObjective()), trained(objective)
    mean = [(FlipSolver.of(m)(split.x, split.y).lower / split.x.norm(dim=1)).mean().item() for m in (plain, hardened)]
    assert mean[1] > 1.1 * mean[0]

    calls = iter(range(20))

    class Interrupted(ExactMargin):
        def __call__(self, model, x, y, step):
            if next(calls) == 19:
                raise KeyboardInterrupt
            return super().__call__(model, x, y, step)

    Interrupted.__repr__ = lambda self: repr(objective)
    file = tmp_path / "state.safetensors"
    with pytest.raises(InterruptedRunError):
        trained(Interrupted(target=0.3, start=0.1), file)
    resumed = trained(objective, file)
    assert torch.equal(resumed.weights, hardened.weights)


@pytest.mark.parametrize(
    "text", ["shot-noise:200", "noise:depolarizing:0.01/gate", "angle-noise:0.05", "label-smoothing:0.1"]
)
def test_combines_with_views_and_losses(text):
    threat = L2(0.1, units="relative")
    model = grouped().float()
    x, y = batch(model)
    parts = parse(f"exact-margin,{text}", threat, model)
    objective = compose(parts)
    loss = objective(model, x.float(), y, step_at(0.5))
    (gradient,) = torch.autograd.grad(loss, model.weights)
    assert bool(torch.isfinite(loss))
    assert bool(gradient.any())


def test_shots_play_no_part_in_distances():
    model = grouped()
    x, y = batch(model)
    objective = ExactMargin(target=0.5)
    shot = ReadoutView(model, lambda body, rows: body(rows) + 1.0)
    assert torch.equal(objective.lack(shot, x, y, 0.5), objective.lack(model, x, y, 0.5))
