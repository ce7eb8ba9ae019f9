"""Folders with a mapping of their own: where values are found, how times are written, what a changed mapping does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from landing_zone import Row, Zone, event
from test_senders import landed

from nsm_pipeline.events.senders.instants import offsets
from nsm_pipeline.weeks import ZONES

FORMATS = ["f.jsonl", "f.jsonl.gz", "f.json", "f.csv", "f.csv.gz", "f.parquet"]


def declare(zone: Zone, **folders: dict[str, Any]) -> None:
    """Write the settings and read the playbook, as a changed settings.yaml does."""
    assert zone.playbook
    text = yaml.safe_dump({"landing": {name.replace("__", "/"): entry for name, entry in folders.items()}})
    (zone.home.playbook / "settings.yaml").write_text(text)
    zone.load_playbook()


def instants(zone: Zone) -> list[str]:
    return [row["at"] for row in landed(zone)]


def reasons(zone: Zone, name: str) -> list[tuple[int, str]]:
    return [(number, reason) for number, reason, _ in zone.quarantine(name)]


@pytest.mark.parametrize("name", FORMATS)
def test_any_field_from_anywhere(zone: Zone, name: str) -> None:
    """Columns, nested paths, the first of several that is there, several joined, and what is always the same."""
    entry = {
        "fields": {
            "event_id": {"join": ["src", "id"]},
            "event_name": {"always": "order.placed"},
            "occurred_at": "at",
            "account_id": ["customer.org.id", "customer.ids.0", "fallback"],
            "user_id": "/customer/the.user",
            "properties": ["defaults", "payload"],
        },
        "add": {"region": "customer.region", "tries": {"from": "tries", "missing": [-1, 99]}},
        "rest": "drop",
        "zone": "UTC",
    }
    rows: list[Row] = [
        {"src": "a", "id": "1", "at": "2026-03-03T10:00:00Z", "fallback": "f",
         "customer": {"org": {"id": "o1"}, "the.user": "u1", "region": "eu"},
         "defaults": {"amount": 1, "gift": False}, "payload": {"amount": 5, "region": "us"}, "tries": 3, "noise": "x"},
        {"src": "a", "id": "2", "at": "2026-03-03T10:00:00Z", "fallback": "f", "customer": {"ids": ["o2", "o3"]},
         "defaults": {"amount": 1, "gift": True}, "payload": {}, "tries": -1, "noise": "x"},
        {"src": "b", "id": "1", "at": "2026-03-03T10:00:00Z", "fallback": "o4", "customer": {"region": "apac"},
         "defaults": None, "payload": None, "tries": 99, "noise": "x"},
    ]  # fmt: skip
    declare(zone, own=entry)
    packed = (
        rows
        if ".json" in name
        else [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in r.items()} for r in rows]
    )
    content: Any = "".join(json.dumps(row) + "\n" for row in packed) if name == "f.json" else packed
    zone.put(f"own/{name}", content)
    zone.ingest()
    tries: Any = "3" if ".csv" in name else 3
    assert [(row["id"], row["event"], row["account"], row["user"], row["properties"]) for row in landed(zone)] == [
        ('["a","1"]', "order.placed", "o1", "u1", {"amount": 5, "gift": False, "region": "us", "tries": tries}),
        ('["a","2"]', "order.placed", "o2", None, {"amount": 1, "gift": True}),
        ('["b","1"]', "order.placed", "o4", None, {"region": "apac"}),
    ]


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv", "f.parquet"])
def test_an_entry_with_a_zone_alone_is_the_contract_in_that_zone(zone: Zone, name: str) -> None:
    """Further columns are kept, the sender's own properties win, bad rows have the contract's reasons."""
    declare(zone, berlin={"zone": "Europe/Berlin"})
    rows = [
        {**event("e1", day="2026-03-03T10:00:00"), "items": "3", "amount": "7"},
        {**event("e2", day="2026-07-03 10:00:00.25"), "items": "4", "amount": "8"},
        {**event("e3", day="2026-07-03T10:00:00Z"), "items": "4", "amount": "8"},
        {**event("e4", day="2026-07-03T10:00:00-05:30"), "items": "4", "amount": "8"},
        {**event("e5", day="2026-07-03"), "items": "4", "amount": "8"},
        {**event("e6", account=""), "items": "5", "amount": "9"},
        {**event("e7", received_at="soon"), "items": "5", "amount": "9"},
        {**event("e8", properties="[1]"), "items": "5", "amount": "9"},
        {**event("e9", properties="{broken"), "items": "5", "amount": "9"},
    ]
    zone.put(f"berlin/{name}", rows)
    zone.ingest()
    assert instants(zone) == [
        "2026-03-03T09:00:00",
        "2026-07-03T08:00:00.250000",
        "2026-07-03T10:00:00",
        "2026-07-03T15:30:00",
        "2026-07-02T22:00:00",
    ]
    assert landed(zone)[0]["properties"] == {"items": "3", "amount": 5, "order": "o-e1"}
    assert reasons(zone, f"berlin/{name}") == [
        (6, "account_id is missing (looked at account_id)"),
        (7, "received_at is not a time (looked at received_at, read as iso)"),
        (8, "properties are not an object (looked at properties)"),
        (9, "properties are not readable as JSON"),
    ]
    assert zone.row(f"berlin/{name}").reconciles


WRITTEN = [
    ("iso", "2026-03-03T10:00:00Z", "2026-03-03T10:00:00"),
    ("iso", "2026-03-03 10:00:00 UTC", "2026-03-03T10:00:00"),
    ("iso", "2026-03-03T10:00:00+02", "2026-03-03T08:00:00"),
    ("iso", "2026-03-03T10:00:00.123456789+0530", "2026-03-03T04:30:00.123456"),
    ("iso", "2026-03-03T10:00:00", None),
    ("iso", "2026-03-03", None),
    ("iso", 1772532000, None),
    ("iso", "1772532000", None),
    ("iso", "epoch", None),
    ("iso", "2026-02-30T00:00:00Z", None),
    ("epoch_seconds", 1772532000, "2026-03-03T10:00:00"),
    ("epoch_seconds", "1772532000", "2026-03-03T10:00:00"),
    ("epoch_seconds", 1772532000.25, "2026-03-03T10:00:00.250000"),
    ("epoch_seconds", 1772532000000, None),
    ("epoch_seconds", 9e25, None),
    ("epoch_seconds", "2026-03-03T10:00:00Z", None),
    ("epoch_milliseconds", 1772532000123, "2026-03-03T10:00:00.123000"),
    ("epoch_milliseconds", 1772532000, None),
    ("epoch_milliseconds", "later", None),
    ("epoch_microseconds", 1772532000123456, "2026-03-03T10:00:00.123456"),
    ("epoch_microseconds", 1772532000123, None),
    ("epoch_microseconds", -1, None),
]


@pytest.mark.parametrize(("times", "text", "instant"), WRITTEN)
def test_times_are_read_as_declared_and_no_other_way(zone: Zone, times: str, text: object, instant: str | None) -> None:
    declare(zone, own={"times": times})
    zone.put("own/f.jsonl", [event("e1", occurred_at=text, received_at=None)])
    zone.ingest()
    assert instants(zone) == ([] if instant is None else [instant])
    if instant is None:
        ((number, reason, raw),) = zone.quarantine("own/f.jsonl")
        assert number == 1 and reason.startswith("occurred_at ")
        assert json.loads(raw)["occurred_at"] == text
        naive = times == "iso" and text in ("2026-03-03T10:00:00", "2026-03-03")
        assert ("has no zone" in reason) is naive


@pytest.mark.parametrize("text", [1772532000, "1772532000", 1772532000123])
def test_numbers_are_no_times_where_nothing_is_declared(zone: Zone, text: object) -> None:
    zone.put("f.jsonl", [event("e1", occurred_at=text)])
    zone.ingest()
    assert reasons(zone, "f.jsonl") == [(1, "occurred_at is not a time")]


def test_times_of_one_file_each_in_their_own_way(zone: Zone) -> None:
    declare(
        zone,
        own={
            "times": "epoch_milliseconds",
            "fields": {"received_at": {"from": "received_at", "times": "iso", "zone": "Asia/Kathmandu"}},
        },
    )
    zone.put("own/f.jsonl", [event("e1", occurred_at=1772532000123, received_at="2026-03-03T15:45:01")])
    zone.ingest()
    (row,) = landed(zone)
    assert (row["at"], row["received"]) == ("2026-03-03T10:00:00.123000", "2026-03-03T10:00:01")


def test_parquet_timestamps_without_a_zone_are_local_clocks(zone: Zone) -> None:
    """2026-03-29 02:30 does not exist in Berlin, 2026-10-25 02:30 happens twice: the first of the two counts."""
    declare(zone, own={"zone": "Europe/Berlin"})
    clock = [datetime(2026, 3, 29, 1, 59), datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 3),
             datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 3)]  # fmt: skip
    rows = [event(f"e{place}", occurred_at=local, received_at=None) for place, local in enumerate(clock)]
    rows.append(event("e9", occurred_at=None, received_at=None))
    zone.put("own/f.parquet", rows)
    zone.put("own/g.parquet", [event("g1", occurred_at=datetime(2026, 3, 29, 2, 30, tzinfo=UTC), received_at=None)])
    zone.ingest()
    assert sorted(instants(zone)) == sorted(
        ["2026-03-29T00:59:00", "2026-03-29T01:30:00", "2026-03-29T01:00:00", "2026-10-25T00:30:00",
         "2026-10-25T02:00:00", "2026-03-29T02:30:00"]
    )  # fmt: skip


def rule(rules: Sequence[tuple[datetime, int]], local: datetime) -> datetime:
    ahead = [ahead for since, ahead in rules if since <= local][-1]
    return local - timedelta(microseconds=ahead)


@given(st.sampled_from(sorted(ZONES)), st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31)))
def test_rules_of_any_zone_say_what_python_says(name: str, local: datetime) -> None:
    assert rule(offsets(name), local) == local.replace(tzinfo=ZoneInfo(name)).astimezone(UTC).replace(tzinfo=None)


EDGES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago",
         "Africa/Cairo", "Pacific/Apia", "Africa/Casablanca"]  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_naive_times_around_every_change_of_a_clock(zone: Zone, name: str) -> None:
    """Each change since 2010, a second and half an hour on either side of it, through a whole ingest."""
    changes = [since for since, _ in offsets(name)[1:] if 2010 <= since.year <= 2030]
    around = [timedelta(seconds=s) for s in (-7200, -3600, -1800, -1, 0, 1, 1800, 3600)]
    clock = [since + shift for since in changes for shift in around] or [datetime(2026, 3, 3)]
    declare(zone, own={"zone": name})
    zone.put("own/f.csv", [event(f"e{n}", occurred_at=str(local), received_at="") for n, local in enumerate(clock)])
    zone.ingest()
    tz = ZoneInfo(name)
    expected = [local.replace(tzinfo=tz).astimezone(UTC).replace(tzinfo=None).isoformat() for local in clock]
    assert instants(zone) == expected


def test_the_nearest_folder_counts(zone: Zone) -> None:
    declare(
        zone,
        **{".": {"zone": "Asia/Tokyo"}, "a": {"zone": "Europe/Berlin"}, "a__b__c": {"zone": "America/New_York"}},
    )
    for number, folder in enumerate(["", "a/", "a/b/", "a/b/c/", "a/b/c/d/", "ab/"]):
        zone.put(f"{folder}f{number}.jsonl", [event(f"e{number}", occurred_at="2026-01-05T12:00:00", received_at=None)])
    zone.ingest()
    at = {row["id"]: row["at"][11:13] for row in landed(zone)}
    assert at == {"e0": "03", "e1": "11", "e2": "11", "e3": "17", "e4": "17", "e5": "03"}


def contents(zone: Zone) -> dict[str, str]:
    return {path.removeprefix("usage_events/"): one.content for path, one in zone.ledger.deliveries.items()}


def test_a_changed_mapping_reads_that_folder_anew_and_no_other(zone: Zone, tmp_path: Path) -> None:
    rows = [{**event(f"e{n}", day="2026-03-01T23:30:00"), "org": f"o{n}"} for n in range(3)]
    for folder in ("mine", "mine/deeper", "other", "plain"):
        zone.put(f"{folder}/f.jsonl", [{**row, "event_id": f"{folder}-{row['event_id']}"} for row in rows])
    first = {"mine": {"zone": "Europe/Berlin"}, "other": {"zone": "Europe/Berlin"}}
    changed = {**first, "mine": {"zone": "Europe/Berlin", "fields": {"account_id": "org"}}}

    def ingested(**folders: dict[str, Any]) -> set[str]:
        declare(zone, **folders)
        seen: set[str] = set()
        zone.ingest(lambda *file: seen.add(file[2].removeprefix("usage_events/")))
        assert all(row.reconciles for row in zone.ledger.rows())
        totals = zone.ledger.totals()
        assert (totals["rows"], totals["accepted"], totals["duplicate"]) == (12, 12, 0)
        return seen

    assert ingested(**first) == {f"{folder}/f.jsonl" for folder in ("mine", "mine/deeper", "other", "plain")}
    before = contents(zone)
    assert ingested(**first) == set()
    assert ingested(**changed) == {"mine/f.jsonl", "mine/deeper/f.jsonl"}
    after = contents(zone)
    assert {path for path in after if after[path] != before[path]} == {"mine/f.jsonl", "mine/deeper/f.jsonl"}
    replaced = [row for row in zone.ledger.rows() if row.state == "replaced"]
    assert {row.reason for row in replaced} == {"read anew: its folder's entry in the settings changed"}
    active = zone.ledger.active("events")
    parts = [part for part in zone.ledger.parts((date(2026, 2, 23),)) if "/mine/" in active[part[1]]]
    mine = [row["account_id"] for part in parts for row in zone.lake.read("landed_events", *part).to_pylist()]
    assert sorted(mine) == ["o0", "o0", "o1", "o1", "o2", "o2"]

    # What a home that has never known another mapping holds.
    fresh = Zone(tmp_path / "fresh")
    for folder in ("mine", "mine/deeper", "other", "plain"):
        fresh.put(f"{folder}/f.jsonl", [{**row, "event_id": f"{folder}-{row['event_id']}"} for row in rows])
    declare(fresh, **changed)
    fresh.ingest()
    assert contents(fresh) == after
    assert fresh.ledger.losers == zone.ledger.losers
    # And back: read anew once more, into the parts that are still there.
    assert ingested(**first) == {"mine/f.jsonl", "mine/deeper/f.jsonl"}
    assert contents(zone) == before
    # Without entries the contract counts again.
    assert ingested() == {"mine/f.jsonl", "mine/deeper/f.jsonl", "other/f.jsonl"}


def test_the_same_meaning_in_other_words_reads_nothing_anew(zone: Zone) -> None:
    zone.put("own/f.jsonl", [event("e1")])
    spellings: list[dict[str, Any]] = [
        {"zone": "UTC"},
        {"zone": "UTC", "times": "iso", "rest": "keep"},
        {"fields": {"account_id": ["account_id"], "event_id": {"from": "event_id"}}, "zone": "UTC"},
    ]
    for place, entry in enumerate(spellings):
        declare(zone, own=entry)
        seen: list[str] = []
        zone.ingest(lambda *file, seen=seen: seen.append(file[2]))  # type: ignore[misc]
        assert len(seen) == (1 if place == 0 else 0)


def test_a_mapping_under_which_a_file_cannot_be_read_leaves_none_of_its_rows(zone: Zone) -> None:
    """Rows of an earlier whole file stay while it is cut off; rows of an earlier mapping do not."""
    zone.put("own/f.csv", [event("e1"), event("e2")])
    zone.ingest()
    assert zone.ledger.totals()["accepted"] == 2
    declare(zone, own={"preset": "segment"})
    zone.ingest()
    states = {row.state: (row.rows, row.reason) for row in zone.ledger.rows()}
    assert states["quarantined"][0] == 0 and "unknown format 'f.csv'" in str(states["quarantined"][1])
    assert states["replaced"] == (2, "read anew: its folder's entry in the settings changed")
    assert zone.ledger.totals()["rows"] == 0
    declare(zone)
    zone.ingest()
    assert zone.ledger.totals()["accepted"] == 2


def test_the_same_bytes_in_two_folders_are_two_readings(zone: Zone) -> None:
    """Both count as delivered; an event in both is one event."""
    declare(zone, a={"zone": "Europe/Berlin"})
    for folder in ("a", "b"):
        zone.put(f"{folder}/f.jsonl", [event("e1", day="2026-03-03T10:00:00")])
    zone.ingest()
    totals = zone.ledger.totals()
    assert (totals["rows"], totals["accepted"], totals["conflict"]) == (2, 1, 1)


@pytest.mark.parametrize("name", ["it's", 'a"b', "a b", "größe", "select", "x;--", "a[0]", "$1"])
def test_names_of_columns_and_paths_are_only_names(zone: Zone, name: str) -> None:
    declare(zone, own={"fields": {"account_id": f"/{name}/{name}"}, "add": {name: name}, "zone": "UTC"})
    row = {**event("e1"), name: {name: "found"}}
    zone.put("own/f.jsonl", [row])
    zone.put("own/f.parquet", pa_bytes({**row, "event_id": "e2", name: json.dumps({name: "found"})}))
    zone.put("own/f.csv", [{**row, "event_id": "e3"}])
    zone.ingest()
    assert {(row["id"], row["account"]) for row in landed(zone)} == {(f"e{n}", "found") for n in (1, 2, 3)}
    assert all(row["properties"][name] == {name: "found"} for row in landed(zone))


def pa_bytes(row: Row) -> bytes:
    sink = pa.BufferOutputStream()
    flat = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in row.items()}
    pq.write_table(pa.Table.from_pylist([flat]), sink)
    return bytes(sink.getvalue())


def test_bytes_that_are_not_utf8_and_csv_rows_of_another_width(zone: Zone) -> None:
    declare(zone, own={"zone": "UTC"})
    good = json.dumps(event("e1")).encode()
    zone.put("own/f.jsonl", good + b'\n{"event_id": "\xff"}\n' + good.replace(b"e1", b"e2") + b"\n[1]\n")
    header = b"event_id,event_name,occurred_at,account_id\n"
    zone.put("own/f.csv", header + b"e3,x,2026-03-03T10:00:00,a1\ne4,x\ne5,x,2026-03-03T10:00:00,\xff\n")
    zone.ingest()
    assert reasons(zone, "own/f.jsonl") == [(2, "not UTF-8 text"), (4, "not a JSON object")]
    assert reasons(zone, "own/f.csv") == [(2, "has 2 fields where the header has 4"), (3, "not UTF-8 text")]
    assert zone.ledger.totals()["accepted"] == 3


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_a_needed_column_that_is_missing_sets_the_whole_file_aside(zone: Zone, name: str) -> None:
    declare(zone, own={"fields": {"account_id": ["org.id", "customer"]}, "zone": "UTC"})
    row = event("e1")
    row["orgs"] = row.pop("account_id")
    zone.put(f"own/{name}", [row])
    zone.ingest()
    line = zone.row(f"own/{name}")
    assert line.state == "quarantined"
    assert "has no column 'org' for account_id; did you mean 'orgs'?" in str(line.reason)
