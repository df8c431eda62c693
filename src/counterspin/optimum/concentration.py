r"""How near the boundary random quantum states lie: the concentration lines.

For a Haar-random complex state of `n` qubits and a balanced :math:`\pm 1` observable the infidelity to the nearest
flip, :math:`1 - F^* = \tfrac12(1 - \sqrt{1 - m^2})` at margin `m`, has the mean

.. math:: \mathbb{E}[1 - F^*] \approx \frac{1}{4(2^n + 1)}

to leading order (the exact mean is 4.5 % higher at 4 qubits, 1.2 % at 6, 0.3 % at 8), and real states against a real
adversary twice that. Trained models are judged against these lines: on them a circuit is no more robust than a random
one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError
from counterspin.optimum.state_arguments import checked_observables
from counterspin.optimum.states import nearest_states, state_scores

__all__ = ["MeanInfidelity", "haar_infidelity", "haar_states", "mean_infidelity"]

# Amplitudes drawn at once.
_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class MeanInfidelity:
    """Average of `1 - F*` over random states.

    Args:
        mean: the average of certified infidelities; states that cannot be flipped are left out.
        error: its standard error.
        samples: number of states behind it.
    """

    mean: float
    error: float
    samples: int


def haar_infidelity(qubits: int, *, real: bool = False) -> float:
    """The concentration line: mean infidelity to the nearest flip of a Haar-random state, to leading order.

    Args:
        qubits: number of qubits.
        real: real states against a real adversary.

    Example:
        >>> round(1 / haar_infidelity(4)), round(1 / haar_infidelity(4, real=True))
        (68, 34)
    """
    return (2 if real else 1) / (4 * (2**qubits + 1))


def haar_states(dimension: int, samples: int, generator: torch.Generator, *, real: bool = False) -> Tensor:
    """Random states `(samples, dimension)` complex128, uniform over the complex or the real unit sphere.

    Example:
        >>> haar_states(4, 2, torch.Generator().manual_seed(0), real=True).imag.abs().max().item()
        0.0
    """
    parts = torch.randn(2, samples, dimension, generator=generator, dtype=torch.float64)
    states = torch.complex(parts[0], torch.zeros_like(parts[1]) if real else parts[1])
    return states / torch.linalg.vector_norm(states, dim=1, keepdim=True)


def mean_infidelity(
    observables: Tensor, samples: int, generator: torch.Generator, *, real: bool = False
) -> MeanInfidelity:
    """Mean infidelity from random states to the nearest one that changes the decision.

    Args:
        observables: Hermitian `(classes, D, D)` of a frozen circuit.
        samples: number of states, at least 2.
        generator: draws them.
        real: real states against a real adversary, for circuits that encode real data in amplitudes.

    Raises:
        InputError: fewer than 2 samples, or observables that are not Hermitian or whose classes no state can flip.

    Example:
        >>> bit = torch.diag_embed(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])).cdouble()
        >>> drawn = mean_infidelity(bit, 2000, torch.Generator().manual_seed(0))
        >>> 0.05 < drawn.mean < 0.07
        True
    """
    if samples < 2:
        raise InputError(f"samples is {samples}; a mean with its error needs at least 2.")
    m = checked_observables(observables)
    dimension = m.shape[-1]
    values = []
    for start in range(0, samples, max(1, _CHUNK // dimension)):
        count = min(samples - start, max(1, _CHUNK // dimension))
        states = haar_states(dimension, count, generator, real=real)
        decisions = state_scores(m, states).argmax(dim=1)
        values.append(nearest_states(m, states, decisions, real=real).lower)
    found = torch.cat(values)
    found = found[torch.isfinite(found)]
    if len(found) < 2:
        raise InputError("observables decide for one class whatever the state; there is no flip to measure.")
    return MeanInfidelity(mean=float(found.mean()), error=float(found.std() / len(found) ** 0.5), samples=len(found))
