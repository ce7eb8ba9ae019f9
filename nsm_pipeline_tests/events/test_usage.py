"""Canonical events: sources over time, copies from a dual run, conversions, weeks, accounts as of the week."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import duckdb
import pytest
from landing_zone import Zone, event

from nsm_pipeline.weeks import Calendar

FEB_2, FEB_9, FEB_16, MAR_2 = date(2026, 2, 2), date(2026, 2, 9), date(2026, 2, 16), date(2026, 3, 2)
NewZone = Callable[..., Zone]


def old(event_id: str, day: str, cents: Any, number: str | None = None, account: str = "a1") -> dict[str, Any]:
    return event(event_id, day, account, event_name="order_done", properties={"cents": cents, "number": number})


def new(event_id: str, day: str, amount: Any, order: str | None = None, account: str = "a1") -> dict[str, Any]:
    return event(event_id, day, account, properties={"amount": amount, "order": order})


def test_a_rename_with_a_change_of_unit(zone: Zone) -> None:
    zone.put("f.jsonl", [old("e1", "2026-01-28T00:00:00Z", 1250, "o1"), new("e2", "2026-02-18T00:00:00Z", 12.5, "o2")])
    zone.ingest()
    zone.build(date(2026, 1, 26), FEB_16)
    before, after = zone.usage(date(2026, 1, 26)), zone.usage(FEB_16)
    assert [(row["event"], row["amount"], row["order"]) for row in before] == [("order_placed", 12.5, "o1")]
    assert [(row["event"], row["amount"], row["order"]) for row in after] == [("order_placed", 12.5, "o2")]


def test_sources_count_only_while_they_are_in_force(zone: Zone) -> None:
    zone.put(
        "f.jsonl",
        [
            new("early", "2026-02-01T23:59:59Z", 1, "o1"),
            new("first", "2026-02-02T00:00:00Z", 1, "o2"),
            old("last", "2026-02-15T23:59:59Z", 100, "o3"),
            old("late", "2026-02-16T00:00:00Z", 100, "o4"),
        ],
    )
    zone.ingest()
    weeks = [date(2026, 1, 26), FEB_2, FEB_9, FEB_16]
    zone.build(*weeks)
    assert [[row["order"] for row in zone.usage(week)] for week in weeks] == [[], ["o2"], ["o3"], []]
    assert [zone.evidence(week)["unmapped"] for week in weeks] == [1, 0, 0, 1]
    assert zone.lake.read("unmapped_events", FEB_16).to_pylist() == [
        {"week": FEB_16, "event_name": "order_done", "rows": 1}
    ]


def test_a_source_that_begins_within_a_week(zone: Zone) -> None:
    zone.use_case = zone.use_case.replace("since: 2026-02-02", "since: 2026-02-04")
    zone.put("f.jsonl", [new("e1", "2026-02-03T23:59:59Z", 1, "o1"), new("e2", "2026-02-04T00:00:00Z", 1, "o2")])
    zone.ingest()
    zone.build(FEB_2)
    assert [row["order"] for row in zone.usage(FEB_2)] == ["o2"]


def test_a_source_that_ends_within_a_week(zone: Zone) -> None:
    zone.use_case = zone.use_case.replace("until: 2026-02-16", "until: 2026-02-12")
    days = ["2026-02-11T23:59:59.999999Z", "2026-02-12T00:00:00Z"]
    zone.put("f.jsonl", [old(f"e{place}", day, 100, f"o{place}") for place, day in enumerate(days)])
    zone.ingest()
    zone.build(FEB_9)
    assert [row["order"] for row in zone.usage(FEB_9)] == ["o0"]
    assert zone.evidence(FEB_9)["unmapped"] == 1


def test_copies_of_a_dual_run_count_once(zone: Zone) -> None:
    """A less preferred copy goes where the preferred source sent the same key, and only there."""
    day = "2026-02-10T10:00:00Z"
    zone.put(
        "f.jsonl",
        [
            old("e1", day, 100, "both"), new("e2", day, 1, "both"),
            old("e3", day, 200, "only old"), new("e4", day, 3, "only new"),
            old("e5", day, 400, "both", account="a2"),
            old("e6", day, 500, None), new("e7", day, 6, None),
            new("e8", day, 7, "both"),
            event("e9", day, event_name="page_viewed"),
        ],
    )  # fmt: skip
    zone.ingest()
    zone.build(FEB_9)
    orders = [row for row in zone.usage(FEB_9) if row["event"] == "order_placed"]
    found = [(row["account_id"], row["order"] or "", row["amount"]) for row in orders]
    assert sorted(found) == [
        ("a1", "", 5.0), ("a1", "", 6.0), ("a1", "both", 1.0), ("a1", "both", 7.0), ("a1", "only new", 3.0),
        ("a1", "only old", 2.0), ("a2", "both", 4.0),
    ]  # fmt: skip
    quality = {
        (row["event"], row["property"]): row for row in zone.lake.read("event_quality", "shop", FEB_9).to_pylist()
    }
    assert quality["order_placed", None]["copies"] == 1
    assert quality["page_viewed", None]["copies"] == 0
    assert len(zone.usage(FEB_9)) == 8


VALUES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"amount": -1, "items": -1}, {"amount": None, "items": None}),
    ({"amount": -1.0, "items": "-1"}, {"amount": None, "items": None}),
    ({"amount": "7.5", "items": "7"}, {"amount": 7.5, "items": 7}),
    ({"amount": "a lot", "items": "some"}, {"amount": None, "items": None}),
    ({"amount": None, "items": None}, {"amount": None, "items": None}),
    ({}, {"amount": None, "items": None, "order": None, "gift": None}),
    ({"amount": "NaN", "items": "NaN"}, {"amount": None, "items": None}),
    ({"amount": "inf", "items": "-Infinity"}, {"amount": None, "items": None}),
    ({"items": 9007199254740993}, {"items": 9007199254740993}),
    ({"items": 9.2e18, "amount": 1e300}, {"items": 9200000000000000000, "amount": 1e300}),
    ({"items": 1e30}, {"items": None}),
    ({"gift": True, "order": 17}, {"gift": True, "order": "17"}),
    ({"gift": "false", "order": ""}, {"gift": False, "order": ""}),
    ({"gift": "maybe", "order": {"a": 1}}, {"gift": None, "order": '{"a":1}'}),
]


def test_values_are_typed_and_markers_are_missing(zone: Zone) -> None:
    zone.put("f.jsonl", [event(f"e{place:02}", properties=sent) for place, (sent, _) in enumerate(VALUES)])
    zone.ingest()
    zone.build(MAR_2)
    found = zone.usage(MAR_2)
    assert [{key: row[key] for key in expected} for row, (_, expected) in zip(found, VALUES, strict=True)] == [
        expected for _, expected in VALUES
    ]
    types = {field.name: str(field.type) for field in zone.lake.read("usage_events", "shop", MAR_2).schema}
    assert [types[name] for name in ("amount", "items", "order", "gift")] == ["double", "int64", "string", "bool"]


def test_week_boundaries_in_utc(zone: Zone) -> None:
    zone.put("f.jsonl", [event("e1", "2026-03-01T23:59:59.999999Z"), event("e2", "2026-03-02T00:00:00Z"),
                         event("e3", "2026-03-08T23:59:59.999999Z"), event("e4", "2026-03-09T00:00:00Z")])  # fmt: skip
    zone.ingest()
    weeks = [date(2026, 2, 23), MAR_2, date(2026, 3, 9)]
    zone.build(*weeks)
    assert [[row["order"] for row in zone.usage(week)] for week in weeks] == [["o-e1"], ["o-e2", "o-e3"], ["o-e4"]]
    assert [zone.evidence(week)["landed"] for week in weeks] == [1, 2, 1]


def test_week_boundaries_in_new_york_over_the_change_to_summer_time(zone: Zone) -> None:
    """New York's clocks change on Sunday 2026-03-08: that week begins at 05:00 UTC and ends at 04:00."""
    zone.settings = "time_zone: America/New_York\n"
    instants = ["2026-03-02T04:59:59Z", "2026-03-02T05:00:00Z", "2026-03-09T03:59:59Z", "2026-03-09T04:00:00Z",
                "2026-03-16T03:59:59Z", "2026-03-16T04:00:00Z"]  # fmt: skip
    zone.put("f.jsonl", [event(f"e{place}", text) for place, text in enumerate(instants)] + [event("e1", instants[1])])
    zone.ingest()
    weeks = [date(2026, 2, 23), MAR_2, date(2026, 3, 9), date(2026, 3, 16)]
    zone.build(*weeks)
    found = [[row["order"] for row in zone.usage(week)] for week in weeks]
    assert found == [["o-e0"], ["o-e1", "o-e2"], ["o-e3", "o-e4"], ["o-e5"]]
    keys = ("landed", "duplicate", "accepted")
    assert [tuple(zone.evidence(week)[key] for key in keys) for week in weeks] == [
        (1, 0, 1), (3, 1, 2), (2, 0, 2), (1, 0, 1),
    ]  # fmt: skip


def test_a_change_of_instrumentation_at_local_midnight(zone: Zone) -> None:
    zone.settings = "time_zone: America/New_York\n"
    zone.use_case = zone.use_case.replace("since: 2026-02-02", "since: 2026-02-04")
    zone.put("f.jsonl", [event("e1", "2026-02-04T04:59:59Z"), event("e2", "2026-02-04T05:00:00Z")])
    zone.ingest()
    zone.build(FEB_2)
    assert [row["order"] for row in zone.usage(FEB_2)] == ["o-e2"]


@pytest.mark.parametrize("zone_name", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize("starts_on", [0, 6])
def test_weeks_tile_time(zone_name: str, starts_on: int) -> None:
    calendar = Calendar(zone_name, starts_on)
    week = calendar.week_of(datetime.fromisoformat("2011-11-01T00:00:00+00:00"))
    for _ in range(120):
        following = calendar.week_of_day(date.fromordinal(week.toordinal() + 7))
        assert calendar.bounds(week)[1] == calendar.bounds(following)[0]
        week = following


def test_accounts_as_of_the_week(zone: Zone) -> None:
    zone.put_accounts("2026-02-01", [{"account_id": "a1", "plan": "free", "seats": 1}])
    zone.put_accounts("2026-02-16", [{"account_id": "a1", "plan": "team", "seats": 5}], name="a.parquet")
    zone.put_accounts("2026-02-17", [{"account_id": "a1", "plan": "firm", "is_internal": "true"}])
    days = ["2026-01-20T00:00:00Z", "2026-02-03T00:00:00Z", "2026-02-10T00:00:00Z", "2026-02-18T00:00:00Z"]
    zone.put("f.jsonl", [event(f"e{place}", day, event_name="page_viewed") for place, day in enumerate(days)])
    zone.put("g.jsonl", [event("stranger", days[3], "a2", event_name="page_viewed")])
    zone.ingest()
    weeks = [date(2026, 1, 19), FEB_2, FEB_9, FEB_16]
    zone.build(*weeks)
    found = [
        [(row["account_id"], row["plan"], row["seats"], row["is_internal"]) for row in zone.usage_with_accounts(week)]
        for week in weeks
    ]
    assert found == [
        [("a1", "free", 1, False)],  # before the first snapshot: the oldest
        [("a1", "free", 1, False)],
        [("a1", "team", 5, False)],  # the snapshot of the instant the week ends
        [("a1", "firm", None, True), ("a2", None, None, False)],
    ]
    assert [zone.evidence(week)["snapshot"] for week in weeks] == [
        date(2026, 2, 1), date(2026, 2, 1), date(2026, 2, 16), date(2026, 2, 17),
    ]  # fmt: skip
    assert zone.evidence(FEB_16)["internal"] == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_snapshot_with_the_bytes_of_an_earlier_one_counts_for_its_own_day(zone: Zone, order: tuple[int, ...]) -> None:
    """An account that goes from free to team and back: the third snapshot has the bytes of the first."""
    plans = {"2026-01-01": "free", "2026-02-01": "team", "2026-03-01": "free"}
    for place in order:
        day, plan = list(plans.items())[place]
        zone.put_accounts(day, [{"account_id": "a1", "plan": plan}])
        zone.ingest()
    zone.put("f.jsonl", [event(f"e{day}", f"{day}T00:00:00Z") for day in ("2026-01-20", "2026-02-20", "2026-03-20")])
    zone.ingest()
    weeks = [date(2026, 1, 19), FEB_16, date(2026, 3, 16)]
    zone.build(*weeks)
    assert [[row["plan"] for row in zone.usage_with_accounts(week)] for week in weeks] == [[], ["team"], ["free"]]
    assert [str(day) for day in zone.ledger.snapshots] == list(plans)


def test_declared_attributes_of_any_name(zone: Zone) -> None:
    """Attributes may bear the names of columns that the pipeline itself works with."""
    zone.settings = (
        "account_attributes: {source: string, arr: number, rank: integer, properties: string, trial: boolean}\n"
    )
    row = {"source": "ads", "arr": "12.5", "rank": "3", "properties": "p", "trial": "true"}
    zone.put_accounts("2026-01-01", [{"account_id": "a1", **row}, {"account_id": "a2", "source": "x", "arr": "much"}])
    zone.put("f.jsonl", [event("e1"), event("e2", account="a2")])
    zone.ingest()
    zone.build(MAR_2)
    names = ("source", "arr", "rank", "properties", "trial")
    assert [tuple(row[name] for name in names) for row in zone.usage_with_accounts(MAR_2)] == [
        ("ads", 12.5, 3, "p", True),
        ("x", None, None, None, None),
    ]


def test_weeks_without_any_event(zone: Zone) -> None:
    zone.put("f.jsonl", [event("e1", "2026-02-03T00:00:00Z"), event("e2", "2026-03-03T00:00:00Z")])
    zone.ingest()
    zone.build(FEB_9, date(2020, 1, 6), MAR_2)
    assert zone.usage(FEB_9) == []
    schema = [zone.lake.read("usage_events", "shop", week).schema for week in (FEB_9, date(2020, 1, 6), MAR_2)]
    assert schema[0].equals(schema[2]) and schema[1].equals(schema[2])
    assert {key: zone.evidence(FEB_9)[key] for key in ("landed", "accepted", "late", "unmapped", "quarantined")} == {
        "landed": 0, "accepted": 0, "late": 0, "unmapped": 0, "quarantined": 0,
    }  # fmt: skip
    assert zone.step().stale(FEB_9) == []


def test_evidence_counts_every_row_once(zone: Zone) -> None:
    zone.put(
        "f.jsonl",
        [event("e1"), event("e1"), event("e1", account="other"), event("e2", event_name="what"),
         event("e3", received_at="2026-03-10T10:00:00Z"), event("e4", received_at="2026-03-10T10:00:01Z"),
         event("e5", properties=3), event("e6", "nonsense")],
    )  # fmt: skip
    zone.ingest()
    zone.build(MAR_2)
    assert zone.evidence(MAR_2) == {
        "week": MAR_2, "landed": 6, "duplicate": 2, "conflict": 1, "quarantined": 2, "accepted": 4,
        "late": 1, "unmapped": 1, "internal": 0, "snapshot": None,
    }  # fmt: skip


def test_changing_a_source_makes_exactly_its_weeks_stale(zone: Zone) -> None:
    weeks = [date(2026, 1, 26), FEB_2, FEB_9, FEB_16]
    zone.put("f.jsonl", [event(f"e{week}", f"{week}T00:00:00Z") for week in weeks])
    zone.ingest()
    zone.build(*weeks)
    zone.use_case = zone.use_case.replace("until: 2026-02-16", "until: 2026-02-09")
    zone._playbook = None
    assert [zone.step().stale(week) for week in weeks] == [[], [], ["shop", "evidence"], []]
    zone.use_case = zone.use_case.replace("title: Shop", "title: The Shop")
    zone._playbook = None
    zone.build(*weeks)
    assert [zone.step().stale(week) for week in weeks] == [[], [], [], []]


@pytest.mark.parametrize("others", [0, 2, 40])
def test_events_are_the_same_however_many_rows_lie_among_them(zone: Zone, others: int) -> None:
    """A use case with few of a week's rows has them set apart before they are read, source by source."""
    day = "2026-02-17T10:00:00Z"
    noise = [event(f"n{number}", day, "a2", event_name="clicked") for number in range(others)]
    zone.put("f.jsonl", [*noise[::2], new("e1", day, 1, "o1"), new("e2", day, 2, "o2"), *noise[1::2]])
    zone.ingest()
    zone.build(FEB_16)
    assert [(row["order"], row["amount"], row["account_id"]) for row in zone.usage(FEB_16)] == [
        ("o1", 1.0, "a1"),
        ("o2", 2.0, "a1"),
    ]
    assert zone.evidence(FEB_16)["unmapped"] == others


def test_what_is_asked_of_a_week_while_it_is_built_is_asked_of_its_own_events(zone: Zone) -> None:
    """Another run may write the same week meanwhile."""
    zone.put("f.jsonl", [new("e1", "2026-02-17T10:00:00Z", 1, "o1")])
    zone.ingest()
    seen: list[object] = []

    def build(connection: duckdb.DuckDBPyConnection, week: date) -> None:
        def ask(use_case: str) -> None:
            zone.lake.file("usage_events", use_case, week).write_bytes(b"of another run")
            seen.extend(connection.execute('SELECT week, event, "order" FROM usage').fetchall())

        zone.step().run(connection, [week], frozenset(["shop"]), ask)

    list(zone.engine.map(build, [FEB_16]))
    assert seen == [(FEB_16, "order_placed", "o1")]
    assert [row["order"] for row in zone.usage(FEB_16)] == ["o1"]
