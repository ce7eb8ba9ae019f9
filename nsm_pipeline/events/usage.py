"""Landed rows of one week → its usage events per use case, with their quality and evidence.

What belongs here: building a week of events. What does not: what it is made from (`inputs`), what an event means
(`instrumentation`), reading what is stored (`stored`), metrics.

Tables, per week: `usage_events/<use case>/<week>` (see `usage_columns`), `event_quality/<use case>/<week>`
(`quality`), `week_evidence/<week>` and `unmapped_events/<week>` (`evidence`), and where copies of a dual run can meet
`source_copies/<use case>/<week>` (`copies`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa

from nsm_pipeline.events.accounts import snapshot_of
from nsm_pipeline.events.copies import copies_rows, copies_sql
from nsm_pipeline.events.evidence import write_evidence
from nsm_pipeline.events.inputs import EVIDENCE, by_week
from nsm_pipeline.events.instrumentation import LANDED, Mapping
from nsm_pipeline.events.quality import QUALITY, quality_rows, quality_sql, sampled
from nsm_pipeline.events.stored import StoredEvents, listed, week_of_file
from nsm_pipeline.lake import EVENTS_ROW_GROUP, EVENTS_WRITER, digest, replacing, stamps
from nsm_pipeline.playbook.models import UseCase

# A row of the week's parts as one number: the place of its part among them, and its position in the part below.
ROW_BITS = 40
LOST = pa.schema([("row", pa.int64())])
# A use case to which less than one in so many landed rows belongs.
FEW = 4
OnUseCase = Callable[[str], None]
Landed = Counter[tuple[date, int | None]]


class UsageStep(StoredEvents):
    """The weekly step; may be called from several workers at once, each with its own connection.

    It takes several weeks at once where they are alike (`alike`): a query costs as much to prepare as to run over a
    small week.
    """

    def alike(self, week: date) -> tuple[object, ...] | None:
        """What two weeks that are built together have in common; None for a week that is built alone: what the copies
        of a dual run say is measured week by week."""
        use_cases = self.playbook.use_cases.values()
        if any(self.mapping(use_case, week).reconciled() for use_case in use_cases):
            return None
        return (snapshot_of(self.ledger, week), *(self.definition(use_case, week) for use_case in use_cases))

    def run(
        self,
        connection: duckdb.DuckDBPyConnection,
        weeks: Sequence[date],
        only: frozenset[str],
        also: OnUseCase = lambda _: None,
    ) -> None:
        """Build the tables of some consecutive weeks that are alike, for the use cases (and 'evidence') named in
        `only`. `also` is called for each of these use cases while its events are at hand as `usage`, accounts as
        `snapshot`, before they take their place: another run can't have changed what it reads."""
        connection.register("snapshot", self.snapshot(connection, weeks[0]))
        self._open_landed(connection, weeks)
        counts = _rows_landed(connection)
        for name, use_case in self.playbook.use_cases.items():
            if name in only:
                with ExitStack() as written:
                    self._build(connection, use_case, weeks, counts, written)
                    also(name)
                    connection.execute("DROP VIEW usage")
        if EVIDENCE in only:
            write_evidence(self, connection, weeks)
        connection.execute("DROP TABLE landed")

    def _open_landed(self, connection: duckdb.DuckDBPyConnection, weeks: Sequence[date]) -> None:
        """Create the table `landed` (LANDED) of all rows of some consecutive weeks that lost to no other."""
        names = pa.array(self.sent_names(), pa.string())
        connection.register("sent_names", pa.table({"name": names}))
        connection.execute("CREATE OR REPLACE TEMP TYPE sent AS ENUM (SELECT name FROM sent_names)")
        parts = self.parts(*weeks)
        if not parts:
            connection.execute(
                """CREATE OR REPLACE TEMP TABLE landed (week DATE, sent USMALLINT, event_name VARCHAR, late BOOLEAN,
                occurred_at TIMESTAMP, account_id VARCHAR, user_id VARCHAR, is_internal BOOLEAN, properties VARCHAR)"""
            )
            return
        bounds = [self.playbook.calendar.bounds(week) for week in weeks]
        ends = "".join(
            f"WHEN occurred_at < TIMESTAMP '{end}' THEN DATE '{week}' "
            for week, (_, end) in zip(weeks[:-1], bounds, strict=False)
        )
        week = f"CASE {ends} ELSE DATE '{weeks[-1]}' END" if ends else f"DATE '{weeks[-1]}'"
        connection.register("losers", self._losers(parts))
        # By the file's place in the list, not by its name, and as one number: an anti-join on two columns, or on names,
        # costs more than reading the rows.
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE landed AS
            SELECT {week} AS week, sent, CASE WHEN sent IS NULL THEN event_name END AS event_name,
                coalesce(epoch_us(received_at) - epoch_us(occurred_at) > $late, false) AS late, occurred_at, account_id,
                user_id, account_id IN (SELECT account_id FROM snapshot WHERE is_internal) AS is_internal, properties
            FROM (SELECT *, enum_code(try_cast(event_name AS sent))::USMALLINT AS sent, file_index AS place
                FROM read_parquet($files, file_row_number = true))
            WHERE occurred_at >= $start AND occurred_at < $end
                AND (place::BIGINT << {ROW_BITS}) + file_row_number NOT IN (SELECT row FROM losers)""",
            {
                "files": self.files(parts),
                "start": bounds[0][0],
                "end": bounds[-1][1],
                "late": timedelta(days=self.playbook.settings.late_after_days) // timedelta(microseconds=1),
            },
        )

    def _losers(self, parts: Sequence[tuple[date, str]]) -> pa.Table:
        """Rows of some parts that lost to another row of their event_id, as LOST."""
        places = {part: place for place, part in enumerate(parts)}
        rows: list[int] = []
        for day in sorted({day for day, _ in parts}):
            if (fingerprint := self.ledger.losers.get(day)) is not None:
                lost = self.lake.read("duplicates", day, fingerprint)
                contents, positions = lost["content"].to_pylist(), lost["row"].to_pylist()
                pairs = zip(contents, positions, strict=True)
                rows += [(places[day, content] << ROW_BITS) + position for content, position in pairs]
        return pa.table({"row": rows}, LOST)

    def _build(
        self,
        connection: duckdb.DuckDBPyConnection,
        use_case: UseCase,
        weeks: Sequence[date],
        landed: Landed,
        written: ExitStack,
    ) -> None:
        """Write the weeks' usage events, with their quality, and create the view `usage` of them; they take their place
        when `written` ends.

        What is asked of them later reads the files: a table would have to be made first, and that takes longer, for
        DuckDB estimates the distinct values of every column of it.
        """
        name = use_case.use_case
        mapping = self.mapping(use_case, weeks[0])
        key = digest(name, self.definition(use_case, weeks[0]))
        usage_sql, counts_sql, matched_sql, keys_sql = self.compiled(key, lambda: self._compile(mapping, use_case))
        # Events as numbers: every measure asks which event a row is. In files they keep their names.
        connection.register("event_names", pa.table({"name": pa.array(list(use_case.events), pa.string())}))
        connection.execute("CREATE OR REPLACE TEMP TYPE canonical AS ENUM (SELECT name FROM event_names)")
        own = _own_rows(mapping, landed)
        source = _set_apart(connection, mapping, own.total(), landed.total())
        files = []
        for week in weeks:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW own AS FROM {source} WHERE week = DATE '{week}'")
            files.append(written.enter_context(replacing(self.lake.file("usage_events", name, week))))
            self._write(connection, use_case, week, usage_sql, files[-1], own[week] <= EVENTS_ROW_GROUP)
        connection.execute("DROP TABLE IF EXISTS few")
        connection.execute(
            f"""CREATE OR REPLACE TEMP VIEW usage AS SELECT {week_of_file(weeks)} AS week,
                * REPLACE (event::canonical AS event) FROM read_parquet([{listed(files)}])"""
        )
        counts = by_week(connection.execute(counts_sql).to_arrow_table())
        looked_at = sampled(connection, use_case, counts)
        copies = by_week(connection.execute(matched_sql).to_arrow_table()) if matched_sql else {}
        if keys_sql:  # a week in which copies can meet is built alone
            (week,) = weeks
            table = copies_rows(connection, keys_sql, mapping)
            told, said = self.copies_fingerprint(use_case, week), self.copies_made_from(use_case, week)
            self.lake.write(table, told, "source_copies", name, week, made_from=said)
        for week in weeks:
            wide = {str(row["event"]): row for row in counts.get(week, ())}
            some = {str(row["event"]): row for row in looked_at.get(week, ())}
            matched = {str(row["event"]): int(row["rows"]) for row in copies.get(week, ())}
            table = pa.Table.from_pylist(quality_rows(use_case, wide, some, matched), QUALITY)
            quality, said = self.quality_fingerprint(use_case, week), self.quality_made_from(use_case, week)
            self.lake.write(table, quality, "event_quality", name, week, made_from=said)

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        use_case: UseCase,
        week: date,
        sql: str,
        file: Path,
        one_group: bool,
    ) -> None:
        """Write a week of usage events; `one_group`: they are few enough for one row group.

        DuckDB ends a row group where its blocks of rows do. Of rows that lie among other weeks' they are cut short, and
        where a second row group begins would depend on what else is built with the week: such a week becomes a table
        of its own first.
        """
        rows = f"SELECT * EXCLUDE (week) REPLACE (event::canonical AS event) FROM ({sql})"
        if not one_group:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE apart AS {rows}")
            rows = "FROM apart"
        stamp = stamps(self.fingerprint(use_case, week), self.made_from(use_case, week))
        connection.execute(
            f"COPY ({rows}) TO $file ({EVENTS_WRITER}, COMPRESSION snappy, KV_METADATA $stamp)",
            {"file": str(file), "stamp": stamp},
        )
        connection.execute("DROP TABLE IF EXISTS apart")

    def _compile(self, mapping: Mapping, use_case: UseCase) -> tuple[str, str, str, str]:
        landed = ibis.table(LANDED, name="landed")
        # Copies of a dual run are told apart by their place in the table, and their week is built alone.
        own = landed if mapping.reconciled() else ibis.table(LANDED, name="own")
        usage = str(ibis.to_sql(mapping.usage_events(own), dialect="duckdb"))
        if not mapping.reconciled():
            return usage, quality_sql(use_case), "", ""
        matched = str(ibis.to_sql(mapping.copies(landed), dialect="duckdb"))
        return usage, quality_sql(use_case), matched, copies_sql(mapping)


def _rows_landed(connection: duckdb.DuckDBPyConnection) -> Landed:
    """Rows of the table `landed` by week and `sent`."""
    found = connection.execute("SELECT week, sent, count(*) FROM landed GROUP BY week, sent").fetchall()
    return Counter({(week, sent): rows for week, sent, rows in found})


def _own_rows(mapping: Mapping, landed: Landed) -> Counter[date]:
    """Rows by week under names that a use case maps."""
    own = {source.sent for source in mapping.sources}
    rows: Counter[date] = Counter()
    for (week, sent), count in landed.items():
        rows[week] += count if sent in own else 0
    return rows


def _set_apart(connection: duckdb.DuckDBPyConnection, mapping: Mapping, own: int, every: int) -> str:
    """The table that holds the rows a use case maps: `landed`, or where they are few among others `few` with no others,
    for every source reads it all again."""
    if own * FEW > every or mapping.reconciled():  # copies are looked for among all
        return "landed"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE few AS FROM landed WHERE {_is_own(mapping)}")
    return "few"


def _is_own(mapping: Mapping) -> str:
    return f"sent IN ({', '.join(str(sent) for sent in sorted({one.sent for one in mapping.sources})) or 'NULL'})"
