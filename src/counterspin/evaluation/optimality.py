"""How near an attack comes to the best distances known: one number per attack, 0 for useless and 1 for best."""

from collections.abc import Mapping

import torch
from torch import Tensor

from counterspin.attacks import AttackResult
from counterspin.errors import InputError, UsageError
from counterspin.threats import ThreatModel

__all__ = ["optimality", "optimality_scores"]

# An exact distance carries the rounding of its solver; an attack below it by more than this is a mistake somewhere.
_ROUNDING = 1e-5


def optimality(distance: Tensor, best: Tensor, correct: Tensor, largest: float) -> float | None:
    r"""Optimality of an attack, from the distances at which it breaks each sample.

    .. math:: 1 - \frac{\overline{\min(d, D)} - \overline{\min(d^*, D)}}{\mathrm{acc} \cdot D - \overline{\min(d^*, D)}}

    with :math:`d = d^* = 0` for misclassified samples. The mean of :math:`\min(d, D)` is the area under the curve of
    robust accuracy against the budget from 0 to D (after Cinà et al., arXiv:2404.19460). That curve is a step
    function, so the area is this sum of its steps, exactly; a trapezoid between a few budgets would give a point to an
    attack that always fails.

    Args:
        distance: of the attack's adversarial input `(batch,)`; infinite where it failed.
        best: the smallest distance any attack reached, or the exact one `(batch,)`; infinite where there is none.
        correct: samples classified correctly before the attack `(batch,)`, bool.
        largest: D, the largest distance that counts, in the units of the distances.

    Returns:
        1 for an attack that is best on every sample, 0 for one that always fails; None where nothing at all is broken
        within D, so that there is nothing to be measured against.

    Raises:
        InputError: shapes that differ, distances that are negative or NaN, or an attack below the best distance.
        UsageError: a largest distance that is not a number above 0.

    Example:
        >>> best, correct = torch.tensor([0.1, 0.3]), torch.tensor([True, True])
        >>> round(optimality(torch.tensor([0.2, torch.inf]), best, correct, largest=0.5), 6)
        0.5
    """
    _check(distance, best, correct, largest)
    reached, ideal = (
        float(torch.where(correct, values.to(torch.float64).clamp(max=largest), 0.0).mean())
        for values in (torch.maximum(distance, best), best)
    )
    hopeless = largest * float(correct.to(torch.float64).mean())
    # The same sum in another order: what is not broken anywhere differs from 0 by rounding only.
    span = hopeless - ideal
    return None if span <= 1e-12 * largest else 1.0 - (reached - ideal) / span


def optimality_scores(
    results: Mapping[str, AttackResult], x: Tensor, threat: ThreatModel, *, exact: Tensor | None = None
) -> dict[str, float | None]:
    """Optimality of each attack of an evaluation, in the units of the threat, up to its largest budget.

    An attack at fixed budgets breaks a sample at the distance of the first adversarial input it found, which need not
    be near the boundary: such attacks score low by design, minimum-norm attacks high.

    Args:
        results: attack results by name, all on `x`.
        x: clean inputs `(batch, features)`.
        threat: norm, units and budgets.
        exact: exact distances in feature units `(batch,)`, infinite where nothing flips; None: the best of all attacks.

    Raises:
        InputError: as `optimality`.
    """
    if not results:
        return {}
    scale = threat.scale(x.to(torch.float64))
    distances = {name: result.distance.amin(dim=0) / scale for name, result in results.items()}
    best = torch.stack(list(distances.values())).amin(dim=0) if exact is None else exact / scale
    correct = next(iter(results.values())).correct
    return {name: optimality(found, best, correct, threat.eps[-1]) for name, found in distances.items()}


def _check(distance: Tensor, best: Tensor, correct: Tensor, largest: float) -> None:
    if distance.ndim != 1 or len(distance) == 0 or not distance.shape == best.shape == correct.shape:
        raise InputError(
            f"distance {tuple(distance.shape)}, best {tuple(best.shape)} and correct {tuple(correct.shape)} must share "
            "one shape (batch,), with at least one sample."
        )
    for name, values in (("distance", distance), ("best", best)):
        if not bool((values >= 0).all()):
            raise InputError(f"{name} holds negative or NaN values; distances are 0 or more, infinite where none.")
    if not 0 < largest < float("inf"):
        raise UsageError(f"largest is {largest}; give the largest distance that counts, a number above 0.")
    below = (correct & (distance < best * (1 - _ROUNDING))).nonzero()[:, 0]
    if len(below):
        row = int(below[0])
        raise InputError(
            f"distance is below best in {len(below)} samples (first: sample {row}, {float(distance[row]):.6g} against "
            f"{float(best[row]):.6g}); best must be the smallest distance known."
        )
