"""Deterministic stratified splits."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from counterspin.errors import UsageError

__all__ = ["VALIDATION_SHARE", "SplitIndices", "held_back", "stratified_splits"]

VALIDATION_SHARE = 0.15


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitIndices:
    """Rows of each split, shuffled, disjoint, together every row once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def stratified_splits(y: np.ndarray, *, test: int, seed: int) -> SplitIndices:
    """Rows of the test split, then 15 % of the rest for validation, each with the class shares of the whole.

    The rows stay shuffled, so the first samples of a split are themselves a random draw.

    Args:
        y: class label of each row `(samples,)`.
        test: number of test samples.
        seed: decides the draw; the same seed gives the same split.

    Raises:
        UsageError: a negative seed, or a test size that leaves a split without a sample of each class.

    Example:
        >>> rows = stratified_splits(np.repeat([0, 1], 50), test=20, seed=0)
        >>> len(rows.train), len(rows.validation), len(rows.test)
        (68, 12, 20)
    """
    classes = len(np.unique(y))
    if seed < 0:
        raise UsageError(f"seed is {seed}; give a whole number from 0 upwards.")
    held_out = round(VALIDATION_SHARE * (len(y) - test))
    if test < classes or held_out < classes:
        raise UsageError(
            f"test is {test} of {len(y)} samples in {classes} classes; "
            "test and validation each need at least one sample per class."
        )
    rest, tested = train_test_split(np.arange(len(y)), test_size=test, stratify=y, random_state=seed)
    trained, validated = train_test_split(rest, test_size=held_out, stratify=y[rest], random_state=seed)
    return SplitIndices(train=np.asarray(trained), validation=np.asarray(validated), test=np.asarray(tested))


def held_back(y: Tensor, *, generator: torch.Generator) -> Tensor:
    """Which samples to keep from a training that has no validation split: 15 % of each class, at random.

    Args:
        y: class labels `(samples,)`.
        generator: decides the draw.

    Returns:
        True where a sample is held back `(samples,)`; a class of a single sample stays whole.

    Raises:
        UsageError: no class has two samples.

    Example:
        >>> away = held_back(torch.tensor([0] * 20 + [1] * 40), generator=torch.Generator().manual_seed(0))
        >>> int(away[:20].sum()), int(away[20:].sum())
        (3, 6)
    """
    away = torch.zeros(len(y), dtype=torch.bool)
    for label in y.unique():
        rows = (y == label).nonzero().squeeze(1)
        number = min(max(1, round(VALIDATION_SHARE * len(rows))), len(rows) - 1)
        away[rows[torch.randperm(len(rows), generator=generator)[:number]]] = True
    if not away.any():
        raise UsageError(
            f"y has {len(y)} samples and no class with two; give at least two of a class to hold one back."
        )
    return away
