r"""Trigonometric polynomials of a few variables: fitted from samples, expanded with a bound on what is left out.

.. math:: f(x) = c_0 + \sum_{\omega} a_\omega \cos(\omega^\top x) + b_\omega \sin(\omega^\top x)

A score that is linear in expectation values is one in the inputs of an angle-encoded circuit (arXiv:2008.08605), with
any channels between the gates. One frequency set per variable makes a tensor-product space that holds it.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.trigonometric import basis, conditioning, sampling_nodes

__all__ = ["Polynomials", "Taylor", "fitted", "product_nodes", "taylor"]

# Coefficients below this share of the largest are rounding; what is dropped enters `Polynomials.rounding`.
_NOISE = 1e-14
# Error of a simulated score, relative to the largest: some hundred gates in float64.
_SIMULATED = 1e-14


@dataclass(frozen=True, eq=False, kw_only=True)
class Polynomials:
    """Several polynomials with common frequencies.

    Args:
        frequencies: one row per term `(terms, d)`, one of each pair ±ω, none of them 0.
        constant: `(polynomials,)`.
        cosine: `(polynomials, terms)`.
        sine: `(polynomials, terms)`.
        rounding: how far each may be from the function it was fitted to `(polynomials,)`.
    """

    frequencies: Tensor
    constant: Tensor
    cosine: Tensor
    sine: Tensor
    rounding: Tensor

    @property
    def amplitude(self) -> Tensor:
        """Amplitude of each term `(polynomials, terms)`."""
        return torch.hypot(self.cosine, self.sine)

    def values(self, x: Tensor) -> Tensor:
        """Values `(batch, polynomials)` at `x` `(batch, d)`."""
        phase = x @ self.frequencies.T
        return self.constant + phase.cos() @ self.cosine.T + phase.sin() @ self.sine.T

    def differences(self, minuend: Tensor, subtrahend: Tensor) -> "Polynomials":
        """Polynomial `minuend[k]` minus polynomial `subtrahend[k]` for each k."""
        return Polynomials(
            frequencies=self.frequencies,
            constant=self.constant[minuend] - self.constant[subtrahend],
            cosine=self.cosine[minuend] - self.cosine[subtrahend],
            sine=self.sine[minuend] - self.sine[subtrahend],
            rounding=self.rounding[minuend] + self.rounding[subtrahend],
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Taylor:
    """Second-order expansion at some points.

    Args:
        value: `(batch, polynomials)`.
        gradient: `(batch, polynomials, d)`.
        hessian: `(batch, polynomials, d, d)`.
    """

    value: Tensor
    gradient: Tensor
    hessian: Tensor


def product_nodes(spectra: list[tuple[float, ...]], *, at_most: int) -> list[Tensor] | None:
    """Where to sample along each variable so that the grid determines a polynomial; None beyond `at_most` points.

    Args:
        spectra: positive frequencies of each variable, ascending; empty where nothing depends on it.
        at_most: how many grid points are worth having.

    Example:
        >>> [len(nodes) for nodes in product_nodes([(1.0,), (1.0, 2.0)], at_most=100)]
        [3, 5]
    """
    if math.prod(2 * len(spectrum) + 1 for spectrum in spectra) > at_most:
        return None
    nodes = [sampling_nodes(spectrum) for spectrum in spectra]
    return None if any(node is None for node in nodes) else [node for node in nodes if node is not None]


def fitted(spectra: list[tuple[float, ...]], nodes: list[Tensor], samples: Tensor) -> Polynomials:
    """The polynomials that take the given values on the grid of `product_nodes`.

    Args:
        spectra: as there.
        nodes: as returned there.
        samples: `(n_1, …, n_d, polynomials)` float64.

    Example:
        >>> nodes = product_nodes([(1.0,)], at_most=3)
        >>> f = fitted([(1.0,)], nodes, 2.0 - nodes[0].sin()[:, None])
        >>> round(f.values(torch.tensor([[0.5]]).double()).item() - 2.0 + math.sin(0.5), 9)
        0.0
    """
    coefficients = samples.to(torch.complex128)
    growth = 1.0
    for axis, (spectrum, node) in enumerate(zip(spectra, nodes, strict=True)):
        omega = torch.tensor(spectrum, dtype=torch.float64)
        inverse = torch.linalg.pinv(basis(omega, node)).to(torch.complex128)
        count = len(spectrum)
        # From cosines and sines to exp(iωt) and exp(-iωt).
        constant, cosine, sine = inverse[:1], inverse[1 : count + 1], inverse[count + 1 :]
        exponentials = torch.cat([constant, (cosine - 1j * sine) / 2, (cosine + 1j * sine) / 2])
        coefficients = torch.tensordot(exponentials, coefficients.movedim(axis, 0), dims=1).movedim(0, axis)
        growth *= conditioning(spectrum, node)
    signed = [torch.tensor([0.0, *spectrum, *(-f for f in spectrum)], dtype=torch.float64) for spectrum in spectra]
    frequencies = torch.cartesian_prod(*signed).reshape(-1, len(spectra))
    flat = coefficients.flatten(0, -2)
    half = torch.tensor([_leads(row) for row in itertools.product(*(s.tolist() for s in signed))])
    kept = half & (flat.abs() > _NOISE * flat.abs().max()).any(dim=1)
    dropped = 2 * flat[half & ~kept].abs().sum(dim=0)
    scale = samples.abs().flatten(0, -2).amax(dim=0)
    return Polynomials(
        frequencies=frequencies[kept],
        constant=flat[0].real,
        cosine=2 * flat[kept].real.T.contiguous(),
        sine=-2 * flat[kept].imag.T.contiguous(),
        rounding=dropped + _SIMULATED * (growth + 16 * len(flat)) * scale,
    )


def taylor(polynomials: Polynomials, x: Tensor) -> Taylor:
    """Values, gradients and Hessians at `x` `(batch, d)`, by two matrix products."""
    frequencies, d = polynomials.frequencies, x.shape[1]
    count = len(polynomials.constant)
    phase = x @ frequencies.T
    pairs = torch.combinations(torch.arange(d), with_replacement=True)
    second = frequencies[:, pairs[:, 0]] * frequencies[:, pairs[:, 1]]
    even = torch.cat([torch.ones(len(frequencies), 1, dtype=x.dtype), -second], dim=1)
    weights = torch.cat(
        [
            torch.cat(
                [
                    polynomials.cosine.T[:, :, None] * even[:, None],
                    polynomials.sine.T[:, :, None] * frequencies[:, None],
                ],
                dim=2,
            ),
            torch.cat(
                [
                    polynomials.sine.T[:, :, None] * even[:, None],
                    -polynomials.cosine.T[:, :, None] * frequencies[:, None],
                ],
                dim=2,
            ),
        ]
    )
    found = (torch.cat([phase.cos(), phase.sin()], dim=1) @ weights.flatten(1)).unflatten(1, (count, -1))
    hessian = torch.zeros(len(x), count, d, d, dtype=x.dtype)
    hessian[..., pairs[:, 0], pairs[:, 1]] = found[..., 1 : 1 + len(pairs)]
    hessian[..., pairs[:, 1], pairs[:, 0]] = found[..., 1 : 1 + len(pairs)]
    return Taylor(value=found[..., 0] + polynomials.constant, gradient=found[..., 1 + len(pairs) :], hessian=hessian)


def _leads(frequency: tuple[float, ...]) -> bool:
    """Whether the first entry that is not 0 is positive: true of one of each pair ±ω."""
    return next((entry > 0 for entry in frequency if entry), False)
