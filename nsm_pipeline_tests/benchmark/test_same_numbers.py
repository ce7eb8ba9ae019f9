"""The plain script and the pipeline say the same; where they do not, the comparison finds it."""

from __future__ import annotations

import shutil
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest
from compare import differences
from measuring import measure, run, saved

from nsm_pipeline.sample import SampleSpec, write_sample

PLAIN = Path(__file__).with_name("plain.py")
pytestmark = pytest.mark.slow
WEEKS = 13


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home after `nsm run` (with a rename, duplicates, an outage and bad rows), and the script's output."""
    home, output = tmp_path_factory.mktemp("measured") / "home", tmp_path_factory.mktemp("script")
    write_sample(home, SampleSpec(weeks=WEEKS, end=date(2026, 3, 1), accounts=60, events=1000 * WEEKS))
    run(home)
    measure(sys.executable, PLAIN, home, output)
    return home, output


def test_script_says_what_the_pipeline_says(measured: tuple[Path, Path]) -> None:
    assert differences(*measured) == []


@pytest.mark.parametrize(
    ("table", "change", "wanted"),
    [
        ("metrics", "SELECT * REPLACE (value * (1 + 1e-8) AS value)", "value"),
        ("metrics", "SELECT * REPLACE (NULL::DOUBLE AS numerator)", "numerator"),
        ("account_weeks_security", "SELECT * REPLACE (events + 1 AS events)", "account_weeks_security"),
        ("growth", "SELECT * REPLACE (churned + 1 AS churned)", "churned"),
    ],
)
def test_a_changed_number_is_found(
    measured: tuple[Path, Path], tmp_path: Path, table: str, change: str, wanted: str
) -> None:
    """In one row alone, the last."""
    home, output = measured
    changed = Path(shutil.copytree(output, tmp_path / "script"))
    rows = f"'{output / table}.parquet'"
    last = f"(SELECT count(*) - 1 FROM {rows})"
    duckdb.execute(
        f"""COPY (FROM (FROM {rows} LIMIT {last}) UNION ALL ({change} FROM (FROM {rows} OFFSET {last})))
        TO '{changed / table}.parquet' (FORMAT parquet)"""
    )
    (found,) = differences(home, changed)
    assert wanted in found


def test_a_missing_and_a_repeated_row_are_found(measured: tuple[Path, Path], tmp_path: Path) -> None:
    home, output = measured
    changed = Path(shutil.copytree(output, tmp_path / "script"))
    rows = f"'{output / 'metrics'}.parquet'"
    duckdb.execute(f"COPY (FROM {rows} OFFSET 1) TO '{changed / 'metrics'}.parquet' (FORMAT parquet)")
    (found,) = differences(home, changed)
    assert found.endswith("only in the pipeline")
    duckdb.execute(
        f"COPY (FROM {rows} UNION ALL (FROM {rows} LIMIT 1)) TO '{changed / 'metrics'}.parquet' (FORMAT parquet)"
    )
    (found,) = differences(home, changed)
    assert "script has" in found


def test_many_metrics_are_what_the_sql_by_hand_says(measured: tuple[Path, Path], tmp_path: Path) -> None:
    """And a changed number of theirs is found."""
    home = saved(measured[0], tmp_path / "home")
    results = tmp_path / "results"
    measure(sys.executable, PLAIN.with_name("many_metrics.py"), home, "many", results)
    measure(sys.executable, PLAIN.with_name("plain_many.py"), home, results)
    found = measure(sys.executable, PLAIN.with_name("compare_many.py"), results)
    compared, differ = found.out.split(" numbers, ")
    assert differ.strip() == "0 differ"
    assert int(compared) > 40 * WEEKS * 3
    rows = f"'{results / 'ours.parquet'}'"
    more = "CASE WHEN metric = 'slow' AND slice = 'all' THEN value + 0.01 ELSE value END AS value"
    duckdb.execute(
        f"""COPY (SELECT * REPLACE ({more}) FROM {rows}) TO '{results / "changed.parquet"}' (FORMAT parquet)"""
    )
    (results / "changed.parquet").replace(results / "ours.parquet")
    changed = measure(sys.executable, PLAIN.with_name("compare_many.py"), results, accept=(1,))
    assert f"{WEEKS} differ" in changed.out
