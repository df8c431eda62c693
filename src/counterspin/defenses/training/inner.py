"""The inner maximisation of adversarial training: light, in the training precision, on autograd alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from counterspin.attacks.ball import Ball
from counterspin.attacks.losses import Loss
from counterspin.errors import CapabilityError
from counterspin.models import QuantumClassifier
from counterspin.models.modes import frozen
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, HasChannels

__all__ = ["ascend", "ascending", "ball_of", "input_gradient"]

_UNUSED = "unused"


def ball_of(x: Tensor, threat: ThreatModel, eps: float, bounds: Box) -> Ball:
    """The points the threat allows around each row of `x` `(batch, features)` at the budget `eps`, in its units."""
    box = bounds if threat.box == "data" else None
    return Ball.around(x.detach(), eps * threat.scale(x), threat.norm, box, threat.constraints)


def ascend(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    *,
    steps: int,
    step_size: float,
    loss: Loss,
    generator: torch.Generator,
    random_start: bool = True,
) -> Tensor:
    r"""Projected steepest ascent (arXiv:1706.06083) with weights frozen and the model in evaluation mode.

    .. math:: x_{t+1} = \Pi_{B}\bigl(x_t + \alpha\, r\, s(\nabla_x \ell(f(x_t), y))\bigr)

    The last point is returned, as adversarial training does, not the best one. In L0 each step goes from the clean
    input to the vertex that a linear function with the present gradient likes best.

    Args:
        model: what is attacked; flags and mode are restored.
        x: where a start without randomness begins `(batch, features)`.
        y: labels `(batch,)`.
        ball: the points that are allowed.
        steps: gradient steps.
        step_size: share of the budget per step.
        loss: what is ascended.
        generator: of the random start.
        random_start: begin at a random point of the ball; False: at `x`.

    Returns:
        Points `(batch, features)` of the ball, detached; discrete features have listed values.
    """
    with ascending(model):
        point = ball.random_point(ball.center, generator) if random_start else x.detach()
        for _ in range(steps):
            gradient = input_gradient(model, point, lambda scores: loss(scores, y, outputs=model.outputs))
            if ball.norm == "l0":
                point = ball.center + ball.radius * ball.steepest(gradient)
            else:
                point = ball.project(point + step_size * ball.radius * ball.steepest(gradient, point))
        return ball.round(point)


@contextmanager
def ascending(model: Classifier) -> Iterator[None]:
    """Hold a model in evaluation mode with frozen weights, as `frozen`, and run its circuit gate by gate.

    A frozen amplitude-encoded circuit is folded to quadratic forms. In training these are as good as the weights they
    were made of, for one batch: making them takes three times as long as the few gradients they are made for.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    # Under channels a fold is cheaper than even one batch.
    noisy = any(isinstance(module, HasChannels) for module in modules)
    circuits = [] if noisy else [module for module in modules if isinstance(module, QuantumClassifier)]
    with frozen(model):
        try:
            for module in circuits:
                # What requires a gradient is not folded, and no score hangs on this.
                module.register_parameter(_UNUSED, nn.Parameter(torch.zeros(())))
            yield
        finally:
            for module in circuits:
                if hasattr(module, _UNUSED):
                    delattr(module, _UNUSED)


def input_gradient(model: Classifier, x: Tensor, objective: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient `(batch, features)` of the summed `objective` of the scores with respect to each row of `x`.

    Raises:
        CapabilityError: no gradient reaches the input.
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        value = objective(model(leaf)).sum()
        (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True) if value.requires_grad else (None,)
    if gradient is None:
        raise CapabilityError(
            f"the scores of {type(model).__name__} carry no gradient to the input, which this defence follows; "
            "train a differentiable model."
        )
    return gradient
