"""Weeks built together, alone, or from what is stored: the same bytes; and what a table needs is built with it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from homes import here
from landing_zone import Zone, event

from nsm_pipeline.events import usage
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.home import Home
from nsm_pipeline.lake import FINGERPRINT, stored_fingerprint
from nsm_pipeline.steps import weekly
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.weekly import WeekToDo, batches, run_weeks

pytestmark = pytest.mark.slow

WEEKS = 28  # the rename is in the third
METRICS = ("account_weeks", "north_star", "inputs", "counter_metrics")
MADE = ("usage_events", "event_quality", "week_evidence", "unmapped_events", *METRICS)


def opened(root: Path) -> Open:
    home = Home.at(root)
    playbook = open_playbook(home)
    return Open.of(home, playbook, ledger=ingest(home, Open.of(home, playbook).engine, playbook))


def everything(it: Open) -> list[tuple[str, str]]:
    return [(name, table) for name, plan in it.plans.items() for table in plan.tables]


def build(it: Open, tables: Collection[tuple[str, str]], usage: Iterable[str] = ()) -> list[weekly.WeekDone]:
    return list(run_weeks(it, it.weeks, list(usage), tables))


def made(it: Open) -> dict[str, str]:
    """Digest of every file that building weeks has made."""
    files = [file for table in MADE for file in it.lake.files(table)]
    return {str(file.relative_to(it.lake.root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weeks of the sample, over its rename with a dual run and over account snapshots."""
    home = tmp_path_factory.mktemp("weekly") / "home"
    assert here("sample", "--home", home, "--weeks", WEEKS, "--accounts", 30, "--events", 150 * WEEKS).code == 0
    return home


@pytest.fixture(scope="module")
def together(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Open:
    home = tmp_path_factory.mktemp("together") / "home"
    shutil.copytree(landing, home)
    it = opened(home)
    build(it, everything(it), it.plans)
    return it


def test_weeks_built_alone_have_the_bytes_of_weeks_built_together(
    landing: Path, together: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(landing, tmp_path / "home")
    it = opened(tmp_path / "home")
    monkeypatch.setattr(weekly, "ROWS_AT_ONCE", 0)
    build(it, everything(it), it.plans)
    assert made(it) == made(together)
    assert len(made(it)) == WEEKS * (3 * 6 + 2)


def test_where_a_row_group_begins_does_not_depend_on_the_weeks_built_with_it(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With row groups of 2,048 instead of 122,880: two weeks of two row groups, whose rows stand in turn."""
    monkeypatch.setattr(usage, "EVENTS_WRITER", usage.EVENTS_WRITER.replace("122880", "2048"))
    monkeypatch.setattr(usage, "EVENTS_ROW_GROUP", 2048)
    names = ("page_viewed", "page_viewed", "order.placed", "unheard_of")
    for number in range(2):
        start = datetime(2026, 3, 2) + timedelta(weeks=number)
        moments = [(start + timedelta(minutes=place)).isoformat() for place in range(3000)]
        sent = [event(f"{number}-{place}", f"{at}Z", event_name=names[place % 4]) for place, at in enumerate(moments)]
        zone.put(f"{number}.jsonl", sent)
    it = opened_zone(zone)
    step, weeks = it.usage, [date(2026, 3, 2), date(2026, 3, 9)]
    found = []
    for batch in ([weeks], [[week] for week in weeks]):
        list(it.engine.map(lambda connection, some: step.run(connection, some, frozenset(["shop"])), batch))
        found.append(made(it))
    assert found[0] == found[1]
    (file, _) = it.lake.files("usage_events", "shop")
    about = pq.read_metadata(file)
    assert [about.row_group(number).num_rows for number in range(about.num_row_groups)] == [2048, 202]


def test_tables_from_stored_events_have_the_same_bytes(together: Open, tmp_path: Path) -> None:
    shutil.copytree(together.home.root, tmp_path / "home")
    for table in METRICS:
        shutil.rmtree(tmp_path / "home" / "lake" / table)
    it = opened(tmp_path / "home")
    done = build(it, everything(it))
    assert not any(week.usage for week in done)
    assert all(len(week.tables) == 12 for week in done)
    assert made(it) == made(together)


def test_a_table_is_never_built_from_events_that_are_out_of_date(zone: Zone) -> None:
    """Asked for a table alone, with new rows landed since: its fingerprint says that they are in it."""
    week, table = date(2026, 3, 2), ("shop", "north_star")
    zone.put("f.jsonl", [event("e1")])
    it = opened_zone(zone)
    build(it, everything(it), it.plans)
    zone.put("g.jsonl", [event("e2", account="a2")])
    it = opened_zone(zone)
    assert table[1] in it.stale_tables("shop", week)
    build(it, [table])
    (row,) = [row for row in it.lake.read("north_star", "shop", week).to_pylist() if row["slice"] == "all"]
    assert row["value"] == 2
    assert it.stale_tables("shop", week) == ["account_weeks", "inputs", "counter_metrics"]


def opened_zone(zone: Zone) -> Open:
    _ = zone.playbook
    return opened(zone.root)


def test_what_may_be_built_together() -> None:
    monday = date(2026, 1, 5)

    def week(number: int, alike: tuple[object, ...] = ("same",), rows: int = 1, use_case: str = "ci") -> WeekToDo:
        return WeekToDo(monday + timedelta(weeks=number), frozenset([use_case]), {}, alike, rows)

    def sizes(*weeks: WeekToDo, workers: int = 1) -> list[int]:
        return [len(batch) for batch in batches(weeks, workers)]

    most = weekly.ROWS_AT_ONCE
    assert sizes(*map(week, range(5))) == [5]
    assert sizes(week(0), week(1), week(3), week(4)) == [2, 2]  # a gap
    assert sizes(week(0), week(1, ("other",)), week(2, ("other",))) == [1, 2]  # another snapshot or definition
    assert sizes(week(0), week(1, use_case="security")) == [1, 1]  # other tables to build
    assert sizes(week(0, rows=most), week(1), week(2)) == [1, 2]  # too many rows
    assert sizes(week(0, rows=2 * most), week(1, rows=2 * most)) == [1, 1]
    # As many rows for each of two workers, also where one could take them all.
    assert sizes(*map(week, range(6)), workers=2) == [3, 3]
    assert sizes(*(week(number, rows=rows) for number, rows in enumerate([126, 120, 126, 108])), workers=2) == [2, 2]
    assert sizes(*(week(number, rows=most // 20) for number in range(60)), workers=2) == [15, 15, 15, 15]


def test_the_fingerprint_in_the_footer_is_the_one_in_the_schema(together: Open) -> None:
    files = [file for table in MADE for file in together.lake.files(table)]
    for file in files[:: len(files) // 40]:
        assert stored_fingerprint(file) == pq.read_metadata(file).metadata[FINGERPRINT].decode()
