import torch

from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.evasion.pgd import PGD
from counterspin.threats import L2


def test_traces_are_shares_and_means_over_the_correct_samples(linear, seeded):
    model = linear([1.0])
    x = torch.tensor([[0.5], [1.0], [-1.0], [3.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 0, 0])  # the third is misclassified
    result = FMN(steps=30, restarts=1)(model, x, y, L2(2.0, box="none"), generator=seeded())
    history = result.history[0]
    assert history["broken"][0] == 0.0
    assert history["broken"][-1] == 2 / 3
    # The radius where nothing is found: (0.5 + 1.0 + 2.0) / 3 at best.
    assert 3.5 / 3 <= history["distance"][-1] <= 3.55 / 3
    assert history["distance"] == sorted(history["distance"], reverse=True)


def test_each_restart_adds_its_queries(linear, seeded):
    model = linear([1.0])
    x = torch.tensor([[3.0], [4.0]], dtype=torch.float64)
    result = PGD(steps=4, restarts=3)(model, x, [0, 0], L2(0.5, 1.0, box="none"), generator=seeded())
    for history in result.history:
        # Two rounds: the first start alone, then the others stacked; each ends with a look at its last point.
        assert len(history["broken"]) == len(history["best_margin"]) == 10
        assert len(history["late_gain"]) == 2


def test_two_restarts_are_two_starts(linear, seeded):
    """The second start must not be the warm one again."""
    model = linear([1.0, 0.0])
    x = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    seen = []
    call = model.__class__.__call__
    model.__class__.__call__ = lambda self, z: (seen.append(z.detach().clone()), call(self, z))[1]
    try:
        PGD(steps=1, restarts=2, step_size=1e-9)(model, x, [0], L2(0.5, box="none"), generator=seeded())
    finally:
        model.__class__.__call__ = call
    starts = [z for z in seen if len(z) == 1 and z.dtype == torch.float64]
    spread = torch.cat(starts).std(dim=0)
    assert bool((spread > 1e-3).all())
