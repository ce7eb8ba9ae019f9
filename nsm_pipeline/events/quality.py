"""How good a week's usage events are: per event and property, what is missing and what is out of range.

What belongs here: `event_quality`. What does not: what is good enough (`certification`).
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.events.instrumentation import declared_properties, invalid, usage_columns
from nsm_pipeline.playbook.models import Property, UseCase

QUALITY = pa.schema(
    [
        ("event", pa.string()),
        ("property", pa.string()),
        *((name, pa.int64()) for name in ("rows", "internal", "missing", "invalid", "copies")),
    ]
)


def quality_sql(use_case: UseCase) -> str:
    """SQL over the table `usage`: per week and event rows, internal rows, and missing and invalid values."""
    usage = ibis.table(usage_columns(use_case), name="usage")
    measures = {"rows": usage.count(), "internal": usage.count(where=usage.is_internal)}
    for name in declared_properties(use_case):
        measures[f"missing_{name}"] = usage.count() - usage[name].count()
        if (outside := _outside(usage, use_case, name)) is not None:
            measures[f"invalid_{name}"] = usage.count(where=outside)
    return str(ibis.to_sql(usage.group_by("week", "event").agg(**measures), dialect="duckdb"))


def _outside(usage: ir.Table, use_case: UseCase, name: str) -> ir.BooleanValue | None:
    """Whether a property's value is none that its event accepts; None where every event accepts every value."""
    declaring: dict[tuple[object, ...], list[str]] = {}
    properties: list[Property] = []
    for event_name, event in use_case.events.items():
        if (declared := event.properties.get(name)) is not None:
            accepts = (declared.one_of, declared.minimum, declared.maximum)
            if accepts not in declaring:
                properties.append(declared)
            declaring.setdefault(accepts, []).append(event_name)
    found: ir.BooleanValue | None = None
    for declared, events in zip(properties, declaring.values(), strict=True):
        if (outside := invalid(usage[name], declared)) is not None:
            # Events that do not declare a property have no value of it: where the others agree, they need no name.
            outside = outside if len(properties) == 1 else usage.event.isin(events) & outside
            found = outside if found is None else found | outside
    return found


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
