"""Readout errors: factors, the dense matrix, restriction and powers."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.noise import ReadoutErrors

FLIPS = ((0.01, 0.05), (0.02, 0.1), (0.0, 0.0), (0.2, 0.03))


def random_confusion(seed, strength=0.3):
    entries = torch.rand(4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns = strength * entries / entries.sum(0) + (1 - strength) * torch.eye(4).double()
    return columns / columns.sum(0)


def by_definition(errors):
    """P(read | true) as a product over the independent parts, outcome by outcome."""
    outcomes = list(itertools.product((0, 1), repeat=errors.qubits))
    paired = {q for qubits, _ in errors.pairs for q in qubits}
    matrix = np.ones((len(outcomes),) * 2)
    for row, read in enumerate(outcomes):
        for column, true in enumerate(outcomes):
            for q, (up, down) in enumerate(errors.flips):
                if q not in paired:
                    wrong = down if true[q] else up
                    matrix[row, column] *= wrong if read[q] != true[q] else 1 - wrong
            for (a, b), confusion in errors.pairs:
                matrix[row, column] *= confusion[2 * read[a] + read[b], 2 * true[a] + true[b]]
    return torch.from_numpy(matrix)


@pytest.mark.parametrize("pairs", [(), ((0, 1),), ((2, 0),), ((3, 1), (0, 2))])
def test_the_dense_matrix_is_the_product_of_its_parts(pairs):
    errors = ReadoutErrors(flips=FLIPS, pairs=tuple((p, random_confusion(sum(p))) for p in pairs))
    torch.testing.assert_close(errors.matrix(), by_definition(errors), atol=1e-15, rtol=0)
    assert sorted(q for qubits, _ in errors.factors() for q in qubits) == [0, 1, 2, 3]
    assert not errors.is_ideal


def test_columns_are_the_truth():
    errors = ReadoutErrors.uniform((0.1, 0.3), 2)
    assert errors.flips == ((0.1, 0.3), (0.1, 0.3))
    assert errors.matrix()[:, 0].tolist() == pytest.approx([0.81, 0.09, 0.09, 0.01])
    assert errors.matrix()[:, 3].tolist() == pytest.approx([0.09, 0.21, 0.21, 0.49])
    assert errors.matrix()[:, 1].tolist() == pytest.approx([0.27, 0.63, 0.03, 0.07])


def test_ideal_readout():
    assert ReadoutErrors.uniform((0.0, 0.0), 3).is_ideal
    exact = ((0, 1), torch.eye(4).double())
    assert ReadoutErrors(flips=((0.5, 0.5), (0.5, 0.5)), pairs=(exact,)).is_ideal
    assert not ReadoutErrors(flips=((0.0, 0.0), (0.0, 1e-6))).is_ideal


def test_restricting_reorders_qubits_and_pairs():
    confusion = random_confusion(5)
    errors = ReadoutErrors(flips=FLIPS, pairs=(((3, 1), confusion),))
    chosen = errors.restricted((1, 2, 3))
    assert chosen.flips[1] == FLIPS[2]
    assert chosen.pairs[0][0] == (2, 0)
    assert chosen.pairs[0][1] is confusion
    assert errors.restricted((2, 0)).flips == (FLIPS[2], FLIPS[0])
    assert errors.restricted((2, 0)).pairs == ()


@pytest.mark.parametrize("kept", [3, 1])
def test_a_pair_cut_in_two_is_read_beside_a_qubit_in_zero(kept):
    errors = ReadoutErrors(flips=FLIPS, pairs=(((3, 1), random_confusion(5)),))
    whole = by_definition(errors).reshape((2,) * 8)
    # Read bits of all others summed away, their true bits 0.
    index = [slice(None)] * 4 + [0] * 4
    index[4 + kept] = slice(None)
    left = whole[tuple(index)]
    left = left.sum([axis for axis in range(4) if axis != kept])
    alone = errors.restricted((kept,))
    assert alone.pairs == ()
    torch.testing.assert_close(alone.matrix(), left, atol=1e-15, rtol=0)


@settings(max_examples=30, deadline=None)
@given(up=st.floats(0, 0.49), down=st.floats(0, 0.49), factor=st.floats(0, 4), seed=st.integers(0, 1000))
def test_scaling_is_a_power(up, down, factor, seed):
    errors = ReadoutErrors(flips=((up, down), (0.1, 0.1), (0.1, 0.2)), pairs=(((1, 2), random_confusion(seed, 0.1)),))
    whole = errors.scaled(2.0)
    torch.testing.assert_close(whole.matrix(), errors.matrix() @ errors.matrix(), atol=1e-13, rtol=0)
    alone = ReadoutErrors(flips=((up, down),))
    once, rest = alone.scaled(factor).matrix(), alone.scaled(4.0 - factor).matrix()
    torch.testing.assert_close(once @ rest, alone.scaled(4.0).matrix(), atol=1e-13, rtol=0)
    assert alone.scaled(0.0).is_ideal


def test_scaling_a_pair_by_a_part():
    single = [ReadoutErrors(flips=(flips,)).matrix() for flips in ((0.1, 0.2), (0.05, 0.3))]
    errors = ReadoutErrors(flips=((0, 0), (0, 0)), pairs=(((0, 1), torch.kron(*single)),))
    apart = ReadoutErrors(flips=((0.1, 0.2), (0.05, 0.3)))
    torch.testing.assert_close(errors.scaled(0.5).matrix(), apart.scaled(0.5).matrix(), atol=1e-13, rtol=0)


def test_powers_that_are_no_confusion_matrix():
    with pytest.raises(ConditionsError, match=r"readout of qubit 1 does not exist: it is wrong more often than right"):
        ReadoutErrors(flips=((0.1, 0.1), (0.6, 0.7))).scaled(0.5)
    ReadoutErrors(flips=((0.6, 0.7),)).scaled(2)
    swapped = torch.eye(4).double()[[1, 0, 2, 3]]
    with pytest.raises(ConditionsError, match=r"confusion matrix of qubits \(0, 1\) is no confusion matrix"):
        ReadoutErrors(flips=((0, 0), (0, 0)), pairs=(((0, 1), swapped),)).scaled(0.5)
    for factor in (-1.0, math.nan):
        with pytest.raises(UsageError, match=f"factor is {factor}"):
            ReadoutErrors(flips=((0.1, 0.1),)).scaled(factor)


@pytest.mark.parametrize(
    ("flips", "pairs", "error", "message"),
    [
        ((), (), UsageError, "flips is empty"),
        (((0.1, 1.2),), (), UsageError, r"flips\[0\] is \(0.1, 1.2\); give two probabilities"),
        (((0.1, math.nan),), (), UsageError, r"flips\[0\]"),
        (((0.1, 0.1),) * 2, (((0, 2), torch.eye(4).double()),), UsageError, r"pairs name the qubits \[0, 2\]"),
        (((0.1, 0.1),) * 2, (((1, 1), torch.eye(4).double()),), UsageError, "in at most one pair"),
        (
            ((0.1, 0.1),) * 3,
            (((0, 1), torch.eye(4).double()), ((1, 2), torch.eye(4).double())),
            UsageError,
            "in at most one pair",
        ),
        (((0.1, 0.1),) * 2, (((0, 1), torch.eye(2).double()),), InputError, r"shape \(2, 2\)"),
        (((0.1, 0.1),) * 2, (((0, 1), torch.eye(4)),), InputError, "float64"),
        (((0.1, 0.1),) * 2, (((0, 1), 0.9 * torch.eye(4).double()),), InputError, "sums up to 0.1 off 1"),
        (((0.1, 0.1),) * 2, (((0, 1), torch.full((4, 4), math.nan).double()),), InputError, "no distributions"),
    ],
)
def test_errors_that_are_none(flips, pairs, error, message):
    with pytest.raises(error, match=message):
        ReadoutErrors(flips=flips, pairs=pairs)


def test_rows_instead_of_columns_are_noticed():
    with pytest.raises(InputError, match=r"entry \[read, true\] is a probability, columns sum to 1"):
        ReadoutErrors(flips=((0, 0), (0, 0)), pairs=(((0, 1), random_confusion(3).T.contiguous()),))


def test_qubits_that_are_not_there():
    errors = ReadoutErrors.uniform((0.1, 0.1), 3)
    for order in ((), (0, 0), (3,), (-1,)):
        with pytest.raises(UsageError, match="name some of the qubits 0 to 2 once each"):
            errors.restricted(order)
    with pytest.raises(UsageError, match="apply factors"):
        ReadoutErrors.uniform((0.1, 0.1), 13).matrix()


def test_qubits_that_are_wrong_more_often_than_right_are_noted() -> None:
    assert ReadoutErrors(flips=((0.5, 0.5), (0.0, 1.0))).notes == ()
    (note,) = ReadoutErrors(flips=((0.7, 0.6), (0.1, 0.1), (0.2, 0.9))).notes
    assert note.startswith("Qubits 0, 2 are read wrong more often than right (P(1|0) + P(0|1) = 1.3, beyond 1)")
    # Of a pair, each qubit beside a partner in 0 and in 1: kron of a good and a swapped readout.
    good = torch.tensor([[0.9, 0.2], [0.1, 0.8]], dtype=torch.float64)
    swapped = good.flip(0)
    for pair, wrong in (((0, 1), 1), ((1, 0), 0)):
        errors = ReadoutErrors(flips=((0.0, 0.0),) * 2, pairs=((pair, torch.kron(good, swapped)),))
        assert errors.notes[0].startswith(f"Qubit {wrong} is read wrong more often than right (P(1|0) + P(0|1) = 1.7")
