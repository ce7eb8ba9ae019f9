"""How good a week's usage events are: per event and property, what is missing and what is out of range.

What belongs here: `event_quality`. What does not: what is good enough (`certification`).
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.events.instrumentation import IBIS_TYPES, declared_properties, invalid
from nsm_pipeline.playbook.models import UseCase

QUALITY = pa.schema(
    [
        ("event", pa.string()),
        ("property", pa.string()),
        *((name, pa.int64()) for name in ("rows", "internal", "missing", "invalid", "copies")),
    ]
)


def quality_sql(use_case: UseCase) -> str:
    """SQL over the table `usage`: per event rows, internal rows, and per property missing and invalid values."""
    columns = declared_properties(use_case)
    schema = {"event": "string", "is_internal": "boolean", **{name: IBIS_TYPES[kind] for name, kind in columns.items()}}
    usage = ibis.table(schema, name="usage")
    measures = {"rows": usage.count(), "internal": usage.count(where=usage.is_internal)}
    for name in columns:
        outside: ir.BooleanValue = ibis.literal(False)
        for event_name, event in use_case.events.items():
            if name in event.properties:
                outside |= (usage.event == event_name) & invalid(usage[name], event.properties[name])
        measures[f"missing_{name}"] = usage.count(where=usage[name].isnull())
        measures[f"invalid_{name}"] = usage.count(where=outside)
    return str(ibis.to_sql(usage.group_by("event").agg(**measures), dialect="duckdb"))


def quality_rows(
    use_case: UseCase, counts: Mapping[str, Mapping[str, object]], matched: Mapping[str, int]
) -> list[dict[str, object]]:
    """Long form: a row per declared event (property null) and one per property of it."""
    rows: list[dict[str, object]] = []
    for name, event in use_case.events.items():
        found = counts.get(name, {})
        total = int(str(found.get("rows", 0)))
        shared = {"event": name, "rows": total, "internal": found.get("internal", 0)}
        copies = max(matched.get(name, total) - total, 0)
        rows.append({**shared, "property": None, "missing": 0, "invalid": 0, "copies": copies})
        rows.extend(
            {
                **shared,
                "property": key,
                "missing": found.get(f"missing_{key}", 0),
                "invalid": found.get(f"invalid_{key}", 0),
                "copies": 0,
            }
            for key in event.properties
        )
    return rows
