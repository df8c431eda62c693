"""Random quadratic margins behind affine maps, and an independent search for their nearest zero in a box."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from counterspin.optimum import AffineMap
from counterspin.types import Box

__all__ = ["AffineCase", "affine_case", "nearest_behind_map"]


@dataclass(frozen=True, eq=False)
class AffineCase:
    """Two classes whose difference is `form`, a map, a finite box and a sample of class 0 in it."""

    form: torch.Tensor
    input_map: AffineMap
    box: Box
    x: torch.Tensor
    movable: torch.Tensor | None

    @property
    def forms(self):
        return torch.stack([self.form, torch.zeros_like(self.form)])

    @property
    def ends(self):
        """Ends of the box with frozen features held."""
        ends, x = (self.box.lower.numpy(), self.box.upper.numpy()), self.x[0].numpy()
        return ends if self.movable is None else tuple(np.where(self.movable, end, x) for end in ends)

    def margin(self, z):
        image = self.input_map(torch.as_tensor(z))
        return ((image @ self.form) * image).sum(dim=-1)


def affine_case(seed):
    """2 to 6 features and encoded values; weights and shifts of several sizes, every fifth without a shift."""
    rng = np.random.default_rng(seed)
    d, k = (int(n) for n in rng.integers(2, 7, size=2))
    raw = rng.normal(size=(k, k))
    form = torch.tensor(raw + raw.T)
    weight = rng.normal(size=(k, d)) * 10 ** rng.uniform(-2, 2)
    shift = rng.normal(size=k) * 10 ** rng.uniform(-2, 2) * (seed % 5 > 0)
    low = rng.normal(size=d) - rng.random(d) - 0.01
    high = low + 2 * rng.random(d) + 0.05
    x = torch.tensor(low + (high - low) * rng.random(d))[None]
    movable = torch.tensor((rng.random(d) < 0.6) | (np.arange(d) == 0)) if seed % 4 == 3 else None
    box = Box(torch.tensor(low), torch.tensor(high), torch.zeros(d, dtype=torch.bool))
    case = AffineCase(form, AffineMap(torch.tensor(weight), torch.tensor(shift)), box, x, movable)
    return case if case.margin(x).item() > 0 else AffineCase(-form, case.input_map, box, x, movable)


def nearest_behind_map(case, *, norm, starts=4, seed=0):
    """Smallest distance, `norm` 2 or infinity, of several SLSQP runs; infinite where none ends on the other side."""
    rng, best = np.random.default_rng(seed), np.inf
    a, w, b = case.form.numpy(), case.input_map.weight.numpy(), case.input_map.bias.numpy()
    x, (low, high), d = case.x[0].numpy(), case.ends, case.x.shape[1]
    # One more unknown bounds the steps: its value is the distance in the L-infinity norm.
    flips = {
        "type": "ineq",
        "fun": lambda p: -(w @ p[:d] + b) @ a @ (w @ p[:d] + b),
        "jac": lambda p: np.r_[-2 * w.T @ a @ (w @ p[:d] + b), 0.0],
    }
    near = {
        "type": "ineq",
        "fun": lambda p: np.r_[p[d] - p[:d] + x, p[d] + p[:d] - x],
        "jac": lambda p: np.c_[np.r_[-np.eye(d), np.eye(d)], np.ones(2 * d)],
    }
    goal = (
        (lambda p: ((p[:d] - x) ** 2).sum(), lambda p: np.r_[2 * (p[:d] - x), 0.0])
        if norm == 2
        else (lambda p: p[d], lambda p: np.r_[np.zeros(d), 1.0])
    )
    for _ in range(starts):
        z = low + (high - low) * rng.random(d)
        found = minimize(
            goal[0],
            np.r_[z, abs(z - x).max()],
            jac=goal[1],
            bounds=[*zip(low, high, strict=True), (0.0, 1e3)],
            constraints=[flips] if norm == 2 else [flips, near],
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-14},
        )
        z = np.clip(found.x[:d], low, high)
        image = w @ z + b
        if image @ a @ image <= 1e-12 * (abs(image) @ abs(a) @ abs(image)):
            best = min(best, float(np.linalg.norm(z - x, ord=norm)))
    return best
