"""Adoption: every account's own value of some measures over trailing weeks, and its colour.

What belongs here: the queries, from usage events to a row per account and measure. What does not: which weeks' events
those are (`steps.adoption`), composites and earlier colours (`scoring.adoption`).

Events are reduced to a row per account and week first, and to the different values that an account has in a week; only
those are put together over the weeks of a window. So an event is read once, however many windows it lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.metrics.expressions import condition, condition_on_accounts, total
from nsm_pipeline.metrics.measures import Measure, OwnMeasure, Side
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.together import to_sql
from nsm_pipeline.metrics.windows import snapshot_table, usage_table, with_attributes
from nsm_pipeline.playbook.adoption import Bound

EVENTS = "events_around"
ADOPTION_ROWS = pa.schema(
    [("account_id", pa.string()), ("measure", pa.string()), ("value", pa.float64()), ("colour", pa.string())]
)
# How the parts of an account's weeks are put together. Floats in a fixed order: equal inputs give equal bytes.
TOGETHER = {"sum": "sum({0} ORDER BY heard.week)", "minimum": "min({0})", "maximum": "max({0})"}


class AdoptionQueries:
    """A use case's measures of adoption; `run` asks them of the connection's tables.

    EVENTS: usage events of the weeks and those before them, with the week in which they lie; `snapshot`: the weeks'
    accounts. An account has rows where the snapshot has it, or where anything was heard of it in the longest window;
    internal ones have none. No value where nothing at all was heard of it in the measure's window, or where there is
    nothing to divide by.
    """

    def __init__(self, plan: UseCasePlan) -> None:
        self.plan = plan
        found = sorted({measure for one in plan.adoption for side in one.sides for measure in side.measures})
        self.names = {measure: f"_m{place}" for place, measure in enumerate(found)}
        self.attributes = [measure for measure in found if measure.how == "attribute"]
        self.values = [measure for measure in found if measure.how == "distinct"]
        self.plain = [measure for measure in found if measure.how not in ("attribute", "distinct")]
        self.windows = sorted({one.days for one in plan.adoption})
        self.columns = plan.columns()
        events = usage_table(plan, self._used, EVENTS)
        filters = plan.wheres({measure.scope for measure in (*self.plain, *self.values)}) & plan.attributes.keys()
        rows = with_attributes(events, snapshot_table(plan), filters)
        self.sql_heard = to_sql(self._heard(rows))
        self.sql_values = {column: to_sql(self._values(rows, column)) for column in self._value_columns}
        self.sql_known = to_sql(self._known(snapshot_table(plan)))
        self.sql_rows = self._rows()

    @property
    def columns_read(self) -> tuple[str, ...]:
        """Columns of usage events that are read beside account and event."""
        return tuple(sorted((self._used - self.plan.attributes.keys()) - {"account_id", "event", "is_internal"}))

    def run(self, connection: duckdb.DuckDBPyConnection, weeks: Sequence[date]) -> pa.Table:
        """`week` and ADOPTION_ROWS of some weeks, by account and measure."""
        connection.register("adopting_weeks", pa.table({"week": pa.array(weeks, pa.date32())}))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE heard AS {self.sql_heard}")
        for place, sql in enumerate(self.sql_values.values()):
            connection.execute(f"CREATE OR REPLACE TEMP TABLE values_{place} AS {sql}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE known AS {self.sql_known}")
        return connection.execute(self.sql_rows).to_arrow_table()

    @property
    def _used(self) -> frozenset[str]:
        measures = [*self.plain, *self.values]
        return frozenset({one.column for one in measures} - {""}) | self.plan.wheres({one.scope for one in measures})

    @property
    def _value_columns(self) -> list[str]:
        return sorted({measure.column for measure in self.values})

    def _heard(self, rows: ir.Table) -> ir.Table:
        """Per week and account that anything was heard of, its parts of what is counted or added up."""
        parts = {
            self.names[one]: total(rows, one, condition(rows, one.scope, self.columns)).cast("float64")
            for one in self.plain
        }
        return rows.group_by("week", "account_id").agg(**parts, _events=rows.count())

    def _values(self, rows: ir.Table, column: str) -> ir.Table:
        """Per week and account the different values of a column, and for which measures they count."""
        mine = [one for one in self.values if one.column == column]
        inside = {self.names[one]: condition(rows, one.scope, self.columns) for one in mine}
        rows = rows.filter(rows[column].notnull() & ibis.or_(*inside.values()))
        counts = {self.names[one]: condition(rows, one.scope, self.columns).any() for one in mine}
        return rows.group_by("week", "account_id", _value=rows[column]).agg(**counts)

    def _known(self, snapshot: ir.Table) -> ir.Table:
        """Accounts of the snapshot that are not internal, with those of their attributes that are measures."""
        own = {
            self.names[one]: condition_on_accounts(snapshot, one, self.columns).ifelse(snapshot[one.column], None)
            for one in self.attributes
        }
        return snapshot.filter(~snapshot.is_internal).select("account_id", **own)

    def _rows(self) -> str:
        """The query that puts weeks together, from the tables above."""
        columns = list(enumerate(self._value_columns))
        heard = [f"window_{days}" for days in self.windows]
        counted = [f"values_{place}_{days}" for place, _ in columns for days in self.windows]
        parts = [f"window_{days} AS MATERIALIZED ({self._window(days)})" for days in self.windows]
        parts += [
            f"values_{place}_{days} AS ({self._counted(place, column, days)})"
            for place, column in columns
            for days in self.windows
        ]
        strangers = " UNION ".join(
            f"SELECT week, account_id FROM {one} WHERE account_id NOT IN (SELECT account_id FROM snapshot)"
            for one in heard
        )
        joins = " ".join(f"LEFT JOIN {one} USING (week, account_id)" for one in (*heard, *counted))
        measures = sorted(self.plan.adoption, key=lambda one: one.metric)
        values = [f"{self._value(one)} AS value_{place}" for place, one in enumerate(measures)]
        lists = {
            "measure": [f"'{one.metric}'" for one in measures],
            "value": [f"value_{place}" for place in range(len(measures))],
            "colour": [colour_sql(one, f"value_{place}") for place, one in enumerate(measures)],
        }
        told = ", ".join(f"unnest([{', '.join(found)}]) AS {name}" for name, found in lists.items())
        # Sorted before it is told measure by measure: texts are what takes longest.
        return f"""WITH {", ".join(parts)},
            everyone AS (SELECT week, account_id FROM adopting_weeks, known UNION ALL ({strangers})),
            wide AS (SELECT week, account_id, {", ".join(values)}
                FROM everyone LEFT JOIN known USING (account_id) {joins} ORDER BY week, account_id)
            SELECT week, account_id, {told} FROM wide"""

    def _window(self, days: int) -> str:
        """Accounts that anything was heard of in a window, with their parts in it."""
        mine = {self.names[one]: TOGETHER.get(one.how, "sum({0})") for one in self.plain if one.scope.days == days}
        parts = "".join(f", {how.format(f'heard.{name}')} AS {name}" for name, how in mine.items())
        return f"""SELECT target.week, heard.account_id, true AS heard_{days}{parts}
            FROM heard {_in_window("heard", days)} GROUP BY ALL"""

    def _counted(self, place: int, column: str, days: int) -> str:
        """How many different values of a column an account has in a window, per measure."""
        mine = [self.names[one] for one in self.values if one.column == column and one.scope.days == days]
        counts = "".join(f", count(DISTINCT _value) FILTER ({name}) AS {name}" for name in mine)
        table = f"values_{place}"
        return f"SELECT target.week, {table}.account_id{counts} FROM {table} {_in_window(table, days)} GROUP BY ALL"

    def _value(self, one: OwnMeasure) -> str:
        """An account's value of a measure. None where nothing was heard of it, whatever the measure is made of."""
        above, *below = (self._side(side) for side in one.sides)
        value = f"{above} / nullif({below[0]}, 0)" if below else above
        return f"CASE WHEN heard_{one.days} THEN {value} END"

    def _side(self, side: Side) -> str:
        value, *over = map(self._part, side.measures)
        return f"({value} / nullif({over[0]}, 0))" if over else value

    def _part(self, measure: Measure) -> str:
        name = self.names[measure]
        return f"coalesce({name}, 0)::DOUBLE" if measure.how == "distinct" else f"{name}::DOUBLE"


def _in_window(table: str, days: int) -> str:
    back = days - 7
    return f"""JOIN adopting_weeks AS target
        ON {table}.week <= target.week AND {table}.week >= target.week - INTERVAL {back} DAY"""


def colour_sql(one: OwnMeasure, value: str) -> str:
    """The colour of a measure's value, as a DuckDB expression over that of the value."""

    def holds(bound: Bound) -> str:
        return f"{value} {bound.op} {bound.number!r}::DOUBLE"

    return f"""CASE WHEN {value} IS NULL THEN 'no_colour' WHEN {holds(one.red)} THEN 'red'
        WHEN {holds(one.yellow)} THEN 'yellow' ELSE 'green' END"""
