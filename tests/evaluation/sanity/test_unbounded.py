from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.exhaustive import Exhaustive
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.certificates import Assumptions, CertificateResult
from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding, strongly_entangling
from counterspin.evaluation.sanity.unbounded import UnboundedBudget
from counterspin.models import QuantumClassifier
from counterspin.threats import L0, L2, Group, Linf, QueryBudget
from counterspin.types import Box


def amplitude_model() -> QuantumClassifier:
    return QuantumClassifier(
        amplitude_encoding(4) + strongly_entangling(2, 2),
        OutcomeGroups.first(qubits=2, classes=3),
        Box.uniform(0.0, 1.0, 4),
        head=Scale(torch.tensor(5.0)),
    ).requires_grad_(False)


@pytest.mark.one_fast
@pytest.mark.parametrize("threat", [Linf(0.01), L2(0.01, units="relative"), Linf(0.01, target=2)])
def test_plain_models_pass(helpers, threat):
    x = helpers.samples()
    y = helpers.linear(x).argmax(dim=1)
    if threat.target is not None:
        # Misclassified as the target: the known counterexamples of the others.
        y[y == 2] = 0
    record = UnboundedBudget().run(helpers.build(helpers.Function(helpers.linear), x=x, y=y, threat=threat))
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_a_query_budget_is_no_masked_gradient(helpers):
    x = helpers.samples()
    threat = L2(0.01, budget=QueryBudget(queries=2))
    context = helpers.build(helpers.Function(helpers.linear), x=x, threat=threat, suite=(PGD(steps=20),))
    assert UnboundedBudget().run(context).status == "PASS"


@pytest.mark.slow
def test_a_target_no_known_point_reaches_is_skipped(helpers):
    x = helpers.samples()
    x = x[helpers.linear(x).argmax(dim=1) != 2]
    context = helpers.build(helpers.Function(helpers.linear), x=x, threat=Linf(0.01, target=2))
    assert UnboundedBudget().run(context).status == "SKIP"


def test_a_needle_without_a_gradient_is_caught(helpers):
    # Class 1 only in a tiny cube around one known sample; flat elsewhere: the point exists, no attack sees it.
    x = helpers.samples()

    def needle(z):
        near = ((z - x[0].to(z)).abs() < 1e-3).all(dim=1, keepdim=True).to(z.dtype)
        return torch.cat([0.5 + 0 * z[:, :1], near], dim=1)

    context = helpers.build(helpers.Function(needle, classes=2), x=x, suite=(PGD(steps=5), RandomDraws(draws=50)))
    record = UnboundedBudget().run(context)
    assert record.status == "FAIL"
    assert record.statistic == 39
    assert 0 not in record.samples


def test_a_wrong_box_is_caught(helpers):
    # The wrapper clips to [0.4, 0.6] before the model sees the input; the samples themselves were scored unclipped.
    context = helpers.build(helpers.Function(helpers.linear), suite=(PGD(steps=10),))
    clipped = helpers.Function(lambda x: helpers.linear(x.clamp(0.45, 0.55)) + 0.1 * helpers.linear(x).detach())
    context = replace(context, model=clipped)
    assert UnboundedBudget().run(context).status == "FAIL"


def test_counterexamples_out_of_reach_are_not_asked_for(helpers):
    # Predictions depend on the last feature alone, which the attacker may not change.
    def last(x):
        return torch.cat([x[:, 3:] - 0.5, 0.5 - x[:, 3:]], dim=1)

    model = helpers.Function(last, classes=2)
    forbidden = Linf(0.1, mask=(True, True, True, False))
    context = helpers.build(model, suite=(PGD(steps=3),), threat=forbidden)
    assert UnboundedBudget().run(context).status == "SKIP"
    # All inputs agree in what is forbidden: each can be reached from any other.
    x = helpers.samples()
    x[:, :3] = 0.25
    allowed = Linf(0.1, mask=(False, False, False, True))
    context = helpers.build(model, x=x, suite=(PGD(steps=20),), threat=allowed)
    record = UnboundedBudget().run(context)
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_discrete_threats_have_an_everything_too(helpers):
    x = (helpers.samples() > 0.5).double()
    groups = tuple(Group(features=(feature,), values=((0.0,), (1.0,))) for feature in range(4))
    context = helpers.build(helpers.Function(helpers.linear), x=x, suite=(Exhaustive(),), threat=L0(1, groups=groups))
    record = UnboundedBudget().run(context)
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_constant_predictions_are_skipped(helpers):
    model = helpers.Function(lambda x: torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1), classes=2)
    record = UnboundedBudget().run(helpers.build(model, suite=(PGD(steps=2),)))
    assert record.status == "SKIP"
    assert "counterexample" in record.advice


def test_samples_proved_unflippable_are_not_asked_for(plain):
    n = len(plain.y)
    proof = CertificateResult(
        radius_lower=torch.full((n,), torch.inf, dtype=torch.float64),
        radius_upper=torch.full((n,), torch.inf, dtype=torch.float64),
        exact=torch.ones(n, dtype=torch.bool),
        method="by decree",
        assumptions=Assumptions(),
        seconds=0.0,
    )
    assert UnboundedBudget().run(replace(plain, certificates=(proof,))).status == "SKIP"


@pytest.mark.slow
def test_without_a_box_only_amplitude_models_have_an_everything(helpers):
    assert (
        UnboundedBudget().run(helpers.build(helpers.Function(helpers.linear), threat=Linf(0.1, box="none"))).status
        == "SKIP"
    )
    context = helpers.build(amplitude_model(), x=helpers.samples() + 0.05, threat=L2(0.05, box="none"))
    assert len(context.scores.argmax(dim=1).unique()) > 1
    assert UnboundedBudget().run(context).status == "PASS"
