"""Surfaces: an unchanged surface is the model; a change is what a model built with changed numbers gives."""

import math

import pytest
import torch

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.circuits import strongly_entangling as entangling
from counterspin.evaluation.analysis.surfaces import ChangedModel, surfaces
from counterspin.models import MLP, HybridClassifier, QuantumClassifier
from counterspin.types import Box


def hybrid() -> HybridClassifier:
    generator = torch.Generator().manual_seed(0)
    body = QuantumClassifier(
        reuploading(2, 1),
        PauliExpectations.of("Z0", "Z1"),
        Box.uniform(-1.0, 1.0, features=2),
        head=Linear(torch.eye(2), torch.zeros(2)),
        generator=generator,
    )
    front = MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,), generator=generator)
    return HybridClassifier(front, body).double().requires_grad_(False).eval()


@pytest.fixture
def x():
    return 0.2 + 0.6 * torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_name(model, x):
    found, left_out = surfaces(model, x)
    return {surface.name: surface for surface in found}, left_out


def test_an_unchanged_surface_is_the_model(x):
    model = hybrid()
    found, left_out = by_name(model, x)
    assert list(found) == ["features", "classical front", "circuit inputs", "gate angles", "head"]
    assert left_out == {}
    for surface in found.values():
        changed = ChangedModel(surface, model)
        assert torch.allclose(changed(changed.inputs(x)), model(x), atol=1e-12), surface.name
        assert sum(changed.mask) == surface.numbers


def test_a_change_of_the_front_is_that_of_a_front_with_other_weights(x):
    model = hybrid()
    surface = by_name(model, x)[0]["classical front"]
    change = 0.3 * torch.randn(5, surface.numbers, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    changed = surface.scores(change, x)
    for row in range(len(x)):
        other, parts = hybrid(), list(change[row].split([p.numel() for p in model.front.parameters()]))
        for weight, part in zip(other.front.parameters(), parts, strict=True):
            weight += weight.square().mean().sqrt() * part.view(weight.shape)
        assert torch.allclose(changed[row], other(x[row : row + 1])[0], atol=1e-12)


def test_angles_inputs_features_and_head_move_by_shares_of_their_scales(x):
    model = hybrid()
    found = by_name(model, x)[0]
    generator = torch.Generator().manual_seed(3)
    z = model.circuit_inputs(x)
    step = 0.05 * torch.randn(5, 2, generator=generator, dtype=torch.float64)
    # The circuit's box is (-1, 1), 2 wide.
    assert torch.allclose(found["circuit inputs"].scores(step, x), model.body(z + 2 * step), atol=1e-12)
    pixels = torch.full((5, 3), 0.7, dtype=torch.float64)
    assert torch.allclose(found["features"].scores(pixels, x), model((x + 0.7).clamp(max=1.0)), atol=1e-12)
    # A whole turn of every gate is the identity up to a sign of the state, and half a turn is not.
    turns = torch.ones(5, found["gate angles"].numbers, dtype=torch.float64)
    assert torch.allclose(found["gate angles"].scores(turns, x), model(x), atol=1e-10)
    assert not torch.allclose(found["gate angles"].scores(turns / 2, x), model(x), atol=1e-3)
    bias = torch.zeros(5, 6, dtype=torch.float64)
    bias[:, 0] = 0.1  # the first entry of the identity, whose root mean square is sqrt(1/2)
    shift = found["head"].scores(bias, x) - model(x)
    assert torch.allclose(shift[:, 0], 0.1 * math.sqrt(0.5) * model(x)[:, 0], atol=1e-12)
    assert torch.allclose(shift[:, 1], torch.zeros(5, dtype=torch.float64), atol=1e-12)


def test_what_a_model_lacks_is_said():
    circuit = amplitude_encoding(4) + entangling(2, 1)
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.0, features=4))
    found, left_out = by_name(
        model.requires_grad_(False), torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )
    assert list(found) == ["features", "gate angles"]
    assert set(left_out) == {"classical front", "circuit inputs", "head"}
