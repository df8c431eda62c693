"""S16: the frozen twin of a stochastic model is the easier target."""

from dataclasses import replace

import pytest
import torch
from small_models import one_qubit

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.gradients import EOT, Autodiff, Twin
from counterspin.attacks.results import AttackResult, BudgetResult
from counterspin.evaluation.sanity import SanityContext
from counterspin.evaluation.sanity.frozen_twin import FrozenRandomness
from counterspin.models.sampled import SampledModel
from counterspin.threats import Linf
from counterspin.types import Cost

SUITE = {"random": RandomDraws(draws=100)}
EPS = 0.2


@pytest.fixture(scope="module")
def sampled():
    """One qubit read with 51 shots; inputs below one half are class 0, and those above 0.3 can be moved across."""
    model = SampledModel(one_qubit().eval().requires_grad_(False), shots=51)
    x = torch.linspace(0.05, 0.45, 21).double()[:, None]
    return evaluation(model, x, x[:, 0] > 0.33)


def evaluation(model, x, broken, suite=SUITE):
    n, threat = len(x), Linf(EPS)
    budget = BudgetResult(
        eps=EPS,
        x_adv=x,
        success=broken,
        distance=torch.zeros(n),
        best_margin=torch.zeros(n),
        trace_distance=torch.zeros(n),
        history={},
        cost=Cost(),
        seconds=0.0,
    )
    results = {
        name: AttackResult(
            attack=name,
            config={},
            threat=threat,
            seed=0,
            versions={},
            correct=torch.ones(n, dtype=torch.bool),
            budgets=(budget,),
        )
        for name in suite
    }
    return SanityContext(
        model=model,
        x=x,
        y=torch.zeros(n, dtype=torch.long),
        threat=threat,
        scores=one_qubit()(x).detach(),
        results=results,
        suite=suite,
        certificates=(),
        stored={name: x[None] for name in suite},
        provenance={},
        seed=0,
    )


def test_a_model_read_with_shots_passes(sampled):
    record = FrozenRandomness().run(sampled)
    assert (record.status, record.statistic) == ("PASS", 0.0)
    assert "random against up to 8 frozen twins" in record.advice


def test_samples_that_only_the_random_model_loses_fail(sampled):
    class WrongTwin(SampledModel):
        """Its frozen twin is another, robust model: freezing went wrong, or attacks do not work on the twin."""

        def frozen(self, seed):
            far = one_qubit().eval()
            far.forward = lambda x: torch.tensor([[1.0, 0.0]], dtype=x.dtype).expand(len(x), 2)
            return far

    model = WrongTwin(sampled.model.model, shots=51)
    record = FrozenRandomness().run(replace(sampled, model=model))
    assert record.status == "FAIL"
    broken = sampled.results["random"].success[0]
    assert record.statistic == int(broken.sum())
    assert record.samples == broken.nonzero()[:, 0].tolist()


def test_a_sample_the_frozen_twin_gets_wrong_counts_as_broken(sampled):
    class AlwaysWrong(SampledModel):
        def frozen(self, seed):
            far = one_qubit().eval()
            far.forward = lambda x: torch.tensor([[0.0, 1.0]], dtype=x.dtype).expand(len(x), 2)
            return far

    record = FrozenRandomness().run(replace(sampled, model=AlwaysWrong(sampled.model.model, shots=51)))
    assert record.status == "PASS"


def test_nothing_broken_is_skipped(sampled):
    untouched = evaluation(sampled.model, sampled.x, torch.zeros(len(sampled.x), dtype=torch.bool))
    assert FrozenRandomness().run(untouched).status == "SKIP"


def test_the_suite_runs_as_far_as_it_serves_the_twin(sampled):
    # A frozen reading is a step function without a gradient of its own; that of its infinite-shot twin guides.
    suite = {"pgd": PGD(steps=5, gradient=Twin()), **SUITE}
    context = evaluation(sampled.model, sampled.x, sampled.results["random"].success[0], suite)
    record = FrozenRandomness().run(context)
    assert record.status == "PASS"
    assert record.advice.startswith("pgd, random against")
    suite = {"pgd": PGD(gradient=EOT(source=Autodiff())), **SUITE}
    context = evaluation(sampled.model, sampled.x, sampled.results["random"].success[0], suite)
    assert FrozenRandomness().run(context).advice.startswith("random against")


def test_deterministic_models_and_those_without_a_switch_are_skipped(plain, helpers):
    assert FrozenRandomness().run(plain).status == "SKIP"
    restless = helpers.Function(helpers.linear)
    restless.stochastic = True
    record = FrozenRandomness().run(replace(plain, model=restless))
    assert record.status == "SKIP"
    assert "no method frozen(seed)" in record.advice
