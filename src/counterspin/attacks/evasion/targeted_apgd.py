"""Auto-PGD toward one rival class after another (Croce and Hein, arXiv:2003.01690, section 5)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.evasion.apgd import ascend
from counterspin.attacks.gradients import Autodiff, GradientSource
from counterspin.attacks.losses import Margin, TargetedDLR
from counterspin.attacks.oracle import Oracle

__all__ = ["TargetedAPGD"]


@dataclass(frozen=True, kw_only=True)
class TargetedAPGD(Attack):
    r"""APGD against each of the strongest rivals of the clean scores in turn, the strongest first.

    An untargeted loss follows whichever class is ahead at the moment and may spend its steps where no boundary is in
    reach; here every start goes for one class, with the loss `TargetedDLR`. It takes any number of classes from two
    on and any outputs. Under a targeted threat it attacks that class only, with the margin that decides success.

    Args:
        steps: gradient steps per start and rival.
        restarts: independent starts per sample, rival and budget.
        rivals: most classes to go for; 9 in the paper. Fewer where the model has fewer.
        gradient: where the gradient comes from.

    Example:
        >>> TargetedAPGD().name
        'apgd-targeted'
    """

    restarts: int = 2
    steps: int = 100
    rivals: int = 9
    gradient: GradientSource = field(default_factory=Autodiff)

    requires = ("gradient",)
    norms = ("linf", "l2", "l1", "l0")

    @property
    def name(self) -> str:
        """`apgd-targeted`."""
        return "apgd-targeted"

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        if oracle.target is not None:
            ascend(oracle, ball.random_point(start, generator), ball, steps=self.steps, loss=Margin())
            return
        samples = len(oracle.y)
        # One copy of each sample is asked: what its rivals are does not depend on the start.
        clean = oracle.scores(ball.center[:samples]).scatter(1, oracle.y[:, None], -torch.inf)
        strongest = clean.topk(min(self.rivals, clean.shape[1] - 1), dim=1).indices
        for rival in strongest.repeat(ball.rows // samples, 1).unbind(dim=1):
            if oracle.finished:
                return
            first = ball.random_point(start, generator)
            ascend(oracle, first, ball, steps=self.steps, loss=TargetedDLR(), rival=rival)
