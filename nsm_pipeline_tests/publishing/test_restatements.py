"""The restatement ledger: against a slow reference, tolerance by hand, and over several publications."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.home import Home
from nsm_pipeline.publishing.changes import GROWTH_NUMBERS, METRIC_TABLES
from nsm_pipeline.publishing.extracts import write_extract
from nsm_pipeline.publishing.restatements import Why, beyond, changes, continued, kinds, restated
from nsm_pipeline.publishing.tables import EXTRACT, GROWTH, METRIC_KEY, NORTH_STAR, RESTATEMENTS

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
MONDAY = date(2026, 4, 6)
WEEK = timedelta(days=7)
METRIC_SCHEMA = NORTH_STAR.schema if "stage" in NORTH_STAR.schema.names else NORTH_STAR.schema.append(
    pa.field("stage", pa.string())
)  # fmt: skip
Row = dict[str, Any]


def row(value: float | None, week: date = MONDAY, **more: Any) -> Row:
    found = {
        "use_case": "shop", "metric": "orders", "title": "", "role": "", "week": week, "slice": "all",
        "slice_value": "all", "value": value, "entities": 1, "unit": "", "state": "certified", "stage": "final",
        "certificate_id": f"c{value}",
    }  # fmt: skip
    return {**found, **more}


def published(*rows: Row, ledger: pa.Table | None = None, **more: list[Row]) -> dict[str, pa.Table]:
    """Tables of a publication: rows of the North Star, and of others by name."""
    found = {name: pa.Table.from_pylist(more.get(name, []), METRIC_SCHEMA) for name in METRIC_TABLES}
    found["north_star"] = pa.Table.from_pylist(list(rows), METRIC_SCHEMA)
    found["growth"] = pa.Table.from_pylist(more.get("growth", []), GROWTH.schema)
    found["restatements"] = RESTATEMENTS.schema.empty_table() if ledger is None else ledger
    return found


def follow(*steps: dict[str, pa.Table], tolerance: float = 0.01) -> list[Row]:
    """The ledger after several publications."""
    before: dict[str, pa.Table] = {}
    for number, tables in enumerate(steps, start=1):
        ledger = continued(before, tables, number, NOW + number * WEEK, lambda *_: Why("late rows"), tolerance)
        before = {**tables, "restatements": ledger}
    return before["restatements"].to_pylist()


def kinds_of(*steps: dict[str, pa.Table], tolerance: float = 0.01) -> list[str]:
    return [one["kind"] for one in follow(*steps, tolerance=tolerance)]


cells = st.tuples(
    st.sampled_from(METRIC_TABLES),
    st.sampled_from(["shop", "ci"]),
    st.sampled_from(["orders", "teams"]),
    st.sampled_from([MONDAY, MONDAY + WEEK, MONDAY + 2 * WEEK]),
    st.sampled_from([("all", "all"), ("plan", "free"), ("plan", "paid")]),
)
contents = st.dictionaries(
    cells,
    st.tuples(
        st.sampled_from([None, 0.0, -0.0, 100.0, 100.5, 200.0]), st.sampled_from(["flash", "certified"]),
        st.sampled_from(["flash", "settling", "final"]),
    ),
    max_size=30,
)  # fmt: skip


def tables_of(content: dict[Any, Any]) -> dict[str, pa.Table]:
    rows: dict[str, list[Row]] = {name: [] for name in METRIC_TABLES}
    for (table, use_case, metric, week, (cut, part)), (value, state, stage) in content.items():
        more = {"use_case": use_case, "metric": metric, "slice": cut, "slice_value": part}
        rows[table].append(row(value, week, **more, state=state, stage=stage))
    return published(*rows.pop("north_star"), **rows)


def slow_changes(before: dict[Any, Any], after: dict[Any, Any], shown_ever: set[Any]) -> list[Row]:
    """What the ledger must say, one cell after the other."""
    weeks = {(cell[1], cell[3]) for cell in before} | shown_ever
    found = []
    for cell in {**before, **after}:
        table, use_case, metric, week, (cut, part) = cell
        old, new = before.get(cell), after.get(cell)
        if (use_case, week) not in weeks or (old and new and old[0] == new[0]):
            continue
        found.append(
            {
                "use_case": use_case, "table": table, "metric": metric, "week": week, "slice": cut,
                "slice_value": part, "old": old[0] if old else None, "new": new[0] if new else None,
                "old_state": old[1] if old else None, "new_state": new[1] if new else None,
                "old_certificate": f"c{old[0]}" if old else None, "new_certificate": f"c{new[0]}" if new else None,
            }
        )  # fmt: skip
    order = [*METRIC_TABLES]
    return sorted(
        found,
        key=lambda one: (
            one["use_case"], order.index(one["table"]), one["metric"], one["week"], one["slice"], one["slice_value"]
        ),
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(contents, min_size=2, max_size=5))
def test_the_ledger_of_any_history(history: list[dict[Any, Any]]) -> None:
    ledger = follow(*map(tables_of, history))
    is_what_a_slow_reference_finds(ledger, history)
    says_every_number_after_the_first_publication(ledger, history)


def is_what_a_slow_reference_finds(ledger: list[Row], history: list[dict[Any, Any]]) -> None:
    wanted, ever = [], set()
    for number, (before, after) in enumerate(pairwise(history), start=2):
        ever |= {(one["use_case"], one["week"]) for one in wanted}
        wanted += [{**one, "version": f"{number:06d}"} for one in slow_changes(before, after, ever)]
    assert [{name: one[name] for name in first} for one, first in zip(ledger, wanted, strict=True)] == wanted
    assert [one["number"] for one in ledger] == list(range(1, len(wanted) + 1))


def says_every_number_after_the_first_publication(ledger: list[Row], history: list[dict[Any, Any]]) -> None:
    """Followed from what was shown first in each week, the ledger ends at what is shown now."""
    shown: dict[Any, Any] = {}
    weeks: set[Any] = set()
    for content in history:
        for cell, (value, *_) in content.items():
            if (cell[1], cell[3]) not in weeks:
                shown[cell] = value
        weeks |= {(cell[1], cell[3]) for cell in content}
    for one in ledger:
        cell = (one["table"], one["use_case"], one["metric"], one["week"], (one["slice"], one["slice_value"]))
        assert shown.get(cell) == one["old"]
        shown[cell] = one["new"]
        if one["new_state"] is None:
            del shown[cell]
    assert shown == {cell: value for cell, (value, *_) in history[-1].items()}


@pytest.mark.parametrize(
    ("old", "new", "total", "is_beyond"),
    [
        (100.0, 101.0, None, False),  # exactly the tolerance
        (100.0, 101.001, None, True),
        (100.0, 98.9, None, True),
        (-100.0, -101.5, None, True),
        (0.0, 0.0001, None, True),
        (2.0, 3.0, 100.0, False),  # a slice may change by a share of the total
        (2.0, 3.1, 100.0, True),
        (500.0, 504.0, 100.0, False),  # or of itself
        (2.0, 3.0, None, True),
        (None, 1.0, 100.0, False),  # a slice that comes or goes counts from or to 0
        (None, 1.1, 100.0, True),
        (0.9, None, 100.0, False),
        (1.1, None, 100.0, True),
        (None, 0.0, None, True),  # a total always is
        (0.0, None, None, True),
        (None, None, 100.0, False),
    ],
)
def test_tolerance(old: float | None, new: float | None, total: float | None, is_beyond: bool) -> None:
    assert beyond(old, new, total, 0.01) is is_beyond


def test_kinds_follow_what_was_shown() -> None:
    assert kinds_of(published(row(1, state="flash", stage="flash")), published(row(2))) == ["flash"]
    assert kinds_of(published(row(1, stage="settling")), published(row(2, stage="settling"))) == ["settling"]
    assert kinds_of(published(row(1, stage="settling")), published(row(2))) == ["restatement"]  # it is final by now
    assert kinds_of(published(row(1, state="flash", stage="flash")), published(row(2, stage="settling"))) == ["flash"]
    assert kinds_of(published(row(100)), published(row(101))) == ["within_tolerance"]
    assert kinds_of(published(row(100)), published(row(102))) == ["restatement"]
    assert kinds_of(published(row(100)), published(row(None))) == ["restatement"]
    other = row(5, metric="teams", stage="settling")
    assert kinds_of(published(row(100)), published(row(100), other)) == ["added"]
    assert kinds_of(published(row(100), other), published(row(100))) == ["restatement"]  # its week is final
    settling = row(100, stage="settling")
    assert kinds_of(published(settling, other), published(settling)) == ["settling"]
    late = row(2, slice="plan", slice_value="free")
    assert kinds_of(published(settling), published(settling, {**late, "stage": "settling"})) == ["settling"]
    assert kinds_of(published(row(100)), published(row(100), late)) == ["restatement"]
    assert kinds_of(published(row(100)), published(row(100), {**late, "value": 1})) == ["within_tolerance"]


def test_the_first_certified_values_of_a_final_week_restate_nothing() -> None:
    """A week that was withheld from its first day on and is repaired, or approved, when it is final already."""
    in_progress = published(row(1, state="flash", stage="flash", certificate_id=None))
    of_others = row(7, MONDAY - WEEK)
    assert kinds_of(in_progress, published(of_others), published(of_others, row(2))) == ["flash", "added"]
    was_certified = published(row(2), of_others)
    assert kinds_of(was_certified, published(of_others), was_certified) == ["restatement", "restatement"]


def test_small_changes_cannot_add_up_unseen() -> None:
    """100 → 100.6 → 101.2: each lies within 1 %, both together do not. From then on it is measured from there."""
    steps = [published(row(value)) for value in (100.0, 100.6, 101.2, 101.9, 100.5, 100.0)]
    assert kinds_of(*steps) == ["within_tolerance", "restatement", "within_tolerance", "within_tolerance",
                                "restatement"]  # fmt: skip


def test_a_value_that_settled_is_measured_from_where_it_became_final() -> None:
    steps = [published(row(value, stage=stage)) for value, stage in
             ((90.0, "settling"), (100.0, "settling"), (100.9, "final"), (101.1, "final"))]  # fmt: skip
    assert kinds_of(*steps) == ["settling", "within_tolerance", "restatement"]


def test_a_slice_is_measured_by_the_total_it_belongs_to() -> None:
    """A slice of 2 may become 3 below a total of 100; not 4, in two steps, even if the total drifts as well."""

    def of(total: float, part: float) -> dict[str, pa.Table]:
        return published(row(total), row(part, slice="plan", slice_value="free"))

    assert kinds_of(of(100, 2), of(100, 3)) == ["within_tolerance"]
    assert kinds_of(of(100, 2), of(101, 3), of(101, 4)) == ["within_tolerance", "within_tolerance", "restatement"]


def growth_row(week: date, **numbers: float | None) -> Row:
    return {"use_case": "shop", "week": week, "complete": True, "state": "certified", "certificate_id": "c", **numbers}


def test_growth_follows_the_values_it_is_made_from() -> None:
    """A value that changes within tolerance may double a growth of nearly nothing: that is no restatement."""
    next_week = MONDAY + WEEK

    def of(value: float, growth: float) -> dict[str, pa.Table]:
        rows = [row(value), row(100.4, next_week)]
        return published(*rows, growth=[growth_row(MONDAY, value=value), growth_row(next_week, growth=growth)])

    asked: list[date] = []

    def explain(_: str, week: date) -> Why:
        asked.append(week)
        return Why(f"rows of {week}")

    before, near, far = of(100.0, 0.004), of(100.2, 0.002), of(110.0, -0.087)
    assert set(kinds(changes(before, near), before, 0.01)) == {"within_tolerance"}
    assert set(kinds(changes(before, far), before, 0.01)) == {"restatement"}
    ledger = continued(before, near, 2, NOW, explain, 0.01).to_pylist()
    assert [(one["table"], one["metric"], one["week"], one["cause"]) for one in ledger] == [
        ("north_star", "orders", MONDAY, f"rows of {MONDAY}"),
        ("growth", "growth", next_week, f"rows of {MONDAY}"),
        ("growth", "value", MONDAY, f"rows of {MONDAY}"),
    ]
    assert set(asked) == {MONDAY}
    assert "new_by_creation" in GROWTH_NUMBERS
    assert "complete" not in GROWTH_NUMBERS


def test_what_a_release_would_restate() -> None:
    """As certificates hold the values: without states, and never flash."""

    def rows(total: float, part: float | None) -> pa.Table:
        both = [row(total, role="inputs"), row(part, role="inputs", slice="plan", slice_value="free")]
        return pa.Table.from_pylist(both, METRIC_SCHEMA).select([*METRIC_KEY, "role", "value"])

    nothing = RESTATEMENTS.schema.empty_table()
    assert restated(rows(100, 2), rows(100.9, 3), nothing, 0.01) == []
    (one,) = restated(rows(100, 2), rows(101.5, 2.5), nothing, 0.01)
    assert (one.table, one.metric, one.slice, one.old, one.new) == ("inputs", "orders", "all", 100, 101.5)
    assert [one.slice for one in restated(rows(100, 2), rows(100, None), nothing, 0.01)] == ["plan"]
    steps = [published(inputs=[row(value, role="inputs")]) for value in (100.0, 100.7)]
    ledger = pa.Table.from_pylist(follow(*steps), RESTATEMENTS.schema)
    assert restated(rows(100.7, 2), rows(101.2, 2), nothing, 0.01) == []
    assert [one.new for one in restated(rows(100.7, 2), rows(101.2, 2), ledger, 0.01)] == [101.2]


def test_a_reason_is_kept_for_final_values_alone() -> None:
    next_week = MONDAY + WEEK
    before = published(row(100), row(100, next_week, stage="settling"))
    after = published(row(200), row(200, next_week, stage="settling"))
    ledger = continued(before, after, 2, NOW, lambda *_: Why("rows", "wrong unit", "Ada"), 0.01).to_pylist()
    assert [(one["kind"], one["cause"], one["reason"], one["by"]) for one in ledger] == [
        ("restatement", "rows", "wrong unit", "Ada"),
        ("settling", "rows", "", ""),
    ]


def tables(value: float, title: str = "") -> dict[str, pa.Table]:
    found = {table.name: table.schema.empty_table() for table in EXTRACT}
    one = row(value, title=title)
    rows = [{name: one.get(name) for name in found["north_star"].schema.names}]
    return {**found, "north_star": pa.Table.from_pylist(rows, found["north_star"].schema)}


def test_the_ledger_in_the_extract(tmp_path: Path) -> None:
    """A row names the version that holds it; an unchanged value adds none, and so no version."""
    home = Home(tmp_path)

    def publish(number: int, value: float, title: str = "") -> str:
        at = NOW + number * WEEK
        return write_extract(home, tables(value, title), "Test", at, lambda *_: Why("metric", "wrong unit", "Ada"))

    def ledger() -> list[Row]:
        return pq.read_table(home.extracts / "current" / "restatements.parquet").to_pylist()

    first = publish(0, 1.0)
    assert ledger() == []
    second = publish(1, 2.0)
    (one,) = ledger()
    assert one["version"] == second[:6] == "000002"
    assert (one["number"], one["old"], one["new"]) == (1, 1.0, 2.0)
    assert (one["cause"], one["reason"], one["by"]) == ("metric", "wrong unit", "Ada")
    assert one["at"] == "2026-05-11T10:00:00.000000Z"
    assert publish(2, 2.0) == second
    third = publish(3, 2.0, title="Renamed")  # another version, in which no number changed
    assert third != second
    assert ledger() == [one]
    publish(4, 1.0)
    assert [(row["number"], row["version"]) for row in ledger()] == [(1, "000002"), (2, "000004")]
    assert first[:6] == "000001"


def test_a_home_from_before_there_was_a_ledger(tmp_path: Path) -> None:
    """What its extract shows, without stages or a ledger, is what changes are measured by."""
    old = {name: table for name, table in tables(1.0).items() if name != "restatements"}
    old["north_star"] = old["north_star"].drop_columns([n for n in ("stage",) if n in old["north_star"].column_names])
    folder = tmp_path / "extracts" / "versions" / "000007-0123456789ab"
    folder.mkdir(parents=True)
    for name, table in old.items():
        pq.write_table(table, folder / f"{name}.parquet")
    (tmp_path / "extracts" / "current").symlink_to("versions/000007-0123456789ab")
    version = write_extract(Home(tmp_path), tables(2.0), "Test", NOW)
    (one,) = pq.read_table(tmp_path / "extracts" / "current" / "restatements.parquet").to_pylist()
    assert version[:6] == one["version"] == "000008"
    assert (one["old"], one["new"]) == (1.0, 2.0)
