"""Calibration of readouts: exact matrices, estimates within their statistics, and what they cost."""

import pytest
import torch
from small_circuits import seeded

from counterspin.errors import InputError, UsageError
from counterspin.mitigation.calibration import Calibration, estimated_calibration, exact_calibration
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation.readout_noise import on_factors

PAIR = torch.tensor(
    [[0.9, 0.1, 0.02, 0.0], [0.05, 0.8, 0.03, 0.1], [0.05, 0.0, 0.9, 0.1], [0.0, 0.1, 0.05, 0.8]], dtype=torch.float64
)
ERRORS = ReadoutErrors(flips=((0.1, 0.2), (0.0, 0.0), (0.02, 0.05)), pairs=(((0, 1), PAIR),))
NOISE = NoiseModel(readout=ERRORS)


def test_exact_calibration_is_the_model():
    tensored = exact_calibration(NOISE, 3)
    assert [qubits for qubits, _ in tensored.factors] == [(0, 1), (2,)]
    assert torch.equal(tensored.factors[0][1], PAIR)
    full = exact_calibration(NOISE, 3, full=True)
    torch.testing.assert_close(full.factors[0][1], torch.kron(PAIR, tensored.factors[1][1]), atol=1e-15, rtol=0)
    assert full.condition == pytest.approx(tensored.condition, rel=1e-9)
    # The bound on the variance is the same, since column sums of moduli multiply.
    assert full.overhead() == pytest.approx(tensored.overhead(), rel=1e-9)


def test_no_errors_are_identities():
    perfect = exact_calibration(NoiseModel(), 2)
    assert perfect.condition == perfect.overhead() == 1.0


@pytest.mark.parametrize(("full", "circuits"), [(False, 4), (True, 8)])
def test_estimates_have_the_spread_of_their_shots(full, circuits):
    shots = 4000
    made = estimated_calibration(NOISE, 3, shots=shots, generator=seeded(0), full=full)
    exact = exact_calibration(NOISE, 3, full=full)
    assert (made.cost.circuits, made.cost.shots) == (circuits, circuits * shots)
    for (qubits, estimate), (named, matrix) in zip(made.factors, exact.factors, strict=True):
        assert qubits == named
        draws = shots * circuits // matrix.shape[0]
        spread = (matrix * (1 - matrix) / draws).sqrt()
        score = (estimate - matrix)[spread > 0] / spread[spread > 0]
        assert 0.5 < float(score.square().mean().sqrt()) < 1.6
        assert torch.equal(estimate[spread == 0], matrix[spread == 0])


def test_factors_act_on_their_qubits():
    distribution = torch.rand(4, 8, generator=seeded(1), dtype=torch.float64)
    flip = torch.tensor([[0.9, 0.3], [0.1, 0.7]], dtype=torch.float64)
    # The pair (2, 0): qubit 2 is its most significant bit.
    together = on_factors(distribution, [((2, 0), PAIR), ((1,), flip)])
    by_hand = torch.einsum(
        "caij,lk,bjki->balc",
        PAIR.reshape(2, 2, 2, 2),
        flip,
        distribution.reshape(4, 2, 2, 2),
    )
    torch.testing.assert_close(together, by_hand.reshape(4, 8), atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ((((0,), torch.eye(2).double()),), "names qubits"),
        ((((0,), torch.eye(2).double()), ((1,), torch.eye(4).double())), r"shape \(4, 4\)"),
        ((((0,), torch.eye(2).double()), ((1,), torch.eye(2))), "float32"),
        ((((0,), torch.eye(2).double()), ((1,), 0.9 * torch.eye(2).double())), "no distribution"),
        ((((0,), torch.eye(2).double()), ((1,), torch.tensor([[1.2, 0.0], [-0.2, 1.0]]).double())), "negative"),
    ],
)
def test_what_is_no_calibration_is_refused(factors, message):
    with pytest.raises(InputError, match=message):
        Calibration(qubits=2, factors=factors)


def test_refusals():
    with pytest.raises(UsageError, match="at most 10"):
        exact_calibration(NoiseModel(), 11, full=True)
    with pytest.raises(UsageError, match="calibration is 0"):
        estimated_calibration(NOISE, 3, shots=0, generator=seeded(0))
