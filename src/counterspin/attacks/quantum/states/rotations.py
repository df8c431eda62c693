r"""Products of single-qubit rotations on batches of states, :math:`\bigotimes_q e^{-i a_q \cdot \sigma / 2}`."""

import torch
from torch import Tensor

__all__ = ["rotated", "rotation_matrices", "within"]


def rotation_matrices(vectors: Tensor) -> Tensor:
    r"""Matrices :math:`\cos\frac{|a|}2 - i \sin\frac{|a|}2\,\hat a\cdot\sigma` `(..., 2, 2)` of vectors `(..., 3)`.

    Attached to autograd, at zero as well.

    Example:
        >>> rotation_matrices(torch.tensor([torch.pi, 0.0, 0.0])).abs().round(decimals=4).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    half = vectors.square().sum(dim=-1).clamp(min=1e-30).sqrt() / 2
    cos, x, y, z = half.cos(), *((half.sin() / (2 * half))[..., None] * vectors).unbind(dim=-1)
    rows = [
        torch.stack([torch.complex(cos, -z), torch.complex(-y, -x)], dim=-1),
        torch.stack([torch.complex(y, -x), torch.complex(cos, z)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def rotated(states: Tensor, vectors: Tensor) -> Tensor:
    """Pure `(batch, D)` or mixed `(batch, D, D)` states after the rotation of each qubit by `vectors` `(batch, n, 3)`.

    Example:
        >>> up = torch.eye(4).cdouble()[:1]
        >>> turns = torch.tensor([[[0.0, torch.pi, 0.0], [0.0, 0.0, 0.0]]], dtype=torch.float64)
        >>> rotated(up, turns).real.round(decimals=6).tolist()
        [[0.0, 0.0, 1.0, 0.0]]
    """
    matrices = rotation_matrices(vectors).to(states.dtype)
    if states.ndim == 2:
        return _on_rows(states[:, None, :], matrices)[:, 0]
    # Columns of ρ as kets, then those of the adjoint: U ρ and (U (U ρ)†)†.
    half = _on_rows(states.mT, matrices).mT
    return _on_rows(half.conj(), matrices).conj()


def within(vectors: Tensor, radius: float) -> Tensor:
    """Rotation vectors `(..., 3)` shortened to a length of at most `radius` each."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors * (radius / length.clamp(min=torch.finfo(vectors.dtype).tiny)).clamp(max=1)


def _on_rows(states: Tensor, matrices: Tensor) -> Tensor:
    """Every row of `(batch, rows, D)` as a ket, under one matrix per sample and qubit `(batch, n, 2, 2)`."""
    batch, rows, dimension = states.shape
    for qubit in range(matrices.shape[1]):
        blocks = states.reshape(batch, rows * 2**qubit, 2, -1)
        states = (matrices[:, qubit, None] @ blocks).reshape(batch, rows, dimension)
    return states
