"""The checks of `check_certifier`, each of which says what is wrong or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks.ball import Ball
from counterspin.attacks.verdict import margins
from counterspin.certificates import Certificate, CertificateResult
from counterspin.certificates.base import Assumptions
from counterspin.errors import CapabilityError, ConditionsError, InputError
from counterspin.evaluation.conformance.certifier_attacks import flips_near
from counterspin.evaluation.conformance.report import Skipped
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["FOR_EVERY_CERTIFICATE", "ONCE", "OVER_ALL_THREATS", "PER_THREAT", "CertifierCase"]

# Relative: a flip is inside if it is nearer than the radius by more than rounding.
_SLACK = 1e-7
# An exact radius is known to so much.
_EXACT = 1e-6
# Searches may divide a batch otherwise than a sample alone: brackets of one radius, not equal numbers.
_ALONE = 1e-3
_HALVINGS = 40
_NORMS = ("linf", "l2", "l1", "l0")


@dataclass(frozen=True, eq=False, kw_only=True)
class CertifierCase:
    """A certificate, and what it is checked on.

    Args:
        certifier: the certificate.
        model: what it certifies.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        seed: seed of the generators.
        known: results of plain runs by threat, so that each is run once.
        flips: what was found by threat: finder, sample indices, points.
    """

    certifier: Certificate
    model: Any
    x: Tensor
    y: Tensor
    seed: int
    known: dict[ThreatModel, CertificateResult] = field(default_factory=dict)
    flips: dict[ThreatModel, list[tuple[str, Tensor, Tensor]]] = field(default_factory=dict)

    def run(self, threat: ThreatModel, **changes: Any) -> CertificateResult:
        """The certificate from a fresh generator, with another model, x or y where given."""
        # Copies go in: a broken certificate may write into what it gets.
        parts = {"model": self.model, "x": self.x.clone(), "y": self.y.clone(), **changes}
        generator = torch.Generator().manual_seed(self.seed)
        return self.certifier(parts["model"], parts["x"], parts["y"], threat, generator=generator)

    def result(self, threat: ThreatModel) -> CertificateResult:
        """The plain run under `threat`."""
        if threat not in self.known:
            self.known[threat] = self.run(threat)
        return self.known[threat]

    def found(self, threat: ThreatModel) -> list[tuple[str, Tensor, Tensor]]:
        """Every flip that the attacks find near the certified balls of `threat`."""
        if self.model.stochastic:
            raise Skipped("the model is stochastic; no single query shows a flip")
        if threat not in self.flips:
            # The long attacks once per norm: they cost most, and a flip is held against every threat it fits.
            first = all(known.norm != threat.norm for known in self.flips)
            clean, result = self.x.double(), self.result(threat)
            found = flips_near(self.model, clean, self.y, threat, result, seed=self.seed, thorough=first)
            self.flips[threat] = list(found)
        return self.flips[threat]

    def standing(self) -> Tensor:
        """Margins of the samples `(batch,)` in float64."""
        return margins(self.model, self.x.double(), self.y)


def _ordered(case: CertifierCase, threat: ThreatModel) -> str | None:
    result = case.result(threat)
    lower, upper = result.radius_lower, result.radius_upper
    if lower.dtype != torch.float64 or lower.shape != case.y.shape or upper.shape != case.y.shape:
        return f"radii are {lower.dtype} {tuple(lower.shape)}; they must be float64 ({len(case.y)},)"
    if bool((torch.isnan(lower) | torch.isnan(upper) | (lower < 0)).any()):
        return "a radius is NaN or negative"
    if bool((lower > upper).any()):
        return "a lower radius exceeds its upper radius"
    open_ = result.exact & ~((upper - lower <= _EXACT * upper) | (torch.isinf(lower) & torch.isinf(upper)))
    return f"exact is claimed for {int(open_.sum())} brackets that are not closed" if bool(open_.any()) else None


def _zero(case: CertifierCase, threat: ThreatModel) -> str | None:
    result, wrong = case.result(threat), case.standing() <= 0
    if bool((result.radius_lower[wrong] != 0).any()):
        return "a misclassified or tied sample has a positive radius"
    # The other labels make misclassified samples of all others.
    y = (case.y + 1) % case.model.classes
    if threat.target is not None or bool((margins(case.model, case.x.double(), y) > 0).any()):
        return None
    return "a misclassified sample has a positive radius" if bool(case.run(threat, y=y).radius_lower.any()) else None


def _points(case: CertifierCase, threat: ThreatModel) -> str | None:
    result, clean = case.result(threat), case.x.double()
    finite = torch.isfinite(result.radius_upper) & (case.standing() > 0)
    if result.points is None:
        return None
    if result.points.shape != clean.shape:
        return f"points are {tuple(result.points.shape)}; they must be {tuple(clean.shape)}"
    targets, points = threat.targets(case.y), result.points[finite]
    lost = margins(case.model, points, case.y[finite], None if targets is None else targets[finite]) <= 0
    if not bool(lost.all()):
        return f"{int((~lost).sum())} points do not flip in float64"
    size = threat.size(points - clean[finite])
    if not torch.allclose(size, result.radius_upper[finite], rtol=1e-9, atol=1e-12):
        return "radius_upper is not the distance of the point"
    inside = _ball(case, threat, clean[finite], size * (1 + _SLACK)).contains(points, tolerance=_SLACK)
    return None if bool(inside.all()) else "a point leaves the box, or changes what mask or groups forbid"


def _unbroken(case: CertifierCase, threat: ThreatModel) -> str | None:
    return _violation(case, threat, case.found(threat))


def _across(case: CertifierCase, threats: Sequence[ThreatModel]) -> str | None:
    """A flip is a flip: what was found under one threat breaks the radius of any other that admits it."""
    clean = case.x.double()
    for threat in threats:
        for other in threats:
            if other is threat or other.target != threat.target:
                continue
            admitted = []
            for finder, row, points in case.found(other):
                size = threat.size(points - clean[row])
                inside = _ball(case, threat, clean[row], size * (1 + _SLACK)).contains(points)
                if bool(inside.any()):
                    admitted.append((f"{finder} under another threat", row[inside], points[inside]))
            wrong = _violation(case, threat, admitted)
            if wrong:
                return f"{threat.norm}, box {threat.box}: {wrong}"
    return None


def _shrinks(case: CertifierCase, threat: ThreatModel) -> str | None:
    """Next to a flip the radius is no larger than the way to it."""
    found = [(row, points) for _, row, points in case.found(threat)]
    if not found:
        raise Skipped("no flip was found near any radius")
    row, points = (torch.cat(parts) for parts in zip(*found, strict=True))
    first = torch.unique(row)
    flip = torch.stack([points[(row == one).nonzero()[0, 0]] for one in first])
    targets = threat.targets(case.y)
    y, goals = case.y[first], None if targets is None else targets[first]
    near = case.x.double()[first]
    # A discrete feature has no values between two of its own.
    for _ in range(0 if threat.groups or threat.norm == "l0" else _HALVINGS):
        middle = (near + flip) / 2
        lost = (margins(case.model, middle, y, goals) <= 0)[:, None]
        near, flip = torch.where(lost, near, middle), torch.where(lost, middle, flip)
    asked = threat if goals is None else replace(threat, target=tuple(goals.tolist()))
    lower = case.run(asked, x=near, y=y).radius_lower
    beyond = lower > threat.size(flip - near) * (1 + _SLACK)
    return (
        f"a radius exceeds the distance of a flip beside the sample ({int(beyond.sum())} samples)" * bool(beyond.any())
        or None
    )


def _assumed(case: CertifierCase, threat: ThreatModel) -> str | None:
    result = case.result(threat)
    if not isinstance(result.assumptions, Assumptions) or not all(result.assumptions.sentences):
        return "assumptions are missing or hold an empty sentence"
    boxed = threat.box == "data" and not case.model.bounds.is_unbounded
    if (result.assumptions.box == "none") == boxed:
        return f"assumptions say box {result.assumptions.box!r} and the threat has box {threat.box!r}"
    return None if result.method == case.certifier.name else f"method is {result.method!r}, not the certificate's name"


def _reproducible(case: CertifierCase, threat: ThreatModel) -> str | None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = case.run(threat)
        if not torch.equal(torch.get_rng_state(), before):
            return "it draws from torch's global generator; draw from the one it is given"
        torch.manual_seed(2)
        second = case.run(threat)
    same = torch.equal(first.radius_lower, second.radius_lower) and torch.equal(first.exact, second.exact)
    return None if same else "two runs from one seed differ; draw from the generator it is given and nothing else"


def _alone(case: CertifierCase, threat: ThreatModel) -> str | None:
    if case.certifier.stochastic:
        raise Skipped("a random certificate draws other numbers for another batch")
    if isinstance(threat.target, tuple):
        raise Skipped("the threat names one target per sample")
    result = case.result(threat)
    for row in range(len(case.y)):
        one = case.run(threat, x=case.x[row : row + 1], y=case.y[row : row + 1])
        if not torch.allclose(one.radius_lower, result.radius_lower[row : row + 1], rtol=_ALONE, atol=1e-9):
            both = f"{float(one.radius_lower):.6g} alone and {float(result.radius_lower[row]):.6g} in the batch"
            return f"sample {row} has radius {both}"
    return None


def _single(case: CertifierCase, threat: ThreatModel) -> str | None:
    if isinstance(threat.target, tuple):
        raise Skipped("the threat names one target per sample")
    rounded = case.x[-1:].float()
    row = case.run(threat, x=rounded, y=case.y[-1:])
    exact = case.run(threat, x=rounded.double(), y=case.y[-1:])
    same = torch.allclose(row.radius_lower, exact.radius_lower, rtol=1e-9, atol=1e-12)
    return None if same and row.radius_lower.dtype == torch.float64 else "float32 inputs are not computed in float64"


def _restores(case: CertifierCase, threat: ThreatModel) -> str | None:
    model, x, y = case.model, case.x.clone(), case.y.clone()
    if not isinstance(model, nn.Module):
        raise Skipped("the model is no torch module")
    modes, flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        case.run(threat, x=x, y=y)
        if modes != [m.training for m in model.modules()] or flags != [p.requires_grad for p in model.parameters()]:
            return "the model's mode or a parameter's requires_grad was left changed"
        if any(p.grad is not None for p in model.parameters()):
            return "a gradient was left on a parameter"
        if any(not torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items()):
            return "the model's weights were changed"
        return None if torch.equal(x, case.x) and torch.equal(y, case.y) else "it wrote into its inputs"
    finally:
        for parameter, flag in zip(model.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)


def _refuses(case: CertifierCase, threat: ThreatModel) -> str | None:
    bad = case.x.clone()
    bad[0, 0] = torch.nan
    cases: list[tuple[str, tuple[type[Exception], ...], dict[str, Any], ThreatModel]] = [
        ("NaN input", (InputError,), {"x": bad}, threat)
    ]
    for norm in _NORMS:
        if norm not in case.certifier.norms and (norm != "l0" or not threat.box == "none"):
            other = replace(threat, norm=norm, eps=(1.0,))
            cases.append((f"norm {norm}, which it does not name", (ConditionsError,), {}, other))
    if case.certifier.requires:
        bare = _Bare(case.model.bounds, case.model.classes)
        cases.append(("a model that lacks what it requires", (CapabilityError,), {"model": bare}, threat))
    if not case.certifier.stochastic:
        noisy = _Bare(case.model.bounds, case.model.classes)
        noisy.stochastic = True
        cases.append(("a stochastic model", (ConditionsError, CapabilityError), {"model": noisy}, threat))
    for what, expected, changes, asked in cases:
        try:
            case.run(asked, **changes)
        except expected:
            if getattr(changes.get("model"), "asked", False):
                return f"{what} is refused only after the model was asked"
        else:
            return f"{what} is not refused"
    return None


class _Bare:
    """A classifier with nothing but scores."""

    outputs = "logits"
    stochastic = False

    def __init__(self, bounds: Box, classes: int) -> None:
        self.bounds, self.classes, self.asked = bounds, classes, False

    def __call__(self, x: Tensor) -> Tensor:
        self.asked = True
        return torch.zeros(len(x), self.classes, dtype=x.dtype)


def _ball(case: CertifierCase, threat: ThreatModel, x: Tensor, radius: Tensor) -> Ball:
    box = case.model.bounds if threat.box == "data" else Box.unbounded(x.shape[1])
    return Ball.around(x, radius, threat.norm, box, threat.constraints)


def _violation(case: CertifierCase, threat: ThreatModel, flips: list[tuple[str, Tensor, Tensor]]) -> str | None:
    lower, clean = case.result(threat).radius_lower, case.x.double()
    worst, said = 1 - _SLACK, None
    for finder, row, points in flips:
        share = threat.size(points - clean[row]) / lower[row]
        # A misclassified sample has radius 0, inside which there is nothing.
        share = share.where(lower[row] > 0, torch.inf)
        nearest = int(share.argmin())
        if float(share[nearest]) < worst:
            worst, sample = float(share[nearest]), int(row[nearest])
            said = f"{finder} flips sample {sample} at {worst:.4f} of its certified radius {float(lower[sample]):.6g}"
    return said


FOR_EVERY_CERTIFICATE: dict[str, Callable[[CertifierCase, ThreatModel], str | None]] = {
    "misclassified samples have radius 0": _zero,
}
PER_THREAT: dict[str, Callable[[CertifierCase, ThreatModel], str | None]] = {
    "no attack succeeds inside a certified ball": _unbroken,
    "brackets are ordered and exact ones closed": _ordered,
    "points flip at the upper radius, inside box and mask": _points,
    "says what it assumes": _assumed,
}
OVER_ALL_THREATS: dict[str, Callable[[CertifierCase, Sequence[ThreatModel]], str | None]] = {
    "no flip of one threat lies inside a ball of another": _across,
}
ONCE: dict[str, Callable[[CertifierCase, ThreatModel], str | None]] = {
    "shrinks to 0 at the boundary": _shrinks,
    "reproducible from the seed": _reproducible,
    "does not depend on the batch": _alone,
    "takes one float32 sample": _single,
    "restores modes, flags and inputs": _restores,
    "refuses before any compute": _refuses,
}
