"""Selection by validated error: the obvious winner wins, shots change the choice, every candidate is reported."""

import math

import pytest
import torch
from small_circuits import GATES, arguments, seeded

from counterspin.circuits import PauliExpectations, Readout
from counterspin.errors import UsageError
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.cost import shots_per_variant
from counterspin.mitigation.fitting import at_samples, fitting_cost
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.selection import AutoMitigation, select
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.validation import mitigation_errors
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel, amplitude_damping, depolarizing
from counterspin.noise.rules import GateRule

Z = PauliExpectations.of("Z0", "Z1", "Z2")
FLIPS = NoiseModel(readout_flips=(0.05, 0.15))
GATE_NOISE = NoiseModel(rules=(GateRule(channel=depolarizing(0.02), targets="each"),))
STRONG = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.06), targets="each"),))
X, W = arguments(GATES, batch=8)


def chosen(candidates, noise, **options):
    return select(candidates, GATES, X, W, noise, Z, generator=seeded(0), **options)


def test_readout_errors_call_for_readout_mitigation():
    found = chosen({"none": Unmitigated(), "readout": ReadoutMitigation(), "zne": ZNE()}, FLIPS, shots=10_000)
    assert found.chosen == "readout"
    assert isinstance(found.best, ReadoutMitigation)
    errors = {c.name: c.errors for c in found.candidates}
    assert errors["readout"].bias < 0.01 < errors["none"].bias
    # Readout errors are not amplified: extrapolation leaves them and adds the spread of its shots.
    assert errors["zne"].bias == pytest.approx(errors["none"].bias, abs=1e-9)
    assert errors["zne"].total > errors["none"].total


def test_few_shots_and_many_shots_call_for_different_techniques():
    candidates = {"none": Unmitigated(), "zne": ZNE()}
    assert chosen(candidates, GATE_NOISE, shots=30).chosen == "none"
    assert chosen(candidates, GATE_NOISE, shots=50_000).chosen == "zne"


def test_the_default_budget_makes_overhead_count():
    found = chosen({"none": Unmitigated(), "pec": PEC()}, STRONG)
    assert found.shots == 4096
    assert next(c for c in found.candidates if c.name == "pec").overhead > 100
    assert found.chosen == "none"


def test_refusals_are_reported_and_do_not_stop_the_others():
    found = chosen({"pec": PEC(limit=1.0), "cdr": CDR(training=8)}, GATE_NOISE, shots=1000)
    refused, kept = found.rows()
    assert (refused["error"], refused["chosen"], kept["chosen"]) == (None, False, True)
    assert "limit of 1" in refused["refused"]
    assert kept["fitting_circuits"] == 8
    assert kept["fitting_shots"] == 8000
    with pytest.raises(UsageError, match=r"no candidate can mitigate.*pec: "):
        chosen({"pec": PEC(limit=1.0)}, GATE_NOISE)


def test_errors_are_root_mean_squares_with_the_spread_of_the_shots():
    noise, shots = NoiseModel(global_depolarizing=1.0), 400
    x = X.repeat(10_000, 1)
    exact = mitigation_errors(Unmitigated(), GATES, x, W, Z, noise)
    ideal = mitigated_values(Unmitigated(), GATES, x, W, Z, NoiseModel())
    assert exact.total == exact.bias == pytest.approx(float(ideal.square().mean().sqrt()), abs=1e-12)
    assert exact.worst == pytest.approx(float(ideal.abs().max()), abs=1e-12)
    # A fair coin read `shots` times has variance 1 / shots.
    sampled = mitigation_errors(Unmitigated(), GATES, x, W, Z, noise, shots=shots, generator=seeded(1))
    # What errors and shots have in common averages out over so many rows: 5 standard deviations are below a tenth.
    assert sampled.total**2 - exact.total**2 == pytest.approx(1 / shots, rel=0.1)


def test_cancellation_pays_for_its_overhead():
    # Undone in the limit of infinitely many circuits, read with 1/γ² of the shots.
    shots, noise = 100_000, NoiseModel(global_depolarizing=0.3)
    gamma_squared = PEC().shot_factor(GATES, noise)
    assert gamma_squared > 2
    assert shots_per_variant(PEC(), GATES, noise, shots) == shots // round(gamma_squared)
    assert shots_per_variant(PEC(samples=7), GATES, noise, 100) == 14
    assert shots_per_variant(ZNE(), GATES, noise, 100) == 33
    with pytest.raises(UsageError, match="shared by 3 circuits"):
        shots_per_variant(ZNE(), GATES, noise, 2)
    errors = mitigation_errors(PEC(), GATES, X.repeat(50, 1), W, Z, noise, shots=shots, generator=seeded(0))
    ideal = mitigated_values(Unmitigated(), GATES, X, W, Z, NoiseModel())
    spread = math.sqrt(float((1 - ideal**2).mean()) * gamma_squared / shots)
    assert errors.bias < 1e-12
    assert errors.total == pytest.approx(spread, rel=0.1)


def test_auto_is_what_it_chose():
    auto = AutoMitigation(candidates={"none": Unmitigated(), "readout": ReadoutMitigation()})
    assert (auto.name, auto.linear) == ("auto", False)
    fitted = auto.fit(GATES, X, W, FLIPS, Z, generator=seeded(0), shots=10_000)
    assert (fitted.name, fitted.linear) == ("auto:readout", True)
    best = fitted.selection.best
    expected = mitigated_values(best, GATES, X, W, Z, FLIPS)
    assert torch.equal(mitigated_values(fitted, GATES, X, W, Z, FLIPS), expected)
    assert fitted.linear_map(1, 3)[0].shape == (1, 3, 3)
    assert fitted.shot_factor(GATES, FLIPS) == best.shot_factor(GATES, FLIPS)
    # Two techniques on 48 circuits with 10,000 shots, and a calibration of two circuits.
    assert fitting_cost(fitted).shots == 2 * 48 * 10_000 + 2 * 10_000
    for call in (lambda: auto.construct(GATES, FLIPS), lambda: auto.combine(X[None]), lambda: auto.linear_map(1, 1)):
        with pytest.raises(UsageError, match="auto has not chosen yet"):
            call()


def test_candidates_that_look_at_samples_are_told_the_validation_circuits():
    learned = LearnedMitigation(features="angles", training=16)
    fitted = AutoMitigation(candidates={"learned": learned}).fit(GATES, X, W, FLIPS, Z, generator=seeded(0))
    told = at_samples(fitted, GATES, X, W)
    assert mitigated_values(told, GATES, X, W, Z, FLIPS).shape == (8, 3)
    assert not fitted.linear


def test_refused_arguments():
    with pytest.raises(UsageError, match="candidates are empty"):
        chosen({}, FLIPS)
    with pytest.raises(UsageError, match="at least 2"):
        select({"none": Unmitigated()}, GATES, X[:1], W, FLIPS, Z, generator=seeded(0))


def test_validation_is_disjoint_from_training():
    # Every other sample: with one technique that keeps all rotations, training circuits are the even samples.
    found = chosen({"learned": LearnedMitigation(kept=1.0, training=8)}, FLIPS, kept=1.0, validation=4, shots=100)
    assert found.validated == 4
    assert Readout(Z).classes == 3
