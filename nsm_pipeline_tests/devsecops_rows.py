"""The real data set, read without the project's code: what its numbers are compared with."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Row = dict[str, Any]
RENAMED = {"pipeline_config_edit": "ci_config_changed"}
FIRST, LAST = date(2023, 8, 21), date(2026, 8, 10)


def delivered_rows(folder: Path) -> list[Row]:
    """Every delivered row."""
    rows: list[Row] = []
    for file in sorted((folder / "landing" / "usage_events").rglob("events.*")):
        if file.suffix == ".parquet":
            for row in pq.read_table(file, partitioning=None).to_pylist():
                rows.append({**row, "properties": json.loads(row["properties"])})
        else:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                rows.extend(json.loads(line) for line in lines)
    return rows


def monday(row: Row) -> date:
    day = datetime.fromisoformat(row["occurred_at"].replace("Z", "+00:00")).date()
    return day - timedelta(days=day.weekday())


def facts_of(delivered: list[Row]) -> list[Row]:
    """One row per fact: second deliveries removed, of the dual run's two copies the new one, canonical names."""
    once = {row["event_id"]: row for row in delivered}
    found: dict[tuple[str, str], Row] = {}
    for row in sorted(once.values(), key=lambda row: row["event_id"]):
        name = RENAMED.get(row["event_name"], row["event_name"])
        fact = row["properties"].get("origin_id") or row["event_id"]
        found[name, fact] = {**row, "event_name": name}
    return list(found.values())


def internal_accounts(folder: Path) -> set[str]:
    """The same in every snapshot."""
    with (folder / "landing/accounts/as_of=2026-08-01/accounts.csv").open(encoding="utf-8") as lines:
        return {row["account_id"] for row in csv.DictReader(lines) if row["is_internal"] == "true"}
