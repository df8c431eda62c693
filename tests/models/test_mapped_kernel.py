"""Kernel machines of mapped features."""

from __future__ import annotations

import pytest
import torch

from counterspin.circuits import angle_encoding
from counterspin.errors import ModelError
from counterspin.models.kernel import KernelClassifier
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, features=3)
FRONT = PolynomialMap([[1, 1, 0], [0, 0, 2]], torch.tensor([[1.0, 0.5], [0.0, 2.0]]))


def body() -> KernelClassifier:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(8, 2, generator=generator, dtype=torch.float64)
    return KernelClassifier.fit(angle_encoding(2), x, [0, 1] * 4, Box.uniform(0.0, 1.0, features=2))


def points() -> torch.Tensor:
    return torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_scores_are_those_of_the_body_at_mapped_features():
    inner, x = body(), points()
    model = MappedKernelClassifier(FRONT, inner, BOX)
    mapped = torch.stack([x[:, 0] * x[:, 1] + 0.5 * x[:, 2] ** 2, 2 * x[:, 2] ** 2], dim=1)
    assert torch.allclose(model(x), inner(mapped), atol=1e-14)
    assert torch.allclose(model.states(x), inner.states(mapped), atol=1e-14)
    assert torch.autograd.gradcheck(model, (x.requires_grad_(),))


def test_affine_maps_are_kept():
    inner, x = body(), points()
    front = AffineMap(torch.tensor([[0.5, 0.0, 0.2], [0.0, 1.0, -0.3]]), torch.tensor([0.1, 0.4]))
    model = MappedKernelClassifier(front, inner, BOX)
    assert torch.allclose(model(x), inner(front(x)), atol=1e-14)


def test_it_can_be_written_and_read():
    model, x = MappedKernelClassifier(FRONT, body(), BOX), points()
    again = MappedKernelClassifier.from_config(model.config())
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x), model(x))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="the map takes 3 features and gives 2 values; bounds cover 2 features"):
        MappedKernelClassifier(FRONT, body(), Box.uniform(0.0, 1.0, features=2))
    with pytest.raises(ModelError, match=r"is Python code \(function\), which cannot be saved"):
        MappedKernelClassifier(lambda x: x[:, :2], body(), BOX).config()
