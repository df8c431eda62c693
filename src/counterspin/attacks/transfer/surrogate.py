"""Surrogates: models an attacker trains on nothing but the target's answers (Papernot et al., arXiv:1602.02697)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.attacks.oracle import ROWS_PER_CALL
from counterspin.attacks.stochastic import call_cost
from counterspin.attacks.transfer.architectures import ARCHITECTURES
from counterspin.datasets import Split
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.models import NoisyClassifier
from counterspin.training import Step, TrainingSettings, fit
from counterspin.types import Classifier, Cost, HasTwin, HasUndefended, Outputs
from counterspin.validation import checked_scores

__all__ = [
    "ANSWERS",
    "KINDS",
    "Imitation",
    "Queries",
    "Surrogate",
    "ask",
    "check_alike",
    "check_kind",
    "trained_surrogate",
    "twin_of",
]

KINDS = ("same", "mlp", "logistic", "other-encoding", "twin")
ANSWERS = ("scores", "labels")

# Turns expectation values, which lie in [-1, 1], into logits, as the cross-entropy of attacks does.
_TEMPERATURE = 0.1
_HELD_OUT = 0.2
# Copies lie up to half way to another input, and as far beside it, in standard deviations of each feature.
_TOWARDS, _BESIDE = 0.5, 0.1
_CLASSICAL = TrainingSettings(epochs=60, batch_size=32)
_QUANTUM = TrainingSettings(epochs=30, batch_size=32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrogate:
    """A model adversarial inputs are made on.

    Args:
        name: what results call it.
        model: a differentiable classifier of the target's features and classes.
    """

    name: str
    model: Classifier = field(repr=False)

    def __str__(self) -> str:
        """The name."""
        return self.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """What the target was asked and how it answered.

    Args:
        x: inputs float64 `(n, features)`.
        answers: probabilities of the classes `(n, classes)`, or ones and zeros where labels were given.
        held_out: which of them no surrogate is trained on `(n,)`: all copies of some of the attacker's inputs.
        cost: what they cost.
    """

    x: Tensor
    answers: Tensor
    held_out: Tensor
    cost: Cost

    def agreement(self, model: Classifier) -> float | None:
        """Share of the held-out queries on which a model gives the target's class; None where none is held out."""
        asked = self.x[self.held_out]
        if not len(asked):
            return None
        with torch.no_grad():
            given = model(asked).argmax(dim=1)
        return float((given == self.answers[self.held_out].argmax(dim=1)).double().mean())


@dataclass(frozen=True, eq=False)
class Imitation:
    r"""Cross-entropy of a surrogate against the answers of the target, :math:`-\sum_k p_k \log q_k`.

    With labels it is the usual cross-entropy, with probabilities that of distillation (Hinton et al.,
    arXiv:1503.02531).

    Args:
        answers: p `(samples, classes)`, in the order of the training split.
    """

    answers: Tensor = field(repr=False)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()`."""
        wanted = self.answers[step.rows].to(x)
        return -(wanted * _log_probabilities(model(x), model.outputs)).sum(dim=1).mean()


def check_kind(kind: str) -> None:
    """Refuse what is no kind of surrogate.

    Raises:
        UsageError: the message lists the kinds.
    """
    if kind not in KINDS:
        raise UsageError(f"surrogates holds {kind!r}; allowed: {', '.join(KINDS)}.")


def check_alike(surrogate: Surrogate, model: Classifier) -> None:
    """Refuse a surrogate of another task than the target's.

    Raises:
        CapabilityError: other features, other classes, or a surrogate without repeatable scores.
    """
    mine, theirs = surrogate.model, model
    if mine.classes != theirs.classes or mine.bounds.features != theirs.bounds.features:
        raise CapabilityError(
            f"surrogate {surrogate.name!r} has {mine.bounds.features} features and {mine.classes} classes, the model "
            f"{theirs.bounds.features} and {theirs.classes}; give a surrogate of the same task."
        )
    if mine.stochastic:
        raise CapabilityError(f"surrogate {surrogate.name!r} is stochastic; give one whose scores repeat.")


def twin_of(model: Any) -> Classifier:
    """The model as the attacker's simulator has it: without noise, without shots, without its defence.

    Raises:
        ConditionsError: a model that is its own twin.
    """
    match model:
        case NoisyClassifier():
            return model.body
        case HasTwin():
            return model.twin
        case HasUndefended():
            return model.undefended
    raise ConditionsError(
        f"model ({type(model).__name__}) has neither noise nor a defence, so its twin for surrogates=twin would be the "
        "model itself; use another kind of surrogate, or an attack on features."
    )


def ask(model: Classifier, seeds: Tensor, *, queries: int, answers: str, generator: torch.Generator) -> Queries:
    r"""Query the target at the attacker's inputs and at copies of them.

    A copy of input i lies at :math:`x_i + \lambda (x_j - x_i) + \tfrac1{10} \sigma\, n`, with another input j,
    :math:`\lambda` uniform on [0, 1/2], standard deviations :math:`\sigma` of the features and normal n, cut by the
    box. A fifth of the inputs, with their copies, is held out.

    Args:
        model: the target.
        seeds: the attacker's inputs `(n, features)`, float64.
        queries: how often the target is asked; more inputs than that are not used.
        answers: what it gives away, one of `ANSWERS`.
        generator: which inputs, and the copies.
    """
    own = seeds[torch.randperm(len(seeds), generator=generator)][:queries]
    kept = max(1, len(own) - round(_HELD_OUT * len(own)))
    source = torch.arange(len(own)).repeat(-(-queries // len(own)))[:queries]
    x = own[source].clone()
    copies = torch.arange(queries) >= len(own)
    first = source < kept
    # A held-out input leans on held-out ones alone, and the others never on it.
    partner = torch.where(
        first,
        torch.randint(kept, (queries,), generator=generator),
        kept + torch.randint(max(1, len(own) - kept), (queries,), generator=generator),
    )
    share = _TOWARDS * torch.rand(queries, 1, generator=generator, dtype=x.dtype)
    noise = _BESIDE * own.std(dim=0, correction=0) * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    moved = x + share * (own[partner.clamp(max=len(own) - 1)] - x) + noise
    x = torch.where(copies[:, None], model.bounds.clamp(moved), x)
    with torch.no_grad():
        scores = torch.cat([checked_scores(model, part).double() for part in x.split(ROWS_PER_CALL)])
    given = _log_probabilities(scores, model.outputs).exp()
    if answers == "labels":
        given = functional.one_hot(scores.argmax(dim=1), model.classes).to(given)
    return Queries(x=x, answers=given, held_out=~first, cost=call_cost(model, queries))


def trained_surrogate(kind: str, model: Classifier, queries: Queries, *, generator: torch.Generator) -> Surrogate:
    """A surrogate trained on the answers by the one training loop; the target is asked nothing more.

    Args:
        kind: architecture; one of `KINDS`.
        model: the target; its architecture is looked at where the kind asks for it, its weights never.
        queries: what it answered.
        generator: initial weights and order of the samples.

    Raises:
        CapabilityError: an architecture that cannot be trained.
        ConditionsError: the twin of a model without noise or defence.
    """
    if kind == "twin":
        return Surrogate(name="twin", model=twin_of(model))
    used = ~queries.held_out
    x, answers = queries.x[used], queries.answers[used]
    build: Callable[..., Any] = ARCHITECTURES[kind]
    network = build(model, x, generator)
    settings = _CLASSICAL if kind in ("mlp", "logistic") else _QUANTUM
    # `fit` wants gradients, which an attack has switched off.
    with torch.enable_grad():
        fit(network, Imitation(answers), Split(x, answers.argmax(dim=1)), None, settings, generator=generator)
    return Surrogate(name=kind, model=network.eval().requires_grad_(False))


def _log_probabilities(scores: Tensor, outputs: Outputs) -> Tensor:
    if outputs == "probabilities":
        floor = torch.finfo(torch.float32).tiny
        return functional.normalize(scores.clamp_min(floor), p=1, dim=1).log()
    return functional.log_softmax(scores / _TEMPERATURE if outputs == "expectations" else scores, dim=1)
