"""The checks of `check_certifier` that look at no attack: what every user of a certificate relies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.certificates import CertificateResult
from counterspin.errors import CapabilityError, ConditionsError, InputError
from counterspin.evaluation.conformance.certifier_case import CertifierCase
from counterspin.evaluation.conformance.report import Skipped
from counterspin.evaluation.conformance.reproducible import foreign_randomness
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["ONCE"]

# Searches may divide a batch otherwise than a sample alone: brackets of one radius, not equal numbers.
_ALONE = 1e-3
_NORMS = ("linf", "l2", "l1", "l0")


def _reproducible(case: CertifierCase, threat: ThreatModel) -> str | None:
    def same(first: CertificateResult, second: CertificateResult) -> bool:
        return torch.equal(first.radius_lower, second.radius_lower) and torch.equal(first.exact, second.exact)

    return foreign_randomness(lambda: case.run(threat), same)


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


ONCE: dict[str, Callable[[CertifierCase, ThreatModel], str | None]] = {
    "reproducible from the seed": _reproducible,
    "does not depend on the batch": _alone,
    "takes one float32 sample": _single,
    "restores modes, flags and inputs": _restores,
    "refuses before any compute": _refuses,
}
