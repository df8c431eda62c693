"""Point by point: projected gradient ascent of Foolbox and ART against ours, step for step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from counterspin.attacks.ball import Ball
from counterspin.attacks.external.art import ART_NORMS, art_estimator, art_warnings
from counterspin.attacks.external.base import seeded_globals
from counterspin.attacks.external.extras import imported
from counterspin.attacks.external.foolbox import foolbox_wrapped
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.attacks.gradients import Autodiff, Objective
from counterspin.attacks.losses import CrossEntropy
from counterspin.evaluation.crosscheck.rows import Row
from counterspin.types import Classifier

__all__ = ["iterate_rows", "plain_pgd"]

STEPS = 20
STEP = 0.1
CLOSE = 1e-6

# In float32 an L2 step is a quotient of rounded sums, and roundings of a unit add up over the steps.
CLOSE_IN_FLOAT32 = 1e-5

# A gradient entry that is zero up to rounding has no sign to agree on.
_TOLERATED = 0.01


def plain_pgd(model: Classifier, ball: Ball, objective: Objective, *, steps: int, step: float) -> Tensor:
    """The last iterate `(rows, features)` of projected ascent from the clean inputs.

    The textbook loop from the parts our attacks are made of: gradient source, loss, steepest direction, projection. Our
    own attacks keep the best point instead of the last and have settled samples drop out, so their points cannot be
    compared with those of other tools, but these can.

    Args:
        model: the classifier.
        ball: the admissible sets; the centres are where it starts.
        objective: what is ascended, from scores `(rows, classes)` to one number per row.
        steps: number of steps.
        step: their length as a share of the budget.
    """
    x = ball.center
    for _ in range(steps):
        x = ball.project(x + step * ball.radius * ball.steepest(Autodiff()(model, x, objective).gradient))
    return x


def iterate_rows(model: Classifier, x: Tensor, y: Tensor, eps: dict[str, float]) -> Iterator[Row]:
    """The rows of one-step and iterated ascent in L∞ and L2.

    Foolbox and we compute in float64 and each ascend their own cross-entropy. ART computes in float32, where the usual
    cross-entropy rounds the gradient of confident samples (L2 steps are then off by 1e-5 and more; ours are not), so
    there we ascend its mean cross-entropy in its precision. In L2 the comparison is made without a box: other tools
    scale back to the ball and then clip to the box, which is not the nearest admissible point; ours is.

    Args:
        model: the classifier.
        x: inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        eps: budget in features, by norm.
    """
    loss = CrossEntropy()

    def exact(scores: Tensor) -> Tensor:
        return loss(scores, y, outputs=model.outputs)

    def rounded(scores: Tensor) -> Tensor:
        return cross_entropy(loss._logits(scores, model.outputs), y).expand(len(y)) / len(y)

    tools = (("foolbox", _foolbox, exact, torch.float64), ("art", _art, rounded, torch.float32))
    for norm, radius in eps.items():
        for steps, step in ((1, 1.0), (STEPS, STEP)):
            for tool, run, objective, dtype in tools:
                radii = torch.full((len(x),), radius, dtype=dtype)
                ball = Ball.around(x.to(dtype), radii, norm, model.bounds if norm == "linf" else None)
                attack, theirs = run(model, ball, y, steps, step)
                ours = plain_pgd(model, ball, objective, steps=steps, step=step)
                close = CLOSE_IN_FLOAT32 if norm == "l2" and dtype == torch.float32 else CLOSE
                # Roundings are relative to what is rounded: the data or the budget, whichever is larger.
                size = max(1.0, float(x.abs().amax()), radius)
                agree = ((theirs - ours).abs() <= close * size).all(dim=1)
                yield Row(
                    tool=tool,
                    attack=attack,
                    quantity=f"samples with one last iterate to {close:g}: {norm}, ε = {radius:.3g}, {steps} steps",
                    theirs=1.0,
                    ours=float(agree.double().mean()),
                    tolerance=_TOLERATED if steps > 1 else 0.0,
                    relation=">=",
                )


def _foolbox(model: Classifier, ball: Ball, y: Tensor, steps: int, step: float) -> tuple[str, Tensor]:
    attacks, frame = imported("foolbox.attacks"), UnitFrame.around(ball)
    name = {"linf": "LinfPGD", "l2": "L2PGD"}[ball.norm]
    eps = float(ball.radius[0]) / frame.scale
    if steps == 1:
        name = {"linf": "LinfFastGradientAttack", "l2": "L2FastGradientAttack"}[ball.norm]
        attack = getattr(attacks, name)(random_start=False)
    else:
        attack = getattr(attacks, name)(steps=steps, abs_stepsize=step * eps, random_start=False)
    wrapped = foolbox_wrapped(UnitModel(model, frame), y.device)
    found, _, _ = attack(wrapped, frame.to_unit(ball.center), y, epsilons=eps)
    return name, frame.to_features(found)


def _art(model: Classifier, ball: Ball, y: Tensor, steps: int, step: float) -> tuple[str, Tensor]:
    attacks, frame = imported("art.attacks.evasion"), UnitFrame.around(ball)
    eps, rows = float(ball.radius[0]) / frame.scale, len(y)
    estimator = art_estimator(UnitModel(model, frame), (ball.center.shape[1],))
    name = "FastGradientMethod" if steps == 1 else "ProjectedGradientDescent"
    common = {"norm": ART_NORMS[ball.norm], "eps": eps, "eps_step": step * eps, "batch_size": rows}
    if steps == 1:
        attack = getattr(attacks, name)(estimator, **common)
    else:
        attack = getattr(attacks, name)(estimator, max_iter=steps, verbose=False, **common)
    labels = one_hot(y, model.classes).float()
    with seeded_globals(0), art_warnings():
        found = attack.generate(x=frame.to_unit(ball.center).cpu().numpy(), y=labels.cpu().numpy())
    return name, frame.to_features(torch.from_numpy(found))
