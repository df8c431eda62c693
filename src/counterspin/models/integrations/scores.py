"""From the raw values of a foreign model to class scores, the same for the wrapped model and the imported one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from counterspin.circuits import Linear
from counterspin.errors import ModelError, UsageError
from counterspin.models.integrations.reading import Values
from counterspin.types import Outputs

__all__ = ["ScoreMap", "score_map"]

# Rows of probabilities sum to 1 up to float32 rounding over many classes.
_SUM = 1e-4
_BEYOND = 1e-6


@dataclass(frozen=True, kw_only=True)
class ScoreMap:
    r"""How raw values become class scores; the largest score wins.

    * labels: one-hot scores;
    * one probability p, threshold 1/2: `(1 - p, p)`;
    * one other value v: `(-(v - t)/2, (v - t)/2)`, so that the margin of the class above the threshold is `v - t`;
    * two values or more: as they are.

    Args:
        values: what the raw values are.
        count: number of raw values per sample.
        classes: number of class scores.
        above: the class of a single value above the threshold, 0 or 1.
        threshold: t, of a single value.
        outputs: what the scores are.

    Example:
        >>> one = ScoreMap(values="expectations", count=1, classes=2, above=0, threshold=0.25, outputs="logits")
        >>> one(torch.tensor([[0.75]])).tolist()
        [[0.25, -0.25]]
    """

    values: Values
    count: int
    classes: int
    above: int = 1
    threshold: float = 0.0
    outputs: Outputs

    @property
    def differentiable(self) -> bool:
        """Whether scores follow the values smoothly: labels do not."""
        return self.values != "labels"

    def linear(self) -> Linear | None:
        """The map as a linear head, float64; None: values are the scores.

        Raises:
            ModelError: labels, which no linear head makes scores of.
        """
        if not self.differentiable:
            raise ModelError(
                "class labels are no linear function of measured values: such a model can be wrapped only."
            )
        if self.count > 1:
            return None
        if self.outputs == "probabilities":
            weight, bias = [-1.0, 1.0], [1.0, 0.0]
        else:
            weight, bias = [-0.5, 0.5], [self.threshold / 2, -self.threshold / 2]
        rows = [1, 0] if self.above == 0 else [0, 1]
        tensors = (torch.tensor(part, dtype=torch.float64)[rows] for part in (weight, bias))
        weight_column, bias_column = tensors
        return Linear(weight_column[:, None], bias_column)

    def __call__(self, raw: Tensor) -> Tensor:
        """Scores `(batch, classes)` of raw values `(batch, count)`, in their dtype.

        Raises:
            ModelError: values of another shape, or labels that are no classes.
        """
        if raw.ndim != 2 or raw.shape[1] != self.count:
            raise ModelError(
                f"model returned {tuple(raw.shape)}; it returned {self.count} values per sample when it was wrapped."
            )
        if self.values == "labels":
            return self._one_hot(raw[:, 0])
        head = self.linear()
        return raw if head is None else raw @ head.weight.to(raw).T + head.bias.to(raw)

    def _one_hot(self, labels: Tensor) -> Tensor:
        whole = labels.round()
        bad = ~((whole == labels) & (whole >= 0) & (whole < self.classes))
        if bool(bad.any()):
            raise ModelError(
                f"model returned label {float(labels[bad][0]):g}; it has {self.classes} classes, labels 0 to "
                f"{self.classes - 1}. Number the classes from 0, or pass classes=."
            )
        return torch.nn.functional.one_hot(whole.long(), self.classes).to(labels)


def score_map(
    raw: Tensor,
    values: Values,
    *,
    classes: int | None = None,
    outputs: Outputs | None = None,
    above: int | None = None,
    threshold: float | None = None,
) -> ScoreMap:
    """The map for a model with these raw values.

    Args:
        raw: values of some samples `(samples, count)`.
        values: what the model says they are.
        classes: number of classes; None: 2 for a single value, the largest label seen plus 1 for labels, otherwise the
            number of values.
        outputs: what the user says the raw values are; None: `values`.
        above: the class of a single value above the threshold; None: 1.
        threshold: of a single value; None: 1/2 for a probability, otherwise 0.

    Raises:
        ModelError: values that do not fit the number of classes, or are not what they are said to be.
        UsageError: a threshold or class of a single value where there are more.

    Example:
        >>> score_map(torch.tensor([[0.25], [0.75]]), "probabilities")(torch.tensor([[0.25]])).tolist()
        [[0.75, 0.25]]
    """
    if raw.ndim != 2 or 0 in raw.shape:
        raise ModelError(f"model returned {tuple(raw.shape)}; return one row per sample, (batch,) or (batch, values).")
    if outputs is not None and outputs not in get_args(Outputs):
        raise UsageError(f"outputs is {outputs!r}; allowed: {', '.join(get_args(Outputs))}.")
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"threshold is {threshold}; give a finite number.")
    count = raw.shape[1]
    if values == "labels":
        _refuse_single(above, threshold, "class labels")
        _refuse_labels(raw, classes)
        found = max(2, int(raw.max()) + 1)
        known = found if classes is None else classes
        return ScoreMap(values=values, count=_one(count), classes=known, outputs="logits")
    said: Values = outputs or values
    if count > 1:
        _refuse_single(above, threshold, f"{count} values per sample")
        if classes not in (None, count):
            raise ModelError(f"model returns {count} values per sample and classes is {classes}; one value per class.")
        return ScoreMap(values=said, count=count, classes=count, outputs=_checked(raw, said))
    if classes not in (None, 2):
        raise ModelError(f"model returns a single value per sample, which decides 2 classes; classes is {classes}.")
    if above not in (None, 0, 1):
        raise UsageError(f"above is {above}; a single value decides between classes 0 and 1.")
    probability = said == "probabilities"
    if probability and bool(((raw < -_BEYOND) | (raw > 1 + _BEYOND)).any()):
        raise ModelError(
            f"model says it returns a probability, and gave {float(raw.min()):.3g} to {float(raw.max()):.3g}; pass "
            "outputs='logits'."
        )
    middle = 0.5 if probability else 0.0
    limit = middle if threshold is None else float(threshold)
    return ScoreMap(
        values=said,
        count=1,
        classes=2,
        above=1 if above is None else above,
        threshold=limit,
        outputs="probabilities" if probability and limit == middle else "logits",
    )


def _checked(raw: Tensor, said: Values) -> Outputs:
    """What several raw values are; those that are not what they are said to be count as logits."""
    if said == "probabilities":
        inside = bool(((raw >= -_BEYOND) & (raw <= 1 + _BEYOND)).all())
        return "probabilities" if inside and float((raw.sum(dim=1) - 1).abs().max()) <= _SUM else "logits"
    if said == "expectations":
        return "expectations" if bool((raw.abs() <= 1 + _BEYOND).all()) else "logits"
    return "logits"


def _refuse_single(above: int | None, threshold: float | None, what: str) -> None:
    if above is not None or threshold is not None:
        raise UsageError(f"above and threshold are for a model with a single output; this one returns {what}.")


def _refuse_labels(raw: Tensor, classes: int | None) -> None:
    low, high = float(raw.min()), float(raw.max())
    if low < 0:
        raise ModelError(
            f"model returns labels from {low:g} to {high:g}; number the classes from 0, for example by "
            "numpy.searchsorted(labels, ...)."
        )
    if low >= 1 and high >= 2 and classes is None:
        raise ModelError(
            f"model returns labels {low:g} to {high:g} for the samples in x and never 0: where they are numbered from "
            "1, subtract 1; where class 0 does not occur among these samples, pass classes=."
        )


def _one(count: int) -> int:
    if count != 1:
        raise ModelError(f"model returns {count} labels per sample; return one class number per sample.")
    return count
