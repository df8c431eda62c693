"""Attacks of other libraries with our bookkeeping, our verdict and our budgets."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.base import Attack
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.attacks.external.witness import Witness
from counterspin.attacks.gradients import Autodiff
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.oracle import Oracle
from counterspin.errors import ConditionsError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["ExternalAttack", "Problem", "seeded_globals"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """What a foreign attack is asked to do, in coordinates between 0 and 1.

    Args:
        model: our classifier, which tells the oracle of every query.
        u: clean inputs `(rows, features)`.
        y: true classes `(rows,)`.
        target: wanted classes `(rows,)`, or None.
        eps: budget.
        norm: `"linf"` or `"l2"`.
        seed: of the tool's own randomness.
    """

    model: UnitModel
    u: Tensor
    y: Tensor
    target: Tensor | None
    eps: float
    norm: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ExternalAttack(Attack, ABC):
    """A foreign attack: every query of the tool goes through the oracle, and counts.

    What is reported is the best admissible point the tool ever *asked about*, judged in float64, not the one it hands
    back. `history["lost"]` is 1 for each sample of which the tool had queried an adversarial point and returned one
    that is none. The tool starts at the clean input, whatever an earlier budget has found; restarts are further seeds.

    Subclasses implement `_search`. A tool cannot be told about wrapping, discrete or forbidden features, nor be stopped
    when a query budget is spent: such threats are refused.
    """

    requires = ("gradient",)

    @property
    def config(self) -> dict[str, Any]:
        """Everything that defines the attack, as JSON values; pairs of settings are lists."""
        return json.loads(json.dumps(super().config))

    @abstractmethod
    def _search(self, problem: Problem) -> Tensor:
        """The points `(rows, features)` the tool returns, in coordinates between 0 and 1."""

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        Autodiff().check(model)
        refused = [name for name in ("mask", "groups", "tied", "budget") if getattr(threat, name)]
        if bool(model.bounds.periodic.any()) and threat.box == "data":
            refused.append("periodic features")
        if refused:
            raise ConditionsError(
                f"attack {self.name} is foreign and knows nothing of the threat's {' and '.join(refused)}; "
                "use counterspin's own attacks."
            )

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        kept = torch.zeros_like(oracle.broken)
        with seeded_globals(seed):
            for rows in _equal_radii(ball):
                self._run_on(oracle, ball.take(rows), rows % len(oracle.y), seed, kept)
        oracle.notes["lost"] = (oracle.broken & ~kept).to(ball.center)

    def _run_on(self, oracle: Oracle, ball: Ball, sample: Tensor, seed: int, kept: Tensor) -> None:
        """Run the tool on rows of one radius; set `kept` `(samples,)` where a returned point is adversarial."""
        witness, frame = Witness(oracle, ball, sample), UnitFrame.around(ball)
        y, target = oracle.y[sample], None if oracle.target is None else oracle.target[sample]
        problem = Problem(
            model=UnitModel(oracle.model, frame, witness),
            u=frame.to_unit(ball.center),
            y=y,
            target=target,
            eps=float(ball.radius[0]) / frame.scale,
            norm=ball.norm,
            seed=seed,
        )
        found = self._search(problem).detach().to(problem.u)
        with torch.no_grad():
            logits = problem.model(found)
        inside = ball.contains(witness.snapped(frame.to_features(found), torch.arange(len(found))), tolerance=1e-6)
        kept[sample[inside & (verdict_margin(logits, y, target) <= 0)]] = True


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed the generators of torch, numpy and Python that foreign tools draw from; they are put back afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002  (the tools know no other generator)
    try:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _equal_radii(ball: Ball) -> Iterator[Tensor]:
    """Rows of one radius each: tools take one budget for all inputs."""
    _, kind = ball.radius[:, 0].unique(return_inverse=True)
    for value in range(int(kind.max()) + 1):
        yield (kind == value).nonzero()[:, 0]
