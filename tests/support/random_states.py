"""Random observables and states, and a nearest flip found by general-purpose optimisation."""

import numpy as np
import torch
from scipy.optimize import minimize

__all__ = ["random_mixed", "random_observables", "random_projectors", "random_pure", "slsqp_infidelity"]


def _normal(generator: torch.Generator, *shape: int, real: bool = False) -> torch.Tensor:
    parts = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return torch.complex(parts[0], 0 * parts[1] if real else parts[1])


def random_observables(generator: torch.Generator, classes: int, dimension: int, *, real: bool = False) -> torch.Tensor:
    """Hermitian matrices without structure."""
    m = _normal(generator, classes, dimension, dimension, real=real)
    return (m + m.mH) / 2


def random_projectors(generator: torch.Generator, classes: int, dimension: int) -> torch.Tensor:
    """A projective measurement in a random basis; outcome i counts for class i mod `classes`."""
    basis = torch.linalg.qr(_normal(generator, dimension, dimension)).Q
    outcomes = torch.nn.functional.one_hot(torch.arange(dimension) % classes, classes).T.to(torch.complex128)
    return basis @ torch.diag_embed(outcomes) @ basis.mH


def random_pure(generator: torch.Generator, batch: int, dimension: int, *, real: bool = False) -> torch.Tensor:
    """Haar-random state vectors."""
    psi = _normal(generator, batch, dimension, real=real)
    return psi / psi.norm(dim=1, keepdim=True)


def random_mixed(
    generator: torch.Generator, batch: int, dimension: int, rank: int, *, real: bool = False
) -> torch.Tensor:
    """Density matrices of a given rank."""
    root = _normal(generator, batch, dimension, rank, real=real)
    rho = root @ root.mH
    return rho / rho.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]


def slsqp_infidelity(observables, purification, y: int, rng, starts: int = 6, real: bool = False) -> float:
    """Smallest `1 - F` of a flip seen by SLSQP from random starts, infinite where none was seen.

    `purification` is `(D, r)`: a state vector as one column, or a square root of a density matrix. The attack is a
    matrix of the same shape, real with `real`; its Uhlmann fidelity is the squared nuclear norm of the overlap.
    """
    shape = purification.shape
    best = np.inf
    for j in range(len(observables)):
        if j == y:
            continue
        a = observables[y] - observables[j]
        if np.linalg.eigvalsh(a)[0] > 0:
            continue

        def unpack(v):
            return v.reshape(shape) if real else (v[: v.size // 2] + 1j * v[v.size // 2 :]).reshape(shape)

        def pack(z):
            return z.real.ravel() if real else np.concatenate([z.real.ravel(), z.imag.ravel()])

        # The cone is scale-free: the squared distance to it is the infidelity.
        for _ in range(starts):
            found = minimize(
                lambda v: float((np.abs(unpack(v) - purification) ** 2).sum()),
                pack(purification) + rng.normal(size=pack(purification).size),
                jac=lambda v: 2 * (v - pack(purification)),
                constraints={
                    "type": "ineq",
                    "fun": lambda v, a=a: -float(np.vdot(unpack(v), a @ unpack(v)).real),
                    "jac": lambda v, a=a: -2 * pack(a @ unpack(v)),
                },
                method="SLSQP",
                options={"ftol": 1e-13, "maxiter": 300},
            )
            z = unpack(found.x)
            size = float(np.vdot(z, z).real)
            if size > 1e-6 and float(np.vdot(z, a @ z).real) <= 1e-10 * size:
                overlap = np.linalg.svd(purification.conj().T @ z, compute_uv=False).sum()
                best = min(best, 1 - overlap**2 / size)
    return best
