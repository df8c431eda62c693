"""Small models with closed forms. A class is handed to a test by a fixture of its name in lower case."""

import math

import pytest
import torch

from counterspin.types import Box


class Linear:
    """Margin w·x + b between two classes; the boundary is |w·x + b| / ||w|| away in the dual norm."""

    classes = 2
    stochastic = False

    def __init__(self, w, b=0.0, outputs="logits", bounds=None):
        self.w, self.b, self.outputs = torch.as_tensor(w, dtype=torch.float64), b, outputs
        self.bounds = Box.unbounded(len(self.w)) if bounds is None else bounds
        self.rows = 0

    def __call__(self, x):
        self.rows += len(x)
        margin = x @ self.w.to(x) + self.b
        return torch.stack([margin / 2, -margin / 2], dim=1)

    def labels(self, x):
        return (self.margin(x) < 0).long()

    def margin(self, x):
        return x.double() @ self.w + self.b

    def distance(self, x, norm):
        dual = {"linf": 1.0, "l2": 2.0}[norm]
        return self.margin(x).abs() / torch.linalg.vector_norm(self.w, ord=dual)


class Cosine:
    """One qubit behind RY(pi x), read along `classes` axes: z_k = cos(pi x - theta_k), theta_k from 0 to pi.

    Class k wins around k / (classes - 1), so boundaries lie half way between.
    """

    stochastic = False

    def __init__(self, classes=2, outputs="expectations"):
        self.classes, self.outputs = classes, outputs
        self.bounds = Box.uniform(0.0, 1.0, 1)

    def __call__(self, x):
        theta = torch.linspace(0, math.pi, self.classes, dtype=torch.float64).to(x)
        z = torch.cos(math.pi * x - theta)
        return {"expectations": z, "probabilities": (1 + z) / self.classes, "logits": 10 * z}[self.outputs]

    def labels(self, x):
        return (x[:, 0].double() * (self.classes - 1)).round().long()

    def distance(self, x):
        middles = (torch.arange(self.classes - 1) + 0.5) / (self.classes - 1)
        return (x.double() - middles).abs().amin(dim=1)


class Rows:
    """A model given by a function from x to scores."""

    outputs = "logits"

    def __init__(self, function, features=1, classes=2, stochastic=False):
        self.function, self.classes, self.stochastic = function, classes, stochastic
        self.bounds = Box.uniform(-10.0, 10.0, features)

    def __call__(self, x):
        return self.function(x)


@pytest.fixture
def linear():
    return Linear


@pytest.fixture
def cosine():
    return Cosine


@pytest.fixture
def rows():
    return Rows


@pytest.fixture
def seeded():
    return lambda seed=0: torch.Generator().manual_seed(seed)


@pytest.fixture
def linear_case(linear):
    """`(model, x, y)` with 30 samples of 8 features, no boundary nearer than 1e-3."""

    def make(seed=0, dtype=torch.float64):
        g = torch.Generator().manual_seed(seed)
        model = linear(torch.randn(8, generator=g, dtype=torch.float64), 0.2)
        x = torch.randn(30, 8, generator=g, dtype=dtype)
        x = x[model.distance(x, "linf") > 1e-3]
        return model, x, model.labels(x)

    return make
