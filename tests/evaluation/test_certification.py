"""A certification as a whole: order, verdicts, methods, resuming, refusals."""

import json
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest
import torch

import counterspin as cs
from counterspin import recipes
from counterspin.certificates import BranchAndBoundCertificate
from counterspin.circuits import (
    OutcomeGroups,
    PauliExpectations,
    amplitude_encoding,
    angle_encoding,
    strongly_entangling,
)
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def angle_problem(samples=6):
    circuit = angle_encoding(2) + strongly_entangling(2, 1)
    weights = torch.randn(circuit.weights, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    box = Box.uniform(-1.0, 1.0, features=2)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X1"), box, weights=weights).requires_grad_(False)
    x = 2 * torch.rand(samples, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 1
    return model, x, model(x).argmax(dim=1)


class Watched(BranchAndBoundCertificate):
    """Writes down the samples it is asked about; stops like a user in the `lose`-th block."""

    block = 2
    asked: ClassVar[list] = []
    lose: ClassVar[int | None] = None

    def _radii(self, model, prepared, task):
        if len(self.asked) == self.lose:
            raise KeyboardInterrupt
        self.asked.append((task.x, task.target))
        return super()._radii(model, prepared, task)


@pytest.mark.slow
def test_long_searches_resume_with_the_block_that_is_not_finished(tmp_path, monkeypatch):
    model, x, y = angle_problem()
    monkeypatch.setattr(Watched, "asked", [])
    monkeypatch.setattr(Watched, "lose", 2)
    monkeypatch.setattr("counterspin.evaluation.certification.named", lambda name: Watched())
    threat = L2(0.1, target=tuple((1 - y).tolist()))
    command = {"method": "branch-and-bound", "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        cs.certify(model, x, y, threat, **command)
    assert len(Watched.asked) == 2
    monkeypatch.setattr(Watched, "lose", None)
    labels = []
    found = cs.certify(model, x, y, threat, **command, progress=lambda label, done, total: labels.append((label, done)))
    assert torch.equal(torch.cat([part for part, _ in Watched.asked]), x)
    assert torch.equal(torch.cat([part for _, part in Watched.asked]), 1 - y)
    assert labels == [
        ("certificate branch-and-bound", 0),
        ("certificate branch-and-bound, from sample 4", 0),
        ("counterexamples", 1),
    ]
    alone = BranchAndBoundCertificate()(model, x, y, threat)
    torch.testing.assert_close(found.radius, alone.radius_lower, rtol=1e-6, atol=0)
    assert torch.equal(found.exact, alone.exact)
    assert found.record.methods["branch-and-bound"].assumptions == list(alone.assumptions.sentences)
    assert found.record.violations == []


@pytest.mark.slow
def test_a_search_that_stops_at_the_budgets_decides_them_all():
    model, x, y = angle_problem(12)
    whole = BranchAndBoundCertificate()(model, x, y, L2(0.1, box="none"))
    budgets = sorted(whole.radius_lower.quantile(torch.tensor([0.2, 0.5]).double()).tolist())
    found = cs.certify(model, x, y, L2(*budgets, box="none"))
    assert not found.exact.all()
    for budget in found.record.budgets:
        assert budget.exact.decided.value == 1.0
        assert budget.certified.value == pytest.approx(float((whole.radius_lower > budget.eps).double().mean()))
    assert bool((found.radius <= whole.radius_upper).all())
    assert found.record.methods["branch-and-bound"].exact_share < 1.0
    assert any("lower bounds" in said for said in found.record.methods["branch-and-bound"].assumptions)
