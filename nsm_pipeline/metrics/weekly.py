"""Some weeks of one use case: usage events → account_weeks and a table of metrics per role.

What belongs here: which queries run over which events, and gathering what they find. What does not: the queries
(`windows`, `journeys`), reading or writing files.

What reads the week alone is computed while its events are at hand (`near`); what reads beyond it (longer windows,
journeys) afterwards, from stored events (`far`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.metrics.expressions import attribute, condition, condition_on_accounts
from nsm_pipeline.metrics.journeys import JourneyQueries
from nsm_pipeline.metrics.measures import WEEK_DAYS, Scope
from nsm_pipeline.metrics.numbers import Columns, Numbers, metric_rows
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.together import to_sql
from nsm_pipeline.metrics.windows import (
    WINDOW_EVENTS,
    WindowQueries,
    by_slice,
    snapshot_table,
    usage_table,
    with_attributes,
)
from nsm_pipeline.playbook.models import Role

METRICS_VERSION = 4


class WeeklyMetrics:
    """A plan with its queries compiled once; they are bound to some weeks' events on any connection."""

    def __init__(self, plan: UseCasePlan) -> None:
        self.plan = plan
        self.columns = plan.columns()
        self.names = Columns(plan)
        self.week = WindowQueries(plan, self.names, WEEK_DAYS)
        self.attributes = [measure for measure in plan.measures if measure.how == "attribute"]
        self._compile_attributes()
        days = {m.scope.days for m in plan.measures if m.how != "attribute"} | {s.days for s in plan.scopes}
        self.windows = [WindowQueries(plan, self.names, one) for one in sorted(days - {WEEK_DAYS})]
        self.journeys = [JourneyQueries(plan, one, self.names.of_journey(one)) for one in plan.journeys]

    # --- the week itself

    def near(
        self, connection: duckdb.DuckDBPyConnection, weeks: Sequence[date]
    ) -> tuple[Numbers, dict[date, pa.Table]]:
        """What reads the week alone, and account_weeks by week, from the connection's tables `usage`, the weeks'
        events, and `snapshot`, their accounts (account_id, is_internal, attributes)."""
        numbers = Numbers()
        rows = self.week.run(connection, numbers)
        if self.attributes:
            connection.execute(self.sql_known, {"weeks": list(weeks)})
            numbers.add("all", connection.execute(self.sql_attributes).to_arrow_table())
            for name, sql in self.sql_attribute_slices.items():
                numbers.add(name, connection.execute(sql).to_arrow_table())
        active = rows.filter(pc.greater(rows["events"], 0)).sort_by("account_id")
        of_week = {week: active.filter(pc.equal(active["week"], week)) for week in weeks}
        return numbers, {week: self._account_weeks(of_week[week], week) for week in weeks}

    def tables(self, week: date, numbers: Numbers, roles: Sequence[Role]) -> dict[Role, pa.Table]:
        """Metric rows of some roles, once all their numbers are there."""
        return {role: metric_rows(self.plan, self.names, role, week, numbers) for role in roles}

    @property
    def sql_known(self) -> str:
        """The weeks' accounts, each told whether it is active in them; `$weeks` are their first days."""
        return f"""CREATE OR REPLACE TEMP TABLE known AS
            SELECT week, snapshot.*, (week, account_id) IN ({self.sql_active}) AS _is_active
            FROM snapshot, (SELECT unnest($weeks::DATE[]) AS week)"""

    def _compile_attributes(self) -> None:
        flags = {"_is_active": "boolean"}
        known = ibis.table({"week": "date", **snapshot_table(self.plan).schema(), **flags}, name="known")
        self.sql_attributes, self.sql_active = "", ""
        self.sql_attribute_slices: dict[str, str] = {}
        if not self.attributes:
            return
        own = self.plan.active
        scope = Scope(own.events, own.where, include_internal=True)
        used = self.plan.wheres([scope])
        usage = usage_table(self.plan, used)
        usage = with_attributes(usage, snapshot_table(self.plan), used & self.plan.attributes.keys())
        active = usage.filter(condition(usage, scope, self.columns)).select("week", "account_id")
        self.sql_active = to_sql(active.distinct())
        self.sql_attributes = to_sql(known.group_by("week").agg(**self._attribute_columns(known)))
        self.sql_attribute_slices = {
            name: to_sql(by_slice(known, name, self._attribute_columns(known))) for name in self.plan.slices
        }

    def _attribute_columns(self, snapshot: ir.Table) -> dict[str, ir.Value]:
        found = {}
        for measure in self.attributes:
            found[self.names[measure]] = attribute(snapshot, measure, self.columns)
            behind = snapshot.count(where=condition_on_accounts(snapshot, measure, self.columns))
            found[self.names.behind(measure)] = behind
        return found

    def _account_weeks(self, rows: pa.Table, week: date) -> pa.Table:
        """week, use_case, account_id, attributes, events, and a column per additive measure; by account_id."""
        count = rows.num_rows
        columns: dict[str, pa.Array] = {
            "week": pa.array([week] * count, pa.date32()),
            "use_case": pa.array([self.plan.use_case.use_case] * count, pa.string()),
        }
        columns |= {name: rows[name] for name in ("account_id", *self.plan.attributes, "events")}
        columns |= {name: rows[self.names[measure]] for name, measure in self.plan.account_columns.items()}
        return pa.table({name: _plain(column) for name, column in columns.items()})

    # --- beyond the week

    @property
    def events_read(self) -> tuple[str, ...]:
        """Canonical events that longer windows and journeys read."""
        found = {event for window in self.windows for event in window.events_read}
        scopes = [scope for one in self.plan.journeys for scope in (one.start, one.then) if scope is not None]
        return tuple(sorted(found | {event for scope in scopes for event in scope.events}))

    @property
    def columns_read(self) -> tuple[str, ...]:
        """Columns that longer windows and journeys read: of properties, and user_id."""
        used = {name for window in self.windows for name in window.used_columns}
        used |= {name for journey in self.journeys for name in journey.read_columns}
        return self._properties(used)

    @property
    def near_columns(self) -> tuple[str, ...]:
        """Columns that are read of the week itself: of properties, and user_id."""
        return self._properties(self.week.used_columns)

    def _properties(self, used: Collection[str]) -> tuple[str, ...]:
        return tuple(sorted(set(used) & usage_table(self.plan, used).schema().keys() - BASE))

    def histories(self) -> dict[str, tuple[str, bool]]:
        """The queries of first events ever, by journey: over the table `history`; whether they read `snapshot`."""
        return {one.name: one.sql_began() for one in self.journeys if one.journey.reads_history}

    @staticmethod
    def sql_window(days: int) -> str:
        """The events of a window of so many local days, with the week that they count for."""
        return f"""SELECT targets.week, events.* EXCLUDE (week) FROM events
            JOIN targets ON occurred_at < ends_at AND occurred_at >= {window_start(days)}"""

    def far(self, connection: duckdb.DuckDBPyConnection, began: Mapping[str, pa.Table]) -> Numbers:
        """What reads beyond the week, from the connection's tables `events` (of the weeks and those around them),
        `targets`, `days`, `snapshot` and the tables of first events ever, `began`, by journey."""
        numbers = Numbers()
        for window in self.windows:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {WINDOW_EVENTS} AS {self.sql_window(window.days)}")
            window.run(connection, numbers)
        for journey in self.journeys:
            if journey.name in began:
                connection.register("began", began[journey.name])
            journey.run(connection, numbers)
        return numbers


BASE = {"week", "account_id", "event", "is_internal", "occurred_at"}


def window_start(days: int) -> str:
    """The column of `targets` that holds where a window of so many local days begins."""
    return f"from_{days}_days"


def _plain(column: pa.Array) -> pa.Array:
    """DuckDB's wide sums (HUGEINT arrives as decimal) as 64-bit integers."""
    return column.cast(pa.int64()) if pa.types.is_decimal(column.type) else column
