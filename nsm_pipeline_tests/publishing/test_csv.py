"""The scorecard as CSV: its text by hand, what readers make of it, and that it is part of the version."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.cli.extracting import write_to
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.csv_text import FORMULA, csv_bytes
from nsm_pipeline.publishing.extracts import write_extract
from nsm_pipeline.publishing.proving import prove_version
from nsm_pipeline.publishing.record import Record
from nsm_pipeline.publishing.tables import EXTRACT, SCORECARD

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)


def test_the_text_by_hand() -> None:
    table = pa.table(
        {
            "use_case": ["ci", 'a "b", c', None],
            "week": pa.array([date(2026, 3, 2), None, date(2026, 3, 9)], pa.date32()),
            "value": [1234.5, 0.1 + 0.2, None],
            "active": pa.array([12, None, -3], pa.int64()),
            "good": [True, False, None],
            "words": ["=1+1", "−3 %: two\nlines", ""],
        }
    )
    assert csv_bytes(table).decode() == (
        "use_case,week,value,active,good,words\r\n"
        "ci,2026-03-02,1234.5,12,true,'=1+1\r\n"
        '"a ""b"", c",,0.30000000000000004,,false,"−3 %: two\nlines"\r\n'
        ",2026-03-09,,-3,,\r\n"
    )


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1"])
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    header, row = csv.reader(io.StringIO(csv_bytes(pa.table({"words": [text]})).decode(), newline=""))
    assert (header, row) == (["words"], [f"'{text}"])


def test_numbers_below_zero_stay_numbers() -> None:
    text = csv_bytes(pa.table({"growth": [-0.25, -0.0, 1e-7]})).decode()
    assert text == "growth\r\n-0.25\r\n-0.0\r\n1e-07\r\n"


texts = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(texts, numbers), max_size=8))
def test_every_cell_is_read_back(rows: list[tuple[str | None, float | None]]) -> None:
    table = pa.table({"words": pa.array([one for one, _ in rows], pa.string()), "value": pa.array(
        [one for _, one in rows], pa.float64())})  # fmt: skip
    content = csv_bytes(table)
    assert csv_bytes(table) == content
    header, *found = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == ["words", "value"]
    guarded = ["" if one is None else f"'{one}" if one.startswith(FORMULA) else one for one, _ in rows]
    assert [one for one, _ in found] == guarded
    assert [float(value) if value else None for _, value in found] == [value for _, value in rows]


def card(**more: Any) -> dict[str, Any]:
    return {
        "use_case": "shop", "week": date(2026, 3, 2), "metric": "orders", "unit": "", "value": 12.5, "active": 3,
        "goals_by": "activity", "has_season": False, "verdict": "as expected", "status": "green",
        "guardrail_status": "green", "joint_status": "green", "joint_words": "+3 %, which is fine",
        "state": "certified", "stage": "final", **more,
    }  # fmt: skip


def publish(home: Home, *cards: dict[str, Any], at: datetime = NOW) -> str:
    tables = {table.name: table.schema.empty_table() for table in EXTRACT}
    tables[SCORECARD.name] = pa.Table.from_pylist(list(cards), SCORECARD.schema)
    return write_extract(home, tables, "Test", at)


def test_it_is_at_a_stable_path_and_named_by_the_descriptor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(home, card())
    path = home.extracts / "current" / "scorecard.csv"
    first = path.read_bytes()
    publish(home, card(), card(use_case="ads", value=None))
    assert path.read_bytes() != first
    descriptor = json.loads((home.extracts / "current" / "datapackage.json").read_text())
    (resource,) = [one for one in descriptor["resources"] if one["path"] == "scorecard.csv"]
    (parquet,) = [one for one in descriptor["resources"] if one["path"] == "scorecard.parquet"]
    assert (resource["name"], resource["encoding"], resource["rows"]) == ("scorecard_csv", "utf-8", 2)
    assert [one["name"] for one in resource["schema"]["fields"]] == SCORECARD.schema.names
    assert resource["schema"]["primaryKey"] == parquet["schema"]["primaryKey"]
    assert resource["bytes"] == len(path.read_bytes())


def test_other_readers_find_the_rows_of_the_parquet_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    publish(home, card(), card(use_case="ads", value=None, target_by=date(2026, 12, 28), habit=-0.5))
    folder = home.extracts / "current"
    wanted = pa.parquet.read_table(folder / "scorecard.parquet").to_pylist()
    types = dict(zip(SCORECARD.schema.names, SCORECARD.schema.types, strict=True))
    options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    arrow = pyarrow.csv.read_csv(folder / "scorecard.csv", convert_options=options).to_pylist()
    duck = duckdb.sql(f"SELECT * FROM read_csv('{folder / 'scorecard.csv'}', all_varchar = true)").fetchall()
    expected = [{**row, "unit": None, "joint_words": f"'{row['joint_words']}"} for row in wanted]
    assert arrow == expected
    assert [row[:2] for row in duck] == [(row["use_case"], str(row["week"])) for row in wanted]


def test_a_version_comes_back_with_it_and_may_be_replaced_in_a_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    version = publish(home, card())
    first = {file.name: file.read_bytes() for file in (home.extracts / "versions" / version).iterdir()}
    publish(home, card(value=13.0), at=NOW.replace(day=5))
    given = Record.of(home).give_back(version)
    assert (dict(given.files), given.rewritten) == (first, ())
    home.playbook.mkdir()
    write_to(home, tmp_path / "out", None, force=False)
    write_to(home, tmp_path / "out", None, force=True)
    assert (tmp_path / "out" / "scorecard.csv").read_bytes() == (home.extracts / "current/scorecard.csv").read_bytes()


@pytest.mark.parametrize("harm", [lambda content: content + b"x", lambda content: content[:-1], None])
def test_a_changed_or_missing_file_is_a_fault_of_the_version(tmp_path: Path, harm: Any) -> None:
    home = Home(tmp_path)
    folder = home.extracts / "versions" / publish(home, card())
    assert prove_version(folder).faults == []
    file = folder / "scorecard.csv"
    file.write_bytes(harm(file.read_bytes())) if harm else file.unlink()
    assert [fault.file for fault in prove_version(folder).faults] == ["scorecard.csv"]
