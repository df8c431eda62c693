"""Scores along one gate angle from three or five queries, against queries at every value."""

import pytest
import torch

from counterspin.attacks.quantum import Situation
from counterspin.attacks.quantum.parameters.aims import AsMany, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found, into_ball
from counterspin.attacks.quantum.parameters.coordinate import along, best_values, polish
from counterspin.attacks.quantum.parameters.gate_errors import gate_errors
from counterspin.optimum.trigonometric import basis
from tests.support.tampered_models import reuploading_model, samples, seeded, three_angles


def setting(build, count=12):
    model = build()
    x, y = samples(model, count)
    situation = Situation(
        model=model, x=x, y=y, target=None, correct=torch.ones(count, dtype=torch.bool), scores=model(x),
        generator=seeded(0),
    )  # fmt: skip
    return gate_errors(situation.model, situation.x, situation.scores), AsMany(
        situation=situation, finest=float(temperatures(situation)[-1])
    )


@pytest.mark.parametrize(("build", "columns"), [(reuploading_model, (0, 3, 7)), (three_angles, (1,))])
def test_the_polynomial_is_the_score_everywhere(build, columns):
    site, _ = setting(build)
    errors = 0.3 * torch.randn(site.angles, dtype=torch.float64, generator=seeded(1))
    columns = torch.tensor(columns)
    omega, terms = along(site, errors, columns)
    assert omega.tolist() == ([1.0] if build is reuploading_model else [0.5, 1.0])
    for value in (-2.9, -0.4, 0.0, 1.7, 3.1):
        found = torch.einsum("t,tcrk->crk", basis(omega, torch.tensor(value, dtype=torch.float64)), terms)
        for place, column in enumerate(columns.tolist()):
            moved = errors.clone()
            moved[column] = value
            torch.testing.assert_close(found[place], site.scores(moved), atol=1e-10, rtol=0)


def test_the_best_value_is_that_of_a_grid():
    site, aim = setting(three_angles)
    errors = torch.tensor([0.2, -0.1, 0.05], dtype=torch.float64)
    grid = torch.linspace(-1.0, 1.0, 21, dtype=torch.float64)
    ranks, chosen = best_values(site, aim, errors, torch.arange(3), grid.expand(3, -1))
    for column in range(3):
        tried = errors.repeat(len(grid), 1)
        tried[:, column] = grid
        expected = aim.rank(site.shared(tried))
        assert ranks[column] == pytest.approx(float(expected.max()), abs=1e-9)
        assert chosen[column] == grid[int(expected.argmax())]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_polishing_never_loses_and_stays_in_the_ball(norm):
    site, aim = setting(three_angles)
    start = into_ball(torch.tensor([[0.2, -0.2, 0.1]], dtype=torch.float64), 0.25, norm)
    rank = float(aim.rank(site.shared(start)))
    found = polish(site, aim, Found(point=start[0], rank=rank), torch.arange(3), radius=0.25, norm=norm)
    assert found.rank > rank
    assert float(torch.linalg.vector_norm(found.point, ord=torch.inf if norm == "linf" else 2)) <= 0.25
    assert float(aim.rank(site.shared(found.point[None]))) == pytest.approx(found.rank, abs=1e-9)
