"""`nsm run` on the whole of the real data set, against counts made without the project's code."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from devsecops_rows import FIRST, LAST, Row, delivered_rows, facts_of, internal_accounts, monday
from homes import TABLES, Said, broken_extract, extract, finish, here, published, start

from nsm_pipeline.scoring.seasons import outlook, verdict

WEEKS = [FIRST + timedelta(weeks=number) for number in range(156)]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(devsecops_run: tuple[Path, Said]) -> Path:
    return devsecops_run[0]


@pytest.fixture(scope="module")
def facts(devsecops_data: Path) -> list[Row]:
    return facts_of(delivered_rows(devsecops_data))


@pytest.fixture(scope="module")
def customers(facts: list[Row], devsecops_data: Path) -> dict[tuple[str, date], list[Row]]:
    """Facts of accounts that are not internal, by event and week."""
    internal, found = internal_accounts(devsecops_data), defaultdict(list)
    for row in facts:
        if row["account_id"] not in internal:
            found[row["event_name"], monday(row)].append(row)
    return found


def totals(home: Path, table: str, metric: str) -> dict[date, float]:
    return {
        row["week"]: row["value"] for row in extract(home, table) if row["metric"] == metric and row["slice"] == "all"
    }


def test_it_ends_well_and_publishes_everything(devsecops_run: tuple[Path, Said]) -> None:
    home, said = devsecops_run
    assert said.code == 0, said.err
    assert broken_extract(home) is None
    summary = said.json
    assert summary["rows"] == {
        "rows": 302_849, "accepted": 299_863, "duplicate": 2_986, "conflict": 0, "quarantined": 0,
    }  # fmt: skip
    for one in summary["use_cases"].values():
        assert one["weeks"] == {"certified": 155, "flash": 1}
    for name in TABLES:
        assert extract(home, name) or name in ("restatements", "outcomes")  # nothing was published before


def test_there_are_156_weeks_and_the_last_is_flash(home: Path) -> None:
    for use_case in ("ci", "security", "compliance"):
        rows = [row for row in extract(home, "certificates") if row["use_case"] == use_case]
        assert [row["week"] for row in rows] == WEEKS
        assert [row["state"] for row in rows] == ["certified"] * 155 + ["flash"]
        series = [row for row in extract(home, "growth") if row["use_case"] == use_case]
        assert [row["week"] for row in series] == WEEKS
        assert [row["complete"] for row in series] == [True] * 155 + [False]
    assert WEEKS[-1] == LAST


def test_events_per_name_and_week_through_the_catalogue(home: Path, facts: list[Row]) -> None:
    sql = "SELECT use_case, event, week, count(*) AS n FROM usage_events GROUP BY ALL"
    said = here("query", "--home", home, "--format", "json", sql)
    assert said.code == 0, said.err
    expected = Counter((row["event_name"], str(monday(row))) for row in facts)
    shared = "commit_pushed"  # the one event that two use cases declare
    found = {(row["use_case"], row["event"], row["week"]): row["n"] for row in said.json}
    assert {key[1:]: count for key, count in found.items() if key[:2] != ("compliance", shared)} == expected
    assert {(shared, key[2]): count for key, count in found.items() if key[:2] == ("compliance", shared)} == {
        key: count for key, count in expected.items() if key[0] == shared
    }


Count = Callable[[list[Row]], float]
NOT_BOT: dict[str, tuple[str, str, list[str], Count]] = {
    "tested_accounts": ("ci", "north_star", ["test_changed"], lambda rows: len({row["account_id"] for row in rows})),
    "contributors": ("ci", "inputs", ["commit_pushed"], lambda rows: len({row["user_id"] for row in rows})),
    "reviewing_accounts": (
        "compliance", "north_star", ["change_reviewed"], lambda rows: len({row["account_id"] for row in rows}),
    ),
    "vouched_people": (
        "compliance", "inputs", ["commit_signed_off", "change_reviewed"],
        lambda rows: len({row["user_id"] for row in rows}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("metric", NOT_BOT)
def test_people_and_organisations(home: Path, customers: dict[tuple[str, date], list[Row]], metric: str) -> None:
    """Metrics over what people, not bots, did: in all 156 weeks."""
    _, table, events, count = NOT_BOT[metric]
    expected = {
        week: count([row for event in events for row in customers[event, week] if not row["properties"]["is_bot"]])
        for week in WEEKS
    }
    assert totals(home, table, metric) == expected


def test_repositories_kept_up_to_date(home: Path, customers: dict[tuple[str, date], list[Row]]) -> None:
    expected = {
        week: len(
            {
                row["properties"]["repository"]
                for event in ("dependency_updated", "security_fix_landed")
                for row in customers[event, week]
            }
        )
        for week in WEEKS
    }
    assert totals(home, "north_star", "maintained_repositories") == expected


def test_ratios_and_medians(home: Path, customers: dict[tuple[str, date], list[Row]]) -> None:
    bots = totals(home, "counter_metrics", "bot_share")
    per_commit = totals(home, "inputs", "tests_per_commit")
    files = totals(home, "inputs", "files_per_commit")
    for week in WEEKS:
        commits = customers["commit_pushed", week]
        assert bots[week] == pytest.approx(sum(row["properties"]["is_bot"] for row in commits) / len(commits))
        assert per_commit[week] == pytest.approx(len(customers["test_changed", week]) / len(commits))
        changed = [
            row["properties"]["files_changed"]
            for row in commits
            if not row["properties"]["is_merge"] and not row["properties"]["is_bot"]
        ]
        assert files[week] == pytest.approx(statistics.median(changed))


def test_accounts_come_stay_return_and_leave(home: Path, customers: dict[tuple[str, date], list[Row]]) -> None:
    """New, retained, resurrected and churned accounts of CI, from sets."""
    events = ("commit_pushed", "ci_config_changed", "test_changed")
    series = {row["week"]: row for row in extract(home, "growth") if row["use_case"] == "ci"}
    ever: set[str] = set()
    before: set[str] = set()
    for week in WEEKS:
        active = {row["account_id"] for event in events for row in customers[event, week]}
        found = series[week]
        assert (found["active"], found["new"]) == (len(active), len(active - ever))
        assert (found["retained"], found["resurrected"]) == (len(active & before), len((active & ever) - before))
        if week < WEEKS[-1]:
            assert found["churned"] == len(before - active)
        ever |= active
        before = active


def test_growth_of_the_north_star(home: Path, customers: dict[tuple[str, date], list[Row]]) -> None:
    values = totals(home, "north_star", "tested_accounts")
    series = [row for row in extract(home, "growth") if row["use_case"] == "ci"]
    growth = [None, *(values[week] / values[week - timedelta(weeks=1)] - 1 for week in WEEKS[1:-1]), None]
    for place, row in enumerate(series):
        assert row["growth"] == (None if growth[place] is None else pytest.approx(growth[place]))
        if place >= 14:
            assert row["mean_growth_13_weeks"] == pytest.approx(statistics.mean(growth[place - 13 : place]))
        if place:
            assert row["goal"] == pytest.approx(values[WEEKS[place - 1]] * 1.07)


def test_no_account_or_user_leaves_the_home(home: Path) -> None:
    for name in TABLES:
        for row in extract(home, name):
            assert not any("acct_" in value or "user_" in value for value in row.values() if isinstance(value, str))
    text = (home / "extracts" / "current" / "datapackage.json").read_text()
    assert "acct_" not in text
    assert {field["name"] for one in json.loads(text)["resources"] for field in one["schema"]["fields"]}.isdisjoint(
        {"account_id", "user_id"}
    )


def test_expectations_and_forecasts_hold_on_series_that_nobody_made_up(home: Path) -> None:
    """Of all metrics with a role: 19 weeks of 20 within their interval; so are weeks 13 ahead, foretold from every 20th
    on by what was known then."""
    within, ahead = [], []
    for values in _series(home):
        found = outlook(values, max(values))
        within += [verdict(values[week], one, True) == "as expected" for week, one in found.items() if week in values]
        for last in sorted(values)[39::20]:
            week = last + timedelta(weeks=13)
            if week in values:
                one = outlook({when: value for when, value in values.items() if when <= last}, week)[week]
                ahead.append(verdict(values[week], one, True) == "as expected")
    assert len(within) > 2500
    assert 0.94 <= statistics.mean(within) <= 0.965
    assert len(ahead) > 90
    assert statistics.mean(ahead) >= 0.90


def _series(home: Path) -> list[dict[date, float]]:
    """Published totals by complete week, of every metric with a role."""
    found: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    for table in ("north_star", "inputs", "counter_metrics"):
        for row in extract(home, table):
            if row["slice"] == "all" and row["state"] != "flash" and row["value"] is not None:
                found[row["use_case"], row["metric"]][row["week"]] = row["value"]
    return list(found.values())


def test_a_second_run_does_nothing_and_is_quick(home: Path) -> None:
    before, files = published(home), _times(home)
    began = time.monotonic()
    said = finish(start("run", "--home", home))
    assert said.code == 0, said.err
    assert time.monotonic() - began < 20  # seconds alone; the bound leaves room for a busy machine
    assert published(home) == before
    assert _times(home) == files


def _times(home: Path) -> dict[str, int]:
    folders = (home / "lake", home / "extracts")
    return {
        str(file.relative_to(home)): file.stat().st_mtime_ns
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(".lock")
    }
