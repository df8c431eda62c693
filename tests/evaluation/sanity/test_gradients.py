import math
from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.circuits import PauliExpectations, reuploading
from counterspin.evaluation.sanity import masks
from counterspin.evaluation.sanity.gradients import GradientsAgree
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box


def checked(helpers, function, **changes):
    model = helpers.Function(function)
    for name, value in changes.items():
        setattr(model, name, value)
    return GradientsAgree().run(helpers.build(model, suite=()))


def masked(helpers, mask):
    return checked(helpers, lambda x: mask(helpers.linear, x))


@pytest.mark.parametrize("threat", [Linf(0.05, 0.15), L2(0.1), Linf(0.1, box="none"), Linf(1e-6), Linf(5.0)])
def test_a_linear_model_passes_under_any_budget(helpers, threat):
    record = GradientsAgree().run(helpers.build(helpers.Function(helpers.linear), threat=threat, suite=()))
    assert record.status == "PASS"
    assert record.statistic == pytest.approx(1.0, abs=1e-6)


def test_a_circuit_passes_and_its_shifted_gradient_is_asked_for(helpers):
    box = Box.uniform(0.0, 1.0, 4)
    model = QuantumClassifier(reuploading(4, 1, scale=math.pi), PauliExpectations.of("Z0", "Z1", "Z2"), box)
    context = helpers.build(model.requires_grad_(False), suite=())
    assert GradientsAgree().run(context).status == "PASS"
    # 4 angles of one frequency: the circuit and 8 shifted ones, on 4 samples, beside 1 circuit per autodiff row.
    assert context.tally.spent.circuits - context.tally.spent.forwards == 4 * 8


def test_a_circuit_that_is_not_the_model_is_noticed_by_parameter_shift(helpers):
    box = Box.uniform(0.0, 1.0, 4)

    class Other(QuantumClassifier):
        def forward(self, x):
            return super().forward(1 - x)

    model = Other(reuploading(4, 1, scale=2.0), PauliExpectations.of("Z0", "Z1", "Z2"), box).requires_grad_(False)
    record = GradientsAgree().run(helpers.build(model, suite=()))
    assert record.status == "FAIL"
    assert record.statistic == pytest.approx(4 / 16)


@pytest.mark.parametrize("mask", [masks.frozen_gradient, masks.sign_quantised, masks.rounded_input(16)])
def test_a_gradient_of_zero_where_scores_move_fails(helpers, mask):
    record = masked(helpers, mask)
    assert record.status == "FAIL"
    assert "exactly zero" in record.advice
    assert record.samples


def test_a_detached_gradient_fails(helpers):
    record = masked(helpers, masks.detached)
    assert (record.status, len(record.samples)) == ("FAIL", 16)
    assert "detached" in record.advice


def test_a_wrong_gradient_fails_and_one_of_the_wrong_length_too(helpers):
    record = masked(helpers, masks.reversed_gradient)
    assert (record.status, record.statistic) == ("FAIL", 1.0)

    def skewed(x):
        scores = helpers.linear(x)
        return scores + 0.5 * (x - x.detach())[:, :1] * torch.arange(3)

    assert checked(helpers, skewed).status == "FAIL"


def test_a_shattered_gradient_warns(helpers):
    record = masked(helpers, masks.shattered(1e-3, 1e4))
    assert record.status == "WARN"
    assert abs(record.statistic) < 0.5
    assert "shattered" in record.advice


def test_a_clipped_input_warns(helpers):
    record = masked(helpers, masks.clipped(0.45, 0.55))
    assert record.status in ("WARN", "FAIL")
    # One feature always inside keeps every gradient from vanishing altogether.
    record = checked(helpers, lambda x: helpers.linear(torch.cat([x[:, :1], x[:, 1:].clamp(0.4, 0.6)], dim=1)))
    assert record.status == "WARN"
    assert "clips" in record.advice
    assert record.statistic > record.threshold


def test_a_dead_feature_is_no_clipped_one(helpers):
    assert checked(helpers, lambda x: helpers.linear(x * torch.tensor([1.0, 0.0, 1.0, 1.0]))).status == "PASS"


def test_scores_that_never_move_warn(helpers):
    constant = torch.tensor([1.0, 0.0, 0.5])
    record = checked(helpers, lambda x: constant + 0 * x[:, :1])
    assert record.status == "WARN"
    assert "constant" in record.advice


def test_scores_that_are_not_finite_fail(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=())
    broken = helpers.Function(lambda x: torch.nan * helpers.linear(x))
    record = GradientsAgree().run(replace(context, model=broken))
    assert record.status == "FAIL"
    assert "NaN" in record.advice


def test_a_gradient_that_is_not_finite_fails(helpers):
    # The square root of 0 has the right value and an infinite slope.
    record = checked(helpers, lambda x: helpers.linear(x) + torch.sqrt((x - x.detach())[:, :1]) * torch.arange(3))
    assert record.status == "FAIL"
    assert "NaN or infinite" in record.advice


def test_models_without_an_exact_gradient_are_skipped(helpers):
    assert checked(helpers, helpers.linear, differentiable=False).status == "SKIP"
    assert checked(helpers, helpers.linear, stochastic=True).status == "SKIP"


def test_a_few_kinks_only_warn(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=())
    row = context.x[2]

    def kink(x):
        # The gradient is wrong beside one sample only.
        near = ((x - row.to(x)).abs().amax(dim=1, keepdim=True) < 0.02).to(x)
        return helpers.linear(x) + near * (x - x.detach()).sum(dim=1, keepdim=True) * torch.arange(3).to(x)

    record = GradientsAgree().run(replace(context, model=helpers.Function(kink)))
    assert (record.status, record.samples) == ("WARN", [2])


def test_what_stands_for_a_model_is_judged_in_its_place(helpers):
    rounded = helpers.Function(lambda x: torch.round(8 * helpers.linear(x)) / 8 + 0 * helpers.linear(x))
    context = helpers.build(rounded, suite=(RandomDraws(draws=5),))
    assert GradientsAgree().run(context).status == "FAIL"
    rounded.substitute = helpers.Function(helpers.linear)
    assert GradientsAgree().run(context).status == "PASS"
    rounded.substitute = helpers.Function(lambda x: -helpers.linear(x))
    record = GradientsAgree().run(context)
    assert record.status == "FAIL"
    assert "The substitute decides otherwise on" in record.advice
    # Decisions alone are not enough: its slopes must be there.
    rounded.substitute = helpers.Function(lambda x: helpers.linear(x).detach() + 0 * helpers.linear(x))
    record = GradientsAgree().run(context)
    assert record.status == "FAIL"
    assert "exactly zero" in record.advice
