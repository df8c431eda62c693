import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.sanity.cold_starts import ColdStartsAreMonotone
from counterspin.threats import Linf

# Period of the wave below: a step of that length comes back to where it was.
PERIOD = 0.3


def wave(x):
    """Two classes in stripes along the first feature."""
    height = torch.cos(2 * torch.pi * (x[:, :1] - 0.5) / PERIOD)
    return torch.cat([height, -height], dim=1)


def striped(helpers, *eps):
    x = helpers.samples()
    x[:, 0] = 0.5 + 0.01 * (x[:, 0] - 0.5)
    x[:, 0] += 0.01
    # One full step of the budget: from the middle of a stripe into the next, or over it.
    return helpers.build(
        helpers.Function(wave, classes=2), x=x, suite=(PGD(steps=2, step_size=1.0),), threat=Linf(*eps)
    )


def test_a_plain_model_passes(plain):
    record = ColdStartsAreMonotone().run(plain)
    assert (record.status, record.statistic, record.p_value) == ("PASS", 0.0, None)
    assert "from cold on" in record.advice


def test_steps_too_long_for_the_surface_are_caught(helpers):
    context = striped(helpers, 0.1, PERIOD)
    # The suite itself starts warm: a broken sample stays broken, and nothing shows.
    assert context.worst_case.all()
    record = ColdStartsAreMonotone().run(context)
    assert record.status == "FAIL"
    assert record.statistic >= 30
    assert f"40 samples at ε = {PERIOD}" in record.advice


@pytest.mark.slow
def test_a_single_budget_is_compared_with_twice_as_much(helpers):
    record = ColdStartsAreMonotone().run(striped(helpers, PERIOD / 2))
    assert record.status == "FAIL"
    assert f"ε = {PERIOD}" in record.advice
    context = helpers.build(helpers.Function(helpers.linear), threat=Linf(0.1))
    assert ColdStartsAreMonotone().run(context).status == "PASS"


def test_stored_results_that_shrink_with_the_budget_are_caught(helpers, plain):
    broken = plain.results["random"].success[0]
    assert broken.sum() >= 2
    record = ColdStartsAreMonotone().run(helpers.with_result(plain, "random", success=torch.zeros_like(broken)))
    assert record.status == "FAIL"
    assert record.samples == broken.nonzero()[:, 0].tolist()


def test_without_a_gradient_attack_stored_results_are_compared_all_the_same(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(RandomDraws(draws=50),))
    record = ColdStartsAreMonotone().run(context)
    assert (record.status, record.advice) == ("PASS", "Compared stored results.")
    context = helpers.with_result(context, "random", success=torch.zeros_like(context.correct))
    assert ColdStartsAreMonotone().run(context).status == "FAIL"


def test_nothing_to_compare_is_skipped(helpers):
    model = helpers.Function(helpers.linear)
    one = helpers.build(model, suite=(RandomDraws(draws=5),), threat=Linf(0.1))
    assert ColdStartsAreMonotone().run(one).status == "SKIP"
    tiny = helpers.build(model, suite=(PGD(steps=3),), threat=Linf(1e-9))
    assert ColdStartsAreMonotone().run(tiny).status == "SKIP"
