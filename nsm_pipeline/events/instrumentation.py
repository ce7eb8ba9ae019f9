"""Canonical events from how they were sent: effective-dated sources, property mappings, dual-run copies.

What belongs here: one use case's mapping in force in one week, as an Ibis expression and as plain data for
fingerprints. What does not: reading or writing weeks (`usage`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from nsm_pipeline.playbook.models import Property, PropertyMapping, Source, UseCase
from nsm_pipeline.weeks import WEEK, Calendar

LANDED = {
    "week": "date",
    "event_name": "string",
    "occurred_at": "timestamp(6)",
    "account_id": "string",
    "user_id": "string",
    "properties": "string",
}
IBIS_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "boolean", "date": "date"}

# Beyond these a converted value is no number of its type, and counts as missing.
LARGEST = {"integer": 9.2e18, "number": sys.float_info.max}


@ibis.udf.scalar.builtin(name="json_extract_string")  # type: ignore[untyped-decorator]
def json_texts(document: str, pointers: list[str]) -> list[str]:  # type: ignore[empty-body]
    """DuckDB's `json_extract_string`: the texts at some JSON pointers, null where there is none. All at once: it
    parses the document anew at every call, and that is most of what a week of events costs."""


@dataclass(frozen=True)
class ActiveSource:
    """A source in force in a week; bounds (naive UTC) are set only where they fall inside the week."""

    event: str
    source: Source
    rank: int
    since: datetime | None
    until: datetime | None

    def key(self) -> tuple[object, ...]:
        properties = {name: mapping.model_dump() for name, mapping in self.source.properties.items()}
        return (self.event, self.source.name, self.rank, str(self.since), str(self.until), properties)

    def matches(self, landed: ir.Table) -> ir.BooleanValue:
        condition = landed.event_name == self.source.name
        if self.since is not None:
            condition &= landed.occurred_at >= ibis.literal(self.since)
        if self.until is not None:
            condition &= landed.occurred_at < ibis.literal(self.until)
        return condition


@dataclass(frozen=True)
class Mapping:
    """How one use case's canonical events come out of the landed rows of one week."""

    use_case: UseCase
    sources: tuple[ActiveSource, ...]

    def definition(self) -> dict[str, Any]:
        """What decides the outcome, as plain data: equal for two weeks exactly where the mapping is."""
        events = {source.event for source in self.sources}
        return {
            "sources": sorted((source.key() for source in self.sources), key=str),
            "same": {name: self.use_case.events[name].same for name in sorted(self.reconciled())},
            "properties": {
                name: {
                    key: (declared.type, sorted(map(str, declared.missing)))
                    for key, declared in self.use_case.events[name].properties.items()
                }
                for name in sorted(events)
            },
            "columns": declared_properties(self.use_case),
        }

    def reconciled(self) -> list[str]:
        """Events of which copies from several sources can meet in this week."""
        sent = [source.event for source in self.sources]
        return [name for name, event in self.use_case.events.items() if event.same and sent.count(name) > 1]

    def mapped(self, landed: ir.Table) -> ir.BooleanValue:
        """Whether a landed row is one of the use case's canonical events."""
        condition: ir.BooleanValue = ibis.literal(False)
        for source in self.sources:
            condition |= source.matches(landed)
        return condition

    def matched(self, landed: ir.Table) -> ir.Table:
        """Landed rows with their canonical `event` and the `source` (position) they came from."""
        position = ibis.cases(*((source.matches(landed), place) for place, source in enumerate(self.sources)))
        rows = landed.mutate(source=position).filter(lambda t: t.source.notnull())
        event = ibis.cases(*((rows.source == place, source.event) for place, source in enumerate(self.sources)))
        return rows.mutate(event=event)

    def usage_events(self, landed: ir.Table, snapshot: ir.Table, attributes: dict[str, str]) -> ir.Table:
        """The week's canonical events: week, use_case, event, occurred_at, account_id, user_id, is_internal, the
        account's attributes and one column per declared property. One row per fact."""
        if not self.sources:
            return self._none(landed, snapshot, attributes)
        rows = self.matched(landed)
        if names := self._sent_names():
            rows = rows.mutate(texts=json_texts(rows.properties, [_pointer(name) for name in names]))
        properties = {
            name: self._property(rows, name, kind) for name, kind in declared_properties(self.use_case).items()
        }
        rows = rows.mutate(**{f"p_{name}": value for name, value in properties.items()})
        rows = self._reconcile(rows)
        return self._finish(rows, snapshot, attributes)

    def _none(self, landed: ir.Table, snapshot: ir.Table, attributes: dict[str, str]) -> ir.Table:
        empty = landed.filter(ibis.literal(False)).mutate(event=ibis.null("string"))
        columns = declared_properties(self.use_case)
        empty = empty.mutate(**{f"p_{name}": ibis.null(IBIS_TYPES[kind]) for name, kind in columns.items()})
        return self._finish(empty, snapshot, attributes)

    def _finish(self, rows: ir.Table, snapshot: ir.Table, attributes: dict[str, str]) -> ir.Table:
        # Attributes may be called like a landed column: they get names of their own for the join.
        known = snapshot.select("account_id", "is_internal", **{f"a_{name}": snapshot[name] for name in attributes})
        joined = rows.left_join(known, "account_id")
        return joined.select(
            week=joined.week,
            use_case=ibis.literal(self.use_case.use_case),
            event=joined.event,
            occurred_at=joined.occurred_at,
            account_id=joined.account_id,
            user_id=joined.user_id,
            is_internal=joined.is_internal.fill_null(False),
            **{name: joined[f"a_{name}"] for name in attributes},
            **{name: joined[f"p_{name}"] for name in declared_properties(self.use_case)},
        )

    def _sent_names(self) -> list[str]:
        """Names under which the active sources send the declared properties."""
        return sorted(
            {
                _mapping(source, name).source
                for source in self.sources
                for name in self.use_case.events[source.event].properties
            }
        )

    def _property(self, rows: ir.Table, name: str, kind: str) -> ir.Value:
        """One property's column: each source's own spelling, for the events that declare it."""
        branches: dict[tuple[str, float | None, float | None, tuple[object, ...]], list[int]] = {}
        for place, source in enumerate(self.sources):
            declared = self.use_case.events[source.event].properties.get(name)
            if declared is None:
                continue
            mapping = _mapping(source, name)
            key = (mapping.source, mapping.divide_by, mapping.multiply_by, tuple(map(_literal, declared.missing)))
            branches.setdefault(key, []).append(place)
        if not branches:
            return ibis.null(IBIS_TYPES[kind])
        names = self._sent_names()
        return ibis.cases(
            *(
                (
                    rows.source.isin(places),
                    _convert(rows.texts[names.index(sent)], kind, divide_by, multiply_by, missing),
                )
                for (sent, divide_by, multiply_by, missing), places in branches.items()
            )
        )

    def _reconcile(self, rows: ir.Table) -> ir.Table:
        """Drop a copy where a more preferred source sent the same fact; rows of one source never drop each other."""
        names = self.reconciled()
        if not names:
            return rows
        ranks = ibis.cases(*((rows.source == place, source.rank) for place, source in enumerate(self.sources)))
        rows = rows.mutate(rank=ranks)
        for name in names:
            keys = [key.replace("properties.", "p_") for key in self.use_case.events[name].same]
            best = rows["rank"].min().over(group_by=["event", *keys])
            known: ir.BooleanValue = ibis.literal(True)
            for key in keys:
                known &= rows[key].notnull()
            copy = (rows.event == name) & known & (rows["rank"] > best)
            rows = rows.mutate(copy=copy).filter(lambda t: ~t["copy"]).drop("copy")
        return rows.drop("rank")


def declared_properties(use_case: UseCase) -> dict[str, str]:
    """Property columns of a use case's usage events, by name and type, in order of name."""
    return dict(
        sorted(
            (name, declared.type) for event in use_case.events.values() for name, declared in event.properties.items()
        )
    )


def mapping_in(use_case: UseCase, week: date, calendar: Calendar) -> Mapping:
    """The mapping in force in a week: sources whose dates overlap it, cut where they begin or end inside it."""
    active = []
    for name, event in use_case.events.items():
        # The preferred source wins; without one the source listed last, which is the newest.
        order = sorted(range(len(event.sources)), key=lambda place: (not event.sources[place].preferred, -place))
        for place, source in enumerate(event.sources):
            starts_before_end = source.since is None or source.since < week + WEEK
            ends_after_start = source.until is None or source.until > week
            if starts_before_end and ends_after_start:
                since = calendar.instant(source.since) if source.since and source.since > week else None
                until = calendar.instant(source.until) if source.until and source.until < week + WEEK else None
                active.append(ActiveSource(name, source, order.index(place), since, until))
    return Mapping(use_case, tuple(active))


def _mapping(source: ActiveSource, name: str) -> PropertyMapping:
    """How a source spells a property: as mapped, else by its canonical name."""
    return source.source.properties.get(name) or PropertyMapping(**{"from": name})


def _pointer(name: str) -> str:
    """The JSON pointer of a top-level name, which may hold any character."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _convert(
    text: ir.Value, kind: str, divide_by: float | None, multiply_by: float | None, missing: tuple[object, ...]
) -> ir.Value:
    factors = divide_by is not None or multiply_by is not None
    value: ir.Value = text if kind == "string" else text.try_cast("float64" if factors else IBIS_TYPES[kind])
    if divide_by is not None:
        value = value / divide_by
    if multiply_by is not None:
        value = value * multiply_by
    if kind in LARGEST and (factors or kind == "number"):
        # Words like "NaN" and "inf" are numbers to DuckDB; one of them would spoil every sum.
        value = ibis.ifelse(value.abs() <= LARGEST[kind], value, None)
        value = value.round() if kind == "integer" else value
    for marker in missing:
        value = value.nullif(ibis.literal(marker))
    return value


def _literal(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def invalid(column: ir.Value, declared: Property) -> ir.BooleanValue:
    """Whether a value is present and outside what the property accepts."""
    outside: ir.BooleanValue = ibis.literal(False)
    if declared.one_of is not None:
        outside |= column.notin(list(declared.one_of))
    if declared.minimum is not None:
        outside |= column < declared.minimum
    if declared.maximum is not None:
        outside |= column > declared.maximum
    return column.notnull() & outside
