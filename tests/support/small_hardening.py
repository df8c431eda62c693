"""A hardening of a small recipe with audits that are left out, and a defence that interrupts itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from counterspin import recipes
from counterspin.defenses.training.registry import parse
from counterspin.evaluation.hardening import HardenSettings, HardenTask, harden_config, recipe_trainee
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.subject import Subject
from counterspin.training import CrossEntropyObjective

__all__ = ["Interrupted", "Plain", "task_of", "weights_of"]


@dataclass(frozen=True, kw_only=True)
class Plain:
    """No defence at all, as a part."""

    name: ClassVar[str] = "plain"
    kind: ClassVar[str] = "core"
    loss: Any = field(default_factory=CrossEntropyObjective)

    def check(self, model, threat):
        return None

    def to_json(self):
        return {"name": self.name}

    def __call__(self, model, x, y, step):
        return self.loss(model, x, y, step)


@dataclass(frozen=True)
class Interrupted:
    """Another defence whose user presses Ctrl-C at the beginning of an epoch; its repr is that of the other."""

    inner: Any
    epoch: int
    pressed: list = field(default_factory=list)

    name: ClassVar[str] = "interrupted"
    kind: ClassVar[str] = "core"

    def __repr__(self):
        return repr(self.inner)

    def check(self, model, threat):
        return None

    def to_json(self):
        return self.inner.to_json()

    def __call__(self, model, x, y, step):
        if step.epoch == self.epoch and not self.pressed:
            self.pressed.append(True)
            raise KeyboardInterrupt
        return self.inner(model, x, y, step)


def weights_of(model) -> torch.Tensor:
    """All weights in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _never(model, label, name):
    raise AssertionError(f"{label} was audited")


@contextmanager
def task_of(
    directory, parts: Any = "pgd-at:steps=2", *, recipe: str = "cancer-angle", said: list | None = None, **settings
):
    """A task of `recipe` on 20 samples in `directory`; its audits must not be asked for."""
    trainee = recipe_trainee(recipe, seed=settings.get("seed", 0))
    settings = HardenSettings(**{"tier": "quick", "epochs": 3, "zero": False} | settings)
    threat = recipes.get(recipe).threat
    subject = Subject.checked(
        trainee.stand_in, trainee.dataset.test.x[:20], trainee.dataset.test.y[:20], threat, model_card={"name": recipe}
    )
    parts = parse(parts, threat) if isinstance(parts, str) else tuple(parts)
    with RunStore(directory, harden_config(trainee, parts, subject, threat, settings)) as store:
        yield HardenTask(
            trainee=trainee,
            parts=parts,
            threat=threat,
            settings=settings,
            subject=subject,
            directory=directory,
            store=store,
            audit=_never,
            progress=lambda *what: None if said is None else said.append(what),
        )
