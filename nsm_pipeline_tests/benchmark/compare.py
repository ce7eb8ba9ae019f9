"""Do the plain script's numbers equal the home's? Run as `python compare.py HOME OUTPUT`: 1 where they do not.

What belongs here: the comparison of two sets of Parquet files. What does not: anything of `nsm_pipeline`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

RELATIVE = 1e-9
SHOWN = 5
ROLES = ("north_star", "inputs", "counter_metrics", "outcomes")
METRIC_KEY = ("use_case", "metric", "role", "week", "slice", "slice_value")


def differences(home: Path, output: Path) -> list[str]:
    """What differs between the home's lake and the script's output, in words; empty where nothing does."""
    lake = home / "lake"
    found: list[str] = []
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
        roles = [str(lake / role / "*" / "*.parquet") for role in ROLES]
        found += _compared(connection, "metrics", roles, output / "metrics.parquet", METRIC_KEY)
        use_cases = sorted(folder.name for folder in (lake / "account_weeks").iterdir() if folder.is_dir())
        for name in use_cases:
            theirs = [str(lake / "account_weeks" / name / "*.parquet")]
            table = f"account_weeks_{name}"
            found += _compared(connection, table, theirs, output / f"{table}.parquet", ("week", "account_id"))
        growth = [str(lake / "growth" / f"{name}.parquet") for name in use_cases]
        found += _compared(connection, "growth", growth, output / "growth.parquet", ("use_case", "week"))
    return found


def _compared(
    connection: duckdb.DuckDBPyConnection, table: str, theirs: list[str], file: Path, key: Sequence[str]
) -> list[str]:
    """Differences in one table: rows on one side only, keys that stand twice, values that are not near."""
    if not file.is_file():
        return [f"{table}: the script wrote none"]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pipeline AS FROM read_parquet($files, hive_partitioning = false)",
        {"files": theirs},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE script AS FROM read_parquet($files, hive_partitioning = false)",
        {"files": str(file)},
    )
    types = {side: _types(connection, side) for side in ("pipeline", "script")}
    if not_there := [column for column in types["script"] if column not in types["pipeline"]]:
        return [f"{table}: the home has no {', '.join(not_there)}"]
    found = []
    # Of growth the script has what follows from events; the rest (goal, means) is arithmetic on its own rows.
    missing = [column for column in types["pipeline"] if column not in types["script"] and column != "use_case"]
    if missing and table != "growth":
        found.append(f"{table}: the script has no {', '.join(missing)}")
    keys = ", ".join(key)
    for side in ("pipeline", "script"):
        rows, distinct = _row(connection, f"SELECT count(*), count(DISTINCT ({keys})) FROM {side}")
        if not rows or rows != distinct:
            found.append(f"{table}: {side} has {rows} rows under {distinct} keys")
    wrong = {column: _wrong(column, types["script"][column]) for column in types["script"] if column not in key}
    columns = ", ".join(f"p.{column}, s.{column}" for column in wrong)
    total = 0
    rows_found = connection.execute(
        f"""SELECT {", ".join(f"coalesce(p.{one}, s.{one})" for one in key)}, p.here, s.here, {columns}
        FROM (SELECT *, true AS here FROM pipeline) p FULL JOIN (SELECT *, true AS here FROM script) s
            ON {" AND ".join(f"p.{one} = s.{one}" for one in key)}
        WHERE p.here IS NULL OR s.here IS NULL OR {" OR ".join(wrong.values())} ORDER BY ALL"""
    )
    while row := rows_found.fetchone():
        total += 1
        if total <= SHOWN:
            found.append(f"{table} {_told(row, len(key), list(wrong))}")
    if total > SHOWN:
        found.append(f"{table}: {total - SHOWN} more rows differ")
    return found


def _types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {str(name): str(type_) for name, type_, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    first, second = connection.execute(query).fetchall()[0]
    return int(first), int(second)


def _wrong(column: str, type_: str) -> str:
    """The condition under which a column's two values differ; two nulls do not."""
    differ = f"p.{column} IS DISTINCT FROM s.{column}"
    if type_ not in ("DOUBLE", "BIGINT"):
        return f"({differ})"
    near = f"abs(p.{column} - s.{column}) <= {RELATIVE} * greatest(abs(p.{column}), abs(s.{column}))"
    return f"({differ} AND NOT coalesce({near}, false))"


def _told(row: tuple[object, ...], keys: int, columns: Sequence[str]) -> str:
    name = " ".join(str(part) for part in row[:keys])
    if not (row[keys] and row[keys + 1]):
        return f"{name}: only in the {'pipeline' if row[keys] else 'script'}"
    values = row[keys + 2 :]
    pairs = [(column, values[2 * n], values[2 * n + 1]) for n, column in enumerate(columns)]
    return f"{name}: " + ", ".join(f"{column} {ours} / {theirs}" for column, ours, theirs in pairs if ours != theirs)


if __name__ == "__main__":
    told = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(told) or "no differences")
    sys.exit(1 if told else 0)
