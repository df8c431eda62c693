"""Draws from elsewhere than the given generator are seen, and torch's own generator is left as it was."""

import torch

from counterspin.evaluation.conformance.reproducible import foreign_randomness


def own():
    return torch.rand(3, generator=torch.Generator().manual_seed(3))


def test_a_generator_of_its_own_is_fine():
    assert foreign_randomness(own, torch.equal) is None


def test_the_global_generator_is_seen_although_the_results_agree():
    def draws():
        torch.rand(1)
        return own()

    assert "global generator" in str(foreign_randomness(draws, torch.equal))


def test_another_source_of_randomness_is_seen():
    results = iter([torch.zeros(1), torch.ones(1)])
    assert "two runs from one seed differ" in str(foreign_randomness(lambda: next(results), torch.equal))


def test_the_state_of_the_global_generator_is_restored():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    foreign_randomness(lambda: torch.rand(5), torch.equal)
    assert torch.equal(torch.get_rng_state(), before)
