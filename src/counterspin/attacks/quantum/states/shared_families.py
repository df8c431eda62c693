"""Unitaries that all samples share: rotations of single qubits, or one generator on all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from counterspin.attacks.quantum.states.rotations import rotated, within
from counterspin.attacks.quantum.states.site import StateSite

__all__ = ["Generators", "Rotations", "UnitaryFamily"]


class UnitaryFamily(ABC):
    """Unitaries by parameters of which 0 is the identity, and the norm that bounds them."""

    @abstractmethod
    def nothing(self, site: StateSite) -> Tensor:
        """Parameters of the identity."""

    @abstractmethod
    def drawn(self, like: Tensor, budget: float, generator: torch.Generator) -> Tensor:
        """Random parameters of the size of the budget."""

    @abstractmethod
    def turned(self, states: Tensor, parameters: Tensor) -> Tensor:
        """Pure `(batch, D)` or mixed `(batch, D, D)` states under the unitary, attached to autograd."""

    @abstractmethod
    def steepest(self, slope: Tensor) -> Tensor:
        """The step of size 1 that gains most along a gradient."""

    @abstractmethod
    def within(self, parameters: Tensor, budget: float) -> Tensor:
        """Parameters of at most this size."""

    @abstractmethod
    def size(self, parameters: Tensor) -> float:
        """Size in radians."""


class Rotations(UnitaryFamily):
    r"""Products :math:`\bigotimes_q e^{-i a_q\cdot\sigma/2}` of vectors `(n, 3)`; the size is the longest vector."""

    def nothing(self, site: StateSite) -> Tensor:
        """All vectors 0."""
        return torch.zeros(site.qubits, 3, dtype=torch.float64)

    def drawn(self, like: Tensor, budget: float, generator: torch.Generator) -> Tensor:
        """Normal vectors, cut to the budget."""
        return self.within(budget * torch.randn(like.shape, generator=generator, dtype=like.dtype), budget)

    def turned(self, states: Tensor, parameters: Tensor) -> Tensor:
        """Every qubit rotated."""
        return rotated(states, parameters.expand(len(states), *parameters.shape))

    def steepest(self, slope: Tensor) -> Tensor:
        """Each qubit's slope at length 1."""
        length = torch.linalg.vector_norm(slope, dim=1, keepdim=True)
        return slope / length.clamp(min=torch.finfo(slope.dtype).tiny)

    def within(self, parameters: Tensor, budget: float) -> Tensor:
        """Each vector shortened."""
        return within(parameters, budget)

    def size(self, parameters: Tensor) -> float:
        """Longest vector."""
        return float(torch.linalg.vector_norm(parameters, dim=1).amax())


class Generators(UnitaryFamily):
    r"""Unitaries :math:`e^{-iH}` of Hermitian H `(D, D)`; the size is the operator norm."""

    def nothing(self, site: StateSite) -> Tensor:
        """H = 0."""
        return torch.zeros_like(site.observables[0])

    def drawn(self, like: Tensor, budget: float, generator: torch.Generator) -> Tensor:
        """A Gaussian unitary ensemble, scaled to the budget."""
        matrix = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        matrix = matrix + matrix.mH
        return matrix * (budget / torch.linalg.matrix_norm(matrix, ord=2))

    def turned(self, states: Tensor, parameters: Tensor) -> Tensor:
        """Kets under the unitary, density matrices between it and its adjoint."""
        unitary = torch.linalg.matrix_exp(-1j * parameters)
        return states @ unitary.mT if states.ndim == 2 else unitary @ states @ unitary.mH

    def steepest(self, slope: Tensor) -> Tensor:
        """The sign of the Hermitian part: all its eigenvalues at size 1."""
        eigenvalues, vectors = torch.linalg.eigh((slope + slope.mH) / 2)
        # Rounding decides no sign.
        signs = eigenvalues.sign() * (eigenvalues.abs() > 1e-12 * eigenvalues.abs().amax())
        return (vectors * signs.to(vectors.dtype)) @ vectors.mH

    def within(self, parameters: Tensor, budget: float) -> Tensor:
        """Eigenvalues cut to the budget."""
        eigenvalues, vectors = torch.linalg.eigh((parameters + parameters.mH) / 2)
        cut = (vectors * eigenvalues.clamp(-budget, budget).to(vectors.dtype)) @ vectors.mH
        return (cut + cut.mH) / 2

    def size(self, parameters: Tensor) -> float:
        """Largest eigenvalue in magnitude."""
        return float(torch.linalg.eigvalsh(parameters).abs().amax())
