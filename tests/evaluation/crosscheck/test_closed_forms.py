import pytest
import torch

from counterspin.attacks.verdict import margins
from counterspin.evaluation.crosscheck import closed_forms


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_linear_distances_are_exact(norm):
    """A step of that length along the dual direction ends on the boundary, and stays inside the box."""
    model, x, y, exact = closed_forms.linear_case(norm)
    weight = (model.weight[0] - model.weight[1]).double()
    direction = weight.sign() if norm == "linf" else weight / weight.norm()
    side = torch.where(y == 0, -1.0, 1.0)[:, None]
    for share, broken in ((0.999, False), (1.001, True)):
        found = x + share * exact[:, None] * side * direction
        assert model.bounds.contains(found).all()
        assert ((margins(model, found, y) <= 0) == broken).all()


def test_the_qubit_flips_half_way():
    model, x, y, exact = closed_forms.one_qubit_case()
    side = torch.where(y == 0, 1.0, -1.0)[:, None]
    for share, broken in ((0.999, False), (1.001, True)):
        assert ((margins(model, x + share * exact[:, None] * side, y) <= 0) == broken).all()


def test_each_ratio_is_judged_on_both_sides(monkeypatch):
    exact = closed_forms.one_qubit_case()[3]
    monkeypatch.setattr(closed_forms, "linear_case", lambda _: closed_forms.one_qubit_case())
    for factor, expected in ((0.9999, (False, True, True)), (1.03, (True, False, True)), (1.06, (True, False, False))):
        monkeypatch.setattr(closed_forms, "distances_of", lambda *_, factor=factor: factor * exact)
        rows = list(closed_forms.closed_form_rows(0))
        assert len(rows) == 24
        assert tuple(row.passed for row in rows[:3]) == expected


@pytest.mark.slow
def test_our_attacks_are_exact():
    rows = list(closed_forms.closed_form_rows(0))
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]
