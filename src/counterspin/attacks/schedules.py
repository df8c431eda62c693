"""How step sizes fall over the steps of an attack."""

import math

__all__ = ["cosine"]


def cosine(first: float, last: float, step: int, steps: int) -> float:
    r"""Value at `step` of a half cosine from `first` (step 0) to `last` (the last of `steps` steps).

    .. math:: v_t = v_T + \tfrac12 (v_0 - v_T)\bigl(1 + \cos(\pi t / (T - 1))\bigr)

    Example:
        >>> [round(cosine(1.0, 0.0, step, 3), 3) for step in range(3)]
        [1.0, 0.5, 0.0]
    """
    return last + 0.5 * (first - last) * (1 + math.cos(math.pi * step / max(1, steps - 1)))
