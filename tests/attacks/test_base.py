import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from counterspin.attacks import APGD, FGSM, PGD, Attack, CrossEntropy, Margin, RandomDraws
from counterspin.attacks.losses import verdict_margin
from counterspin.errors import CapabilityError, ConditionsError, InputError, ModelError, UsageError
from counterspin.threats import L2, Linf
from counterspin.types import Box, Cost

# None of the points lies on a boundary.
GRID = torch.linspace(0.02, 0.98, 24, dtype=torch.float64)[:, None]


@dataclass(frozen=True, kw_only=True)
class Fixed(Attack):
    """Proposes the same displacements in turn, whatever the answers."""

    moves: tuple[float, ...] = (0.0,)

    def _run(self, oracle, start, ball, generator):
        for move in self.moves:
            oracle.scores(ball.center + move)


@dataclass(frozen=True, kw_only=True)
class Spy(Attack):
    """Records the shapes and starts it is given."""

    seen: ClassVar[list] = []

    def _run(self, oracle, start, ball, generator):
        self.seen.append((start.clone(), ball.center.clone()))
        oracle.scores(ball.random_point(start, generator))


@pytest.fixture
def spy():
    Spy.seen.clear()
    return Spy


def same(a, b):
    """Whether two results are equal in all that is no time."""
    tensors = all(
        torch.equal(getattr(a, n), getattr(b, n)) for n in ("x_adv", "success", "distance", "best_margin")
    ) and torch.equal(a.trace_distance.nan_to_num(-1), b.trace_distance.nan_to_num(-1))
    return tensors and (a.eps, a.history, a.cost) == (b.eps, b.history, b.cost)


def test_the_result_has_the_axes_budgets_batch(cosine):
    model = cosine(10)
    result = PGD(steps=5)(model, GRID, model.labels(GRID), Linf(0.02, 0.05, 0.5))
    assert result.attack == "pgd"
    assert result.x_adv.shape == (3, 24, 1)
    assert result.x_adv.dtype == torch.float64
    for tensor in (result.success, result.distance, result.state_distance, result.best_loss):
        assert tensor.shape == (3, 24)
    assert result.robust_accuracy.shape == result.attack_success_rate.shape == (3,)
    assert len(result.history) == 3
    assert result.cost == result.budgets[0].cost + result.budgets[1].cost + result.budgets[2].cost
    assert result.state_distance.isnan().all()


@pytest.mark.one_fast(12)
@pytest.mark.parametrize("attack", [PGD(steps=20), APGD(steps=20), APGD(steps=20, loss=Margin())])
@pytest.mark.parametrize("outputs", ["expectations", "probabilities", "logits"])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("threat", [Linf(0.01, 0.03, 0.2), L2(0.01, 0.03, 0.2)])
def test_one_qubit_is_broken_exactly_beyond_its_distance(cosine, attack, outputs, classes, threat):
    model = cosine(classes, outputs)
    result = attack(model, GRID, model.labels(GRID), threat)
    assert result.correct.all()
    distance = model.distance(GRID)
    for eps, broken, reached in zip(threat.eps, result.success, result.distance, strict=True):
        assert not broken[distance > eps].any()
        # Ten probabilities that add up to no constant: their log loss leads away from the nearest boundary.
        if attack.name != "apgd-ce" or (classes, outputs) != (10, "probabilities"):
            assert broken[distance <= eps].all()
        assert (reached[broken] >= distance[broken] - 1e-12).all()
        assert reached[~broken].isinf().all()


def test_a_tie_is_broken(linear):
    model = linear([1.0], 0.0)
    x = torch.tensor([[0.25]], dtype=torch.float64)
    assert PGD()(model, x, [0], Linf(0.25)).success.item()
    assert not PGD()(model, x, [0], Linf(0.2499)).success.item()


def test_misclassified_samples_are_not_attacked(linear):
    model = linear([1.0], 0.0)
    x = torch.tensor([[1.0], [-1.0], [0.1]], dtype=torch.float64)
    result = PGD()(model, x, [0, 0, 0], Linf(0.5))
    assert result.correct.tolist() == [True, False, True]
    assert result.success.tolist() == [[False, False, True]]
    assert torch.equal(result.x_adv[0, 1], x[1])
    assert result.distance[0, 1].isinf()
    assert result.robust_accuracy.item() == pytest.approx(1 / 3)
    assert result.attack_success_rate.item() == pytest.approx(1 / 2)


def test_nothing_correct_means_no_queries_and_no_rate(linear):
    result = PGD()(linear([1.0], 0.0), torch.tensor([[-1.0]]), [0], Linf(0.5))
    assert result.cost == Cost()
    assert result.robust_accuracy.item() == 0.0
    assert result.attack_success_rate.isnan().all()


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threat", [Linf(0.1, 0.4), L2(0.1, 0.4), L2(0.1, 0.3, units="relative")])
def test_stored_points_are_float64_inside_ball_and_box(linear, dtype, threat):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(4, generator=g, dtype=torch.float64), 0.1, bounds=Box.uniform(0.0, 1.0, 4))
    x = torch.rand(40, 4, generator=g, dtype=dtype)
    result = APGD(steps=10, restarts=2)(model, x, model.labels(x), threat)
    assert result.success.any()
    assert model.bounds.contains(result.x_adv.flatten(0, 1)).all()
    assert (threat.size(result.x_adv - x.double()) <= threat.radii(x.double()) * (1 + 1e-14)).all()


def test_without_a_box_points_may_leave_it(linear):
    # The boundary is at 0.3, outside the box.
    model = linear([1.0], -0.3, bounds=Box.uniform(0.4, 1.0, 1))
    x = torch.tensor([[0.45]], dtype=torch.float64)
    boxed, free = (PGD()(model, x, [0], Linf(0.2, box=box)) for box in ("data", "none"))
    assert (boxed.success.item(), boxed.x_adv.item()) == (False, 0.4)
    assert free.success.item()


def test_periodic_features_are_attacked_across_the_seam():
    class Ring:
        classes, outputs, stochastic = 2, "expectations", False
        bounds = Box(torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([True]))

        def __call__(self, x):
            z = torch.sin(2 * math.pi * x)
            return torch.cat([z, -z], dim=1)

    x = torch.tensor([[0.05]], dtype=torch.float64)
    result = PGD()(Ring(), x, [0], Linf(0.1))
    assert result.success.item()
    assert result.distance.item() == pytest.approx(abs(result.x_adv.item() - 0.05))
    assert 0.05 <= result.distance.item() <= 0.1


def test_success_is_monotone_and_keeps_the_first_point(cosine):
    model = cosine(10)
    result = RandomDraws(draws=30)(model, GRID, model.labels(GRID), Linf(0.01, 0.02, 0.03, 0.04, 0.05))
    for smaller, larger in zip(result.budgets, result.budgets[1:], strict=False):
        assert (larger.success | ~smaller.success).all()
        assert torch.equal(larger.x_adv[smaller.success], smaller.x_adv[smaller.success])
        assert (larger.best_margin <= smaller.best_margin).all()


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_reported_verdicts_are_those_of_the_stored_points_whatever_the_batch(seed):
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(3, 5, 5, generator=g, dtype=torch.float64)

    class Quadratic:
        classes, outputs, stochastic = 3, "expectations", False
        bounds = Box.uniform(0.0, 1.0, 5)

        def __call__(self, x):
            return torch.einsum("bi,kij,bj->bk", x, w.to(x), x) / (x * x).sum(dim=1, keepdim=True)

    model = Quadratic()
    x = torch.rand(12, 5, generator=g)
    y = model(x.double()).argmax(dim=1)
    result = APGD(steps=8, restarts=2)(model, x, y, L2(0.1, 0.3))
    for budget in result.budgets:
        margin = verdict_margin(model(budget.x_adv), y)
        assert torch.allclose(margin, budget.best_margin, atol=1e-12)
        alone = torch.cat([verdict_margin(model(budget.x_adv[i : i + 1]), y[i : i + 1]) for i in range(12)])
        clear = budget.best_margin.abs() > 1e-12
        assert torch.equal((alone <= 0)[clear], budget.success[clear])
        assert torch.equal(budget.success, result.correct & (budget.best_margin <= 0))


def test_float32_and_float64_attacks_agree_away_from_the_boundary(linear):
    g = torch.Generator().manual_seed(0)
    model = linear(torch.randn(6, generator=g, dtype=torch.float64), 0.0)
    x = torch.randn(200, 6, generator=g)
    single = PGD(steps=20)(model, x, model.labels(x), Linf(0.1))
    double = PGD(steps=20)(model, x.double(), model.labels(x), Linf(0.1))
    clear = (model.distance(x, "linf") - 0.1).abs() > 1e-5
    assert torch.equal(single.success[0, clear], double.success[0, clear])


def test_the_best_point_survives_an_attack_that_ends_elsewhere(rows):
    model = rows(lambda x: torch.cat([(x - 0.2).abs() - 0.05, torch.zeros_like(x)], dim=1))
    attack = Fixed(moves=(0.2, -0.5, 0.5, 0.0))
    result = attack(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.5))
    assert result.x_adv.item() == 0.2
    assert result.success.item()
    assert result.cost.forwards == 1  # nothing is asked about a broken sample


def test_an_unbroken_sample_keeps_its_lowest_margin(rows):
    model = rows(lambda x: torch.cat([(x - 0.2).abs() + 0.05, torch.zeros_like(x)], dim=1))
    result = Fixed(moves=(-0.1, 0.15, 0.5))(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.5))
    assert result.x_adv.item() == 0.15
    assert result.best_loss.item() == pytest.approx(0.1)
    assert not result.success.item()


def test_costs_of_an_unbreakable_model_are_exact(rows):
    model = rows(lambda x: torch.cat([1 + 0 * x, 0 * x], dim=1))
    x, y = torch.zeros(4, 1), [0] * 4
    per_start = {
        FGSM(): Cost(forwards=2, backwards=1, circuits=2),
        PGD(steps=7): Cost(forwards=8, backwards=7, circuits=8),
        APGD(steps=7): Cost(forwards=8, backwards=7, circuits=8),
        RandomDraws(draws=9): Cost(forwards=9, circuits=9),
    }
    for attack, each in per_start.items():
        expected = Cost(forwards=4 * each.forwards, backwards=4 * each.backwards, circuits=4 * each.circuits)
        assert attack(model, x, y, Linf(0.1)).cost == expected
        assert attack(model, x, y, Linf(0.1, 0.2)).cost == expected + expected


def test_restarts_are_one_start_then_the_others_stacked_for_survivors(rows, spy):
    model = rows(lambda x: torch.cat([0.3 - x, 0 * x], dim=1))
    x = torch.tensor([[0.25], [-5.0]], dtype=torch.float64)
    spy(restarts=4)(model, x, [0, 0], Linf(0.1), generator=torch.Generator().manual_seed(1))
    shapes = [tuple(start.shape) for start, _ in spy.seen]
    assert shapes[0] == (2, 1)
    assert shapes[1] in [(3, 1), (6, 1)]
    first, cold = spy.seen
    offset = (first[0] - first[1]).abs()
    assert (offset <= 1e-4).all()  # a thousandth of the budget
    assert (offset > 0).all()
    assert torch.equal(*cold)


def test_the_next_budget_starts_from_the_best_point_and_restarts_cold(rows, spy):
    model = rows(lambda x: torch.cat([5 - x, 0 * x], dim=1))
    result = spy(restarts=12)(model, torch.zeros(1, 1, dtype=torch.float64), [0], Linf(0.1, 0.2))
    first, _, second, last = (start for start, _ in spy.seen)
    assert 0.0 < abs(first.item()) <= 1e-4
    assert second.item() == result.x_adv[0].item() > 0.0
    assert last.tolist() == [[0.0]] * 11


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("attack", [PGD(steps=6, restarts=3), APGD(steps=6, restarts=2), RandomDraws(draws=20)])
def test_a_resumed_run_equals_an_uninterrupted_one(cosine, attack, seeded):
    model = cosine(10)
    x, y, threat = GRID.float(), model.labels(GRID), Linf(0.01, 0.03, 0.045, 0.05)
    whole = list(attack.budgets(model, x, y, threat, generator=seeded(3)))
    for kept in range(5):
        rest = list(attack.budgets(model, x, y, threat, generator=seeded(3), done=whole[:kept]))
        assert len(rest) == 4 - kept
        assert all(same(a, b) for a, b in zip(rest, whole[kept:], strict=True))
    called = attack(model, x, y, threat, generator=seeded(3))
    assert all(same(a, b) for a, b in zip(called.budgets, whole, strict=True))


def test_resuming_from_another_run_is_refused(cosine):
    model = cosine(2)
    done = list(PGD(steps=1).budgets(model, GRID, model.labels(GRID), Linf(0.1)))
    with pytest.raises(UsageError, match="not the first ones"):
        PGD(steps=1).budgets(model, GRID, model.labels(GRID), Linf(0.2, 0.3), done=done)
    with pytest.raises(UsageError, match="on these 2 samples"):
        PGD(steps=1).budgets(model, GRID[:2], model.labels(GRID[:2]), Linf(0.1), done=done)


def test_budgets_refuse_before_the_first_is_asked_for(cosine):
    with pytest.raises(InputError, match="y has shape"):
        PGD().budgets(cosine(2), GRID, [0], Linf(0.1))


def test_equal_seeds_give_equal_results_and_no_seed_means_zero(cosine, seeded):
    model = cosine(10)
    y, threat, attack = model.labels(GRID), Linf(0.03), RandomDraws(draws=3)
    a, b, c, d = (attack(model, GRID, y, threat, generator=g) for g in (None, seeded(0), seeded(5), seeded(5)))
    assert same(a.budgets[0], b.budgets[0])
    assert same(c.budgets[0], d.budgets[0])
    assert not same(a.budgets[0], c.budgets[0])
    assert (a.seed, c.seed) == (0, 5)


def test_global_randomness_is_neither_used_nor_changed(cosine):
    model = cosine(10)
    before = torch.random.get_rng_state()
    RandomDraws(draws=5)(model, GRID, model.labels(GRID), L2(0.03))
    assert torch.equal(before, torch.random.get_rng_state())


def test_flags_modes_and_gradients_of_a_module_are_untouched():
    class Module(torch.nn.Module):
        classes, outputs, stochastic = 2, "logits", False
        bounds = Box.uniform(-1.0, 1.0, 2)

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.eye(2))
            self.drop = torch.nn.Dropout(0.9)
            self.fixed = torch.nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, x):
            return self.drop(x @ self.weight.to(x.dtype))

    model = Module().train()
    x = torch.tensor([[0.5, 0.2], [0.1, 0.4]])
    seen: ClassVar[list] = []
    for _ in PGD(steps=4).budgets(model, x, [0, 1], Linf(0.05, 0.3)):
        seen.append((model.training, model.drop.training, model.weight.requires_grad, model.fixed.requires_grad))
    assert seen == [(True, True, True, False)] * 2
    assert model.weight.grad is None
    assert not x.requires_grad


@pytest.mark.slow
def test_targeted_attacks_reach_their_target_or_fail(cosine):
    model = cosine(10)
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    for attack in (PGD(), APGD(steps=30), APGD(steps=30, loss=Margin())):
        result = attack(model, x, model.labels(x), Linf(0.25, 0.4, target=(3, 6)))
        # Class k wins from (k - 1/2)/9 on: 5/18 = 0.278 to the right, (9 - 6.5)/9 to the left.
        assert result.success.tolist() == [[False, False], [True, True]]
        assert model.labels(result.x_adv[1]).tolist() == [3, 6]


def test_targets_are_checked(cosine):
    model = cosine(10)
    y = model.labels(GRID)
    with pytest.raises(InputError, match="equals the target class in"):
        PGD()(model, GRID, y, Linf(0.1, target=3))
    with pytest.raises(UsageError, match="10 classes"):
        PGD()(model, GRID[:1], y[:1], Linf(0.1, target=10))
    with pytest.raises(UsageError, match="one per sample"):
        PGD()(model, GRID, y, Linf(0.1, target=(3, 4)))


def test_numpy_and_lists_are_taken_at_the_door(cosine):
    model = cosine(2)
    x = GRID.numpy()
    result = FGSM()(model, x, np.asarray(model.labels(GRID)), Linf(0.1))
    assert result.correct.all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(0, 1), [], "at least one sample"),
        (torch.zeros(3), [0, 0, 0], "must be"),
        (torch.full((1, 1), math.nan), [0], "NaN"),
        (torch.zeros(1, 2), [0], "2 features; the model takes 1"),
        (torch.zeros(1, 1), [2], "label 2"),
        (torch.zeros(1, 1), [-1], "label -1"),
        (torch.zeros(1, 1), [0.5], "whole numbers"),
    ],
)
@pytest.mark.parametrize("box", ["data", "none"])
def test_bad_input_is_refused(cosine, x, y, message, box):
    with pytest.raises(InputError, match=message):
        PGD()(cosine(2), x, y, Linf(0.1, box=box))


def test_inputs_outside_the_box_are_refused_where_it_counts(cosine):
    # cos(1.6 pi) > 0, and the next boundary is at 1.5.
    x = torch.full((1, 1), 1.6)
    with pytest.raises(InputError, match="leaves the box"):
        PGD()(cosine(2), x, [0], Linf(0.15))
    assert PGD()(cosine(2), x, [0], Linf(0.15, box="none")).success.item()


def test_a_model_with_nan_scores_is_refused(rows):
    with pytest.raises(ModelError, match="NaN"):
        PGD()(rows(lambda x: torch.full((len(x), 2), math.nan)), torch.zeros(1, 1), [0], Linf(0.1))


def test_a_model_that_turns_nan_inside_the_ball_is_refused(rows):
    model = rows(lambda x: torch.cat([1 - x, torch.where(x > 0.05, torch.nan, 0.0)], dim=1))
    with pytest.raises(ModelError, match="NaN"):
        PGD()(model, torch.zeros(1, 1), [0], Linf(0.1))


def test_a_stochastic_model_is_refused(rows):
    with pytest.raises(CapabilityError, match="stochastic"):
        PGD()(rows(lambda x: pytest.fail("computed"), stochastic=True), torch.zeros(1, 1), [0], Linf(0.1))


def test_a_model_without_a_gradient_is_refused_but_drawn_from(rows):
    model = rows(lambda x: torch.cat([0.1 - x, 0 * x], dim=1).detach())
    with pytest.raises(CapabilityError, match="RandomDraws"):
        PGD()(model, torch.zeros(1, 1), [0], Linf(0.2))
    assert RandomDraws()(model, torch.zeros(1, 1), [0], Linf(0.2)).success.item()


def test_a_norm_the_attack_does_not_serve_is_refused(cosine):
    @dataclass(frozen=True, kw_only=True)
    class Round(Attack):
        norms = ("l2",)

        def _run(self, oracle, start, ball, generator):
            pytest.fail("ran")

    with pytest.raises(ConditionsError, match="round works for norm l2, not 'linf'"):
        Round()(cosine(2), GRID, [0] * 24, Linf(0.1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: PGD(steps=0),
        lambda: PGD(restarts=0),
        lambda: PGD(step_size=0.0),
        lambda: PGD(step_size=math.nan),
        lambda: RandomDraws(draws=-1),
    ],
)
def test_configurations_that_make_no_attack_are_refused(make):
    with pytest.raises(UsageError, match="it must be a"):
        make()


def test_config_is_json_and_names_everything():
    config = PGD(steps=3, loss=CrossEntropy(temperature=0.2)).config
    assert json.loads(json.dumps(config)) == config
    assert config == {
        "name": "pgd-ce",
        "precision": "input",
        "restarts": 1,
        "steps": 3,
        "step_size": 0.1,
        "loss": {"kind": "CrossEntropy", "temperature": 0.2},
        "gradient": {"kind": "Autodiff"},
    }


def test_attacks_are_hashable_values():
    assert PGD(steps=3) == PGD(steps=3)
    assert len({PGD(), PGD(), APGD()}) == 2


def test_history_counts_the_share_broken_and_the_margin_left(rows):
    model = rows(lambda x: torch.cat([0.3 - x, 0 * x], dim=1))
    x = torch.tensor([[0.0], [0.25], [0.2], [5.0]], dtype=torch.float64)
    result = Fixed(moves=(0.0, 0.06, 0.2))(model, x, [0, 0, 0, 0], Linf(0.2))
    history = result.history[0]
    assert result.correct.tolist() == [True, True, True, False]
    assert history["broken"] == pytest.approx([0.0, 1 / 3, 2 / 3])
    assert history["best_margin"] == pytest.approx([0.45 / 3, (0.24 + 0.04) / 3, 0.1 / 3])
    assert history["late_gain"] == pytest.approx([0.2, 0.0, 0.0, 0.0])


def test_versions_and_seconds_are_recorded(cosine):
    result = FGSM()(cosine(2), GRID, [0] * 24, Linf(0.1))
    assert {"python", "counterspin", "torch", "numpy"} <= set(result.versions)
    assert result.versions["torch"] == torch.__version__
    assert result.budgets[0].seconds > 0


def test_precision_decides_the_dtype_of_proposals_not_of_verdicts(cosine):
    seen: list[torch.dtype] = []
    inner = cosine(2)

    class Recording:
        bounds, classes, outputs, stochastic, differentiable = inner.bounds, 2, inner.outputs, False, True

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            if x.requires_grad:
                seen.append(x.dtype)
            return inner(x)

    y = inner.labels(GRID)
    results = {p: PGD(steps=3, precision=p)(Recording(), GRID, y, Linf(0.1)) for p in ("float32", "float64")}
    assert set(seen) == {torch.float32, torch.float64}
    for result in results.values():
        assert result.x_adv.dtype == torch.float64
        # The clean points keep their float64 digits: distances are measured from them.
        size = (result.x_adv[0] - GRID).abs().amax(dim=1)
        assert torch.equal(result.distance[0][result.success[0]], size[result.success[0]])
    with pytest.raises(UsageError, match="precision is 'half'"):
        PGD(precision="half")
