"""The page of a hardening: what it says, what it draws, and that it says so where something failed."""

import re

import pytest

from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.hardening.record import (
    AblationRow,
    AdaptiveRecord,
    ComparedMetric,
    HardenRecord,
    RobustAt,
    TrainingRecord,
    TransferredAt,
    ZeroScale,
)
from counterspin.evaluation.hardening.wording import metric_words, part_words
from counterspin.evaluation.measured import Measured
from counterspin.evaluation.records import CheckRecord
from counterspin.report.charts import hardening as charts
from counterspin.report.hardening import hardening_headline, hardening_mark, render_hardening
from counterspin.report.tables import hardening as tables

EPS = (0.05, 0.1, 0.15)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def share(value: float) -> Measured:
    return Measured(value=value, low=max(0.0, value - 0.05), high=min(1.0, value + 0.05), n=200)


def line(kind: str, before: float | None, after: float | None, eps: float | None = None, p: float | None = None):
    both = before is not None and after is not None
    return ComparedMetric(
        metric=kind if eps is None else f"{kind}@{eps:g}",
        kind=kind.partition("=")[0],
        eps=eps,
        better="higher",
        before=before,
        after=after,
        difference=after - before if both else None,
        low=after - before - 0.1 if p is not None else None,
        high=after - before + 0.1 if p is not None else None,
        p_value=p,
        p_holm=p,
    )


@pytest.fixture
def hardened(audit):
    """A function that makes a record, changed where asked."""
    import torch

    pair = paired_record(torch.tensor([True] * 6 + [False] * 4), torch.tensor([True] * 4 + [False] * 6))
    training = TrainingRecord(
        epochs=3,
        best_epoch=3,
        seconds=12.3,
        samples=400,
        start="fresh weights",
        select="last",
        settings={"epochs": 3, "batch_size": 32},
        history=[{"epoch": k, "loss": 1.0 / k, "validation_accuracy": None, "selection": None} for k in (1, 2, 3)],
        note="",
    )
    check = CheckRecord(
        id="A01", title="Points from the undefended twin find nothing new", status="PASS", statistic=0.0,
        threshold=2.0, samples=[], advice="",
    )  # fmt: skip
    adaptive = AdaptiveRecord(
        verdict="pass",
        transfer=[
            TransferredAt(eps=eps, white_box=share(0.4), replayed=share(0.2), fresh=share(0.3), missed=0) for eps in EPS
        ],
        checks=[check],
        hooks=["No stand-in is needed."],
    )

    def make(p: float = 0.001, after: float = 0.7, **changes) -> HardenRecord:
        record = audit()
        points = {f"{eps:g}": share(0.5) for eps in EPS}
        row = AblationRow(
            defense="pgd-at",
            left_out="label-smoothing",
            clean=pair,
            robust=[RobustAt(eps=eps, value=0.6, against_all=pair) for eps in EPS],
            training=training,
            verdict="pass",
            run="label-smoothing-left-out",
        )
        names = ("undefended", "pgd-at + label-smoothing", "defence zero", "pgd-at")
        values = {
            "model": {"name": "digits", "source": "recipe", "seed": 0},
            "defense": [{"name": "pgd-at", "steps": 7}, {"name": "label-smoothing", "amount": 0.1}],
            "training": training,
            "before": record,
            "after": record,
            "zero": record,
            "zero_scale": 2.0,
            "zero_tried": [ZeroScale(scale=s, clean=0.9, robust=0.5) for s in (1.0, 2.0)],
            "comparison": [
                line("clean_accuracy", 0.96, 0.94, p=0.3),
                *(line("robust_accuracy", 0.46, after, eps, p) for eps in EPS),
                line("noise_readout_flips=0.1", 0.9, 0.95),
                line("training_seconds", None, 12.3),
            ],
            "against_zero": [line("robust_accuracy", 0.6, 0.7, eps, 0.2) for eps in EPS],
            "adaptive": adaptive,
            "ablation": [row],
            "trade_off": [{"name": name, "clean": share(0.9), "robust_by_eps": points} for name in names],
            "notes": ["Defence zero <beats> the defence."],
            "left_out": {},
            "versions": {"counterspin": "0.1.0"},
            "run": "runs/x",
        }
        return HardenRecord.model_validate(values | changes)

    return make


def test_the_page_is_whole_and_offline(hardened) -> None:
    html = render_hardening(hardened())
    assert "default-src 'none'" in html
    assert not re.search(r'(?:src|href)="https?:', html)
    assert "<title>digits with pgd-at + label-smoothing</title>" in html
    for section in ("degradation", "trade", "adaptive", "zero", "ablation", "training"):
        assert f'<h2 id="{section}">' in html
        assert f'href="#{section}"' in html
    assert "Defence zero &lt;beats&gt; the defence." in html
    assert "pgd-at (steps 7); label-smoothing (amount 0.1)" in html
    assert '"trade-2"' in html


def test_what_was_not_run_has_no_section(hardened) -> None:
    html = render_hardening(
        hardened(zero=None, zero_scale=None, zero_tried=[], against_zero=[], ablation=[], left_out={"ablation": "One."})
    )
    assert '<h2 id="zero">' not in html
    assert '<h2 id="ablation">' not in html
    assert "<dt>ablation</dt><dd>One.</dd>" in html


@pytest.mark.parametrize(
    ("p", "after", "said"),
    [
        (0.001, 0.7, "pgd-at + label-smoothing raises robust accuracy from 46.0 % to 70.0 % (p = 0.001); clean"),
        (0.001, 0.3, "pgd-at + label-smoothing lowers robust accuracy from 46.0 % to 30.0 % (p = 0.001); clean"),
        (
            0.2,
            0.7,
            "no effect of pgd-at + label-smoothing on robust accuracy is shown (from 46.0 % to 70.0 %, p = 0.2)",
        ),
    ],
)
def test_the_headline_calls_an_effect_one_only_when_the_test_does(hardened, p: float, after: float, said: str) -> None:
    sentence = plain(hardening_headline(hardened(p, after)))
    assert sentence.startswith("At ε = 0.1 (share of ‖x‖, L2), ")
    assert said in sentence
    assert sentence.endswith("clean accuracy falls from 96.0 % to 94.0 %.")


def test_a_failed_adaptive_check_marks_the_page(hardened, unreliable) -> None:
    record = hardened()
    failed = record.adaptive.checks[0].model_copy(update={"status": "FAIL"})
    adaptive = record.adaptive.model_copy(update={"verdict": "fail", "checks": [failed]})
    record = hardened(adaptive=adaptive)
    assert not record.reliable
    assert record.to_json()["reliable"] is False
    assert hardening_mark(record).text == "UNRELIABLE: adaptive check A01 failed"
    html = render_hardening(record)
    assert "Adaptive check: A01, failed: Points from the undefended twin find nothing new." in html
    assert hardening_mark(hardened(after=0.7, before=unreliable)).text == "UNRELIABLE: before S04 failed"


def test_charts_show_every_model(hardened) -> None:
    record = hardened()
    rows = charts.hardened_curves(record).spec["data"]["values"]
    assert {row["series"] for row in rows} == {"undefended", "defended", "defence zero"}
    assert {row["eps"] for row in rows} == {0.0, *EPS}
    points = charts.trade_off_chart(record, "0.1").spec["data"]["values"]
    assert [point["series"] for point in points] == ["undefended", "defended", "defence zero", "pgd-at"]
    assert all((p["clean"], p["value"], p["clean_low"], p["high"]) == (0.9, 0.5, 0.85, 0.55) for p in points)
    bars = charts.transfer_chart(record.adaptive.transfer).spec["data"]["values"]
    assert len(bars) == 9
    without = [each.model_copy(update={"fresh": None}) for each in record.adaptive.transfer]
    assert len(charts.transfer_chart(without).spec["data"]["values"]) == 6
    epochs = charts.epochs_chart(record)
    assert epochs is not None
    assert charts.epochs_chart(hardened(training=record.training.model_copy(update={"history": []}))) is None


def test_tables(hardened) -> None:
    record = hardened()
    rows = tables.degradation_table(record).rows
    assert [plain(cell) for cell in rows[2]] == [
        "robust at ε = 0.1", "46.0 %", "70.0 %", "+24.0 (+14.0 to +34.0)", "0.001", "higher is better",
    ]  # fmt: skip
    assert [plain(cell) for cell in rows[4]][:4] == ["readout errors 0.1", "90.0 %", "95.0 %", "+5.0"]
    ablation = tables.ablation_table(record)
    assert ablation is not None
    assert [row[0] for row in ablation.rows] == ["nothing"] * 4 + ["label-smoothing"] * 4 + ["everything"] * 4
    assert [row[2] for row in ablation.rows[:4]] == ["none", "0.05", "0.1", "0.15"]
    assert plain(ablation.rows[4][4]).startswith("+20.0 (")
    assert all(len(row) == len(ablation.columns) for row in ablation.rows)
    scales = tables.scales_table(record)
    assert scales is not None
    assert [row[-1] for row in scales.rows] == ["", "chosen"]
    assert tables.zero_table(hardened(against_zero=[])) is None


def test_words() -> None:
    assert metric_words(line("circuits", 1000.0, 1500.0)) == ("circuits audited", "1,000", "1,500", "+500", "–")
    assert metric_words(line("ece", 0.1, None))[2:4] == ("–", "–")
    schedule = {"name": "EpsilonSchedule", "final": 0.1}
    parts = {"name": "trades", "threat": {"norm": "linf"}, "schedule": schedule, "step_size": None, "clean_share": 0.5}
    assert part_words(parts) == "trades (schedule [final 0.1], clean share 0.5)"
    assert part_words({"name": "awp", "ascended": {"name": "ce", "temperature": 0.1}}) == (
        "awp (ascended ce [temperature 0.1])"
    )
