"""Whether the 40 metrics of `many_metrics` and of `plain_many` are the same numbers: `python compare_many.py FOLDER`.

What belongs here: one query over the two results. Ends with 1 and prints the first differences where there are any.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# A value that one of them leaves out is one that is not there: the script drops what is null.
DIFFERENT = """SELECT week, metric, slice, slice_value, ours.value AS ours, plain.value AS plain
    FROM (FROM read_parquet($ours) WHERE value IS NOT NULL) ours
    FULL JOIN read_parquet($plain) plain USING (week, metric, slice, slice_value)
    WHERE coalesce(abs(ours.value - plain.value) > 1e-9 * greatest(1, abs(plain.value)), ours.value IS DISTINCT FROM
        plain.value) AND NOT (plain.value IS NULL AND ours.value = 0) ORDER BY ALL"""


def main(folder: Path) -> int:
    files = {"ours": str(folder / "ours.parquet"), "plain": str(folder / "plain.parquet")}
    compared = duckdb.execute("SELECT count(*) FROM read_parquet($plain)", {"plain": files["plain"]}).fetchall()[0][0]
    found = duckdb.execute(DIFFERENT, files).fetchall()
    for row in found[:10]:
        print(*row)
    print(f"{compared} numbers, {len(found)} differ")
    return 1 if found or not compared else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
