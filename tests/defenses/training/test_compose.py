"""Composition: what replaces what, in which order, and what does not go together."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from linear_training import linear_batch, linear_model, step_at
from torch import Tensor, nn

from counterspin.defenses.training.compose import Composed, compose
from counterspin.defenses.training.mixup import Mixup
from counterspin.defenses.training.pgd import PGDTraining
from counterspin.defenses.training.registry import parse
from counterspin.defenses.training.smoothed_labels import LabelSmoothing
from counterspin.errors import UsageError
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective

THREAT = Linf(0.05, 0.1, 0.15)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Anything a list may hold."""

    name: ClassVar[str] = "part"
    kind: str

    def check(self, model: Any, threat: Any) -> None:
        pass

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}


class Affine(nn.Module):
    """Scores times a factor plus an offset: order shows."""

    outputs, stochastic = "logits", False

    def __init__(self, body: Any, factor: float, offset: float) -> None:
        super().__init__()
        self.body, self.factor, self.offset = body, factor, offset
        self.bounds, self.classes = body.bounds, body.classes

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.factor + self.offset * torch.arange(self.classes)


@dataclass(frozen=True, kw_only=True)
class View(Part):
    kind: str = "view"
    factor: float = 1.0
    offset: float = 0.0

    def apply(self, model: Any, step: Any) -> Affine:
        return Affine(model, self.factor, self.offset)


@dataclass(frozen=True, kw_only=True)
class Norm(Part):
    kind: str = "regulariser"
    weight: float = 1.0

    def __call__(self, model: Any, x: Tensor, y: Tensor, step: Any, /) -> Tensor:
        return self.weight * model(x).square().mean()


def test_nothing_is_cross_entropy() -> None:
    assert compose(()) == CrossEntropyObjective()


def test_the_loss_replaces_that_of_the_core() -> None:
    core, loss = parse("pgd-at,label-smoothing:0.2", THREAT)
    composed = compose((loss, core))
    assert isinstance(composed, PGDTraining)
    assert composed.loss == LabelSmoothing(amount=0.2)
    assert compose((loss,)) == loss
    assert compose((core,)) is core


def test_sum_of_core_and_regularisers_through_the_views() -> None:
    model, (x, y) = linear_model(), linear_batch()
    double, shifted = View(factor=2.0), View(offset=0.5)
    composed = compose((double, Norm(weight=0.3), shifted, Norm(weight=0.1), Mixup()))
    seen = Affine(Affine(model, 1.0, 0.5), 2.0, 0.0)  # the first view is the outermost
    expected = Mixup()(seen, x, y, step_at()) + 0.4 * seen(x).square().mean()
    assert composed(model, x, y, step_at()).item() == pytest.approx(expected.item(), rel=1e-12)
    assert isinstance(composed, Composed)
    # A core that is not in halves has the clean inputs for points.
    assert torch.equal(composed.points(model, x, y, step_at()), x)
    halves = composed.value(model, x, x, y, step_at())
    assert halves.item() == pytest.approx(expected.item(), rel=1e-12)


def test_an_attack_sees_the_view() -> None:
    model, (x, y) = linear_model(), linear_batch()
    pgd = parse("pgd-at", THREAT)[0]
    turned = compose((View(factor=-1.0), pgd))
    assert isinstance(turned, Composed)
    there = turned.points(model, x, y, step_at()) - x
    here = pgd.points(model, x, y, step_at()) - x  # pyright: ignore[reportAttributeAccessIssue]
    torch.testing.assert_close(there, -here, atol=1e-12, rtol=0)


def test_weights_are_reached_and_flags_restored() -> None:
    model, (x, y) = linear_model(), linear_batch()
    objective = compose((View(factor=2.0), *parse("pgd-at,cvar:0.5,input-gradient,awp", THREAT)))
    objective(model, x, y, step_at()).backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_finishers_play_no_part() -> None:
    assert compose((Part(kind="finisher"),)) == CrossEntropyObjective()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pgd-at,trades", "pgd-at and trades are both the objective itself"),
        ("cvar,label-smoothing", "cvar and label-smoothing are both the classification loss"),
    ],
)
def test_what_does_not_go_together(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compose(parse(text, THREAT))


def test_odd_parts() -> None:
    with pytest.raises(UsageError, match="defence part is of the kind 'x'"):
        compose((Part(kind="x"),))
    with pytest.raises(UsageError, match="part contains no classification loss to replace; leave label-smoothing out"):
        compose((Part(kind="core"), LabelSmoothing()))


def test_views_that_read_a_circuit_see_it_through_those_that_change_it() -> None:
    typed = ("noise:depolarizing:0.01/gate", "shot-noise", "angle-noise")
    for order in (typed, typed[::-1]):
        found = compose(parse(",".join(order), THREAT))
        assert isinstance(found, Composed)
        assert [view.name for view in found.views] == ["shot-noise", "noise", "angle-noise"]  # pyright: ignore
