"""The descriptor under the Frictionless validator: good ones, broken ones, and what it cannot see."""

from __future__ import annotations

import copy as copies
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from frictionless import Checklist, FrictionlessException, Package

from nsm_pipeline.publishing.proving import prove_version

Document = dict[str, Any]
Rows = dict[str, list[list[Any]]]


@pytest.fixture(scope="module")
def folder(published_home: Path) -> Path:
    return (published_home / "extracts" / "current").resolve()


@pytest.fixture(scope="module")
def descriptor(folder: Path) -> Document:
    found: Document = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    return found


def problems(document: Document) -> list[str]:
    """What is wrong with a descriptor, whatever its files hold."""
    try:
        found = [error.message for error in Package.metadata_validate(document)]
        Package.from_descriptor(document)
    except FrictionlessException as error:
        return [one.message for one in error.reasons] or [error.error.message]
    return found


def test_the_descriptor_is_valid(descriptor: Document) -> None:
    assert problems(descriptor) == []


def first_field(document: Document) -> Document:
    found: Document = document["resources"][0]["schema"]["fields"][0]
    return found


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda one: one.pop("resources"), "resources"),
        (lambda one: one["resources"][0].pop("name"), "name"),
        (lambda one: one["resources"][0].pop("path"), "path"),
        (lambda one: one["resources"][0].update(bytes="many"), "bytes"),
        (lambda one: first_field(one).update(type="int64"), "int64"),
        (lambda one: first_field(one).update(constraints={"required": "yes"}), "required"),
        (lambda one: one["resources"][0]["schema"].update(primaryKey=["nobody"]), "nobody"),
        (lambda one: one["resources"][0]["schema"]["foreignKeys"][0].update(fields=["nobody"]), "nobody"),
    ],
)
def test_broken_descriptors_are_refused(descriptor: Document, harm: Callable[[Document], Any], says: str) -> None:
    broken = copies.deepcopy(descriptor)
    harm(broken)
    assert any(says in one for one in problems(broken)), problems(broken)


def rows_of(folder: Path, descriptor: Document) -> Rows:
    """Header and rows of every Parquet file, by resource. The validator's own reader makes null integers into NaN."""
    found: Rows = {}
    for resource in descriptor["resources"]:
        if resource["format"] == "parquet":
            table = pq.read_table(folder / resource["path"])
            found[resource["name"]] = [table.column_names, *(list(row.values()) for row in table.to_pylist())]
    return found


def errors_of(descriptor: Document, rows: Rows) -> set[tuple[str, str]]:
    """Table and kind of every error in rows held to the descriptor's schemas, keys and foreign keys."""
    resources = [
        {"name": one["name"], "data": rows[one["name"]], "schema": copies.deepcopy(one["schema"])}
        for one in descriptor["resources"]
        if one["name"] in rows
    ]
    report = Package.from_descriptor({"name": "rows", "resources": resources}).validate()
    return {(task.name, error.type) for task in report.tasks for error in task.errors}


@pytest.fixture(scope="module")
def rows(folder: Path, descriptor: Document) -> Rows:
    return rows_of(folder, descriptor)


def test_rows_keys_and_foreign_keys_are_valid(descriptor: Document, rows: Rows) -> None:
    assert errors_of(descriptor, rows) == set()


def changed(rows: Rows, table: str, column: str, value: object) -> Rows:
    """The rows with another value in a table's first row."""
    header, first, *others = rows[table]
    row = [value if name == column else one for name, one in zip(header, first, strict=True)]
    return {**rows, table: [header, row, *others]}


@pytest.mark.parametrize(
    ("table", "column", "value", "kind"),
    [
        ("growth", "complete", None, "constraint-error"),
        ("growth", "active", "many", "type-error"),
        ("north_star", "week", "2026-13-01", "type-error"),
        ("north_star", "use_case", "nobody", "foreign-key"),
        ("guardrails", "protects", "nobody", "foreign-key"),
        ("inputs", "metric", "nobody", "foreign-key"),
        ("use_cases", "north_star", "nobody", "foreign-key"),
    ],
)
def test_wrong_rows_are_found(
    descriptor: Document, rows: Rows, table: str, column: str, value: object, kind: str
) -> None:
    needed = (table, "use_cases", "metric_dictionary", "weeks")
    few = {name: rows[name] for name in needed}
    assert (table, kind) in errors_of(descriptor, changed(few, table, column, value))


def test_two_rows_with_one_key_are_found(descriptor: Document, rows: Rows) -> None:
    header, first, *others = rows["weeks"]
    assert errors_of(descriptor, {"weeks": [header, first, first, *others]}) == {("weeks", "primary-key")}


@pytest.mark.slow
def test_the_files_themselves_are_valid_as_far_as_the_validator_reads_parquet(
    folder: Path, descriptor: Document
) -> None:
    """Bytes of Parquet files are never counted, and null integers are read as NaN; nothing else is found."""
    package = Package.from_descriptor(descriptor, basepath=str(folder))
    report = package.validate(checklist=Checklist(skip_errors=["byte-count"]))
    assert len(report.tasks) == len(descriptor["resources"])
    assert [
        (task.name, error.message)
        for task in report.tasks
        for error in task.errors
        if error.type != "type-error" or "nan" not in error.message
    ] == []


def csv_report(folder: Path, descriptor: Document) -> set[str]:
    resources = [one for one in descriptor["resources"] if one["name"] in ("scorecard_csv", "use_cases", "weeks",
                                                                          "metric_dictionary")]  # fmt: skip
    package = Package.from_descriptor({"name": "csv", "resources": copies.deepcopy(resources)}, basepath=str(folder))
    report = package.validate(checklist=Checklist(skip_errors=["type-error"]))
    return {error.type for task in report.tasks if task.name == "scorecard_csv" for error in task.errors}


def test_the_csv_is_valid_with_bytes_and_hash_and_a_changed_one_is_not(
    folder: Path, descriptor: Document, tmp_path: Path
) -> None:
    assert csv_report(folder, descriptor) == set()
    shutil.copytree(folder, tmp_path / folder.name)
    file = tmp_path / folder.name / "scorecard.csv"
    file.write_bytes(file.read_bytes().replace(b"activity", b"creation"))
    assert csv_report(file.parent, descriptor) == {"hash-count"}
    assert [fault.file for fault in prove_version(file.parent).faults] == ["scorecard.csv"]


def test_a_flipped_byte_of_a_parquet_file_is_found_by_nsm_and_by_nobody_else(
    folder: Path, descriptor: Document, tmp_path: Path
) -> None:
    """So the validator alone will not do: `nsm verify` compares sha256 and bytes of every file."""
    shutil.copytree(folder, tmp_path / folder.name)
    file = tmp_path / folder.name / "weeks.parquet"
    content = bytearray(file.read_bytes())
    place = content.index(b"parquet-cpp-arrow")  # who wrote it: no reader minds
    content[place] ^= 1
    file.write_bytes(bytes(content))
    (resource,) = [one for one in descriptor["resources"] if one["name"] == "weeks"]
    package = Package.from_descriptor({"name": "one", "resources": [resource]}, basepath=str(file.parent))
    assert package.validate(checklist=Checklist(skip_errors=["byte-count"])).valid
    assert [fault.file for fault in prove_version(file.parent).faults] == ["weeks.parquet"]
