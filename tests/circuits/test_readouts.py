"""Measurements and heads: what they accept, their JSON."""

import json

import pytest
import torch

from counterspin.circuits import (
    Linear,
    Measurement,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    measurement_from_json,
    measurement_to_json,
)
from counterspin.errors import UsageError


@pytest.mark.parametrize(
    "measurement",
    [
        PauliExpectations.of("Z0", "X0 Y2", "Z11"),
        OutcomeGroups((3, 0), ((0, 3), (1,))),
        OutcomeGroups.first(qubits=4, classes=10),
    ],
)
def test_json_round_trip(measurement: Measurement) -> None:
    assert measurement_from_json(json.loads(json.dumps(measurement_to_json(measurement)))) == measurement


def test_sizes() -> None:
    paulis, groups = PauliExpectations.of("Z0", "X1 Z4"), OutcomeGroups((2, 5), ((0,), (1, 2), (3,)))
    assert (paulis.values, paulis.qubits) == (2, 5)
    assert (groups.values, groups.qubits) == (3, 6)


@pytest.mark.parametrize("name", ["", "z0", "Z", "Z0X1", "Q1", "Z0 1"])
def test_unreadable_observables_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not readable; write it like"):
        PauliExpectations.of(name)


@pytest.mark.parametrize("string", [(), ((0, "Z"), (0, "X")), ((0, "I"),), ((-1, "Z"),)])
def test_wrong_strings_are_refused(string: tuple[tuple[int, str], ...]) -> None:
    with pytest.raises(UsageError, match="must name each qubit once with X, Y or Z"):
        PauliExpectations((string,))


def test_no_observables_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one observable"):
        PauliExpectations(())


@pytest.mark.parametrize("measured", [(), (0, 0), (-1, 0)])
def test_wrong_measured_qubits_are_refused(measured: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="name each measured qubit once"):
        OutcomeGroups(measured, ((0,),))


@pytest.mark.parametrize("groups", [(), ((0,), ()), ((0, 1), (1,)), ((0, 0),)])
def test_groups_that_are_empty_or_overlap_are_refused(groups: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(UsageError, match="disjoint and not empty"):
        OutcomeGroups((0, 1), groups)


def test_outcomes_beyond_the_qubits_are_refused() -> None:
    with pytest.raises(UsageError, match="groups name outcomes 0 to 4; allowed: 0 to 3"):
        OutcomeGroups.first(qubits=2, classes=5)


def test_what_the_scores_are() -> None:
    paulis, groups = PauliExpectations.of("Z0", "Z1"), OutcomeGroups.first(qubits=1, classes=2)
    head = Linear(torch.ones(3, 2), torch.zeros(3))
    assert (Readout(paulis).outputs, Readout(paulis).classes) == ("expectations", 2)
    assert (Readout(groups).outputs, Readout(groups).classes) == ("probabilities", 2)
    assert (Readout(groups, Scale(torch.tensor(2.0))).outputs, Readout(groups, head).outputs) == ("logits", "logits")
    assert Readout(groups, head).classes == 3
    # Outcomes left out: the values need not sum to 1.
    partial = OutcomeGroups.first(qubits=2, classes=3)
    assert (partial.is_complete, Readout(partial).outputs) == (False, "expectations")


def test_scores_keep_the_dtype_of_the_values() -> None:
    values = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    readout = Readout(PauliExpectations.of("Z0", "Z1"), Linear(torch.tensor([[2.0, 1.0]]), torch.tensor([0.25])))
    assert readout.scores(values).tolist() == [[0.25]]
    assert readout.scores(values).dtype == torch.float64


@pytest.mark.parametrize(
    "head",
    [
        Linear(torch.ones(3, 4), torch.ones(3)),
        Linear(torch.ones(3, 2), torch.ones(2)),
        Linear(torch.ones(3, 2), torch.tensor(0.0)),
    ],
)
def test_heads_that_do_not_fit_are_refused(head: Linear) -> None:
    with pytest.raises(UsageError, match=r"needed: \(classes, 2\) and \(classes,\)"):
        Readout(PauliExpectations.of("Z0", "Z1"), head)


def test_a_scale_is_one_number() -> None:
    with pytest.raises(UsageError, match=r"scale has shape \(2,\)"):
        Readout(PauliExpectations.of("Z0", "Z1"), Scale(torch.ones(2)))
