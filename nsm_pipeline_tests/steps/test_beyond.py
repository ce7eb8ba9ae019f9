"""Metrics that read beyond their week: what makes them stale, what is built with them, when they are flash."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from homes import copy, extract, here, opened, states
from landing_zone import Zone, event

from nsm_pipeline.events.landing import ingest
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks

pytestmark = pytest.mark.slow

FIRST = date(2026, 2, 2)
PLAYBOOK = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  signed_up: {sources: [{name: signed_up}]}
  order_placed: {sources: [{name: order.placed}]}
activity: [order_placed]
metrics:
  buyers: {count_distinct: account, of: order_placed}
  buyers_of_four_weeks: {count_distinct: account, of: order_placed, window: 4 weeks}
  converted: {conversion: account, from: signed_up, to: order_placed, within: 14 days}
  new_buyers: {lifecycle: new, of: order_placed}
north_star: {metric: NORTH_STAR}
inputs: [{metric: INPUT, dimension: breadth}]
counter_metrics: [{metric: new_buyers, protects: NORTH_STAR, risk: none}]
tolerances: {volume_low: 0%, volume_high: 10000%, late: 100%}
"""


def week(number: int) -> date:
    return FIRST + timedelta(weeks=number)


def at(number: int, days: int = 0) -> str:
    return f"{week(number) + timedelta(days=days)}T10:00:00Z"


def zone(root: Path, north_star: str, metric: str, as_of: date) -> Zone:
    text = PLAYBOOK.replace("NORTH_STAR", north_star).replace("INPUT", metric)
    it = Zone(root, text, f"as_of: {as_of}\n")
    assert it.playbook
    rows = [event(f"o{number}", at(number), f"a{number % 3}") for number in range(9)]
    rows += [event(f"s{number}", at(number, 1), f"a{number + 1}", event_name="signed_up") for number in range(9)]
    it.put("events.jsonl", rows)
    return it


def stale(it: Open, role: str) -> list[int]:
    """Weeks, by number, of which a role's table is not what it should be."""
    return [(one - FIRST).days // 7 for one in it.weeks if role in it.stale_tables("shop", one)]


def build(root: Path, weeks: list[date] | None = None) -> Open:
    it = opened(root)
    it = Open.of(it.home, it.playbook, ledger=ingest(it.home, it.engine, it.playbook))
    list(run_weeks(it, weeks or it.weeks, it.plans, [("shop", table) for table in it.plans["shop"].tables]))
    return it


def test_a_late_row_makes_stale_what_reads_its_week(tmp_path: Path) -> None:
    """A row of week 3: the week, the three that look back at it, those whose conversions run into it, and every later
    week's first buyers."""
    it = zone(tmp_path, "buyers", "buyers_of_four_weeks", week(8))
    build(tmp_path)
    assert [stale(opened(tmp_path), role) for role in ("north_star", "inputs", "counter_metrics")] == [[], [], []]
    it.put("late.jsonl", [event("late", at(3, 2), "a9", received_at=at(8))])
    it.ingest()
    after = opened(tmp_path)
    assert stale(after, "north_star") == [3]
    assert stale(after, "inputs") == [3, 4, 5, 6]
    assert stale(after, "counter_metrics") == [3, 4, 5, 6, 7, 8]


def test_a_conversion_is_stale_when_its_future_arrives(tmp_path: Path) -> None:
    it = zone(tmp_path, "buyers", "converted", week(8))
    build(tmp_path)
    it.put("late.jsonl", [event("late", at(3, 2), "a9", received_at=at(8))])
    it.ingest()
    assert stale(opened(tmp_path), "inputs") == [1, 2, 3]  # 14 days after week 1 end with week 3


def test_one_week_brings_the_events_it_reads(tmp_path: Path) -> None:
    """Nothing but week 6 is asked for: the usage events of the weeks it reads are built with it, and no table."""
    zone(tmp_path, "buyers", "buyers_of_four_weeks", week(8))
    it = build(tmp_path, [week(6)])
    built = [number for number in range(9) if it.lake.exists("usage_events", "shop", week(number))]
    assert built == [0, 1, 2, 3, 4, 5, 6]  # the first buyers ask for all weeks before
    assert [number for number in range(9) if it.lake.exists("inputs", "shop", week(number))] == [6]
    rows = {row["metric"]: row["value"] for row in it.lake.read("inputs", "shop", week(6)).to_pylist()}
    assert rows["buyers_of_four_weeks"] == 3


def test_weeks_built_together_or_one_by_one_have_the_same_values(tmp_path: Path) -> None:
    zone(tmp_path / "together", "converted", "buyers_of_four_weeks", week(8))
    zone(tmp_path / "apart", "converted", "buyers_of_four_weeks", week(8))
    together = build(tmp_path / "together")
    for number in (5, 0, 8, 3, 1, 2, 4, 7, 6):
        apart = build(tmp_path / "apart", [week(number)])
    for role in ("north_star", "inputs", "counter_metrics"):
        for one in together.weeks:
            files = [it.lake.file(role, "shop", one) for it in (together, apart)]
            assert files[0].read_bytes() == files[1].read_bytes(), (role, one)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine weeks seen from the Wednesday of the last one; an input's window is open for two complete weeks."""
    root = tmp_path_factory.mktemp("waiting")
    zone(root, "buyers", "converted", week(8) + timedelta(days=2))
    assert here("run", "--home", root).code == 0
    return root


def test_a_metric_whose_window_is_open_is_flash_and_the_others_go_on(waiting: Path) -> None:
    found = states(waiting)
    by_number = [found["shop", str(week(number))] for number in range(9)]
    assert [one.state for one in by_number] == ["certified"] * 8 + ["flash"]
    assert [list(one.waiting) for one in by_number] == [[]] * 6 + [["converted"], ["converted"], []]
    published = {str(row["week"]): row for row in extract(waiting, "inputs") if row["slice"] == "all"}
    assert [published[str(week(number))]["state"] for number in range(9)] == ["certified"] * 6 + ["flash"] * 3
    assert published[str(week(7))]["certificate_id"] is None
    north_star = {str(row["week"]): row["state"] for row in extract(waiting, "north_star") if row["slice"] == "all"}
    assert [north_star[str(week(number))] for number in range(9)] == ["certified"] * 8 + ["flash"]


def test_status_says_until_when(waiting: Path) -> None:
    said = here("status", "--home", waiting)
    assert f"shop {week(7)}: converted is flash until {week(10)} 00:00 UTC" in said.out
    assert f"shop {week(6)}: converted is flash until {week(9)} 00:00 UTC" in said.out
    assert f"shop {week(5)}: converted" not in said.out
    weeks = {
        one["week"]: one["use_cases"]["shop"]
        for one in json.loads(here("status", "--home", waiting, "--json").out)["weeks"]
    }
    assert weeks[str(week(7))]["flash_until"] == {"converted": f"{week(10)}T00:00:00Z"}
    assert weeks[str(week(5))]["flash_until"] == {}


def test_a_window_that_has_closed_is_certified_by_the_next_run(waiting: Path, tmp_path: Path) -> None:
    home = copy(waiting, tmp_path / "home")
    before = states(home)["shop", str(week(6))].certificate_id
    assert here("run", "--home", home, "--as-of", str(week(9))).code == 0
    assert here("status", "--home", home, "--as-of", str(week(9)), "--json").code == 0
    rows = {str(row["week"]): row for row in extract(home, "inputs") if row["slice"] == "all"}
    assert rows[str(week(6))]["state"] == "certified"
    assert rows[str(week(6))]["certificate_id"] not in (None, before)
    assert rows[str(week(7))]["state"] == "flash"


def test_a_week_whose_north_star_waits_is_flash_itself(tmp_path: Path) -> None:
    zone(tmp_path, "converted", "buyers", week(8) + timedelta(days=2))
    assert here("run", "--home", tmp_path).code == 0
    found = [states(tmp_path)["shop", str(week(number))].state for number in range(9)]
    assert found == ["certified"] * 6 + ["flash"] * 3
    growth = {row["week"]: row for row in extract(tmp_path, "growth")}
    assert [growth[week(number)]["complete"] for number in range(9)] == [True] * 6 + [False] * 3
    assert growth[week(7)]["growth"] is None
    assert [growth[week(number)]["state"] for number in (5, 6)] == ["certified", "flash"]
    north_star = {row["week"]: row["state"] for row in extract(tmp_path, "north_star") if row["slice"] == "all"}
    assert [north_star[week(number)] for number in range(9)] == ["certified"] * 6 + ["flash"] * 3
    inputs = {row["week"]: row["state"] for row in extract(tmp_path, "inputs") if row["slice"] == "all"}
    assert [inputs[week(number)] for number in range(9)] == ["certified"] * 8 + ["flash"]
