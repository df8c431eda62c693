import pytest
import torch

from counterspin.evaluation.sanity.predictions import BatchIndependence


def test_a_plain_model_passes(plain):
    record = BatchIndependence().run(plain)
    assert (record.status, record.statistic, record.samples) == ("PASS", 0.0, [])


@pytest.mark.slow
def test_batch_statistics_are_caught(helpers):
    model = helpers.Function(lambda x: helpers.linear(x) - helpers.linear(x).mean(dim=0))
    record = BatchIndependence().run(helpers.build(model))
    assert record.status == "FAIL"
    assert record.statistic >= 1
    assert "batch" in record.advice


@pytest.mark.slow
def test_dependence_on_the_order_is_caught(helpers):
    # The first row of a batch larger than one loses its features.
    def first_row_lost(x):
        return helpers.linear(torch.cat([x[:1] * 0 + 0.9, x[1:]])) if len(x) > 1 else helpers.linear(x)

    record = BatchIndependence().run(helpers.build(helpers.Function(first_row_lost)))
    assert record.status == "FAIL"
    assert set(record.samples) <= {0, 39}


def test_training_mode_is_caught_and_left_as_it_was(plain):
    plain.model.train()
    try:
        record = BatchIndependence().run(plain)
        assert plain.model.training
    finally:
        plain.model.eval()
    assert record.status == "FAIL"
    assert "eval()" in record.advice


def test_an_exact_tie_that_rounding_settles_is_no_flip(helpers):
    # Two classes with one score: the last bit depends on the size of the batch, as in a real matrix product.
    def tied(x):
        scores = helpers.linear(x)[:, :1].repeat(1, 2)
        return scores + torch.tensor([0.0, 1e-16 if len(x) == 1 else -1e-16], dtype=x.dtype)

    context = helpers.build(helpers.Function(tied, classes=2), suite=())
    assert BatchIndependence().run(context).status == "PASS"
