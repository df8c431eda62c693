"""Real powers of real matrices."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import fractional_matrix_power
from torch import Tensor

__all__ = ["real_power"]

# Eigenvectors are used up to this condition number: about 1e-12 of accuracy is left.
_WELL_CONDITIONED = 1e4
_ZERO = 1e-14
_REAL = 1e-9


def real_power(matrix: Tensor, factor: float) -> Tensor | None:
    """The principal power of a real square matrix, float64; None: it is not real or does not exist.

    Args:
        matrix: `(m, m)` float64.
        factor: at least 0.

    Example:
        >>> real_power(torch.tensor([[4.0, 0.0], [0.0, 9.0]], dtype=torch.float64), 0.5).tolist()
        [[2.0, 0.0], [0.0, 3.0]]
    """
    if float(factor).is_integer():
        return torch.linalg.matrix_power(matrix, int(factor))
    values, vectors = torch.linalg.eig(matrix)
    if bool(((values.real < -_ZERO) & (values.imag.abs() < _REAL * values.abs())).any()):
        return None
    if float(torch.linalg.cond(vectors)) < _WELL_CONDITIONED:
        # A root would magnify the rounding of an eigenvalue 0.
        values = torch.where(values.abs() < _ZERO, 0, values)
        raised = torch.linalg.solve(vectors.mT, (vectors * values**factor).mT).mT
    else:
        raised = torch.from_numpy(np.asarray(fractional_matrix_power(matrix.numpy(), factor), dtype=np.complex128))
    exists = bool(torch.isfinite(raised).all()) and float(raised.imag.abs().max()) < _REAL
    return raised.real.contiguous() if exists else None
