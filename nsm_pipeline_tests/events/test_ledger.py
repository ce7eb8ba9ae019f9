"""Files over time: delivered again, moved, changed, deleted, killed half-way; duplicates over files and weeks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from landing_zone import Zone, encode, event

WEEK, LAST_WEEK = date(2026, 3, 2), date(2026, 2, 23)
NewZone = Callable[..., Zone]


def state(zone: Zone) -> dict[str, tuple[str, int, int, int, int]]:
    """State and counts per path."""
    assert all(row.reconciles for row in zone.ledger.rows())
    return {
        row.path.removeprefix("usage_events/"): (row.state, row.rows, row.accepted, row.duplicate, row.conflict)
        for row in zone.ledger.rows()
        if row.state != "replaced"
    }


def lake_bytes(zone: Zone) -> dict[str, str]:
    return {
        **zone.digests("landed_events"),
        **zone.digests("duplicates"),
        **zone.digests("accounts"),
        **zone.digests("quarantined_events"),
    }


def test_nothing_new_changes_nothing(zone: Zone) -> None:
    zone.put("a.jsonl", [event("e1")])
    zone.ingest()
    before, ledger = lake_bytes(zone), (zone.home.lake / "ledger.json").read_bytes()
    seen: list[str] = []
    zone.ingest(lambda *found: seen.append(found[2]))
    assert seen == []
    assert (zone.home.lake / "ledger.json").read_bytes() == ledger
    assert lake_bytes(zone) == before


def test_a_file_delivered_again_changes_nothing(zone: Zone) -> None:
    rows = [event("e1"), event("e2")]
    zone.put("b.jsonl", rows)
    zone.ingest()
    before = lake_bytes(zone)
    zone.put("c/again.jsonl", rows)
    zone.ingest()
    assert state(zone) == {"b.jsonl": ("read", 2, 2, 0, 0), "c/again.jsonl": ("redelivered", 2, 0, 2, 0)}
    assert lake_bytes(zone) == before
    assert zone.step().ledger.totals() == {"rows": 4, "accepted": 2, "duplicate": 2, "conflict": 0, "quarantined": 0}


def test_delivered_again_under_an_earlier_path(zone: Zone) -> None:
    zone.put("b.jsonl", [event("e1")])
    zone.ingest()
    zone.put("a.ndjson", encode("f.jsonl", [event("e1")]))
    zone.ingest()
    assert state(zone) == {"a.ndjson": ("read", 1, 1, 0, 0), "b.jsonl": ("redelivered", 1, 0, 1, 0)}


def test_moved_and_deleted_files_keep_their_rows(zone: Zone) -> None:
    file = zone.put("a.jsonl", [event("e1")])
    gone = zone.put("gone.jsonl", [event("e2")])
    zone.ingest()
    file.rename(file.with_name("moved.jsonl"))
    gone.unlink()
    zone.ingest()
    assert state(zone) == {
        "a.jsonl": ("read", 1, 1, 0, 0),
        "gone.jsonl": ("read", 1, 1, 0, 0),
        "moved.jsonl": ("redelivered", 1, 0, 1, 0),
    }


def test_a_changed_file_replaces_its_earlier_rows(zone: Zone, new_zone: NewZone) -> None:
    zone.put("a.jsonl", [event("e1"), event("e2"), event("old", day="2026-02-24T00:00:00Z")])
    zone.put("b.jsonl", [event("e1")])
    zone.ingest()
    zone.build(WEEK, LAST_WEEK)
    changed = [event("e2", account="a9"), event("e3")]
    zone.put("a.jsonl", changed)
    zone.ingest()
    assert state(zone) == {"a.jsonl": ("read", 2, 2, 0, 0), "b.jsonl": ("read", 1, 1, 0, 0)}
    (replaced,) = [row for row in zone.ledger.rows() if row.state == "replaced"]
    assert (replaced.path, replaced.rows, replaced.reconciles) == ("usage_events/a.jsonl", 3, True)
    assert set(zone.step().stale(WEEK)) == set(zone.step().stale(LAST_WEEK)) == {"shop", "evidence"}
    zone.build(WEEK, LAST_WEEK)

    fresh = new_zone()
    fresh.put("a.jsonl", changed)
    fresh.put("b.jsonl", [event("e1")])
    fresh.ingest()
    fresh.build(WEEK, LAST_WEEK)
    for table in ("usage_events", "event_quality", "week_evidence", "unmapped_events"):
        assert zone.digests(table) == fresh.digests(table)


def test_a_file_that_is_being_replaced_keeps_its_rows_until_it_is_whole(zone: Zone) -> None:
    zone.put("a.jsonl", [event("e1"), event("e2")])
    zone.ingest()
    whole = encode("a.jsonl", [event("e2"), event("e3"), event("e4")])
    for content, expected in ((whole[:-40], ["e1", "e2"]), (whole[:-30], ["e1", "e2"]), (whole, ["e2", "e3", "e4"])):
        zone.put("a.jsonl", content)
        zone.ingest()
        zone.build(WEEK)
        assert sorted(row["order"] for row in zone.usage(WEEK)) == [f"o-{name}" for name in expected]
        states = {row.state: row.rows for row in zone.ledger.rows()}
        if content != whole:
            assert states == {"quarantined": 0, "read": 2}
            assert zone.ledger.totals()["rows"] == 2
    assert states == {"read": 3, "replaced": 2}


def test_changed_and_changed_back(zone: Zone) -> None:
    first, second = [event("e1"), event("e2")], [event("e1"), event("e3")]
    for rows in (first, second, first):
        zone.put("a.jsonl", rows)
        zone.ingest()
    zone.build(WEEK)
    assert sorted(row["order"] for row in zone.usage(WEEK)) == ["o-e1", "o-e2"]
    assert state(zone) == {"a.jsonl": ("read", 2, 2, 0, 0)}


def test_a_file_touched_without_a_change(zone: Zone) -> None:
    file = zone.put("a.jsonl", [event("e1")])
    zone.ingest()
    before = lake_bytes(zone)
    file.touch()
    zone.ingest()
    assert state(zone) == {"a.jsonl": ("read", 1, 1, 0, 0)}
    assert lake_bytes(zone) == before


def test_the_same_bytes_under_another_ending_are_read_in_their_own_way(zone: Zone) -> None:
    """Renaming a file whose ending was not known is how a user mends it."""
    file = zone.put("events.json", encode("f.jsonl", [event("e1")]))
    zone.ingest()
    assert zone.row("events.json").state == "quarantined"
    file.rename(file.with_name("events.jsonl"))
    zone.ingest()
    assert (zone.row("events.jsonl").state, zone.row("events.jsonl").accepted) == ("read", 1)


def test_the_same_bytes_as_events_and_as_accounts(zone: Zone) -> None:
    zone.put("empty.csv", b"")
    zone.put("as_of=2026-01-01/empty.csv", b"", "accounts")
    zone.ingest()
    assert {row.path: (row.kind, row.state) for row in zone.ledger.rows()} == {
        "usage_events/empty.csv": ("events", "quarantined"),
        "accounts/as_of=2026-01-01/empty.csv": ("accounts", "quarantined"),
    }


def test_identical_rows_in_two_files(zone: Zone) -> None:
    twice = event("e1")
    zone.put("a.jsonl", [twice, event("e2")])
    zone.put("b.jsonl", [event("e3"), twice, twice])
    zone.ingest()
    assert state(zone) == {"a.jsonl": ("read", 2, 2, 0, 0), "b.jsonl": ("read", 3, 1, 2, 0)}


def test_the_earliest_received_stays(zone: Zone) -> None:
    zone.put("a.jsonl", [event("e1", received_at="2026-03-05T00:00:00Z")])
    zone.put("b.jsonl", [event("e1", received_at="2026-03-04T00:00:00Z")])
    zone.put("c.jsonl", [event("e1", received_at=None)])
    zone.ingest()
    assert state(zone) == {
        "a.jsonl": ("read", 1, 0, 1, 0),
        "b.jsonl": ("read", 1, 1, 0, 0),
        "c.jsonl": ("read", 1, 0, 1, 0),
    }


def test_a_conflict_across_weeks_is_counted_in_the_losers_week(zone: Zone) -> None:
    zone.put("a.jsonl", [event("e1", received_at="2026-03-04T00:00:00Z")])
    zone.put("b.jsonl", [event("e1", day="2026-02-24T00:00:00Z", received_at="2026-03-05T00:00:00Z")])
    zone.ingest()
    zone.build(WEEK, LAST_WEEK)
    assert state(zone) == {"a.jsonl": ("read", 1, 1, 0, 0), "b.jsonl": ("read", 1, 0, 1, 1)}
    assert [len(zone.usage(week)) for week in (WEEK, LAST_WEEK)] == [1, 0]
    keys = ("landed", "duplicate", "conflict", "accepted")
    assert [tuple(zone.evidence(week)[key] for key in keys) for week in (WEEK, LAST_WEEK)] == [
        (1, 0, 0, 1),
        (1, 1, 1, 0),
    ]


@pytest.mark.parametrize(
    "change",
    [{"account_id": "a2"}, {"user_id": "other"}, {"event_name": "page_viewed"}, {"properties": {"amount": 6}},
     {"occurred_at": "2026-03-03T10:00:01Z"}],
)  # fmt: skip
def test_every_part_of_the_content_makes_a_conflict(zone: Zone, change: dict[str, object]) -> None:
    late = "2026-03-09T00:00:00Z"
    zone.put("a.jsonl", [event("e1")])
    zone.put("b.jsonl", [{**event("e1"), "received_at": late, **change}])
    zone.put("c.jsonl", [{**event("e1"), "received_at": late}])
    zone.ingest()
    assert state(zone) == {
        "a.jsonl": ("read", 1, 1, 0, 0),
        "b.jsonl": ("read", 1, 0, 1, 1),
        "c.jsonl": ("read", 1, 0, 1, 0),
    }


def test_the_same_content_in_another_format_and_key_order_is_no_conflict(zone: Zone) -> None:
    zone.put("a.csv", [event("e1")])
    zone.put("b.jsonl", [event("e1", properties={"order": "o-e1", "amount": 5})])
    zone.put("c.parquet", [event("e1")])
    zone.ingest()
    assert [row.conflict for row in zone.ledger.rows()] == [0, 0, 0]
    assert zone.ledger.totals()["accepted"] == 1


def test_a_loser_comes_back_when_its_winner_is_replaced(zone: Zone) -> None:
    zone.put("a.jsonl", [event("e1", account="first"), event("e9")])
    zone.put("b.jsonl", [event("e1", account="second", received_at="2026-03-06T00:00:00Z")])
    zone.ingest()
    assert state(zone)["b.jsonl"] == ("read", 1, 0, 1, 1)
    zone.put("a.jsonl", [event("e9")])
    zone.ingest()
    zone.build(WEEK)
    assert state(zone) == {"a.jsonl": ("read", 1, 1, 0, 0), "b.jsonl": ("read", 1, 1, 0, 0)}
    assert sorted(row["account_id"] for row in zone.usage(WEEK)) == ["a1", "second"]


class Killed(Exception):
    """Stands for the process ending between two steps."""


# What was read is noted after 25 files: before that, and after.
@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 26, *(pytest.param(at, marks=pytest.mark.soak) for at in (2, 25, 27))])
def test_killed_between_reading_and_the_ledger(zone: Zone, new_zone: NewZone, at: int) -> None:
    def fill(target: Zone) -> None:
        for number in range(26):
            target.put(f"{number:02}.jsonl", [event(f"e{number}"), event("shared", account=f"a{number}")])
        for day in ("2026-01-01", "2026-02-01"):
            target.put_accounts(day, [{"account_id": "a1"}, {"account_id": "a1"}])

    fill(zone)
    zone.put("00.jsonl", [event("before")])
    zone.ingest()
    fill(zone)
    zone.put("new.jsonl", [event("new")])
    old = (zone.home.lake / "ledger.json").read_bytes()
    before = {row.path for row in zone.ledger.rows()}

    def kill(number: int, total: int, path: str) -> None:
        if number == min(at, total):
            raise Killed

    with pytest.raises(Killed):
        zone.ingest(kill)
    assert (zone.home.lake / "ledger.json").read_bytes() == old
    assert before == {row.path for row in zone.ledger.rows()}
    zone.ingest()

    fresh = new_zone()
    fill(fresh)
    fresh.put("new.jsonl", [event("new")])
    fresh.ingest()
    assert state(zone) == state(fresh)
    zone.build(WEEK)
    fresh.build(WEEK)
    assert zone.digests("usage_events") == fresh.digests("usage_events")


@pytest.mark.parametrize("table", ["accounts", "duplicates"])
def test_killed_after_settling_before_the_ledger_was_saved(zone: Zone, table: str) -> None:
    """The settled tables are there already when the ingest runs again; its counts are the same."""
    zone.put("a.jsonl", [event("e1")])
    zone.put("b.jsonl", [event("e1"), event("e2")])
    zone.put_accounts("2026-01-01", [{"account_id": "a1"}, {"account_id": "a1"}])
    zone.ingest()
    expected = state(zone)
    assert zone.digests(table)
    Path(zone.home.lake / "ledger.json").unlink()
    zone.ingest()
    assert state(zone) == expected
    assert expected["accounts/as_of=2026-01-01/accounts.csv"] == ("read", 2, 1, 1, 0)


def test_threads_make_no_difference(new_zone: NewZone) -> None:
    found = []
    for threads in (1, 4):
        zone = new_zone(threads=threads)
        for number in range(12):
            zone.put(f"{number}.jsonl", [event(f"e{number}"), event(f"e{number // 2}", account="other")])
        zone.ingest()
        zone.build(WEEK)
        found.append((lake_bytes(zone), state(zone), zone.digests("usage_events")))
    assert found[0] == found[1]
