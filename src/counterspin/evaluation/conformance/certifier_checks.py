"""The checks of `check_certifier` on radii and flips, each of which says what is wrong or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks.verdict import margins
from counterspin.certificates.base import Assumptions
from counterspin.evaluation.conformance.certifier_case import CertifierCase
from counterspin.evaluation.conformance.report import Skipped
from counterspin.threats import ThreatModel

__all__ = ["ONCE_ATTACKED", "OVER_ALL_THREATS", "PER_THREAT"]

# Relative: a flip is inside if it is nearer than the radius by more than rounding.
_SLACK = 1e-7
# An exact radius is known to so much.
_EXACT = 1e-6
_HALVINGS = 40


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
    inside = case.ball(threat, clean[finite], size * (1 + _SLACK)).contains(points, tolerance=_SLACK)
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
                inside = case.ball(threat, clean[row], size * (1 + _SLACK)).contains(points)
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


ONCE_ATTACKED: dict[str, Callable[[CertifierCase, ThreatModel], str | None]] = {
    "misclassified samples have radius 0": _zero,
    "shrinks to 0 at the boundary": _shrinks,
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
