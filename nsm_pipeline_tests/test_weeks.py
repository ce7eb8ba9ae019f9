"""Weeks of any zone and start day: their bounds worked out by hand at the edges, and by property everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from landing_zone import SHOP, Zone, event

from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks
from nsm_pipeline.weeks import WEEK, WEEKDAYS, ZONES, Calendar, utc_week

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "weeks.yaml").read_text())
EDGES = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['zone']} {case['week']}")
ZONE = st.sampled_from(sorted(ZONES))
DAY = st.dates(date(2000, 1, 10), date(2199, 12, 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def calendar(case: dict[str, Any], **more: Any) -> Calendar:
    return Calendar(case["zone"], WEEKDAYS.index(case["starts_on"]), **more)


@EDGES
def test_bounds_and_hours_at_the_edges(case: dict[str, Any]) -> None:
    start, end = calendar(case).bounds(case["week"])
    assert (start, end) == (utc(case["start"]), utc(case["end"]))
    assert (end - start) == timedelta(hours=case["hours"])


@EDGES
def test_the_instants_around_an_edge_lie_in_its_weeks(case: dict[str, Any]) -> None:
    found, week = calendar(case), case["week"]
    tick = timedelta(microseconds=1)
    for instant, expected in (
        (utc(case["start"]) - tick, week - WEEK),
        (utc(case["start"]), week),
        (utc(case["end"]) - tick, week),
        (utc(case["end"]), week + WEEK),
    ):
        assert found.week_of(instant.replace(tzinfo=UTC)) == expected


@EDGES
def test_a_frozen_today_ends_with_the_day(case: dict[str, Any]) -> None:
    """As of its last day the week is in progress; as of the day after it is complete."""
    last = case["week"] + timedelta(days=6)
    assert calendar(case, as_of=last).current() == case["week"]
    assert calendar(case, as_of=last + timedelta(days=1)).last_complete() == case["week"]


@given(ZONE, st.integers(0, 6), DAY)
def test_weeks_follow_one_another_without_gap_or_overlap(zone: str, starts_on: int, day: date) -> None:
    found = Calendar(zone, starts_on)
    week = found.week_of_day(day)
    assert week <= day < week + WEEK and week.weekday() == starts_on
    start, end = found.bounds(week)
    assert end == found.bounds(week + WEEK)[0] and start < end
    assert timedelta(hours=140) < end - start < timedelta(hours=200)
    assert found.utc_weeks(week)[0] == utc_week(start.date())
    assert found.utc_weeks(week)[-1] == utc_week((end - timedelta(microseconds=1)).date())
    assert found.is_utc_week(week) == (
        (start, end) == (datetime(*week.timetuple()[:3]), datetime(*(week + WEEK).timetuple()[:3]))
    )


@given(ZONE, st.integers(0, 6), st.datetimes(datetime(2000, 1, 10), datetime(2199, 12, 1)))
def test_every_instant_lies_in_exactly_the_week_it_is_said_to(zone: str, starts_on: int, instant: datetime) -> None:
    found = Calendar(zone, starts_on)
    start, end = found.bounds(found.week_of(instant.replace(tzinfo=UTC)))
    assert start <= instant < end


def test_a_day_that_goes_on_after_the_next_has_begun() -> None:
    """St. John's set its clocks back at 00:01, to 23:01 of the day before: that hour is in the new week."""
    found = Calendar("America/St_Johns", 6)
    week = date(2010, 11, 7)
    assert found.bounds(week)[0] == datetime(2010, 11, 7, 2, 30)
    for minutes in (0, 1, 30, 59, 60):
        assert found.week_of(datetime(2010, 11, 7, 2, 30 + 0, tzinfo=UTC) + timedelta(minutes=minutes)) == week
    assert found.week_of(datetime(2010, 11, 7, 2, 29, 59, tzinfo=UTC)) == week - WEEK


def test_the_machines_own_zone_is_no_setting() -> None:
    assert "localtime" not in ZONES


@EDGES
def test_metrics_of_the_weeks_around_an_edge(tmp_path: Path, case: dict[str, Any]) -> None:
    """One event before the week, three in it, one after: delivered in one file, another event twice."""
    tick = timedelta(seconds=1)
    start, end = utc(case["start"]), utc(case["end"])
    middle = start + (end - start) / 2
    instants = [start - tick, start, middle, end - tick, end]
    zone = Zone(
        tmp_path / "home",
        use_case=SHOP.replace("order_done, until: 2026-02-16, ", "order_done, until: 2001-01-01, ").replace(
            "since: 2026-02-02, ", ""
        ),
        settings=yaml.safe_dump(
            {"time_zone": case["zone"], "week_starts_on": case["starts_on"], "as_of": case["week"] + 2 * WEEK}
        ),
    )
    rows = [event(f"e{n}", day=f"{at.isoformat()}Z", account=f"a{n}") for n, at in enumerate(instants)]
    zone.put("a.jsonl", rows)
    zone.put("b.csv", [rows[0], rows[3], rows[4]])
    ledger = zone.ingest()
    opened = Open.of(zone.home, zone.playbook, zone.engine, ledger)
    week = case["week"]
    assert opened.weeks == [week - WEEK, week, week + WEEK, week + 2 * WEEK]
    list(run_weeks(opened, opened.weeks, ["shop"], [("shop", "north_star"), ("shop", "inputs")]))
    for at, expected, twice in ((week - WEEK, 1, 1), (week, 3, 1), (week + WEEK, 1, 1), (week + 2 * WEEK, 0, 0)):
        for role, metric in (("north_star", "ordering_accounts"), ("inputs", "orders")):
            values = [
                row["value"]
                for row in opened.lake.read(role, "shop", at).to_pylist()
                if row["metric"] == metric and row["slice"] == "all"
            ]
            assert values == [expected], (role, at)
        evidence = zone.evidence(at)
        assert (evidence["landed"], evidence["accepted"], evidence["duplicate"]) == (expected + twice, expected, twice)
