"""Points far beyond the boundary of a surrogate: vertices on linear models, one scale for ensembles."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks.ball import Ball
from counterspin.attacks.gradients import Autodiff
from counterspin.attacks.losses import Gap
from counterspin.attacks.transfer import Ensemble, InputDiversity, craft
from counterspin.errors import UsageError
from counterspin.types import Box


def crafted(model, x, norm, radius, box=None, draws=2, **options):
    ball = Ball.around(x, torch.full((len(x),), radius, dtype=torch.float64), norm, box)
    generator = torch.Generator().manual_seed(0)
    chosen = {"target": None, "steps": 30, "diversity": 0.3, **options}
    return craft(model, x, model.labels(x), ball, draws=draws, generator=generator, **chosen), ball


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_a_linear_model_the_point_is_the_farthest_of_the_ball(norm, linear) -> None:
    """Margin m - ε ‖w‖ in the dual norm, though the boundary is much nearer."""
    g = torch.Generator().manual_seed(3)
    model = linear(torch.randn(5, generator=g), 0.3)
    x = torch.randn(12, 5, generator=g, dtype=torch.float64)
    points, ball = crafted(model, x, norm, 4.0)
    dual = torch.linalg.vector_norm(model.w, ord={"linf": 1, "l2": 2}[norm])
    side = 1 - 2 * model.labels(x).double()
    assert torch.allclose(side * model.margin(points), side * model.margin(x) - 4.0 * dual, atol=2e-3 * float(dual))
    assert bool(ball.contains(points, tolerance=1e-9).all())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.floats(1e-3, 2.0), norm=st.sampled_from(["linf", "l2", "l1"]))
def test_points_stay_in_ball_and_box(seed, radius, norm) -> None:
    g = torch.Generator().manual_seed(seed)
    box = Box.uniform(0.0, 1.0, features=4)

    class Bent:
        bounds, classes, outputs, stochastic = box, 3, "logits", False
        w = torch.randn(3, 4, generator=g, dtype=torch.float64)

        def __call__(self, x):
            return torch.sin(3 * x) @ self.w.mT

        def labels(self, x):
            return self(x).argmax(dim=1)

    model, x = Bent(), torch.rand(5, 4, generator=g, dtype=torch.float64)
    points, ball = crafted(model, x, norm, radius, box, steps=8)
    assert bool(ball.contains(points, tolerance=1e-9).all())
    assert bool(box.contains(points).all())


def test_a_target_class_is_gone_for(rows) -> None:
    w = torch.eye(3, dtype=torch.float64)
    model = rows(lambda x: x @ w, features=3, classes=3)
    x = torch.tensor([[0.5, 0.2, 0.0]], dtype=torch.float64)
    ball = Ball.around(x, torch.tensor([0.3], dtype=torch.float64), "linf", None)
    options = {"steps": 20, "diversity": 0.0, "draws": 1, "generator": torch.Generator().manual_seed(0)}
    points = craft(model, x, torch.tensor([0]), ball, target=torch.tensor([2]), **options)
    assert int(model(points).argmax()) == 2


class TestEnsemble:
    def test_a_scale_of_the_scores_changes_nothing(self, linear) -> None:
        g = torch.Generator().manual_seed(0)
        w, v = torch.randn(4, generator=g), torch.randn(4, generator=g)
        x = torch.randn(6, 4, generator=g, dtype=torch.float64)
        plain = Ensemble([linear(w), linear(v)], x)
        loud = Ensemble([linear(1000 * w), linear(v)], x)
        assert torch.allclose(plain(x), loud(x), atol=1e-9)

    def test_it_is_the_logarithm_of_mean_probabilities(self, linear) -> None:
        x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        # Each has a mean range of 1 on x, so its logits are 5 m / 2 and -5 m / 2.
        z = Ensemble([linear([1.0]), linear([-2.0])], x)(torch.tensor([[0.4]], dtype=torch.float64))
        first, second = (1 / (1 + math.exp(-5 * m)) for m in (0.4, -0.4))
        assert float(z[0, 0].exp()) == pytest.approx((first + second) / 2, abs=1e-12)
        assert float(z.exp().sum()) == pytest.approx(1.0, abs=1e-12)

    def test_what_is_broken_has_no_more_say(self, linear) -> None:
        """Far beyond the first boundary, the slope is that of the model that still holds."""
        x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
        model = Ensemble([linear([1.0, 0.0]), linear([0.0, 1.0])], x)
        objective = lambda scores, outputs=None: Gap()(scores, torch.tensor([0]))  # noqa: E731
        slope = Autodiff()(model, torch.tensor([[-3.0, 0.5]], dtype=torch.float64), objective).gradient[0]
        assert abs(float(slope[1])) > 100 * abs(float(slope[0]))

    def test_a_model_without_an_opinion_has_no_say(self, rows, linear) -> None:
        flat = rows(lambda x: torch.zeros(len(x), 2, dtype=x.dtype))
        x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
        assert bool(torch.isfinite(Ensemble([flat, linear([1.0])], x)(x)).all())


class TestInputDiversity:
    def test_the_mean_slope_of_a_kink(self, rows, seeded) -> None:
        """|x| around 0 has a mean slope of 0, at the point itself one of 1."""
        model = rows(lambda x: torch.cat([x.abs(), torch.zeros_like(x)], dim=1))
        x = torch.full((1, 1), 1e-6, dtype=torch.float64)
        objective = lambda scores: scores[:, 0]  # noqa: E731
        many = InputDiversity(draws=400, spread=1.0)(model, x, objective, seeded(1))
        assert abs(float(many.gradient)) < 0.2
        assert float(many.value) == pytest.approx(1e-6)
        assert float(InputDiversity(draws=1, spread=1.0)(model, x, objective, seeded(1)).gradient) == 1.0
        assert many.cost.backwards == 400
        assert many.cost == InputDiversity(draws=400).price(model, 1)

    @pytest.mark.parametrize("options", [{"draws": 0}, {"spread": -0.1}, {"spread": math.inf}])
    def test_refusals(self, options) -> None:
        with pytest.raises(UsageError, match=next(iter(options))):
            InputDiversity(**options)
