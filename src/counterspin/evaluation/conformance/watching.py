"""A model that remembers what it was asked, and an attack that says when it is asking."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks import Attack
from counterspin.attacks.ball import Ball
from counterspin.attacks.oracle import Oracle
from counterspin.types import Box, Classifier, Outputs

__all__ = ["Probe", "Watch", "watched"]


class Probe(nn.Module):
    """Three classes on the box [0, 1]^4 with curved boundaries: what an attack is checked on by default."""

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True
    classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.bounds = Box.uniform(0.0, 1.0, features=4)
        generator = torch.Generator().manual_seed(7)
        self.inner = nn.Parameter(torch.randn(8, 4, generator=generator))
        self.outer = nn.Parameter(torch.randn(3, 8, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, 3)`."""
        return torch.sin(3.0 * (x - 0.5) @ self.inner.to(x).T) @ self.outer.to(x).T


@dataclass(eq=False, kw_only=True)
class Watch:
    """What happened inside and outside of `_run`.

    Args:
        calls: rows the model was asked about at any time.
        asked: rows asked about within `_run`.
        counted: forwards the oracle counted there.
        points: the points asked about there, float64, one tensor per call.
    """

    calls: int = 0
    asked: int = 0
    counted: int = 0
    points: list[Tensor] = field(default_factory=list)
    inside: bool = False

    def saw(self, x: Tensor) -> None:
        """Note a call of the model."""
        self.calls += len(x)
        if self.inside:
            self.asked += len(x)
            self.points.append(x.detach().double().clone())


class _Watched(nn.Module):
    """The model itself, but for the notes; every other attribute is the model's own."""

    def __init__(self, model: Classifier, watch: Watch) -> None:
        super().__init__()
        self.__dict__["_model"], self.__dict__["_watch"] = model, watch
        if isinstance(model, nn.Module):
            self.add_module("model", model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_model"], name)

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__["_watch"].saw(x)
        return self.__dict__["_model"](x)


def watched(attack: Attack, model: Classifier) -> tuple[Attack, Any, Watch]:
    """The same attack and model, and a watch that both keep."""
    watch, kind = Watch(), type(attack)

    def run(self: Attack, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        before, watch.inside = oracle.cost.forwards, True
        try:
            kind._run(self, oracle, start, ball, generator)
        finally:
            watch.inside = False
            watch.counted += oracle.cost.forwards - before

    # A subclass of the same name: its configuration and its random streams stay those of the attack.
    spy = type(kind.__name__, (kind,), {"_run": run, "__doc__": kind.__doc__})
    values = {f.name: getattr(attack, f.name) for f in fields(attack) if f.init}
    return spy(**values), _Watched(model, watch), watch
