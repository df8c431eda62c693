"""PGD-20 end to end: the same plain loop on our engine and on PennyLane, and our own attack with its bookkeeping."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.engines import COMPILED, classifier
from benchmarks.peers import PENNYLANE, pennylane_scores
from benchmarks.rows import Row
from benchmarks.timing import alternate
from benchmarks.workloads import HIGH, Problem
from counterspin.attacks import PGD
from counterspin.threats import Linf
from counterspin.types import Box

__all__ = ["STEPS", "plain_pgd", "rows"]

STEPS = 20
_RADIUS = 0.1
_STEP = 0.1  # of the radius, as our attack takes it


def plain_pgd(
    scores: Callable[[Tensor], Tensor], start: Tensor, center: Tensor, y: Tensor, *, radius: float, high: float
) -> Tensor:
    """Twenty sign-gradient steps on the margin of two classes, each projected to the ball and the box.

    Args:
        scores: inputs `(batch, features)` to class scores `(batch, 2)`.
        start: where to start `(batch, features)`.
        center: the clean inputs.
        y: their classes `(batch,)`, 0 or 1.
        radius: of the ball in the maximum norm.
        high: the box is [0, high].
    """
    towards = torch.where(y == 0, -1.0, 1.0).to(start)
    lower, upper = (center - radius).clamp_min(0.0), (center + radius).clamp_max(high)
    x = start
    for _ in range(STEPS):
        x = x.detach().requires_grad_()
        z = scores(x)
        (gradient,) = torch.autograd.grad((towards * (z[:, 0] - z[:, 1])).sum(), x)
        x = torch.minimum(torch.maximum(x.detach() + _STEP * radius * gradient.sign(), lower), upper)
    return x


def rows(problem: Problem, *, repeats: int) -> list[Row]:
    """The loop on both engines from one starting point; then our attack against PennyLane's loop."""
    model = classifier(problem, Box.uniform(0.0, HIGH, problem.circuit.inputs))
    theirs, x = pennylane_scores(problem), problem.x
    with torch.no_grad():
        y = model(x).argmax(dim=1)
    generator = torch.Generator().manual_seed(3)
    noise = 2 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1
    start = (x + _RADIUS * noise).clamp(0.0, HIGH)

    def loop(scores: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        return lambda: plain_pgd(scores, start, x, y, radius=_RADIUS, high=HIGH)

    attack, threat = PGD(steps=STEPS, step_size=_STEP), Linf(_RADIUS)
    calls = {
        COMPILED: loop(model),
        PENNYLANE: loop(lambda inputs: theirs(inputs, problem.weights)),
        "attack": lambda: attack(model, x, y, threat),
    }
    found = {name: call() for name, call in calls.items()}
    times = alternate(calls, repeats=repeats)
    common = {
        "problem": problem,
        "threads": torch.get_num_threads(),
        "engine": COMPILED,
        "peer": PENNYLANE,
        "against": times[PENNYLANE],
    }
    far = float((found[COMPILED] - found[PENNYLANE]).abs().max())
    return [
        Row(workload="pgd-20", found=times[COMPILED], max_difference=far, **common),
        Row(workload="pgd-20-attack", found=times["attack"], **common),
    ]
