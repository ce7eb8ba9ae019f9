"""Other readers of the Parquet files: pandas and DuckDB find the rows that were published, and the star joins."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from homes import TABLES


@pytest.mark.parametrize("name", TABLES)
def test_pandas_and_duckdb_read_what_pyarrow_reads(published_home: Path, name: str) -> None:
    file = published_home / "extracts" / "current" / f"{name}.parquet"
    wanted = pq.read_table(file)
    frame = pd.read_parquet(file, dtype_backend="pyarrow")
    assert list(frame.columns) == wanted.column_names
    assert frame.astype(object).where(frame.notna(), None).to_dict("records") == wanted.to_pylist()
    assert duckdb.sql(f"SELECT * FROM read_parquet('{file}')").to_arrow_table().to_pylist() == wanted.to_pylist()


def test_the_star_joins_without_losing_or_doubling_a_row(published_home: Path) -> None:
    folder = published_home / "extracts" / "current"
    sql = f"""
        SELECT count(*), count(DISTINCT (fact.use_case, fact.metric, fact.week, fact.slice, fact.slice_value))
        FROM '{folder}/inputs.parquet' fact
        JOIN '{folder}/use_cases.parquet' USING (use_case)
        JOIN '{folder}/metric_dictionary.parquet' USING (use_case, metric)
        JOIN '{folder}/weeks.parquet' USING (week)"""
    (found,) = duckdb.sql(sql).fetchall()
    rows = pq.read_metadata(folder / "inputs.parquet").num_rows
    assert found == (rows, rows)
