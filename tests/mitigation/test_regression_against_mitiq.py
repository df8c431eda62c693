"""Readout and Clifford data regression as mitiq 1.1 computes them from the same numbers."""

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit
from small_circuits import GATES, arguments, seeded

from counterspin.circuits import PauliExpectations
from counterspin.mitigation.calibration import exact_calibration
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.readout import InverseReadout, nearest_distribution
from counterspin.mitigation.training_set import training_set
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, ReadoutErrors, amplitude_damping
from counterspin.noise.rules import GateRule

pytestmark = pytest.mark.slow

ERRORS = ReadoutErrors(flips=((0.05, 0.1), (0.02, 0.04), (0.01, 0.2)))
NOISE = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.03), targets="each"),), readout=ERRORS)
Z = PauliExpectations.of("Z0", "X1 Y2", "Z2")


def test_inverse_confusion_matrix():
    from mitiq.rem import inverse_confusion_matrix as rem

    calibration = exact_calibration(NOISE, 3)
    ours = InverseReadout(calibration.inverted(1e3)).apply(torch.eye(8, dtype=torch.float64)).T
    theirs = rem.generate_tensored_inverse_confusion_matrix(3, [matrix.numpy() for _, matrix in calibration.factors])
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-13)
    same = exact_calibration(NoiseModel(readout_flips=(0.05, 0.1)), 3)
    ours = InverseReadout(same.inverted(1e3)).apply(torch.eye(8, dtype=torch.float64)).T
    np.testing.assert_allclose(ours.numpy(), rem.generate_inverse_confusion_matrix(3, 0.05, 0.1), atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_closest_positive_distribution(seed):
    from mitiq.rem.inverse_confusion_matrix import closest_positive_distribution

    quasi = torch.softmax(torch.randn(1, 8, generator=seeded(seed)).double(), dim=1)
    quasi = quasi + 0.3 * torch.randn(1, 8, generator=seeded(seed)).double()
    quasi = quasi / quasi.sum()
    ours, theirs = nearest_distribution(quasi)[0].numpy(), np.array(closest_positive_distribution(quasi[0].numpy()))
    # Theirs is the answer of an iterative solver: near ours, and no nearer to the quasi-distribution.
    np.testing.assert_allclose(ours, theirs, atol=5e-4)
    assert np.linalg.norm(ours - quasi[0].numpy()) <= np.linalg.norm(theirs - quasi[0].numpy()) + 1e-9


@pytest.mark.parametrize("variants", [Unmitigated(), ZNE()], ids=["cdr", "vncdr"])
def test_regression_is_the_fit_of_mitiq(variants):
    from mitiq.cdr import linear_fit_function

    x, w = arguments(GATES, batch=6)
    fitted = CDR(variants=variants, ridge=0.0).fit(GATES, x, w, NOISE, Z, generator=seeded(0))
    # The same training circuits again, and their values fitted as `mitiq.cdr.execute_with_cdr` fits them.
    again = {"count": 64, "kept": 0.5, "replacement": fitted.replacement, "generator": seeded(0)}
    data = training_set(variants, GATES, x, w, NOISE, Z, **again)
    test = torch.stack([mitigated_values(Unmitigated(), GATES, x, w, Z, noise) for noise in scaled(len(data.noisy))])
    for value in range(3):
        noisy, exact = data.noisy[:, :, value].numpy(), data.exact[:, value].numpy()
        found, _ = curve_fit(
            lambda rows, *parameters: linear_fit_function(rows, list(parameters)),
            noisy,
            exact,
            p0=np.zeros(len(noisy) + 1),
        )
        theirs = linear_fit_function(test[:, :, value].numpy(), list(found))
        np.testing.assert_allclose(fitted.combine(test)[:, value].numpy(), theirs, atol=1e-6)


def scaled(count):
    return [NOISE if factor == 1 else NOISE.scaled(float(factor)) for factor in range(1, count + 1)]
