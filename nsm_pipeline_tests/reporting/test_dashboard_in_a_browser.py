"""The dashboard as a browser shows it: it renders, asks nobody, everybody can use it, colours follow the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Read, Scheme
from browser import browser as chromium
from browser import read as opened
from made_up import LAST, altered, tables
from playwright.sync_api import Browser

from nsm_pipeline.reporting.dashboard import dashboard_html
from nsm_pipeline.reporting.monday import Monday

pytestmark = pytest.mark.slow

AT = datetime(2026, 11, 2, 6)
MOBILE = "tr:has(a:text-is('Mobile'))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), tables())


def written(folder: Path, found: dict) -> Path:
    path = folder / "dashboard.html"
    path.write_text(dashboard_html(Monday.of(found, "Example Forge", "000012-8c1f0d2b9a44", AT)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_renders_alone_and_everybody_can_use_it(browser: Browser, file: Path, scheme: Scheme) -> None:
    seen = opened(browser, file, scheme)
    for details in seen.page.query_selector_all("details"):
        details.evaluate("element => element.open = true")  # so that what is folded away is audited too
    result = Axe().run(seen.page)
    seen.page.screenshot(path=file.with_name(f"{scheme}.png"), full_page=True)  # kept for eyes
    assert seen.page.title() == "Example Forge: product health, week of 26 October 2026"
    assert (seen.asked, seen.complaints) == ([], [])
    assert result.violations_count == 0, result.generate_report()
    assert result.response["passes"], "the audit looked at nothing"


def test_the_first_screen_answers_the_four_questions(browser: Browser, file: Path) -> None:
    page = opened(browser, file).page
    last_of = {
        "are we on course": "h1",
        "is it healthy": ".overview tbody tr:last-child .joint",
        "can I trust it": ".seal li:last-child",
        "what changed": ".changed li:last-child",
    }
    for question, selector in last_of.items():
        box = page.locator(selector).last.bounding_box()
        assert box is not None and box["y"] + box["height"] <= 900, question


def test_twelve_use_cases_stand_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, written(tmp_path, tables(12, 20))).page
    box = page.locator(".overview").bounding_box()
    assert box is not None and box["y"] + box["height"] <= 900


@pytest.mark.parametrize("width", [360, 768, 1024])
def test_it_never_scrolls_sideways(browser: Browser, file: Path, width: int) -> None:
    page = opened(browser, file, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_colours_follow_the_data(browser: Browser, tmp_path: Path) -> None:
    """A guardrail that breaks turns the pair red in shape, word and colour, and nothing else."""
    found = tables()
    whole = opened(browser, written(tmp_path, found)).page
    (tmp_path / "broken").mkdir()
    broken_tables = altered(
        found, "guardrails", lambda row: (row["use_case"], row["week"]) == ("planning", LAST), status="red", value=9.0
    )
    broken_tables = altered(
        broken_tables,
        "scorecard",
        lambda row: (row["use_case"], row["week"]) == ("planning", LAST),
        guardrail_status="red",
        joint_status="red",
        joint_words="growth at a cost",
    )
    broken = opened(browser, written(tmp_path / "broken", broken_tables)).page
    joint = "tr:has(a:text-is('Planning')) .joint .status"
    before, after = look(whole, joint), look(broken, joint)
    assert (before.words, before.shape) == ("Slightly behind, quality holds", "yellow")
    assert (after.words, after.shape) == ("Growth at a cost", "red")
    assert before.colour != after.colour and before.outline != after.outline
    pill = "tr:has(a:text-is('Planning')) td:last-child .pill"
    assert (look(whole, pill).words, look(broken, pill).words) == ("Within limit", "Past limit")
    docs = "tr:has(a:text-is('Docs')) .joint .status"
    assert look(whole, docs) == look(broken, docs)
    assert "Planning is at risk" in (broken.text_content(".lede") or "")


class look:
    """A status as it is seen: its words, its colour as computed, the outline of its shape."""

    def __init__(self, page: object, selector: str) -> None:
        place = page.locator(selector).first  # type: ignore[attr-defined]
        self.words = place.inner_text().strip()
        self.colour = place.evaluate("element => getComputedStyle(element).color")
        self.shape = place.locator(".mark").get_attribute("class").removeprefix("mark ")
        self.outline = place.locator(".shape").evaluate("element => element.tagName + element.getAttribute('d')")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)


def test_words_of_trust_come_from_the_certificates(browser: Browser, tmp_path: Path) -> None:
    found = tables()
    assert "Certified numbers" in opened(browser, written(tmp_path, found)).page.inner_text(".seal")
    week = {"state": "withheld", "failed": "share quarantined: 0.31", "failed_gates": 1, "certificate_id": None}
    for table in ("scorecard", "guardrails"):
        rows = [row for row in found[table].to_pylist() if (row["use_case"], row["week"]) != ("docs", LAST)]
        found[table] = type(found[table]).from_pylist(rows, found[table].schema)
    withheld = altered(found, "certificates", lambda row: (row["use_case"], row["week"]) == ("docs", LAST), **week)
    page = opened(browser, written(tmp_path, withheld)).page
    seal = page.inner_text(".seal")
    assert "2 of 3 use cases certified" in seal and "Certified numbers" not in seal
    assert "Docs: Withheld: share quarantined: 0.31" in seal and "41 of 42 gates passed" in seal
    assert "Docs is without a certified number" in page.inner_text("h1")
    assert "Docs is withheld (share quarantined: 0.31); shown is the week of 19 October 2026." in page.inner_text(
        ".lede"
    )
    row = page.locator("tr:has(a:text-is('Docs'))").inner_text()
    assert "Withheld" in row and "in the week of 19 October 2026" in row
    assert "Certified" in page.locator(MOBILE).inner_text()


def test_the_keyboard_reaches_the_skip_link_the_sections_and_the_numbers(browser: Browser, file: Path) -> None:
    page = opened(browser, file).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "use-cases"
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.tagName + (document.activeElement.getAttribute('href') || '')")
        )
    assert {"A#use-case-1", "A#use-case-2", "A#use-case-3", "SUMMARY"} <= set(reached)
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("element => element.open")
    assert page.locator("summary").first.evaluate("element => getComputedStyle(element).outlineStyle") != "none"


def test_headings_are_in_order_and_ids_are_unique(browser: Browser, file: Path) -> None:
    page = opened(browser, file).page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_it_prints_to_a_few_pages(browser: Browser, file: Path) -> None:
    pdf = opened(browser, file).page.pdf(format="A4", prefer_css_page_size=True)
    assert 3 <= pdf.count(b"/Type /Page\n") <= 12


def test_hostile_words_stay_words(browser: Browser, tmp_path: Path) -> None:
    hostile = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"' & שלום العربية " + "x" * 300
    found = tables()
    for table, columns in {
        "metric_dictionary": ("use_case_title", "title", "owner"),
        "tree_nodes": ("title", "owner", "status_words", "work"),
        "tree_edges": ("words",),
        "guardrails": ("title", "risk", "starting_points", "joint_words"),
        "scorecard": ("joint_words", "unit"),
        "annotations": ("text",),
        "restatements": ("reason", "by"),
        "movements": ("slice_value",),
        "certificates": ("failed", "owner", "approved_by"),
    }.items():
        found = altered(found, table, lambda row: row["use_case"] == "docs", **dict.fromkeys(columns, hostile))
    seen: Read = opened(browser, written(tmp_path, found), width=360)
    assert (seen.asked, seen.complaints) == ([], [])
    assert seen.page.evaluate("window.hacked") is None
    assert seen.page.locator("script, img").count() == 0
    assert "<script>window.hacked = 1</script>" in seen.page.inner_text("h1")
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 360


def test_links_of_work_lead_to_the_web_alone(browser: Browser, tmp_path: Path) -> None:
    work = "2026-08-03, Gallery, https://example.org/a\n2026-08-04, Trap, javascript:alert(1)"
    found = altered(tables(), "tree_nodes", lambda row: row["metric"] == "invites", work=work)
    page = opened(browser, written(tmp_path, found)).page
    links = page.evaluate("[...document.querySelectorAll('.inputs a')].map(one => one.getAttribute('href'))")
    assert "https://example.org/a" in links and not [link for link in links if link.startswith("javascript")]
    assert "2026-08-04, Trap, javascript:alert(1)" in page.inner_text("main")


@pytest.mark.soak
def test_more_pictures_for_eyes(browser: Browser, file: Path) -> None:
    """The page at three widths and printed, beside it."""
    for width in (360, 768, 1024):
        page = opened(browser, file, width=width).page
        page.screenshot(path=file.with_name(f"{width}.png"), full_page=True)
    page.pdf(path=file.with_suffix(".pdf"), format="A4", prefer_css_page_size=True)
    assert len(list(file.parent.glob("*.png"))) >= 3
