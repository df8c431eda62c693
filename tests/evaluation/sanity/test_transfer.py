from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.registry import adapted
from counterspin.evaluation.sanity.surrogate import Hesitant, train_surrogate
from counterspin.evaluation.sanity.transfer import TransferBelowWhiteBox
from counterspin.threats import Linf, QueryBudget


def blind(helpers):
    """Quantised scores whose gradient is zero everywhere."""
    return helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))


@pytest.mark.slow
def test_a_plain_model_passes(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=40, restarts=5),))
    record = TransferBelowWhiteBox().run(context)
    assert (record.status, record.statistic) == ("PASS", 0.0)
    assert "a classical surrogate (breaks" in record.advice
    assert record.p_value is not None
    # One query per budget and sample: what the surrogate was asked is not the model's cost.
    assert context.tally.spent.forwards == 2 * 40


@pytest.mark.slow
def test_the_surrogate_catches_masked_gradients(helpers):
    context = helpers.build(blind(helpers), suite=(PGD(steps=5),))
    record = TransferBelowWhiteBox().run(context)
    assert record.status == "FAIL"
    assert record.samples
    assert "twin" not in record.advice.split("Transferred from")[1]


@pytest.mark.slow
def test_the_twin_is_used_where_there_is_one(helpers):
    model = blind(helpers)
    model.twin = helpers.Function(helpers.linear)
    record = TransferBelowWhiteBox().run(helpers.build(model, suite=(PGD(steps=5),)))
    assert record.status == "FAIL"
    assert "the twin (breaks" in record.advice


@pytest.mark.slow
def test_the_undefended_model_is_used_where_it_is_shown(helpers):
    model = blind(helpers)
    model.undefended = helpers.Function(helpers.linear)
    record = TransferBelowWhiteBox().run(helpers.build(model, suite=(PGD(steps=5),)))
    assert record.status == "FAIL"
    assert "the undefended model (breaks" in record.advice
    # An attack through the defence's substitute breaks at least as much as what is carried over.
    model.substitute = helpers.Function(helpers.linear)
    seeing = TransferBelowWhiteBox().run(helpers.build(model, suite=(adapted(PGD(steps=40, restarts=5), model),)))
    assert seeing.status in ("PASS", "WARN")


@pytest.mark.slow
def test_targets_and_query_budgets_do_not_stand_in_the_way(helpers):
    x = helpers.samples()
    x = x[helpers.linear(x).argmax(dim=1) != 2]
    threat = Linf(0.3, target=2, budget=QueryBudget(queries=30))
    context = helpers.build(blind(helpers), x=x, suite=(PGD(steps=5),), threat=threat)
    record = TransferBelowWhiteBox().run(context)
    assert record.status == "FAIL"


def test_the_surrogate_learns_and_repeats(helpers):
    x, model = helpers.samples(120), helpers.Function(helpers.linear)
    predicted = helpers.linear(x).argmax(dim=1)
    first, second = (train_surrogate(model, x, predicted, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert (first(x).argmax(dim=1) == predicted).double().mean() > 0.9
    assert torch.equal(first(x), second(x))
    assert first(x).dtype == torch.float64


def test_a_constant_feature_does_no_harm(helpers):
    x = helpers.samples()
    x[:, 1] = 0.25
    surrogate = train_surrogate(
        helpers.Function(helpers.linear), x, helpers.linear(x).argmax(dim=1), generator=torch.Generator()
    )
    assert torch.isfinite(surrogate(x)).all()


def test_a_hesitant_surrogate_adds_its_confidence_to_one_class(helpers):
    x, model = helpers.samples(), helpers.Function(helpers.linear)
    surrogate = train_surrogate(model, x, helpers.linear(x).argmax(dim=1), generator=torch.Generator())
    gap = Hesitant(surrogate, 1)(x) - surrogate(x)
    assert torch.allclose(gap, torch.tensor([0.0, 20.0, 0.0], dtype=x.dtype).expand_as(gap))


def test_nothing_to_compare_is_skipped(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(RandomDraws(draws=5),))
    assert TransferBelowWhiteBox().run(context).status == "SKIP"


@pytest.mark.slow
def test_a_random_model_is_judged_statistically(helpers):
    twin = helpers.Function(helpers.linear)
    context = helpers.build(twin, suite=(PGD(steps=5, step_size=1e-9),), threat=Linf(0.3))
    generator = torch.Generator().manual_seed(0)
    noisy = helpers.Function(lambda x: helpers.linear(x) + 0.01 * torch.randn(len(x), 3, generator=generator).to(x))
    noisy.stochastic, noisy.twin = True, twin
    context = replace(context, model=noisy)
    record = TransferBelowWhiteBox().run(context)
    # The white-box attack stood still, so whatever the twin gives away is missed.
    assert record.status == "FAIL"
    assert "the twin (breaks" in record.advice
    # A statistical verdict takes at least 16 calls.
    assert context.tally.spent.forwards >= 16 * 40
