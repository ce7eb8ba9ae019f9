"""Some weeks of one use case: usage events → account_weeks, north_star, inputs and counter_metrics.

What belongs here: the compiled queries of a plan and putting their numbers into rows. What does not: reading or
writing files.

Totals come from events directly; slices come from the per-account table. The two ways meet in the gates
(slices add up; the North Star equals what account_weeks says), which could not fail if they were one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.metrics.expressions import (
    attribute,
    condition,
    condition_on_accounts,
    over_accounts,
    per_account,
    total,
)  # fmt: skip
from nsm_pipeline.metrics.measures import ROLES, Measure, Plan, Role, Scope, UseCasePlan
from nsm_pipeline.playbook.filters import parse, used_columns

METRICS_VERSION = 2
UNKNOWN = "(unknown)"
IBIS_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "boolean", "date": "date"}
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
Key = Measure | Scope


@dataclass(frozen=True)
class WeekOfMetrics:
    """A week's results: `account_weeks` (one row per active account) and METRIC_ROWS per role."""

    account_weeks: pa.Table
    tables: Mapping[Role, pa.Table]


class Numbers:
    """What queries found: per week, slice and slice value the numbers by column."""

    def __init__(self) -> None:
        self._found: dict[tuple[date, str], dict[str, dict[str, Number]]] = {}

    def add(self, name: str, result: duckdb.DuckDBPyConnection) -> None:
        """Take in a query's rows: week, `_slice_value` (none for totals) and numbers."""
        for row in result.to_arrow_table().to_pylist():
            values = self._found.setdefault((row.pop("week"), name), {})
            values.setdefault(str(row.pop("_slice_value", "all")), {}).update(row)

    def of(self, week: date, name: str) -> dict[str, dict[str, Number]]:
        return self._found.get((week, name), {})


class WeeklyMetrics:
    """A plan with its queries compiled once; `run` rebinds them to some weeks' events on any connection."""

    def __init__(self, plan: UseCasePlan) -> None:
        self.plan = plan
        self.columns = plan.columns()
        self.events = [measure for measure in plan.measures if measure.how != "attribute"]
        self.attributes = [measure for measure in plan.measures if measure.how == "attribute"]
        self.additive = [measure for measure in self.events if measure.adds_up]
        self.others = [measure for measure in self.events if not measure.adds_up]
        self.outside = [scope for scope in plan.scopes if scope.include_internal]
        own = {name: IBIS_TYPES[kind] for name, kind in self.columns.items() if name not in plan.attributes}
        ids = {"account_id": "string", "user_id": "string", "event": "string"}
        usage = ibis.table({"week": "date", **ids, **own}, name="usage")
        self.snapshot = ibis.table(
            {"account_id": "string", **{name: IBIS_TYPES[kind] for name, kind in plan.attributes.items()}},
            name="snapshot",
        )
        events = self._with_attributes(usage, plan.filter_attributes)
        self.sql_totals = _sql(events.group_by("week").agg(**self._totals(events, self.events, plan.scopes)))
        per_account_rows = self._per_account(events)
        self.sql_accounts = _sql(per_account_rows)
        accounts = ibis.table(per_account_rows.schema(), name="per_account")
        self.sql_slices = {name: _sql(self._slice(accounts, name)) for name in plan.use_case.slices}
        self.sql_cut, self.sql_event_slices = "", {}
        if plan.use_case.slices and (self.others or self.outside):
            rows = self._cut(usage)
            self.sql_cut = _sql(rows)
            cut = ibis.table(rows.schema(), name="cut")
            columns = self._totals(cut, self.others, self.outside)
            self.sql_event_slices = {name: _sql(_by(cut, name, columns)) for name in plan.use_case.slices}
        active = usage.filter(usage.event.isin(list(plan.use_case.active_events)))
        self.sql_active = _sql(active.select("week", "account_id"))
        flags = {"is_internal": "boolean", "_is_active": "boolean"}
        known = ibis.table({"week": "date", **self.snapshot.schema(), **flags}, name="known")
        self.sql_attributes = ""
        if self.attributes:
            self.sql_attributes = _sql(known.group_by("week").agg(**self._attribute_columns(known)))
        self.sql_attribute_slices = {
            name: _sql(_by(known, name, self._attribute_columns(known)))
            for name in plan.use_case.slices
            if self.attributes
        }

    def run(self, connection: duckdb.DuckDBPyConnection, weeks: Sequence[date]) -> dict[date, WeekOfMetrics]:
        """Compute some weeks from the connection's tables `usage`, their events, and `snapshot`, their accounts
        (account_id, is_internal, attributes)."""
        connection.execute(f"CREATE OR REPLACE TEMP TABLE per_account AS {self.sql_accounts}")
        numbers = Numbers()
        numbers.add("all", connection.execute(self.sql_totals))
        for name, sql in self.sql_slices.items():
            numbers.add(name, connection.execute(sql))
        if self.sql_cut:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE cut AS {self.sql_cut}")
        for name, sql in self.sql_event_slices.items():
            numbers.add(name, connection.execute(sql))
        if self.attributes:
            connection.execute(
                f"""CREATE OR REPLACE TEMP TABLE known AS
                SELECT week, snapshot.*, (week, account_id) IN ({self.sql_active}) AS _is_active
                FROM snapshot, (SELECT unnest($weeks::DATE[]) AS week)""",
                {"weeks": list(weeks)},
            )
            numbers.add("all", connection.execute(self.sql_attributes))
            for name, sql in self.sql_attribute_slices.items():
                numbers.add(name, connection.execute(sql))
        accounts = connection.execute("SELECT * FROM per_account WHERE events > 0 ORDER BY account_id").to_arrow_table()
        return {
            week: WeekOfMetrics(
                self._account_weeks(accounts.filter(pc.equal(accounts["week"], week)), week),
                {role: self._rows(role, week, numbers) for role in ROLES},
            )
            for week in weeks
        }

    def _cut(self, usage: ir.Table) -> ir.Table:
        """Events that count for what does not add up over accounts, with what it is computed from and cut by."""
        plan = self.plan
        events = self._with_attributes(usage, plan.filter_attributes | set(plan.use_case.slices))
        scopes = {*(measure.scope for measure in self.others), *self.outside}
        inside = ibis.or_(*(condition(events, scope, self.columns) for scope in sorted(scopes)))
        wheres = [parse(scope.where, self.columns) for scope in scopes if scope.where]
        used = {measure.column for measure in self.others if measure.column}.union(*map(used_columns, wheres))
        return events.filter(inside).select(
            *sorted({"week", "account_id", "event", "is_internal", *used, *plan.use_case.slices})
        )

    def _with_attributes(self, rows: ir.Table, names: Collection[str]) -> ir.Table:
        """Rows with some attributes of their accounts; without a join where there are none to be had."""
        if not names:
            return rows
        known = self.snapshot.select(a_id="account_id", **{f"a_{name}": name for name in names})
        joined = rows.left_join(known, rows.account_id == known.a_id)
        return joined.select(
            **{name: joined[name] for name in rows.columns}, **{name: joined[f"a_{name}"] for name in sorted(names)}
        )

    def _totals(self, usage: ir.Table, measures: Sequence[Measure], scopes: Sequence[Scope]) -> dict[str, ir.Value]:
        values = {_column(self.plan, measure): total(usage, measure, self.columns) for measure in measures}
        entities = {
            _column(self.plan, scope): usage.account_id.nunique(where=condition(usage, scope, self.columns))
            for scope in scopes
        }
        return {**values, **entities}

    def _per_account(self, usage: ir.Table) -> ir.Table:
        external = usage.filter(~usage.is_internal)
        active = external.event.isin(list(self.plan.use_case.active_events))
        counted = external.group_by("week", "account_id").agg(
            events=external.count(where=active),
            **{_column(self.plan, measure): per_account(external, measure, self.columns) for measure in self.additive},
            **{
                _column(self.plan, scope): external.count(where=condition(external, scope, self.columns))
                for scope in self.plan.scopes
                if not scope.include_internal
            },
        )
        return self._with_attributes(counted, list(self.plan.attributes))

    def _slice(self, accounts: ir.Table, name: str) -> ir.Table:
        measures = {
            _column(self.plan, measure): over_accounts(accounts, _column(self.plan, measure), measure)
            for measure in self.additive
        }
        entities = {
            _column(self.plan, scope): accounts.count(where=accounts[_column(self.plan, scope)] > 0)
            for scope in self.plan.scopes
            if not scope.include_internal
        }
        return _by(accounts, name, {**measures, **entities})

    def _attribute_columns(self, snapshot: ir.Table) -> dict[str, ir.Value]:
        found = {}
        for measure in self.attributes:
            column = _column(self.plan, measure)
            found[column] = attribute(snapshot, measure, self.columns)
            found[f"{column}_accounts"] = snapshot.count(where=condition_on_accounts(snapshot, measure, self.columns))
        return found

    def _account_weeks(self, rows: pa.Table, week: date) -> pa.Table:
        """week, use_case, account_id, attributes, events, and a column per additive measure; by account_id."""
        count = rows.num_rows
        columns: dict[str, pa.Array] = {
            "week": pa.array([week] * count, pa.date32()),
            "use_case": pa.array([self.plan.use_case.use_case] * count, pa.string()),
        }
        columns |= {name: rows[name] for name in ("account_id", *self.plan.attributes, "events")}
        columns |= {name: rows[_column(self.plan, measure)] for name, measure in self.plan.account_columns.items()}
        return pa.table({name: _plain(column) for name, column in columns.items()})

    def _rows(self, role: Role, week: date, numbers: Numbers) -> pa.Table:
        cells = [("all", "all", numbers.of(week, "all").get("all", {}))]
        for name in sorted(self.plan.use_case.slices):
            cells += [(name, value, found) for value, found in sorted(numbers.of(week, name).items())]
        rows = [
            {
                "use_case": self.plan.use_case.use_case,
                "metric": plan.metric,
                "role": role,
                "week": week,
                "slice": slice_name,
                "slice_value": value,
                **self._row(plan, found),
            }
            for plan in self.plan.plans
            if plan.role == role
            for slice_name, value, found in cells
        ]
        return pa.Table.from_pylist(rows, METRIC_ROWS)

    def _row(self, plan: Plan, numbers: Mapping[str, Number]) -> dict[str, Number]:
        def number(measure: Measure | None) -> float | None:
            if measure is None:
                return None
            found = numbers.get(_column(self.plan, measure))
            if found is None and measure.how in ("count", "account", "distinct", "sum", "present", "attribute"):
                return None if measure.aggregate == "average" else 0.0
            return None if found is None else float(found)

        numerator, denominator = number(plan.numerator), number(plan.denominator)
        value = number(plan.value)
        if plan.divides:
            value = numerator / denominator if numerator is not None and denominator else None
        if plan.entities is not None:
            entities = numbers.get(_column(self.plan, plan.entities)) or 0
        else:
            entities = numbers.get(f"{_column(self.plan, plan.value)}_accounts") or 0
        return {"value": value, "numerator": numerator, "denominator": denominator, "entities": int(entities)}


def _column(plan: UseCasePlan, key: Key) -> str:
    """Column that holds a measure, or the accounts in a scope, in the intermediate tables. No name of a playbook
    begins with an underscore."""
    if isinstance(key, Measure):
        return f"_m{plan.measures.index(key)}"
    return f"_n{plan.scopes.index(key)}"


def _by(table: ir.Table, name: str, columns: Mapping[str, ir.Value]) -> ir.Table:
    return table.group_by("week", _slice_value=table[name].cast("string").fill_null(UNKNOWN)).agg(**columns)


def _sql(expression: ir.Table) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb"))


def _plain(column: pa.Array) -> pa.Array:
    """DuckDB's wide sums (HUGEINT arrives as decimal) as 64-bit integers."""
    return column.cast(pa.int64()) if pa.types.is_decimal(column.type) else column
