"""Landed rows of one week → its usage events per use case, with their quality and evidence.

What belongs here: building a week of events. What does not: what it is made from (`inputs`), what an event means
(`instrumentation`), metrics.

Tables, per week: `usage_events/<use case>/<week>` (see `usage_columns`), `event_quality/<use case>/<week>`
(`quality`), `week_evidence/<week>` and `unmapped_events/<week>` (`evidence`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import duckdb
import ibis
import pyarrow as pa

from nsm_pipeline.events.evidence import write_evidence
from nsm_pipeline.events.inputs import WeekInputs
from nsm_pipeline.events.instrumentation import LANDED, Mapping
from nsm_pipeline.events.quality import QUALITY, quality_rows, quality_sql
from nsm_pipeline.lake import FINGERPRINT, digest, replacing
from nsm_pipeline.playbook.models import UseCase

# A row of the week's parts as one number: the place of its part among them, and its position in the part below.
ROW_BITS = 40
LOST = pa.schema([("row", pa.int64())])
# No dictionaries of ids and no Bloom filters: nobody looks up one row, and they are a seventh of the time to write.
WRITER = """FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v2, WRITE_BLOOM_FILTER false,
    STRING_DICTIONARY_PAGE_SIZE_LIMIT 65536"""
OnUseCase = Callable[[str], None]


class UsageStep(WeekInputs):
    """The weekly step; may be called from several workers at once, each with its own connection."""

    def run(
        self,
        connection: duckdb.DuckDBPyConnection,
        week: date,
        only: frozenset[str],
        also: OnUseCase = lambda _: None,
    ) -> None:
        """Build the week's tables for the use cases (and 'evidence') named in `only`. `also` is called for each of
        these use cases while its events are at hand as the table `usage`, accounts as `snapshot`: what is computed
        then reads no file."""
        self._open_landed(connection, week)
        connection.register("snapshot", self.snapshot(connection, week))
        for name, use_case in self.playbook.use_cases.items():
            if name in only:
                self._build(connection, use_case, week)
                also(name)
                connection.execute("DROP TABLE usage")
        if "evidence" in only:
            write_evidence(self, connection, week)
        connection.execute("DROP TABLE landed")

    def load(self, connection: duckdb.DuckDBPyConnection, use_case: UseCase, week: date) -> None:
        """Create the tables `usage` and `snapshot` from what is stored, as they are while a week is built."""
        connection.register("snapshot", self.snapshot(connection, week))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE usage AS FROM read_parquet($file)",
            {"file": str(self.lake.file("usage_events", use_case.use_case, week))},
        )

    def _open_landed(self, connection: duckdb.DuckDBPyConnection, week: date) -> None:
        columns = "event_name, occurred_at, received_at, account_id, user_id, properties"
        files = self.part_files(week)
        if not files:
            connection.execute(
                """CREATE OR REPLACE TEMP TABLE landed (event_name VARCHAR, occurred_at TIMESTAMP,
                received_at TIMESTAMP, account_id VARCHAR, user_id VARCHAR, properties VARCHAR)"""
            )
            return
        start, end = self.playbook.calendar.bounds(week)
        connection.register("losers", self._losers(week))
        # By the file's place in the list, not by its name, and as one number: an anti-join on two columns, or on names,
        # costs more than reading the rows.
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE landed AS SELECT {columns}
            FROM read_parquet($files, file_row_number = true)
            WHERE occurred_at >= $start AND occurred_at < $end
                AND (file_index::BIGINT << {ROW_BITS}) + file_row_number NOT IN (SELECT row FROM losers)""",
            {"files": files, "start": start, "end": end},
        )

    def _losers(self, week: date) -> pa.Table:
        """Rows of the week's parts that lost to another row of their event_id, as LOST."""
        places = {part: place for place, part in enumerate(self.parts(week))}
        rows: list[int] = []
        for day in self.playbook.calendar.utc_weeks(week):
            if (fingerprint := self.ledger.losers.get(day)) is not None:
                lost = self.lake.read("duplicates", day, fingerprint)
                contents, positions = lost["content"].to_pylist(), lost["row"].to_pylist()
                pairs = zip(contents, positions, strict=True)
                rows += [(places[day, content] << ROW_BITS) + position for content, position in pairs]
        return pa.table({"row": rows}, LOST)

    def _build(self, connection: duckdb.DuckDBPyConnection, use_case: UseCase, week: date) -> None:
        """Create the table `usage` and store it, with its quality."""
        name = use_case.use_case
        mapping = self.mapping(use_case, week)
        key = digest(name, self.definition(use_case, week))
        usage_sql, counts_sql, copies_sql = self.compiled(key, lambda: self._compile(mapping, use_case))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE usage AS {usage_sql}")
        with replacing(self.lake.file("usage_events", name, week)) as temporary:
            connection.execute(
                f"COPY usage TO $file ({WRITER}, KV_METADATA $metadata)",
                {"file": str(temporary), "metadata": {FINGERPRINT.decode(): self.fingerprint(use_case, week)}},
            )
        wide = connection.execute(counts_sql).to_arrow_table().to_pylist()
        copies = dict(connection.execute(copies_sql).fetchall()) if copies_sql else {}
        quality = quality_rows(use_case, {str(row["event"]): row for row in wide}, copies)
        table = pa.Table.from_pylist(quality, QUALITY)
        self.lake.write(table, self.quality_fingerprint(use_case, week), "event_quality", name, week)

    def _compile(self, mapping: Mapping, use_case: UseCase) -> tuple[str, str, str]:
        landed = ibis.table(LANDED, name="landed")
        snapshot = ibis.table({"account_id": "string", "is_internal": "boolean"}, name="snapshot")
        usage = str(ibis.to_sql(mapping.usage_events(landed, snapshot), dialect="duckdb"))
        copies = str(ibis.to_sql(mapping.copies(landed), dialect="duckdb")) if mapping.reconciled() else ""
        return usage, quality_sql(use_case), copies
