"""Local depolarising noise by trajectories: random Pauli errors after every layer."""

import torch
from torch import Tensor

__all__ = ["DepolarizingErrors"]


class DepolarizingErrors:
    r"""Random Pauli errors on every qubit, each X, Y, Z with probability p/4, drawn anew at each call.

    Averaged over draws this is the channel :math:`\rho \mapsto (1-p)\rho + p\,\mathrm{Tr}_q(\rho)\otimes 1/2`.

    Args:
        strength: p.
        qubits: number of qubits.
        generator: source of the errors.
    """

    def __init__(self, strength: float, qubits: int, generator: torch.Generator) -> None:
        self.strength, self.qubits, self.generator = strength, qubits, generator
        shifts = torch.arange(qubits - 1, -1, -1, device=generator.device)
        self.powers = 2**shifts
        self.states = torch.arange(2**qubits, device=generator.device)
        self.bits = (self.states[:, None] >> shifts) & 1

    def __call__(self, state: Tensor) -> Tensor:
        """The states `(batch, 2**qubits)` after one layer's errors; rows without any are left alone."""
        draws = torch.rand(
            state.shape[0], self.qubits, generator=self.generator, dtype=torch.float64, device=self.generator.device
        )
        # 1, 2, 3 for X, Y, Z, each on a quarter of the interval [0, p); 0 for no error.
        pauli = torch.where(draws < 0.75 * self.strength, (draws / (0.25 * self.strength)).long().clamp_max(2) + 1, 0)
        rows = (pauli > 0).any(dim=1).nonzero()[:, 0]
        if not len(rows):
            return state
        pauli = pauli[rows]
        flips = ((pauli == 1) | (pauli == 2)).long() @ self.powers
        phases = ((pauli == 2) | (pauli == 3)).long()
        # Z flips the sign of the ones, then X moves them; Y = iXZ up to a global phase.
        signs = 1 - 2 * torch.remainder(phases @ self.bits.T, 2)
        rows = rows.to(state.device)
        hit = state[rows] * signs.to(state.device, state.real.dtype)
        hit = hit.gather(1, (self.states ^ flips[:, None]).to(state.device))
        return state.index_copy(0, rows, hit)
