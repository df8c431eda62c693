"""The report in a real browser: what it asks for, whether its charts are drawn, and whether it fits."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from counterspin.evaluation.records import AuditRecord
from counterspin.report import render_comparison, save_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}
# Figures, and tables that are folded: each figure but the reliability diagram and two traces has one, and the cost two.
FIGURES = {"usable": 11, "unreliable": 7, "comparison": 2}
FOLDED = 10


@dataclass
class Visit:
    """A loaded report and what the browser reported on the way."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def wait_until(self, expression: str) -> None:
        """Poll from outside: playwright's own waiting needs `eval` in the page, which the policy forbids."""
        for _ in range(200):
            if self.ask(expression):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never true: {expression}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(
    page: str, unreliable_page: str, record: AuditRecord, compared, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    pages = {"usable": page, "unreliable": unreliable_page}
    pages["comparison"] = render_comparison(compared(6.0, 0.03), record, record)
    return {name: save_report(html, folder / f"{name}.html") for name, html in pages.items()}


@pytest.fixture
def visit(browser: Browser, report: dict[str, Path]) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_report(name: str = "usable", size: str = "desktop", **options: Any) -> Visit:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        visited = Visit(context.new_page())
        visited.page.on("request", lambda request: visited.requests.append(request.url))
        visited.page.on("console", lambda message: visited.complaints.append(message.text))
        visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        visited.page.goto(report[name].as_uri())
        if options.get("java_script_enabled", True):
            visited.page.wait_for_selector("html[data-charts]")
        return visited

    yield open_report
    for context in contexts:
        context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["usable", "unreliable", "comparison"])
def test_report_is_offline_drawn_and_fits(visit: Callable[..., Visit], name: str, size: str) -> None:
    seen = visit(name, size)
    outside = [url for url in seen.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert seen.requests[0].startswith("file:")
    assert seen.complaints == []
    drawn = seen.ask("[...document.querySelectorAll('.live svg.marks')].map(s => s.getBoundingClientRect().width)")
    assert len(drawn) == FIGURES[name]
    assert min(drawn) > 200
    assert seen.ask("document.documentElement.scrollWidth <= innerWidth")
    # No drawing is wider than the page, even where a scrolling region would hide it.
    assert max(drawn) <= SIZES[size][0]


def test_the_policy_stops_what_would_leave_the_page(visit: Callable[..., Visit]) -> None:
    seen = visit()
    failed = seen.ask("fetch('https://example.org/').then(() => 'went out', (error) => error.name)")
    assert failed == "TypeError"
    assert "Content Security Policy" in seen.complaints[0]


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")])
def test_theme_follows_the_system(visit: Callable[..., Visit], scheme: str, ground: str) -> None:
    seen = visit(color_scheme=scheme)
    assert seen.ask("getComputedStyle(document.documentElement).backgroundColor") == ground
    assert seen.ask("document.documentElement.dataset.charts") == scheme


def test_theme_is_toggled_by_keyboard_and_remembered(visit: Callable[..., Visit]) -> None:
    seen = visit(color_scheme="light")
    seen.page.keyboard.press("Tab")
    assert seen.ask("document.activeElement.className") == "skip"
    seen.page.keyboard.press("Tab")
    assert seen.ask("document.activeElement.id") == "theme"
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_selector("html[data-charts=dark]")
    assert seen.ask("getComputedStyle(document.body).color") == "rgb(240, 242, 244)"
    assert seen.page.text_content("#theme") == "Light theme"
    line = "document.querySelector('[data-chart=security] .live .mark-line path[stroke=\"#f0f2f4\"]') !== null"
    assert seen.ask(line)
    seen.page.reload()
    seen.page.wait_for_selector("html[data-charts=dark]")
    assert seen.complaints == []


def test_skip_link_and_tables_take_the_keyboard(visit: Callable[..., Visit]) -> None:
    seen = visit(size="phone")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")
    assert seen.ask("document.activeElement.id") == "main"
    seen.page.focus(".scroll[aria-label^='Table: Robust accuracy']")
    seen.page.keyboard.press("ArrowRight")
    seen.wait_until("document.activeElement.scrollLeft > 0")
    assert seen.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_charts_fit_after_the_window_shrank(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.set_viewport_size({"width": 360, "height": 740})
    seen.page.wait_for_selector("[data-chart=security][data-columns='2']")
    seen.wait_until("document.querySelector('[data-chart=security] svg.marks').clientWidth <= 340")
    assert seen.ask("document.documentElement.scrollWidth <= innerWidth")


def test_without_javascript_the_drawings_stay(visit: Callable[..., Visit]) -> None:
    seen = visit(java_script_enabled=False)
    assert seen.page.locator(".static svg:visible").count() == FIGURES["usable"]
    assert seen.page.locator("#theme").is_hidden()
    assert "Without JavaScript" in seen.page.inner_text("main")


def test_print_is_light_and_unfolded(visit: Callable[..., Visit]) -> None:
    seen = visit(color_scheme="dark")
    pdf = seen.page.pdf(format="A4")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 20
    assert seen.ask("document.querySelectorAll('details.numbers[open]').length") == 0
    seen.page.emulate_media(media="print")
    seen.ask("dispatchEvent(new Event('beforeprint'))")
    assert seen.ask("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.page.locator("details.numbers[open]").count() == FOLDED
    assert seen.page.locator(".static svg:visible").count() == FIGURES["usable"]
    assert seen.page.locator(".live svg.marks:visible").count() == 0


def test_a_click_on_the_legend_shows_one_series(visit: Callable[..., Visit]) -> None:
    seen = visit()
    lines = "[...document.querySelectorAll('[data-chart=security] .live .mark-line path')]"
    faint = f"{lines}.filter(p => p.getAttribute('opacity') === '0.1').length"
    assert seen.ask(faint) == 0
    seen.page.locator("[data-chart=security] .live .role-legend-entry text", has_text="fgsm").click()
    seen.wait_until(f"{faint} === 9")
    assert seen.complaints == []


def test_small_multiples_take_two_columns_on_a_phone(visit: Callable[..., Visit]) -> None:
    words = "[...document.querySelectorAll('[data-chart=trace-broken] .live text')]"
    names = f"{words}.filter(t => ['apgd-ce', 'square', 'fmn'].includes(t.textContent))"
    columns = f"new Set({names}.map(t => Math.round(t.getBoundingClientRect().left))).size"
    assert visit(size="desktop").ask(columns) == 3
    assert visit(size="phone").ask(columns) == 2
