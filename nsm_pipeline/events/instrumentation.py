"""Canonical events from how they were sent: effective-dated sources, property mappings, dual-run copies.

What belongs here: one use case's mapping in force in one week, as an Ibis expression and as plain data for
fingerprints. What does not: reading or writing weeks (`usage`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from nsm_pipeline.playbook.models import Property, PropertyMapping, Source, UseCase
from nsm_pipeline.weeks import WEEK, Calendar

# Some weeks' landed rows. `sent`: the place of the event name among all names sent, null for a name that no use case
# knows; `event_name`: only such a name; `late`: whether the row was received too long after it happened; `is_internal`:
# whether its account is so in the week's snapshot.
LANDED = {
    "week": "date",
    "sent": "uint16",
    "event_name": "string",
    "late": "boolean",
    "occurred_at": "timestamp(6)",
    "account_id": "string",
    "user_id": "string",
    "is_internal": "boolean",
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
    """A source in force in a week; bounds (naive UTC) are set only where they fall inside the week.

    `sent`: the place of its name among all names sent, by which landed rows are told apart: comparing numbers."""

    event: str
    source: Source
    rank: int
    since: datetime | None
    until: datetime | None
    sent: int

    def key(self, rank: int) -> tuple[object, ...]:
        properties = {name: mapping.model_dump() for name, mapping in sorted(self.source.properties.items())}
        return (self.event, self.source.name, rank, str(self.since), str(self.until), properties)

    def matches(self, landed: ir.Table) -> ir.BooleanValue:
        condition = landed.sent == self.sent
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
            "sources": sorted((source.key(self.place(source)) for source in self.sources), key=str),
            "same": {name: sorted(set(self.use_case.events[name].same)) for name in sorted(self.reconciled())},
            "properties": {
                name: {
                    key: (declared.type, sorted(map(str, declared.missing)))
                    for key, declared in self.use_case.events[name].properties.items()
                }
                for name in sorted(events)
            },
            "columns": declared_properties(self.use_case),
        }

    def place(self, source: ActiveSource) -> int:
        """A source's place among those of its event that are in force, where copies of them can meet; else it has none,
        and the order in which sources are listed means nothing."""
        if source.event not in self.reconciled():
            return 0
        return sorted(one.rank for one in self.sources if one.event == source.event).index(source.rank)

    def reconciled(self) -> list[str]:
        """Events of which copies from several sources can meet in this week."""
        sent = [source.event for source in self.sources]
        return [name for name, event in self.use_case.events.items() if event.same and sent.count(name) > 1]

    def matched(self, landed: ir.Table) -> list[ir.Table]:
        """Landed rows of each source in turn. No row is in two of them: a name means one event at a time."""
        return [landed.filter(source.matches(landed)) for source in self.sources]

    def copies(self, landed: ir.Table) -> ir.Table:
        """Landed rows per week and canonical event, copies included: week, event, rows."""
        pairs = zip(self.sources, self.matched(landed), strict=True)
        events = [rows.select("week", event=ibis.literal(source.event)) for source, rows in pairs]
        return ibis.union(*events).group_by("week", "event").agg(rows=lambda t: t.count())

    def with_keys(self, landed: ir.Table) -> ir.Table:
        """Rows of events whose copies can meet, copies included: event, rank, account_id, user_id, fact (what tells
        facts apart, as a list of texts; null where a row lacks some of it)."""
        parts = []
        for source, rows in zip(self.sources, self.matched(landed), strict=True):
            if source.event in self.reconciled():
                typed = self._rows_of(source, rows)
                keys = [typed[key].cast("string") for key in self._keys(source.event)]
                known = ibis.and_(*(key.notnull() for key in keys))
                fact = ibis.ifelse(known, ibis.array(keys), None)
                parts.append(typed.select("event", "rank", "account_id", "user_id", fact=fact))
        return ibis.union(*parts)

    def _keys(self, event: str) -> list[str]:
        """Columns of `_rows_of` that tell an event's facts apart."""
        return [key.replace("properties.", "p_") for key in self.use_case.events[event].same]

    def usage_events(self, landed: ir.Table) -> ir.Table:
        """The week's canonical events, in the columns of `usage_columns`. One row per fact, source by source, and of a
        source in the order of the landed rows."""
        if self.reconciled():
            landed = landed.mutate(place=landed.rowid())
        pairs = zip(self.sources, self.matched(landed), strict=True)
        # Source by source, so that each is asked for its own properties alone; and like stands by like in the file.
        parts = [self._rows_of(source, rows).mutate(source=number) for number, (source, rows) in enumerate(pairs)]
        rows = self._reconcile(ibis.union(*parts)) if parts else self._none(landed)
        if self.reconciled():
            # Finding copies leaves rows in an order that depends on how many have landed, also under other names.
            rows = rows.order_by("source", "place")
        return rows.select(
            "week",
            "event",
            "occurred_at",
            "account_id",
            "user_id",
            "is_internal",
            **{name: rows[f"p_{name}"] for name in declared_properties(self.use_case)},
        )

    def _none(self, landed: ir.Table) -> ir.Table:
        columns = {
            f"p_{name}": ibis.null(IBIS_TYPES[kind]) for name, kind in declared_properties(self.use_case).items()
        }
        return landed.filter(ibis.literal(False)).mutate(event=ibis.null("string"), **columns)

    def _rows_of(self, source: ActiveSource, rows: ir.Table) -> ir.Table:
        """One source's rows with the canonical event, the source's rank and a column `p_…` per declared property."""
        declared = self.use_case.events[source.event].properties
        sent = sorted({_mapping(source, name).source for name in declared})
        if sent:
            rows = rows.mutate(texts=json_texts(rows.properties, [pointer(name) for name in sent]))
        columns: dict[str, ir.Value] = {}
        for name, kind in declared_properties(self.use_case).items():
            if name in declared:
                mapping = _mapping(source, name)
                text = rows.texts[sent.index(mapping.source)]
                value = _convert(text, kind, mapping, tuple(map(_literal, declared[name].missing)))
            else:
                value = ibis.null(IBIS_TYPES[kind])
            columns[f"p_{name}"] = value
        return rows.select(
            "week",
            "occurred_at",
            "account_id",
            "user_id",
            "is_internal",
            event=ibis.literal(source.event),
            rank=source.rank,
            **({"place": rows.place} if "place" in rows.columns else {}),
            **columns,
        )

    def _reconcile(self, rows: ir.Table) -> ir.Table:
        """Drop a copy where a more preferred source sent the same fact; rows of one source never drop each other."""
        for name in self.reconciled():
            keys = self._keys(name)
            best = rows["rank"].min().over(group_by=["week", "event", *keys])
            known: ir.BooleanValue = ibis.literal(True)
            for key in keys:
                known &= rows[key].notnull()
            copy = (rows.event == name) & known & (rows["rank"] > best)
            rows = rows.mutate(copy=copy).filter(lambda t: ~t["copy"]).drop("copy")
        return rows


def declared_properties(use_case: UseCase) -> dict[str, str]:
    """Property columns of a use case's usage events, by name and type, in order of name."""
    return dict(
        sorted(
            (name, declared.type) for event in use_case.events.values() for name, declared in event.properties.items()
        )
    )


def usage_columns(use_case: UseCase) -> dict[str, str]:
    """Columns of a use case's usage events by name and Ibis type; the declared properties come last. Stored files have
    all but the week, which their path says."""
    properties = {name: IBIS_TYPES[kind] for name, kind in declared_properties(use_case).items()}
    ids = {"account_id": "string", "user_id": "string"}
    return {
        "week": "date",
        "event": "string",
        "occurred_at": "timestamp(6)",
        **ids,
        "is_internal": "boolean",
        **properties,
    }


def mapping_in(use_case: UseCase, week: date, calendar: Calendar, sent_names: Sequence[str]) -> Mapping:
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
                sent = sent_names.index(source.name)
                active.append(ActiveSource(name, source, order.index(place), since, until, sent))
    return Mapping(use_case, tuple(active))


def _mapping(source: ActiveSource, name: str) -> PropertyMapping:
    """How a source spells a property: as mapped, else by its canonical name."""
    return source.source.properties.get(name) or PropertyMapping(**{"from": name})


def pointer(name: str) -> str:
    """The JSON pointer of a top-level name, which may hold any character."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _convert(text: ir.Value, kind: str, mapping: PropertyMapping, missing: tuple[object, ...]) -> ir.Value:
    factors = mapping.divide_by is not None or mapping.multiply_by is not None
    value: ir.Value = text if kind == "string" else text.try_cast("float64" if factors else IBIS_TYPES[kind])
    if mapping.divide_by is not None:
        value = value / mapping.divide_by
    if mapping.multiply_by is not None:
        value = value * mapping.multiply_by
    if kind in LARGEST and (factors or kind == "number"):
        # Words like "NaN" and "inf" are numbers to DuckDB; one of them would spoil every sum.
        value = ibis.ifelse(value.abs() <= LARGEST[kind], value, None)
        value = value.round() if kind == "integer" else value
    for marker in missing:
        value = value.nullif(ibis.literal(marker))
    return value.cast(IBIS_TYPES[kind])


def _literal(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def invalid(column: ir.Value, declared: Property) -> ir.BooleanValue | None:
    """Whether a value is present and outside what the property accepts; None where it accepts every value."""
    outside: list[ir.BooleanValue] = []
    if declared.one_of is not None:
        outside.append(column.notin(list(declared.one_of)))
    if declared.minimum is not None:
        outside.append(column < declared.minimum)
    if declared.maximum is not None:
        outside.append(column > declared.maximum)
    return column.notnull() & ibis.or_(*outside) if outside else None
