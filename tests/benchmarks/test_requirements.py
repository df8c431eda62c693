import pytest

from benchmarks.requirements import verdicts


def words(row):
    return {v.requirement.measure: v.words for v in verdicts([row])}


@pytest.mark.parametrize(
    ("milliseconds", "judged"), [(2.0, "goal"), (100 / 45, "goal"), (3.0, "met"), (100 / 30, "met"), (3.4, "NOT MET")]
)
def test_a_ratio_must_be_at_least_its_bound(row, milliseconds, judged):
    # At 4 qubits: 30 times faster is required, 45 times the goal; the peer takes 100 ms.
    assert words(row(milliseconds=milliseconds)) == {"ratio": judged}


@pytest.mark.parametrize(("floor", "judged"), [(1.4e-3, "goal"), (1.1e-3, "met"), (0.9e-3, "NOT MET")])
def test_the_floor_must_be_at_most_so_far_away(row, floor, judged):
    # At 8 qubits: twice the floor is required, 1.5 times the goal; ours takes 2 ms.
    assert words(row(n=8, floor=floor))["floor_ratio"] == judged


def test_gradients_of_the_weights_are_held_to_the_same(row):
    assert words(row(gradient="weights")) == {"ratio": "goal"}


@pytest.mark.parametrize(
    "others",
    [
        {"batch": 16},
        {"depth": 12},
        {"threads": 2},
        {"engine": "torch"},
        {"peer": "PennyLane complex64"},
        {"n": 6},
    ],
)
def test_other_sizes_threads_engines_and_peers_are_only_reported(row, others):
    assert words(row(**others)) == {}


def test_without_a_peer_the_floor_is_still_judged(row):
    assert words(row(n=12, peer=None, against=None)) == {"floor_ratio": "NOT MET"}


@pytest.mark.parametrize(("workload", "slowest"), [("brick-rzz against brick-cnot", 250.0), ("pgd-20", 100 / 35)])
def test_bounds_of_other_workloads(row, workload, slowest):
    assert set(words(row(workload=workload, milliseconds=0.99 * slowest)).values()) == {"met"}
    assert set(words(row(workload=workload, milliseconds=1.01 * slowest)).values()) == {"NOT MET"}


def test_adversarials_must_agree(row):
    assert words(row(workload="pgd-20", max_difference=2e-5))["max_difference"] == "NOT MET"
    assert words(row(workload="pgd-20", max_difference=1e-6))["max_difference"] == "met"


def test_memory_must_not_grow_with_depth(row):
    assert words(row(workload="memory-of-depth", peak_mib=30.0)) == {"growth_mib": "NOT MET"}
    assert words(row(workload="memory-of-depth", peak_mib=20.5)) == {"growth_mib": "met"}


def test_a_verdict_as_json(row):
    (verdict,) = verdicts([row()])
    assert verdict.to_json() == {"measure": "ratio", "required": 30.0, "goal": 45.0, "figure": 50.0, "met": True}
