"""What a leader reads on Monday: headline, trust, changes, from rows; every number on the page is published."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from itertools import chain

import pyarrow as pa
import pytest
from made_up import LAST, SCHEMAS, altered, every, tables

from nsm_pipeline.reporting.dashboard import dashboard_html
from nsm_pipeline.reporting.digest import digest_markdown
from nsm_pipeline.reporting.headline import changes, headline, lede, moved
from nsm_pipeline.reporting.monday import Monday
from nsm_pipeline.reporting.wording import listed, number, relative, share, signed, week_span, with_unit

AT = datetime(2026, 11, 2, 6)


def monday(found: dict[str, pa.Table]) -> Monday:
    return Monday.of(found, "Example Forge", "000012-8c1f0d2b9a44", AT)


def at(use_case: str, week: date = LAST):  # type: ignore[no-untyped-def]
    return lambda row: (row["use_case"], row["week"]) == (use_case, week)


def without(found: dict[str, pa.Table], use_case: str, week: date) -> dict[str, pa.Table]:
    """Nothing of a week is published."""
    for table in ("scorecard", "guardrails", "movements"):
        rows = [row for row in found[table].to_pylist() if not at(use_case, week)(row)]
        found = {**found, table: pa.Table.from_pylist(rows, found[table].schema)}
    return found


NOT_READ = ("outcomes", "use_cases", "weeks", "data_dictionary")
"""Tables that no page is made from."""


def test_made_up_tables_hold_together() -> None:
    for name, table in tables(2, 40).items():
        assert table.schema.equals(SCHEMAS[name].schema)
        keys = [tuple(row[key] for key in SCHEMAS[name].key) for row in table.to_pylist()]
        assert (keys or name in NOT_READ) and len(keys) == len(set(keys)), name
    for row in tables(2, 40)["scorecard"].to_pylist():
        assert row["active"] == row["new"] + row["retained"] + row["resurrected"]
    by_view: dict[tuple[str, str, str], list[dict]] = {}
    for row in tables(2, 40)["movements"].to_pylist():
        slice_ = row["slice"] if row["view"] == "slices" else ""
        by_view.setdefault((row["use_case"], row["view"], slice_), []).append(row)
    for rows in by_view.values():
        assert sum(row["contribution"] for row in rows) == pytest.approx(rows[0]["change"], abs=1e-9)


def test_the_headline_says_who_is_on_course() -> None:
    found = tables()
    assert headline(monday(found)) == "Mobile is on course at a price; Planning is slightly behind; Docs is behind"
    for name in ("planning", "docs", "mobile"):
        found = altered(found, "scorecard", at(name), status="green", guardrail_status="green")
    assert headline(monday(found)) == "All 3 use cases are on course"
    assert headline(monday(tables(12, 16))).count(" of 12 use cases") == 1


def test_a_red_guardrail_comes_before_a_gap_and_withheld_numbers_before_both() -> None:
    found = tables()
    price, gap = lede(monday(found))
    value = next(row for row in found["guardrails"].to_pylist() if at("mobile")(row))["value"]
    assert price.startswith(f"Mobile’s growth has a price: support contacts per 100 teams is {value:.2f}")
    assert "past its limit of 3.20 since" in price and gap.startswith("Docs stands at ")
    withheld = altered(
        without(found, "planning", LAST), "certificates", at("planning"), state="withheld", failed="rows missing"
    )
    trust, risk = lede(monday(withheld))
    assert trust == "Planning is withheld (rows missing); shown is the week of 19 October 2026."
    assert risk == price


def test_without_anything_red_it_says_so() -> None:
    found = altered(tables(), "guardrails", every, status="green")
    for name in ("planning", "docs", "mobile"):
        found = altered(found, "scorecard", at(name), status="green", guardrail_status="green")
    assert lede(monday(found)) == ("No guardrail is past its limit.",)


@pytest.mark.parametrize(
    ("state", "more", "kind", "words"),
    [
        ("certified", {}, "certified", "Certified, late rows may still change it"),
        ("withheld", {"failed": "too few rows", "failed_gates": 1}, "withheld", "Withheld: too few rows"),
        ("held", {"held": "waits for approval"}, "held", "Held: waits for approval"),
        ("missing", {}, "missing", "Missing"),
        ("flash", {}, "flash", "Flash: still in progress, no certificate"),
        (
            "withheld",
            {"superseded_pending": True, "failed": "too few rows"},
            "superseded",
            "Superseded: shown is the last certified value, newer ones are withheld (too few rows)",
        ),
    ],
)
def test_trust_is_what_the_certificate_says(state: str, more: dict, kind: str, words: str) -> None:
    found = monday(altered(tables(), "certificates", at("docs"), state=state, **more))
    trust = found.trust(next(case for case in found.use_cases if case.name == "docs"))
    assert trust is not None and (trust.kind, trust.sentence) == (kind, words)
    assert (found.seal.title == "Certified numbers") == (kind == "certified")
    assert (found.seal.colour == "green") == (kind == "certified")


def test_gates_passed_are_counted_over_the_newest_week() -> None:
    assert "42 of 42 gates passed" in monday(tables()).seal.lines
    warned = altered(tables(), "certificates", at("docs"), warnings="share late: 0.6")
    assert "42 gates judged, 0 failed; warnings in Docs" in monday(warned).seal.lines


def test_the_seal_names_the_last_restatement_of_a_final_value() -> None:
    found = altered(tables(), "restatements", lambda row: row["use_case"] == "mobile", kind="settling")
    assert "Last restatement 7 September 2026: Docs, the forgotten upload" in monday(found).seal.lines
    none = altered(tables(), "restatements", every, kind="settling")
    assert "No final value was ever restated" in monday(none).seal.lines


def test_what_changed_is_told_the_gravest_first() -> None:
    before = LAST - timedelta(days=7)
    found = altered(tables(), "scorecard", at("planning", before), status="green")
    found = altered(found, "guardrails", at("mobile", before), status="yellow")
    found = altered(found, "scorecard", at("docs"), verdict="unusually low", expected_low=500.0, expected_high=600.0)
    told = [(change.colour, change.use_case.name, change.text) for change in changes(monday(found))]
    value = next(row for row in found["scorecard"].to_pylist() if at("docs")(row))["value"]
    assert told[:3] == [
        ("red", "mobile", "Support contacts per 100 teams went from yellow to red"),
        ("yellow", "planning", "went from on course to slightly behind"),
        ("yellow", "docs", f"unusually low at {value:.0f}, expected 500 to 600"),
    ]
    assert ("no_colour", "docs", "Pricing page changed") in told


def test_nothing_published_is_said_and_drawn() -> None:
    nothing = monday({name: table.schema.empty_table() for name, table in SCHEMAS.items()})
    assert headline(nothing) == "Nothing is published yet"
    assert "No use case is published in this version." in dashboard_html(nothing)
    assert "Nothing is published yet" in digest_markdown(nothing)
    unpublished = {name: (table if name in ("metric_dictionary", "certificates") else table.schema.empty_table())
                   for name, table in tables().items()}  # fmt: skip
    assert headline(monday(unpublished)) == "All 3 use cases are without a certified number"
    assert "No complete week is published." in dashboard_html(monday(unpublished))


def test_a_first_week_and_a_page_of_one_use_case_are_drawn() -> None:
    for weeks in (1, 2, 5):
        page = dashboard_html(monday(tables(1, weeks)))
        assert "Weekly planning teams against target" in page and "nan" not in page.lower()


class Numbers(HTMLParser):
    """The numbers of a page as (value, text): everything in a data element; and the words of its first screen."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[float, str]] = []
        self.value: float | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "data":
            self.value = float(dict(attrs)["value"] or "nan")

    def handle_data(self, data: str) -> None:
        if self.value is not None:
            self.found.append((self.value, data))
            self.value = None


def published_numbers(found: dict[str, pa.Table]) -> set[float]:
    columns = (table[name] for table in found.values() for name in table.column_names)
    numeric = (column for column in columns if pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
    return {
        float(value) for value in chain.from_iterable(column.to_pylist() for column in numeric) if value is not None
    }


def test_every_number_on_the_page_is_a_published_one() -> None:
    found = tables()
    shown = Numbers(dashboard_html(monday(found))).found
    assert len(shown) > 1000
    assert {value for value, _ in shown} <= published_numbers(found)
    for value, told in shown:
        plain = told.replace(",", "").replace("−", "-")
        times = 100 if plain.endswith("%") else 1
        assert float(plain.rstrip("\u00a0%")) == pytest.approx(value * times, rel=0.06, abs=0.5), told


def test_the_numbers_of_the_sentences_are_published_ones_too() -> None:
    """Of headline, lede and reasons every number is a published value as it is spelled, or a date."""
    found = tables()
    page = monday(found)
    units = ("", "share")
    spelled = {number(value, unit) for value in published_numbers(found) for unit in units}
    spelled |= {f"{value:,.{places}f}" for value in published_numbers(found) for places in (0, 1, 2)}
    spelled |= {share(value) for value in published_numbers(found)} | {"100", "3"}
    for sentence in (headline(page), *lede(page), *map(moved, page.use_cases)):
        words = re.sub(r"\d{1,2} (January|August|September|October|November) 20\d\d", "", sentence)
        for told in re.findall(r"\d[\d,.]*\d|\d", words):
            assert told in spelled or f"{told}\u00a0%" in spelled, (told, sentence)


def test_equal_tables_give_equal_pages() -> None:
    assert dashboard_html(monday(tables())) == dashboard_html(monday(tables()))


def test_a_page_of_twelve_use_cases_and_three_years_stays_below_three_megabytes() -> None:
    page = dashboard_html(monday(tables(12, 156)))
    assert len(page.encode()) < 3_000_000
    assert page.count('<section class="use-case"') == 12


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (number(1284.0), "1,284"),
        (number(0.1234, "share"), "12.3\u00a0%"),
        (number(3.2, "", 3.38), "3.20"),
        (number(478.8, "", 394.0), "479"),
        (number(None), "no value"),
        (with_unit(18.9, "h"), "18.9\u00a0h"),
        (signed(-13.0), "−13"),
        (signed(0.004, "share"), "+0.4\u00a0pts"),
        (signed(0.0), "±0"),
        (relative(0.031), "+3.1\u00a0%"),
        (share(0.9964), "99.6\u00a0%"),
        (share(0.976), "98\u00a0%"),
        (share(1.0), "100\u00a0%"),
        (week_span(date(2026, 10, 26)), "26 October – 1 November 2026"),
        (week_span(date(2026, 6, 15)), "15 – 21 June 2026"),
        (week_span(date(2025, 12, 29)), "29 December 2025 – 4 January 2026"),
        (listed(["a"]), "a"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (listed(list("abcdef"), 3), "a, b and 4 more"),
    ],
)
def test_numbers_and_dates_are_spelled_one_way(told: str, wanted: str) -> None:
    assert told == wanted
