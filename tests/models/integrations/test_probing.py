"""Probe points: inside the box, at its corners, and beyond the samples where the box has no end."""

import pytest
import torch

from counterspin.models.integrations.angle_maps import identify
from counterspin.models.integrations.comparison import disagreement
from counterspin.models.integrations.probing import probe_points
from counterspin.models.integrations.scores import ScoreMap
from counterspin.models.integrations.wrapped import WrappedClassifier
from counterspin.types import Box

# Samples in one corner of the box: what happens elsewhere shows at none of them.
X = 0.3 * torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
BOX = Box.uniform(0, 1, features=3)


@pytest.mark.parametrize(("features", "corners"), [(1, 2), (3, 8), (7, 8)])
def test_half_of_them_are_corners_a_hair_inside(features, corners):
    x = torch.full((2, features), 0.5, dtype=torch.float64)
    points = probe_points(x, Box.uniform(-1, 3, features=features), 16)
    assert points.shape == (16, features)
    ends = torch.minimum(points + 1, 3 - points)
    assert int((ends <= 0.004 + 1e-12).all(dim=1).sum()) == corners
    assert float(ends.min()) == pytest.approx(0.004)
    assert len(points[:corners].unique(dim=0)) == corners or features == 7


def test_the_range_of_the_samples_counts_where_the_box_has_no_end():
    points = probe_points(torch.tensor([[2.0, 5.0], [4.0, 5.0]], dtype=torch.float64), None, 64)
    low, high = points.amin(dim=0), points.amax(dim=0)
    assert low.tolist() == pytest.approx([1.004, 4.501])
    assert high.tolist() == pytest.approx([4.996, 5.499])


def test_a_bump_between_the_samples_is_no_affine_map():
    def bump(x):
        return torch.where(((x > 0.6) & (x < 0.66)).any(dim=1, keepdim=True), 2.0, 0.0) + x

    probes = probe_points(X, BOX, 64)
    assert identify(bump, X, probes=probes) is None
    assert identify(lambda x: 3 * x, X, probes=probes) is not None


def test_a_function_that_raises_far_from_the_samples_is_none():
    def near(x):
        if float(x.max()) > 2:
            raise ValueError("too far")
        return x

    assert identify(near, X) is None


def _classifier(home):
    scores = ScoreMap(values="logits", count=1, classes=2, outputs="logits")
    return WrappedClassifier(home, scores, BOX, stochastic=False, differentiable=True).eval()


def test_models_that_part_where_no_sample_is_differ():
    imported = _classifier(lambda x: x.sum(dim=1))
    assert disagreement(imported, _classifier(lambda x: x.sum(dim=1)), X, noise=0.0, gradients=True) is None
    home = _classifier(lambda x: x.sum(dim=1) + torch.where((x > 0.8).all(dim=1), 0.1, 0.0))
    found = disagreement(imported, home, X, noise=0.0, gradients=True)
    assert found == "its values differ from those at home by 0.05"


def test_points_without_values_do_not_count():
    home = _classifier(lambda x: torch.where(x[:, 0] < 0.5, x.sum(dim=1), torch.nan))
    assert disagreement(_classifier(lambda x: x.sum(dim=1)), home, X, noise=0.0, gradients=False) is None

    def raising(x):
        if float(x.max()) > 0.5:
            raise ValueError("not defined")
        return x.sum(dim=1)

    found = disagreement(_classifier(lambda x: x.sum(dim=1)), _classifier(raising), X, noise=0.0, gradients=False)
    assert found is None
