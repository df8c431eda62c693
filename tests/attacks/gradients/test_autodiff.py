import math

import pytest
import torch

from counterspin.attacks.gradients import Autodiff
from counterspin.errors import CapabilityError
from counterspin.types import Cost


def test_autodiff_of_a_cosine_is_a_sine(cosine):
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    found = Autodiff()(cosine(2), x, lambda scores: scores[:, 0])
    assert torch.allclose(found.gradient, -math.pi * torch.sin(math.pi * x), atol=1e-14)
    assert torch.allclose(found.value, torch.cos(math.pi * x[:, 0]), atol=1e-14)
    assert found.cost == Cost(forwards=9, backwards=9, circuits=9)
    assert not found.scores.requires_grad
    assert not x.requires_grad


def test_autodiff_works_under_no_grad_and_leaves_parameters_alone(rows):
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        found = Autodiff()(rows(layer, features=2), torch.ones(1, 2), lambda scores: scores[:, 0])
    assert torch.allclose(found.gradient, layer.weight[:1])
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    "function",
    [lambda x: x.detach().repeat(1, 2), lambda x: torch.ones(len(x), 2, requires_grad=True) * 1.0],
    ids=["detached", "independent of x"],
)
def test_scores_without_a_gradient_to_the_input_are_refused(rows, function):
    with pytest.raises(CapabilityError, match="without a gradient"):
        Autodiff()(rows(function), torch.zeros(1, 1), lambda scores: scores[:, 0])


def test_a_model_that_says_it_is_not_differentiable_is_refused_before_compute(rows):
    model = rows(lambda x: pytest.fail("computed"))
    model.differentiable = False
    with pytest.raises(CapabilityError, match="RandomDraws"):
        Autodiff().check(model)


def test_shots_of_a_model_that_counts_them_are_counted(linear):
    model = linear([1.0, 2.0])
    model.shots_per_call = 7
    found = Autodiff()(model, torch.zeros(3, 2).double(), lambda scores: scores[:, 0])
    assert found.cost == Cost(forwards=3, backwards=3, circuits=3, shots=21)
