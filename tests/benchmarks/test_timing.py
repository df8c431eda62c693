import os

import pytest
import torch

from benchmarks.timing import Samples, alternate, available_threads, threads


class Clock:
    """Time that passes only when a call spends it."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def spender(self, name, *costs):
        left = list(costs)

        def call():
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_calls_take_turns_and_every_turn_is_kept():
    clock = Clock()
    # The first call of each turn is not timed: it pays for what the contender before left behind.
    calls = {"a": clock.spender("a", 90.0, 1.0, 91.0, 5.0, 92.0, 2.0), "b": clock.spender("b", 10.0)}
    found = alternate(calls, repeats=3, turn=0.0, clock=clock)
    assert clock.order == ["a", "a", "b", "b"] * 3
    assert found["a"] == Samples((1.0, 5.0, 2.0))
    assert (found["a"].median, found["a"].fastest, found["a"].slowest) == (2.0, 1.0, 5.0)
    assert found["b"].seconds == (10.0, 10.0, 10.0)


def test_a_short_call_repeats_until_its_turn_is_over_and_counts_as_the_mean():
    clock = Clock()
    calls = {"short": clock.spender("short", 9.0, 0.25, 0.5), "long": clock.spender("long", 8.0)}
    found = alternate(calls, repeats=1, turn=1.0, clock=clock)
    assert clock.order == ["short"] * 4 + ["long"] * 2
    assert found["short"].seconds == (pytest.approx(1.25 / 3),)
    assert found["long"].seconds == (8.0,)


def test_median_of_an_even_number_of_turns_is_the_middle_of_two():
    assert Samples((4.0, 1.0, 2.0, 10.0)).median == 3.0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_one_thread_is_pinned_and_everything_is_put_back():
    processors, before = os.sched_getaffinity(0), torch.get_num_threads()
    inside = []

    def fail():
        with threads(1):
            inside.append((len(os.sched_getaffinity(0)), torch.get_num_threads()))
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert inside == [(1, 1)]
    assert os.sched_getaffinity(0) == processors
    assert torch.get_num_threads() == before


def test_all_threads_are_not_pinned():
    with threads(available_threads()):
        assert torch.get_num_threads() == available_threads()
        assert available_threads() >= 1
