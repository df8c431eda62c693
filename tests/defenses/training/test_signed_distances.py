"""Signed distances against the certified solver, brute force and the definition of the boundary."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.defenses.training.pair_forms import PairSpectra
from counterspin.defenses.training.signed_distances import signed_distances
from counterspin.optimum import AffineMap, form_scores, nearest_flips


def pairs_of(classes):
    return torch.combinations(torch.arange(classes))


def random_forms(classes, size, seed):
    generator = torch.Generator().manual_seed(seed)
    forms = torch.randn(classes, size, size, generator=generator, dtype=torch.float64)
    return (forms + forms.mT) / 2, generator


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_smallest_distance_of_a_correct_sample_is_the_certified_radius(seed, classes, size):
    forms, generator = random_forms(classes, size, seed)
    x = torch.randn(12, size, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (12,), generator=generator)
    found = signed_distances(PairSpectra.of_forms(forms, pairs_of(classes)), x, y).values.amin(dim=1)
    known = nearest_flips(forms, x, y)
    right = known.lower > 0
    torch.testing.assert_close(found[right], known.upper[right], rtol=1e-7, atol=1e-9)
    assert bool((found[~right] <= 0).all())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_behind_an_affine_map(seed):
    forms, generator = random_forms(3, 4, seed)
    weight = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    input_map = AffineMap(weight, torch.randn(4, generator=generator, dtype=torch.float64))
    x = torch.randn(10, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (10,), generator=generator)
    found = signed_distances(PairSpectra.of_forms(forms, pairs_of(3), input_map), x, y).values.amin(dim=1)
    known = nearest_flips(forms, x, y, input_map=input_map)
    right = known.lower > 0
    torch.testing.assert_close(found[right], known.upper[right], rtol=1e-6, atol=1e-8)
    assert bool((found[~right] <= 0).all())


@pytest.mark.parametrize("mapped", [False, True])
def test_factors_and_forms_are_the_same_margins(mapped):
    generator = torch.Generator().manual_seed(3)
    columns = torch.randn(7, 8, generator=generator, dtype=torch.float64)
    # Class 0 owns two columns, class 1 three, class 2 one; two are nobody's: ranks 3 to 5 of 7.
    levels = torch.zeros(3, 8, dtype=torch.float64)
    levels[0, :2], levels[1, 2:5], levels[2, 5] = 1.5, 0.7, 2.0
    forms = torch.stack([(columns * level) @ columns.T for level in levels])
    weight = torch.randn(7, 9, generator=generator, dtype=torch.float64)
    input_map = AffineMap(weight, torch.randn(7, generator=generator, dtype=torch.float64)) if mapped else None
    x = torch.randn(20, 9 if mapped else 7, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (20,), generator=generator)
    dense = signed_distances(PairSpectra.of_forms(forms, pairs_of(3), input_map), x, y)
    spectra = PairSpectra.of_factors(columns, levels, pairs_of(3), input_map)
    assert spectra.vectors.shape[2] == 5
    torch.testing.assert_close(signed_distances(spectra, x, y).values, dense.values, rtol=1e-9, atol=1e-11)


def test_points_lie_on_the_boundary_at_their_distance():
    forms, generator = random_forms(3, 5, 8)
    x = torch.randn(30, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (30,), generator=generator)
    found = signed_distances(PairSpectra.of_forms(forms, pairs_of(3)), x, y)
    sample, rival = torch.isfinite(found.values).nonzero(as_tuple=True)
    ends = found.ends(sample, rival)
    points = ends.points.requires_grad_()
    scores = form_scores(forms, points)
    margins = (scores.gather(1, y[sample][:, None]) - scores.gather(1, rival[:, None]))[:, 0]
    assert margins.abs().max() < 1e-10
    (gradient,) = torch.autograd.grad(margins.sum(), points)
    torch.testing.assert_close(ends.slopes, gradient.norm(dim=1), rtol=1e-9, atol=1e-12)
    moved = (points.detach() - x[sample]).norm(dim=1)
    torch.testing.assert_close(moved, found.values[sample, rival].abs(), rtol=1e-12, atol=1e-14)


def test_lost_samples_are_as_far_as_their_turned_pair():
    forms, generator = random_forms(2, 4, 1)
    x = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    y = torch.zeros(40, dtype=torch.int64)
    spectra = PairSpectra.of_forms(forms, pairs_of(2))
    own, other = (signed_distances(spectra, x, label).values.amin(dim=1) for label in (y, 1 - y))
    assert 5 < int((own < 0).sum()) < 35
    torch.testing.assert_close(own, -other, rtol=1e-12, atol=0)


def test_hard_case():
    # The sample has no weight on the lowest eigenvector: z = (t, ±1 ...) at 45 degrees all the same.
    forms = torch.diag_embed(torch.tensor([[1.0, -1.0, 3.0], [0.0, 0.0, 0.0]])).double()
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).double()
    found = signed_distances(PairSpectra.of_forms(forms, pairs_of(2)), x, torch.zeros(2, dtype=torch.int64))
    known = nearest_flips(forms, x, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(found.values[:, 1], known.upper, rtol=1e-6, atol=0)
    assert found.values[0, 1].item() == pytest.approx(0.5**0.5)


def test_pairs_that_never_tie_are_infinitely_far():
    forms = torch.stack([torch.eye(3), torch.zeros(3, 3)]).double()
    x = torch.ones(2, 3, dtype=torch.float64)
    found = signed_distances(PairSpectra.of_forms(forms, pairs_of(2)), x, torch.tensor([0, 1]))
    assert found.values.tolist() == [[torch.inf, torch.inf], [-torch.inf, torch.inf]]
