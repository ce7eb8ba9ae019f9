"""Journeys as queries: conversions, times, cohorts, retention, lifecycle.

What belongs here: one journey over stored events → its figures per week and slice. What does not: which weeks' events
those are (`weekly`).

Tables a query reads: `events` (usage events of the target weeks and of those around them, `week` their own),
`targets` (week, starts_at, ends_at: instants), `snapshot` (the targets' accounts), `days` (day, at: its local midnight
as an instant) and, where a journey asks for first events ever, `began` (entity, account_id, at).
"""

from __future__ import annotations

import duckdb
import ibis
import ibis.expr.types as ir

from nsm_pipeline.metrics.expressions import condition, passes, where
from nsm_pipeline.metrics.measures import Journey, Scope
from nsm_pipeline.metrics.numbers import Numbers
from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.metrics.together import Together, to_sql
from nsm_pipeline.metrics.windows import slice_value, snapshot_table, usage_table, with_attributes
from nsm_pipeline.playbook.filters import parse

TARGETS = ibis.table({"week": "date", "starts_at": "timestamp(6)", "ends_at": "timestamp(6)"}, name="targets")
DAYS = ibis.table({"day": "date", "at": "timestamp(6)"}, name="days")
BEGAN = ibis.table({"_entity": "string", "account_id": "string", "at": "timestamp(6)"}, name="began")


class JourneyQueries:
    """One journey, compiled once. An entity's account is the one of its first start, which says the slice."""

    def __init__(self, plan: UseCasePlan, journey: Journey, name: str) -> None:
        self.plan, self.journey, self.columns = plan, journey, plan.columns()
        self.name = name
        self.snapshot = snapshot_table(plan)
        scopes = [scope for scope in (journey.start, journey.then) if scope is not None]
        self.read_columns = frozenset({journey.entity, journey.threshold.column} | plan.wheres(scopes)) - {""}
        self.events = usage_table(plan, self.read_columns, "events")
        self.by_account = journey.entity == "account_id"
        # What an account does lies in one slice: ask once, then cut. Others are followed anew within each slice.
        outcomes = with_attributes(self._outcomes(""), self.snapshot, plan.slices if self.by_account else ())
        self.sql_rows = to_sql(outcomes)
        rows = ibis.table(outcomes.schema(), name="outcomes")
        queries = {"all": self._figures(rows)}
        self.sql_total = to_sql(queries["all"])
        for name in plan.slices:
            cut = rows.mutate(_slice_value=slice_value(rows, name)) if self.by_account else self._outcomes(name)
            queries[name] = self._figures(cut, "_slice_value")
        self._asked, self._together = list(queries), Together({"outcomes": outcomes}, list(queries.values()))

    def run(self, connection: duckdb.DuckDBPyConnection, numbers: Numbers) -> None:
        """Ask everything of the connection's tables."""
        for name, rows in zip(self._asked, self._together.ask(connection), strict=True):
            numbers.add(name, rows)

    def sql_began(self) -> tuple[str, bool]:
        """The query of `began` over `history` (all events there are), and whether it reads account attributes too."""
        scope = Scope(self.journey.start.events, self.journey.start.where, include_internal=True)
        used = self.plan.wheres([scope])
        history = usage_table(self.plan, {self.journey.entity, *used}, "history")
        attributes = used & self.plan.attributes.keys()
        events = with_attributes(history, self.snapshot, attributes)
        rows = events.filter(condition(events, scope, self.columns) & events[self.journey.entity].notnull())
        rows = rows.select(_entity=rows[self.journey.entity].cast("string"), own=rows.account_id, seen=rows.occurred_at)
        first = rows.group_by("_entity", "own").agg(at=rows.seen.min())
        order = ibis.row_number().over(group_by="_entity", order_by=["at", "own"])
        first = first.mutate(place=order).filter(lambda t: t.place == 0)
        return to_sql(first.select("_entity", account_id="own", at="at")), bool(attributes)

    def _figures(self, rows: ir.Table, *keys: str) -> ir.Table:
        """Figures per week and `keys` from outcomes: one row per entity with account_id, done and seconds."""
        seconds = rows.seconds
        value: ir.Value = ibis.null("float64")
        if self.journey.kind == "time":
            value = {
                "average": seconds.mean,
                "median": seconds.median,
                "quantile": lambda: seconds.quantile(self.journey.q),
            }[self.journey.aggregate]() / self.journey.unit
        return rows.group_by("week", *keys).agg(
            **{
                f"{self.name}_denominator": rows.count(),
                f"{self.name}_numerator": rows.count(where=rows.done),
                f"{self.name}_accounts": rows.account_id.nunique(),
                f"{self.name}_value": value,
            }
        )

    def _outcomes(self, cut: str) -> ir.Table:
        """week, _entity, account_id, done, seconds, and with an attribute to `cut` by its `_slice_value`: one row per
        entity (and slice) that the journey is about."""
        if self.journey.kind in ("retention", "lifecycle"):
            return self._presence(cut)
        starts = self._created(cut) if self.journey.from_creation else self._started(cut)
        if self.journey.then is None:
            return starts.select(*_keys(cut), "account_id", done=ibis.literal(True), seconds=ibis.null("float64"))
        thens = self._inside(self.events, self.journey.then, cut)
        measured = {"_measured": thens["_measured"]}
        thens = thens.select(
            _then="_entity", then_at="at", **measured, **({"then_slice": "_slice_value"} if cut else {})
        )
        follows = self._conversion if self.journey.kind == "conversion" else self._since_the_first
        return follows(starts, thens, cut)

    def _inside(self, events: ir.Table, scope: Scope, cut: str) -> ir.Table:
        """Events in a scope as week, _entity, account_id, at, _measured (what the threshold is about), _slice_value."""
        wanted = self.plan.wheres([scope]) & self.plan.attributes.keys()
        events = with_attributes(events, self.snapshot, wanted | ({cut} - {""}))
        rows = events.filter(condition(events, scope, self.columns) & events[self.journey.entity].notnull())
        column = self.journey.threshold.column
        return rows.select(
            "week",
            **_sliced(rows, cut),
            _entity=rows[self.journey.entity].cast("string"),
            account_id=rows.account_id,
            at=rows.occurred_at,
            _measured=rows[column] if column else ibis.null("string"),
        )

    # --- beginnings: week, _slice_value, _entity, account_id, at, until

    def _created(self, cut: str) -> ir.Table:
        """Accounts that were created in a target week, from their local day's beginning on."""
        start, known = self.journey.start, self.snapshot
        inside: ir.BooleanValue = ibis.literal(True) if start.include_internal else ~known.is_internal
        if start.where:
            inside &= where(known, parse(start.where, self.columns), self.columns)
        days, rest = divmod(self.journey.hours, 24)
        accounts = known.filter(inside).select(
            **_sliced(known, cut), _entity="account_id", account_id="account_id", created="created_on",
            ends=_later(known.created_on, days),
        )  # fmt: skip
        rows = accounts.join(DAYS, accounts.created == DAYS.day).drop("day")
        last = DAYS.select(last_day="day", last_at="at")
        rows = rows.join(last, rows.ends == last.last_day)
        weeks = TARGETS.select(week="week", after=_later(TARGETS.week, 7))
        rows = rows.join(weeks, [rows.created >= weeks.week, rows.created < weeks.after])
        rows = rows.select(*_keys(cut), "account_id", "at", "last_at")
        until = rows["at"] + ibis.interval(hours=self.journey.hours) if rest else rows["last_at"]
        return rows.mutate(until=until).drop("last_at")

    def _started(self, cut: str) -> ir.Table:
        """Entities with a start in a target week: every start for a conversion, the first for a time, the first ever
        for a cohort."""
        within = ibis.interval(hours=self.journey.hours)
        if self.journey.kind == "cohort":
            rows = BEGAN.join(TARGETS, [BEGAN.at >= TARGETS.starts_at, BEGAN.at < TARGETS.ends_at])
            if not self.journey.start.include_internal:
                rows = rows.filter(rows.account_id.notin(self.snapshot.filter(self.snapshot.is_internal).account_id))
            rows = rows.select("week", "_entity", "account_id", "at", until=BEGAN["at"] + within)
            rows = with_attributes(rows, self.snapshot, {cut} - {""})
            return rows.select("week", "_entity", "account_id", "at", "until", **_sliced(rows, cut))
        rows = self._inside(self.events, self.journey.start, cut).semi_join(TARGETS, "week")
        if self.journey.kind == "time":
            rows = rows.group_by(*_keys(cut)).agg(account_id=rows.account_id.min(), at=rows["at"].min())
        return rows.select(*_keys(cut), "account_id", "at", until=rows["at"] + within)

    # --- what follows

    def _conversion(self, starts: ir.Table, thens: ir.Table, cut: str) -> ir.Table:
        same = [starts["_entity"] == thens["_then"], *_same_slice(starts, thens, cut)]
        after = starts["at"] <= thens.then_at if self.journey.from_creation else starts["at"] < thens.then_at
        rows = starts.asof_join(thens, after, predicates=same)
        in_time = rows.then_at < rows.until if self.journey.from_creation else rows.then_at <= rows.until
        rows = rows.mutate(done=in_time.fill_null(False))
        found = rows.group_by(*_keys(cut)).agg(account_id=rows.account_id.min(), done=rows.done.any())
        return found.mutate(seconds=ibis.null("float64"))

    def _since_the_first(self, starts: ir.Table, thens: ir.Table, cut: str) -> ir.Table:
        inclusive = self.journey.kind == "cohort" or self.journey.from_creation
        after = thens.then_at >= starts["at"] if inclusive else thens.then_at > starts["at"]
        in_time = thens.then_at < starts.until if inclusive else thens.then_at <= starts.until
        same = [starts["_entity"] == thens["_then"], *_same_slice(starts, thens, cut)]
        rows = starts.left_join(thens, [*same, after, in_time])
        found = rows.group_by(*_keys(cut), "account_id").agg(
            events=rows.then_at.count(),
            own=self._own(rows),
            seconds=rows.then_at.min().delta(rows["at"].min(), unit="microsecond") / 1_000_000,
        )
        per = self.journey.threshold.per
        found = with_attributes(found, self.snapshot, {per} - {""})
        done = passes(found.own, found.events, self.journey.threshold, found[per] if per else None)
        return found.select(*_keys(cut), "account_id", done=done, seconds=found.seconds)

    def _own(self, rows: ir.Table) -> ir.Value:
        """What an entity is held to its threshold by."""
        match self.journey.threshold.how:
            case "sum":
                return rows["_measured"].sum().fill_null(0)
            case "distinct":
                return rows["_measured"].nunique()
        return rows.then_at.count()

    # --- presence in a week and in one before

    def _presence(self, cut: str) -> ir.Table:
        active = self._inside(self.events, self.journey.start, cut)
        active = active.group_by(*_keys(cut)).agg(account_id=active.account_id.min())
        before = active.mutate(week=_later(active.week, 7 * self.journey.weeks), now=ibis.literal(False))
        both = ibis.union(active.mutate(now=ibis.literal(True)), before).join(TARGETS, "week")
        rows = both.group_by(*_keys(cut), "starts_at").agg(
            account_id=both.account_id.min(), now=both.now.any(), before=(~both.now).any()
        )
        if self.journey.kind == "retention":
            rows, done = rows.filter(rows.before), rows.now
        elif self.journey.which == "churned":
            rows, done = rows.filter(rows.before), ~rows.now
        elif self.journey.by == "created_on":
            rows, done = self._by_creation(rows.filter(rows.now))
        elif self.journey.which == "retained":
            rows, done = rows.filter(rows.now), rows.before
        else:
            rows, done = self._by_first_activity(rows.filter(rows.now))
        return rows.select(*_keys(cut), "account_id", done=done, seconds=ibis.null("float64"))

    def _by_creation(self, rows: ir.Table) -> tuple[ir.Table, ir.BooleanValue]:
        known = self.snapshot.select(a_id="account_id", created="created_on")
        rows = rows.left_join(known, rows.account_id == known.a_id)
        new = rows.created >= rows.week
        return rows, (new if self.journey.which == "new" else ~new).fill_null(False)

    def _by_first_activity(self, rows: ir.Table) -> tuple[ir.Table, ir.BooleanValue]:
        first = BEGAN.select(began="_entity", first_at="at")
        rows = rows.left_join(first, rows["_entity"] == first.began)
        new = rows.first_at >= rows.starts_at
        return rows, new if self.journey.which == "new" else ~new & ~rows.before


def _later(day: ir.DateValue, days: int) -> ir.DateValue:
    """A day some days later. Ibis holds a date plus an interval for a date; to DuckDB it is a timestamp."""
    return (day.cast("timestamp") + ibis.interval(days=days)).cast("date")


def _keys(cut: str) -> tuple[str, ...]:
    return ("week", "_slice_value", "_entity") if cut else ("week", "_entity")


def _sliced(rows: ir.Table, cut: str) -> dict[str, ir.Value]:
    """The column that tells slices apart, never missing, so that rows of one slice meet."""
    return {"_slice_value": slice_value(rows, cut)} if cut else {}


def _same_slice(starts: ir.Table, thens: ir.Table, cut: str) -> list[ir.BooleanValue]:
    return [starts["_slice_value"] == thens.then_slice] if cut else []
