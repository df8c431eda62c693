import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import one_qubit

from counterspin.attacks.gradients import SPSA, Autodiff
from counterspin.errors import UsageError
from counterspin.models.sampled import SampledModel
from counterspin.types import Box, Cost

MATRIX = torch.tensor([[1.0, 0.4, -0.2], [0.4, -0.7, 0.3], [-0.2, 0.3, 0.5]], dtype=torch.float64)
SLOPE = torch.tensor([0.3, -1.0, 0.7], dtype=torch.float64)


def quadratic(x):
    value = torch.einsum("bi,ij,bj->b", x, MATRIX.to(x), x) + x @ SLOPE.to(x)
    return torch.stack([value, -value], dim=1)


def first(scores):
    return scores[:, 0]


def test_the_mean_over_every_direction_is_the_gradient_of_a_quadratic(rows, monkeypatch):
    # All 2^3 sign vectors once, dealt in order: their mean is the expectation, so it must be exact at any radius.
    signs = iter(torch.cartesian_prod(*[torch.arange(2)] * 3))
    monkeypatch.setattr(torch, "randint", lambda *a, **k: next(signs)[None])
    x = torch.tensor([[0.2, -0.5, 0.9]], dtype=torch.float64)
    model = rows(quadratic, features=3)
    found = SPSA(directions=8, radius=0.7)(model, x, first, torch.Generator())
    exact = Autodiff()(model, x, first)
    assert torch.allclose(found.gradient, exact.gradient, atol=1e-13)
    assert torch.allclose(found.value, exact.value, atol=1e-14)
    assert torch.equal(found.scores, exact.scores)


def test_it_is_unbiased_and_its_variance_falls_with_the_directions(rows, seeded):
    n = 4000
    x = torch.tensor([[0.2, -0.5, 0.9]], dtype=torch.float64).expand(n, 3)
    model = rows(quadratic, features=3)
    exact = Autodiff()(model, x[:1], first).gradient[0]
    for directions in (1, 8):
        found = SPSA(directions=directions)(model, x, first, seeded(directions)).gradient
        # Component i of one estimate is g_i plus the other components with random signs.
        variance = (exact.square().sum() - exact.square()) / directions
        assert torch.allclose(found.var(dim=0), variance, rtol=0.15)
        assert ((found.mean(dim=0) - exact).abs() < 5 * (variance / n).sqrt()).all()


def test_bias_is_of_second_order_in_the_radius(cosine, seeded):
    # One feature: every direction gives the central difference, sin(pi r) / (pi r) times the slope.
    x = torch.tensor([[0.3]], dtype=torch.float64)
    exact = Autodiff()(cosine(2), x, first).gradient
    for radius in (0.1, 0.01):
        found = SPSA(directions=1, radius=radius)(cosine(2), x, first, seeded(0)).gradient
        ratio = torch.sinc(torch.tensor(radius, dtype=torch.float64))
        assert torch.allclose(found, exact * ratio, atol=1e-12)


def test_scores_without_a_gradient_are_enough(rows, seeded):
    model = rows(lambda x: quadratic(x).detach(), features=3)
    SPSA().check(model)
    assert SPSA()(model, torch.ones(2, 3).double(), first, seeded(0)).gradient.abs().min() > 0


def test_a_stochastic_model_gives_its_mean_gradient(seeded):
    model = SampledModel(one_qubit(), shots=50)
    x = torch.full((400, 1), 0.3, dtype=torch.float64)
    found = SPSA(directions=8, radius=0.1)(model, x, first, seeded(0)).gradient[:, 0]
    exact = SPSA(directions=1, radius=0.1)(one_qubit(), x[:1], first, seeded(0)).gradient
    assert abs(found.mean() - exact.item()) < 5 * found.std() / 20


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 9))
def test_every_call_is_counted(directions, rows, shots):
    class Counting:
        classes, outputs, stochastic, shots_per_call, asked = 2, "logits", False, shots, 0
        bounds = Box.unbounded(3)

        def __call__(self, x):
            self.asked += len(x)
            return quadratic(x)

    model = Counting()
    found = SPSA(directions=directions)(model, torch.ones(rows, 3).double(), first, torch.Generator())
    assert model.asked == rows * (2 * directions + 1)
    assert found.cost == Cost(forwards=model.asked, circuits=model.asked, shots=shots * model.asked)


def test_a_seed_repeats_it(rows, seeded):
    x, model = torch.ones(2, 3).double(), rows(quadratic, features=3)
    a, b, c = (SPSA()(model, x, first, seeded(s)).gradient for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_bad_settings_are_refused(rows):
    for bad in ({"directions": 0}, {"radius": 0.0}, {"radius": float("nan")}):
        with pytest.raises(UsageError, match="must be"):
            SPSA(**bad)
    with pytest.raises(UsageError, match="generator is None"):
        SPSA()(rows(quadratic, features=3), torch.ones(1, 3), first)
