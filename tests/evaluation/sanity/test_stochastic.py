"""S15: hidden randomness, deterministic verdicts on stochastic models, and verdicts that do not hold."""

from dataclasses import dataclass, replace

import pytest
import torch
from small_models import Votes

from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.gradients import EOT
from counterspin.attacks.results import AttackResult, BudgetResult
from counterspin.attacks.sequential import sequential_verdict
from counterspin.evaluation.sanity import SanityContext
from counterspin.evaluation.sanity.stochastic import StatisticalVerdicts
from counterspin.threats import Linf
from counterspin.types import Cost


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged(BudgetResult):
    """A result of one budget with undecided samples."""

    undecided: torch.Tensor | None = None


def evaluation(p, *, suite=None, status=None, statistical=True):
    """A stochastic model whose clean inputs stand for the best points found; row r predicts class k by p[r, k]."""
    model = Votes(p)
    y, n = torch.zeros(len(p), dtype=torch.long), len(p)
    if status is None:
        status = sequential_verdict(model, model.x, y).status
    suite = {"random": RandomDraws()} if suite is None else suite
    threat = Linf(0.1)
    budget = Judged(
        eps=0.1,
        x_adv=model.x,
        success=status == 2,
        undecided=status == 1 if statistical else None,
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
        x=model.x,
        y=y,
        threat=threat,
        scores=torch.tensor([[0.9, 0.1]]).double().expand(n, 2),
        results=results,
        suite=suite,
        certificates=(),
        stored={name: model.x[None] for name in suite},
        provenance={},
        seed=0,
    )


CLEAR = [[0.9, 0.1]] * 30 + [[0.2, 0.8]] * 10


def test_statistical_verdicts_pass_and_are_drawn_again():
    context = evaluation(CLEAR)
    record = StatisticalVerdicts().run(context)
    assert (record.status, record.statistic) == ("PASS", 0.0)
    assert "0 at ε = 0.1" in record.advice
    # 40 points, at least one round of 16 calls and three shots each.
    assert context.tally.spent.shots >= 40 * 16 * 3


def test_a_deterministic_verdict_on_a_stochastic_model_fails():
    record = StatisticalVerdicts().run(evaluation(CLEAR, statistical=False))
    assert record.status == "FAIL"
    assert "random took single draws" in record.advice


def test_a_single_draw_gradient_on_a_stochastic_model_fails():
    suite = {"pgd": PGD(), "random": RandomDraws()}
    record = StatisticalVerdicts().run(evaluation(CLEAR, suite=suite))
    assert record.status == "FAIL"
    assert "pgd took" in record.advice
    averaged = {"pgd": PGD(gradient=EOT()), "random": RandomDraws()}
    assert StatisticalVerdicts().run(evaluation(CLEAR, suite=averaged)).status == "PASS"


def test_verdicts_from_single_draws_are_contradicted():
    # One draw of a model that is right four times in five breaks a fifth of the samples.
    p = [[0.8, 0.2]] * 64
    votes = Votes(p, seed=1)
    status = 2 * (votes(votes.x).argmax(dim=1) != 0)
    record = StatisticalVerdicts().run(evaluation(p, status=status))
    assert record.status == "FAIL"
    assert record.statistic == int((status == 2).sum()) == len(record.samples)
    assert "turned when drawn again" in record.advice


def test_few_wrong_verdicts_are_what_a_confidence_of_95_percent_allows():
    status = torch.zeros(40, dtype=torch.long)
    status[0] = 2
    assert StatisticalVerdicts().run(evaluation([[0.9, 0.1]] * 40, status=status)).status == "PASS"


@pytest.mark.slow
def test_many_undecided_samples_warn():
    record = StatisticalVerdicts().run(evaluation([[0.9, 0.1]] * 30 + [[0.5, 0.5]] * 10))
    assert record.status == "WARN"
    assert record.statistic > 2
    assert set(record.samples) <= set(range(30, 40))
    assert "Undecided of 40 samples" in record.advice


def test_a_deterministic_model_passes(plain):
    record = StatisticalVerdicts().run(plain)
    assert (record.status, record.statistic) == ("PASS", 0.0)


@pytest.mark.parametrize("size", [1e-6, 1.0])
def test_hidden_randomness_fails(plain, helpers, size):
    generator = torch.Generator().manual_seed(0)

    def jittered(x):
        scores = helpers.linear(x)
        return scores + size * torch.randn(scores.shape, generator=generator, dtype=scores.dtype)

    record = StatisticalVerdicts().run(replace(plain, model=helpers.Function(jittered)))
    assert record.status == "FAIL"
    assert "declared deterministic" in record.advice
    assert record.statistic == len(plain.y)
