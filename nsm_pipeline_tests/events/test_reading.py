"""Every format, every reason a row or a file is set aside, with row number and raw text."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_zone import Zone, encode, event

from nsm_pipeline.events.files import EVENT_SUFFIXES

WEEK = date(2026, 3, 2)
HEADER = "event_id,event_name,occurred_at,account_id,user_id,received_at,properties\n"


@pytest.mark.parametrize("suffix", EVENT_SUFFIXES)
def test_every_format_says_the_same(zone: Zone, suffix: str) -> None:
    rows = [event(f"e{number}", account=f"a{number}") for number in range(3)]
    zone.put(f"deep/er/file{suffix}", rows)
    zone.ingest()
    zone.build(WEEK)
    found = zone.usage(WEEK)
    assert [(row["account_id"], row["user_id"], row["amount"], row["order"]) for row in found] == [
        ("a0", "u-a0", 5.0, "o-e0"),
        ("a1", "u-a1", 5.0, "o-e1"),
        ("a2", "u-a2", 5.0, "o-e2"),
    ]
    assert {row["occurred_at"] for row in found} == {datetime(2026, 3, 3, 10)}
    line = zone.row(f"deep/er/file{suffix}")
    assert (line.state, line.rows, line.accepted, line.duplicate, line.quarantined) == ("read", 3, 3, 0, 0)


BAD_ROWS = [
    ({"event_id": ""}, "event_id is missing"),
    ({"event_id": "  "}, "event_id is missing"),
    ({"event_id": None}, "event_id is missing"),
    ({"event_name": None}, "event_name is missing"),
    ({"account_id": None}, "account_id is missing"),
    ({"occurred_at": None}, "occurred_at is missing"),
    ({"occurred_at": ""}, "occurred_at is missing"),
    ({"occurred_at": "yesterday"}, "occurred_at is not a time"),
    ({"occurred_at": "epoch"}, "occurred_at is not a time"),
    ({"occurred_at": "infinity"}, "occurred_at is not a time"),
    ({"occurred_at": "2026-02-30T00:00:00Z"}, "occurred_at is not a time"),
    ({"occurred_at": "1767225600"}, "occurred_at is not a time"),
    ({"occurred_at": "1999-12-31T23:59:59Z"}, "occurred_at is not between 2000 and 2200"),
    ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at is not between 2000 and 2200"),
    ({"occurred_at": "2200-01-01T00:00:00Z"}, "occurred_at is not between 2000 and 2200"),
    ({"received_at": "soon"}, "received_at is not a time"),
    ({"properties": [1]}, "properties are not an object"),
    ({"properties": "text"}, "properties are not an object"),
]


@pytest.mark.parametrize("name", ["f.jsonl", "f.parquet", "f.csv"])
def test_bad_rows_are_set_aside_alone(zone: Zone, name: str) -> None:
    rows = []
    for place, (change, _) in enumerate(BAD_ROWS):
        if name != "f.jsonl" and "properties" in change:
            change = {"properties": json.dumps(change["properties"])}
        rows += [event(f"good{place}"), {**event(f"bad{place}"), **change}]
    zone.put(name, rows)
    zone.ingest()
    found = zone.quarantine(name)
    assert [(number, reason) for number, reason, _ in found] == [
        (2 * place + 2, reason) for place, (_, reason) in enumerate(BAD_ROWS)
    ]
    for (change, _), (number, _, raw) in zip(BAD_ROWS, found, strict=True):
        for value in change.values():
            if isinstance(value, str) and value.strip():
                assert value in raw
        assert f"bad{number // 2 - 1}" in raw or "event_id" in change
    line = zone.row(name)
    assert (line.rows, line.accepted, line.duplicate, line.quarantined) == (36, 18, 0, 18)
    assert line.reconciles


def test_json_lines_that_are_no_objects(zone: Zone) -> None:
    good = json.dumps(event("e1"))
    lines = [good, "", "{broken", "[1]", "7", '"text"', "null", good.replace("e1", "e2")]
    zone.put("f.jsonl", "\n".join(lines) + "\n")
    zone.ingest()
    assert zone.quarantine("f.jsonl") == [
        (3, "not readable as JSON", "{broken"),
        (4, "not a JSON object", "[1]"),
        (5, "not a JSON object", "7"),
        (6, "not a JSON object", '"text"'),
        (7, "not a JSON object", "null"),
    ]
    assert zone.row("f.jsonl").accepted == 2


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz"])
def test_json_lines_that_are_not_utf8(zone: Zone, name: str) -> None:
    good = encode("f.jsonl", [event("e1")])
    content = good + b'{"event_id": "\xff\xfe"}\n\n' + good.replace(b"e1", b"e2") + "{größer\n".encode()
    zone.put(name, gzip.compress(content) if name.endswith("gz") else content)
    zone.ingest()
    assert [(number, reason) for number, reason, _ in zone.quarantine(name)] == [
        (2, "not UTF-8 text"),
        (5, "not readable as JSON"),
    ]
    assert "event_id" in zone.quarantine(name)[0][2]
    assert zone.quarantine(name)[1][2] == "{größer"
    assert zone.row(name).accepted == 2


def test_files_of_every_format_one_after_another(zone: Zone) -> None:
    """One connection reads them all: nothing of one file may be seen through the next."""
    endings = [".jsonl", ".parquet", ".csv", ".parquet", ".jsonl", ".csv", ".parquet"]
    for place, ending in enumerate(endings):
        zone.put(f"{place}{ending}", [event(f"e{place}-{number}") for number in range(place + 1)])
    zone.ingest()
    assert [row.accepted for row in zone.ledger.rows()] == [1, 2, 3, 4, 5, 6, 7]
    assert zone.ledger.totals()["duplicate"] == 0


@pytest.mark.parametrize("stem", ["a[1]", "a*", "what?", "it's", 'quoted"', "größe", "a b%20"])
def test_names_with_special_characters(zone: Zone, stem: str) -> None:
    for ending in (".jsonl", ".parquet", ".csv"):
        zone.put(f"{stem}{ending}", [event(f"{ending}-{stem}")])
        zone.put(f"a1{ending}", [event(f"decoy-{ending}")])
        zone.put(f"abc{ending}", [event(f"decoy2-{ending}")])
    zone.ingest()
    assert [(row.state, row.accepted) for row in zone.ledger.rows()] == [("read", 1)] * 9


def test_line_ends_and_byte_order_marks(zone: Zone) -> None:
    text = encode("f.jsonl", [event("e1"), event("e2")])
    zone.put("bom.jsonl", b"\xef\xbb\xbf" + text)
    zone.put("crlf.jsonl", text.replace(b"\n", b"\r\n").replace(b"e1", b"e3").replace(b"e2", b"e4"))
    zone.put("bom.csv", b"\xef\xbb\xbf" + encode("f.csv", [event("e5")]))
    zone.put("crlf.csv", encode("f.csv", [event("e6")]).replace(b"\n", b"\r\n"))
    zone.put("open.csv", encode("f.csv", [event("e7")]).rstrip(b"\n"))
    zone.put("open.jsonl", encode("f.jsonl", [event("e8")]).rstrip(b"\n"))
    totals = zone.ingest().totals()
    assert (totals["rows"], totals["accepted"], totals["quarantined"]) == (8, 8, 0)


def test_csv_rows_of_another_width_and_bytes_that_are_not_utf8(zone: Zone) -> None:
    good = "e1,order.placed,2026-03-03T10:00:00Z,a1,u1,,\n"
    content = (HEADER + good + "e2,order.placed\n" + "e3,x,y,z,u,,,extra\n").encode() + b"\xff" + good.encode()
    zone.put("f.csv", content + good.replace("e1", "e5").encode())
    zone.ingest()
    found = zone.quarantine("f.csv")
    assert [(number, reason) for number, reason, _ in found] == [
        (2, "has 2 fields where the header has 7"),
        (3, "has 8 fields where the header has 7"),
        (4, "not UTF-8 text"),
    ]
    assert [raw for _, _, raw in found][:2] == ["e2,order.placed", "e3,x,y,z,u,,,extra"]
    assert zone.row("f.csv").accepted == 2


def test_csv_fields_with_line_ends_quotes_and_json(zone: Zone) -> None:
    row = event("e1", properties={"order": 'a "quoted", number\nof two lines', "amount": 1.5})
    zone.put("f.csv", [row, event("e2", occurred_at="never")])
    zone.ingest()
    zone.build(WEEK)
    assert zone.usage(WEEK)[0]["order"] == 'a "quoted", number\nof two lines'
    assert [number for number, _, _ in zone.quarantine("f.csv")] == [2]


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv", "f.parquet"])
def test_further_columns_become_properties(zone: Zone, name: str) -> None:
    rows = [{**event("e1"), "items": 3, "amount": 7}, {**event("e2", properties=None), "items": 4, "amount": 8}]
    zone.put(name, rows)
    zone.ingest()
    zone.build(WEEK)
    # The sender's `properties` object wins over a column of the same name.
    assert [(row["items"], row["amount"], row["order"]) for row in zone.usage(WEEK)] == [
        (3, 5.0, "o-e1"),
        (4, 8.0, None),
    ]


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_broken_properties_beside_further_columns(zone: Zone, name: str) -> None:
    zone.put(name, [{**event("e1", properties="{broken"), "items": 3}, {**event("e2", properties="{}"), "items": 4}])
    zone.ingest()
    assert [(number, reason) for number, reason, _ in zone.quarantine(name)] == [
        (1, "properties are not readable as JSON")
    ]
    assert zone.row(name).accepted == 1


INSTANTS = {
    "2026-03-03T10:00:00+02:00": datetime(2026, 3, 3, 8),
    "2026-03-03 10:00:00-05:30": datetime(2026, 3, 3, 15, 30),
    "2026-03-02T01:00:00+02:00": datetime(2026, 3, 1, 23),
    "2026-03-03T10:00:00": datetime(2026, 3, 3, 10),
    "2026-03-03T10:00:00.123456Z": datetime(2026, 3, 3, 10, 0, 0, 123456),
    "2026-03-03T10:00:00+00": datetime(2026, 3, 3, 10),
    "2026-03-03": datetime(2026, 3, 3),
}


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv", "f.parquet"])
def test_offsets_are_honoured(zone: Zone, name: str) -> None:
    zone.put(name, [event(f"e{place}", day=text) for place, text in enumerate(INSTANTS)])
    zone.ingest()
    zone.build(WEEK, WEEK - timedelta(days=7))
    found = zone.usage(WEEK) + zone.usage(WEEK - timedelta(days=7))
    assert {row["order"]: row["occurred_at"] for row in found} == {
        f"o-e{place}": instant for place, instant in enumerate(INSTANTS.values())
    }
    assert len(zone.usage(WEEK)) == len(INSTANTS) - 1


def _parquet(columns: dict[str, pa.Array]) -> bytes:
    count = len(next(iter(columns.values())))
    given = {
        "event_id": pa.array([f"e{number}" for number in range(count)]),
        "event_name": pa.array(["order.placed"] * count),
        "account_id": pa.array(["a1"] * count),
        **columns,
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(given), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC")]
)
def test_parquet_times_of_any_unit(zone: Zone, kind: pa.DataType) -> None:
    zone.put("f.parquet", _parquet({"occurred_at": pa.array([datetime(2026, 3, 3, 10)]).cast(kind)}))
    zone.ingest()
    zone.build(WEEK)
    assert [row["occurred_at"] for row in zone.usage(WEEK)] == [datetime(2026, 3, 3, 10)]


def test_parquet_times_in_a_zone(zone: Zone) -> None:
    local = datetime(2026, 3, 3, 10, tzinfo=timezone(timedelta(hours=2)))
    zone.put("f.parquet", _parquet({"occurred_at": pa.array([local], pa.timestamp("us", "Europe/Helsinki"))}))
    zone.ingest()
    zone.build(WEEK)
    assert [row["occurred_at"].replace(tzinfo=UTC) for row in zone.usage(WEEK)] == [local]


@pytest.mark.parametrize(
    "properties",
    [
        pa.array([{"amount": 2.5, "order": "o1"}], pa.struct([("amount", pa.float64()), ("order", pa.string())])),
        pa.array([[("amount", "2.5"), ("order", "o1")]], pa.map_(pa.string(), pa.string())),
        pa.array(['{"amount": 2.5, "order": "o1"}']),
    ],
    ids=["struct", "map", "text"],
)
def test_parquet_properties_of_any_shape(zone: Zone, properties: pa.Array) -> None:
    zone.put("f.parquet", _parquet({"occurred_at": pa.array([datetime(2026, 3, 3)]), "properties": properties}))
    zone.ingest()
    zone.build(WEEK)
    assert [(row["amount"], row["order"]) for row in zone.usage(WEEK)] == [(2.5, "o1")]


@pytest.mark.parametrize("missing", ["event_id", "event_name", "occurred_at", "account_id"])
@pytest.mark.parametrize("name", ["f.parquet", "f.csv", "f.csv.gz"])
def test_a_missing_column_sets_the_whole_file_aside(zone: Zone, name: str, missing: str) -> None:
    row = event("e1")
    row[f"{missing}s"] = row.pop(missing)
    zone.put(name, [row])
    zone.ingest()
    line = zone.row(name)
    assert (line.state, line.rows, line.accepted) == ("quarantined", 0, 0)
    assert f"has no column '{missing}'" in str(line.reason)
    assert f"did you mean '{missing}s'" in str(line.reason)


UNUSABLE = {
    "zero.jsonl": (b"", "the file is empty"),
    "zero.csv": (b"", "the file is empty"),
    "zero.parquet": (b"", "the file is empty"),
    "zero.csv.gz": (gzip.compress(b""), "has no column 'event_id'"),
    "blank.csv": (b"\n\n", "has no column 'event_id'"),
    "words.txt": (b"hello", "unknown format 'words.txt'; accepted endings: .parquet, .jsonl"),
    "events.json": (b"[]", "unknown format 'events.json'"),
    "text.parquet": (b"event_id,event_name", "not a Parquet file"),
    "tiny.parquet": (b"PA", "not a Parquet file"),
    "plain.jsonl.gz": (encode("f.jsonl", [event("e1")]), "not readable as gzip"),
    "quotes.csv": (HEADER.encode() + b'"e1"x,y\n', "not readable as CSV near line 2"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used(zone: Zone, name: str) -> None:
    content, reason = UNUSABLE[name]
    zone.put(name, content)
    zone.put("good.jsonl", [event("e1")])
    zone.ingest()
    assert zone.row(name).state == "quarantined"
    assert reason in str(zone.row(name).reason)
    assert zone.row("good.jsonl").accepted == 1


def test_an_empty_gzip_of_json_lines_holds_no_rows(zone: Zone) -> None:
    zone.put("none.jsonl.gz", gzip.compress(b""))
    zone.put("header.csv", HEADER)
    zone.ingest()
    assert [(row.state, row.rows) for row in zone.ledger.rows()] == [("read", 0), ("read", 0)]


def test_damaged_pages_set_a_parquet_file_aside(zone: Zone) -> None:
    """The footer is whole, so the file looks whole until its pages are read."""
    whole = encode("f.parquet", [event(f"e{number}") for number in range(500)])
    middle = len(whole) // 4
    zone.put("damaged.parquet", whole[:4] + b"\xff" * middle + whole[4 + middle :])
    zone.put("good.jsonl", [event("e1")])
    zone.ingest()
    assert zone.row("damaged.parquet").state == "quarantined"
    assert "unreadable" in str(zone.row("damaged.parquet").reason)
    assert zone.row("good.jsonl").accepted == 1


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.csv", "f.csv.gz", "f.parquet"])
def test_a_truncated_file_waits_until_it_is_whole(zone: Zone, name: str) -> None:
    whole = encode(name, [event(f"e{number}") for number in range(20)])
    for share in (0.3, 0.6, 0.9):
        cut = whole[: int(len(whole) * share)]
        if name.endswith(".csv"):
            cut = cut[: cut.rindex(b",2026") + 3]
        zone.put(name, cut)
        zone.ingest()
        line = zone.row(name)
        assert (line.state, line.accepted) == ("quarantined", 0)
        assert "truncated" in str(line.reason) or name.endswith(".csv.gz")
        assert zone.ledger.totals()["rows"] == 0
    zone.put(name, whole)
    zone.ingest()
    assert (zone.row(name).state, zone.row(name).accepted) == ("read", 20)
    assert zone.ledger.totals()["accepted"] == 20


def test_file_names_that_are_left_alone(zone: Zone) -> None:
    for name in (".hidden.jsonl", "_SUCCESS", "f.jsonl.tmp", "f.jsonl.part"):
        zone.put(name, [event("e1")] if "jsonl" in name and name.endswith("jsonl") else b"x")
    assert zone.ingest().deliveries == {}


@pytest.mark.slow
def test_a_file_of_more_weeks_than_are_written_at_once(zone: Zone, tmp_path: Path) -> None:
    """DuckDB starts second files in a partitioned write of over 100 partitions and 524,288 rows."""
    count, weeks = 600_000, 130
    number = pa.array(range(count), pa.int64())
    start = datetime(2022, 1, 3)
    moments = [start + timedelta(days=7 * (place % weeks)) for place in range(count)]
    table = {
        "event_id": number.cast(pa.string()),
        "event_name": pa.array(["page_viewed"] * count),
        "account_id": pa.array(["a1"] * count),
        "occurred_at": pa.array(moments),
    }
    file = zone.put("all.parquet", b"")
    pq.write_table(pa.table(table), file)
    ledger = zone.ingest()
    (content,) = ledger.contents.values()
    assert len(content.parts) == weeks
    assert sum(content.parts.values()) == count == ledger.totals()["accepted"]
