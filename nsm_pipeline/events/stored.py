"""Stored usage events of some weeks, opened for queries.

What belongs here: tables and views over stored weeks. What does not: building them (`usage`), what is asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from nsm_pipeline.events.inputs import WeekInputs
from nsm_pipeline.playbook.models import UseCase


class StoredEvents(WeekInputs):
    """Reads `usage_events/<use case>/<week>`; may be called from several workers at once, each with its own
    connection."""

    def load(
        self,
        connection: duckdb.DuckDBPyConnection,
        use_case: UseCase,
        weeks: Sequence[date],
        properties: Sequence[str] | None = None,
    ) -> None:
        """Create `usage` and `snapshot` from what is stored, as they are while weeks are built; of the properties only
        those that are wanted. It is read once: another run may write the weeks anew meanwhile."""
        columns = "*"
        if properties is not None:
            columns = f"event, occurred_at, account_id, is_internal{_columns(properties)}"
        connection.register("snapshot", self.snapshot(connection, weeks[0]))
        files = [str(self.lake.file("usage_events", use_case.use_case, week)) for week in weeks]
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE loaded AS
            SELECT ($weeks::DATE[])[file_index::BIGINT + 1] AS week, {columns} FROM read_parquet($files)""",
            {"files": files, "weeks": list(weeks)},
        )
        connection.execute("CREATE OR REPLACE TEMP VIEW usage AS FROM loaded")

    def load_around(
        self,
        connection: duckdb.DuckDBPyConnection,
        use_case: UseCase,
        week: date,
        weeks: Sequence[date],
        events: Sequence[str],
        properties: Sequence[str],
    ) -> None:
        """Create the tables `events`, some canonical events of some weeks with those of their properties that are
        wanted, and `snapshot`, the accounts as `week` sees them; internal is who is so by then."""
        connection.register("snapshot", self.snapshot(connection, week))
        files = [str(self.lake.file("usage_events", use_case.use_case, one)) for one in weeks]
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE events AS SELECT ($weeks::DATE[])[file_index::BIGINT + 1] AS week,
                occurred_at, event, account_id,
                account_id IN (SELECT account_id FROM snapshot WHERE is_internal) AS is_internal{_columns(properties)}
            FROM read_parquet($files) WHERE event IN (SELECT unnest($events::VARCHAR[]))""",
            {"files": files, "weeks": list(weeks), "events": list(events)},
        )

    def view_around(
        self,
        connection: duckdb.DuckDBPyConnection,
        view: str,
        use_case: UseCase,
        weeks: Sequence[date],
        properties: Sequence[str],
    ) -> None:
        """Create a view of stored usage events of some weeks, which are read when it is asked, with those of their
        properties that are wanted; of none of them it is known whether the account is internal."""
        files = [self.lake.file("usage_events", use_case.use_case, one) for one in weeks]
        connection.execute(
            f"""CREATE OR REPLACE TEMP VIEW {view} AS SELECT {week_of_file(weeks)} AS week, occurred_at,
                event, account_id, false AS is_internal{_columns(properties)}
            FROM read_parquet([{listed(files)}])"""
        )

    def first_events(
        self,
        connection: duckdb.DuckDBPyConnection,
        use_case: UseCase,
        weeks: Sequence[date],
        sql: str,
        seen_from: date | None,
    ) -> pa.Table:
        """Answer of a query over the view `history`, all usage events of some weeks, and `snapshot`, the accounts as
        the week `seen_from` sees them."""
        if seen_from is not None:
            connection.register("snapshot", self.snapshot(connection, seen_from))
        files = [self.lake.file("usage_events", use_case.use_case, one) for one in weeks]
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW history AS SELECT NULL::DATE AS week, * FROM read_parquet([{listed(files)}])"
        )
        return connection.execute(sql).to_arrow_table()


def week_of_file(weeks: Sequence[date]) -> str:
    """SQL of the week of a file that is read among others, one for each week."""
    days = ", ".join(f"DATE '{week}'" for week in weeks)
    return f"([{days}])[file_index::BIGINT + 1]"


def listed(files: Sequence[Path]) -> str:
    return ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)


def _columns(wanted: Sequence[str]) -> str:
    """Further columns of a SELECT over usage events; users are not read where nothing asks for them."""
    user = ", NULL::VARCHAR AS user_id" if "user_id" not in wanted else ""
    return user + "".join(f', "{name}"' for name in wanted)
