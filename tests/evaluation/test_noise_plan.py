"""The plan of the section about noise: exactly what it spends where nothing breaks, and never less than that."""

import pytest
import torch

from counterspin.api import audit
from counterspin.api.planning import plan
from counterspin.attacks import FGSM, RandomDraws
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.circuits import PauliExpectations, Scale, reuploading
from counterspin.evaluation.noise_conditions import measure_conditions
from counterspin.evaluation.noise_modes import of_rows
from counterspin.evaluation.noise_plan import conditions_steps
from counterspin.evaluation.noise_task import ConditionsTask
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.models import QuantumClassifier
from counterspin.models.conditioned import conditioned
from counterspin.models.conditions import Conditions
from counterspin.threats import Linf, ThreatModel
from counterspin.types import Box, Cost

QUICK = AuditSettings(tier="quick")


@pytest.fixture(autouse=True)
def _short_attacks(monkeypatch):
    """Both the plan and the run ask for the steps here; a tenth of them is enough to compare the two."""
    monkeypatch.setattr("counterspin.evaluation.noise_modes._STEPS", {"quick": (3, 2)})
    monkeypatch.setattr("counterspin.evaluation.noise_modes._HARDWARE_STEPS", 2)


def model() -> QuantumClassifier:
    body = QuantumClassifier(
        reuploading(2, 1, scale=torch.pi), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, features=2),
        head=Scale(torch.tensor(4.0)), generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    return body.requires_grad_(False).eval()


def subject(count: int, **asked) -> Subject:
    body = model()
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = conditioned(body, Conditions(**asked), x)
    return Subject(model=found.model, x=x, y=body(x).argmax(dim=1), conditioned=found)


def planned(given: Subject, threat: ThreatModel) -> dict[str, Cost]:
    return {step.name: step.most for step in conditions_steps(given, threat, QUICK)}


def spent(given: Subject, threat: ThreatModel, folder) -> tuple[Cost, list[bool]]:
    """What the section takes from a ledger, proofs apart, and whether all samples stood in each attack."""
    ledger = ExecutionLedger(None)
    with RunStore(folder, {}) as store:
        task = ConditionsTask(
            conditioned=given.conditioned, x=given.x, y=given.y, threat=of_rows(threat, range(len(given.x))),
            tier=QUICK.tier, seed=QUICK.seed, certificates=(), store=store, announce=lambda label: None,
            paying=lambda classifier: paid(classifier, ledger), whole=False,
        )  # fmt: skip
        record = measure_conditions(task)
    modes = [mode for condition in record.conditions for mode in condition.attacks if mode.budgets]
    return ledger.spent, [budget.robust_accuracy.value == 1.0 for mode in modes for budget in mode.budgets]


def test_without_conditions_there_is_nothing_to_plan():
    body = model()
    given = Subject(model=body, x=torch.zeros(2, 2, dtype=torch.float64), y=torch.zeros(2, dtype=torch.long))
    assert conditions_steps(given, Linf(0.1), QUICK) == ()


@pytest.mark.slow
def test_each_condition_is_a_step_and_mitigation_multiplies_its_circuits():
    found = planned(subject(3, noise="depolarizing:0.02/gate", mitigation="zne", shots=10), Linf(1e-4))
    assert list(found) == [
        f"noise conditions ({name})" for name in ("ideal", "noisy", "mitigated", "shots", "hardware-valid")
    ]
    ideal, noisy, mitigated, shots, _ = found.values()
    assert ideal.circuits == noisy.circuits > 0
    assert mitigated.circuits == 3 * noisy.circuits
    assert (ideal.shots, mitigated.shots) == (0, 0)
    # Three circuits share the ten shots of a reading.
    assert shots.circuits == 3 * shots.forwards
    assert shots.shots == 10 * shots.forwards


@pytest.mark.slow
def test_the_plan_is_what_is_spent_where_nothing_breaks(tmp_path):
    given, threat = subject(4, noise="depolarizing:0.02/gate", mitigation="zne"), Linf(1e-5, 2e-5)
    total = planned(given, threat)
    hardware = total.pop("noise conditions (hardware-valid)")
    cost, stood = spent(given, threat, tmp_path / "run")
    assert all(stood)
    certain = sum(total.values(), Cost())
    # The conditions are deterministic; the tests of the measured model end at some round.
    assert certain.circuits < cost.circuits <= certain.circuits + hardware.circuits
    assert cost.backwards == certain.backwards + hardware.backwards
    assert 0 < cost.shots <= hardware.shots


@pytest.mark.slow
@pytest.mark.parametrize("asked", [{"noise": "amplitude_damping:0.2/gate"}, {"shots": 200}])
def test_no_less_is_planned_than_is_spent(asked, tmp_path):
    given, threat = subject(3, **asked), Linf(0.3)
    total = sum(planned(given, threat).values(), Cost())
    cost, stood = spent(given, threat, tmp_path / "run")
    assert not all(stood)
    for name in ("forwards", "backwards", "circuits", "shots", "jobs"):
        assert getattr(cost, name) <= getattr(total, name)


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_an_audit_with_conditions_spends_at_most_its_plan(tmp_path):
    given, threat = subject(5, noise="depolarizing:0.05/gate"), Linf(0.1)
    asked = {"noise": "depolarizing:0.05/gate", "attacks": (FGSM(), RandomDraws(draws=20)), "tier": "quick"}
    found = plan(model(), given.x, given.y, threat, **asked)
    names = [step.name for step in found.steps]
    assert names[-4:] == [
        "noise draws", "noise conditions (ideal)", "noise conditions (noisy)", "noise conditions (hardware-valid)",
    ]  # fmt: skip
    record = audit(
        model(), given.x, given.y, threat, **asked, budget=f"{found.total.circuits}circuits", out=tmp_path / "run"
    ).record
    # Everything that is planned fits; only proofs and checks, which are not, may meet the end of the budget.
    assert record.noise_conditions is not None
    assert record.noise_conditions.skipped is None
    assert all(attack.state == "finished" for budget in record.budgets for attack in budget.attacks.values())
