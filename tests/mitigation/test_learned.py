"""Learned mitigation: what it can represent it learns, it helps on noisy circuits, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from small_circuits import AMPLITUDES, GATES, arguments, seeded

from counterspin.circuits import PauliExpectations, Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.fitting import at_samples, fit_to, fitting_cost
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.regressors import KernelRidge, MultilayerPerceptron, Ridge
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, amplitude_damping
from counterspin.noise.rules import GateRule
from counterspin.simulation import run

Z = PauliExpectations.of("Z0", "X1 Y2", "Z2")
DAMPED = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.02), targets="each"),), readout_flips=(0.02, 0.05))
X, W = arguments(GATES, batch=16)
X = 0.5 * X


def fitted(circuit=GATES, **options):
    x = X if circuit is GATES else arguments(circuit, batch=16)[0]
    w = W if circuit is GATES else arguments(circuit)[1]
    return LearnedMitigation(**options).fit(circuit, x, w, DAMPED, Z, generator=seeded(0))


def error(technique):
    x = 0.5 * torch.randn(50, GATES.inputs, generator=seeded(9), dtype=torch.float64)
    told = at_samples(technique, GATES, x, W)
    off = mitigated_values(told, GATES, x, W, Z, DAMPED) - run(GATES, x, W, Readout(Z))
    return float(off.square().mean().sqrt())


@pytest.mark.parametrize("regressor", [Ridge(), KernelRidge(), MultilayerPerceptron(steps=300)], ids=lambda r: r.name)
def test_every_regressor_more_than_halves_the_error(regressor):
    assert error(fitted(regressor=regressor, variants=ZNE())) < 0.5 * error(Unmitigated())


def test_own_circuits_with_angles_halve_it_again():
    near = fitted(regressor=KernelRidge(), variants=ZNE())
    x = 0.5 * torch.randn(128, GATES.inputs, generator=seeded(5), dtype=torch.float64)
    own = LearnedMitigation(regressor=KernelRidge(), variants=ZNE(), kept=1.0, features="angles")
    own = own.fit(GATES, x, W, DAMPED, Z, generator=seeded(0))
    assert error(own) < 0.5 * error(near)


def test_global_depolarising_is_undone_by_ridge():
    noise = NoiseModel(global_depolarizing=0.25)
    technique = LearnedMitigation(regressor=Ridge(strength=1e-9)).fit(GATES, X, W, noise, Z, generator=seeded(0))
    mitigated = mitigated_values(technique, GATES, X, W, Z, noise)
    torch.testing.assert_close(mitigated, run(GATES, X, W, Readout(Z)), atol=1e-6, rtol=0)


def test_ridge_folds_and_the_others_are_refused():
    x, w = arguments(AMPLITUDES, batch=4)
    ridge = fitted(AMPLITUDES, variants=ZNE())
    folded = fold_mitigated(ridge, AMPLITUDES, w, Readout(Z), DAMPED)
    torch.testing.assert_close(
        folded.scores(x), mitigated_values(ridge, AMPLITUDES, x, w, Z, DAMPED), atol=1e-10, rtol=0
    )
    for technique in (
        fitted(AMPLITUDES, regressor=KernelRidge()),
        fitted(AMPLITUDES, features="angles"),
    ):
        assert not technique.linear
        with pytest.raises(ConditionsError):
            fold_mitigated(technique, AMPLITUDES, w, Readout(Z), DAMPED)
        with pytest.raises(ConditionsError, match="cannot be folded"):
            technique.linear_map(1, 3)


@pytest.mark.parametrize("features", ["none", "angles", "clifford"])
@pytest.mark.parametrize("regressor", [Ridge(), KernelRidge(), MultilayerPerceptron(steps=20)], ids=lambda r: r.name)
def test_gradient_with_respect_to_inputs(regressor, features):
    technique = fitted(regressor=regressor, features=features, training=16)

    def mitigated(x):
        return mitigated_values(
            at_samples(technique, GATES, x, W), GATES, x, W, Z, NoiseModel(readout_flips=(0.1, 0.1))
        )

    assert torch.autograd.gradcheck(mitigated, (X[:2].clone().requires_grad_(),), atol=1e-5)


@pytest.mark.parametrize("regressor", [Ridge(), KernelRidge(), MultilayerPerceptron(steps=20)], ids=lambda r: r.name)
def test_equal_seeds_give_equal_predictions_and_rows_do_not_meet(regressor):
    values = torch.rand(1, 6, 3, generator=seeded(3), dtype=torch.float64)
    one, two = (fitted(regressor=regressor, training=16) for _ in range(2))
    assert torch.equal(one.combine(values), two.combine(values))
    torch.testing.assert_close(one.combine(values)[2:3], one.combine(values[:, 2:3]), atol=1e-12, rtol=0)
    assert one.combine(values.float()).dtype == torch.float32


def test_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    fitted(regressor=MultilayerPerceptron(steps=2), training=16)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_cost_and_names():
    technique = fitted(variants=ZNE(), training=16)
    # Three scales, sixteen circuits, two settings.
    assert fitting_cost(technique).circuits == 96
    assert technique.shot_factor(GATES, DAMPED) == pytest.approx(
        3 * float(technique.predictor.slope.square().sum(0).max())
    )
    assert technique.name == "learned:ridge"
    assert replace(technique, features="angles").name == "learned:ridge+angles"
    assert fit_to(Unmitigated(), GATES, X, W, DAMPED, Z, generator=seeded(0)) == Unmitigated()


def test_overhead_of_any_regressor_is_its_sensitivity():
    # Independent errors of the noisy values, one variance: how much of it the predicted values show.
    technique = fitted(regressor=KernelRidge(), variants=ZNE(), training=64)
    x, w = arguments(GATES, batch=16)
    values = torch.stack(
        [run(GATES, 0.5 * x, w, Readout(Z), noise=v.noise) for v in technique.construct(GATES, DAMPED)]
    )
    errors = 1e-4 * torch.randn(3, 16, 3000, 3, generator=seeded(4), dtype=torch.float64)
    spread = technique.combine((values[:, :, None] + errors).flatten(1, 2)).unflatten(0, (16, 3000)).var(dim=1)
    measured = float(spread.mean(dim=0).max()) / 1e-8
    assert technique.shot_factor(GATES, DAMPED) / 3 == pytest.approx(measured, rel=0.6)


def test_refusals():
    values = torch.zeros(1, 2, 3, dtype=torch.float64)
    with pytest.raises(UsageError, match="at least 8"):
        LearnedMitigation(training=7)
    with pytest.raises(UsageError, match="features is 'all'"):
        LearnedMitigation(features="all")
    with pytest.raises(UsageError, match="not fitted"):
        LearnedMitigation().combine(values)
    with pytest.raises(UsageError, match="2 samples and was told none"):
        fitted(features="angles", training=16).combine(values)
