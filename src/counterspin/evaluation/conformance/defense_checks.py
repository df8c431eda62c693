"""The checks of `check_defense`, each of which says what is wrong or nothing."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks.evasion import APGD, FGSM, RandomDraws, Square
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.attacks.registry import adapted
from counterspin.datasets import Split
from counterspin.defenses.training.base import TrainingDefense
from counterspin.defenses.training.compose import compose
from counterspin.errors import CounterspinError, InterruptedRunError
from counterspin.evaluation.conformance.classifier import check_classifier
from counterspin.evaluation.conformance.report import Skipped
from counterspin.evaluation.sanity.base import Check as SanityCheck
from counterspin.evaluation.sanity.base import SanityContext
from counterspin.evaluation.sanity.gradient_free import GradientFreeBelowWhiteBox
from counterspin.evaluation.sanity.gradients import GradientsAgree
from counterspin.evaluation.sanity.paired import OneStepBelowIterative, RandomBelowGuided
from counterspin.evaluation.sanity.rehearsal import rehearse
from counterspin.evaluation.sanity.saturation import SameSuccessByLoss
from counterspin.evaluation.sanity.transfer import TransferBelowWhiteBox
from counterspin.evaluation.sanity.unbounded import UnboundedBudget
from counterspin.evaluation.sanity.zoo import Specimen
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step, TrainingSettings, fit
from counterspin.types import HasUndefended

__all__ = ["OF_AN_OBJECTIVE", "OF_A_CLASSIFIER", "DefenseCase"]

_SETTINGS = TrainingSettings(epochs=12, batch_size=40, learning_rate=0.08)
_SUITE = (
    FGSM(),
    APGD(steps=50, restarts=4, loss=CrossEntropy()),
    APGD(steps=50, restarts=4, loss=Margin()),
    Square(queries=500),
    RandomDraws(draws=300),
)
# Finished epochs before the interruption whose repair is checked.
_BEFORE = 2


class _Trained(nn.Module):
    """A trained classifier that shows the one trained without the defence."""

    def __init__(self, model: Any, undefended: Any) -> None:
        super().__init__()
        self.model, self.undefended = model, undefended
        for name in ("bounds", "classes", "outputs", "stochastic"):
            setattr(self, name, getattr(model, name))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the trained model `(batch, classes)`."""
        return self.model(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class DefenseCase:
    """A defence, and what it is checked on.

    Args:
        defense: a wrapper, or a training defence.
        plain: an untrained model, or the one to defend.
        train: samples to train on.
        x: samples to attack `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker.
        seed: seed of the generators.
    """

    defense: Any
    plain: Any
    train: Split
    x: Tensor
    y: Tensor
    threat: ThreatModel
    seed: int

    @property
    def name(self) -> str:
        """What reports call the defence."""
        return str(getattr(self.defense, "name", getattr(self.defense, "__name__", type(self.defense).__name__)))

    def trained(self, objective: Objective) -> Any:
        """A copy of the model, trained with `objective`."""
        model = copy.deepcopy(self.plain)
        fit(model, objective, self.train, None, _SETTINGS, generator=torch.Generator().manual_seed(self.seed))
        return model.requires_grad_(False).eval()

    @cached_property
    def objective(self) -> Objective:
        """What the training defence minimises."""
        self.defense.check(self.plain, self.threat)
        return compose((self.defense,))

    @cached_property
    def undefended(self) -> Any:
        """The model without the defence: trained with plain cross-entropy where it has something to train."""
        trainable = isinstance(self.plain, nn.Module) and any(p.requires_grad for p in self.plain.parameters())
        return self.trained(CrossEntropyObjective()) if trainable else self.plain

    @cached_property
    def defended(self) -> Any:
        """The defended model."""
        if isinstance(self.defense, TrainingDefense):
            return _Trained(self.trained(self.objective), self.undefended).eval()
        return self.defense(self.undefended)

    @cached_property
    def context(self) -> SanityContext:
        """A small suite of attacks that know the defence, and what they found."""
        specimen = Specimen(
            name=self.name, model=self.defended, x=self.x, y=self.y, threat=self.threat, expected="", reason=""
        )
        context = rehearse(specimen, tuple(adapted(attack, self.defended) for attack in _SUITE), seed=self.seed)
        correct = next(iter(context.results.values())).correct
        return replace(context, verdict=correct) if self.defended.stochastic else context


def _is_configuration(case: DefenseCase) -> str | None:
    stated = case.defense.to_json()
    if json.loads(json.dumps(stated, allow_nan=False)) != stated:
        return "to_json changes on its way through JSON"
    twin = copy.deepcopy(case.objective)
    return None if repr(twin) == repr(case.objective) else "the repr of its objective changes from copy to copy"


def _loss(case: DefenseCase, model: Any, seed: int) -> Tensor:
    generator, rows = torch.Generator().manual_seed(seed), torch.arange(_SETTINGS.batch_size)
    step = Step(epoch=1, progress=0.5, rows=rows, generator=generator, memory={})
    return case.objective(model, case.train.x[rows].float(), case.train.y[rows], step)


def _reaches_weights(case: DefenseCase) -> str | None:
    model = copy.deepcopy(case.plain)
    loss = _loss(case, model, case.seed)
    if loss.shape != () or not bool(torch.isfinite(loss)):
        return f"its loss is {loss.detach().tolist()}; return one finite number"
    loss.backward()
    found = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    if not found or not all(bool(torch.isfinite(g).all()) for g in found):
        return "its loss has no finite gradient to the weights"
    return None if any(bool(g.any()) for g in found) else "its loss has a zero gradient to every weight"


def _untouched(case: DefenseCase) -> str | None:
    model, x = copy.deepcopy(case.plain), case.train.x.clone()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [p.requires_grad for p in model.parameters()], [m.training for m in model.modules()]
    state = torch.get_rng_state()
    _loss(case, model, case.seed)
    if any(not torch.equal(tensor, model.state_dict()[name]) for name, tensor in before.items()):
        return "computing its loss changes weights"
    if flags != ([p.requires_grad for p in model.parameters()], [m.training for m in model.modules()]):
        return "computing its loss changes the model's mode or its requires_grad flags"
    if not torch.equal(state, torch.get_rng_state()):
        return "it draws from torch's global generator; take the step's"
    return None if torch.equal(x, case.train.x) else "it changes its samples in place"


def _reproducible(case: DefenseCase) -> str | None:
    first, second = (_loss(case, copy.deepcopy(case.plain), case.seed).detach() for _ in range(2))
    return None if torch.equal(first, second) else "two losses from the same generator state differ"


class _Interrupted:
    """An objective that is interrupted after some epochs; it calls itself what it imitates, so keys agree."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def __repr__(self) -> str:
        return repr(self.objective)

    def __call__(self, model: Any, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        if step.epoch > _BEFORE:
            raise KeyboardInterrupt
        return self.objective(model, x, y, step)


def _resumes(case: DefenseCase) -> str | None:
    settings = replace(_SETTINGS, epochs=_BEFORE + 2)
    models = [copy.deepcopy(case.plain) for _ in range(2)]

    def run(model: Any, objective: Objective, checkpoint: Path | None) -> None:
        generator = torch.Generator().manual_seed(case.seed)
        fit(model, objective, case.train, None, settings, generator=generator, checkpoint=checkpoint)

    run(models[0], case.objective, None)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "checkpoint"
        try:
            run(copy.deepcopy(case.plain), _Interrupted(case.objective), path)
        except InterruptedRunError:
            run(models[1], case.objective, path)
    whole, resumed = (model.state_dict() for model in models)
    same = all(torch.equal(whole[name], resumed[name]) for name in whole)
    return None if same else "an interrupted and resumed training ends with other weights"


def _is_a_classifier(case: DefenseCase) -> str | None:
    report = check_classifier(case.defended, case.x, case.y)
    return "; ".join(f"{one.name}: {one.message}" for one in report.failed) or None


def _shows_the_undefended(case: DefenseCase) -> str | None:
    if not isinstance(case.defended, HasUndefended):
        return "the defended classifier has no property `undefended`, so nobody can compare it with the one inside"
    return None


def _still_classifies(case: DefenseCase) -> str | None:
    right = int(case.context.correct.sum())
    majority = int(torch.bincount(case.y).max())
    return (
        None if right > majority else f"it gets {right} of {len(case.y)} right; always saying one class gets {majority}"
    )


def _can_be_attacked(case: DefenseCase) -> str | None:
    refusal = adapted(APGD(), case.defended).refusal(case.defended, case.threat)
    hint = "offer a property `substitute`: the classifier with a differentiable step in place of the one without"
    return None if refusal is None else f"no gradient attack serves it ({refusal}); {hint}"


@dataclass(frozen=True, kw_only=True)
class _Sane:
    """A sanity check of an evaluation as a check of the defence that was evaluated."""

    check: SanityCheck

    def __call__(self, case: DefenseCase) -> str | None:
        try:
            record = self.check.run(case.context)
        except CounterspinError as error:
            return str(error)
        if record.status == "SKIP":
            raise Skipped(record.advice)
        return record.advice if record.status == "FAIL" else None


OF_AN_OBJECTIVE: dict[str, Callable[[DefenseCase], str | None]] = {
    "says what it is": _is_configuration,
    "its loss reaches the weights": _reaches_weights,
    "its loss leaves model, samples and random state alone": _untouched,
    "its loss is reproducible": _reproducible,
    "interrupted training resumes bit by bit": _resumes,
}

OF_A_CLASSIFIER: dict[str, Callable[[DefenseCase], str | None]] = {
    "the defended model is a classifier": _is_a_classifier,
    "shows the undefended classifier": _shows_the_undefended,
    "still classifies": _still_classifies,
    "gradients, or what stands for them, are there": _can_be_attacked,
    "gradients are slopes (S17)": _Sane(check=GradientsAgree()),
    "one step finds nothing that many miss (S06)": _Sane(check=OneStepBelowIterative()),
    "random draws find nothing that gradients miss (S05)": _Sane(check=RandomBelowGuided()),
    "gradient-free attacks find nothing that gradients miss (S07)": _Sane(check=GradientFreeBelowWhiteBox()),
    "points from undefended and surrogate models find nothing new (S08)": _Sane(check=TransferBelowWhiteBox()),
    "success does not hang on the loss (S20)": _Sane(check=SameSuccessByLoss()),
    "an unlimited budget breaks everything (S10)": _Sane(check=UnboundedBudget()),
}
