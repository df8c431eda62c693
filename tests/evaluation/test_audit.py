"""The audit as a whole: order of the numbers, rows behind them, resuming, and an audit that fails."""

import json
import sqlite3
from pathlib import Path

import jsonschema
import pytest
import torch

from counterspin.api import audit
from counterspin.attacks import FGSM, PGD, RandomDraws
from counterspin.certificates.registry import methods
from counterspin.circuits import (
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.errors import InputError, ModelError, UsageError
from counterspin.evaluation.records import EngineRecord
from counterspin.evaluation.run_store import read_record
from counterspin.evaluation.schema import audit_schema
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.simulation import engine_name
from counterspin.threats import L2, Linf
from counterspin.types import Box

ATTACKS = (FGSM(), PGD(steps=15, restarts=2), RandomDraws(draws=200))
SCHEMA = Path(__file__).parents[2] / "schemas" / "audit-1.json"


def amplitude_model(classes: int = 3, seed: int = 0) -> QuantumClassifier:
    """Random 3-qubit circuit on 8 amplitudes."""
    model = QuantumClassifier(
        amplitude_encoding(8) + strongly_entangling(3, 4),
        OutcomeGroups.first(qubits=2, classes=classes),
        Box.uniform(0.0, 1.0, features=8),
        head=Scale(torch.tensor(10.0)),
        weights=torch.randn(36, generator=torch.Generator().manual_seed(seed)),
    )
    return model.requires_grad_(False).eval()


def angle_model() -> QuantumClassifier:
    """Random 3-qubit re-uploading circuit with a linear head."""
    generator = torch.Generator().manual_seed(1)
    model = QuantumClassifier(
        reuploading(3, 2, scale=torch.pi),
        PauliExpectations.of("Z0", "Z1", "Z2"),
        Box.uniform(0.0, 1.0, features=3),
        head=Linear(torch.randn(4, 3, generator=generator), torch.zeros(4)),
        generator=generator,
    )
    return model.requires_grad_(False).eval()


def samples(model, count: int = 40, wrong: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Random inputs labelled by the model itself, except for the first few."""
    x = torch.rand(count, model.bounds.features, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    y[:wrong] = (y[:wrong] + 1) % model.classes
    return x, y


def without_times(record) -> dict:
    """The record without wall times and path, which two runs do not share."""
    data = record.to_json()
    del data["run"], data["cost"]["seconds"]
    for card in data["certificates"]:
        card.pop("seconds", None)
    for budget in data["budgets"]:
        for attack in budget["attacks"].values():
            del attack["seconds"]
    for check in data["sanity"]["checks"]:
        check["cost"].pop("seconds")
    return data


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_exact_numbers_agree_and_stay_below_every_attack():
    model = amplitude_model()
    x, y = samples(model)
    report = audit(model, x, y, L2(0.05, 0.1, 0.2, units="relative", box="none"), tier="quick", attacks=ATTACKS)
    assert report.record.clean_accuracy.value == pytest.approx(0.9)
    assert report.record.sanity.verdict != "fail"
    for budget in report.record.budgets:
        assert budget.exact is not None
        assert budget.certified is not None
        assert budget.exact.lower == budget.exact.upper == budget.certified
        assert budget.exact.decided.value == 1.0
        # The exact attack is in the suite, so the worst case meets the exact number.
        assert budget.worst_case == budget.exact.upper
        assert budget.certified.value <= budget.worst_case_gradient.value
        assert set(budget.attacks) == {"fgsm", "pgd", "random", "exact"}
        weakest = min(a.robust_accuracy.value for name, a in budget.attacks.items() if name != "exact")
        assert budget.worst_case_gradient.value <= weakest
    values = [budget.worst_case.value for budget in report.record.budgets]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize("threat", [L2(0.05, 0.2, units="relative"), Linf(0.02, 0.1), Linf(0.02, 0.1, box="none")])
def test_other_threats_are_bracketed(threat):
    model = amplitude_model()
    x, y = samples(model)
    record = audit(model, x, y, threat, tier="quick", attacks=ATTACKS).record
    for budget in record.budgets:
        assert "exact" not in budget.attacks
        assert budget.certified is not None
        assert budget.exact is not None
        assert budget.certified == budget.exact.lower
        assert budget.exact.lower.value <= budget.exact.upper.value <= budget.worst_case.value
    assert record.budgets[0].certified.value > 0


@pytest.mark.slow
def test_a_model_nothing_is_known_of_has_no_certificate_and_says_why():
    model = LogisticRegression(Box.uniform(0, 1, features=4), classes=3)
    x, y = samples(model)
    record = audit(model, x, y, Linf(0.02, 0.1), tier="quick", attacks=ATTACKS).record
    assert all(budget.certified is None and budget.exact is None for budget in record.budgets)
    assert record.median_radius is None
    assert {card["method"] for card in record.certificates if not card["applies"]} == {c.name for c in methods()}
    assert all(len(card["reason"]) > 20 for card in record.certificates)


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_rows_reproduce_every_share(tmp_path):
    model = amplitude_model()
    x, y = samples(model)
    threat = L2(0.05, 0.2, units="relative", box="none")
    record = audit(model, x, y, threat, tier="quick", attacks=ATTACKS, out=tmp_path / "run").record
    with sqlite3.connect(tmp_path / "run" / "samples.sqlite") as connection:
        rows = connection.execute("SELECT eps, attack, sample, correct, success FROM samples").fetchall()
    connection.close()
    assert len(rows) == 2 * 4 * len(x)
    for budget in record.budgets:
        for name, attack in budget.attacks.items():
            standing = [c and not s for e, a, _, c, s in rows if e == budget.eps and a == name]
            assert sum(standing) / len(x) == attack.robust_accuracy.value
        broken = {sample for e, _, sample, _, s in rows if e == budget.eps and s}
        correct = {sample for *_, sample, c, _ in rows if c}
        assert len(correct - broken) / len(x) == budget.worst_case.value


@pytest.mark.slow
def test_the_same_call_recomputes_nothing(tmp_path):
    model = amplitude_model()
    x, y = samples(model)
    threat = L2(0.1, units="relative", box="none")
    first = audit(model, x, y, threat, tier="quick", attacks=ATTACKS, out=tmp_path / "run")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.safetensors")}
    calls: list[str] = []
    again = audit(
        model, x, y, threat, tier="quick", attacks=ATTACKS, out=tmp_path / "run", progress=lambda *a: calls.append(a[0])
    )
    assert again.record == first.record
    assert calls == []
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.safetensors")} == times


INTERRUPTED = L2(0.05, 0.2, units="relative")


@pytest.fixture(scope="module")
def uninterrupted() -> dict:
    model = amplitude_model()
    return without_times(audit(model, *samples(model), INTERRUPTED, tier="quick", attacks=ATTACKS).record)


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize("stop_at", ["pgd at ε = 0.2", "certificate guan", "noise resilience", "sanity checks"])
def test_an_interrupted_audit_resumes_with_the_same_numbers(tmp_path, uninterrupted, stop_at):
    model = amplitude_model()
    x, y = samples(model)

    def interrupt(label: str, finished: int, total: int) -> None:
        if label == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(model, x, y, INTERRUPTED, tier="quick", attacks=ATTACKS, out=tmp_path / "run", progress=interrupt)
    resumed = audit(model, x, y, INTERRUPTED, tier="quick", attacks=ATTACKS, out=tmp_path / "run")
    assert without_times(resumed.record) == uninterrupted


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_a_run_directory_of_another_configuration_is_refused(tmp_path):
    model = amplitude_model()
    x, y = samples(model)
    audit(model, x, y, Linf(0.1), tier="quick", attacks=(FGSM(),), out=tmp_path / "run")
    with pytest.raises(UsageError, match="another configuration"):
        audit(model, x, y, Linf(0.2), tier="quick", attacks=(FGSM(),), out=tmp_path / "run")


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_the_engine_is_on_record_and_keys_the_run(tmp_path):
    model = angle_model()
    x, y = samples(model, count=4, wrong=1)

    def audited(out: str, asked: str):
        model.engine = asked
        return audit(model, x, y, Linf(0.05), tier="quick", attacks=(FGSM(),), out=tmp_path / out).record

    auto, by_torch = audited("auto", "auto"), audited("torch", "torch")
    assert auto.engine == EngineRecord(asked="auto", ran=engine_name())
    assert by_torch.engine == EngineRecord(asked="torch", ran="torch")
    stored = json.loads((tmp_path / "torch" / "run.json").read_text())
    assert stored["config"]["engine"] == "torch"
    assert stored["record"]["engine"] == {"asked": "torch", "ran": "torch"}
    assert auto.clean_accuracy == by_torch.clean_accuracy
    assert auto.model["sha256"] == by_torch.model["sha256"]
    with pytest.raises(UsageError, match=r'differ in engine \(stored "auto", asked "torch"\)'):
        audited("auto", "torch")


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_a_record_from_before_there_was_an_engine(tmp_path):
    model = LogisticRegression(Box.uniform(0.0, 1.0, features=3), classes=2)
    x, y = samples(model, count=10, wrong=1)
    report = audit(model, x, y, Linf(0.05), tier="quick", attacks=(FGSM(),), out=tmp_path)
    assert report.record.engine is None
    file = tmp_path / "run.json"
    stored = json.loads(file.read_text())
    del stored["record"]["engine"]
    file.write_text(json.dumps(stored))
    assert read_record(tmp_path) == report.record


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_the_published_schema_is_current_and_describes_a_run():
    assert json.loads(SCHEMA.read_text()) == audit_schema(), (
        "python -m counterspin.evaluation.schema audit > schemas/audit-1.json"
    )
    model = amplitude_model(classes=2)
    x, y = samples(model)
    record = audit(model, x, y, L2(0.1, units="relative", box="none"), tier="quick", attacks=(FGSM(),)).record
    jsonschema.validate(record.to_json(), audit_schema())


class Quantised:
    """A masked model: scores in whole numbers, so gradients vanish and only the mask stands in the way."""

    stochastic = False
    differentiable = True
    outputs = "logits"

    def __init__(self, model: LogisticRegression) -> None:
        self.model, self.bounds, self.classes = model, model.bounds, model.classes

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.model(x)
        # Straight-through of the wrong sign: the gradient leads away from the boundary.
        return (8 * scores).round() + (scores.detach() - scores) * 1e-3


@pytest.mark.slow
def test_a_masked_model_makes_the_audit_unreliable():
    linear = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[4.0, 0.0], [0.0, 4.0]]))
    model = Quantised(linear.requires_grad_(False))
    x = torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    report = audit(model, x, y, Linf(0.2, 0.4), tier="quick", attacks=(FGSM(), PGD(steps=10), RandomDraws(draws=300)))
    assert not report.reliable
    failed = {check.id for check in report.record.sanity.checks if check.status == "FAIL"}
    assert "S05" in failed


@pytest.mark.slow
def test_nothing_correct_leaves_nothing_robust_and_nothing_to_attack():
    model = amplitude_model()
    x, y = samples(model, wrong=40)
    record = audit(model, x, y, L2(0.1, units="relative", box="none"), tier="quick", attacks=ATTACKS).record
    budget = record.budgets[0]
    assert record.clean_accuracy.value == budget.worst_case.value == budget.worst_case_gradient.value == 0.0
    assert budget.exact is not None
    assert budget.exact.upper.value == 0.0
    assert all(attack.attack_success_rate is None and attack.circuits == 0 for attack in budget.attacks.values())
    # 0 % because nothing was attacked is no finding, and S29 says so.
    assert [check.id for check in record.sanity.checks if check.status == "FAIL"] == ["S29"]


@pytest.mark.slow
def test_one_sample_and_copies_of_it_agree():
    model = amplitude_model()
    x, y = (tensor[10:11] for tensor in samples(model))
    threat = L2(0.01, 0.6, units="relative", box="none")
    one = audit(model, x, y, threat, tier="quick", attacks=ATTACKS).record
    many = audit(model, x.repeat(7, 1), y.repeat(7), threat, tier="quick", attacks=ATTACKS).record
    assert one.calibration is None
    assert [b.exact.lower.value for b in one.budgets] == [1.0, 0.0]  # pyright: ignore[reportOptionalMemberAccess]
    assert [b.worst_case.value for b in one.budgets] == [b.worst_case.value for b in many.budgets] == [1.0, 0.0]


@pytest.mark.slow
def test_a_target_among_three_classes_gets_a_bracket_and_no_exact_attack():
    model = amplitude_model()
    x, y = samples(model, wrong=0)
    x, y = x[y != 2], y[y != 2]
    threat = L2(0.1, 0.5, units="relative", box="none", target=2)
    record = audit(model, x, y, threat, tier="quick", attacks=ATTACKS).record
    for budget in record.budgets:
        assert "exact" not in budget.attacks
        assert budget.exact is not None
        assert budget.exact.lower == budget.certified
        assert budget.exact.lower.value <= budget.exact.upper.value <= budget.worst_case.value
    with pytest.raises(InputError, match="leave out samples"):
        audit(model, *samples(model), threat, tier="quick", attacks=ATTACKS)


def test_bad_data_is_refused_before_any_compute(tmp_path):
    model = amplitude_model()
    x, y = samples(model)
    for bad, match in (
        (x[:, :5], "features"),
        (x.where(x < 0.9, torch.nan), "NaN"),
        (x + 0.5, "leaves the box"),
        (x[0], "shape"),
    ):
        with pytest.raises(InputError, match=match):
            audit(model, bad, y, Linf(0.1), out=tmp_path / "run")
    with pytest.raises(InputError, match="label 7"):
        audit(model, x, torch.full_like(y, 7), Linf(0.1), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_save_copies_the_run(tmp_path):
    model = amplitude_model()
    x, y = samples(model)
    report = audit(model, x, y, Linf(0.1), tier="quick", attacks=(FGSM(),))
    page = report.save(tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    assert page.read_text().startswith("<!")
    assert (tmp_path / "out" / "run.json").is_file()
    with pytest.raises(UsageError, match="not an empty directory"):
        report.save(tmp_path / "out")


class Unnormalised:
    """A model that calls its scores probabilities; its rows sum to 0.9."""

    stochastic, differentiable, outputs, classes = False, True, "probabilities", 2
    bounds = Box.uniform(0.0, 1.0, features=2)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return 0.9 * torch.softmax(x, dim=1)


def test_probabilities_that_are_none_are_refused_before_any_attack(tmp_path):
    x = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x.argmax(dim=1)
    labels: list[str] = []
    with pytest.raises(ModelError, match=r"a row misses the sum 1 by 0\.1"):
        audit(Unnormalised(), x, y, Linf(0.1), out=tmp_path / "run", progress=lambda *step: labels.append(step[0]))
    assert labels == ["clean predictions"]
    assert not list(tmp_path.rglob("adversarials/*"))
