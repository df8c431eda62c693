"""An independent search for the L-infinity distance at which a quadratic form vanishes."""

import numpy as np
from scipy.optimize import minimize

__all__ = ["nearest_by_slsqp"]


def nearest_by_slsqp(form, x, lower, upper, *, starts=6, seed=0):
    """Smallest e with a feasible z, |z - x| <= e, lower <= z <= upper, z'Az <= 0; infinite where none was found."""
    rng, d = np.random.default_rng(seed), len(x)
    constraints = [
        {"type": "ineq", "fun": lambda p: -p[:d] @ form @ p[:d], "jac": lambda p: np.r_[-2 * form @ p[:d], 0.0]},
        {
            "type": "ineq",
            "fun": lambda p: np.r_[p[d] - p[:d] + x, p[d] + p[:d] - x],
            "jac": lambda p: np.c_[np.r_[-np.eye(d), np.eye(d)], np.ones(2 * d)],
        },
    ]
    bounds = [*zip(np.maximum(lower, -50.0), np.minimum(upper, 50.0), strict=True), (0.0, 100.0)]
    best = np.inf
    for _ in range(starts):
        z = np.clip(x + rng.normal(size=d) * np.abs(x).max(), lower, upper)
        found = minimize(
            lambda p: p[d],
            np.r_[z, np.abs(z - x).max()],
            jac=lambda p: np.r_[np.zeros(d), 1.0],
            bounds=bounds,
            constraints=constraints,
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-12},
        )
        z = np.clip(found.x[:d], lower, upper)
        # Only points that flip count; z = 0 is no input.
        if np.abs(z).max() > 1e-6 and z @ form @ z <= 1e-9 * (z @ z):
            best = min(best, np.abs(z - x).max())
    return best
