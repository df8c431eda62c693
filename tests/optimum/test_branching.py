"""Brackets of the search against closed forms, dense grids and SLSQP, and what holds wherever it ends."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from counterspin.optimum.branching import Expansion, branch_and_bound
from counterspin.optimum.cuts import norm_of
from counterspin.optimum.expansions import bernstein_expansion, bernstein_floor, polynomial_expansion
from counterspin.optimum.multivariate import Polynomials
from counterspin.optimum.races import Race, race_of

ORDER = {"linf": np.inf, "l2": 2, "l1": 1}


def random_scores(seed, d, classes=2, terms=4):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return Polynomials(
        frequencies=torch.randint(1, 3, (terms, d), generator=generator) * draw(terms, d).sign(),
        constant=0.3 * draw(classes),
        cosine=draw(classes, terms),
        sine=draw(classes, terms),
        rounding=torch.full((classes,), 1e-13, dtype=torch.float64),
    )


def search(scores, x, race, norm, reach=2.0, **options):
    far = torch.full_like(x, reach)
    expand = polynomial_expansion(scores, x, race)
    stiffness = scores.frequencies.abs().amax(dim=0)
    return branch_and_bound(expand, -far, far, norm=norm, rule=race.rule, stiffness=stiffness, beyond=1e-11, **options)


def by_slsqp(scores, x, race, norm, reach, starts=30):
    """The nearest flip by multi-start SLSQP on a smooth form of the problem."""
    d = x.shape[1]

    def lead(u):
        return race.differences(scores.values(x + torch.as_tensor(u)[None]))[0].numpy()

    rng, best = np.random.default_rng(0), np.inf
    for pair in range(race.winners.shape[1]):
        for _ in range(starts):
            u = rng.uniform(-reach, reach, d)
            if norm == "l2":
                start, cost, cons = u, lambda z: z @ z, []
            else:
                # |u_i| <= t_i, cost t (linf: one t) with z = (u, t).
                count = 1 if norm == "linf" else d
                start = np.concatenate([u, np.full(count, np.abs(u).max())])
                cost = lambda z: z[d:].sum()  # noqa: E731
                cons = [{"type": "ineq", "fun": lambda z, s=s: z[d:] - s * z[:d]} for s in (1, -1)]
            cons = [*cons, {"type": "ineq", "fun": lambda z, pair=pair: -lead(z[:d])[pair]}]
            bounds = [(-reach, reach)] * d + [(0, None)] * (len(start) - d)
            found = minimize(cost, start, bounds=bounds, constraints=cons, method="SLSQP", options={"maxiter": 200})
            if lead(found.x[:d]).min() <= 1e-9:
                best = min(best, np.linalg.norm(found.x[:d], ord=ORDER[norm]))
    return best


def leading(scores, x):
    return scores.values(x).argmax(dim=1)


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize(("d", "seed"), [(2, 0), (3, 1)])
def test_against_slsqp(norm, d, seed):
    scores = random_scores(seed, d, classes=3)
    x = torch.randn(1, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    race = race_of(leading(scores, x), None, 3)
    found = search(scores, x, race, norm)
    expected = by_slsqp(scores, x, race, norm, 2.0, starts=8)
    assert found.lower.item() <= expected * (1 + 1e-6)
    assert found.upper.item() <= expected * (1 + 1e-3)
    assert found.upper.item() - found.lower.item() <= 1e-4 * found.upper.item()


@pytest.mark.slow
@given(
    seed=st.integers(0, 10**6), norm=st.sampled_from(["linf", "l2", "l1"]), d=st.integers(2, 3), target=st.booleans()
)
@settings(max_examples=12, deadline=None)
def test_no_point_of_a_dense_draw_flips_below_the_bracket(seed, norm, d, target):
    scores = random_scores(seed, d, classes=3)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, d, generator=generator, dtype=torch.float64)
    y = leading(scores, x)
    race = race_of(y, (y + 1) % 3 if target else None, 3)
    found = search(scores, x, race, norm, nodes=400 if target else 20_000, batch=64)
    assert bool((found.lower <= found.upper).all())
    u = 4 * torch.rand(20_000, d, generator=generator, dtype=torch.float64) - 2
    u = torch.cat([u, 0.2 * u, found.offsets])
    for row in range(4):
        many = race.take(torch.full((len(u),), row))
        lost = many.margin(scores.values(x[row] + u)) <= 0
        nearest = norm_of(norm, u[lost]).min() if bool(lost.any()) else torch.tensor(torch.inf)
        assert found.lower[row] <= nearest
        if torch.isfinite(found.upper[row]):
            assert race.margin(scores.values(x + found.offsets))[row] <= 0
            assert norm_of(norm, found.offsets[row]).item() == pytest.approx(found.upper[row].item())
            assert found.offsets[row].abs().max() <= 2.0


def product_of_cosines(x):
    """Scores (f, 0) with f the product of cos x_i, its exact coefficients, d = 2."""
    return Polynomials(
        frequencies=torch.tensor([[1.0, 1.0], [1.0, -1.0]]).double(),
        constant=torch.zeros(2).double(),
        cosine=torch.tensor([[0.5, 0.5], [0.0, 0.0]]).double(),
        sine=torch.zeros(2, 2).double(),
        rounding=torch.full((2,), 1e-15).double(),
    ), race_of(torch.zeros(len(x), dtype=torch.long), None, 2)


X = torch.tensor([[0.2, -0.5], [1.2, 0.1], [0.3, 0.3], [1.5, -1.5]], dtype=torch.float64)
NEAREST = (math.pi / 2 - X.abs()).amin(dim=1)


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_product_of_cosines_has_its_closed_form(norm):
    # One coordinate alone reaches its zero: the same distance in every norm.
    race = product_of_cosines(X)
    found = search(race[0], X, Race(winners=race[1].winners, losers=race[1].losers, rule="min"), norm, tolerance=1e-6)
    torch.testing.assert_close(found.lower, NEAREST, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.upper, NEAREST, rtol=1e-6, atol=0)


def cosines(row, x):
    c, s = x.cos(), x.sin()
    value = torch.stack([c.prod(dim=1), torch.zeros(len(x)).double()], dim=1)
    slope = torch.stack([-s[:, 0] * c[:, 1], -c[:, 0] * s[:, 1]], dim=1)
    return value, torch.stack([slope, torch.zeros_like(slope)], dim=1)


@pytest.mark.one_fast(1)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_bandwidths_alone_close_the_bracket_too(norm):
    _, race = product_of_cosines(X)
    one = torch.ones(2, 2).double()
    width = torch.ones(2).double()
    expand = bernstein_expansion(cosines, X, race, bandwidth=width, lowest=-one, highest=one, rounding=1e-14)
    far = torch.full_like(X, 2.0)
    found = branch_and_bound(expand, -far, far, norm=norm, stiffness=width, beyond=1e-11, tolerance=1e-4)
    assert bool((found.lower <= NEAREST).all())
    assert bool((found.upper >= NEAREST * (1 - 1e-12)).all())
    assert bool((found.upper - found.lower <= 1e-4 * found.upper).all())


@pytest.mark.one_fast
@pytest.mark.parametrize("nodes", [1, 3, 10, 40])
def test_the_bracket_holds_wherever_the_search_ends(nodes):
    scores, race = product_of_cosines(X)
    found = search(scores, X, race, "l2", nodes=nodes, batch=4)
    assert bool((found.nodes <= nodes + 4).all())
    assert bool((found.lower <= NEAREST).all())
    assert bool((found.upper >= NEAREST * (1 - 1e-12)).all())


@pytest.mark.slow
def test_a_longer_search_is_never_worse():
    scores, race = product_of_cosines(X)
    brackets = [search(scores, X, race, "l2", nodes=nodes, batch=4) for nodes in (2, 20, 200, 2000)]
    for short, long in itertools.pairwise(brackets):
        assert bool((short.lower <= long.lower).all())
        assert bool((short.upper >= long.upper).all())


def test_a_domain_without_flips_is_proved():
    scores, race = product_of_cosines(X)
    found = search(scores, X[:1], race.take(torch.tensor([0])), "linf", reach=0.9)
    assert torch.isinf(found.lower).all()
    assert torch.isinf(found.upper).all()
    assert not found.offsets.any()


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), d=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_expansions_hold_all_over_their_cells(seed, d):
    scores = random_scores(seed, d, classes=3)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, d, generator=generator, dtype=torch.float64)
    race = race_of(leading(scores, x), None, 3)
    half = 0.6 * torch.rand(3, d, generator=generator, dtype=torch.float64)
    centre = torch.randn(3, d, generator=generator, dtype=torch.float64)
    row = torch.arange(3)
    width = scores.frequencies.abs().amax(dim=0)
    pairs = scores.differences(*torch.cartesian_prod(row, row).unbind(dim=1))
    reach = (pairs.amplitude.sum(dim=1) + pairs.constant.abs()).reshape(3, 3)

    def values(cell, point):
        with torch.enable_grad():
            point = point.clone().requires_grad_()
            found = scores.values(point)
            slopes = [torch.autograd.grad(f.sum(), point, retain_graph=True)[0] for f in found.unbind(dim=1)]
        return found.detach(), torch.stack(slopes, dim=1)

    both: list[Expansion] = [
        polynomial_expansion(scores, x, race)(row, centre, half),
        bernstein_expansion(values, x, race, bandwidth=width, lowest=-reach, highest=reach, rounding=1e-13)(
            row, centre, half
        ),
    ]
    for step in range(100):
        u = (2 * torch.rand(3, d, generator=generator, dtype=torch.float64) - 1) * half
        u = u if step % 2 else u.sign() * half
        lead = race.differences(scores.values(x + centre + u))
        for found in both:
            plane = found.value + (found.gradient * u[:, None]).sum(dim=-1)
            assert bool((lead >= plane - found.below).all())
            assert bool((lead <= plane + found.above).all())
            assert bool((lead >= found.floor).all())


def test_bernstein_floor_is_reached_by_a_cosine():
    # h = cos(p + t): nothing of the same band falls faster, up to p + t = pi/2.
    p, t = 0.4, 0.7
    floor = bernstein_floor(torch.tensor(t * math.sin(p), dtype=torch.float64), torch.tensor(t, dtype=torch.float64))
    assert floor.item() == pytest.approx(math.cos(p + t) - math.cos(p), rel=1e-12)
    # Beyond, with full speed from where the cosine vanishes.
    floor = bernstein_floor(
        torch.tensor(2.0 * math.sin(p), dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    )
    assert floor.item() == pytest.approx(-math.cos(p) - (p + 2.0 - math.pi / 2), rel=1e-12)
    assert bernstein_floor(torch.tensor(0.0), torch.tensor(0.0)).item() == 0.0


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_search_with_a_limit_ends_there(norm):
    scores, race = product_of_cosines(X)
    whole = search(scores, X, race, norm, tolerance=1e-6)
    limit = torch.full_like(NEAREST, 0.5)
    found = search(scores, X, race, norm, tolerance=1e-6, limit=limit)
    near = NEAREST < 0.5
    assert near.tolist() == [False, True, False, True]
    torch.testing.assert_close(found.lower, torch.where(near, NEAREST, limit), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.upper[near], NEAREST[near], rtol=1e-6, atol=0)
    assert bool((found.upper >= NEAREST * (1 - 1e-12)).all())
    assert bool((found.nodes[~near] < whole.nodes[~near]).all())


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e6])
def test_brackets_close_whatever_the_unit_of_the_features(unit):
    scores, race = product_of_cosines(X)
    scaled = replace(scores, frequencies=scores.frequencies / unit)
    found = search(scaled, X * unit, race, "l2", reach=2.0 * unit, tolerance=1e-6)
    torch.testing.assert_close(found.lower / unit, NEAREST, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.upper / unit, NEAREST, rtol=1e-6, atol=0)


def test_a_sample_that_cannot_move_is_proved():
    scores, race = product_of_cosines(X)
    assert torch.isinf(search(scores, X, race, "l2", reach=0.0).lower).all()
