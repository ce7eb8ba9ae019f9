"""Every preset on a sample in its vendor's documented format: what lands, and what is set aside and why."""

from __future__ import annotations

import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from landing_zone import Row, Zone

from nsm_pipeline.events.senders.declared import PRESETS
from nsm_pipeline.playbook.senders import ACCOUNT_EXAMPLE

SAMPLES = Path(__file__).parent / "senders"
CASES = yaml.safe_load((SAMPLES / "expected.yaml").read_text())
BY_PRESET = {case["entry"]["preset"]: case for case in CASES}


def settings(entry: dict[str, Any]) -> str:
    return yaml.safe_dump({"landing": {"vendor/export": entry}})


def landed(zone: Zone) -> list[Row]:
    """Landed rows of all files in order, as the expectations spell them."""
    rows = [
        {
            "row": row["row_number"],
            "id": row["event_id"],
            "event": row["event_name"],
            "at": row["occurred_at"].isoformat(),
            "received": row["received_at"] and row["received_at"].isoformat(),
            "account": row["account_id"],
            "user": row["user_id"],
            "properties": json.loads(row["properties"]),
        }
        for path in zone.lake.files("landed_events")
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    return sorted(rows, key=lambda row: row["row"])


def test_every_preset_has_a_sample() -> None:
    assert set(BY_PRESET) == set(PRESETS)
    lacking = {name for name, preset in PRESETS.items() if preset.fields.account_id is None}
    assert lacking == set(ACCOUNT_EXAMPLE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["entry"]["preset"])
def test_a_sample_lands(zone: Zone, case: dict[str, Any]) -> None:
    content = (SAMPLES / case["sample"]).read_bytes()
    zone.settings = settings(case["entry"])
    name = f"vendor/export/2026/03/{case['delivered']}"
    zone.put(name, gzip.compress(content))
    zone.ingest()
    assert landed(zone) == case["landed"]
    header = 1 if case["sample"].endswith(".csv") else 0
    lines = content.decode().splitlines()
    assert zone.quarantine(name) == [
        (number, reason, lines[number - 1 + header]) for number, reason in case["aside"].items()
    ]
    line = zone.row(name)
    assert line.reconciles
    assert (line.rows, line.quarantined) == (len(lines) - header, len(case["aside"]))
    assert (line.duplicate, line.accepted) == (
        case.get("duplicates", 0),
        len(case["landed"]) - case.get("duplicates", 0),
    )


def test_posthog_as_parquet_says_the_same(zone: Zone) -> None:
    """Properties are JSON text there, times are timestamps, and the name ends with the compression inside."""
    case = BY_PRESET["posthog"]
    rows = [json.loads(line) for line in (SAMPLES / "posthog.jsonl").read_text().splitlines()[:3]]
    for row in rows:
        row["properties"], row["person_properties"] = json.dumps(row["properties"]), json.dumps({})
        for name in ("timestamp", "created_at", "_inserted_at"):
            row[name] = datetime.fromisoformat(row[name])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
    zone.settings = settings(case["entry"])
    zone.put("vendor/export/events.parquet.zst", sink.getvalue())
    zone.ingest()
    assert landed(zone) == case["landed"]
    found = zone.quarantine("vendor/export/events.parquet.zst")
    assert [(number, reason) for number, reason, _ in found] == [(3, case["aside"][3])]
    assert "0191ab6f-0000-7000-8000-000000000003" in found[0][2]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_service_ping_numbers_as_numbers(zone: Zone, ending: str) -> None:
    rows = [
        {"dim_ping_instance_id": 1, "dim_instance_id": "i", "metrics_path": name, "metric_value": value,
         "ping_created_at": "2026-03-03T10:00:00Z"}
        for name, value in (("a", 5), ("b", -1), ("c", 0), ("d", None), ("e", -10))
    ]  # fmt: skip
    zone.settings = settings({"preset": "service_ping"})
    zone.put(f"vendor/export/p.{ending}", rows)
    zone.ingest()
    assert [row["properties"].get("value") for row in landed(zone)] == [5, None, 0, None, -10]


def test_mixpanel_projects_of_before_2023_count_seconds_on_their_own_clock(zone: Zone) -> None:
    """2026-03-08 02:30 does not exist in Los Angeles: it is read as before the leap."""
    times = {"2026-01-05T10:00:00": "2026-01-05T18:00:00", "2026-07-05T10:00:00": "2026-07-05T17:00:00",
             "2026-03-08T02:30:00": "2026-03-08T10:30:00", "2026-11-01T01:30:00": "2026-11-01T08:30:00"}  # fmt: skip
    clock = [int((datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds()) for text in times]
    rows = [
        {"event": "x", "properties": {"time": seconds, "$insert_id": str(seconds), "org": "a", "distinct_id": "u",
                                      "mp_processing_time_ms": 1772532000000}}
        for seconds in clock
    ]  # fmt: skip
    zone.settings = settings(
        {
            "preset": "mixpanel",
            "times": "local_epoch_seconds",
            "zone": "America/Los_Angeles",
            "fields": {"account_id": "properties.org"},
        }
    )
    zone.put("vendor/export/raw.txt", "".join(json.dumps(row) + "\n" for row in rows))
    zone.ingest()
    assert [row["at"] for row in landed(zone)] == list(times.values())
    assert {row["received"] for row in landed(zone)} == {"2026-03-03T10:00:00"}


WRONG_FILES = {
    ("amplitude", "export.json.gz"): (b"PK\x03\x04rest", "a zip archive: unpack it"),
    ("amplitude", "export.zip"): (b"PK\x03\x04rest", "unknown format 'export.zip'; accepted endings in this folder"),
    ("posthog", "manifest.json"): (b'{"files": []}', "unknown format 'manifest.json'"),
    ("posthog", "events.parquet.gz"): (gzip.compress(b"PAR1"), "not a Parquet file"),
    ("segment", "log.gz"): (gzip.compress(b'{"messageId":"1"}\n')[:-9], "truncated: the gzip stream ends early"),
    ("segment", "log.jsonl"): (b'{"messageId":"1"}\n{"mess', "truncated: the last line ends early"),
    ("segment", "events.csv"): (b"messageId\n1\n", "unknown format 'events.csv'"),
    ("snowplow", "part-0"): (b"shop\tweb\t2026", "truncated: the last line ends early"),
    ("snowplow", "part-0.tsv"): (b"", "the file is empty"),
    ("service_ping", "p.csv"): (b"metrics_path,dim_instance_id\n", "has no column 'ping_created_at' for occurred_at"),
}


@pytest.mark.parametrize(("preset", "name"), WRONG_FILES)
def test_a_file_that_cannot_be_used(zone: Zone, preset: str, name: str) -> None:
    content, reason = WRONG_FILES[preset, name]
    zone.settings = settings(BY_PRESET[preset]["entry"])
    zone.put(f"vendor/export/{name}", content)
    zone.ingest()
    assert zone.row(f"vendor/export/{name}").state == "quarantined"
    assert reason in str(zone.row(f"vendor/export/{name}").reason)
    assert zone.ledger.totals()["rows"] == 0
