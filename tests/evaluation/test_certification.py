"""A certification as a whole: order, verdicts, methods, resuming, refusals."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch

import counterspin as cs
from counterspin import recipes
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.errors import ConditionsError, UsageError
from counterspin.evaluation.schema import certify_schema
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.threats import L0, L2
from counterspin.types import Box

SCHEMA = Path(__file__).parents[2] / "schemas" / "certify-1.json"
THREAT = L2(0.05, 0.1, 0.15, units="relative", box="none")


@pytest.fixture(scope="module")
def proof():
    recipe = recipes.get("digits-amplitude")
    test = recipe.dataset().test
    return cs.certify(recipe.model(), test.x[:40], test.y[:40], THREAT), test.x[:40], test.y[:40]


def test_the_exact_method_settles_every_sample(proof):
    found = proof[0]
    record = found.record
    assert bool(found.exact.all())
    assert set(found.methods) == {"exact-l2"}
    assert record.violations == []
    for budget in record.budgets:
        assert budget.certified.value == budget.exact.lower.value == budget.exact.upper.value == budget.upper.value
        assert budget.exact.decided.value == 1.0
        assert sum(budget.verdicts.values()) == 40
    assert record.methods["exact-l2"].tightness == pytest.approx(1.0, abs=1e-6)
    assert record.methods["guan"].tightness < 0.99


def test_shares_follow_from_the_radii(proof):
    found, x, _ = proof
    radius = found.radius / torch.linalg.vector_norm(x, dim=1)
    for budget in found.record.budgets:
        assert budget.certified.value == pytest.approx(float((radius > budget.eps).double().mean()))
    assert found.record.median_radius.value == pytest.approx(float(radius.quantile(0.5)), rel=1e-9)


def test_verdicts_are_those_of_the_radii(proof):
    found, _, _ = proof
    verdicts = found.verdicts(0.5)
    assert verdicts == ["proved" if lower > 0.5 else "counterexample" for lower in found.radius.tolist()]
    assert {"proved", "counterexample"} == set(verdicts)


def test_one_method_alone_leaves_a_gap_that_an_attack_bounds(proof):
    _, x, y = proof
    found = cs.certify(recipes.get("digits-amplitude").model(), x, y, THREAT, method="guan")
    assert list(found.record.methods) == ["guan"]
    assert bool((found.radius <= found.upper).all())
    assert bool(torch.isfinite(found.upper).all())  # FMN looks beyond the largest budget
    assert 0.5 < found.record.methods["guan"].tightness < 0.95
    assert any(budget.verdicts["inconclusive"] for budget in found.record.budgets)


def test_the_same_command_reads_what_is_finished(proof, tmp_path, monkeypatch):
    _, x, y = proof
    model = recipes.get("digits-amplitude").model()
    first = cs.certify(model, x, y, THREAT, out=tmp_path / "run")
    monkeypatch.setattr("counterspin.evaluation.certified._run", lambda *_: 1 / 0)
    again = cs.certify(model, x, y, THREAT, out=tmp_path / "run")
    assert again.record == first.record
    assert torch.equal(again.radius, first.radius)
    with pytest.raises(UsageError, match="another configuration"):
        cs.certify(model, x, y, THREAT, method="guan", out=tmp_path / "run")


def test_the_published_schema_is_current_and_describes_a_run(proof):
    assert json.loads(SCHEMA.read_text()) == certify_schema(), (
        "python -m counterspin.evaluation.schema certify > schemas/certify-1.json"
    )
    jsonschema.validate(proof[0].record.to_json(), certify_schema())


def test_misclassified_samples_are_counterexamples_at_once(proof):
    _, x, y = proof
    wrong = (y + 1) % 10
    found = cs.certify(recipes.get("digits-amplitude").model(), x[:5], wrong[:5], THREAT)
    assert found.radius.tolist() == [0.0] * 5
    assert found.record.budgets[0].verdicts == {"proved": 0, "counterexample": 5, "inconclusive": 0}


def test_refusals_name_what_is_wrong(proof):
    _, x, y = proof
    model = recipes.get("digits-amplitude").model()
    with pytest.raises(UsageError, match="method is 'nonsense'; allowed: auto, "):
        cs.certify(model, x, y, THREAT, method="nonsense")
    linear = LogisticRegression(Box.uniform(0, 1, features=2), classes=2)
    with pytest.raises(ConditionsError, match="no certificate holds"):
        cs.certify(linear, [[0.1, 0.2]], [0], L0(1))
    with pytest.raises(ConditionsError, match="norm is l0"):
        cs.certify(model, x, y, L0(1), method="exact-l2")


def test_closed_form_of_one_qubit():
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-2, 2, features=2)).requires_grad_(False)
    found = cs.certify(model, [[1.0, 0.0], [0.8, 0.6]], [0, 0], L2(0.1, 0.5, box="none"))
    # The boundary is the diagonal: distances 1/√2 and 0.2/√2.
    expected = torch.tensor([0.5**0.5, 0.2 * 0.5**0.5], dtype=torch.float64)
    torch.testing.assert_close(found.radius, expected, rtol=1e-9, atol=0)
    assert found.verdicts(0.5) == ["proved", "counterexample"]
