"""Tableau's own engine reads every Parquet file of a published extract, and the .hyper that is written for it."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from homes import TABLES, here
from tableauhyperapi import Connection, HyperProcess, TableName, Telemetry

from nsm_pipeline.publishing.tables import EXTRACT

SILENT = {"log_config": ""}
TYPES = {"string": "TEXT", "integer": "BIG_INT", "number": "DOUBLE", "boolean": "BOOL", "date": "DATE"}


@pytest.fixture(scope="module")
def engine() -> Iterator[HyperProcess]:
    with HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=SILENT) as found:
        yield found


def numbers(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if not pa.types.is_string(field.type)]


def control(table: pa.Table) -> list[float]:
    """Rows; then per column how many values it has and, but for text, their sum (dates as days since 1970)."""
    found: list[float] = [table.num_rows]
    for field in table.schema:
        column = table[field.name]
        found.append(len(column) - column.null_count)
        if field.name in numbers(table):
            days = column.cast(pa.int32()) if pa.types.is_date(field.type) else column
            adding = pa.float64() if pa.types.is_floating(field.type) else pa.int64()
            found.append(pc.sum(days.cast(adding)).as_py() or 0)
    return found


def asked(connection: Connection, source: str, table: pa.Table) -> list[float]:
    """The same, as Tableau's engine finds it."""
    parts = ["count(*)"]
    for field in table.schema:
        name = f'"{field.name}"'
        parts.append(f"count({name})")
        if field.name in numbers(table):
            if pa.types.is_date(field.type):
                value = f"({name} - DATE '1970-01-01')"
            else:
                value = f"CASE WHEN {name} THEN 1 ELSE 0 END" if pa.types.is_boolean(field.type) else name
            parts.append(f"coalesce(sum({value}), 0)")
    (row,) = connection.execute_list_query(f"SELECT {', '.join(parts)} FROM {source}")
    return [float(value) for value in row]


@pytest.mark.parametrize("name", TABLES)
def test_the_engine_reads_every_file_as_it_is(published_home: Path, engine: HyperProcess, name: str) -> None:
    file = published_home / "extracts" / "current" / f"{name}.parquet"
    table = pq.read_table(file)
    with Connection(engine.endpoint) as connection:
        found = asked(connection, f"external('{file}', FORMAT => 'parquet')", table)
    assert found == pytest.approx(control(table), rel=1e-12)


def rows_of(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    key = next(table.key for table in EXTRACT if table.name == name)
    order = ", ".join(f'"{column}"' for column in key)
    found = connection.execute_list_query(f'SELECT * FROM "{name}" ORDER BY {order}')
    return [tuple(value.to_date() if hasattr(value, "to_date") else value for value in row) for row in found]


@pytest.fixture(scope="module")
def written(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tableau") / "new" / "metrics.hyper"
    said = here("extract", "--home", published_home, "--hyper", out)
    assert said.code == 0, said.err
    assert "The current extract is in" in said.err
    return out


def test_one_file_holds_every_table_row_by_row(published_home: Path, engine: HyperProcess, written: Path) -> None:
    with Connection(engine.endpoint, written) as connection:
        names = {one.name.unescaped for one in connection.catalog.get_table_names("public")}
        assert names == set(TABLES)
        for declared in EXTRACT:
            table = pq.read_table(published_home / "extracts" / "current" / f"{declared.name}.parquet")
            definition = connection.catalog.get_table_definition(TableName("public", declared.name))
            assert [(column.name.unescaped, str(column.type).split("(")[0]) for column in definition.columns] == [
                (column.name, TYPES[column.type]) for column in declared.columns
            ]
            found = rows_of(connection, declared.name)
            assert sorted(map(repr, found)) == sorted(repr(tuple(row.values())) for row in table.to_pylist())
            assert not any(isinstance(value, date) and value.year < 1990 for row in found for value in row)


def test_others_may_read_it_and_nothing_else_is_left(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
    assert [path.name for path in written.parent.iterdir()] == ["metrics.hyper"]
    assert not Path("hyperd.log").exists()


def test_as_it_was_published(published_home: Path, engine: HyperProcess, tmp_path: Path) -> None:
    out, folder = tmp_path / "then.hyper", tmp_path / "then"
    when = "2100-01-01"
    said = here("extract", "--home", published_home, "--hyper", out, "--out", folder, "--as-published", when)
    assert said.code == 0, said.err
    assert said.err.count("Version 000001-") == 2
    table = pq.read_table(folder / "north_star.parquet")
    with Connection(engine.endpoint, out) as connection:
        assert asked(connection, '"north_star"', table) == pytest.approx(control(table), rel=1e-12)


def test_what_is_there_is_replaced_only_with_force(published_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "metrics.hyper"
    out.write_bytes(b"mine")
    said = here("extract", "--home", published_home, "--hyper", out)
    assert (said.code, "--force" in said.err, out.read_bytes()) == (2, True, b"mine")
    assert here("extract", "--home", published_home, "--hyper", out, "--force").code == 0
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--out FOLDER"),
        (["--hyper", "metrics.csv"], "ends in .hyper"),
        (["--hyper", "{home}/metrics.hyper"], "belongs to the home"),
    ],
)
def test_wrong_places_are_refused(published_home: Path, arguments: list[str], says: str) -> None:
    said = here("extract", "--home", published_home, *(one.format(home=published_home) for one in arguments))
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_without_the_extra_it_says_how_to_get_it(
    published_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tableauhyperapi", None)
    said = here("extract", "--home", published_home, "--hyper", tmp_path / "metrics.hyper")
    assert said.code == 2
    assert "pip install 'nsm-pipeline[tableau]'" in said.err
    assert list(tmp_path.iterdir()) == []
