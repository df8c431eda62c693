"""Readout mitigation against closed forms, a scipy oracle for the nearest distribution, and values without errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from small_circuits import AMPLITUDES, GATES, arguments, seeded

from counterspin.circuits import Circuit, PauliExpectations, Readout
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.readout import InverseReadout, ReadoutMitigation, nearest_distribution
from counterspin.mitigation.values import mitigated_values
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation import run

Z = PauliExpectations.of("Z0", "X1 Y2", "Z1 Z2")


def pair(seed):
    return torch.softmax(torch.eye(4).double() * 4 + torch.randn(4, 4, generator=seeded(seed)).double(), dim=0)


def random_errors(seed):
    flips = tuple(map(tuple, (0.2 * torch.rand(3, 2, generator=seeded(seed))).tolist()))
    return ReadoutErrors(flips=flips, pairs=(((2, 0), pair(seed)),) if seed % 2 else ())


@given(seed=st.integers(0, 1000), method=st.sampled_from(["full", "tensored"]))
def test_exact_calibration_restores_the_values_without_readout_errors(seed, method):
    x, w = arguments(GATES, batch=3)
    noise = NoiseModel(readout=random_errors(seed), global_depolarizing=0.1)
    mitigated = mitigated_values(ReadoutMitigation(method=method), GATES, x, w, Z, noise)
    without = run(GATES, x, w, Readout(Z), noise=NoiseModel(global_depolarizing=0.1))
    torch.testing.assert_close(mitigated, without, atol=1e-12, rtol=0)


@given(seed=st.integers(0, 1000))
def test_least_squares_restores_them_too_as_nothing_is_negative(seed):
    x, w = arguments(GATES, batch=3)
    noise = NoiseModel(readout=random_errors(seed))
    mitigated = mitigated_values(ReadoutMitigation(method="least-squares"), GATES, x, w, Z, noise)
    torch.testing.assert_close(mitigated, run(GATES, x, w, Readout(Z)), atol=1e-12, rtol=0)


def test_one_qubit_closed_form():
    # (<Z>_read - (p10 - p01)) / (1 - p01 - p10), with p01 the chance to read 1 where the qubit is 0.
    (variant,) = ReadoutMitigation().construct(Circuit(1), NoiseModel(readout_flips=(0.1, 0.25)))
    read = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    corrected = variant.correction.apply(read)
    z = float(corrected[0, 0] - corrected[0, 1])
    assert z == pytest.approx((0.3 - 0.7 - (0.25 - 0.1)) / (1 - 0.1 - 0.25), abs=1e-12)
    assert float(corrected[0, 0]) < 0.1  # the quasi-distribution may leave [0, 1]: here 0.05 / 0.65 remains inside
    assert float(corrected.sum()) == pytest.approx(1.0, abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_nearest_distribution_is_the_projection(values):
    quasi = torch.tensor(values, dtype=torch.float64)
    p = nearest_distribution(quasi)
    assert float(p.min()) >= 0
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
    # Variational inequality of a projection on a convex set, at all its corners: (q - p)·(corner - p) <= 0.
    slack = (quasi - p) @ (torch.eye(len(quasi)).double() - p).T
    assert float(slack.max()) <= 1e-12


def test_nearest_distribution_is_what_scipy_finds():
    quasi = np.array([0.5, 0.45, 0.2, -0.15])
    found = minimize(
        lambda p: ((p - quasi) ** 2).sum(),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        tol=1e-14,
    )
    np.testing.assert_allclose(nearest_distribution(torch.tensor(quasi)[None])[0].numpy(), found.x, atol=1e-6)


def test_corrections_are_differentiable():
    factors = tuple((q, torch.linalg.inv(m)) for q, m in random_errors(1).factors())
    read = torch.rand(2, 8, generator=seeded(0), dtype=torch.float64).requires_grad_()
    inverse = InverseReadout(factors)
    assert torch.autograd.gradcheck(inverse.apply, (read,))
    assert torch.autograd.gradcheck(lambda d: nearest_distribution(inverse.apply(d)), (read,))


def test_gradient_through_mitigation_is_that_of_the_noiseless_values():
    x, w = arguments(GATES, batch=2)
    x.requires_grad_()
    noise = NoiseModel(readout=random_errors(3))
    (mitigated,) = torch.autograd.grad(mitigated_values(ReadoutMitigation(), GATES, x, w, Z, noise).sum(), x)
    (exact,) = torch.autograd.grad(run(GATES, x, w, Readout(Z)).sum(), x)
    torch.testing.assert_close(mitigated, exact, atol=1e-11, rtol=0)


def test_folding_restores_the_observables_without_readout_errors():
    _, w = arguments(AMPLITUDES, batch=1)
    noise, readout = NoiseModel(readout=random_errors(1)), Readout(Z)
    folded = fold_mitigated(ReadoutMitigation(), AMPLITUDES, w, readout, noise)
    plain = fold_mitigated(ReadoutMitigation(), AMPLITUDES, w, readout, NoiseModel())
    torch.testing.assert_close(folded.matrices, plain.matrices, atol=1e-12, rtol=0)
    with pytest.raises(ConditionsError, match="least-squares"):
        fold_mitigated(ReadoutMitigation(method="least-squares"), AMPLITUDES, w, readout, noise)
    with pytest.raises(ConditionsError, match="nearest distribution"):
        ReadoutMitigation(method="least-squares").linear_map(1, 3)


def test_linear_map_and_cost():
    mitigation = ReadoutMitigation()
    a, b = mitigation.linear_map(1, 3)
    assert torch.equal(a, torch.eye(3, dtype=torch.float64)[None])
    assert torch.equal(b, torch.zeros(3, dtype=torch.float64))
    # One symmetric flip p: the inverse has columns of modulus sum 1 / (1 - 2p).
    assert mitigation.shot_factor(Circuit(2), NoiseModel(readout_flips=(0.1, 0.1))) == pytest.approx(1 / 0.8**4)
    assert mitigation.fitting_cost.circuits == 0


def test_estimated_calibration_is_used_and_priced():
    x, w = arguments(GATES, batch=3)
    noise = NoiseModel(readout=random_errors(2))
    fitted = ReadoutMitigation().fit(GATES, x, w, noise, Z, generator=seeded(0), shots=200_000)
    off = mitigated_values(fitted, GATES, x, w, Z, noise) - run(GATES, x, w, Readout(Z))
    assert 1e-6 < float(off.abs().max()) < 0.02
    assert (fitted.fitting_cost.circuits, fitted.fitting_cost.shots) == (2, 400_000)


def test_ill_conditioned_readout_is_refused():
    noise = NoiseModel(readout_flips=(0.499, 0.499))
    with pytest.raises(InputError, match=r"condition number 1\.25e\+08.*limit 1000"):
        ReadoutMitigation().construct(Circuit(3), noise)
    (variant,) = ReadoutMitigation(condition_limit=1e9).construct(Circuit(3), noise)
    assert variant.correction is not None
    with pytest.raises(InputError, match="condition number"):
        ReadoutMitigation(condition_limit=1e300).construct(Circuit(1), NoiseModel(readout_flips=(0.5, 0.5)))


@pytest.mark.parametrize(
    ("options", "message"), [({"method": "magic"}, "method of readout"), ({"condition_limit": 0.5}, "condition_limit")]
)
def test_refusals(options, message):
    with pytest.raises(UsageError, match=message):
        ReadoutMitigation(**options)


def test_a_calibration_of_other_qubits_is_refused():
    fitted = ReadoutMitigation().fit(
        Circuit(2), torch.zeros(1, 0), torch.zeros(0), NoiseModel(), PauliExpectations.of("Z0"), generator=seeded(0)
    )
    with pytest.raises(InputError, match="2 qubits and the circuit has 3"):
        fitted.construct(Circuit(3), NoiseModel())
