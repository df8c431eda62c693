"""Deterministic stratified splits."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from counterspin.errors import UsageError

__all__ = ["VALIDATION_SHARE", "SplitIndices", "stratified_splits"]

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
