"""Certificate of hybrid and mapped classifiers: bounds through the front, then through the circuit."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.bernstein import margin_radii
from counterspin.certificates.bures import turning_angles
from counterspin.certificates.fronts import FrontMoves
from counterspin.certificates.known_fronts import KnownFront, known_front
from counterspin.certificates.margins import (
    ScoreObservables,
    margin_gradients,
    rivals,
    score_observables,
)
from counterspin.certificates.rounding import rounding_of
from counterspin.certificates.seen_flips import seen_flips
from counterspin.certificates.slopes import encoding_gates
from counterspin.errors import ConditionsError
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.mapped import MappedClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.optimum.signed_sums import signed_sums
from counterspin.optimum.turning import angle_from_margin
from counterspin.simulation import final_states
from counterspin.threats import ThreatModel

__all__ = ["HybridCertificate"]

_ROWS = 128
_ENUMERATED = 10
# Where no flip bounds the radius from above, the bracket opens from this power of 1/2 to that of 2.
_DOUBLINGS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    front: KnownFront
    turning: Tensor
    observables: ScoreObservables


@dataclass(frozen=True, kw_only=True, eq=False)
class _Circuit:
    """What the circuit says of a batch of its inputs: the angle to the nearest flip, margins and their gradients."""

    angle: Tensor
    values: Tensor
    gradients: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True, kw_only=True)
class HybridCertificate(Certificate):
    r"""Largest radius at which a classifier behind a classical front is seen to be safe.

    Over the ball of radius e the front moves the circuit's inputs by :math:`\Delta u`, see
    `counterspin.certificates.fronts`. The label is safe if the state cannot turn far enough,

    .. math:: \max \sum_i S_i |\Delta u_i| < \theta^*, \qquad S_i = \sum_g |w_{gi}|\,\tfrac12\mathrm{spread}(H_g),

    or if no margin can fall to 0 (`bernstein_radius`) along the line from u to :math:`u + \Delta u`, with slope
    :math:`\max |\nabla_u h \cdot \Delta u|` and band :math:`\max \sum_i 2 S_i |\Delta u_i|`. The largest such e is
    bracketed by bisection, and what is returned passed the test itself. To our knowledge the combination is new.

    `upper` is the distance of a flip found by linearisation; a note compares the two.

    Args:
        halvings: of the bracket, relative to the distance of that flip.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> from counterspin.models import LogisticRegression
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> z = PauliExpectations.of("Z0", "Z1")
        >>> body = QuantumClassifier(reuploading(2, 1), z, Box.uniform(-1.0, 1.0, features=2))
        >>> model = HybridClassifier(LogisticRegression(Box.uniform(0.0, 1.0, features=3), classes=2), body)
        >>> x = torch.zeros(1, 3)
        >>> HybridCertificate()(model, x, model(x).argmax(dim=1), Linf(0.1)).method
        'hybrid'
    """

    name: ClassVar[str] = "hybrid"
    requires: ClassVar[tuple[str, ...]] = ("gradient",)

    halvings: int = 30

    def _prepare(self, model: Any, threat: ThreatModel) -> _Prepared:
        front = known_front(model)
        if threat.box == "data" and bool(model.bounds.periodic.any()):
            raise ConditionsError(
                "the model has periodic features, whose wraps a classical front does not follow; pass box='none'."
            )
        gates = encoding_gates(model.circuit, model.weights)
        return _Prepared(
            front=front,
            turning=gates.turning.abs().sum(dim=0),
            observables=score_observables(model.body),
        )

    def _radii(self, model: HybridClassifier | MappedClassifier, prepared: _Prepared, task: Task) -> Radii:
        error = float(rounding_of(model.body, prepared.front.sizes(task.x)).max())
        movable = task.threat.constraints.movable(task.x.shape[1])
        flips = seen_flips(model, task)
        inputs = model.circuit_inputs(task.x)
        behind = _at(model.body, prepared.observables, inputs, task, error)
        radius = torch.cat(
            [
                self._largest(
                    prepared,
                    _rows(behind, part),
                    task.x[part],
                    ceiling=flips.distance[part],
                    norm=task.threat.norm,
                    movable=movable,
                    error=error,
                )
                for part in torch.arange(len(task.x)).split(_ROWS)
            ]
        )
        notes = ["bounds through the front are not tight"]
        found = torch.isfinite(flips.distance) & (flips.distance > 0) & (radius > 0)
        if bool(found.any()):
            share = float((radius / flips.distance)[found].median())
            notes = [f"the median radius is {share:.2g} of the distance of a flip found by linearisation"]
        if task.threat.constraints.groups or task.threat.constraints.tied:
            notes.append("discrete and tied features not used: a freer attacker bounds theirs")
        return Radii(
            lower=radius,
            upper=flips.distance,
            exact=torch.zeros_like(radius, dtype=torch.bool),
            assumptions=Assumptions(box="none" if task.box.is_unbounded else "not used", notes=tuple(notes)),
            points=flips.points,
        )

    def _largest(
        self,
        prepared: _Prepared,
        behind: _Circuit,
        x: Tensor,
        *,
        ceiling: Tensor,
        norm: str,
        movable: Tensor,
        error: float,
    ) -> Tensor:
        """Largest radius `(rows,)` seen to be safe, up to `ceiling` where that is finite."""

        def safe(radius: Tensor) -> Tensor:
            moves = prepared.front.moves(x, radius, norm, movable)
            return _safe(prepared, behind, moves, radius, norm, error)

        free = torch.isinf(ceiling)
        low, high = torch.zeros_like(ceiling), torch.where(free, 2.0**-_DOUBLINGS, ceiling)
        for _ in range(2 * _DOUBLINGS if bool(free.any()) else 0):
            wider = free & safe(high)
            low, high = torch.where(wider, high, low), torch.where(wider, 2 * high, high)
        for _ in range(self.halvings):
            middle = (low + high) / 2
            kept = safe(middle)
            low, high = torch.where(kept, middle, low), torch.where(kept, high, middle)
        return low


def _at(body: QuantumClassifier, observables: ScoreObservables, inputs: Tensor, task: Task, error: float) -> _Circuit:
    found = margin_gradients(body, inputs, task.y)
    low, high = (bound[task.y] for bound in observables.extremes)
    size = torch.maximum(low.abs(), high.abs())
    counted = rivals(task.y, task.target, found.values.shape[1])
    known = torch.where(counted, angle_from_margin(found.values - error * size, low, high), torch.inf)
    states = final_states(body.circuit, inputs, body.weights.detach())
    return _Circuit(
        angle=turning_angles(observables, states, task.y, known) - error,
        values=torch.where(counted, found.values, torch.inf),
        gradients=found.gradients,
        low=low,
        high=high,
    )


def _safe(prepared: _Prepared, behind: _Circuit, moves: FrontMoves, radius: Tensor, norm: str, error: float) -> Tensor:
    """Rows `(rows,)` that keep their label over the ball."""
    turn = _turn(prepared.turning, moves, radius, norm)
    slopes = moves.along(behind.gradients, radius, norm)
    ahead = torch.isinf(behind.values)
    reach = margin_radii(
        behind.values.masked_fill(ahead, 0.0), slopes, 2 * turn[:, None], behind.low, behind.high, error=error
    )
    return (turn * (1 + error) < behind.angle) | (reach.masked_fill(ahead, torch.inf).amin(dim=1) > 1)


def _turn(turning: Tensor, moves: FrontMoves, radius: Tensor, norm: str) -> Tensor:
    """Largest turn of the state `(rows,)`, by boxes or, for few inputs, by slopes and all signs of their moves."""
    by_boxes = moves.reach @ turning
    if len(turning) > _ENUMERATED:
        return by_boxes * (1 + 1e-12)
    weighed = signed_sums(turning[:, None] * moves.slopes, norm)
    errors = signed_sums((turning[:, None] * moves.errors).sum(dim=1, keepdim=True), norm)
    return torch.minimum(by_boxes, radius * (weighed + errors)) * (1 + 1e-12)


def _rows(behind: _Circuit, part: Tensor) -> _Circuit:
    return _Circuit(
        angle=behind.angle[part],
        values=behind.values[part],
        gradients=behind.gradients[part],
        low=behind.low[part],
        high=behind.high[part],
    )
