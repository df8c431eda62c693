"""Several defences as one objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor

from counterspin.defenses.training.adversarial import Pointed
from counterspin.defenses.training.base import TrainingDefense
from counterspin.errors import UsageError
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["Around", "Composed", "View", "compose"]


@runtime_checkable
class View(Protocol):
    """A defence that changes what a model computes while it is trained."""

    def apply(self, model: Classifier, step: Step, /) -> Classifier:
        """The classifier that attack and loss see, attached to the weights of `model`.

        It is a torch module where `model` is one, so that an attack inside can freeze the weights.
        """
        ...


@runtime_checkable
class Around(Protocol):
    """A defence that minimises another objective made of the given one."""

    def around(self, objective: Objective, /) -> Objective:
        """The objective to minimise."""
        ...


@dataclass(frozen=True, kw_only=True)
class Composed:
    r"""The views around one core and regularisers.

    .. math:: L = L_{\mathrm{core}}(v(f)) + \sum_k R_k(v(f)), \qquad v = v_1 \circ v_2 \circ \dots

    Args:
        core: an objective that already has its classification loss.
        regularisers: added to it.
        views: the first is the outermost: it is applied to the model last.
    """

    core: Objective
    regularisers: tuple[Objective, ...] = ()
    views: tuple[View, ...] = ()

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()`."""
        seen = self._seen(model, step)
        return self._regularised(self.core(seen, x, y, step), seen, x, y, step)

    def points(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Where the core takes its loss `(batch, features)`: `x` for one that is not in two halves."""
        return self.core.points(self._seen(model, step), x, y, step) if isinstance(self.core, Pointed) else x

    def value(self, model: Classifier, x: Tensor, points: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` at `points`, for defences that hold them while they change the weights."""
        seen = self._seen(model, step)
        core = self.core
        value = core.value(seen, x, points, y, step) if isinstance(core, Pointed) else core(seen, x, y, step)
        return self._regularised(value, seen, x, y, step)

    def _seen(self, model: Classifier, step: Step) -> Classifier:
        for view in reversed(self.views):
            model = view.apply(model, step)
        return model

    def _regularised(self, value: Tensor, seen: Classifier, x: Tensor, y: Tensor, step: Step) -> Tensor:
        for regulariser in self.regularisers:
            value = value + regulariser(seen, x, y, step)
        return value


def compose(parts: Sequence[TrainingDefense]) -> Objective:
    """One objective of all parts; without a core it is the classification loss. Finishers play no part in it.

    Raises:
        UsageError: two cores, two losses, a part of no known kind, or a core with no place for the loss.

    Example:
        >>> compose(())
        CrossEntropyObjective()
    """
    kinds: dict[str, list[TrainingDefense]] = {
        kind: [] for kind in ("core", "loss", "regulariser", "view", "around", "finisher")
    }
    for part in parts:
        if part.kind not in kinds:
            raise UsageError(f"defence {part.name} is of the kind {part.kind!r}; kinds: {', '.join(kinds)}.")
        kinds[part.kind].append(part)
    for kind, why in (("core", "the objective itself"), ("loss", "the classification loss")):
        if len(kinds[kind]) > 1:
            first, second = (part.name for part in kinds[kind][:2])
            raise UsageError(f"{first} and {second} are both {why}; a training has one, leave one of them out.")
    loss = cast("Objective", kinds["loss"][0]) if kinds["loss"] else CrossEntropyObjective()
    core = _with_loss(kinds["core"][0], loss, bool(kinds["loss"])) if kinds["core"] else loss
    objective: Objective = core
    if kinds["regulariser"] or kinds["view"]:
        objective = Composed(
            core=core,
            regularisers=cast("tuple[Objective, ...]", tuple(kinds["regulariser"])),
            views=cast("tuple[View, ...]", tuple(sorted(kinds["view"], key=_outermost))),
        )
    for part in reversed(kinds["around"]):
        objective = cast("Around", part).around(objective)
    return objective


def _with_loss(core: Any, loss: Objective, given: bool) -> Objective:
    if not given:
        return core
    if "loss" not in getattr(core, "__dataclass_fields__", {}):
        raise UsageError(f"{core.name} contains no classification loss to replace; leave {cast('Any', loss).name} out.")
    return replace(core, loss=loss)


def _outermost(part: TrainingDefense) -> int:
    """Whoever reads a circuit sees it through those that change what it runs under, in any order of typing."""
    return -getattr(part, "order", 0)
