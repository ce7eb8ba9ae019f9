"""How good a week's usage events are: per event and property, what is missing, out of range, and which values come.

What belongs here: `event_quality`. What does not: what is good enough (`certification`), what is unusual (`drift`).

Missing and invalid values are counted over all rows. Which values there are is read from some hundred rows of each
event and week, chosen by a hash of their time, so that the same events always give the same choice: `sampled` of
them have a value; `values` counts these where they are few and short, as JSON; `middle` is the median of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.events.instrumentation import declared_properties, invalid, usage_columns
from nsm_pipeline.playbook.models import Property, UseCase

QUALITY_VERSION = 2
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


def sampled(connection: duckdb.DuckDBPyConnection, use_case: UseCase, counts: Counts) -> Counts:
    """Of some rows of the table `usage`, whose rows by week and event are `counts`: how many have a value of each
    property (`sampled_…`), how often each value comes (`values_…`, as pairs), and the median of numbers (`middle_…`).
    """
    pairs = {(week, str(row["event"])): int(str(row["rows"])) for week, rows in counts.items() for row in rows}
    found = _sample(connection, use_case, pairs, "hash(occurred_at)")
    # Where many events have one instant, as they do where days are all that is sent, it tells too few of them apart.
    few = {pair: rows for pair, rows in pairs.items() if _chosen(found, pair) < min(rows, LEAST_SAMPLED // 4)}
    if few:
        found |= _sample(connection, use_case, few, "hash(account_id, occurred_at)")
    by_week: dict[date, list[Mapping[str, object]]] = {}
    for (week, _), row in found.items():
        by_week.setdefault(week, []).append(row)
    return by_week


Sampled = dict[tuple[date, str], Mapping[str, object]]


def _chosen(found: Sampled, pair: tuple[date, str]) -> int:
    return int(str(found[pair]["chosen"])) if pair in found else 0


def _sample(
    connection: duckdb.DuckDBPyConnection, use_case: UseCase, pairs: Mapping[tuple[date, str], int], hash_: str
) -> Sampled:
    """Facts about some rows of some weeks' events, chosen by a hash."""
    places = {name: place for place, name in enumerate(use_case.events)}
    # The lowest bits of a hash are as good as any, and far quicker to ask for than a remainder.
    masks = " ".join(
        f"WHEN week = DATE '{week}' AND enum_code(event) = {places[event]} THEN {_mask(rows)}"
        for (week, event), rows in pairs.items()
    )
    if not masks:
        return {}
    least = min(map(_mask, pairs.values()))
    asked = ""
    for name, kind in declared_properties(use_case).items():
        asked += f', count("{name}") AS "sampled_{name}"'
        if kind in ("integer", "number"):
            asked += f', median("{name}")::DOUBLE AS "middle_{name}"'
        if kind in ("string", "boolean", "integer"):
            counted = f'histogram("{name}"::VARCHAR)'  # of what tells facts apart as long as there are facts: left out
            asked += f', CASE WHEN cardinality({counted}) <= {MOST_VALUES} THEN {counted} END AS "values_{name}"'
    rows = connection.execute(
        f"""SELECT week, event, count(*) AS chosen{asked} FROM usage
        WHERE ({hash_} & {least}::UBIGINT) = 0 AND ({hash_} & (CASE {masks} END)::UBIGINT) = 0 GROUP BY week, event"""
    )
    return {(row["week"], str(row["event"])): row for row in rows.to_arrow_table().to_pylist()}


def _listed(pairs: object) -> str | None:
    """Counts of values as JSON, where they are few and short."""
    if not isinstance(pairs, list) or any(len(value) > LONGEST_VALUE for value, _ in pairs):
        return None
    return json.dumps(dict(sorted(pairs)), ensure_ascii=False)


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
    some_rows: Mapping[str, Mapping[str, object]],
    matched: Mapping[str, int],
) -> list[dict[str, object]]:
    """Long form: a row per declared event (property null) and one per property of it."""
    rows: list[dict[str, object]] = []
    for name, event in use_case.events.items():
        found, some = counts.get(name, {}), some_rows.get(name, {})
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
                "values": _listed(some.get(f"values_{key}")),
                "middle": some.get(f"middle_{key}"),
            }
            for key in event.properties
        )
    return rows
