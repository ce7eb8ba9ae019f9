"""Whether the restatement ledger tells the life of the numbers that are published beside it.

What belongs here: each value's changes in order, down to what is published now. What does not: the numbers themselves
(`proving_numbers`), what readers were shown before (`proving_records`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nsm_pipeline.publishing.changes import GROWTH_NUMBERS, METRIC_TABLES, Key
from nsm_pipeline.steps.proof import REPAIR, Proof

FILE = "extracts/current/restatements.parquet"


def prove_restatements(folder: Path, proof: Proof) -> None:
    """Check that a version's ledger is numbered without a gap, that each change of a value begins with what the one
    before ended with, and that the last one ends with the value published now."""
    file = folder / "restatements.parquet"
    if not file.is_file():
        return  # a version from before there was a ledger
    rows = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["number"])
    lives: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for place, row in enumerate(rows, start=1):
        if row["number"] != place:
            proof.refute(f"{FILE}: row {place}", f"number {row['number']}", f"number {place}", REPAIR)
            return
        lives[_key(row)].append(row)
    now = dict(_published(folder)) if lives else {}
    for key, life in lives.items():
        for row, after in zip(life, [*(one["old"] for one in life[1:]), now.get(key)], strict=True):
            if row["new"] == after:
                proof.restatements["proved"] += 1
                continue
            proof.restatements["refuted"] += 1
            what = f"{FILE}: number {row['number']}, {row['metric']} of {row['use_case']} {row['week']}"
            proof.refute(what, f"new {row['new']}", f"{after}, which was shown from then on", REPAIR)


def _published(folder: Path) -> Iterator[tuple[Key, float | None]]:
    # A version from before there were outcomes has no table of them.
    for table in (one for one in METRIC_TABLES if (folder / f"{one}.parquet").is_file()):
        for row in pq.read_table(folder / f"{table}.parquet").to_pylist():
            yield _key({**row, "table": table}), row["value"]
    for row in pq.read_table(folder / "growth.parquet").to_pylist():
        for column in GROWTH_NUMBERS:
            cell = {**row, "table": "growth", "metric": column, "slice": "all", "slice_value": "all"}
            yield _key(cell), row[column]


def _key(row: Mapping[str, Any]) -> Key:
    return row["table"], row["use_case"], row["metric"], row["week"], row["slice"], row["slice_value"]
