"""Three years of real events against counts made with plain Python, and against the data set's own README."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from devsecops_rows import RENAMED, delivered_rows, facts_of, monday
from landing_zone import Row, Zone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def delivered(devsecops_data: Path) -> list[Row]:
    return delivered_rows(devsecops_data)


@pytest.fixture(scope="module")
def once(delivered: list[Row]) -> list[Row]:
    """Without second deliveries, which are the same row unchanged."""
    return list({row["event_id"]: row for row in delivered}.values())


@pytest.fixture(scope="module")
def facts(once: list[Row]) -> list[Row]:
    return facts_of(once)


def built(zone: Zone, use_case: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """Rows of some columns of a use case's usage events, each with its week first."""
    return [
        (date.fromisoformat(file.stem), *row.values())
        for file in zone.lake.files("usage_events", use_case)
        for row in pq.read_table(file, columns=columns).to_pylist()
    ]


def readme_table(folder: Path) -> dict[str, tuple[int, int, int]]:
    """event_name → events, accounts, users, as the README's table says."""
    rows = re.findall(
        r"^\| (\w+) \| ([\d,]+) \|.*\| ([\d,]+) \| ([\d,]+) \|$", (folder / "README.md").read_text(), re.M
    )
    numbers = {name: tuple(int(text.replace(",", "")) for text in rest) for name, *rest in rows}
    return {name: (events, accounts, users) for name, (events, accounts, users) in numbers.items()}


def test_the_ledger_accounts_for_every_row(devsecops: Zone) -> None:
    assert devsecops.ledger.totals() == {
        "rows": 302_849, "accepted": 299_863, "duplicate": 2_986, "conflict": 0, "quarantined": 0,
    }  # fmt: skip
    rows = list(devsecops.ledger.rows())
    assert all(row.reconciles and row.state == "read" for row in rows)
    assert Counter(row.kind for row in rows) == {"events": 204, "accounts": 37}
    assert devsecops.ledger.first_week == date(2023, 8, 21)


def test_the_readme_counts_what_was_delivered(devsecops_data: Path, once: list[Row]) -> None:
    """Guards the tests below: our own reading of the files agrees with their author's."""
    table = readme_table(devsecops_data)
    assert len(table) == 10
    for name, numbers in table.items():
        mine = [row for row in once if row["event_name"] == name]
        assert (len(mine), len({r["account_id"] for r in mine}), len({r["user_id"] for r in mine})) == numbers


def test_events_per_name_and_week(devsecops: Zone, once: list[Row], facts: list[Row]) -> None:
    expected = Counter((monday(row), row["event_name"]) for row in facts)
    assert len(once) - sum(expected.values()) == 79
    for name, use_case in devsecops.playbook.use_cases.items():
        found = Counter(built(devsecops, name, ["event"]))
        assert found == {key: count for key, count in expected.items() if key[1] in use_case.events}
        assert len({week for week, _ in found}) == 156


def test_accounts_and_users_per_event(devsecops: Zone, devsecops_data: Path, facts: list[Row]) -> None:
    accounts: dict[str, set[str]] = defaultdict(set)
    users: dict[str, set[str]] = defaultdict(set)
    for row in facts:
        accounts[row["event_name"]].add(row["account_id"])
        users[row["event_name"]].add(row["user_id"])
    table = readme_table(devsecops_data)
    for name, use_case in devsecops.playbook.use_cases.items():
        rows = built(devsecops, name, ["event", "account_id", "user_id"])
        for event in use_case.events:
            found = tuple(len({row[place] for row in rows if row[1] == event}) for place in (2, 3))
            assert found == (len(accounts[event]), len(users[event]))
            if event not in RENAMED.values():
                assert found == table[event][1:]


def test_properties_of_the_renamed_event(devsecops: Zone, facts: list[Row]) -> None:
    def shape(row: Row) -> tuple[Any, ...]:
        sent = row["properties"]
        files, provider = sent.get("config_files", sent.get("paths")), sent.get("ci_provider", sent.get("provider"))
        return monday(row), row["account_id"], row["user_id"], sent["is_bot"], sent["files_changed"], files, provider

    expected = Counter(shape(row) for row in facts if row["event_name"] == "ci_config_changed")
    columns = ["account_id", "user_id", "is_bot", "files_changed", "config_files", "ci_provider", "event"]
    found = Counter(row[:-1] for row in built(devsecops, "ci", columns) if row[-1] == "ci_config_changed")
    assert found == expected


def test_late_and_internal_events(devsecops: Zone, once: list[Row], devsecops_data: Path) -> None:
    def late(row: Row) -> bool:
        times = [datetime.fromisoformat(row[key].replace("Z", "+00:00")) for key in ("occurred_at", "received_at")]
        return times[1] - times[0] > timedelta(days=7)

    evidence = [row for file in devsecops.lake.files("week_evidence") for row in pq.read_table(file).to_pylist()]
    assert sum(row["late"] for row in evidence) == sum(map(late, once)) == 13_715
    assert sum(row["unmapped"] for row in evidence) == 0
    text = (devsecops_data / "landing/accounts/as_of=2026-08-01/accounts.csv").read_text().splitlines()
    internal = {line.split(",")[0] for line in text if line.split(",")[3] == "true"}
    assert len(internal) == 3
    assert sum(row["internal"] for row in evidence) == sum(row["account_id"] in internal for row in once)
    assert {row["account_id"] for row in once} >= {row[1] for row in built(devsecops, "ci", ["account_id"])}


def test_accounts_as_of_the_week(devsecops: Zone, devsecops_data: Path) -> None:
    week = date(2025, 6, 30)  # ends with the first instant of 2025-07-07: the snapshot of 1 July
    text = (devsecops_data / "landing/accounts/as_of=2025-07-01/accounts.csv").read_text().splitlines()
    plans = {fields[0]: (fields[1], int(fields[2])) for fields in (line.split(",") for line in text[1:])}
    rows = devsecops.usage_with_accounts(week, "ci")
    assert rows
    assert all((row["plan"], row["seats"]) == plans.get(row["account_id"], (None, None)) for row in rows)
    assert devsecops.evidence(week)["snapshot"] == date(2025, 7, 1)


def test_the_real_landing_is_done_when_it_is_done(devsecops: Zone) -> None:
    ledger = (devsecops.home.lake / "ledger.json").read_bytes()
    devsecops.ingest()
    assert (devsecops.home.lake / "ledger.json").read_bytes() == ledger
    step = devsecops.step()
    assert [
        week for week in map(date.fromisoformat, ["2023-08-21", "2025-02-17", "2026-08-10"]) if step.stale(week)
    ] == []
