"""What the steps of an audit cost, by their own code on a stand-in that nothing of the model is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.attacks.sequential import FIRST_ROUND, calls_price
from counterspin.evaluation.clean import clean_price
from counterspin.evaluation.stand_in import Unbreakable, priced, stand_in
from counterspin.models import NoisyClassifier
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost, HasCircuit, HasTwin

__all__ = ["PlannedStep", "attack_step", "clean_step", "verdict_step"]

# Calls after which the test of a stochastic model gives up, see `sequential_verdict`.
_MOST_CALLS = 1024

# Samples on which the expected cost is measured.
_MEASURED = 8


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One part of an audit.

    Args:
        name: the attack, or what else is paid for.
        most: what it costs at most, over all budgets ε and samples, verdicts included.
        expected: what it would cost if all samples were like the first few, read without noise; None where nothing can
            be measured.
    """

    name: str
    most: Cost
    expected: Cost | None = None


def clean_step(model: Classifier, samples: int) -> PlannedStep:
    """The clean predictions of `samples` samples."""
    least = clean_price(model, samples)
    # Of a stochastic model each test may go on to its last call.
    most = _rounds(model, samples, least) if model.stochastic else least
    return PlannedStep(name="clean predictions", most=most, expected=least)


def verdict_step(model: Classifier, samples: int, times: int) -> PlannedStep:
    """Verdicts on given points, `times` over for each sample."""
    first = calls_price(model, samples, FIRST_ROUND if model.stochastic else 1)
    most = _rounds(model, samples, first) if model.stochastic else first
    most, first = (sum([cost] * times, Cost()) for cost in (most, first))
    return PlannedStep(name="verdicts", most=most, expected=first)


def attack_step(attack: Attack, model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, seed: int) -> PlannedStep:
    """One attack at every ε, verdicts included.

    Args:
        attack: what runs.
        model: the classifier whose prices hold; it is not asked, but its twin or its simulation may be.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker.
        seed: of the attack.
    """
    answer = _fast(model)
    expected = None if answer is None else _expected(attack, model, x, y, threat, answer, seed)
    return PlannedStep(name=attack.name, most=_most(attack, model, x, threat, seed), expected=expected)


def _rounds(model: Classifier, samples: int, first: Cost) -> Cost:
    """The cost `first` of the least verdict, with tests that go on to their last round."""
    cost, calls = first, FIRST_ROUND
    while calls < _MOST_CALLS:
        cost, calls = cost + calls_price(model, samples, calls), 2 * calls
    return cost


def _most(attack: Attack, model: Classifier, x: Tensor, threat: ThreatModel, seed: int) -> Cost:
    samples = len(x)
    # Class 0 always wins, so it is everybody's label and nobody's target.
    aimed = threat if threat.target is None else replace(threat, target=1)
    everyone = torch.ones(samples, dtype=torch.bool)
    answer = Unbreakable(model.classes)
    scores, standing = answer.clean(samples), stand_in(model, answer)
    y = torch.zeros(samples, dtype=torch.int64)
    return _ran(attack, standing, x, y, aimed, everyone, scores, seed, tests=_MOST_CALLS // FIRST_ROUND)


def _expected(
    attack: Attack, model: Classifier, x: Tensor, y: Tensor, threat: ThreatModel, answer: Classifier, seed: int
) -> Cost:
    few, labels = x[:_MEASURED], y[:_MEASURED]
    aimed = replace(threat, target=threat.target[:_MEASURED]) if isinstance(threat.target, tuple) else threat
    with torch.no_grad():
        scores = answer(few).double()
    correct = scores.argmax(dim=1) == labels
    cost = _ran(attack, stand_in(model, answer), few, labels, aimed, correct, scores, seed)
    scale = len(x) / len(few)
    return Cost(**{name: round(scale * value) for name, value in asdict(cost).items()})


def _ran(
    attack: Attack,
    model: Classifier,
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    correct: Tensor,
    scores: Tensor,
    seed: int,
    *,
    tests: int = 1,
) -> Cost:
    """What an attack pays on a stand-in, each test of a stochastic model taking `tests` times its first round."""
    ledger = ExecutionLedger(None)
    generator = torch.Generator().manual_seed(seed)
    found = list(
        priced(attack).budgets(paid(model, ledger), x, y, threat, generator=generator, correct=correct, scores=scores)
    )
    return sum([result.verdict_cost for result in found for _ in range(tests - 1)], ledger.spent)


def _fast(model: Classifier) -> Classifier | None:
    """What answers for the model at no cost worth counting: its twin, or a simulated circuit itself; None: nothing.

    Without the noise, whose simulation takes a hundred times longer and hardly changes what an attack asks for.
    """
    if isinstance(model, HasTwin):
        return _noiseless(model.twin)
    return _noiseless(model) if isinstance(model, HasCircuit) and not model.stochastic else None


def _noiseless(model: Classifier) -> Classifier:
    return model.body if isinstance(model, NoisyClassifier) else model
