"""Declared gates: what is accepted can be judged by Great Expectations, and the rest is refused before it is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import great_expectations as gx
import pytest
from test_gates import TEXT, WEEKS, frames

from nsm_pipeline.certification.columns import METRIC_COLUMNS, WEEK_COLUMNS
from nsm_pipeline.certification.expectations import ACCEPTED, EXPECTATIONS, TEXT_COLUMNS
from nsm_pipeline.certification.gates import Gate
from nsm_pipeline.certification.judging import judge
from nsm_pipeline.errors import PlaybookError
from nsm_pipeline.home import Home
from nsm_pipeline.steps.opening import open_playbook

LEFT_OUT = {
    "expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_json_parseable", "expect_column_values_to_match_json_schema",
    "expect_column_values_to_match_like_pattern", "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern", "expect_column_values_to_not_match_like_pattern_list",
}  # fmt: skip
OF_ALL = {
    "batch_id", "catch_exceptions", "condition_parser", "description", "id", "library_metadata", "meta", "mostly",
    "notes", "rendered_content", "result_format", "row_condition", "severity", "windows",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "column": "value", "column_A": "numerator", "column_B": "denominator", "min_value": 1, "max_value": 5.5,
    "strict_min": True, "strict_max": False, "or_equal": True, "strictly": False, "ignore_row_if": "neither",
    "match_on": "all", "method": "std", "multiplier": 2.5, "regex": "^order", "regex_list": ["a", "b"],
    "strftime_format": "%Y-%m-%d", "value_pairs_set": [[5, 10]], "value_set": [5, 6],
}  # fmt: skip


def class_of(expectation: str) -> Any:
    return getattr(gx.expectations, "".join(part.capitalize() for part in expectation.split("_")))


def test_the_table_covers_the_library() -> None:
    folder = Path(gx.__file__).parent / "expectations" / "core"
    known = {file.stem for file in folder.glob("expect_column_*.py")}
    assert {name for name in known if re.match(r"expect_column_(pair_)?values_", name)} == set(EXPECTATIONS) | LEFT_OUT


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_arguments_are_the_librarys(name: str) -> None:
    fields = class_of(name).__fields__
    assert set(fields) - OF_ALL == set(EXPECTATIONS[name].all)
    assert {key for key, field in fields.items() if field.required} <= set(EXPECTATIONS[name].needed)
    assert set(EXPECTATIONS[name].all) <= set(ACCEPTED)


@pytest.mark.parametrize("name", EXPECTATIONS)
@pytest.mark.parametrize("everything", [False, True], ids=["least", "most"])
def test_what_is_accepted_can_be_judged(tmp_path: Path, name: str, everything: bool) -> None:
    allowed = EXPECTATIONS[name]
    keys = allowed.all if everything else (*allowed.needed, *allowed.one_of[:1])
    arguments = {key: VALUES[key] for key in keys}
    if "regex" in name or "strftime" in name or "dateutil" in name:
        arguments["column"] = "week"
    assert loaded(tmp_path, f"{name}: {arguments}") is None
    results = judge(frames(), [Gate("it", "declared_gates", "north_star", name, arguments)], WEEKS)
    assert all(result.rows == 1 for found in results.values() for result in found)


def loaded(folder: Path, gate: str, table: str = "north_star") -> str | None:
    """What opening a playbook with a declared gate says, if it is refused."""
    home = Home(folder)
    home.playbook.mkdir()
    (home.playbook / "shop.yaml").write_text(TEXT + f"gates:\n  - table: {table}\n    {gate}\n")
    try:
        open_playbook(home)
    except PlaybookError as error:
        return str(error)
    return None


BETWEEN = "expect_column_values_to_be_between"


@pytest.mark.parametrize(
    ("gate", "path", "said"),
    [
        ("expect_column_values_to_be_betwixt: {column: value}", "expect_column_values_to_be_betwixt", BETWEEN),
        ("expect_column_mean_to_be_between: {column: value}", "expect_column_mean_to_be_between", "did you mean"),
        ("expect_column_values_to_match_like_pattern: {column: metric, like_pattern: a}",
         "expect_column_values_to_match_like_pattern", "did you mean 'expect_column_values_to_match_"),
        (f"{BETWEEN}: {{column: valeu, min_value: 1}}", f"{BETWEEN}.column", "did you mean 'value'"),
        (f"{BETWEEN}: {{column: metric, min_value: 1}}", f"{BETWEEN}.column", "found 'metric'; "),
        (f"{BETWEEN}: {{column: 5, min_value: 1}}", f"{BETWEEN}.column", "found 5; text is needed"),
        (f"{BETWEEN}: {{column: value, minvalue: 1}}", f"{BETWEEN}.minvalue", "did you mean 'min_value'?"),
        (f"{BETWEEN}: {{column: value, min_value: 1, mostly: 0.9}}", f"{BETWEEN}.mostly", "argument 'mostly'"),
        (f"{BETWEEN}: {{column: value, min_value: '1'}}", f"{BETWEEN}.min_value", "found '1'; a number is needed"),
        (f"{BETWEEN}: {{column: value, min_value: true}}", f"{BETWEEN}.min_value", "found True; a number"),
        (f"{BETWEEN}: {{column: value, min_value: .nan}}", f"{BETWEEN}.min_value", "found nan; a number"),
        (f"{BETWEEN}: {{column: value}}", BETWEEN, "min_value and max_value is needed"),
        (f"{BETWEEN}: {{min_value: 1}}", f"{BETWEEN}.column", "'column' is needed and missing"),
        (f"{BETWEEN}:", f"{BETWEEN}.column", "'column' is needed and missing"),
        (f"{BETWEEN}: {{column: value, min_value: 3, max_value: 1}}", BETWEEN, "3, which is above max_value 1"),
        (f"{BETWEEN}: {{column: value, max_value: 3, strict_max: 'no'}}", f"{BETWEEN}.strict_max", "true or false"),
        ("expect_column_values_to_be_in_set: {column: value, value_set: 5}",
         "expect_column_values_to_be_in_set.value_set", "found 5; a list"),
        ("expect_column_values_to_be_in_set: {column: value, value_set: []}",
         "expect_column_values_to_be_in_set.value_set", "found []; a list"),
        ("expect_column_pair_values_to_be_in_set: {column_A: value, column_B: value, value_pairs_set: [[1, 2, 3]]}",
         "expect_column_pair_values_to_be_in_set.value_pairs_set", "a list of pairs"),
        ("expect_column_values_to_match_regex: {column: metric, regex: '('}",
         "expect_column_values_to_match_regex.regex", "found '('; a regular expression"),
        ("expect_column_values_to_not_be_outliers: {column: value, method: mad}",
         "expect_column_values_to_not_be_outliers.method", "'iqr' or 'std'"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_computed(tmp_path: Path, gate: str, path: str, said: str) -> None:
    message = loaded(tmp_path, gate)
    assert message is not None
    line = TEXT.count("\n") + 3
    assert message.startswith(f"{tmp_path / 'playbook' / 'shop.yaml'}: line {line}: gates.0.{path}: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("table", ["week", "growth", "inputs"])
def test_columns_are_those_of_the_table(tmp_path: Path, table: str) -> None:
    message = loaded(tmp_path, f"{BETWEEN}: {{column: volume_ratio, min_value: 0}}", table)
    assert (message is None) == (table != "inputs")


def test_text_columns_are_those_that_hold_text() -> None:
    for frame, columns in ((frames().week, WEEK_COLUMNS), (frames().metrics, METRIC_COLUMNS)):
        texts = {name for name in columns if frame[name].map(lambda value: isinstance(value, str)).any()}
        assert texts == set(TEXT_COLUMNS) & set(columns)
