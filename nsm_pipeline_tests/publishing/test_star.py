"""The star: dimensions by hand, nothing that refers to nothing, and a dictionary that says what the files hold."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homes import extract
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.publishing.columns import TYPES
from nsm_pipeline.publishing.documenting import star_text, tables_text
from nsm_pipeline.publishing.references import APART, references_of
from nsm_pipeline.publishing.star import star, week_rows
from nsm_pipeline.publishing.tables import EXTRACT, METRIC_DICTIONARY, NORTH_STAR

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data_dictionary.md"
Row = dict[str, Any]


def weeks(*first: date, current: date = date(2026, 3, 2)) -> list[Row]:
    return week_rows(first, current, lambda _: "final").to_pylist()


def test_weeks_by_hand() -> None:
    mondays = date(2025, 12, 29), date(2026, 3, 30), date(2026, 6, 1)
    new_year, quarter, current = weeks(*mondays, current=mondays[-1])
    assert new_year == {
        "week": date(2025, 12, 29), "last_day": date(2026, 1, 4), "iso_year": 2026, "iso_week": 1, "year": 2026,
        "quarter": 1, "month": 1, "is_complete": True, "stage": "final",
    }  # fmt: skip
    assert (quarter["iso_week"], quarter["quarter"], quarter["month"]) == (14, 2, 4)
    assert current["is_complete"] is False


def test_a_long_year_and_a_week_that_starts_on_sunday() -> None:
    """28 December 2025 is a Sunday: its fourth day, the last of the year, is of the first ISO week of the next."""
    long, sunday = weeks(date(2026, 12, 28)) + weeks(date(2025, 12, 28))
    assert (long["iso_year"], long["iso_week"], long["year"]) == (2026, 53, 2026)
    assert (sunday["iso_year"], sunday["iso_week"], sunday["year"], sunday["month"]) == (2026, 1, 2025, 12)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_most_days_of_a_week_lie_in_its_month_and_year(day: date) -> None:
    (row,) = weeks(day)
    days = [day + timedelta(days=number) for number in range(7)]
    assert sum(one.month == row["month"] for one in days) >= 4
    assert sum(one.year == row["year"] for one in days) >= 4
    assert sum(one.isocalendar()[:2] == (row["iso_year"], row["iso_week"]) for one in days) >= 4
    assert row["last_day"] == days[-1]


def shown(home: Path, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in extract(home, name)]


@pytest.mark.parametrize("declared", [table for table in EXTRACT if table.name not in APART], ids=lambda one: one.name)
def test_whatever_is_referred_to_is_there(published_home: Path, declared: Any) -> None:
    for reference in references_of(declared):
        there = set(shown(published_home, reference.table, reference.key))
        found = set(shown(published_home, declared.name, reference.columns)) - {(None,)}
        assert found <= there, (declared.name, reference)
        assert None not in {cell for key in found for cell in key}


def test_every_fact_hangs_on_the_star() -> None:
    apart = {"use_cases", "weeks", *APART}
    for table in EXTRACT:
        found = {one.table for one in references_of(table)}
        assert table.name in apart or "use_cases" in found, table.name
        assert ("week" in table.schema.names) <= (table.name in apart or "weeks" in found), table.name


def test_use_cases_as_the_playbook_has_them(published_home: Path) -> None:
    playbook = load_playbook(published_home / "playbook")
    rows = {row["use_case"]: row for row in extract(published_home, "use_cases")}
    assert rows.keys() == playbook.use_cases.keys()
    for name, use_case in playbook.use_cases.items():
        row = rows[name]
        assert (row["title"], row["owner"], row["north_star"]) == (
            use_case.title, use_case.owner.name, use_case.north_star.metric
        )  # fmt: skip
        assert (row["vision"] or "", row["game"], row["review_by"]) == (
            use_case.vision, use_case.game, use_case.review_by
        )  # fmt: skip
        assert (row["slices"] or "").split(", ") == list(use_case.slices or [""])


def test_the_data_dictionary_is_true_of_the_files(published_home: Path) -> None:
    folder = published_home / "extracts" / "current"
    rows = extract(published_home, "data_dictionary")
    by_table: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["table"], row["position"])):
        by_table.setdefault(row["table"], []).append(row)
    assert by_table.keys() == {file.stem for file in folder.glob("*.parquet")}
    descriptor = json.loads((folder / "datapackage.json").read_text())
    keys = {one["name"]: one["schema"]["primaryKey"] for one in descriptor["resources"]}
    for name, columns in by_table.items():
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert [(row["column"], TYPES[row["type"]]) for row in columns] == [(one.name, one.type) for one in schema]
        assert {row["column"] for row in columns if row["is_key"]} == set(keys[name])
        table = pq.read_table(folder / f"{name}.parquet")
        assert not [row["column"] for row in columns if row["required"] and table[row["column"]].null_count]


SHOP = {
    "use_case": "shop",
    "title": "Shop",
    "owner": {"name": "Shop group"},
    "events": {"order_placed": {"sources": [{"name": "order"}]}},
    "metrics": {
        "orders": {"count": "order_placed"},
        "buyers": {"count_distinct": "account", "of": "order_placed"},
    },
    "north_star": {"metric": "buyers"},
    "outcomes": ["buyers"],
}


def of_metric(name: str) -> Row:
    return {
        "use_case": "shop", "metric": name, "title": name, "role": "north_star", "week": date(2026, 3, 2),
        "slice": "all", "slice_value": "all", "suppressed": False, "unit": "", "state": "certified", "stage": "final",
    }  # fmt: skip


def test_metrics_without_a_role_and_without_a_definition_are_explained_too() -> None:
    use_case = UseCase.model_validate(SHOP)
    tables = {
        "north_star": pa.Table.from_pylist([of_metric("orders"), of_metric("gone")], NORTH_STAR.schema),
        "metric_dictionary": METRIC_DICTIONARY.schema.empty_table(),
    }
    found = star({"shop": use_case}, tables, [], date(2026, 3, 9), lambda _: "final")
    rows = {row["metric"]: row for row in found["metric_dictionary"].to_pylist()}
    assert {name: (row["role"], row["kind"], row["is_outcome"]) for name, row in rows.items()} == {
        "buyers": ("none", "count_distinct", True),  # its North Star, of which no row was given here
        "gone": ("none", "removed", False),
        "orders": ("none", "count", False),
    }
    assert found["weeks"]["week"].to_pylist() == [date(2026, 3, 2)]


def test_the_documented_dictionary_is_the_codes() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert with_part(text, "star", star_text()) == text, "run `make docs`"
    assert with_part(text, "tables", tables_text()) == text, "run `make docs`"
