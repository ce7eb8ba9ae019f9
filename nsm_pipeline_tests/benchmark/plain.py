"""What the pipeline is measured against: one plain DuckDB script that computes the same numbers.

What belongs here: the sample's events and the packaged metrics, spelled out in SQL by hand, as fast and as small as it
comes (statements: `plain_loading_sql`, `plain_metrics_sql`). What does not: anything of `nsm_pipeline`; landed rows,
ledger, gates, certificates, versions. It trusts the sample: three formats, and bad rows in JSON lines only.

    python plain.py HOME OUTPUT [MEMORY_LIMIT]

OUTPUT gets metrics.parquet, account_weeks_<use case>.parquet and growth.parquet.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import plain_loading_sql as loading
import plain_metrics_sql as metrics

CHUNK = 13  # weeks at once: few enough for the memory, many enough that planning costs nothing
PASSES = 8  # over the ids, to find those that stand twice in an eighth of the memory


def readable(file: Path) -> bool:
    """Whether a Parquet file has its end; one that was cut off would stop the statement for all."""
    if file.suffix != ".parquet":
        return True
    with file.open("rb") as content:
        content.seek(-min(4, file.stat().st_size), os.SEEK_END)
        return content.read() == b"PAR1"


def load(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """All files into one typed table, those of one format in one statement; a cut-off file is left out."""
    connection.execute(loading.EVENTS)
    files = sorted(file for file in landing.rglob("*") if file.is_file())
    for file in (file for file in files if not readable(file)):
        print(f"left out: {file.parent.name}/{file.name}", file=sys.stderr)
    for ending, statement in loading.LOAD.items():
        if chosen := [str(file) for file in files if file.name.endswith(ending) and readable(file)]:
            connection.execute(statement, {"files": chosen})


def drop_duplicates(connection: duckdb.DuckDBPyConnection) -> None:
    """Of the rows with one event_id the earliest received stays."""
    connection.execute("CREATE TEMP TABLE repeated (id UBIGINT)")
    for number in range(PASSES):
        connection.execute(loading.REPEATED, {"passes": PASSES, "number": number})
    connection.execute(loading.DROP_LOSERS)


def compute(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Everything that needs the events, for a few weeks at a time."""
    weeks = {"first": first, "last": last}
    connection.execute(loading.SNAPSHOT, weeks)
    connection.execute(loading.CHUNK, weeks)
    for statement in (
        metrics.PER_ACCOUNT,
        metrics.TOTALS,
        metrics.SEATS,
        metrics.PEOPLE,
        metrics.MEDIANS,
        *metrics.ACCOUNT_WEEKS.values(),
    ):
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
        connection.execute(loading.SNAPSHOTS, {"files": str(home / "landing" / "accounts" / "as_of=*" / "*.csv")})
        connection.execute(loading.WEEKS, {"today": today})
        for statement in metrics.RESULTS:
            connection.execute(statement)
        weeks = [week for (week,) in connection.execute("SELECT week FROM weeks ORDER BY week").fetchall()]
        for start in range(0, len(weeks), CHUNK):
            compute(connection, weeks[start], weeks[min(start + CHUNK, len(weeks)) - 1])
        connection.execute(metrics.METRICS)
        connection.execute(metrics.GROWTH)
        for table in ("metrics", "growth", *(f"account_weeks_{name}" for name in metrics.ACCOUNT_WEEKS)):
            connection.execute(f"COPY {table} TO '{output / table}.parquet' (FORMAT parquet)")
        connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
