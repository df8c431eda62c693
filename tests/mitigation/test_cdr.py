"""Clifford data regression: exact where noise is affine in the values, least squares against numpy, its conditions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_circuits import AMPLITUDES, GATES, arguments, seeded

from counterspin.circuits import Circuit, PauliExpectations, Readout
from counterspin.errors import InputError, UsageError
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.clifford import near_clifford
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.linear_fit import FixedLinear, regression
from counterspin.mitigation.training_set import training_set
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, amplitude_damping
from counterspin.noise.rules import GateRule
from counterspin.simulation import run

Z = PauliExpectations.of("Z0", "X1 Y2", "Z2")
GLOBAL = NoiseModel(global_depolarizing=0.3)
DAMPED = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.02), targets="each"),))


def fitted(noise, circuit=GATES, **options):
    x, w = arguments(circuit, batch=6)
    return CDR(**options).fit(circuit, x, w, noise, Z, generator=seeded(0))


def test_global_depolarising_is_undone_exactly():
    # Each value shrinks to 1 - p of itself, on training circuits as on all others.
    x, w = arguments(GATES, batch=4)
    cdr = fitted(GLOBAL, ridge=0.0)
    torch.testing.assert_close(cdr.fitted.slope, torch.full((1, 3), 1 / 0.7, dtype=torch.float64), atol=1e-9, rtol=0)
    mitigated = mitigated_values(cdr, GATES, x, w, Z, GLOBAL)
    torch.testing.assert_close(mitigated, run(GATES, x, w, Readout(Z)), atol=1e-9, rtol=0)


def test_symmetric_and_asymmetric_flips_of_single_letters_are_undone_exactly():
    # <Z> read = (1 - a - b) <Z> + (b - a): slope and intercept.
    noise = NoiseModel(readout_flips=(0.05, 0.2))
    cdr = CDR(ridge=0.0).fit(GATES, *arguments(GATES, batch=6), noise, PauliExpectations.of("Z0"), generator=seeded(0))
    assert float(cdr.fitted.slope) == pytest.approx(1 / 0.75, abs=1e-9)
    assert float(cdr.fitted.intercept) == pytest.approx(-(0.2 - 0.05) / 0.75, abs=1e-9)


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.01]))
def test_regression_is_that_of_numpy(seed, ridge):
    generator = seeded(seed)
    noisy = torch.randn(2, 9, 3, generator=generator, dtype=torch.float64)
    exact = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    start = torch.tensor([1.5, -0.5], dtype=torch.float64)
    found = regression(noisy, exact, start=start, ridge=ridge)
    for value in range(3):
        columns = np.c_[noisy[:, :, value].numpy().T, np.ones(9)]
        pull = np.sqrt(9 * ridge) * np.eye(3)
        a = np.r_[columns, pull]
        b = np.r_[exact[:, value].numpy(), pull @ np.r_[start.numpy(), 0.0]]
        expected = np.linalg.lstsq(a, b, rcond=None)[0]
        np.testing.assert_allclose(found.slope[:, value].numpy(), expected[:2], atol=1e-9)
        np.testing.assert_allclose(found.intercept[value].item(), expected[2], atol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 1e-4])
def test_training_circuits_that_tell_nothing_leave_values_alone(ridge):
    found = regression(torch.zeros(1, 5, 2).double(), torch.zeros(5, 2).double(), start=torch.ones(1), ridge=ridge)
    torch.testing.assert_close(found.slope, torch.ones(1, 2).double())
    torch.testing.assert_close(found.intercept, torch.zeros(2).double(), atol=1e-15, rtol=0)


def test_it_reduces_the_error_of_amplitude_damping_and_scales_help():
    x, w = arguments(GATES, batch=60)
    x = 0.5 * x
    exact = run(GATES, x, w, Readout(Z))

    def error(technique):
        return float((mitigated_values(technique, GATES, x, w, Z, DAMPED) - exact).square().mean().sqrt())

    before, plain, scaled = error(Unmitigated()), error(fitted(DAMPED)), error(fitted(DAMPED, variants=ZNE()))
    assert plain < 0.8 * before
    assert scaled < 0.3 * plain


def test_linear_map_is_combine_and_folds():
    x, w = arguments(AMPLITUDES, batch=5)
    cdr = fitted(DAMPED, circuit=AMPLITUDES, variants=ZNE())
    values = torch.randn(3, 5, 3, generator=seeded(2), dtype=torch.float64)
    a, b = cdr.linear_map(3, 3)
    torch.testing.assert_close(cdr.combine(values), torch.einsum("ckj,cbj->bk", a, values) + b, atol=1e-12, rtol=0)
    folded = fold_mitigated(cdr, AMPLITUDES, w, Readout(Z), DAMPED)
    direct = mitigated_values(cdr, AMPLITUDES, x, w, Z, DAMPED)
    torch.testing.assert_close(folded.scores(x), direct, atol=1e-10, rtol=0)


def test_coefficients_do_not_depend_on_the_samples_and_gradients_pass():
    cdr = fitted(DAMPED)
    values = torch.randn(1, 4, 3, generator=seeded(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(cdr.combine, (values,))
    torch.testing.assert_close(cdr.combine(values)[1:2], cdr.combine(values[:, 1:2]))


def test_equal_seeds_give_equal_fits_and_the_cost_is_counted():
    x, w = arguments(GATES, batch=4)
    one, two = (CDR(training=16).fit(GATES, x, w, DAMPED, Z, generator=seeded(7), shots=100) for _ in range(2))
    assert torch.equal(one.fitted.slope, two.fitted.slope)
    # Two settings (Z and X Y), 16 circuits.
    assert (one.fitting_cost.circuits, one.fitting_cost.shots) == (32, 3200)
    assert one.shot_factor(GATES, DAMPED) == pytest.approx(float(one.fitted.slope.square().max()))


def test_training_sets_hold_noisy_and_exact_values_of_the_same_circuits():
    x, w = arguments(GATES, batch=4)
    data = training_set(
        Unmitigated(), GATES, x, w, GLOBAL, Z, count=5, kept=0.5, replacement="sampled", generator=seeded(0)
    )
    expected = near_clifford(GATES, x, w, count=5, generator=seeded(0))
    torch.testing.assert_close(data.circuits.angles, expected.angles)
    torch.testing.assert_close(data.noisy[0], 0.7 * data.exact, atol=1e-12, rtol=0)
    assert data.cost.circuits == 10


def test_refusals():
    with pytest.raises(UsageError, match="training of CDR is 1"):
        CDR(training=1)
    with pytest.raises(UsageError, match="ridge"):
        CDR(ridge=-1.0)
    with pytest.raises(UsageError, match="cdr is not fitted"):
        CDR().combine(torch.zeros(1, 1, 1))
    with pytest.raises(UsageError, match="not fitted"):
        CDR().linear_map(1, 1)
    with pytest.raises(InputError, match="1 variants of 2 values and is given 1 of 3"):
        FixedLinear(torch.ones(1, 2), torch.zeros(2))(torch.zeros(1, 4, 3))


def test_names():
    assert (CDR().name, CDR(variants=ZNE()).name) == ("cdr", "cdr:zne (richardson)")
    assert Unmitigated().shot_factor(Circuit(1), NoiseModel()) == 1.0
