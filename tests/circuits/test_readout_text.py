import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.circuits import Linear, OutcomeGroups
from counterspin.circuits.readout_text import readout_from_text
from counterspin.errors import UsageError


def scores(text: str, threshold: float = 0.0, **values: float) -> list[float]:
    """Class scores where each Pauli string, written like Z0X1, has a value."""
    readout = readout_from_text(text, threshold=threshold)
    strings = ["".join(f"{p}{q}" for q, p in s) for s in readout.measurement.observables]
    return readout.scores(torch.tensor([values[s] for s in strings], dtype=torch.float64)).tolist()


def test_one_expression_stands_for_two_classes() -> None:
    assert scores("Z[0]", Z0=0.4) == [0.2, -0.2]
    assert scores("Z[0]", threshold=0.5, Z0=0.4) == pytest.approx([-0.05, 0.05])


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("0.5*Z[0]*X[1] - Z[2] + 0.1", 0.5 * 3 - 5 + 0.1),
        ("-Z[2]+X[1] * 2*Z[0]", -5 + 2 * 3),
        ("Z[2] - 1e-1*Z[2]", 0.9 * 5),
        ("1.5e+1*Z[2]", 75),
        (" Z[ 2 ] ", 5),
    ],
)
def test_combinations(text: str, margin: float) -> None:
    first, second = scores(text, Z0X1=3.0, Z2=5.0)
    assert first - second == pytest.approx(margin, rel=1e-14)
    assert first == -second


def test_one_expression_per_class() -> None:
    assert scores("Z[0] | -Z[0] + 1 | 2*X[1]", Z0=0.25, X1=0.5) == [0.25, 0.75, 1.0]


def test_outcomes() -> None:
    every = readout_from_text("P[1,0]").measurement
    assert every == OutcomeGroups((1, 0), ((0,), (1,), (2,), (3,)))
    some = readout_from_text("P[2, 0]: 00 11 | 10")
    assert some.measurement == OutcomeGroups((2, 0), ((0, 3), (2,)))
    assert some.head is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "measures nothing"),
        ("0.5", "measures nothing"),
        ("0*Z[0]", "measures nothing"),
        ("Z[0] |", "measures nothing"),
        ("Z0", "not readable at 'Z0'"),
        ("W[0]", "not readable at 'W"),
        ("Z[0] Z[1]", "not readable"),
        ("Z[0] +", "not readable at '+'"),
        ("Z[0]**Z[1]", "not readable at ''"),
        ("1.2.3*Z[0]", "not readable at '1.2.3'"),
        ("Z[0]*X[0]", "names qubit 0 twice"),
        ("P[]", "not readable"),
        ("P[0,]", "lists no qubits"),
        ("P[0]: 0", "has one group"),
        ("P[0]: 0 | 2", "outcome '2'; give 1 digits"),
        ("P[0,1]: 00 | 0", "outcome '0'; give 2 digits"),
        ("P[0,1]: 00 | 00", "groups must be disjoint"),
        ("P[0,1]: 00 | ", "not empty"),
        ("P[0,1,2,3,4,5,6,7,8,9,10]", "2^11 outcomes"),
    ],
)
def test_what_is_no_readout(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        readout_from_text(text)
    assert what in str(caught.value)


@pytest.mark.parametrize("text", ["P[0]", "Z[0] | Z[1]"])
def test_a_threshold_needs_one_score(text: str) -> None:
    with pytest.raises(UsageError, match=r"threshold is 0\.5"):
        readout_from_text(text, threshold=0.5)


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 3), st.sampled_from("XYZ")), min_size=1, max_size=5))
def test_sums_written_out_come_back(terms: list[tuple[float, int, str]]) -> None:
    expected: dict[tuple[tuple[int, str], ...], float] = {}
    for coefficient, qubit, letter in terms:
        expected[((qubit, letter),)] = expected.get(((qubit, letter),), 0.0) + coefficient
    if not any(expected.values()):
        return
    text = "".join(f"{'-' if c < 0 else '+'} {abs(c)!r} * {p}[{q}]" for c, q, p in terms)
    readout = readout_from_text(text)
    assert isinstance(readout.head, Linear)
    found = dict(zip(readout.measurement.observables, 2 * readout.head.weight[0].numpy(), strict=True))
    assert set(found) == set(expected)
    np.testing.assert_allclose([found[s] for s in expected], list(expected.values()), rtol=1e-14, atol=1e-14)
