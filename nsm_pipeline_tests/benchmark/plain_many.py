"""The 40 metrics of `many_metrics` in plain DuckDB over the same stored usage events: one query by hand per grain.

What belongs here: SQL as one would write it for exactly these metrics. Grains: the week, the week and account, the week
and slice, four weeks, four weeks and slice.

    python plain_many.py HOME FOLDER

Prints the seconds; writes FOLDER/plain.parquet (week, metric, slice, slice_value, value).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import duckdb

CHUNK = 13  # weeks at once, as in plain.py
P, B = "event = 'pipeline_finished' AND NOT is_internal", "event = 'build_finished' AND NOT is_internal"
G, R, M = "status = 'success'", "status = 'failed'", "ref = 'main'"
COUNTS = {
    "pipelines": P, "green": f"{P} AND {G}", "failed": f"{P} AND {R}", "on_main": f"{P} AND {M}",
    "of_requests": f"{P} AND ref = 'merge_request'", "of_bots": f"{P} AND is_bot", "builds": B,
    "builds_green": f"{B} AND {G}", "builds_failed": f"{B} AND {R}", "builds_shared": f"{B} AND runner = 'shared'",
    "builds_long": f"{B} AND duration_s > 600",
}  # fmt: skip
SUMS = {"seconds": P, "seconds_green": f"{P} AND {G}", "build_seconds": B, "build_seconds_failed": f"{B} AND {R}",
        "seconds_main": f"{P} AND {M}"}  # fmt: skip
PRESENT = {"n_pipelines": P, "n_main": f"{P} AND {M}", "n_builds": B}
PEOPLE = {"people": P, "green_people": f"{P} AND {G}", "main_people": f"{P} AND {M}", "building_people": B}
ACCOUNTS = {"active_accounts": P, "green_accounts": f"{P} AND {G}", "failing_accounts": f"{P} AND {R}",
            "building_accounts": B, "main_accounts": f"{P} AND {M}"}  # fmt: skip
TYPICAL = {
    "typical": f"median(duration_s) FILTER ({P})", "typical_green": f"median(duration_s) FILTER ({P} AND {G})",
    "build_typical": f"median(duration_s) FILTER ({B})", "slow": f"quantile_cont(duration_s, 0.9) FILTER ({P})",
    "slowest": f"max(duration_s) FILTER ({P})",
}  # fmt: skip
ADDITIVE = ", ".join(
    [
        *(f"count(*) FILTER ({where}) AS {name}" for name, where in COUNTS.items()),
        *(f"coalesce(sum(duration_s) FILTER ({where}), 0) AS {name}" for name, where in SUMS.items()),
        *(f"count(duration_s) FILTER ({where}) AS {name}" for name, where in PRESENT.items()),
    ]
)
NOT_ADDITIVE = ", ".join(
    [
        *(f"count(DISTINCT user_id) FILTER ({where}) AS {name}" for name, where in PEOPLE.items()),
        *(f"{expression} AS {name}" for name, expression in TYPICAL.items()),
    ]
)
DISTINCT = ", ".join(f"count(DISTINCT account_id) FILTER ({where}) AS {name}" for name, where in ACCOUNTS.items())
PER_ACCOUNT = f"""CREATE OR REPLACE TEMP TABLE by_account AS SELECT week, account_id, {ADDITIVE},
    count(DISTINCT user_id) FILTER ({P}) AS account_people FROM chunk GROUP BY ALL"""
SUMMED = ", ".join(f"sum({name}) AS {name}" for name in (*COUNTS, *SUMS, *PRESENT))
# An account counts where it has one such event.
OF_ACCOUNTS = {"active_accounts": "pipelines", "green_accounts": "green", "failing_accounts": "failed",
               "building_accounts": "builds", "main_accounts": "on_main"}  # fmt: skip
THRESHOLDS = """count(*) FILTER (builds > 0 AND seats > 0 AND builds >= 40 * seats) AS heavy,
    count(*) FILTER (pipelines >= 50) AS busy, count(*) FILTER (account_people > 3) AS teams"""
BY_SLICE = f"""SELECT week, {{name}} AS slice_value, {SUMMED}, {THRESHOLDS},
    {", ".join(f"count(*) FILTER ({column} > 0) AS {name}" for name, column in OF_ACCOUNTS.items())}
    FROM by_account LEFT JOIN accounts USING (week, account_id) GROUP BY ALL"""
TOTALS = f"""SELECT week, 'all' AS slice_value, {ADDITIVE}, {DISTINCT}, any_value(heavy) AS heavy,
    any_value(busy) AS busy, any_value(teams) AS teams
    FROM chunk JOIN (SELECT week, {THRESHOLDS} FROM by_account LEFT JOIN accounts USING (week, account_id)
        GROUP BY week) USING (week) GROUP BY ALL"""
SEATS = """SELECT week, {group} sum(seats) AS seats FROM accounts
    WHERE NOT internal AND (week, account_id) IN (SELECT week, account_id FROM chunk WHERE event = 'pipeline_finished')
    GROUP BY ALL"""
FINAL = {
    **{name: name for name in (*COUNTS, *PEOPLE, *ACCOUNTS, *TYPICAL, "heavy", "busy", "teams")},
    **{name: name for name in ("seconds", "seconds_green", "build_seconds", "build_seconds_failed")},
    "mean": "seconds / nullif(n_pipelines, 0)", "mean_main": "seconds_main / nullif(n_main, 0)",
    "build_mean": "build_seconds / nullif(n_builds, 0)",
    "green_share": "green / nullif(pipelines, 0)", "failed_share": "failed / nullif(pipelines, 0)",
    "per_account": "pipelines / nullif(active_accounts, 0)", "builds_per_seat": "builds / nullif(seats, 0)",
    "accounts_of_four_weeks": "accounts_of_four_weeks",
}  # fmt: skip


def unpivoted(group: str) -> str:
    columns = ", ".join(f"({expression})::DOUBLE AS {name}" for name, expression in FINAL.items())
    return f"""INSERT INTO results SELECT week, metric, '{group or "all"}', slice_value, value FROM (
        UNPIVOT (SELECT week, slice_value, {columns} FROM gathered)
        ON {", ".join(FINAL)} INTO NAME metric VALUE value)"""


def grain(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """All metrics of a chunk for one slice, or in total where the name is empty."""
    column = f"coalesce({name}, '(unknown)')" if name else "'all'"
    group = f"{column} AS slice_value,"
    joined = "chunk LEFT JOIN accounts USING (week, account_id)" if name else "chunk"
    additive = BY_SLICE.format(name=column) if name else TOTALS
    four = f"""SELECT target AS week, {group} count(DISTINCT account_id) AS accounts_of_four_weeks
        FROM four LEFT JOIN accounts_then USING (target, account_id) GROUP BY ALL"""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE gathered AS SELECT * FROM ({additive})
        LEFT JOIN (SELECT week, {group} {NOT_ADDITIVE} FROM {joined} GROUP BY ALL) USING (week, slice_value)
        LEFT JOIN ({SEATS.format(group=group)}) USING (week, slice_value)
        LEFT JOIN ({four}) USING (week, slice_value)"""
    )
    connection.execute(unpivoted(name))


def main(home: Path, folder: Path) -> float:
    files = sorted((home / "lake" / "usage_events" / "everything").glob("*.parquet"))
    snapshots = sorted((home / "landing" / "accounts").glob("as_of=*/*.csv"))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        config: dict[str, str | int] = {"threads": 2, "memory_limit": "1GB"}
        connection = duckdb.connect(str(Path(scratch) / "many.duckdb"), config=dict(config))
        started = time.perf_counter()
        connection.execute(
            """CREATE TABLE results (week DATE, metric VARCHAR, slice VARCHAR, slice_value VARCHAR, value DOUBLE);
            CREATE TEMP TABLE weeks AS SELECT unnest($weeks::DATE[]) AS week""",
            {"weeks": [file.stem for file in files]},
        )
        connection.execute(
            """CREATE TEMP TABLE accounts AS WITH read AS (SELECT *, parse_path(filename)[-2][7:]::DATE AS as_of
                FROM read_csv($files, filename = true, union_by_name = true)),
            chosen AS (SELECT week, coalesce(max(as_of) FILTER (as_of <= week + 7), min(as_of)) AS as_of
                FROM weeks, (SELECT DISTINCT as_of FROM read) GROUP BY week)
            SELECT week, account_id, plan, segment, seats::BIGINT AS seats, is_internal::BOOLEAN AS internal
            FROM chosen JOIN read USING (as_of)""",
            {"files": [str(file) for file in snapshots]},
        )
        for place in range(0, len(files), CHUNK):
            chunk = files[place : place + CHUNK]
            connection.execute(
                """CREATE OR REPLACE TEMP TABLE chunk AS SELECT parse_filename(filename, true)::DATE AS week,
                    event, account_id, user_id, is_internal, status, duration_s, ref, is_bot, runner
                FROM read_parquet($files, filename = true)
                WHERE event IN ('pipeline_finished', 'build_finished')""",
                {"files": [str(file) for file in chunk]},
            )
            connection.execute(PER_ACCOUNT)
            back = files[max(0, place - 3) : place + CHUNK]
            connection.execute(
                f"""CREATE OR REPLACE TEMP TABLE four AS
                WITH seen AS (SELECT DISTINCT parse_filename(filename, true)::DATE AS week, account_id
                    FROM read_parquet($files, filename = true) WHERE {P})
                SELECT DISTINCT target.week AS target, account_id FROM seen
                JOIN (SELECT DISTINCT week FROM chunk) target
                    ON seen.week <= target.week AND seen.week > target.week - 28""",
                {"files": [str(file) for file in back]},
            )
            connection.execute(
                """CREATE OR REPLACE TEMP TABLE accounts_then AS
                SELECT week AS target, account_id, plan, segment FROM accounts"""
            )
            for name in ("", "plan", "segment"):
                grain(connection, name)
        connection.execute(f"COPY results TO '{folder / 'plain.parquet'}' (FORMAT parquet)")
        seconds = time.perf_counter() - started
        connection.close()
    return seconds


if __name__ == "__main__":
    print(f"{main(Path(sys.argv[1]), Path(sys.argv[2])):.3f}")
