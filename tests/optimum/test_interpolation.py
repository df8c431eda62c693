import math

import pytest
import torch

from counterspin.optimum.interpolation import chebyshev_angles, chebyshev_degree, cosines
from counterspin.optimum.trigonometric import fit


@pytest.mark.parametrize("reach", [0.05, 0.7, 3.0, 12.0])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-9])
def test_the_degree_reaches_the_tolerance_for_every_phase_at_the_edge_of_the_band(reach, tolerance):
    degree = chebyshev_degree(reach, 1.0, tolerance)
    angles = chebyshev_angles(degree + 1)
    phase = torch.linspace(0.0, 2 * math.pi, 17, dtype=torch.float64)
    t = torch.linspace(-1.0, 1.0, 501, dtype=torch.float64)
    for share in (1.0, 0.6):
        samples = torch.cos(share * reach * angles.cos()[:, None] + phase)
        fitted = cosines(degree, t.acos()) @ fit(cosines(degree, angles), samples)
        assert float((fitted - torch.cos(share * reach * t[:, None] + phase)).abs().max()) <= tolerance


def test_it_is_no_more_than_three_degrees_above_what_is_needed():
    for reach in (0.5, 2.0, 8.0):
        degree = chebyshev_degree(reach, 1.0, 1e-4) - 3
        angles = chebyshev_angles(degree + 1)
        t = torch.linspace(-1.0, 1.0, 501, dtype=torch.float64)
        fitted = cosines(degree, t.acos()) @ fit(cosines(degree, angles), torch.cos(reach * angles.cos() + 0.7))
        assert float((fitted - torch.cos(reach * t + 0.7)).abs().max()) > 1e-4


def test_the_degree_has_a_limit():
    assert chebyshev_degree(1000.0, 1.0, 1e-4, at_most=20) == 20
    assert chebyshev_degree(0.0, 1.0, 1e-4) == 1
