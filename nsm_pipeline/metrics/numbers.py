"""What queries found, and the metric rows that come of it.

What belongs here: numbers by week, slice and column; values, quotients and formulas from them. What does not: queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import pyarrow as pa

from nsm_pipeline.metrics.measures import ZERO_WHERE_NONE, Figure, Journey, Key, Measure, Part, Plan
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.playbook.formulas import evaluate
from nsm_pipeline.playbook.models import Role

UNKNOWN = "(unknown)"
METRIC_ROWS = pa.schema(
    [
        ("use_case", pa.string()),
        ("metric", pa.string()),
        ("role", pa.string()),
        ("week", pa.date32()),
        ("slice", pa.string()),
        ("slice_value", pa.string()),
        ("value", pa.float64()),
        ("numerator", pa.float64()),
        ("denominator", pa.float64()),
        ("entities", pa.int64()),
    ]
)
Number = int | float | None


class Numbers:
    """What queries found: per week, slice and slice value the numbers by column."""

    def __init__(self) -> None:
        self._found: dict[tuple[date, str], dict[str, dict[str, Number]]] = {}

    def add(self, name: str, rows: pa.Table) -> None:
        """Take in a query's rows: week, `_slice_value` (none for totals) and numbers."""
        for row in rows.to_pylist():
            values = self._found.setdefault((row.pop("week"), name), {})
            values.setdefault(str(row.pop("_slice_value", "all")), {}).update(row)

    def of(self, week: date, name: str) -> Mapping[str, Mapping[str, Number]]:
        """Numbers by slice value; the total's slice and slice value are both 'all'."""
        return self._found.get((week, name), {})

    def only(self, weeks: Iterable[date]) -> Numbers:
        """The numbers of some weeks alone."""
        wanted, part = set(weeks), Numbers()
        part._found = {key: values for key, values in self._found.items() if key[0] in wanted}
        return part

    def update(self, other: Numbers) -> None:
        """Take in the numbers of other columns."""
        for key, values in other._found.items():
            mine = self._found.setdefault(key, {})
            for value, numbers in values.items():
                mine.setdefault(value, {}).update(numbers)


class Columns:
    """Names of the columns that hold parts in intermediate tables. No name of a playbook begins with an underscore."""

    def __init__(self, plan: UseCasePlan) -> None:
        self._names: dict[Key, str] = {measure: f"_m{place}" for place, measure in enumerate(plan.measures)}
        self._names |= {scope: f"_n{place}" for place, scope in enumerate(plan.scopes)}
        self._journeys = {journey: f"_j{place}" for place, journey in enumerate(plan.journeys)}

    def __getitem__(self, key: Key) -> str:
        if isinstance(key, Figure):
            return f"{self.of_journey(key.journey)}_{key.which}"
        return self._names[key]

    def of_journey(self, journey: Journey) -> str:
        """How the columns of a journey's figures begin."""
        return self._journeys[journey]

    def behind(self, key: Key) -> str:
        """The column that counts the accounts behind a metric."""
        attribute = isinstance(key, Measure) and key.how == "attribute"
        return f"{self[key]}_accounts" if attribute else self[key]


def metric_rows(plan: UseCasePlan, columns: Columns, role: Role, week: date, numbers: Numbers) -> pa.Table:
    """METRIC_ROWS of one role and week: a row per metric for the total, and per value of each of its slices."""
    rows = [
        {
            "use_case": plan.use_case.use_case,
            "metric": one.metric,
            "role": role,
            "week": week,
            "slice": slice_name,
            "slice_value": value,
            **_row(one, columns, found),
        }
        for one in plan.plans
        if one.role == role
        for slice_name, value, found in _cells(one, week, numbers)
    ]
    return pa.Table.from_pylist(rows, METRIC_ROWS)


def _cells(plan: Plan, week: date, numbers: Numbers) -> Iterator[tuple[str, str, Mapping[str, Number]]]:
    yield "all", "all", numbers.of(week, "all").get("all", {})
    for name in plan.slices:
        for value, found in sorted(numbers.of(week, name).items()):
            yield name, value, found


def _row(plan: Plan, columns: Columns, found: Mapping[str, Number]) -> dict[str, Number]:
    """value, numerator, denominator and entities (the accounts behind it) of a plan."""
    if plan.formula is not None:
        below = {operand.metric: _row(operand, columns, found) for operand in plan.operands}
        value = evaluate(plan.formula, {name: row["value"] for name, row in below.items()})
        entities = min(int(row["entities"] or 0) for row in below.values())
        return {"value": value, "numerator": None, "denominator": None, "entities": entities}
    numerator, denominator = (_number(part, columns, found) for part in (plan.numerator, plan.denominator))
    value = _number(plan.value, columns, found)
    if plan.divides:
        value = numerator / denominator if numerator is not None and denominator else None
    entities = 0 if plan.entities is None else int(found.get(columns.behind(plan.entities)) or 0)
    return {"value": value, "numerator": numerator, "denominator": denominator, "entities": entities}


def _number(part: Part | None, columns: Columns, found: Mapping[str, Number]) -> float | None:
    """A part's number; where nothing was found, 0 for what counts or adds up, and no value for the rest."""
    if part is None:
        return None
    number = found.get(columns[part])
    if number is not None:
        return float(number)
    if isinstance(part, Figure):
        return None if part.which == "value" else 0.0
    adds = part.how in ZERO_WHERE_NONE or (part.how == "attribute" and part.aggregate != "average")
    return 0.0 if adds else None
