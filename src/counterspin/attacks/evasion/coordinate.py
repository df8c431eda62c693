"""Coordinate descent with exact line searches: along one feature the margin is a short trigonometric polynomial."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.evasion.lines import Line, lines_of, room
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.oracle import Oracle
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, HasCircuit

__all__ = ["CoordinateAttack"]

# A sweep that lowers no margin by more than this share of the scores' size is the last one.
_GAIN = 1e-7
# Predictions off by more than this share of the scores' size show a model that is not what its circuit says.
_SURPRISE = {torch.float32: 1e-3, torch.float64: 1e-6}


@dataclass(frozen=True, kw_only=True)
class CoordinateAttack(Attack):
    r"""One feature at a time to the best value the margin takes on its whole admissible interval.

    .. math:: x_i \leftarrow \arg\min_{z_i} \min_{j \ne y} f_y(z) - f_j(z), \qquad
        f_k(x + t e_i) = c_0 + \sum_{r=1}^{R} a_r \cos \omega_r t + b_r \sin \omega_r t

    A score that is linear in expectation values is, along one feature, a trigonometric polynomial whose frequencies the
    circuit shows. Its value at the current point and at 2R others determines it, hence its global minimum on the
    interval: no step size, no gradient, no local minimum along the line. One query at the point chosen follows, so a
    move costs 2R+1 queries per row. With one rotation per feature (R = 1) that is the optimiser of arXiv:1903.12166,
    here on the input.

    The line search is exact where R is at most 12. The other nodes lie spread over a period and may leave ball and
    box: the attacker is assumed able to run the circuit at any angle. Only admissible points count as found. Beyond 12
    frequencies, where features reach the circuit through a map that is not affine, and for models without a circuit,
    the margin is interpolated at Chebyshev points inside the interval, at a degree that reaches a relative error of
    1e-4 where the bandwidth is known. For a stochastic model three times as many nodes are fitted by least squares.
    `history["inexact"]` is 1 for samples attacked along such lines, and for those where a prediction failed.

    Margins qualify whatever the head is, as long as it is linear; a line search looks at scores, never at a loss. Under
    L1 and L2 the first sweep gives every feature an equal share of the budget that is left, since the first ones would
    take it all.

    Args:
        order: `"cyclic"`: feature after feature; `"greedy"`: of all features the one that gains most, at one fit of
            every feature per move.
        sweeps: rounds through all features, or greedy moves, per start; it ends earlier when a round gains nothing.
        nodes: nodes of an interpolation where no bandwidth is known.

    Raises:
        UsageError: an unknown order, or counts below 1.

    Example:
        >>> CoordinateAttack(order="greedy").name
        'coordinate-greedy'
    """

    restarts: int = 5
    precision: str = "float64"
    order: str = "cyclic"
    sweeps: int = 10
    nodes: int = 7

    norms = ("linf", "l2", "l1", "l0")

    def __post_init__(self) -> None:
        """Refuse an unknown order and counts below 1."""
        super().__post_init__()
        if self.order not in ("cyclic", "greedy"):
            raise UsageError(f"order is {self.order!r}; allowed: cyclic, greedy.")
        for name, value in (("sweeps", self.sweeps), ("nodes", self.nodes)):
            if not (isinstance(value, int) and value >= 1):
                raise UsageError(f"{name} is {value!r}; it must be a whole number of at least 1.")

    @property
    def name(self) -> str:
        """`coordinate`, and the order where it is not cyclic."""
        return "coordinate" if self.order == "cyclic" else f"coordinate-{self.order}"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        if isinstance(model, HasCircuit) and model.circuit.amplitudes is not None:
            raise ConditionsError(
                "attack coordinate needs features that enter through gate angles; this circuit encodes amplitudes. "
                "Use the exact attack or APGD."
            )
        features = model.bounds.features
        if not bool((threat.constraints.movable(features) & ~threat.constraints.discrete(features)).any()):
            raise ConditionsError(
                "attack coordinate moves continuous features, and the threat leaves the attacker none; use the greedy "
                "or the exhaustive attack."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        descent = _Descent(oracle, ball, lines_of(oracle.model, ball, self.nodes))
        blocks = [[line] for line in range(len(descent.lines))]
        if self.order == "greedy":
            blocks = [list(range(len(descent.lines)))]
        descent.stand(ball.random_point(start, generator))
        for sweep in range(self.sweeps):
            gained = False
            for position, block in enumerate(blocks):
                if oracle.finished:
                    return
                # In the first cyclic sweep a feature leaves the others their share of the budget.
                sharing = len(blocks) - position if sweep == 0 else 1
                gained |= descent.move(block, sharing)
            if not gained:
                return


class _Descent:
    """Where the rows stand, and the moves they make.

    Args:
        oracle: answers for rows.
        ball: admissible set of each row.
        lines: the lines that may be searched.
    """

    def __init__(self, oracle: Oracle, ball: Ball, lines: list[Line]) -> None:
        self.lines = lines
        self._oracle = oracle
        self._ball = ball
        copies = ball.rows // len(oracle.y)
        self._y = oracle.y.repeat(copies)
        self._target = None if oracle.target is None else oracle.target.repeat(copies)
        self._x = ball.center
        self._scores = ball.center
        oracle.notes["inexact"] = torch.zeros(len(oracle.y), dtype=torch.float64, device=ball.center.device)

    def stand(self, x: Tensor) -> None:
        """Begin at `x` `(rows, features)`."""
        self._x, self._scores = x, self._oracle.scores(x)

    def move(self, block: list[int], sharing: int) -> bool:
        """Move every row along the line of `block` that promises it most; returns whether any row gained."""
        here = self._margin(self._scores).double()
        best, step, chosen = here.clone(), torch.zeros_like(here), torch.full_like(here, -1, dtype=torch.long)
        for index in block:
            line = self.lines[index]
            low, high = room(self._ball, self._x, line, sharing)
            where, value = line.search(self._oracle, self._x, self._scores, low, high, self._y, self._target)
            better = value < best
            best, step = torch.where(better, value, best), torch.where(better, where, step)
            chosen = torch.where(better, index, chosen)
        if bool((chosen < 0).all()):
            return False
        direction = torch.stack([line.direction for line in self.lines])[chosen.clamp_min(0)]
        point = self._ball.project(self._x + step[:, None].to(self._x) * direction)
        scores = self._oracle.scores(point)
        found = self._margin(scores).double()
        size = scores.abs().amax(dim=1).double()
        answered = (size > 0) & ~self._oracle.broken.repeat(len(size) // len(self._oracle.y))
        # Settled rows are answered with zeros and prove nothing.
        noisy = any(self.lines[index].noisy for index in block)
        surprised = answered & (not noisy) & ((found - best).abs() > _SURPRISE[self._x.dtype] * size)
        self._note(block, chosen, surprised)
        gain = torch.where(answered, here - found, 0.0)
        better = gain > 0
        self._x = torch.where(better[:, None], point, self._x)
        self._scores = torch.where(better[:, None], scores, self._scores)
        return bool((gain > _GAIN * size).any())

    def _margin(self, scores: Tensor) -> Tensor:
        return verdict_margin(scores, self._y, self._target)

    def _note(self, block: list[int], chosen: Tensor, surprised: Tensor) -> None:
        """Mark what was not exact, and fit no line again whose prediction failed."""
        inexact = surprised.clone()
        for index in block:
            line = self.lines[index]
            if not line.exact or line.noisy:
                inexact |= ~self._oracle.broken.repeat(len(inexact) // len(self._oracle.y))
            elif bool((surprised & (chosen == index)).any()):
                self.lines[index] = replace(line, exact=False)
        samples = inexact.reshape(-1, len(self._oracle.y)).any(dim=0)
        note = self._oracle.notes["inexact"]
        self._oracle.notes["inexact"] = torch.maximum(note, samples.to(note))
