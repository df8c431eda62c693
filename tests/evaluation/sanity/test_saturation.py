import pytest
import torch

from counterspin.evaluation.sanity.saturation import SameSuccessByLoss
from counterspin.threats import Linf


def record_of(helpers, function, outputs="logits", classes=3):
    model = helpers.Function(function, classes=classes)
    model.outputs = outputs
    return SameSuccessByLoss().run(helpers.build(model, x=helpers.samples(16), threat=Linf(0.1), suite=()))


@pytest.mark.slow
def test_a_linear_model_is_broken_by_every_loss_alike(helpers):
    record = record_of(helpers, helpers.linear)
    assert record.status == "PASS"
    assert record.statistic <= record.threshold


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["probabilities", "expectations"])
def test_other_outputs_pass_too(helpers, outputs):
    def function(x):
        scores = 0.3 * helpers.linear(x)
        return scores.softmax(dim=1) if outputs == "probabilities" else scores

    assert record_of(helpers, function, outputs).status == "PASS"


@pytest.mark.slow
def test_two_classes_pass(helpers):
    assert record_of(helpers, lambda x: helpers.linear(x)[:, :2], classes=2).status == "PASS"


@pytest.mark.slow
def test_a_temperature_of_a_thousandth_is_caught(helpers):
    record = record_of(helpers, lambda x: 1e3 * helpers.linear(x))
    assert record.status == "WARN"
    assert record.statistic > record.threshold
    assert "Success depends" in record.advice
    assert "saturated" in record.advice


@pytest.mark.slow
def test_saturation_is_flagged_even_where_success_does_not_suffer(helpers):
    # Leads of order 100: cross-entropy written as a softplus still has a gradient, an ordinary float32 softmax has not.
    record = record_of(helpers, lambda x: 100 * helpers.linear(x))
    assert record.status == "WARN"
    assert "saturated" in record.advice


@pytest.mark.slow
def test_saturated_probabilities_are_caught(helpers):
    record = record_of(helpers, lambda x: (200 * helpers.linear(x)).softmax(dim=1), "probabilities")
    assert record.status == "WARN"
    assert "saturated" in record.advice


def test_nothing_to_attack_is_skipped(helpers):
    wrong = (helpers.linear(helpers.samples()).argmax(dim=1) + 1) % 3
    context = helpers.build(helpers.Function(helpers.linear), y=wrong, suite=())
    assert not torch.any(context.correct)
    assert SameSuccessByLoss().run(context).status == "SKIP"
    for name, value in (("differentiable", False), ("stochastic", True)):
        model = helpers.Function(helpers.linear)
        setattr(model, name, value)
        assert SameSuccessByLoss().run(helpers.build(model, suite=())).status == "SKIP"
