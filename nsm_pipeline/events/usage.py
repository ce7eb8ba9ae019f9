"""Landed rows of one week → its usage events per use case, and the evidence the gates will judge.

What belongs here: the weekly step on events, and its fingerprints. What does not: what an event means
(`instrumentation`), metrics.

Tables, per week: `usage_events/<use case>/<week>` (see Mapping.usage_events), `event_quality/<use case>/<week>`
(event, property, rows, internal, missing, invalid, copies), `week_evidence/<week>` (one row of counts) and
`unmapped_events/<week>` (event_name, rows, late).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from threading import Lock

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.accounts import STANDARD, snapshot_of
from nsm_pipeline.events.duplicates import losers_file
from nsm_pipeline.events.instrumentation import IBIS_TYPES, LANDED, Mapping, declared_properties, invalid, mapping_in
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.lake import FINGERPRINT, Lake, digest, replacing
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.models import UseCase

USAGE_VERSION = 1
QUALITY = pa.schema(
    [
        ("event", pa.string()),
        ("property", pa.string()),
        *((name, pa.int64()) for name in ("rows", "internal", "missing", "invalid", "copies")),
    ]
)
EVIDENCE = pa.schema(
    [
        ("week", pa.date32()),
        *((name, pa.int64()) for name in ("landed", "duplicate", "conflict", "quarantined", "accepted")),
        *((name, pa.int64()) for name in ("late", "unmapped", "internal")),
        ("snapshot", pa.date32()),
    ]
)
UNMAPPED = pa.schema([("week", pa.date32()), ("event_name", pa.string()), ("rows", pa.int64())])


@dataclass
class UsageStep:
    """The weekly step over one ledger and playbook; `run` may be called from several workers at once."""

    lake: Lake
    ledger: Ledger
    playbook: Playbook
    _sql: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    _mapped_sql: dict[str, str] = field(default_factory=dict)
    _compiling: Lock = field(default_factory=Lock)
    _mappings: dict[tuple[str, date], Mapping] = field(default_factory=dict)
    _fingerprints: dict[tuple[str, str, date], str] = field(default_factory=dict)
    _active: dict[str, str] | None = None
    _aside: Counter[date] | None = None

    def mapping(self, use_case: UseCase, week: date) -> Mapping:
        key = (use_case.use_case, week)
        if key not in self._mappings:
            self._mappings[key] = mapping_in(use_case, week, self.playbook.calendar)
        return self._mappings[key]

    def _parts(self, week: date) -> list[tuple[date, str]]:
        if self._active is None:
            self._active = self.ledger.active("events")
        weeks = self.playbook.calendar.utc_weeks(week)
        return [(day, key) for key in self._active for day in weeks if day in self.ledger.contents[key].parts]

    def _landing(self, week: date) -> object:
        """Everything of the landing zone that a week is made from, as plain data."""
        calendar = self.playbook.calendar
        losers = [self.ledger.losers.get(day) for day in calendar.utc_weeks(week)]
        parts = [(str(day), key) for day, key in self._parts(week)]
        return [parts, losers, list(map(str, calendar.bounds(week))), snapshot_of(self.ledger, week)]

    def fingerprint(self, use_case: UseCase, week: date) -> str:
        """Of one use case's usage events in a week: landed parts, duplicates, snapshot, definition, code."""
        return self._once(("usage", use_case.use_case, week), lambda: self._fingerprint(use_case, week))

    def _fingerprint(self, use_case: UseCase, week: date) -> str:
        definition = self._definition(use_case, week)
        return digest(USAGE_VERSION, self._landing(week), definition, self.playbook.attributes())

    def evidence_fingerprint(self, week: date) -> str:
        """Of a week's evidence: as above, over every use case, and the rows set aside."""
        return self._once(("evidence", "", week), lambda: self._evidence_fingerprint(week))

    def _evidence_fingerprint(self, week: date) -> str:
        uses = [self.fingerprint(use_case, week) for use_case in self.playbook.use_cases.values()]
        return digest(uses, self._landing(week), self._quarantined(week), self.playbook.settings.late_after_days)

    def quality_fingerprint(self, use_case: UseCase, week: date) -> str:
        """Of a use case's event quality in a week: its usage events and the declared ranges."""
        return self._once(("quality", use_case.use_case, week), lambda: self._quality_fingerprint(use_case, week))

    def _quality_fingerprint(self, use_case: UseCase, week: date) -> str:
        ranges = {
            name: {key: [p.one_of, p.minimum, p.maximum] for key, p in event.properties.items()}
            for name, event in use_case.events.items()
        }
        return digest(self.fingerprint(use_case, week), ranges)

    def _definition(self, use_case: UseCase, week: date) -> str:
        key = ("definition", use_case.use_case, week)
        return self._once(key, lambda: digest(self.mapping(use_case, week).definition()))

    def _once(self, key: tuple[str, str, date], compute: Callable[[], str]) -> str:
        """A fingerprint, computed once: ledger and playbook do not change under an open step."""
        found = self._fingerprints.get(key)
        if found is None:
            found = self._fingerprints[key] = compute()
        return found

    def stale(self, week: date) -> list[str]:
        """Names of the week's tables (a use case, or 'evidence') that are missing or made from something else."""
        found = [
            name
            for name, use_case in self.playbook.use_cases.items()
            if self.lake.fingerprint("usage_events", name, week) != self.fingerprint(use_case, week)
            or self.lake.fingerprint("event_quality", name, week) != self.quality_fingerprint(use_case, week)
        ]
        if self.lake.fingerprint("week_evidence", week) != self.evidence_fingerprint(week):
            found.append("evidence")
        return found

    def _quarantined(self, week: date) -> int:
        """Rows set aside that count for a week: by their UTC week's Monday."""
        if self._aside is None:
            aside: Counter[date] = Counter()
            for key in self.ledger.active("events"):
                for day, count in self.ledger.contents[key].quarantined_by_week.items():
                    aside[self.playbook.calendar.week_of_day(day)] += count
            self._aside = aside
        return self._aside[week]

    def run(self, connection: duckdb.DuckDBPyConnection, week: date, only: frozenset[str]) -> dict[str, int]:
        """Build the week's tables for the use cases (and 'evidence') named in `only`. Returns rows by use case."""
        self._open_landed(connection, week)
        connection.register("snapshot", self.snapshot(connection, week))
        rows = {}
        for name, use_case in self.playbook.use_cases.items():
            if name in only:
                rows[name] = self._write_use_case(connection, use_case, week)
        if "evidence" in only:
            self._write_evidence(connection, week)
        connection.execute("DROP TABLE landed")
        return rows

    def _open_landed(self, connection: duckdb.DuckDBPyConnection, week: date) -> None:
        parts = self._parts(week)
        columns = "event_name, occurred_at, received_at, account_id, user_id, properties"
        if not parts:
            connection.execute(
                """CREATE OR REPLACE TEMP TABLE landed (week DATE, event_name VARCHAR, occurred_at TIMESTAMP,
                received_at TIMESTAMP, account_id VARCHAR, user_id VARCHAR, properties VARCHAR)"""
            )
            return
        start, end = self.playbook.calendar.bounds(week)
        days = self.playbook.calendar.utc_weeks(week)
        losers = [file for day in days if (file := losers_file(self.lake, self.ledger, day))]
        parameters: dict[str, object] = {
            "files": [str(self.lake.file("landed_events", *part)) for part in parts],
            "start": start,
            "end": end,
            "week": week,
        }
        not_lost = ""
        if losers:
            not_lost = """AND NOT EXISTS (SELECT 1 FROM read_parquet($losers, filename = true) loser
                WHERE loser.row = landed.file_row_number AND loser.content = parse_filename(landed.filename, true)
                AND parse_path(loser.filename)[-2] = parse_path(landed.filename)[-2])"""
            parameters["losers"] = losers
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE landed AS SELECT $week::DATE AS week, {columns}
            FROM read_parquet($files, filename = true, file_row_number = true) landed
            WHERE occurred_at >= $start AND occurred_at < $end {not_lost}""",
            parameters,
        )

    def snapshot(self, connection: duckdb.DuckDBPyConnection, week: date) -> pa.Table:
        """Accounts as the week sees them: account_id, is_internal and the typed attributes."""
        attributes = self.playbook.attributes()
        table = STANDARD.empty_table()
        if (chosen := snapshot_of(self.ledger, week)) is not None:
            table = self.lake.read("accounts", *chosen)
        for name, kind in self.playbook.settings.account_attributes.items():
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
            connection.register("attribute", table.select([name]).rename_columns(["value"]))
            sql_type = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}[kind]
            typed = connection.execute(f"SELECT try_cast(value AS {sql_type}) AS value FROM attribute").to_arrow_table()
            table = table.set_column(table.column_names.index(name), name, typed["value"])
        return table.select(["account_id", "is_internal", *attributes])

    def _write_use_case(self, connection: duckdb.DuckDBPyConnection, use_case: UseCase, week: date) -> int:
        name = use_case.use_case
        mapping = self.mapping(use_case, week)
        usage_sql, quality_sql, copies_sql = self._compiled(mapping, use_case, week)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE usage AS {usage_sql}")
        fingerprint = self.fingerprint(use_case, week)
        with replacing(self.lake.file("usage_events", name, week)) as temporary:
            connection.execute(
                "COPY usage TO $file (FORMAT parquet, COMPRESSION snappy, KV_METADATA $metadata)",
                {"file": str(temporary), "metadata": {FINGERPRINT.decode(): fingerprint}},
            )
        wide = connection.execute(quality_sql).to_arrow_table().to_pylist()
        copies = dict(connection.execute(copies_sql).fetchall()) if copies_sql else {}
        quality = _quality_rows(use_case, {str(row["event"]): row for row in wide}, copies)
        table = pa.Table.from_pylist(quality, QUALITY)
        self.lake.write(table, self.quality_fingerprint(use_case, week), "event_quality", name, week)
        connection.execute("DROP TABLE usage")
        return sum(int(str(row["rows"])) for row in quality if row["property"] is None)

    def _compiled(self, mapping: Mapping, use_case: UseCase, week: date) -> tuple[str, str, str]:
        """SQL for usage events, their quality and dual-run copies: compiled once per mapping, not per week."""
        key = digest(use_case.use_case, self._definition(use_case, week))
        with self._compiling:
            if key not in self._sql:
                self._sql[key] = self._compile(mapping, use_case)
            return self._sql[key]

    def _compile(self, mapping: Mapping, use_case: UseCase) -> tuple[str, str, str]:
        landed = ibis.table(LANDED, name="landed")
        attributes = self.playbook.attributes()
        snapshot_schema = {"account_id": "string", "is_internal": "boolean"}
        snapshot_schema |= {name: IBIS_TYPES[kind] for name, kind in attributes.items()}
        snapshot = ibis.table(snapshot_schema, name="snapshot")
        usage = mapping.usage_events(landed, snapshot, attributes)
        copies = ""
        if mapping.reconciled():
            matched = mapping.matched(landed).group_by("event").agg(rows=ibis._.count())
            copies = str(ibis.to_sql(matched, dialect="duckdb"))
        return str(ibis.to_sql(usage, dialect="duckdb")), _quality_sql(use_case), copies

    def _mapped(self, week: date) -> str:
        """SQL that counts the week's landed rows by name and whether any use case maps them."""
        mappings = [self.mapping(use_case, week) for use_case in self.playbook.use_cases.values()]
        key = digest([mapping.definition()["sources"] for mapping in mappings])
        with self._compiling:
            if key not in self._mapped_sql:
                self._mapped_sql[key] = self._compile_mapped(mappings)
            return self._mapped_sql[key]

    def _compile_mapped(self, mappings: list[Mapping]) -> str:
        landed = ibis.table({**LANDED, "received_at": "timestamp(6)"}, name="landed")
        snapshot = ibis.table({"account_id": "string", "is_internal": "boolean"}, name="snapshot")
        internal = snapshot.filter(snapshot.is_internal).account_id
        mapped: ir.BooleanValue = ibis.literal(False)
        for mapping in mappings:
            mapped |= mapping.mapped(landed)
        late_after = ibis.literal(timedelta(days=self.playbook.settings.late_after_days))
        counts = landed.group_by(landed.event_name, mapped=mapped).agg(
            rows=landed.count(),
            late=landed.count(where=landed.received_at > landed.occurred_at + late_after),
            internal=landed.count(where=landed.account_id.isin(internal)),
        )
        return str(ibis.to_sql(counts, dialect="duckdb"))

    def _write_evidence(self, connection: duckdb.DuckDBPyConnection, week: date) -> None:
        counts = connection.execute(self._mapped(week)).to_arrow_table().to_pylist()
        duplicate, conflict = self._lost(connection, week)
        accepted = sum(row["rows"] for row in counts)
        evidence = {
            "week": week,
            "landed": self._landed_rows(connection, week),
            "duplicate": duplicate,
            "conflict": conflict,
            "quarantined": self._quarantined(week),
            "accepted": accepted,
            "late": sum(row["late"] for row in counts),
            "unmapped": sum(row["rows"] for row in counts if not row["mapped"]),
            "internal": sum(row["internal"] for row in counts),
            "snapshot": chosen[0] if (chosen := snapshot_of(self.ledger, week)) else None,
        }
        unmapped = sorted((row["event_name"], row["rows"]) for row in counts if not row["mapped"])
        rows = [{"week": week, "event_name": name, "rows": count} for name, count in unmapped]
        fingerprint = self.evidence_fingerprint(week)
        self.lake.write(pa.Table.from_pylist(rows, UNMAPPED), fingerprint, "unmapped_events", week)
        self.lake.write(pa.Table.from_pylist([evidence], EVIDENCE), fingerprint, "week_evidence", week)

    def _landed_rows(self, connection: duckdb.DuckDBPyConnection, week: date) -> int:
        """Rows of the week's landed parts, duplicates included: from the footers where a part lies in one week."""
        parts = self._parts(week)
        files = [self.lake.file("landed_events", *part) for part in parts]
        if self.playbook.calendar.utc_weeks(week) == (week,):
            return sum(pq.read_metadata(file).num_rows for file in files)
        return self._count_between(connection, week, files)

    def _count_between(self, connection: duckdb.DuckDBPyConnection, week: date, files: list[Path]) -> int:
        if not files:
            return 0
        start, end = self.playbook.calendar.bounds(week)
        found = connection.execute(
            "SELECT count(*) FROM read_parquet($files) WHERE occurred_at >= $start AND occurred_at < $end",
            {"files": list(map(str, files)), "start": start, "end": end},
        ).fetchone()
        return int(found[0]) if found else 0

    def _lost(self, connection: duckdb.DuckDBPyConnection, week: date) -> tuple[int, int]:
        """Losers of the week: all of them, and those with other content than the row that stays."""
        days = self.playbook.calendar.utc_weeks(week)
        files = [file for day in days if (file := losers_file(self.lake, self.ledger, day))]
        if not files:
            return 0, 0
        start, end = self.playbook.calendar.bounds(week)
        found = connection.execute(
            """SELECT count(*), count(*) FILTER (loser.kind = 'conflict')
            FROM read_parquet($losers, filename = true) loser
            JOIN read_parquet($files, filename = true, file_row_number = true) landed
                ON loser.row = landed.file_row_number AND loser.content = parse_filename(landed.filename, true)
                AND parse_path(loser.filename)[-2] = parse_path(landed.filename)[-2]
            WHERE landed.occurred_at >= $start AND landed.occurred_at < $end""",
            {
                "losers": files,
                "files": [str(self.lake.file("landed_events", *part)) for part in self._parts(week)],
                "start": start,
                "end": end,
            },
        ).fetchone()
        return (int(found[0]), int(found[1])) if found else (0, 0)


def _quality_sql(use_case: UseCase) -> str:
    columns = declared_properties(use_case)
    schema = {"event": "string", "is_internal": "boolean", **{name: IBIS_TYPES[kind] for name, kind in columns.items()}}
    usage = ibis.table(schema, name="usage")
    measures = {"rows": usage.count(), "internal": usage.count(where=usage.is_internal)}
    for name in columns:
        outside: ibis.expr.types.BooleanValue = ibis.literal(False)
        for event_name, event in use_case.events.items():
            if name in event.properties:
                outside |= (usage.event == event_name) & invalid(usage[name], event.properties[name])
        measures[f"missing_{name}"] = usage.count(where=usage[name].isnull())
        measures[f"invalid_{name}"] = usage.count(where=outside)
    return str(ibis.to_sql(usage.group_by("event").agg(**measures), dialect="duckdb"))


def _quality_rows(
    use_case: UseCase, counts: MappingOf[str, MappingOf[str, object]], matched: MappingOf[str, int]
) -> list[dict[str, object]]:
    """Long form: a row per declared event (property null) and one per property of it."""
    rows: list[dict[str, object]] = []
    for name, event in use_case.events.items():
        found = counts.get(name, {})
        total = int(str(found.get("rows", 0)))
        shared = {"event": name, "rows": total, "internal": found.get("internal", 0)}
        copies = max(matched.get(name, total) - total, 0)
        rows.append({**shared, "property": None, "missing": 0, "invalid": 0, "copies": copies})
        rows.extend(
            {
                **shared,
                "property": key,
                "missing": found.get(f"missing_{key}", 0),
                "invalid": found.get(f"invalid_{key}", 0),
                "copies": 0,
            }
            for key in event.properties
        )
    return rows
