"""Brackets of the L-infinity radius: closed forms, an independent search, boxes, masks and pairs that never flip."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linf_oracle import nearest_by_slsqp

from counterspin.optimum.linf_nearest import LinfSearch, linf_forms, nearest_linf_flips
from counterspin.optimum.nearest import form_scores
from counterspin.types import Box

BRANCHING = LinfSearch(nodes=1000)


def against_zero(form):
    """Two classes whose difference is `form`."""
    return torch.stack([form, torch.zeros_like(form)])


def bracket(forms, x, y, box, *, mask=None, target=None, search=BRANCHING):
    movable = torch.ones(forms.shape[1], dtype=torch.bool) if mask is None else torch.tensor(mask)
    prepared = linf_forms(forms, movable, box)
    generator = torch.Generator().manual_seed(0)
    return nearest_linf_flips(prepared, x, y, box, generator, target=target, search=search)


def box_of(lower, upper):
    lower, upper = (torch.tensor(side, dtype=torch.float64) for side in (lower, upper))
    return Box(lower, upper, torch.zeros(len(lower), dtype=torch.bool))


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("lower", "upper", "mask", "expected"),
    [
        ((-np.inf, -np.inf), (np.inf, np.inf), (True, True), 0.3),  # meet half way: (0.9 - 0.3) / 2
        ((0.0, 0.0), (1.0, 1.0), (True, True), 0.3),
        ((0.0, 0.0), (1.0, 0.4), (True, True), 0.5),  # the second may rise by 0.1 only, the first falls to 0.4
        ((0.8, -np.inf), (np.inf, np.inf), (True, True), 0.5),  # half-open: the first may fall by 0.1 only
        ((-np.inf, -np.inf), (np.inf, np.inf), (True, False), 0.6),
        ((-np.inf, -np.inf), (np.inf, np.inf), (False, True), 0.6),
        ((0.8, 0.0), (1.0, 0.7), (True, True), np.inf),  # the boxes' sides never meet
        ((0.0, 0.0), (1.0, 0.8), (False, True), np.inf),
    ],
)
def test_two_features_by_hand(lower, upper, mask, expected):
    # diag(1, -1): flips where |z_0| <= |z_1|.
    forms = against_zero(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))
    flips = bracket(
        forms, torch.tensor([[0.9, 0.3]], dtype=torch.float64), torch.tensor([0]), box_of(lower, upper), mask=mask
    )
    assert flips.lower.item() == pytest.approx(expected, rel=1e-6)
    assert flips.upper.item() == pytest.approx(expected, rel=1e-6)
    assert flips.lower.item() <= flips.upper.item()


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 6))
def test_product_of_two_hyperplanes(seed, d):
    # (u.z)(w.z) vanishes on two planes, whose L-infinity distance is |u.x| / |u|_1.
    generator = torch.Generator().manual_seed(seed)
    u, w, x = torch.randn(3, d, generator=generator, dtype=torch.float64)
    u, w = u * (u @ x).sign(), w * (w @ x).sign()
    truth = min((u @ x / u.abs().sum()).item(), (w @ x / w.abs().sum()).item())
    form = 0.5 * (torch.outer(u, w) + torch.outer(w, u))
    flips = bracket(against_zero(form), x[None], torch.tensor([0]), Box.unbounded(d))
    assert flips.lower.item() <= truth * (1 + 1e-9)
    assert flips.upper.item() == pytest.approx(truth, rel=1e-5)
    assert flips.lower.item() == pytest.approx(truth, rel=1e-4)


def test_many_features_without_branching_bracket_the_truth():
    generator = torch.Generator().manual_seed(4)
    u, w, x = torch.randn(3, 60, generator=generator, dtype=torch.float64)
    u, w = u * (u @ x).sign(), w * (w @ x).sign()
    truth = min((u @ x / u.abs().sum()).item(), (w @ x / w.abs().sum()).item())
    form = 0.5 * (torch.outer(u, w) + torch.outer(w, u))
    flips = bracket(against_zero(form), x[None], torch.tensor([0]), Box.unbounded(60), search=LinfSearch())
    assert 0.8 * truth <= flips.lower.item() <= truth * (1 + 1e-9)
    assert truth * (1 - 1e-9) <= flips.upper.item() <= 1.01 * truth


def random_case(seed, d):
    generator = torch.Generator().manual_seed(seed)
    forms = torch.randn(3, d, d, generator=generator, dtype=torch.float64)
    forms = forms + forms.mT
    x = torch.rand(2, d, generator=generator, dtype=torch.float64)
    box = [Box.unbounded(d), Box.uniform(0, 1, features=d), box_of([0.0] * d, [np.inf] * d)][seed % 3]
    return forms, x, form_scores(forms, x).argmax(dim=1), box


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 6))
def test_order_against_an_independent_search(seed, d):
    check_order(seed, d)


@pytest.mark.slow
@pytest.mark.parametrize("d", range(2, 7))
def test_order_against_an_independent_search_at_length(d):
    for seed in range(8):
        check_order(1000 * d + seed, d)


def check_order(seed, d):
    forms, x, y, box = random_case(seed, d)
    root = bracket(forms, x, y, box, search=LinfSearch())
    closed = bracket(forms, x, y, box)
    for i in range(len(x)):
        searched = min(
            nearest_by_slsqp((forms[y[i]] - forms[j]).numpy(), x[i].numpy(), box.lower.numpy(), box.upper.numpy())
            for j in range(3)
            if j != y[i]
        )
        assert root.lower[i] <= closed.lower[i] * (1 + 1e-6)
        assert closed.lower[i] <= searched * (1 + 1e-6)
        assert closed.lower[i] <= closed.upper[i]
        # The point is what it says: inside the box, that far away, and lost.
        point = closed.points[i : i + 1]
        if torch.isfinite(closed.upper[i]):
            assert bool(box.contains(point, tolerance=1e-12))
            assert (point - x[i]).abs().max().item() == pytest.approx(closed.upper[i].item(), rel=1e-12)
            scores = form_scores(forms, point)[0]
            assert scores[y[i]] <= scores.scatter(0, y[i], -torch.inf).max()


@pytest.mark.slow
def test_random_brackets_close():
    # Both ends meet on nearly every case: a bound too low or a point too far would leave them apart.
    ratios = []
    for seed in range(10):
        forms, x, y, box = random_case(seed, 2 + seed % 5)
        flips = bracket(forms, x, y, box)
        finite = torch.isfinite(flips.upper)
        ratios.append((flips.lower / flips.upper)[finite])
    ratios = torch.cat(ratios)
    assert len(ratios) >= 18
    assert float(ratios.max()) <= 1
    assert float((ratios >= 1 - 1e-6).double().mean()) >= 0.9


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(3))
def test_dense_samples_inside_the_certified_ball_keep_the_class(seed):
    forms, x, y, box = random_case(seed, 4)
    lower = bracket(forms, x, y, box).lower.clamp(max=2)
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 2, (2000, *x.shape), generator=generator) * 2.0 - 1
    inside = 2 * torch.rand(2000, *x.shape, generator=generator, dtype=torch.float64) - 1
    steps = torch.cat([corners.double(), inside]) * lower[:, None] * (1 - 1e-9)
    z = torch.minimum(torch.maximum(x + steps, box.lower), box.upper)
    assert torch.equal(form_scores(forms, z.flatten(0, 1)).argmax(dim=1), y.repeat(4000))


def test_entrywise_positive_form_on_the_orthant_never_flips():
    generator = torch.Generator().manual_seed(0)
    form = torch.rand(5, 5, generator=generator, dtype=torch.float64) + 0.01
    form = form + form.mT
    assert float(torch.linalg.eigvalsh(form)[0]) < 0
    x = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    y = torch.zeros(3, dtype=torch.long)
    boxed = bracket(against_zero(form), x, y, Box.uniform(0, 1, features=5))
    assert torch.isinf(boxed.lower).all()
    assert torch.isinf(boxed.upper).all()
    torch.testing.assert_close(boxed.points, x, rtol=0, atol=0)
    free = bracket(against_zero(form), x, y, Box.unbounded(5), search=LinfSearch())
    assert torch.isfinite(free.upper).all()


def test_positive_definite_pair_never_flips_without_a_box():
    form = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
    # With the second feature held at 0.5 the margin stays above 0.5 whatever the first does.
    flips = bracket(
        against_zero(form),
        torch.tensor([[1.0, 0.5]], dtype=torch.float64),
        torch.tensor([0]),
        Box.unbounded(2),
        mask=(True, False),
    )
    assert flips.lower.item() == flips.upper.item() == np.inf


def test_zero_is_no_flip():
    # Positive definite and every feature free: only z = 0 has margin 0, and it is no input.
    form = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
    flips = bracket(
        against_zero(form), torch.tensor([[1.0, 0.5]], dtype=torch.float64), torch.tensor([0]), box_of((-1, -1), (1, 1))
    )
    assert flips.upper.item() == np.inf
    assert flips.lower.item() == np.inf


@pytest.mark.slow
def test_target_and_misclassified_samples():
    forms = torch.diag_embed(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64))
    x = torch.tensor([[0.9, 0.7, 0.1], [0.2, 0.9, 0.1]], dtype=torch.float64)
    y = torch.zeros(2, dtype=torch.long)
    box = Box.uniform(0, 1, features=3)
    free = bracket(forms, x, y, box)
    aimed = bracket(forms, x, y, box, target=torch.tensor([2, 2]))
    assert free.lower.tolist() == pytest.approx([0.1, 0.0], rel=1e-6)
    assert free.upper.tolist() == pytest.approx([0.1, 0.0], rel=1e-6)
    # Class 2 passes class 0 at 0.9 - e = 0.1 + e; class 1 must be behind as well, so this is a lower bound only.
    assert aimed.lower[0].item() == pytest.approx(0.4, rel=1e-2)
    assert 0.4 * (1 - 1e-9) <= aimed.upper[0].item()
    assert torch.isinf(aimed.upper[0]) or form_scores(forms, aimed.points)[0].argmax() == 2
