import base64
import dataclasses
import errno
import hashlib
import json
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from counterspin.errors import InputError, StorageError
from counterspin.evaluation.records import AuditRecord
from counterspin.report import ReportSamples, render, save_report

VOID = {"meta", "link", "img", "br", "path", "line"}


class Page(HTMLParser):
    """Elements, text and nesting of a page; complains about tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.scripts: list[tuple[dict[str, Any], str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u202f", " ").split())


@pytest.fixture(scope="module")
def parsed(page: str) -> Page:
    return Page(page)


@pytest.fixture(scope="module")
def parsed_unreliable(unreliable_page: str) -> Page:
    return Page(unreliable_page)


@pytest.mark.slow
def test_the_verdict_comes_first(parsed: Page) -> None:
    order = [
        "46.0 % of 200 test samples",
        "Audit reliable, with warnings: 10 of 11 checks passed, 1 warned.",
        "quick tier: not for publication",
        "Security curve",
        "How far is the nearest adversarial input",
        "What the attacks did",
        "What the attacks found, query by query",
        "Reliability diagram",
        "Global depolarising probability",
        "Sanity checks Each check",
        "Cost over all ε",
        "Configuration and hashes Model",
        "How to reproduce The same call",
    ]
    places = [parsed.text.index(words) for words in order]
    assert places == sorted(places)


def test_numbers_of_the_record_are_printed(parsed: Page) -> None:
    for words in (
        "96.5 % 95 % interval 92.9–98.6",
        "0.1 46.0 % (38.9–53.2)",
        "Expected calibration error (debiased): 0.081 (95 % interval 0.06–0.108)",
        "S25 WARN Intervals are printed and narrow enough 0.071 0.05 – Take more samples. –",
        "WARN S25: Intervals are printed and narrow enough Take more samples. Measured 0.071, limit 0.05.",
        "21 760 000 (1.088e+05) 41.7 s",
        "3f9a" * 16,
        "b71c" * 16,
        "state preparation ideal, noiseless",
        "--eps 0.05,0.1,0.15",
        "versions.torch 2.13.0",
        "engine.ran compiled (v4), folded",
        "Theorem: Balanced readout",
    ):
        assert words in parsed.text, words
    assert "UNRELIABLE" not in parsed.text


@pytest.mark.slow
def test_a_failed_check_raises_the_banner(parsed_unreliable: Page) -> None:
    text = parsed_unreliable.text
    assert text.index("UNRELIABLE") < text.index("of 200 test samples")
    assert "S04, failed: No success at ε = 0." in text
    assert "Mend the projection. Samples: 3, 17, 22." in text
    assert "S10 SKIP A huge budget breaks all that can be broken – – – No box. –" in text
    assert "not for publication" not in text
    assert "No exact value is claimed." in text
    assert "0 of 200: with 95 % confidence the true share is below 1.5 % (rule of three)" in text


def test_gallery(parsed: Page, parsed_unreliable: Page) -> None:
    pictures = [a for tag, a in parsed.elements if tag == "img"]
    assert len(pictures) == 18
    assert all(p["src"].startswith("data:image/png;base64,") and p["alt"] for p in pictures)
    assert "Sample 17: one taken for zero" in parsed.text
    assert not [a for tag, a in parsed_unreliable.elements if tag == "img"]
    assert "6 smaller changes not shown" in parsed_unreliable.text


@pytest.mark.slow
def test_nothing_measured_is_said(audit) -> None:
    skipped = {"samples": 0, "curves": [], "skipped": "the model has no circuit."}
    bare = audit(calibration=None, engine=None, noise_resilience=skipped)
    text = Page(render(bare, ReportSamples())).text
    assert "No attack changed a prediction" in text
    assert "Not measured in this audit." in text
    assert "engine none: no circuit" in text
    assert "Not measured: the model has no circuit." in text


@pytest.mark.slow
def test_hostile_names_stay_text(audit, gallery_of) -> None:
    evil = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'
    values = audit().to_json()
    values["model"] |= {"name": evil, evil: evil}
    values["dataset"]["name"] = evil
    values["run"] = evil
    values["noise_resilience"]["curves"][0]["label"] = evil
    values["sanity"]["checks"][0] |= {"advice": evil, "title": evil}
    for budget in values["budgets"]:
        budget["attacks"][evil] = budget["attacks"].pop("pgd")
    samples = gallery_of(examples=1)
    shown = samples.examples[0]
    named = dataclasses.replace(shown, attack=evil)
    hostile = dataclasses.replace(samples, examples=(named,), class_names=(evil, evil))
    page = Page(render(audit(**values), hostile))
    assert len(page.scripts) == 5
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert len([tag for tag, _ in page.elements if tag == "img"]) == 3
    assert page.text.count("alert(1)") > 5


def test_everything_is_inside(page: str, parsed: Page) -> None:
    assert len(page.encode()) < 1_500_000
    for tag, attributes in parsed.elements:
        for name in ("src", "href", "action", "data", "xlink:href"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert not re.findall(r"url\(|@import", style[1])


def test_policy_allows_exactly_the_scripts_of_the_page(parsed: Page) -> None:
    policy = next(a["content"] for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    programs = [text for attributes, text in parsed.scripts if attributes.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in programs]
    assert allowed == digests
    assert len(programs) == 3


def test_markup_is_well_formed_and_named(parsed: Page) -> None:
    assert parsed.open == []
    tags = Counter(tag for tag, _ in parsed.elements)
    assert tags["h1"] == tags["main"] == tags["header"] == tags["footer"] == tags["nav"] == tags["title"] == 1
    ids = Counter(a["id"] for _, a in parsed.elements if "id" in a)
    assert max(ids.values()) == 1
    for _, attributes in parsed.elements:
        target = attributes.get("href", "")
        assert not target.startswith("#") or target[1:] in ids
        assert attributes.get("aria-labelledby", "main") in ids
    assert tags["caption"] == tags["table"] == sum(a.get("role") == "region" for _, a in parsed.elements)
    assert all(a.get("scope") in ("col", "row") for tag, a in parsed.elements if tag == "th")
    assert ("html", {"lang": "en"}) in parsed.elements


def test_chart_data_in_the_page_are_the_figures(parsed: Page) -> None:
    data = {a["id"]: json.loads(text) for a, text in parsed.scripts if a.get("type") == "application/json"}
    figures = [a["data-chart"] for tag, a in parsed.elements if tag == "figure" and "data-chart" in a]
    assert sorted(data["charts"]) == sorted(figures)
    assert set(data["chart-themes"]) == {"light", "dark"}


def test_a_record_without_budgets_is_refused(audit) -> None:
    with pytest.raises(InputError, match="at least one ε"):
        render(audit(budgets=[]), ReportSamples())


def test_save_report(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert save_report("ε ‖x‖\n", path) == path
    assert path.read_bytes() == "ε ‖x‖\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_save_report_keeps_the_old_file_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        save_report("new", path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_save_report_where_a_file_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_report("new", tmp_path / "file" / "report.html")


@pytest.mark.slow
def test_the_path_of_the_run_stays_private(audit) -> None:
    text = Page(render(audit(run="/home/someone/secret/run-5c1e"), ReportSamples())).text
    assert "run directory run-5c1e" in text
    assert "secret" not in text


def test_the_verdict_stands_next_to_every_figure_and_table(parsed: Page, parsed_unreliable: Page) -> None:
    for page, verdict in ((parsed, "warn"), (parsed_unreliable, "fail")):
        marks = [a for tag, a in page.elements if tag == "span" and a.get("class", "").startswith("mark ")]
        assert {a["class"] for a in marks} == {f"mark {verdict}"}
        figures = [a for tag, a in page.elements if tag == "figure" and "data-chart" in a]
        tables = [a for tag, a in page.elements if a.get("role") == "region" and a["aria-label"].startswith("Table:")]
        assert len(marks) == len(figures) + len(tables) + 1  # the gallery has one for all its pictures
    assert parsed_unreliable.text.count("UNRELIABLE: S04 failed") >= len(marks)


def test_charts_of_an_unreliable_audit_say_so_themselves(parsed: Page, parsed_unreliable: Page) -> None:
    for page, said in ((parsed, False), (parsed_unreliable, True)):
        (data,) = [json.loads(text) for a, text in page.scripts if a.get("id") == "charts"]
        assert all((spec.get("title", {}).get("text") == "UNRELIABLE: S04 failed") == said for spec in data.values())


@pytest.mark.slow
def test_attacks_left_out_are_told_with_their_reason(audit) -> None:
    text = Page(
        render(audit(left_out={"corners": "attack corners works for norm linf, not l2."}), ReportSamples())
    ).text
    assert "1 attack of the suite cannot serve this model or threat and was left out : corners." in text
    assert "Attacks left out corners attack corners works for norm linf, not l2." in text
    assert "left out" not in Page(render(audit(), ReportSamples())).text


@pytest.mark.slow
def test_limits_of_the_attacker_are_told(audit, gallery_of) -> None:
    threat = audit().threat | {"mask": [True] * 2 + [False] * 14, "groups": [], "tied": [], "budget": {"queries": 500}}
    text = Page(render(audit(threat=threat), gallery_of(None, features=16))).text
    assert "2 of 16 features may change: feature 0, feature 1. At most 500 queries per sample and ε." in text
    assert "mask features 0, 1 of 16" in text


@pytest.mark.slow
def test_a_record_of_an_earlier_version_still_renders(audit) -> None:
    values = audit().to_json()
    del values["left_out"], values["engine"]
    for budget in values["budgets"]:
        del budget["undecided"], budget["worst_case_upper"]
    for check in values["sanity"]["checks"]:
        del check["p_value"], check["cost"]
    assert "46.0 % of 200 test samples" in Page(render(AuditRecord.model_validate(values), ReportSamples())).text
