import pytest
import torch

from benchmarks.attack_loop import plain_pgd, rows
from benchmarks.workloads import Problem, build


def test_on_linear_scores_the_loop_ends_in_the_corner_of_ball_and_box():
    def scores(x):
        return torch.stack([2.0 * x[:, 0] - 3.0 * x[:, 1], torch.zeros(len(x))], dim=1)

    center = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.02, 0.98]])
    y = torch.tensor([0, 1, 0])
    # Twenty steps of a tenth of the radius cross the whole ball from anywhere.
    found = plain_pgd(scores, center, center, y, radius=0.1, high=1.0)
    torch.testing.assert_close(found, torch.tensor([[0.4, 0.6], [0.6, 0.4], [0.0, 1.0]]))


@pytest.mark.slow
def test_both_engines_end_at_the_same_points():
    pytest.importorskip("pennylane")
    circuit = build("reuploading", 2, 1)
    loop, attack = rows(Problem(workload="reuploading", circuit=circuit, depth=1, batch=8), repeats=1)
    assert (loop.workload, attack.workload) == ("pgd-20", "pgd-20-attack")
    assert loop.max_difference is not None
    assert loop.max_difference < 1e-5
    assert loop.against == attack.against
