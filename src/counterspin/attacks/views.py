"""The same model with something added to its calls."""

from __future__ import annotations

from typing import Any, cast

from counterspin.errors import ModelError
from counterspin.types import Classifier

__all__ = ["view"]


def view(model: Classifier, behaviour: type, names: dict[str, Any]) -> Classifier:
    """A classifier with every capability and all attributes of `model`, and the methods of `behaviour` before its own.

    Capabilities are protocols, which are looked up in the class: only a subclass of the model's own class has exactly
    those of the model. The attributes are not copied but shared, so that weights, modes and caches stay one.

    Args:
        model: any classifier.
        behaviour: a class whose methods come first.
        names: further class attributes.

    Raises:
        ModelError: a model whose class cannot be extended.
    """
    kind = type(model)
    own = {**names, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    try:
        found = object.__new__(type(kind.__name__, (behaviour, kind), own))
        object.__setattr__(found, "__dict__", model.__dict__)
    except (TypeError, AttributeError) as error:
        raise ModelError(
            f"model ({kind.__name__}) cannot be watched ({error}); make it an ordinary class with a __call__."
        ) from error
    return cast("Classifier", found)
