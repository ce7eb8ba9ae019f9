"""What the pipeline is measured against: one plain DuckDB script that computes the same numbers.

What belongs here: the sample's events and the packaged metrics, spelled out in SQL by hand, as fast and as small as it
comes (`plain_sql` has the statements). What does not: anything of `nsm_pipeline`; landed rows, ledger, gates,
certificates, versions. It trusts the sample: three formats, and bad rows in JSON lines only.

    python plain.py HOME OUTPUT [MEMORY_LIMIT]

OUTPUT gets metrics.parquet, account_weeks_<use case>.parquet and growth.parquet.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import plain_sql as sql

CHUNK = 13  # weeks at once: few enough for the memory, many enough that planning costs nothing
PASSES = 8  # over the ids, to find those that stand twice in an eighth of the memory


def load(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """All files into one typed table, in order of arrival; a file that can't be read is left out."""
    connection.execute(sql.EVENTS)
    for file in sorted(landing.rglob("*")):
        statement = next((text for ending, text in sql.LOAD.items() if file.name.endswith(ending)), None)
        if file.is_file() and statement is not None:
            try:
                connection.execute(statement, {"file": str(file)})
            except duckdb.Error as error:
                print(f"left out {file.name} of {file.parent.name}: {str(error).splitlines()[0]}", file=sys.stderr)


def drop_duplicates(connection: duckdb.DuckDBPyConnection) -> None:
    """Of the rows with one event_id the earliest received stays."""
    connection.execute("CREATE TEMP TABLE repeated (id UBIGINT)")
    for number in range(PASSES):
        connection.execute(sql.REPEATED, {"passes": PASSES, "number": number})
    connection.execute(sql.DROP_LOSERS)


def compute(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Everything that needs the events, for a few weeks at a time."""
    weeks = {"first": first, "last": last}
    connection.execute(sql.SNAPSHOT, weeks)
    connection.execute(sql.CHUNK, weeks)
    for statement in (sql.PER_ACCOUNT, sql.TOTALS, sql.SEATS, sql.PEOPLE, sql.MEDIANS, *sql.ACCOUNT_WEEKS.values()):
        connection.execute(statement)


def main(home: Path, output: Path, memory_limit: str = "1GB") -> None:
    """The whole of it: files in, Parquet out."""
    output.mkdir(parents=True, exist_ok=True)
    settings = (home / "playbook" / "settings.yaml").read_text(encoding="utf-8")
    today = date.fromisoformat(settings.split("as_of:")[1].split()[0])
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        config: dict[str, str | int] = {"threads": 2, "memory_limit": memory_limit}
        connection = duckdb.connect(str(Path(scratch) / "events.duckdb"), config=dict(config))
        load(connection, home / "landing" / "usage_events")
        drop_duplicates(connection)
        connection.execute(sql.SNAPSHOTS, {"files": str(home / "landing" / "accounts" / "as_of=*" / "*.csv")})
        connection.execute(sql.WEEKS, {"today": today})
        for statement in sql.RESULTS:
            connection.execute(statement)
        weeks = [week for (week,) in connection.execute("SELECT week FROM weeks ORDER BY week").fetchall()]
        for start in range(0, len(weeks), CHUNK):
            compute(connection, weeks[start], weeks[min(start + CHUNK, len(weeks)) - 1])
        connection.execute(sql.METRICS)
        connection.execute(sql.GROWTH)
        for table in ("metrics", "growth", *(f"account_weeks_{name}" for name in sql.ACCOUNT_WEEKS)):
            connection.execute(f"COPY {table} TO '{output / table}.parquet' (FORMAT parquet)")
        connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
