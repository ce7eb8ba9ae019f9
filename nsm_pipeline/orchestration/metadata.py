"""What the Dagster UI shows: metadata per materialisation, column schemas, previews.

What belongs here: turning step results into Dagster metadata. What does not: numbers that a step has not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
    OutputMetadataHandle,
)

from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.metrics.growth import GROWTH
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.publishing import tables
from nsm_pipeline.steps.certificates import WeekState

PREVIEW = 5


def column_schema(schema: pa.Schema, descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    said = descriptions or {}
    columns = [dg.TableColumn(field.name, str(field.type), said.get(field.name)) for field in schema]
    return dg.TableSchema(columns)


def preview(table: pa.Table, rows: int = PREVIEW) -> dg.MetadataValue:
    """The first rows as a Markdown table."""
    names = table.column_names
    columns = [map(_cell, column.to_pylist()) for column in table.slice(0, rows).columns]
    lines = ["| " + " | ".join(cells) + " |" for cells in (names, *zip(*columns, strict=True))]
    lines.insert(1, "|" + "---|" * len(names))
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def file_metadata(file: Path, fingerprint: str | None) -> dict[str, dg.MetadataValue]:
    return {"file": dg.MetadataValue.path(str(file)), "fingerprint": dg.MetadataValue.text(fingerprint or "")}


def totals_of(table: pa.Table) -> dict[str, float]:
    """Total values of a week's METRIC_ROWS by metric, where there is one."""
    columns = (table[name].to_pylist() for name in ("metric", "slice", "value"))
    return {
        metric: value for metric, slice_, value in zip(*columns, strict=True) if slice_ == "all" and value is not None
    }


def landing_metadata(ledger: Ledger) -> dict[str, dg.MetadataValue]:
    """Totals of the ledger, whole files set aside, and the newest deliveries."""
    totals = ledger.totals()
    rows = [row for row in ledger.rows() if row.kind == "events"]
    aside = [row for row in rows if row.state == "quarantined"]
    files = [
        {"path": r.path, "state": r.state, "rows": r.rows, "accepted": r.accepted, "duplicate": r.duplicate,
         "quarantined": r.quarantined}
        for r in rows[-20:]
    ]  # fmt: skip
    found: dict[str, dg.MetadataValue] = {name: dg.MetadataValue.int(totals[name]) for name in totals}
    found["dagster/row_count"] = dg.MetadataValue.int(totals["accepted"])
    found["files"] = dg.MetadataValue.int(len(rows))
    found["newest files"] = preview(pa.Table.from_pylist(files) if files else pa.table({}), 20)
    if aside:
        listed = "\n".join(f"* `{row.path}`: {row.reason}" for row in aside)
        found["files set aside"] = dg.MetadataValue.md(listed)
    return found


def states_metadata(states: Sequence[WeekState]) -> dict[str, dg.MetadataValue]:
    """How many weeks are in which state, and those that are withheld or held, with their reasons."""
    counts: dict[str, int] = {}
    for state in states:
        counts[state.state] = counts.get(state.state, 0) + 1
    kept_back = [state for state in states if state.reasons]
    lines = [f"* **{state.use_case} {state.week}** ({state.state}): {'; '.join(state.reasons)}" for state in kept_back]
    return {
        **{f"weeks {name}": dg.MetadataValue.int(count) for name, count in sorted(counts.items())},
        "not published": dg.MetadataValue.md("\n".join(lines) or "none"),
    }


def attach(context: dg.AssetExecutionContext, found: Mapping[tuple[dg.AssetKey, str], Mapping[str, object]]) -> None:
    """Give the run's materialisations their metadata, by asset and partition, all at once: Dagster's own
    `add_asset_metadata` copies everything that was said before at every call, minutes of it for ten years of weeks."""
    handles: dict[OutputMetadataHandle | AssetMetadataHandle, Mapping[str, Any]] = {
        AssetMetadataHandle(asset_key=key, partition_key=week): said for (key, week), said in found.items()
    }
    step = context.op_execution_context.get_step_execution_context()
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=handles)


METRIC_SCHEMA = column_schema(METRIC_ROWS, {one.name: one.description for one in tables.NORTH_STAR.columns})
GROWTH_SCHEMA = column_schema(GROWTH, {one.name: one.description for one in tables.GROWTH.columns})
