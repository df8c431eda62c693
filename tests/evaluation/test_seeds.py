import torch

from counterspin.evaluation.seeds import derived_generator


def test_streams_depend_on_seed_and_labels_only():
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    draws = {
        labels: torch.rand(4, generator=derived_generator(*labels))
        for labels in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", "1"), (0, "a/1")]
    }
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == len(draws)
    assert torch.equal(draws[(0, "a")], torch.rand(4, generator=derived_generator(0, "a")))
    assert torch.equal(torch.random.get_rng_state(), state)
