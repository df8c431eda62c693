"""Combined mitigations against the same steps taken by hand, closed forms, folding, and mitiq on corrected values."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import constructed
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.combined import Combined
from counterspin.mitigation.cost import mitigation_cost, shares, shots_per_variant
from counterspin.mitigation.decoupling import Decoupling
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.extrapolation import Exponential, Polynomial
from counterspin.mitigation.fitting import at_samples, fit_to, fitting_cost
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.registry import by_name
from counterspin.mitigation.regressors import MultilayerPerceptron
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation import run
from tests.support.noisy_circuits import AMPLITUDES, GATES, IDLE, MEASUREMENT, NOISE, arguments, mitigated, noisy_values

FLIPS = ReadoutErrors(flips=((0.02, 0.1), (0.05, 0.03), (0.01, 0.04)))
READ = NoiseModel(rules=NOISE.rules, readout=FLIPS, global_depolarizing=0.1)
CLEAN = NoiseModel(rules=NOISE.rules, global_depolarizing=0.1)
assert IDLE.idle is not None
DURATIONS = dict(IDLE.idle.durations) | {("Rot", ()): 3e-8}
WAITING = NoiseModel(rules=IDLE.rules, idle=replace(IDLE.idle, durations=DURATIONS), readout=FLIPS)
VARYING = [
    ZNE(),
    ZNE(extrapolation=Exponential()),
    ZNE(amplification="global", scale_factors=(1.0, 3.0), extrapolation=Polynomial()),
    PEC(),
    PEC(samples=5),
    Twirling(),
    Twirling(samples=3),
]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("technique", VARYING, ids=lambda t: f"{t.name}{getattr(t, 'amplification', '')}")
@pytest.mark.parametrize("method", ["tensored", "full"])
def test_with_readout_mitigation_every_technique_is_as_without_readout_errors(technique, method):
    x, w = arguments(GATES)
    both = Combined(parts=(ReadoutMitigation(method=method), technique))
    expected = mitigated(technique, GATES, x, w, CLEAN)
    torch.testing.assert_close(mitigated(both, GATES, x, w, READ), expected, atol=1e-10, rtol=0)


def test_readout_errors_alone_are_undone_whatever_they_are_combined_with():
    x, w = arguments(GATES)
    ideal = run(GATES, x, w, Readout(MEASUREMENT))
    for technique in VARYING:
        both = Combined(parts=(technique, ReadoutMitigation()))
        found = mitigated(both, GATES, x, w, NoiseModel(readout=FLIPS))
        torch.testing.assert_close(found, ideal, atol=1e-10, rtol=0)


def test_without_readout_mitigation_the_errors_would_stay():
    x, w = arguments(GATES)
    off = mitigated(PEC(), GATES, x, w, READ) - run(GATES, x, w, Readout(MEASUREMENT))
    assert float(off.abs().max()) > 0.02
    both = Combined(parts=(PEC(), ReadoutMitigation()))
    torch.testing.assert_close(
        mitigated(both, GATES, x, w, READ), run(GATES, x, w, Readout(MEASUREMENT)), atol=1e-9, rtol=0
    )


@given(p=st.floats(0.0, 0.3), up=st.floats(0.0, 0.3), down=st.floats(0.0, 0.3), angle=st.floats(-3, 3))
@settings(max_examples=30)
def test_linear_extrapolation_of_corrected_values_in_closed_form(p, up, down, angle):
    # Global depolarising: values (1-p)^k cos(angle) at k = 1, 3, and the line through them at 0.
    one = Circuit(1).add("RY", 0, feature(0))
    noise = NoiseModel(global_depolarizing=p, readout_flips=(up, down))
    zne = ZNE(scale_factors=(1.0, 3.0), extrapolation=Polynomial())
    both = Combined(parts=(zne, ReadoutMitigation()))
    x, z = torch.tensor([[angle]], dtype=torch.float64), PauliExpectations.of("Z0")
    found = mitigated_values(both, one, x, torch.zeros(0), z, noise)
    assert float(found) == pytest.approx((1.5 * (1 - p) - 0.5 * (1 - p) ** 3) * math.cos(angle), abs=1e-10)


def test_all_four_stages_are_the_steps_by_hand():
    x, w = arguments(GATES)
    both = Combined(parts=(ReadoutMitigation(), ZNE(), Decoupling(), Twirling()))
    (pulsed,) = Decoupling().construct(GATES, WAITING)
    (twirled,) = Twirling().construct(pulsed.circuit, pulsed.noise)
    values = []
    for factor in (1.0, 2.0, 3.0):
        noise = twirled.noise.scaled(factor)
        without = NoiseModel(placed=noise.placed, global_depolarizing=noise.global_depolarizing)
        values.append(noisy_values(twirled.circuit, x, w, without))
    expected = 3 * values[0] - 3 * values[1] + values[2]
    torch.testing.assert_close(mitigated(both, GATES, x, w, WAITING), expected, atol=1e-10, rtol=0)
    assert len(pulsed.circuit.gates) > len(GATES.gates)
    assert both.name == "decoupling (XX) + twirling + zne (richardson) + readout:tensored"


def test_the_order_of_the_names_does_not_matter():
    x, w = arguments(GATES)
    names = ("decoupling", "zne", "readout")
    found = [mitigated(by_name("+".join(order)), GATES, x, w, WAITING) for order in itertools.permutations(names)]
    assert all(torch.equal(one, found[0]) for one in found)
    assert Combined(parts=(ZNE(), Decoupling())) == Combined(parts=(Decoupling(), ZNE()))
    assert [part.name for part in by_name(" readout + zne ").parts] == ["zne (richardson)", "readout:tensored"]


LINEAR = [
    (ZNE(), ReadoutMitigation()),
    (PEC(samples=4), ReadoutMitigation(method="full")),
    (Twirling(samples=3), ReadoutMitigation()),
    (Twirling(), ZNE(extrapolation=Polynomial())),
    (Decoupling(), ZNE(), ReadoutMitigation()),
]


@pytest.mark.parametrize("parts", LINEAR, ids=lambda parts: "+".join(part.name for part in parts))
def test_folded_scores_are_the_mitigated_scores(parts):
    both, noise = Combined(parts=parts), WAITING if isinstance(parts[0], Decoupling) else READ
    x, w = arguments(AMPLITUDES)
    assert both.linear
    folded = fold_mitigated(both, AMPLITUDES, w, Readout(MEASUREMENT), noise)
    torch.testing.assert_close(folded.scores(x), mitigated(both, AMPLITUDES, x, w, noise), atol=1e-10, rtol=0)


def test_a_fitted_combination_folds_too():
    x, w = arguments(AMPLITUDES)
    both = fit_to(by_name("cdr+readout"), AMPLITUDES, x, w, READ, MEASUREMENT, generator=seeded(0), shots=2000)
    folded = fold_mitigated(both, AMPLITUDES, w, Readout(MEASUREMENT), READ)
    torch.testing.assert_close(folded.scores(x), mitigated(both, AMPLITUDES, x, w, READ), atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((ZNE(extrapolation=Exponential()), ReadoutMitigation()), "exponential"),
        ((ZNE(), ReadoutMitigation(method="least-squares")), "nearest distribution"),
    ],
)
def test_one_part_that_is_not_linear_keeps_all_from_folding(parts, message):
    both = Combined(parts=parts)
    assert not both.linear
    with pytest.raises(ConditionsError, match=message):
        both.linear_map(3, 3)
    _, w = arguments(AMPLITUDES)
    with pytest.raises(ConditionsError, match="not linear"):
        fold_mitigated(both, AMPLITUDES, w, Readout(MEASUREMENT), READ)


def test_gradients_are_those_of_the_values():
    x, w = arguments(GATES, batch=2)
    both = Combined(parts=(ZNE(), ReadoutMitigation()))
    x.requires_grad_()
    (found,) = torch.autograd.grad(mitigated(both, GATES, x, w, READ).sum(), x)
    (expected,) = torch.autograd.grad(mitigated(ZNE(), GATES, x, w, CLEAN).sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def test_regressions_learn_from_values_the_others_have_mitigated():
    # Under global depolarising and readout errors, corrected values are 0.9 times the exact ones: the slope is 1 / 0.9.
    x, w = arguments(GATES, batch=6)
    noise = NoiseModel(readout=FLIPS, global_depolarizing=0.1)
    for technique in (CDR(ridge=0.0), LearnedMitigation()):
        both = Combined(parts=(technique, ReadoutMitigation()))
        both = fit_to(both, GATES, x, w, noise, MEASUREMENT, generator=seeded(0))
        learned = both.parts[0]
        slope = learned.fitted.slope if isinstance(learned, CDR) else learned.predictor.slope
        # The pull of ridge on columns with little spread leaves a few hundredths at most.
        tolerance = 1e-9 if isinstance(learned, CDR) else 0.02
        torch.testing.assert_close(slope, torch.full_like(slope, 1 / 0.9), atol=tolerance, rtol=0)
        found = mitigated_values(both, GATES, x, w, MEASUREMENT, noise)
        torch.testing.assert_close(found, run(GATES, x, w, Readout(MEASUREMENT)), atol=tolerance, rtol=0)


def test_regression_on_amplified_and_corrected_values_keeps_its_variants():
    x, w = arguments(GATES, batch=6)
    both = fit_to(by_name("cdr:zne+readout"), GATES, x, w, READ, MEASUREMENT, generator=seeded(0))
    assert len(both.construct(GATES, READ)) == 3
    expected = fit_to(CDR(variants=ZNE()), GATES, x, w, CLEAN, MEASUREMENT, generator=seeded(0))
    torch.testing.assert_close(both.parts[0].fitted.slope, expected.fitted.slope, atol=1e-7, rtol=0)


def test_a_calibration_from_shots_comes_first_and_is_paid():
    x, w = arguments(GATES, batch=4)
    both = fit_to(by_name("cdr+readout"), GATES, x, w, READ, MEASUREMENT, generator=seeded(0), shots=500)
    cdr, readout = both.parts
    assert readout.calibration is not None
    assert fitting_cost(both).circuits == fitting_cost(cdr).circuits + fitting_cost(readout).circuits == 64 * 2 + 2
    assert fitting_cost(both).shots == 500 * 130


def test_combinations_that_look_at_samples_are_told_them():
    x, w = arguments(GATES, batch=4)
    learned = LearnedMitigation(features="angles", training=16)
    both = fit_to(Combined(parts=(learned, ReadoutMitigation())), GATES, x, w, READ, MEASUREMENT, generator=seeded(0))
    with pytest.raises(UsageError, match="was told none"):
        mitigated(both, GATES, x, w, READ)
    told = at_samples(both, GATES, x, w)
    assert told is not both
    assert mitigated(told, GATES, x, w, READ).shape == (4, 3)
    plain = Combined(parts=(ZNE(), ReadoutMitigation()))
    assert at_samples(plain, GATES, x, w) is plain
    # Not kept by the cache of constructed variants, which would keep the samples' graphs alive.
    with pytest.raises(TypeError):
        hash(told)
    assert constructed(plain, GATES, READ) is constructed(plain, GATES, READ)


def test_shot_factors_and_circuits_multiply():
    zne, readout, pec = ZNE(), ReadoutMitigation(), PEC()
    both = Combined(parts=(zne, readout))
    factor = zne.shot_factor(GATES, READ) * readout.shot_factor(GATES, READ)
    assert both.shot_factor(GATES, READ) == pytest.approx(factor)
    assert factor > 3 * 19
    assert mitigation_cost(both, GATES, READ, 10, 100, 2).circuits == 60
    assert shots_per_variant(both, GATES, READ, 300) == 100
    # The limit of error cancellation stands for γ² circuits, with readout mitigation as without.
    noise = NoiseModel(global_depolarizing=0.3, readout=FLIPS)
    cancelled = Combined(parts=(pec, readout))
    assert shares(cancelled, GATES, noise) == shares(pec, GATES, noise) == round(pec.shot_factor(GATES, noise)) > 1
    assert shares(Combined(parts=(PEC(samples=7), readout)), GATES, noise) == 7


def test_the_factor_of_error_cancellation_counts_the_noise_of_the_pulses():
    both = Combined(parts=(Decoupling(), PEC()))
    (pulsed,) = Decoupling().construct(GATES, WAITING)
    expected = PEC().shot_factor(pulsed.circuit, pulsed.noise)
    assert both.shot_factor(GATES, WAITING) == pytest.approx(expected)
    assert expected != pytest.approx(PEC().shot_factor(GATES, WAITING))


def test_the_spread_of_shots_is_that_of_the_factors():
    # Exact for one qubit at ⟨Z⟩ = 0 without channels: the variance of a corrected value is 1 / (1-2p)^2 per shot.
    one, z, shots = Circuit(1).add("RY", 0, math.pi / 2), PauliExpectations.of("Z0"), 300
    noise = NoiseModel(readout_flips=(0.1, 0.1))
    both = Combined(parts=(ZNE(), ReadoutMitigation()))
    x = torch.zeros(4000, 0, dtype=torch.float64)
    each = shots_per_variant(both, one, noise, shots)
    found = mitigated_values(both, one, x, torch.zeros(0), z, noise, shots=each, generator=seeded(0))
    assert float(found.var()) * shots == pytest.approx(both.shot_factor(one, noise), rel=0.12)


REFUSED = [
    ("zne+pec", "zne .richardson. and pec cannot be combined; join at most one of each: decoupling; twirling; zne, "),
    ("zne+zne", "cannot be combined"),
    ("zne+zne:linear", "cannot be combined"),
    ("readout+readout:full", "cannot be combined"),
    ("cdr+learned+readout", "cannot be combined"),
    ("auto+readout", "auto and readout:tensored cannot be combined"),
    ("zne+", "joins '', which is unknown"),
    ("zne+magic", "joins 'magic', which is unknown; allowed with '.': zne, "),
]


@pytest.mark.parametrize(("name", "message"), REFUSED)
def test_what_makes_no_sense_together_is_refused(name: str, message: str):
    with pytest.raises(UsageError, match=message):
        by_name(name)


def test_other_refusals():
    with pytest.raises(UsageError, match="no mitigations cannot be combined"):
        Combined(parts=())
    with pytest.raises(UsageError, match="none and readout:tensored cannot be combined"):
        Combined(parts=(Unmitigated(), ReadoutMitigation()))
    with pytest.raises(UsageError, match="drawn twirls would be amplified"):
        Combined(parts=(Twirling(samples=4), ZNE()))
    with pytest.raises(UsageError, match="holds a combination of its own"):
        Combined(parts=(CDR(variants=ReadoutMitigation()), ReadoutMitigation()))
    with pytest.raises(UsageError, match="is given the options training; make its parts"):
        by_name("cdr+readout", training=12)
    with pytest.raises(UsageError, match="cdr is not fitted"):
        Combined(parts=(CDR(), ReadoutMitigation())).combine(torch.zeros(1, 1, 1))
    with pytest.raises(ConditionsError, match="no idle rule"):
        Combined(parts=(Decoupling(), ZNE())).construct(GATES, READ)


def test_a_network_learns_from_corrected_values():
    x, w = arguments(GATES, batch=6)
    network = LearnedMitigation(regressor=MultilayerPerceptron(steps=20), training=16)
    both = Combined(parts=(network, ReadoutMitigation()))
    alone = fit_to(network, GATES, x, w, CLEAN, MEASUREMENT, generator=seeded(0))
    both = fit_to(both, GATES, x, w, READ, MEASUREMENT, generator=seeded(0))
    expected = mitigated(alone, GATES, x, w, CLEAN)
    np.testing.assert_allclose(mitigated(both, GATES, x, w, READ).numpy(), expected.numpy(), atol=1e-6)
