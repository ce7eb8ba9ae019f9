"""How good a week's usage events are: per event and property, what is missing, out of range, and which values come.

What belongs here: `event_quality`. What does not: what is good enough (`certification`), what is unusual (`drift`).

Missing and invalid values are counted over all rows. Which values there are is read from some hundred rows of each
event and week, chosen by a hash of account and time, so that the same events always give the same choice: `sampled` of
them have a value; `values` counts these where they are few and short, as JSON; `middle` is the median of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.events.instrumentation import declared_properties, invalid, usage_columns
from nsm_pipeline.playbook.models import Property, UseCase

QUALITY_VERSION = 1
QUALITY = pa.schema(
    [
        ("event", pa.string()),
        ("property", pa.string()),
        *((name, pa.int64()) for name in ("rows", "internal", "missing", "invalid", "copies")),
        ("sampled", pa.int64()),
        ("values", pa.string()),
        ("middle", pa.float64()),
    ]
)
LEAST_SAMPLED = 256  # rows of an event and week, and less than twice as many
MOST_VALUES = 20
LONGEST_VALUE = 60
Counts = Mapping[date, Sequence[Mapping[str, object]]]


def quality_sql(use_case: UseCase) -> str:
    """SQL over the table `usage`: per week and event rows, internal rows, and missing and invalid values."""
    usage = ibis.table(usage_columns(use_case), name="usage")
    measures = {"rows": usage.count(), "internal": usage.count(where=usage.is_internal)}
    for name in declared_properties(use_case):
        measures[f"missing_{name}"] = usage.count() - usage[name].count()
        if (outside := _outside(usage, use_case, name)) is not None:
            measures[f"invalid_{name}"] = usage.count(where=outside)
    return str(ibis.to_sql(usage.group_by("week", "event").agg(**measures), dialect="duckdb"))


def sample_sql(use_case: UseCase, counts: Counts) -> str:
    """SQL over the table `usage`, whose rows by week and event are `counts`: per week and event, of some rows, how many
    have a value of each property (`sampled_…`), which ones (`values_…`), and the median of numbers (`middle_…`)."""
    fewer = [
        f"WHEN week = DATE '{week}' AND enum_code(event) = {list(use_case.events).index(str(row['event']))} THEN {mask}"
        for week, rows in counts.items()
        for row in rows
        if (mask := _mask(int(str(row["rows"]))))
    ]
    # The lowest bits of a hash are as good as any, and far quicker to ask for than a remainder.
    chosen = f"(hash(account_id, occurred_at) & (CASE {' '.join(fewer)} ELSE 0 END)::UBIGINT) = 0" if fewer else "true"
    asked = ""
    for name, kind in declared_properties(use_case).items():
        asked += f', count("{name}") AS "sampled_{name}"'
        if kind in ("integer", "number"):
            asked += f', median("{name}")::DOUBLE AS "middle_{name}"'
        if kind in ("string", "boolean", "integer"):
            few = f'approx_count_distinct("{name}") <= {2 * MOST_VALUES}'
            short = f'max(length("{name}"::VARCHAR)) <= {LONGEST_VALUE}'
            listed = f'histogram("{name}"::VARCHAR)'
            asked += f", CASE WHEN {few} AND {short} AND cardinality({listed}) <= {MOST_VALUES} THEN {listed}::JSON END"
            asked += f' AS "values_{name}"'
    return f"SELECT week, event{asked} FROM usage WHERE {chosen} GROUP BY week, event"


def _mask(rows: int) -> int:
    """The bits of a hash that must be zero for about LEAST_SAMPLED of some rows to remain."""
    return (1 << max(0, (rows // LEAST_SAMPLED).bit_length() - 1)) - 1


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
    use_case: UseCase,
    counts: Mapping[str, Mapping[str, object]],
    sampled: Mapping[str, Mapping[str, object]],
    matched: Mapping[str, int],
) -> list[dict[str, object]]:
    """Long form: a row per declared event (property null) and one per property of it."""
    rows: list[dict[str, object]] = []
    for name, event in use_case.events.items():
        found, some = counts.get(name, {}), sampled.get(name, {})
        total = int(str(found.get("rows", 0)))
        shared = {"event": name, "rows": total, "internal": found.get("internal", 0)}
        copies = max(matched.get(name, total) - total, 0)
        rows.append({**shared, "property": None, "missing": 0, "invalid": 0, "copies": copies, "sampled": 0})
        rows.extend(
            {
                **shared,
                "property": key,
                "missing": found.get(f"missing_{key}", 0),
                "invalid": found.get(f"invalid_{key}", 0),
                "copies": 0,
                "sampled": some.get(f"sampled_{key}", 0),
                "values": some.get(f"values_{key}"),
                "middle": some.get(f"middle_{key}"),
            }
            for key in event.properties
        )
    return rows
