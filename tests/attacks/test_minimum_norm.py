"""The contract of searches for the nearest adversarial input, and their distance from closed forms and exact radii."""

import math

import pytest
import torch

from counterspin.attacks.evasion.carlini_wagner import CarliniWagner
from counterspin.attacks.evasion.ddn import DDN
from counterspin.attacks.evasion.deepfool import DeepFool
from counterspin.attacks.evasion.fmn import FMN
from counterspin.optimum import nearest_flips
from counterspin.threats import L0, L2, Group, Linf, QueryBudget
from counterspin.types import Box

SEARCHES = [
    pytest.param(FMN(), "l2", id="fmn-l2"),
    pytest.param(FMN(), "linf", id="fmn-linf"),
    pytest.param(DDN(), "l2", id="ddn"),
    pytest.param(CarliniWagner(), "l2", id="cw"),
]


def threat(norm, *eps, **options):
    return {"l2": L2, "linf": Linf}[norm](*eps, **options)


def check_ratios(result, exact):
    """Success 100 %, ratio at least 1 - 1e-5, median at most 1.01, maximum at most 1.05."""
    assert bool(result.success[-1][result.correct].all())
    ratio = (result.distance[-1] / exact)[result.correct]
    assert float(ratio.min()) >= 1 - 1e-5
    assert float(ratio.median()) <= 1.01
    assert float(ratio.max()) <= 1.05


@pytest.mark.one_fast
@pytest.mark.parametrize(("attack", "norm"), SEARCHES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linear_models_are_met_at_their_distance(attack, norm, dtype, linear_case, seeded):
    model, x, y = linear_case(dtype=dtype)
    result = attack(model, x, y, threat(norm, 20.0, box="none"), generator=seeded())
    check_ratios(result, model.distance(x, norm))


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "norm"), SEARCHES)
@pytest.mark.parametrize("outputs", ["expectations", "probabilities", "logits"])
def test_the_one_qubit_code_is_met_at_half_way(attack, norm, outputs, cosine, seeded):
    model = cosine(outputs=outputs)
    x = torch.linspace(0.02, 0.98, 16, dtype=torch.float64)[:, None]
    result = attack(model, x, model.labels(x), threat(norm, 1.0), generator=seeded())
    check_ratios(result, model.distance(x))


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "norm"), SEARCHES)
def test_four_classes_on_a_circle(attack, norm, cosine, seeded):
    model = cosine(classes=4)
    x = torch.linspace(0.01, 0.99, 25, dtype=torch.float64)[:, None]
    x = x[model.distance(x) > 1e-3]
    result = attack(model, x, model.labels(x), threat(norm, 1.0), generator=seeded())
    check_ratios(result, model.distance(x))


def _cones(classes=5, features=6, samples=24):
    g = torch.Generator().manual_seed(3)
    raw = torch.randn(classes, features, features, generator=g, dtype=torch.float64)
    forms = (raw + raw.mT) / 2

    class Forms:
        outputs = "expectations"
        stochastic = False
        bounds = Box.unbounded(features)

        def __init__(self):
            self.classes = classes

        def __call__(self, x):
            return torch.einsum("bi,kij,bj->bk", x, forms.to(x), x) / (x * x).sum(dim=1, keepdim=True)

    x = torch.randn(samples, features, generator=g, dtype=torch.float64)
    return Forms(), forms, x, Forms()(x).argmax(dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("attack", [FMN(), DDN(), CarliniWagner()], ids=["fmn", "ddn", "cw"])
def test_random_cones_are_met_at_the_exact_radius(attack, seeded):
    model, forms, x, y = _cones()
    exact = nearest_flips(forms, x, y)
    result = attack(model, x, y, L2(1.0, units="relative", box="none"), generator=seeded())
    check_ratios(result, exact.lower)


@pytest.mark.parametrize(
    "recipe",
    [
        "digits-amplitude",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("mnist-amplitude", "mnist-amplitude-1v9")),
    ],
)
@pytest.mark.parametrize("attack", [FMN(), DDN(), CarliniWagner()], ids=["fmn", "ddn", "cw"])
@pytest.mark.slow
def test_trained_amplitude_models_are_met_at_the_exact_radius(recipe, attack, seeded):
    from counterspin import recipes

    recipe = recipes.get(recipe)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:60].double(), test.y[:60]
    exact = nearest_flips(model.effective_observables().forms(), x, y)
    result = attack(model, x.float(), y, L2(1.0, units="relative", box="none"), generator=seeded())
    check_ratios(result, exact.lower)


def test_deepfool_is_exact_on_linear_models_and_too_far_on_curved_ones(linear_case, seeded):
    model, x, y = linear_case()
    flat = DeepFool()(model, x, y, L2(20.0, box="none"), generator=seeded())
    check_ratios(flat, model.distance(x, "l2"))
    curved, forms, x, y = _cones()
    far = DeepFool()(curved, x, y, L2(1.0, units="relative", box="none"), generator=seeded())
    ratio = (far.distance[-1] / nearest_flips(forms, x, y).lower)[far.success[-1]]
    assert float(ratio.min()) >= 1 - 1e-5
    assert float(ratio.max()) > 1.01


@pytest.mark.slow
def test_each_budget_takes_what_lies_within_it(linear_case, seeded):
    model, x, y = linear_case()
    exact = model.distance(x, "l2")
    eps = tuple(float(e) for e in exact.sort().values[[5, 15, -1]] * (1 + 1e-6))
    result = FMN()(model, x, y, L2(*eps, box="none"), generator=seeded())
    for budget, success, distance in zip(eps, result.success, result.distance, strict=True):
        assert torch.equal(success, exact <= budget)
        assert bool((distance[success] <= budget).all())
        assert bool(torch.isinf(distance[~success]).all())


def test_cost_stands_at_the_first_budget_and_counts_every_row(linear_case, seeded):
    model, x, y = linear_case()
    model.rows = 0
    result = FMN(steps=7, restarts=2)(model, x, y, L2(5.0, 20.0, box="none"), generator=seeded())
    first, second = (budget.cost for budget in result.budgets)
    assert second.forwards == second.backwards == second.circuits == 0
    # 2 restarts of 7 gradients and a last look, then 5 points around the boundary and 30 halvings.
    assert first.backwards == 7 * 2 * len(x)
    assert first.forwards == (7 + 1) * 2 * len(x) + 35 * len(x)
    assert len(result.history[0]["distance"]) == len(result.history[0]["broken"]) == 8


@pytest.mark.slow
def test_an_interrupted_run_gives_the_same(linear_case, seeded):
    model, x, y = linear_case()
    budgets = L2(0.2, 0.5, 1.0, box="none")
    whole = FMN(steps=20)(model, x, y, budgets, generator=seeded())
    rest = list(FMN(steps=20).budgets(model, x, y, budgets, generator=seeded(), done=whole.budgets[:1]))
    assert [r.eps for r in rest] == [0.5, 1.0]
    for again, before in zip(rest, whole.budgets[1:], strict=True):
        assert torch.equal(again.x_adv, before.x_adv)
        assert torch.equal(again.success, before.success)


@pytest.mark.slow
def test_a_query_budget_stops_with_the_best_so_far(linear_case, seeded):
    model, x, y = linear_case()
    limited = L2(20.0, box="none", budget=QueryBudget(queries=50))
    result = FMN()(model, x, y, limited, generator=seeded())
    assert result.cost.forwards + result.cost.backwards <= 50 * len(x)
    free = FMN()(model, x, y, L2(20.0, box="none"), generator=seeded())
    assert bool((result.distance[-1] >= free.distance[-1] * (1 - 1e-9)).all())
    assert 0 < int(result.success.sum())


@pytest.mark.slow
def test_a_box_is_respected_and_makes_the_way_longer(linear, seeded):
    model = linear([1.0, 0.2], 0.0, bounds=Box.uniform(-0.3, 1.0, 2))
    x = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    result = FMN()(model, x, [0], L2(2.0), generator=seeded())
    # Unboxed it is 0.6 / |w|; in the box the second feature must go as far as the first leaves to do.
    assert model.bounds.contains(result.x_adv[0]).all()
    step = 0.6 / (1 + 0.2**2)
    assert result.distance[0, 0].item() == pytest.approx(math.hypot(step, 0.2 * step), rel=1e-4)
    tight = linear([1.0, 0.2], 0.0, bounds=Box.uniform(-0.05, 1.0, 2))
    result = FMN()(tight, x, [0], L2(2.0), generator=seeded())
    # x_0 ends at -0.05, hence x_1 at 0.25.
    expected = min(step * math.hypot(1, 0.2), 9.0) if 0.5 - step > -0.05 else math.hypot(0.55, 0.25)
    assert result.distance[0, 0].item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_a_target_is_reached_where_it_wins(cosine, seeded):
    model = cosine(classes=4)
    x = torch.tensor([[0.05], [0.4]], dtype=torch.float64)
    result = FMN()(model, x, model.labels(x), L2(1.0, target=3), generator=seeded())
    assert result.distance[0].tolist() == pytest.approx([2.5 / 3 - 0.05, 2.5 / 3 - 0.4], rel=1e-4)


def test_misclassified_samples_are_never_attacked(linear_case, seeded):
    model, x, y = linear_case()
    model.rows = 0
    result = DDN(steps=5)(model, x, 1 - y, L2(1.0, box="none"), generator=seeded())
    assert not bool(result.success.any())
    assert result.cost.forwards == 0


@pytest.mark.one_fast
@pytest.mark.parametrize("attack", [FMN(steps=20), DDN(steps=20), CarliniWagner(steps=10)], ids=lambda a: a.name)
def test_three_classes_and_listed_values_are_served(attack, cosine, seeded):
    model = cosine(classes=3)
    x = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64)
    levels = (Group(features=(0,), values=tuple((0.25 * k,) for k in range(5))),)
    result = attack(model, x, model.labels(x), L2(0.25, 0.5, groups=levels), generator=seeded())
    # A quarter to either side is a tie of two neighbouring classes, half is the next class itself.
    assert result.success[1].all()
    assert set(result.x_adv.flatten().tolist()) <= {0.0, 0.25, 0.5, 0.75, 1.0}


@pytest.mark.one_fast
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_clean_value_rounded_to_float32_is_no_change(precision, linear, seeded):
    # Thirds are not float32 numbers; the first feature alone flips the sample.
    model = linear([1.0, 0.1, 0.1, 0.1], -0.5, bounds=Box.uniform(0.0, 1.0, 4))
    x = torch.full((3, 4), 1 / 3, dtype=torch.float64)
    result = FMN(steps=30, precision=precision)(model, x, model.labels(x), L0(4), generator=seeded())
    assert result.distance.tolist() == [[1.0] * 3]
    assert ((result.x_adv[0] != x).sum(dim=1) == 1).all()


def test_a_module_in_training_mode_is_attacked_in_evaluation_mode(seeded):
    class Dropping(torch.nn.Module):
        classes, outputs, stochastic, bounds = 2, "logits", False, Box.uniform(0.0, 1.0, 4)

        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, x):
            margin = self.drop(x).sum(dim=1) - 0.5
            return torch.stack([margin, -margin], dim=1)

    model, x = Dropping().train(), torch.full((8, 4), 0.5, dtype=torch.float64)
    # All features at 0.5 sum to 2: the boundary is 0.75 away, which dropping half of them would halve.
    result = FMN(steps=20)(model, x, torch.zeros(8, dtype=torch.long), L2(0.5), generator=seeded())
    assert result.correct.all()
    assert not result.success.any()
    assert model.training
    assert model.drop.training


def test_a_search_that_was_still_gaining_says_so_at_every_budget(linear, seeded):
    # Ten steps of a walk whose ball is out of reach: the margin falls to the end.
    model = linear([1.0, 1.0], 10.0, bounds=Box.uniform(-20.0, 20.0, 2))
    x = torch.zeros(3, 2, dtype=torch.float64)
    result = FMN(steps=3, restarts=1)(model, x, model.labels(x), L2(0.5, 1.0), generator=seeded())
    assert not result.success.any()
    first, last = (budget.history["late_gain"] for budget in result.budgets)
    assert min(first) > 0.5
    assert last == first
