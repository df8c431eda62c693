"""Lifted forms: the same scores, lowered by enough, and hulls of images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.errors import ConditionsError
from counterspin.optimum import AffineMap, form_scores
from counterspin.optimum.box_lift import LiftedForms, image_ends
from counterspin.types import Box


def random_lift(seed, *, classes=3, encoded=4, features=5, shifted=True):
    g = torch.Generator().manual_seed(seed)
    raw = torch.randn(classes, encoded, encoded, generator=g, dtype=torch.float64)
    weight = torch.randn(encoded, features, generator=g, dtype=torch.float64)
    bias = torch.randn(encoded, generator=g, dtype=torch.float64) * shifted
    forms, input_map = (raw + raw.mT) / 2, AffineMap(weight, bias)
    return forms, input_map, LiftedForms.of(forms, input_map), g


@pytest.mark.parametrize("shifted", [True, False])
def test_lifted_forms_say_what_the_map_and_the_forms_say(shifted):
    forms, input_map, lifted, g = random_lift(0, shifted=shifted)
    x = torch.randn(7, 5, generator=g, dtype=torch.float64)
    assert lifted.input_map is not None
    points, image = lifted.points(x), lifted.input_map(x)
    assert points.shape[1] == lifted.forms.shape[1] == (6 if shifted else 5)
    assert torch.equal(lifted.features(points), x)
    for form, own in zip(lifted.forms, forms, strict=True):
        torch.testing.assert_close(((points @ form) * points).sum(1), ((image @ own) * image).sum(1))
    torch.testing.assert_close(lifted.scores(x), form_scores(forms, input_map(x)), rtol=1e-14, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-6, 1.0, 1e6]))
def test_a_lowered_pair_never_exceeds_the_true_margin(seed, size):
    forms, input_map, _, g = random_lift(seed, encoded=6, features=6)
    input_map = AffineMap(input_map.weight * size, input_map.bias)
    lifted = LiftedForms.of(forms, input_map)
    form, doubt = lifted.pair(0, 1)
    x = torch.randn(50, 6, generator=g, dtype=torch.float64) / size
    assert lifted.input_map is not None
    points, image = lifted.points(x), lifted.input_map(x)
    lowered, true = ((points @ form) * points).sum(1), ((image @ (forms[0] - forms[1])) * image).sum(1)
    lost = doubt * points.square().sum(1)
    # Rounding of the test itself is far below what was taken off, which in turn is about that much.
    assert bool((lowered <= true).all())
    assert bool((lowered >= true - 2 * lost).all())
    scale = torch.linalg.matrix_norm(forms, 2).amax() * (torch.linalg.matrix_norm(lifted.input_map.weight, 2).square())
    assert 1e-14 < doubt / float(scale) < 1e-11


def test_without_a_map_nothing_changes():
    forms, _, _, g = random_lift(1)
    x = torch.randn(3, 4, generator=g, dtype=torch.float64)
    for input_map in (None, AffineMap.identity(4)):
        lifted = LiftedForms.of(forms, input_map)
        assert lifted.forms is forms
        assert lifted.points(x) is x
        assert lifted.pair(0, 2)[1] == 0
        assert torch.equal(lifted.pair(0, 2)[0], forms[0] - forms[2])
        assert lifted.movable(None) is None


def test_the_constant_does_not_move_and_has_no_end():
    _, _, lifted, _ = random_lift(2)
    moving = lifted.movable(torch.tensor([True, False, True, True, False]))
    assert moving is not None
    assert moving.tolist() == [True, False, True, True, False, False]
    free = lifted.movable(None)
    assert free is not None
    assert free.tolist() == [True] * 5 + [False]
    box = lifted.box(Box.uniform(0, 1, features=5))
    assert box.lower.tolist() == [0.0] * 5 + [-torch.inf]
    assert box.upper.tolist() == [1.0] * 5 + [torch.inf]


def test_zero_images_have_no_score_and_tiny_ones_do():
    forms, _, _, _ = random_lift(3)
    lifted = LiftedForms.of(forms, AffineMap(torch.eye(4).double(), -torch.ones(4).double()))
    assert bool(lifted.scores(torch.ones(1, 4).double()).isnan().all())
    tiny = LiftedForms.of(forms, AffineMap(1e-200 * torch.eye(4).double(), torch.zeros(4).double()))
    torch.testing.assert_close(tiny.scores(torch.ones(1, 4).double()), form_scores(forms, torch.ones(1, 4).double()))


def test_a_constant_map_is_refused():
    forms, _, _, _ = random_lift(4)
    with pytest.raises(ConditionsError, match="weight 0"):
        LiftedForms.of(forms, AffineMap(torch.zeros(4, 3), torch.ones(4)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_hull_is_what_the_corners_span(seed):
    _, input_map, _, g = random_lift(seed, features=4)
    low = torch.randn(2, 4, generator=g, dtype=torch.float64)
    high = low + torch.rand(2, 4, generator=g, dtype=torch.float64)
    lowest, highest = image_ends(input_map, low, high)
    bits = torch.cartesian_prod(*[torch.tensor([False, True])] * 4)
    images = input_map(torch.where(bits[:, None], high, low))
    assert bool((lowest <= images.amin(0)).all())
    assert bool((highest >= images.amax(0)).all())
    torch.testing.assert_close(lowest, images.amin(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(highest, images.amax(0), rtol=1e-12, atol=1e-12)


def test_hull_of_an_orthant_keeps_its_signs():
    weight = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = torch.zeros(1, 4).double(), torch.ones(1, 4).double()
    assert image_ends(AffineMap(weight, torch.zeros(3).double()), low, high)[0].tolist() == [[0.0, 0.0, 0.0]]


def test_hull_of_half_infinite_boxes():
    input_map = AffineMap(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]).double(), torch.ones(3).double())
    low, high = torch.tensor([[0.0, -torch.inf]]).double(), torch.tensor([[torch.inf, 2.0]]).double()
    lowest, highest = image_ends(input_map, low, high)
    assert lowest[0].tolist() == pytest.approx([1, -torch.inf, -torch.inf])
    assert highest[0].tolist() == pytest.approx([torch.inf, 1, 3])
