"""The checks of `check_attack`, each of which says what is wrong or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks import Attack, AttackResult
from counterspin.attacks.ball import Ball
from counterspin.attacks.verdict import margins
from counterspin.errors import ConditionsError, InputError
from counterspin.evaluation.conformance.report import Skipped
from counterspin.evaluation.conformance.reproducible import foreign_randomness
from counterspin.evaluation.conformance.watching import watched
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["BUDGETS", "OF_THE_ATTACK", "ONCE", "PER_THREAT", "Case"]

# Two budgets per norm, far enough apart that the second breaks more.
BUDGETS = {"linf": (0.05, 0.15), "l2": (0.1, 0.3), "l1": (0.15, 0.45), "l0": (1.0, 2.0)}

_SLACK = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """An attack, and what it is checked on.

    Args:
        attack: the attack.
        model: what it attacks.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        seed: seed of the generators.
        known: results of plain runs by threat, so that each is run once.
    """

    attack: Attack
    model: Any
    x: Tensor
    y: Tensor
    seed: int
    known: dict[ThreatModel, AttackResult] = field(default_factory=dict)

    def run(self, threat: ThreatModel, **changes: Any) -> AttackResult:
        """The attack from a fresh generator, with another attack, model, x or y where given."""
        # Copies go in: a broken attack may write into what it gets.
        parts = {"attack": self.attack, "model": self.model, "x": self.x.clone(), "y": self.y.clone(), **changes}
        generator = torch.Generator().manual_seed(self.seed)
        return parts["attack"](parts["model"], parts["x"], parts["y"], threat, generator=generator)

    def result(self, threat: ThreatModel) -> AttackResult:
        """The plain run under `threat`."""
        if threat not in self.known:
            self.known[threat] = self.run(threat)
        return self.known[threat]


def _json(case: Case) -> str | None:
    attack, config = case.attack, case.attack.config
    if json.loads(json.dumps(config, allow_nan=False)) != json.loads(json.dumps(config)):
        return "config changes on its way through JSON"
    missing = [f.name for f in fields(attack) if f.name not in config]
    return f"config lacks {', '.join(missing)}" if missing or "name" not in config else None


def _hashable(case: Case) -> str | None:
    attack, twin = case.attack, replace(case.attack)
    return None if twin == attack and hash(twin) == hash(attack) else "a copy is not equal, or hashes otherwise"


def _reproducible(case: Case, threat: ThreatModel) -> str | None:
    def same(first: AttackResult, second: AttackResult) -> bool:
        return torch.equal(first.x_adv, second.x_adv) and torch.equal(first.success, second.success)

    return foreign_randomness(lambda: case.run(threat), same)


def _admissible(case: Case, threat: ThreatModel) -> str | None:
    result, clean = case.result(threat), case.x.double()
    if not bool(torch.isfinite(result.x_adv).all()):
        return "x_adv holds NaN or infinite values"
    box = case.model.bounds if threat.box == "data" else Box.unbounded(clean.shape[1])
    for radius, x_adv in zip(threat.radii(clean), result.x_adv, strict=True):
        delta = x_adv - clean
        if bool((threat.size(delta) > radius * (1 + _SLACK) + _SLACK).any()):
            return f"a point is {float((threat.size(delta) / radius).max()):.3g} times as far away as the budget allows"
        if not bool(box.contains(x_adv, tolerance=_SLACK).all()):
            return "a point leaves the box"
        if threat.mask is not None and bool((delta[:, ~torch.tensor(threat.mask)] != 0).any()):
            return "a feature that the mask forbids was changed"
        for group in threat.groups:
            own, listed = list(group.features), torch.tensor(group.values, dtype=torch.float64)
            fits = (x_adv[:, None, own] == listed).all(dim=2).any(dim=1)
            if not bool((fits | (delta[:, own] == 0).all(dim=1)).all()):
                return "a discrete feature has a value that is neither listed nor its own"
    return None


def _verdict(case: Case, threat: ThreatModel) -> str | None:
    result = case.result(threat)
    targets = threat.targets(case.y)
    for budget in result.budgets:
        broken = (margins(case.model, budget.x_adv.double(), case.y, targets) <= 0) & result.correct
        if not torch.equal(broken, budget.success):
            return f"success differs from the float64 verdict in {int((broken ^ budget.success).sum())} samples"
        size = threat.size(budget.x_adv - case.x.double())
        if not torch.allclose(budget.distance[broken], size[broken], rtol=1e-9, atol=1e-9):
            return "distance is not the norm of the change"
        if bool(torch.isfinite(budget.distance[~broken]).any()):
            return "distance is finite where the attack failed"
    lost = result.success[:-1] & ~result.success[1:]
    return "a sample broken at a smaller budget stands at a larger one" if bool(lost.any()) else None


def _best_point(case: Case, threat: ThreatModel) -> str | None:
    spy, model, watch = watched(case.attack, case.model)
    result, clean = case.run(threat, attack=spy, model=model), case.x.double()
    if not watch.points:
        raise Skipped("it did not call the model on the inputs it proposes")
    points = torch.cat(watch.points)
    box = case.model.bounds if threat.box == "data" else Box.unbounded(clean.shape[1])
    ball = Ball.around(clean, threat.radii(clean)[-1], threat.norm, box, threat.constraints)
    inside = torch.stack([ball.take(torch.full((len(points),), row)).contains(points) for row in range(len(clean))])
    # A point that lies in the balls of several samples may have been meant for any of them.
    owner = inside.to(torch.uint8).argmax(dim=0)
    points, owner = (values[inside.sum(dim=0) == 1] for values in (points, owner))
    if len(points) == 0:
        raise Skipped("its queries cannot be told apart; give samples that lie farther apart")
    targets = threat.targets(case.y)
    breaking = margins(case.model, points, case.y[owner], None if targets is None else targets[owner]) < -_SLACK
    lost = torch.zeros_like(result.correct)
    lost[owner[breaking]] = True
    lost &= result.correct & ~result.success[-1]
    return (
        f"it asked about points that break samples {lost.nonzero()[:, 0].tolist()} and lost them"
        if lost.any()
        else None
    )


def _cost(case: Case, threat: ThreatModel) -> str | None:
    spy, model, watch = watched(case.attack, case.model)
    result = case.run(threat, attack=spy, model=model)
    if watch.asked > watch.counted:
        return f"it asked the model about {watch.asked} rows and {watch.counted} were counted; ask through the oracle"
    spent = result.cost.forwards + result.cost.circuits
    return "it found adversarial inputs at no cost" if spent == 0 and bool(result.success.any()) else None


def _left_alone(case: Case, threat: ThreatModel) -> str | None:
    result = case.result(threat)
    wrong = ~result.correct
    moved = (result.x_adv != case.x.double()).any(dim=2)
    if bool((moved & wrong).any()) or bool((result.success & wrong).any()):
        return "a misclassified sample was attacked"
    y = (case.y + 1) % case.model.classes
    right = margins(case.model, case.x.double(), y) > 0
    if bool(right.any()) or threat.target is not None:
        return None
    idle = case.run(threat, y=y)
    return "it asks about samples none of which is classified correctly" if idle.cost.forwards else None


def _restores(case: Case, threat: ThreatModel) -> str | None:
    model, x, y = case.model, case.x.clone(), case.y.clone()
    if not isinstance(model, nn.Module):
        raise Skipped("the model is no torch module")
    modes, flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    try:
        model.train()
        for place, parameter in enumerate(model.parameters()):
            parameter.requires_grad_(place % 2 == 0 and parameter.is_floating_point())
        expected = [p.requires_grad for p in model.parameters()]
        case.run(threat, x=x, y=y)
        if not all(module.training for module in model.modules()):
            return "the model was left in evaluation mode"
        if [p.requires_grad for p in model.parameters()] != expected:
            return "requires_grad of a parameter was left changed"
        if any(p.grad is not None for p in model.parameters()):
            return "a parameter was left with a gradient"
    finally:
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        for parameter, flag in zip(model.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)
    return None if torch.equal(x, case.x) and torch.equal(y, case.y) else "the inputs were changed in place"


def _refuses(case: Case, threat: ThreatModel) -> str | None:
    bad = case.x.clone()
    bad[0, 0] = torch.nan
    cases: list[tuple[str, type[Exception], dict[str, Any], ThreatModel]] = [
        ("NaN input", InputError, {"x": bad}, threat)
    ]
    for norm in BUDGETS:
        if norm not in case.attack.norms:
            other = ThreatModel(norm=norm, eps=BUDGETS[norm])
            cases.append((f"norm {norm}, which it does not name", ConditionsError, {}, other))
    for what, expected, changes, asked in cases:
        _, model, watch = watched(case.attack, case.model)
        try:
            case.run(asked, model=model, **changes)
        except expected:
            if watch.calls:
                return f"{what} is refused only after the model was asked"
        else:
            return f"{what} is not refused"
    return None


def _one_sample(case: Case, threat: ThreatModel) -> str | None:
    row = case.run(threat, x=case.x[-1:].float(), y=case.y[-1:])
    return (
        None if row.x_adv.dtype == torch.float64 and row.x_adv.shape[1] == 1 else "x_adv is not float64 (budgets, 1, d)"
    )


OF_THE_ATTACK: dict[str, Callable[[Case], str | None]] = {
    "configuration is JSON": _json,
    "equal configurations are equal and hash alike": _hashable,
}
PER_THREAT: dict[str, Callable[[Case, ThreatModel], str | None]] = {
    "stays in ball, box and mask": _admissible,
    "success is the float64 verdict": _verdict,
    "never loses a point that breaks": _best_point,
}
ONCE: dict[str, Callable[[Case, ThreatModel], str | None]] = {
    "reproducible from the seed": _reproducible,
    "every query is counted": _cost,
    "leaves misclassified samples alone": _left_alone,
    "restores modes, flags and inputs": _restores,
    "refuses before any compute": _refuses,
    "takes one float32 sample": _one_sample,
}
