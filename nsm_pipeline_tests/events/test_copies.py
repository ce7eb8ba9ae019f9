"""What the two sources of a dual run say, against counts made by hand; and the gate on it."""

from __future__ import annotations

from datetime import date

import pytest
from landing_zone import Row, Zone, event

FEB_9 = date(2026, 2, 9)  # a week in which the shop's both sources are in force
MAR_2 = date(2026, 3, 2)


def sent(number: int, account: str, order: str | None, old: bool = False, **more: object) -> Row:
    name = {"number": order} if old else {"order": order}
    return event(
        f"{'old' if old else 'new'}-{number}",
        "2026-02-10T10:00:00Z",
        account,
        event_name="order_done" if old else "order.placed",
        properties={key: value for key, value in name.items() if value is not None},
        **more,
    )


def copies(zone: Zone) -> dict[str, Row]:
    rows = zone.lake.read("source_copies", "shop", FEB_9).to_pylist()
    assert [row["event"] for row in rows] == ["order_placed"] * len(rows)
    return {row["source"]: row for row in rows}


@pytest.fixture
def built(zone: Zone) -> Zone:
    zone.put(
        "events.jsonl",
        [
            sent(1, "both", "o1", old=True), sent(1, "both", "o1"),
            sent(2, "both", "o2", old=True), sent(2, "both", "o2", user_id="u-2"),
            sent(3, "both", "o3"),  # only the new one has it
            sent(4, "both", None, old=True),  # nothing says which fact it is
            sent(5, "slow", "o5", old=True), sent(6, "slow", "o6", old=True),
            sent(7, "quick", "o7"),
            event("later", "2026-03-03T10:00:00Z"),
        ],
    )  # fmt: skip
    zone.ingest()
    zone.build(FEB_9, MAR_2)
    return zone


def test_each_copy_is_counted_and_compared_over_the_accounts_that_sent_both(built: Zone) -> None:
    found = copies(built)
    assert found["order_done"] == {
        "event": "order_placed", "source": "order_done", "preferred": False, "rows": 5, "accounts": 2, "users": 2,
        "matched": 2, "accounts_both": 1, "rows_both": 3, "preferred_rows_both": 3, "accounts_differ": 0,
    }  # fmt: skip
    assert found["order.placed"] == {
        "event": "order_placed", "source": "order.placed", "preferred": True, "rows": 4, "accounts": 2, "users": 3,
        "matched": 2, "accounts_both": 0, "rows_both": 0, "preferred_rows_both": 0, "accounts_differ": 0,
    }  # fmt: skip


def test_what_is_counted_is_what_is_reconciled(built: Zone) -> None:
    """Rows of all copies less those that matched are the week's events."""
    found = copies(built)
    assert sum(row["rows"] for row in found.values()) - found["order_done"]["matched"] == len(built.usage(FEB_9))


def test_only_weeks_in_which_copies_can_meet_have_a_file(built: Zone) -> None:
    assert [file.stem for file in built.lake.files("source_copies", "shop")] == [str(FEB_9)]


def test_a_source_that_sent_nothing_is_listed(zone: Zone) -> None:
    zone.put("events.jsonl", [sent(1, "a", "o1")])
    zone.ingest()
    zone.build(FEB_9)
    assert copies(zone)["order_done"]["rows"] == 0


def test_a_missing_file_is_made_again(built: Zone) -> None:
    before = built.digests("source_copies")
    built.lake.file("source_copies", "shop", FEB_9).unlink()
    assert built.step().stale(FEB_9) == ["shop"]
    built.build(FEB_9)
    assert built.digests("source_copies") == before
    assert built.step().stale(FEB_9) == []
