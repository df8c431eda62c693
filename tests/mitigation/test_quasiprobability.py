"""Inverse channels as signed mixtures: exact, of least one-norm."""

import pytest
import torch
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.mitigation.quasiprobability import QuasiProbability, quasi_probability
from counterspin.noise import (
    Channel,
    amplitude_damping,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    pauli_channel,
    phase_flip,
    tensor,
    thermal_relaxation,
    zz_crosstalk,
)
from tests.support.random_channels import random_channel


def transfer_of(mixture: QuasiProbability, qubits: int) -> Tensor:
    """The mixture's transfer matrix, operation by operation."""
    total = torch.zeros(4**qubits, 4**qubits, dtype=torch.float64)
    for coefficient, operation in zip(mixture.coefficients, mixture.operations, strict=True):
        factors = [torch.eye(4, dtype=torch.float64)] * qubits
        whole = None
        for positions, channel in operation:
            if len(positions) == qubits:
                whole = channel.transfer
            else:
                factors[positions[0]] = channel.transfer
        product = factors[0] if qubits == 1 else torch.kron(*factors)
        total += coefficient * (product if whole is None else whole)
    return total


@pytest.mark.parametrize(
    "channel",
    [
        depolarizing(0.1),
        depolarizing(0.1, 2),
        pauli_channel({"XY": 0.02, "ZI": 0.05, "IX": 0.01}),
        amplitude_damping(0.2),
        generalized_amplitude_damping(0.1, 0.3),
        thermal_relaxation(1e-4, 1.5e-4, 1e-5, 0.02),
        overrotation("Y", 0.3),
        zz_crosstalk(0.2),
        tensor(amplitude_damping(0.05), phase_flip(0.1)),
        random_channel(1, 3, seed=0, strength=0.2),
    ],
    ids=lambda channel: channel.name,
)
def test_the_mixture_undoes_the_channel(channel: Channel) -> None:
    mixture = quasi_probability(channel)
    identity = torch.eye(4**channel.qubits, dtype=torch.float64)
    assert torch.allclose(transfer_of(mixture, channel.qubits) @ channel.transfer, identity, atol=1e-12)
    assert float(mixture.coefficients.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_one_norms_by_their_closed_forms(p: float) -> None:
    # Depolarising of d² - 1 error words: (1 + (1 - 2/d²) p) / (1 - p); flips: 1 / (1 - 2p); damping: Takagi's optimum.
    assert quasi_probability(depolarizing(p)).one_norm == pytest.approx((1 + p / 2) / (1 - p))
    assert quasi_probability(depolarizing(p, 2)).one_norm == pytest.approx((1 + 7 / 8 * p) / (1 - p))
    assert quasi_probability(phase_flip(0.9 * p)).one_norm == pytest.approx(1 / (1 - 1.8 * p))
    assert quasi_probability(amplitude_damping(p)).one_norm == pytest.approx((1 + p) / (1 - p), abs=1e-9)


def test_unitary_clifford_errors_cost_nothing() -> None:
    assert quasi_probability(overrotation("X", torch.pi / 2)).one_norm == pytest.approx(1.0, abs=1e-9)


def test_what_cannot_be_undone_is_refused() -> None:
    with pytest.raises(ConditionsError, match="no usable inverse"):
        quasi_probability(depolarizing(1.0))
    with pytest.raises(ConditionsError, match="one or two"):
        quasi_probability(tensor(phase_flip(0.1), phase_flip(0.1), phase_flip(0.1)))
    with pytest.raises(ConditionsError, match="no mixture of the operations"):
        quasi_probability(random_channel(2, 3, seed=0, strength=0.2))
