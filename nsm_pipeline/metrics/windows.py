"""The measures of one window, compiled once: usage events → totals, slices and a row per account.

What belongs here: the queries over one set of events per week. What does not: which events those are (`weekly`),
what follows entities from event to event (`journeys`).

Totals come from events directly; slices come from the per-account table. The two ways meet in the gates
(slices add up; the North Star equals what account_weeks says), which could not fail if they were one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from nsm_pipeline.metrics.expressions import condition, over_accounts, own_measure, passes, per_account, total
from nsm_pipeline.metrics.measures import ANY, WEEK_DAYS, Measure, Scope
from nsm_pipeline.metrics.numbers import UNKNOWN, Columns, Numbers
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.together import Together, to_sql

IBIS_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "boolean", "date": "date"}
WINDOW_EVENTS = "window_events"
COUNTING = ("account", "distinct", "passing")
IDS = {"account_id": "string", "user_id": "string", "event": "string", "is_internal": "boolean"}


class WindowQueries:
    """A use case's measures over one window; `run` asks them of the connection's tables.

    `usage` (for a longer window `window_events`): a row per event and week in whose window it lies; `snapshot`: the
    weeks' accounts. First each event is told of every scope whether it lies in it: a filter is evaluated once, however
    many measures share it.
    """

    def __init__(self, plan: UseCasePlan, columns: Columns, days: int) -> None:
        self.plan, self.names, self.days = plan, columns, days
        self.columns = plan.columns()
        measures = [one for one in plan.measures if one.how != "attribute" and one.scope.days == days]
        # Of everything that counts entities one question per entity: a week is grouped by its users once, not once for
        # every measure that counts users.
        self.counting = [one for one in measures if one.how in COUNTING]
        self.plain = [one for one in measures if one.how not in COUNTING]
        self.additive = [one for one in measures if one.adds_up]
        self.others = [one for one in measures if not one.adds_up]
        self.scopes = [scope for scope in plan.scopes if scope.days == days]
        self.outside = [scope for scope in self.scopes if scope.include_internal]
        self.is_week = days == WEEK_DAYS
        self.snapshot = snapshot_table(plan)
        usage = usage_table(plan, self.used_columns, "usage" if self.is_week else WINDOW_EVENTS)
        if set(self.events_read) != set(plan.use_case.events):
            usage = usage.filter(usage.event.isin(list(self.events_read)))
        self._flagged_rows = self._flagged(usage)
        self._events = ibis.table(self._flagged_rows.schema(), name="flagged")

    @cached_property
    def sql_flagged(self) -> str:
        """Events with what is measured of them, told of every scope whether they lie in it: the table `flagged`."""
        return to_sql(self._flagged_rows)

    @cached_property
    def sql_totals(self) -> str:
        """What is counted and added up per week, over `flagged`."""
        return to_sql(self._total_rows)

    @cached_property
    def sql_entities(self) -> list[str]:
        """How many entities there are per week, over `flagged`: a query per kind of them."""
        return [to_sql(rows) for rows in self._entity_rows]

    @property
    def _total_rows(self) -> ir.Table:
        return self._events.group_by("week").agg(**self._totals(self._events, self.plain, self.outside))

    @property
    def _entity_rows(self) -> list[ir.Table]:
        return [self._entities(self._events, some, ()) for some in _by_entity(self.counting)]

    # What hangs on the row per account is compiled where it is asked for: the handbook shows totals alone.

    @cached_property
    def _everything(self) -> tuple[list[str], Together]:
        """Every query of the window as one, the rows per account last; and of which slice the others are."""
        rows = self._per_account(self._events)
        accounts = ibis.table(rows.schema(), name="per_account")
        shared = {"flagged": self._flagged_rows, "per_account": rows}
        queries = [("all", self._total_rows), *(("all", counted) for counted in self._entity_rows)]
        queries.append(("all", accounts.group_by("week").agg(**self._behind(accounts))))
        queries += [(name, self._slice(accounts, name)) for name in self.plan.slices]
        if self.plan.slices and (self.others or self.outside):
            shared["cut"] = self._cut(self._events)
            queries += self._event_slices(ibis.table(shared["cut"].schema(), name="cut"))
        names = [name for name, _ in queries]
        return names, Together(shared, [*(query for _, query in queries), accounts])

    @property
    def used_columns(self) -> frozenset[str]:
        """Property columns that some measure or filter of the window reads."""
        named = {one.column for one in (*self.plain, *self.counting)} | {one.threshold.column for one in self.counting}
        scopes = [*self.scopes, self.plan.active] if self.is_week else self.scopes
        return frozenset(named | self.plan.wheres(scopes)) - {""}

    @property
    def events_read(self) -> tuple[str, ...]:
        """Canonical events that some measure of the window is about; of the week itself, all that anything of the use
        case is about: a slice whose accounts did any of these has rows, if of nothing."""
        if self.is_week:
            return self.plan.events_read
        scopes = [*self.scopes, *(one.scope for one in (*self.plain, *self.counting))]
        return tuple(sorted({event for scope in scopes for event in scope.events}))

    @property
    def filter_attributes(self) -> frozenset[str]:
        """Account attributes that some filter of the window reads."""
        scopes = [*self.scopes, self.plan.active] if self.is_week else self.scopes
        return self.plan.wheres(scopes) & self.plan.attributes.keys()

    def run(self, connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> pa.Table:
        """Ask everything of the connection's tables; returns the row per week and account."""
        names, together = self._everything
        *found, accounts = together.ask(connection)
        for name, rows in zip(names, found, strict=True):
            numbers.add(name, rows)
        return accounts

    @property
    def flagged_scopes(self) -> list[Scope]:
        """Scopes of which an event has to know whether it lies in them."""
        measured = {one.scope for one in (*self.plain, *self.counting)}
        return sorted({*self.scopes, *measured, *([self.plan.active] if self.is_week else [])})

    def _flagged(self, usage: ir.Table) -> ir.Table:
        """Events with what is measured of them, and per scope a column that says whether they lie in it."""
        rows = self._with_attributes(usage, self.filter_attributes)
        flags = {self._flag(scope): condition(rows, scope, self.columns) for scope in self.flagged_scopes}
        measured = {one.column for one in (*self.plain, *self.counting)}
        measured |= {one.threshold.column for one in self.counting}
        return rows.select(*sorted({"week", "account_id", "is_internal", *measured} - {""}), **flags)

    def _flag(self, scope: Scope) -> str:
        return f"_in{self.flagged_scopes.index(scope)}"

    def _event_slices(self, cut: ir.Table) -> Iterator[tuple[str, ir.Table]]:
        """What does not add up over accounts per week and slice value, by slice: queries over `cut`."""
        plain = [one for one in self.others if one.how not in COUNTING]
        counting = [one for one in self.others if one.how in COUNTING]
        for name in self.plan.slices:
            if plain or self.outside:
                yield name, by_slice(cut, name, self._totals(cut, plain, self.outside))
            sliced = cut.mutate(_slice_value=slice_value(cut, name))
            for some in _by_entity(counting):
                yield name, self._entities(sliced, some, ("_slice_value",))

    def _cut(self, events: ir.Table) -> ir.Table:
        """Events that count for what does not add up over accounts, with what it is computed from and cut by."""
        scopes = sorted({*(measure.scope for measure in self.others), *self.outside})
        flags = [self._flag(scope) for scope in scopes]
        used = {one.column for one in self.others} | {one.threshold.column for one in self.others}
        rows = events.filter(ibis.or_(*(events[flag] for flag in flags)))
        rows = rows.select(*sorted({"week", "account_id", *flags, *used} - {""}))
        return self._with_attributes(rows, {*self._pers(self.others), *self.plan.slices})

    def _with_attributes(self, rows: ir.Table, names: Collection[str]) -> ir.Table:
        return with_attributes(rows, self.snapshot, names)

    def _pers(self, measures: Sequence[Measure]) -> set[str]:
        return {one.threshold.per for one in measures if one.threshold.per}

    def _totals(self, usage: ir.Table, measures: Sequence[Measure], scopes: Sequence[Scope]) -> dict[str, ir.Value]:
        values = {self.names[measure]: total(usage, measure, usage[self._flag(measure.scope)]) for measure in measures}
        entities = {self.names[scope]: usage.account_id.nunique(where=usage[self._flag(scope)]) for scope in scopes}
        return {**values, **entities}

    def _entities(self, events: ir.Table, measures: Sequence[Measure], keys: tuple[str, ...]) -> ir.Table:
        """How many entities have an event, or pass their thresholds, per week and `keys`; all measures count the same
        entity."""
        entity, pers_of = _entity(measures[0]), self._pers(measures) - set(events.columns)
        rows = self._with_attributes(events.filter(events[entity].notnull()), pers_of)
        rows = rows.mutate(_entity=rows[entity])
        held = [one for one in measures if one.threshold != ANY]
        own = {f"_o{self.names[one]}": own_measure(rows, one.threshold, rows[self._flag(one.scope)]) for one in held}
        scopes = sorted({one.scope for one in measures})
        seen = {self._flag(scope): rows.count(where=rows[self._flag(scope)]) for scope in scopes}
        pers = {f"_per_{name}": rows[name].max() for name in self._pers(measures)}
        entities = rows.group_by("week", *keys, "_entity").agg(**own, **seen, **pers)

        def counts(one: Measure) -> ir.BooleanValue:
            events = entities[self._flag(one.scope)]
            if one.threshold == ANY:
                return events > 0
            per = entities[f"_per_{one.threshold.per}"] if one.threshold.per else None
            return passes(entities[f"_o{self.names[one]}"], events, one.threshold, per)

        found = {self.names[one]: entities.count(where=counts(one)) for one in measures}
        return entities.group_by("week", *keys).agg(**found)

    def _per_account(self, usage: ir.Table) -> ir.Table:
        external = usage.filter(~usage.is_internal)
        scopes = [scope for scope in self.scopes if not scope.include_internal]
        own = [one for one in self.additive if one.how == "passing"]

        def inside(scope: Scope) -> ir.BooleanValue:
            return external[self._flag(scope)]

        aggregates = {
            **{
                self.names[one]: per_account(external, one, inside(one.scope))
                for one in self.additive
                if one not in own
            },
            **{f"_o{self.names[one]}": own_measure(external, one.threshold, inside(one.scope)) for one in own},
            **{self.names[scope]: external.count(where=inside(scope)) for scope in scopes},
        }
        attributes: Collection[str] = {*self.plan.slices, *self._pers(own)}
        if self.is_week:
            attributes = list(self.plan.attributes)
            aggregates["events"] = external.count(where=inside(self.plan.active))
        rows = self._with_attributes(external.group_by("week", "account_id").agg(**aggregates), attributes)
        passed = {
            self.names[one]: passes(
                rows[f"_o{self.names[one]}"],
                rows[self.names[one.scope]],
                one.threshold,
                rows[one.threshold.per] if one.threshold.per else None,
            ).cast("int64")
            for one in own
        }
        return rows.mutate(**passed) if passed else rows

    def _slice(self, accounts: ir.Table, name: str) -> ir.Table:
        measures = {
            self.names[measure]: over_accounts(accounts, self.names[measure], measure) for measure in self.additive
        }
        return by_slice(accounts, name, {**measures, **self._behind(accounts)})

    def _behind(self, accounts: ir.Table) -> dict[str, ir.Value]:
        """How many accounts are behind what is counted: no metric's value, so one way to them is enough."""
        scopes = [scope for scope in self.scopes if not scope.include_internal]
        found = {self.names[scope]: accounts.count(where=accounts[self.names[scope]] > 0) for scope in scopes}
        return found or {"_accounts": accounts.count()}


def _entity(measure: Measure) -> str:
    return "account_id" if measure.how == "account" else measure.column


def _by_entity(measures: Sequence[Measure]) -> list[list[Measure]]:
    entities = sorted({_entity(one) for one in measures})
    return [[one for one in measures if _entity(one) == entity] for entity in entities]


def snapshot_table(plan: UseCasePlan) -> ir.Table:
    """The weeks' accounts: account_id, is_internal and attributes."""
    attributes = {name: IBIS_TYPES[kind] for name, kind in plan.attributes.items()}
    return ibis.table({"account_id": "string", "is_internal": "boolean", **attributes}, name="snapshot")


def usage_table(plan: UseCasePlan, used: Collection[str], name: str = "usage") -> ir.Table:
    """Usage events with the week they count for, and those of their properties that are `used`."""
    known = plan.columns()
    own = {column: IBIS_TYPES[known[column]] for column in sorted(used) if column not in plan.attributes}
    return ibis.table({"week": "date", **IDS, **own, "occurred_at": "timestamp(6)"}, name=name)


def with_attributes(rows: ir.Table, snapshot: ir.Table, names: Collection[str], key: str = "account_id") -> ir.Table:
    """Rows with some attributes of their accounts; without a join where there are none to be had."""
    if not names:
        return rows
    known = snapshot.select(a_id="account_id", **{f"a_{name}": name for name in names})
    joined = rows.left_join(known, rows[key] == known.a_id)
    return joined.select(
        **{name: joined[name] for name in rows.columns}, **{name: joined[f"a_{name}"] for name in sorted(names)}
    )


def slice_value(rows: ir.Table, name: str) -> ir.StringValue:
    return rows[name].cast("string").fill_null(UNKNOWN)


def by_slice(rows: ir.Table, name: str, columns: Mapping[str, ir.Value]) -> ir.Table:
    return rows.group_by("week", _slice_value=slice_value(rows, name)).agg(**columns)
