"""What a defence in training offers beyond being an objective, and how a list of them names it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from counterspin.errors import CapabilityError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Differentiable

__all__ = ["Entry", "HasNotes", "Kind", "TrainingDefense", "as_json", "check_differentiable"]

Kind = Literal["core", "loss", "regulariser", "view", "around", "finisher"]


@runtime_checkable
class TrainingDefense(Protocol):
    """One part of how a model is hardened while it is trained.

    Its `kind` says what it replaces when defences combine:

    * `"core"`: the objective itself; it has a field `loss`, the classification loss it is made of.
    * `"loss"`: an objective that takes the place of the core's `loss`.
    * `"regulariser"`: an objective added to the core.
    * `"view"`: `apply(model, step)` gives the classifier that everything inside sees.
    * `"around"`: `around(objective)` gives the objective that is minimised in place of the given one.
    * `"finisher"`: works after the training, and no part of the objective.

    Its repr is its configuration.

    Args:
        name: what users type.
        kind: one of `Kind`.
    """

    name: ClassVar[str]
    kind: ClassVar[str]

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse, before any compute, a model or a threat it cannot serve.

        Raises:
            CapabilityError: the model lacks something.
            ConditionsError: its method does not hold there.
            UsageError: the threat, or a budget beyond the box.
        """
        ...

    def to_json(self) -> dict[str, Any]:
        """Its name and every value it has."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A defence that has something to say about how it meets a model."""

    def notes(self, model: Any, /) -> tuple[str, ...]:
        """What holds for every number, one sentence each."""
        ...


@dataclass(frozen=True)
class Entry:
    """A defence as users find it.

    Args:
        name: what users type, before the first colon.
        summary: one line.
        build: the defence from what was typed behind the colon (option: text) and the threat. Text that is no
            `option=value` stands under `argument`.
        options: what may be set, and what it means in a few words.
        argument: the option that may be given without its name, as `manila` in `noise:ibm:manila`; empty: none.
    """

    name: str
    summary: str
    build: Callable[[dict[str, str], ThreatModel], TrainingDefense]
    options: Mapping[str, str] = field(default_factory=dict)
    argument: str = ""

    def to_json(self) -> dict[str, Any]:
        """Name, summary and options as JSON values."""
        return {
            "name": self.name,
            "summary": self.summary,
            "options": dict(self.options),
            "argument": self.argument or None,
        }


def as_json(value: Any) -> Any:
    """A configuration as JSON values: dataclasses by their fields and their name, or the kind where they have none.

    Example:
        >>> from counterspin.training import CrossEntropyObjective
        >>> as_json(CrossEntropyObjective())
        {'name': 'CrossEntropyObjective'}
    """
    if isinstance(value, ThreatModel):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        name = getattr(value, "name", type(value).__name__)
        return {"name": name} | {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def check_differentiable(name: str, model: Classifier) -> None:
    """Refuse a model whose inputs autograd does not reach.

    Raises:
        CapabilityError: it says so.
    """
    if isinstance(model, Differentiable) and not model.differentiable:
        raise CapabilityError(
            f"{name} follows the gradient with respect to the input, which {type(model).__name__} has not; "
            "train a differentiable model."
        )
