"""Models with closed forms; every test here needs the tools of the `crosscheck` extra."""

import pytest
import torch

from counterspin.attacks.external.extras import imported
from counterspin.errors import MissingExtraError
from counterspin.models import MLP, LogisticRegression
from counterspin.types import Box

BOX = Box.uniform(-1.0, 3.0, features=3)


@pytest.fixture(scope="session", autouse=True)
def _tools():
    for module in ("foolbox", "art", "pyautoattack", "statsmodels"):
        try:
            imported(module)  # as the package does it: Foolbox's import warns
        except MissingExtraError as missing:
            pytest.skip(str(missing))


@pytest.fixture
def linear():
    """Linear classes on a box that is not the unit cube, samples inside it, their classes, and distances by norm."""

    def make(classes=2, samples=12):
        generator = torch.Generator().manual_seed(classes)
        model = LogisticRegression(BOX, classes=classes)
        with torch.no_grad():
            model.weight.copy_(torch.randn(classes, 3, generator=generator))
            model.bias.copy_(0.1 * torch.randn(classes, generator=generator) - model.weight.sum(dim=1))
        model.requires_grad_(False)
        x = 0.7 + 0.6 * torch.rand(samples, 3, generator=generator, dtype=torch.float64)
        scores = model(x)
        y = scores.argmax(dim=1)

        def distance(norm):
            weight = model.weight.double()
            gaps = scores.gather(1, y[:, None]) - scores
            duals = torch.linalg.vector_norm(weight[y][:, None] - weight, ord={"linf": 1, "l2": 2}[norm], dim=2)
            return (gaps / duals).nan_to_num(nan=torch.inf).amin(dim=1)

        return model, x, y, distance

    return make


@pytest.fixture
def curved():
    """A perceptron, samples and their classes: nothing known, nothing straight."""
    model = MLP(BOX, classes=3, hidden=(8,)).requires_grad_(False)
    with torch.no_grad():
        for matrix in model.matrices:
            matrix.mul_(3.0)
    x = 2.0 * torch.rand(20, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)
