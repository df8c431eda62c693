"""Open brackets of trace distance, closed by the programme, and what is said where it cannot run."""

import sys
from dataclasses import dataclass

import pytest
import torch
from random_states import random_mixed, random_observables, random_pure
from torch import Tensor

from counterspin.circuits import Circuit, OutcomeGroups, Readout
from counterspin.evaluation.state_bounds import state_bounds
from counterspin.evaluation.state_certification import certify_states
from counterspin.evaluation.state_closing import closed_brackets
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance_sdp import nearest_in_trace_distance

THREE = Readout(OutcomeGroups((0, 1), ((0,), (1,), (2, 3))))


@dataclass(frozen=True)
class Case:
    observables: Tensor
    states: Tensor
    y: Tensor
    lower: Tensor
    upper: Tensor

    def closed(self, *eps: float):
        return closed_brackets(self.observables, self.states, self.y, self.lower, self.upper, eps)


def case(dimension: int = 4, batch: int = 6, rank: int = 0) -> Case:
    generator = torch.Generator().manual_seed(dimension + rank)
    m = random_observables(generator, 3, dimension)
    states = random_mixed(generator, batch, dimension, rank) if rank else random_pure(generator, batch, dimension)
    y = state_scores(m, states).argmax(dim=1)
    return Case(m, states, y, *state_bounds(m, states, y, "trace", "quantum"))


def middle_of_an_open_bracket(of: Case) -> float:
    row = int((of.upper - of.lower).argmax())
    return float((of.lower[row] + of.upper[row]) / 2)


@pytest.mark.slow
@pytest.mark.one_fast(1)
@pytest.mark.parametrize("rank", [0, 2])
def test_undecided_states_and_no_others_are_solved(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cvxpy")
    of = case(rank=rank)
    eps = middle_of_an_open_bracket(of)
    undecided = (of.lower <= eps) & (eps < of.upper)
    assert 0 < int(undecided.sum()) < len(undecided)
    solved = []

    def counted(m: Tensor, states: Tensor, y: Tensor):
        solved.append(len(states))
        return nearest_in_trace_distance(m, states, y)

    monkeypatch.setattr("counterspin.evaluation.state_closing.nearest_in_trace_distance", counted)
    found = of.closed(eps)
    assert found.method is not None
    assert solved == [int(undecided.sum())]
    assert torch.equal(found.method.lower[~undecided], of.lower[~undecided])
    assert torch.equal(found.upper[~undecided], of.upper[~undecided])
    exact = nearest_in_trace_distance(of.observables, of.states, of.y)
    assert bool((found.method.lower <= exact.upper).all())
    assert bool((exact.lower <= found.upper).all())
    assert bool((found.upper - found.method.lower)[undecided].max() <= 1e-6)


def test_nothing_is_said_where_every_budget_is_decided() -> None:
    of = case()
    found = of.closed(float(of.lower.min()) / 2, float(of.upper.max()) * 1.01)
    assert (found.method, found.note) == (None, None)
    assert found.upper is of.upper


def test_a_flip_at_the_budget_is_a_decision() -> None:
    of = case()
    assert of.closed(float(of.upper.max())).note is None


@pytest.mark.parametrize("module", ["cvxpy", "clarabel"])
def test_the_extra_that_closes_them_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    of = case()
    found = of.closed(middle_of_an_open_bracket(of))
    assert found.method is None
    assert found.upper is of.upper
    assert str(found.note).endswith("undecided; the extra sdp closes them, pip install counterspin[sdp]")


def test_a_dimension_that_is_too_large_is_said() -> None:
    pytest.importorskip("cvxpy")
    of = case(32, batch=3)
    found = of.closed(middle_of_an_open_bracket(of))
    assert found.method is None
    assert "at most 4 qubits" in str(found.note)


def states_between_three_classes() -> Tensor:
    return random_pure(torch.Generator().manual_seed(5), 8, 4)


def test_a_certification_decides_what_the_bracket_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cvxpy")
    circuit, states = Circuit(2).add("RY", 0, 0.4).add("CNOT", (0, 1)), states_between_three_classes()
    asked = {"metric": "trace", "adversary": "quantum"}
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cvxpy", None)
        bracket = certify_states(circuit, None, THREE, states, eps=(0.1,), **asked)
    row = int((bracket.upper - bracket.lower).argmax())
    eps = (float(bracket.lower[row] + bracket.upper[row]) / 2,)
    found = certify_states(circuit, None, THREE, states, eps=eps, **asked)
    assert [method.name for method in found.methods] == ["nearest-state", "semidefinite", "probability-gap"]
    assert found.decided(eps[0]).value == 1.0
    assert found.certified(eps[0]) == found.unbroken(eps[0])
    assert bool((bracket.lower <= found.lower).all())
    assert bool((found.upper <= bracket.upper).all())
    assert any("closed by semidefinite programming" in sentence for sentence in found.assumptions.sentences)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cvxpy", None)
        left = certify_states(circuit, None, THREE, states, eps=eps, **asked)
    assert left.decided(eps[0]).value < 1.0
    assert any("the extra sdp closes them" in sentence for sentence in left.assumptions.sentences)


@pytest.mark.parametrize(("metric", "adversary"), [("fidelity", "quantum"), ("trace", "pure")])
def test_exact_distances_need_no_programme(metric: str, adversary: str) -> None:
    states = states_between_three_classes()
    found = certify_states(Circuit(2), None, THREE, states, eps=(0.05, 0.2), metric=metric, adversary=adversary)
    assert "semidefinite" not in [method.name for method in found.methods]
    assert not any("bracket" in sentence for sentence in found.assumptions.sentences)
