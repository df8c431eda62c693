"""A finished evaluation of small local models, ready to be spoiled in one place."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.sanity import SanityContext, StoredRows, samples_digest
from counterspin.threats import Linf, ThreatModel
from counterspin.types import Box

SUITE = (FGSM(), PGD(steps=40, restarts=5), RandomDraws(draws=200))


class Function(nn.Module):
    """Any function `(n, 4) -> (n, classes)` on the box [0, 1]^4 as a classifier."""

    outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, function: Callable[[Tensor], Tensor], classes: int = 3) -> None:
        super().__init__()
        self.function, self.classes = function, classes
        self.bounds = Box.uniform(0.0, 1.0, features=4)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def linear(x: Tensor) -> Tensor:
    """Three classes; margins of order 0.1 to 1 on the box."""
    weight = torch.tensor([[1.0, -0.5, 0.3, 0.0], [-0.7, 0.8, 0.0, 0.4], [0.0, 0.1, -0.6, 0.9]], dtype=x.dtype)
    return (x - 0.5) @ weight.T


def samples(n: int = 40, seed: int = 0) -> Tensor:
    return torch.rand(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(
    model: nn.Module,
    *,
    x: Tensor | None = None,
    y: Tensor | None = None,
    threat: ThreatModel | None = None,
    suite=SUITE,
) -> SanityContext:
    """Run the suite and put together what the checks see; every label is the model's own prediction unless given."""
    x = samples() if x is None else x
    scores = model(x.double()).detach()
    y = scores.argmax(dim=1) if y is None else y
    threat = Linf(0.05, 0.15) if threat is None else threat
    results = {a.name: a(model, x, y, threat, generator=torch.Generator().manual_seed(0)) for a in suite}
    rows = {name: StoredRows(correct=result.correct, broken=result.success) for name, result in results.items()}
    standing = (y == scores.argmax(dim=1)).expand(len(threat.eps), -1)
    for result in results.values():
        standing = standing & ~result.success
    return SanityContext(
        model=model,
        x=x,
        y=y,
        threat=threat,
        scores=scores,
        results=results,
        suite={a.name: a for a in suite},
        certificates=(),
        stored={name: result.x_adv for name, result in results.items()},
        provenance={"model_sha256": model_digest(model, x), "samples_sha256": samples_digest(x, y)},
        seed=0,
        reported=standing.double().mean(dim=1).tolist(),
        rows=rows,
    )


def with_result(context: SanityContext, name: str, **changes: Tensor) -> SanityContext:
    """The context with fields of the last budget of one result replaced."""
    result = context.results[name]
    budgets = (*result.budgets[:-1], replace(result.budgets[-1], **changes))
    return replace(context, results={**context.results, name: replace(result, budgets=budgets)})


@pytest.fixture(scope="session")
def plain() -> SanityContext:
    """A linear model, evaluated without a flaw."""
    return build(Function(linear))


@pytest.fixture(scope="session")
def helpers():
    """The functions of this file, since test directories are no packages."""

    class Helpers:
        Function = Function
        build = staticmethod(build)
        linear = staticmethod(linear)
        samples = staticmethod(samples)
        with_result = staticmethod(with_result)

    return Helpers
