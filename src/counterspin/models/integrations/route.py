"""How a model the user brought became one of ours: what is said to the user about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from counterspin.types import Classifier

__all__ = ["GradientCheck", "Route"]


@dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """A model's gradient against central differences of its values, along random directions.

    Args:
        passed: whether they agree; None: there is no gradient to check.
        cosine: smallest cosine, over the values, between what the gradient says along the directions and the central
            differences; None where nothing was compared.
        message: one sentence.
    """

    passed: bool | None
    cosine: float | None
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """Where a model comes from and how its scores are computed.

    Args:
        kind: what the user gave, for example `"pennylane.QNode"`, `"torch.Module"` or `"callable"`.
        route: `"imported"`: its circuit was read and runs here; `"wrapped"`: its own library computes; `"native"`: it
            was a classifier already.
        reason: one sentence: what was read, or why it could not be imported.
        repairs: what was mended, one sentence each.
        gradient_check: of the model that was taken; None: native models are not checked.
        home: the model as its own library computes it, as class scores; None where there is no other library.
        space: in which space a budget lives, for example `"features as given"`.
        asked: what the user said besides the bounds that changes the model: the class above the threshold, a black box.
    """

    kind: str
    route: str
    reason: str
    repairs: tuple[str, ...]
    gradient_check: GradientCheck | None
    home: Classifier | None
    space: str
    asked: Mapping[str, int | str] = field(default_factory=dict)
