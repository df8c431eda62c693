"""Where a search for the nearest flip must look: the box of the threat, circles and features without bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.certificates.base import Task
from counterspin.certificates.score_polynomials import ScoreSpectrum

__all__ = ["SearchDomain", "search_domain"]

# Frequencies are multiples of a base, or a period a whole number of turns, up to this share.
_WHOLE = 1e-9
# Periods of the highest frequency that are searched where no common period is known.
_TURNS = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchDomain:
    """Steps of the active features that cover every admissible input.

    Args:
        low: lowest step `(batch, active)`, at most 0.
        high: highest step `(batch, active)`, at least 0.
        limit: distance `(batch,)` beyond which the domain says nothing; infinite where it covers everything.
        notes: what the limit rests on.
    """

    low: Tensor
    high: Tensor
    limit: Tensor
    notes: tuple[str, ...]

    def within(self, reach: Tensor, note: str) -> SearchDomain:
        """The part that holds every step of size `reach` `(batch,)`, positive, whatever the norm."""
        return SearchDomain(
            low=torch.maximum(self.low, -reach[:, None]),
            high=torch.minimum(self.high, reach[:, None]),
            limit=torch.minimum(self.limit, reach),
            notes=(*self.notes, note),
        )


def search_domain(spectrum: ScoreSpectrum, task: Task) -> SearchDomain:
    """The domain of each sample of `task`.

    A feature on a circle moves up to half its period either way. A feature without bounds is searched over a common
    period of its frequencies where there is one, and 16 periods of the highest frequency otherwise.
    """
    active = list(spectrum.features)
    x, box = task.x[:, active], task.box
    lower, upper = box.lower[active].to(x), box.upper[active].to(x)
    low, high = (lower - x).clamp(max=0), (upper - x).clamp(min=0)
    limit, notes = x.new_full((len(x),), torch.inf), []
    for place, feature in enumerate(active):
        spectrum_along = None if spectrum.frequencies is None else spectrum.frequencies[place]
        if bool(box.periodic[feature]):
            period = float(upper[place] - lower[place])
            if not _turns_wholly(spectrum_along, period):
                room = torch.minimum(-low[:, place], high[:, place])
                limit = torch.minimum(limit, room)
                notes.append(f"feature {feature} wraps where the scores jump: radii end at the nearer end of its range")
            low[:, place], high[:, place] = -period / 2, period / 2
            continue
        free = [bool(torch.isinf(end[place])) for end in (lower, upper)]
        if not any(free):
            continue
        common = _common_period(spectrum_along)
        reach = _TURNS * 2 * math.pi / float(spectrum.bandwidth[place]) if common is None else common
        if common is None:
            limit = limit.clamp(max=reach)
            notes.append(f"feature {feature} has no bounds and no common period: searched up to {reach:.3g} away")
        elif all(free):
            reach = reach / 2
        low[:, place] = low[:, place].clamp(min=-reach)
        high[:, place] = high[:, place].clamp(max=reach)
    return SearchDomain(low=low, high=high, limit=limit, notes=tuple(notes))


def _turns_wholly(frequencies: tuple[float, ...] | None, period: float) -> bool:
    turns = [math.inf] if frequencies is None else [frequency * period / (2 * math.pi) for frequency in frequencies]
    return all(math.isfinite(turn) and abs(turn - round(turn)) <= _WHOLE for turn in turns)


def _common_period(frequencies: tuple[float, ...] | None) -> float | None:
    """The period of all frequencies where they are multiples of the smallest distance between two of them."""
    if frequencies is None:
        return None
    base = min(b - a for a, b in zip((0.0, *frequencies), frequencies, strict=False))
    turns = [frequency / base for frequency in frequencies]
    return 2 * math.pi / base if all(abs(turn - round(turn)) <= _WHOLE * turn for turn in turns) else None
