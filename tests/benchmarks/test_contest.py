import pytest
import torch

from benchmarks.contest import contest, difference
from benchmarks.floor import Work
from benchmarks.workloads import Problem, build


@pytest.fixture
def problem():
    return Problem(workload="reuploading", circuit=build("reuploading", 1, 1), depth=1, batch=2)


def answers(value):
    return lambda: (torch.full((2, 2), value), torch.ones(2, 1))


@pytest.mark.slow
def test_every_engine_meets_every_peer(problem):
    ours, peers = {"a": answers(1.0), "b": answers(1.0)}, {"p": answers(1.0), "q": answers(1.0 + 1e-5)}
    rows = contest(problem, ours, peers, repeats=2, work=Work(flops=1.0, bytes=1.0), workload="named")
    assert [(row.engine, row.peer) for row in rows] == [("a", "p"), ("a", "q"), ("b", "p"), ("b", "q")]
    assert [row.max_difference for row in rows] == [0.0, pytest.approx(1e-5, rel=0.1)] * 2
    assert {(row.workload, len(row.found.seconds)) for row in rows} == {("named", 2)}
    assert rows[0].found == rows[1].found
    assert all(row.floor is not None and row.floor > 0 for row in rows)


def test_without_peers_there_is_one_row_alone(problem):
    (row,) = contest(problem, {"a": answers(1.0)}, {}, repeats=1)
    assert (row.peer, row.against, row.floor, row.max_difference) == (None, None, None, None)


def test_peers_that_compute_something_else_are_an_error(problem):
    ours, peers = {"a": answers(1.0)}, {"p": answers(1.1)}
    with pytest.raises(RuntimeError, match=r"a and p differ by 9e-02|a and p differ by 9\.1e-02"):
        contest(problem, ours, peers, repeats=1)
    (row,) = contest(problem, ours, peers, repeats=1, same=False)
    assert row.max_difference is None


def test_differences_are_relative_to_large_results_and_absolute_below_one():
    small, large = torch.tensor([0.1]), torch.tensor([50.0, 100.0])
    assert difference((small + 0.5,), (small,)) == pytest.approx(0.5)
    assert difference((large + 1.0, small), (large, small)) == pytest.approx(0.01)
