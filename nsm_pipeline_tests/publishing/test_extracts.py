"""The extract as its readers find it: columns and types, bytes, versions, the switch."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homes import FILES, TABLES, broken_extract, copy, extract, here, opened, published

from nsm_pipeline.home import Home
from nsm_pipeline.publishing.extracts import KEEP, current_version, write_extract
from nsm_pipeline.publishing.tables import EXTRACT, METRICS
from nsm_pipeline.steps.publication import run_publication

METRIC_TABLES = tuple(table.name for table in METRICS)
METRIC_COLUMNS = {
    "use_case": "string", "metric": "string", "title": "string", "role": "string", "week": "date32[day]",
    "slice": "string", "slice_value": "string", "value": "double", "numerator": "double", "denominator": "double",
    "entities": "int64", "suppressed": "bool", "unit": "string", "state": "string", "stage": "string",
    "certificate_id": "string",
}  # fmt: skip
NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
ALLOWED = {"string", "int64", "double", "bool", "date32[day]"}
KEYS = {
    **{name: ["use_case", "metric", "week", "slice", "slice_value"] for name in METRIC_TABLES},
    "growth": ["use_case", "week"],
    "certificates": ["use_case", "week"],
    "metric_dictionary": ["use_case", "metric"],
    "use_cases": ["use_case"],
    "weeks": ["week"],
    "data_dictionary": ["table", "column"],
    "scorecard": ["use_case", "week"],
    "guardrails": ["use_case", "metric", "week"],
    "tree_nodes": ["use_case", "metric", "role"],
    "tree_edges": ["use_case", "metric", "drives", "relation"],
    "movements": ["use_case", "week", "view", "part", "slice", "slice_value"],
    "annotations": ["use_case", "week", "kind", "number"],
    "restatements": ["number"],
}


@pytest.fixture(scope="module")
def home(published_home: Path) -> Path:
    return published_home


def file_of(home: Path, name: str) -> Path:
    return home / "extracts" / "current" / f"{name}.parquet"


def test_the_tables_of_the_contract_and_no_others(home: Path) -> None:
    names = {file.name for file in (home / "extracts" / "current").iterdir()}
    assert names == {*FILES, "datapackage.json"}


@pytest.mark.parametrize("name", METRIC_TABLES)
def test_columns_of_the_metric_tables(home: Path, name: str) -> None:
    schema = pq.read_schema(file_of(home, name))
    assert {field.name: str(field.type) for field in schema} == METRIC_COLUMNS
    assert list(schema.names) == list(METRIC_COLUMNS)


@pytest.mark.parametrize("name", TABLES)
def test_types_that_every_tool_reads(home: Path, name: str) -> None:
    file = pq.ParquetFile(file_of(home, name))
    assert {str(field.type) for field in file.schema_arrow} <= ALLOWED
    assert file.schema_arrow.metadata is None or b"pandas" not in file.schema_arrow.metadata
    assert not {"account_id", "user_id", "event_id"} & set(file.schema_arrow.names)
    assert file.metadata.format_version == "2.6"
    column = file.metadata.row_group(0).column(0)
    assert column.compression == "SNAPPY"
    assert column.statistics is not None or not file.metadata.num_rows
    for row in file.read().to_pylist():
        assert not any(isinstance(value, float) and not math.isfinite(value) for value in row.values())


@pytest.mark.parametrize("name", TABLES)
def test_one_row_per_key_in_order(home: Path, name: str) -> None:
    keys = [tuple(row[key] for key in KEYS[name]) for row in extract(home, name)]
    assert keys or name == "restatements"  # nothing has been restated yet
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", METRIC_TABLES)
def test_every_metric_has_a_total_and_says_its_state(home: Path, name: str) -> None:
    rows = extract(home, name)
    totals = {(row["use_case"], row["metric"], row["week"]) for row in rows if row["slice"] == "all"}
    assert totals == {(row["use_case"], row["metric"], row["week"]) for row in rows}
    assert all(row["slice_value"] == "all" for row in rows if row["slice"] == "all")
    assert {row["role"] for row in rows} == {name}
    assert {row["state"] for row in rows} == {"certified", "flash"}
    assert all((row["certificate_id"] is None) == (row["state"] == "flash") for row in rows)


def test_no_identifier_of_an_account_or_user_in_any_cell(home: Path) -> None:
    sql = "SELECT DISTINCT account_id AS id FROM landed_events UNION SELECT DISTINCT user_id FROM landed_events"
    known = {row["id"] for row in here("query", "--home", home, "--format", "json", sql).json} - {None}
    assert len(known) > 50
    for name in TABLES:
        cells = {value for row in extract(home, name) for value in row.values() if isinstance(value, str)}
        assert not known & cells
        assert not [cell for cell in cells if any(word in known for word in cell.replace(";", " ").split())]


def test_the_descriptor_is_true(home: Path) -> None:
    folder = home / "extracts" / "current"
    descriptor = json.loads((folder / "datapackage.json").read_text())
    in_parquet = [resource for resource in descriptor["resources"] if resource["format"] == "parquet"]
    assert [resource["name"] for resource in in_parquet] == list(TABLES)
    for resource in in_parquet:
        content = (folder / resource["path"]).read_bytes()
        table = pq.read_table(folder / resource["path"])
        assert resource["sha256"] == hashlib.sha256(content).hexdigest()
        assert resource["bytes"] == len(content)
        assert resource["rows"] == table.num_rows
        fields = resource["schema"]["fields"]
        assert [field["name"] for field in fields] == table.column_names
        assert all(field["description"] for field in fields)
        assert resource["schema"]["primaryKey"] == KEYS[resource["name"]]
        for field in fields:
            if field.get("constraints", {}).get("required"):
                assert table[field["name"]].null_count == 0, (resource["name"], field["name"])


@pytest.mark.slow
def test_equal_inputs_give_equal_bytes_in_another_home(small_home: Path, tmp_path: Path) -> None:
    other = tmp_path / "another" / "place"
    for name in ("landing", "playbook"):
        shutil.copytree(small_home / name, other / name)
    assert here("run", "--home", other).code == 3
    assert published(other) == published(small_home)


def small(value: float) -> dict[str, pa.Table]:
    """Tables with one metric row, whose value says which publication it is of; the rest are empty."""
    row = {
        "use_case": "shop", "metric": "orders", "title": "Orders", "role": "north_star", "week": date(2026, 3, 2),
        "slice": "all", "slice_value": "all", "value": value, "numerator": value, "denominator": 1.0, "entities": 1,
        "suppressed": False, "unit": "", "state": "certified", "certificate_id": "c",
    }  # fmt: skip
    tables = {table.name: table.schema.empty_table() for table in EXTRACT}
    for table in METRICS:
        tables[table.name] = pa.Table.from_pylist([row], table.schema)
    return tables


def test_ten_versions_are_kept(tmp_path: Path) -> None:
    made = [write_extract(Home(tmp_path), small(number), "Test", NOW) for number in range(14)]
    assert KEEP == 10
    assert sorted(path.name for path in (tmp_path / "extracts" / "versions").iterdir()) == made[-10:]
    assert current_version(tmp_path / "extracts") == made[-1]


def test_the_same_content_is_no_new_version(tmp_path: Path) -> None:
    first = write_extract(Home(tmp_path), small(1), "Test", NOW)
    assert write_extract(Home(tmp_path), small(1), "Test", NOW) == first
    assert write_extract(Home(tmp_path), small(2), "Test", NOW) != first
    third = write_extract(Home(tmp_path), small(1), "Test", NOW)
    assert [int(version[:6]) for version in (first, third)] == [1, 3]  # the same values again are a further version


def test_a_current_version_that_was_lost_is_written_again(tmp_path: Path) -> None:
    first = write_extract(Home(tmp_path), small(1), "Test", NOW)
    shutil.rmtree(tmp_path / "extracts" / "versions" / first)
    write_extract(Home(tmp_path), small(1), "Test", NOW)
    assert (tmp_path / "extracts" / "current" / "north_star.parquet").is_file()


def test_rows_that_break_the_contract_are_not_published(tmp_path: Path) -> None:
    before = write_extract(Home(tmp_path), small(1), "Test", NOW)
    tables = small(2)
    tables["growth"] = pa.table({"use_case": ["shop"]})
    with pytest.raises(KeyError):
        write_extract(Home(tmp_path), tables, "Test", NOW)
    assert current_version(tmp_path / "extracts") == before
    assert not [path for path in (tmp_path / "extracts" / "versions").iterdir() if path.name.startswith(".")]


def test_what_a_kill_left_behind_is_removed(tmp_path: Path) -> None:
    write_extract(Home(tmp_path), small(1), "Test", NOW)
    half = tmp_path / "extracts" / "versions" / ".half"
    half.mkdir()
    (half / "north_star.parquet").write_bytes(b"half")
    (tmp_path / "extracts" / ".current-1").symlink_to("versions/.half")
    write_extract(Home(tmp_path), small(2), "Test", NOW)
    assert {path.name for path in (tmp_path / "extracts").iterdir()} == {"current", "versions"}
    assert not half.exists()


@pytest.mark.slow
def test_readers_see_the_old_or_the_new_set(tmp_path: Path) -> None:
    """Fifteen publications under a reader that compares the metric tables of one resolved folder."""
    home = tmp_path
    write_extract(Home(home), small(0), "Test", NOW)
    over, wrong, seen = threading.Event(), [], set()

    def read() -> None:
        while not over.is_set():
            folder = (home / "extracts" / "current").resolve(strict=True)
            values = {pq.read_table(folder / f"{name}.parquet")["value"][0].as_py() for name in METRIC_TABLES}
            if len(values) != 1:
                wrong.append(values)
            if broken := broken_extract(home):
                wrong.append(broken)
            seen.update(values)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 16):
        write_extract(Home(home), small(number), "Test", NOW)
    over.set()
    reader.join()
    assert not wrong
    assert len(seen) > 3


def test_a_tampered_certificate_is_not_published(small_home: Path, tmp_path: Path) -> None:
    mine = copy(small_home, tmp_path / "home")
    before = published(mine)
    file = next(iter(sorted((mine / "lake" / "certificates" / "shop").glob("*.json"))))
    content = json.loads(file.read_text())
    content["certificate"]["values"][0]["value"] = 1_000_000
    file.write_text(json.dumps(content))
    assert here("query", "--home", mine, "--format", "json", f"SELECT state FROM certificates "
                f"WHERE week = '{file.stem}' AND use_case = 'shop'").json == [{"state": "missing"}]  # fmt: skip
    assert here("run", "--home", mine).code == 3
    assert published(mine) == before  # judged and certified anew from what was computed


@pytest.mark.slow
def test_a_tampered_certificate_that_was_published_vouches_for_nothing(small_home: Path, tmp_path: Path) -> None:
    mine = copy(small_home, tmp_path / "home")
    before = published(mine)
    file = next(iter(sorted((mine / "records" / "certificates").glob("shop-*.json"))))
    file.write_text(file.read_text().replace('"value": ', '"value": 1', 1))
    (mine / "lake" / "publication.json").unlink()
    assert here("run", "--home", mine).code == 3
    assert published(mine) == before  # kept anew from the certificate in the lake


@pytest.mark.slow
def test_a_certificate_of_another_week_is_not_published(small_home: Path, tmp_path: Path) -> None:
    mine = copy(small_home, tmp_path / "home")
    before = published(mine)
    files = sorted((mine / "lake" / "certificates" / "shop").glob("*.json"))
    shutil.copyfile(files[0], files[1])
    files[2].write_text("{")
    files[3].unlink()
    assert here("run", "--home", mine).code == 3
    assert published(mine) == before


def test_what_was_computed_and_not_certified_is_not_published(small_home: Path, tmp_path: Path) -> None:
    """The weekly tables may hold anything: what goes out is what the certificates hold."""
    mine = copy(small_home, tmp_path / "home")
    before = published(mine)
    for file in (mine / "lake" / "north_star" / "shop").glob("2026-03-*.parquet"):
        table = pq.read_table(file)
        raised = pa.array([(value or 0) + 1e6 for value in table["value"].to_pylist()], pa.float64())
        place = table.schema.get_field_index("value")
        said = pq.read_metadata(file).metadata
        pq.write_table(table.set_column(place, "value", raised).replace_schema_metadata(said), file)
    (mine / "lake" / "publication.json").unlink()
    it = opened(mine)
    run_publication(it)
    assert published(mine) == before
