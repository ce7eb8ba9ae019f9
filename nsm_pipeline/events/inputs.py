"""What a week of events is made from: landed parts, duplicates, snapshot, definitions, as fingerprints.

What belongs here: everything about a week that follows from ledger and playbook without reading events. What does
not: building the week (`usage`, `evidence`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from nsm_pipeline.events.accounts import STANDARD, snapshot_of
from nsm_pipeline.events.copies import COPIES_VERSION
from nsm_pipeline.events.duplicates import losers_file
from nsm_pipeline.events.instrumentation import Mapping, mapping_in
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.events.quality import QUALITY_VERSION
from nsm_pipeline.lake import Document, Lake, digest
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.models import UseCase

USAGE_VERSION = 4
EVIDENCE_VERSION = 2
EVIDENCE = "evidence"


def by_week(found: pa.Table) -> dict[date, list[dict[str, Any]]]:
    """Rows of a query's result by their column `week`."""
    rows: dict[date, list[dict[str, Any]]] = {}
    for row in found.to_pylist():
        rows.setdefault(row.pop("week"), []).append(row)
    return rows


@dataclass
class WeekInputs:
    """One ledger and playbook, and what every week is made from under them. Safe to use from several workers."""

    lake: Lake
    ledger: Ledger
    playbook: Playbook
    _compiled_sql: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _compiling: Lock = field(default_factory=Lock)
    _mappings: dict[tuple[str, date], Mapping] = field(default_factory=dict)
    _fingerprints: dict[tuple[str, str, date], str] = field(default_factory=dict)
    _snapshots: dict[tuple[date, str] | None, pa.Table] = field(default_factory=dict)
    _contents: dict[date, list[str]] | None = None
    _sent_names: list[str] | None = None
    _aside: Counter[date] | None = None

    def compiled(self, key: str, compile_: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Queries under a key, compiled once per run and not per week: Ibis takes longer than a small week."""
        with self._compiling:
            if key not in self._compiled_sql:
                self._compiled_sql[key] = compile_()
            return self._compiled_sql[key]

    def mapping(self, use_case: UseCase, week: date) -> Mapping:
        key = (use_case.use_case, week)
        if key not in self._mappings:
            self._mappings[key] = mapping_in(use_case, week, self.playbook.calendar, self.sent_names())
        return self._mappings[key]

    def parts(self, *weeks: date) -> list[tuple[date, str]]:
        """Landed parts (UTC week, content id) that hold some weeks' rows, by UTC week and in the order of their files'
        paths: the order of a week's rows follows from what is said of it alone."""
        if self._contents is None:
            contents: dict[date, list[str]] = {}
            for key in self.ledger.active("events"):
                for day in self.ledger.contents[key].parts:
                    contents.setdefault(day, []).append(key)
            self._contents = contents
        days = sorted({day for week in weeks for day in self.playbook.calendar.utc_weeks(week)})
        return [(day, key) for day in days for key in self._contents.get(day, ())]

    def files(self, parts: Iterable[tuple[date, str]]) -> list[str]:
        return [str(self.lake.file("landed_events", *part)) for part in parts]

    def rows(self, week: date) -> int:
        """Landed rows of a week's parts, from the ledger."""
        return sum(self.ledger.contents[key].parts[day] for day, key in self.parts(week))

    def sent_names(self) -> list[str]:
        """Names under which some use case's events are or were sent; a name's place here is its `sent`."""
        if self._sent_names is None:
            events = [event for use_case in self.playbook.use_cases.values() for event in use_case.events.values()]
            self._sent_names = sorted({source.name for event in events for source in event.sources})
        return self._sent_names

    def losers(self, week: date) -> list[str]:
        """Files of the rows that lost to another row of their event_id, of the week's UTC weeks."""
        days = self.playbook.calendar.utc_weeks(week)
        return [file for day in days if (file := losers_file(self.lake, self.ledger, day))]

    def _landing(self, week: date, names: Collection[str] | None = None) -> Document:
        """Everything of the landing zone that a week is made from; where `names` are given, for rows with one of these
        event names."""
        calendar, ledger = self.playbook.calendar, self.ledger
        landed: dict[str, list[str]] = {}
        for day, key in self.parts(week):
            if names is None or ledger.contents[key].may_hold(day, names):
                landed.setdefault(str(day), []).append(key)
        days = calendar.utc_weeks(week)
        lost = {day: ledger.losers.get(day) if names is None else ledger.lost_with(day, names) for day in days}
        chosen = snapshot_of(ledger, week)
        return {
            "landed": landed,
            "duplicates": {str(day): found for day, found in lost.items() if found},
            "bounds": list(map(str, calendar.bounds(week))),
            "snapshot": None if chosen is None else list(map(str, chosen)),
        }

    def made_from(self, use_case: UseCase, week: date) -> Document:
        """What one use case's usage events in a week are made from: `landed` (content ids by UTC week, in reading
        order), `duplicates` (digest of the settled ones by UTC week), `bounds` (naive UTC), `snapshot` (day and digest,
        or null), `mapping` (digest of the definition), `code`.

        Of landed parts and duplicates only those that hold an event name which a source in force in the week has: the
        other use cases' rows leave it alone.
        """
        names = {source.source.name for source in self.mapping(use_case, week).sources}
        return {"code": USAGE_VERSION, **self._landing(week, names), "mapping": self.definition(use_case, week)}

    def fingerprint(self, use_case: UseCase, week: date) -> str:
        """Of one use case's usage events in a week."""
        key = ("usage", use_case.use_case, week)
        return self._once(key, lambda: digest(self.made_from(use_case, week)))

    def evidence_made_from(self, week: date) -> Document:
        """What a week's evidence is made from: as above, of rows with any name, and the rows set aside."""
        uses = {name: self.fingerprint(use_case, week) for name, use_case in self.playbook.use_cases.items()}
        return {
            "code": EVIDENCE_VERSION,
            **self._landing(week),
            "usage": uses,
            "quarantined": self.quarantined(week),
            "late_after_days": self.playbook.settings.late_after_days,
        }

    def evidence_fingerprint(self, week: date) -> str:
        return self._once(("evidence", "", week), lambda: digest(self.evidence_made_from(week)))

    def quality_made_from(self, use_case: UseCase, week: date) -> Document:
        """What a use case's event quality in a week is made from: its usage events and the declared ranges."""
        ranges = {
            name: {key: [p.one_of, p.minimum, p.maximum] for key, p in event.properties.items()}
            for name, event in use_case.events.items()
        }
        return {"code": QUALITY_VERSION, "usage": self.fingerprint(use_case, week), "ranges": digest(ranges)}

    def quality_fingerprint(self, use_case: UseCase, week: date) -> str:
        key = ("quality", use_case.use_case, week)
        return self._once(key, lambda: digest(self.quality_made_from(use_case, week)))

    def definition(self, use_case: UseCase, week: date) -> str:
        """Digest of the mapping in force in a week."""
        key = ("definition", use_case.use_case, week)
        return self._once(key, lambda: digest(self.mapping(use_case, week).definition()))

    def _once(self, key: tuple[str, str, date], compute: Callable[[], str]) -> str:
        """A fingerprint, computed once: ledger and playbook do not change under an open step."""
        found = self._fingerprints.get(key)
        if found is None:
            found = self._fingerprints[key] = compute()
        return found

    def stale(self, week: date) -> list[str]:
        """Names of the week's tables (a use case, or EVIDENCE) that are missing or made from something else."""
        return [name for name in (*self.playbook.use_cases, EVIDENCE) if self.is_stale(name, week)]

    def is_stale(self, name: str, week: date) -> bool:
        """Whether a week's table of `stale` is missing or made from something else."""
        if name == EVIDENCE:
            return self.lake.fingerprint("week_evidence", week) != self.evidence_fingerprint(week)
        use_case = self.playbook.use_cases[name]
        return (
            self.lake.fingerprint("usage_events", name, week) != self.fingerprint(use_case, week)
            or self.lake.fingerprint("event_quality", name, week) != self.quality_fingerprint(use_case, week)
            or (
                self.has_copies(use_case, week)
                and self.lake.fingerprint("source_copies", name, week) != self.copies_fingerprint(use_case, week)
            )
        )

    def has_copies(self, use_case: UseCase, week: date) -> bool:
        """Whether copies of a dual run can meet in a week: only then there is a file of `source_copies`."""
        return bool(self.mapping(use_case, week).reconciled())

    def beside(self, use_case: UseCase, week: date) -> tuple[str, ...]:
        """Tables that are written with a use case's usage events of a week."""
        return ("event_quality", "source_copies") if self.has_copies(use_case, week) else ("event_quality",)

    def copies_made_from(self, use_case: UseCase, week: date) -> Document:
        """What a use case's copies in a week are made from: the same as its usage events."""
        return {"code": COPIES_VERSION, "usage": self.fingerprint(use_case, week)}

    def copies_fingerprint(self, use_case: UseCase, week: date) -> str:
        return digest(self.copies_made_from(use_case, week))

    def quarantined(self, week: date) -> int:
        """Rows set aside that count for a week: by their UTC week's Monday."""
        if self._aside is None:
            aside: Counter[date] = Counter()
            for key in self.ledger.active("events"):
                for day, count in self.ledger.contents[key].quarantined_by_week.items():
                    aside[self.playbook.calendar.week_of_day(day)] += count
            self._aside = aside
        return self._aside[week]

    def snapshot(self, connection: duckdb.DuckDBPyConnection, week: date) -> pa.Table:
        """Accounts as the week sees them: account_id, is_internal and the typed attributes."""
        chosen = snapshot_of(self.ledger, week)
        if chosen in self._snapshots:
            return self._snapshots[chosen]
        attributes = self.playbook.attributes()
        table = STANDARD.empty_table()
        if chosen is not None:
            table = self.lake.read("accounts", *chosen)
        for name, kind in self.playbook.settings.account_attributes.items():
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
            connection.register("attribute", table.select([name]).rename_columns(["value"]))
            sql_type = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}[kind]
            typed = connection.execute(f"SELECT try_cast(value AS {sql_type}) AS value FROM attribute").to_arrow_table()
            table = table.set_column(table.column_names.index(name), name, typed["value"])
        self._snapshots[chosen] = table.select(["account_id", "is_internal", *attributes])
        return self._snapshots[chosen]
