"""A box as JSON values, for the configuration of a saved model."""

from typing import Any

import torch

from counterspin.types import Box

__all__ = ["box_from_json", "box_to_json"]


def box_to_json(box: Box) -> dict[str, Any]:
    """Bounds as lists of numbers; `null` where a feature has none, since JSON knows no infinity."""
    return {
        "lower": [None if value == -torch.inf else value for value in box.lower.tolist()],
        "upper": [None if value == torch.inf else value for value in box.upper.tolist()],
        "periodic": box.periodic.tolist(),
    }


def box_from_json(values: dict[str, Any]) -> Box:
    """The box `box_to_json` wrote.

    Example:
        >>> box_from_json(box_to_json(Box.unbounded(2))).is_unbounded
        True
    """
    lower = [-torch.inf if value is None else value for value in values["lower"]]
    upper = [torch.inf if value is None else value for value in values["upper"]]
    return Box(
        torch.tensor(lower, dtype=torch.float64),
        torch.tensor(upper, dtype=torch.float64),
        torch.tensor(values["periodic"], dtype=torch.bool),
    )
