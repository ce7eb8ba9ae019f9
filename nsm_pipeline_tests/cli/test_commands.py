"""Every command as a script or a person meets it: exit codes, JSON, formats, one readable paragraph."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from homes import Said, copy, finish, here, published, start

from nsm_pipeline.catalogue import VIEWS


@pytest.fixture(scope="module")
def home(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(published_home, tmp_path_factory.mktemp("commands") / "home")


def refused(said: Said, *words: str) -> None:
    """Exit code 2, one paragraph on standard error, nothing on standard output."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.strip().count("\n") <= 1, said.err
    for word in words:
        assert word in said.err, said.err


def test_run_again_returns_3_where_a_week_is_withheld(home: Path) -> None:
    before = published(home)
    said = here("run", "--home", home)
    assert said.code == 3
    assert "withheld" in said.out
    assert str(home / "extracts" / "current") in said.out.replace("\n", "")
    assert published(home) == before


def test_run_as_json(home: Path) -> None:
    summary = here("run", "--home", home, "--json").json
    assert set(summary["use_cases"]) == {"ci", "compliance", "security"}
    for one in summary["use_cases"].values():
        assert {"latest", "flash", "state", "weeks", "withheld", "failed"} <= set(one)
        assert {"value", "growth", "new", "retained", "resurrected", "churned", "goal"} <= set(one["latest"])
        assert sum(one["weeks"].values()) == 16
    assert summary["extracts"] == str(home / "extracts" / "current")


def test_status(home: Path) -> None:
    said = here("status", "--home", home)
    assert said.code == 0
    assert "2026-06-08" in said.out
    assert "volume against the trailing median" in said.out
    document = here("status", "--home", home, "--json").json
    assert len(document["weeks"]) == 16
    found = {one["state"] for week in document["weeks"] for one in week["use_cases"].values()}
    assert found == {"certified", "withheld", "flash"}
    rows = document["rows"]
    assert rows["accepted"] + rows["duplicate"] + rows["quarantined"] == rows["rows"]
    for week in document["weeks"]:
        assert {"landed", "duplicate", "quarantined", "internal"} <= set(week["rows"])
    assert document["files_set_aside"][0]["reason"]


def test_status_before_anything_has_landed(tmp_path: Path) -> None:
    said = here("status", "--home", tmp_path)
    assert said.code == 0
    assert "Nothing has landed" in said.out.replace("\n", " ")
    assert here("status", "--home", tmp_path, "--json").json["weeks"] == []


EMPTY = ("extract_restatements", "account_adoption", "extract_account_adoption")
"""Nothing has changed since it was published, and the sample's playbooks declare no adoption."""


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers(home: Path, tmp_path: Path, view: str) -> None:
    (row,) = here("query", "--home", home, "--format", "json", f"SELECT count(*) AS n FROM {view}").json
    assert row["n"] > 0 or view in EMPTY
    empty = here("query", "--home", tmp_path, "--format", "json", f"SELECT count(*) AS n FROM {view}")
    assert empty.code == 0, empty.err
    assert view.endswith("metric_dictionary") or empty.json == [{"n": 0}]


def test_query_formats_agree(home: Path) -> None:
    sql = "SELECT week, use_case, value FROM north_star WHERE slice = 'all' ORDER BY ALL"
    rows = here("query", "--home", home, "--format", "json", sql).json
    table = list(csv.DictReader(io.StringIO(here("query", "--home", home, "--format", "csv", sql).out)))
    assert len(rows) == len(table) == 48
    assert [(row["week"], row["use_case"], float(row["value"])) for row in table] == [
        (row["week"], row["use_case"], row["value"]) for row in rows
    ]
    text = here("query", "--home", home, sql).out
    assert rows[0]["week"] in text
    assert "use_case" in text


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW north_star",
        "CREATE TABLE mine AS SELECT 1",
        "INSERT INTO north_star SELECT 1",
        "COPY (SELECT 1) TO '/tmp/nsm-should-not-be.csv'",
        "SELECT 1; SELECT 2",
        "ATTACH '/tmp/nsm-should-not-be.db'",
        "SET threads = 4",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM nort_star",
        "SELEC 1",
        "",
    ],
)
def test_query_reads_and_nothing_else(home: Path, sql: str) -> None:
    refused(here("query", "--home", home, sql))
    assert not Path("/tmp/nsm-should-not-be.csv").exists()
    assert not Path("/tmp/nsm-should-not-be.db").exists()


def test_query_names_the_nearest_view_and_format(home: Path) -> None:
    refused(here("query", "--home", home, "SELECT * FROM nort_star"), "'nort_star'", "did you mean 'north_star'?")
    refused(here("query", "--home", home, "--format", "jsn", "SELECT 1"), "'jsn'", "did you mean 'json'?")


def test_a_home_that_cannot_be_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    refused(here("run", "--home", file), str(file))
    refused(here("run", "--home", tmp_path / "empty"), "nothing has landed", "nsm sample")


@pytest.mark.parametrize(
    ("weeks", "word"),
    [
        ("2026-06-09..2026-06-15", "2026-06-08"),
        ("2026-06-15..2026-06-08", "ends before it starts"),
        ("last week", "YYYY-MM-DD..YYYY-MM-DD"),
        ("2020-01-06..2020-01-13", "outside this home's weeks"),
    ],
)
def test_weeks_that_cannot_be_backfilled(home: Path, weeks: str, word: str) -> None:
    refused(here("backfill", "--home", home, "--weeks", weeks), word)


def test_a_use_case_that_is_not_there(home: Path) -> None:
    said = here("backfill", "--home", home, "--weeks", "2026-06-08", "--use-case", "cii")
    refused(said, "'cii'", "did you mean 'ci'?")


@pytest.mark.slow
def test_backfill_of_one_use_case_rebuilds_it_alone(home: Path, tmp_path: Path) -> None:
    mine = copy(home, tmp_path / "home")
    times = {file: file.stat().st_mtime_ns for file in (mine / "lake").rglob("2026-*.parquet")}
    said = here("backfill", "--home", mine, "--weeks", "2026-04-06..2026-04-20", "--use-case", "ci", "--json")
    assert said.code == 3
    assert said.json["use_cases"]
    changed = {file.relative_to(mine / "lake") for file, time in times.items() if file.stat().st_mtime_ns != time}
    weekly = {path for path in changed if path.parts[0] in ("account_weeks", "north_star", "inputs", "counter_metrics")}
    assert {path.parts[1] for path in weekly} == {"ci"}
    assert {path.stem for path in weekly} == {"2026-04-06", "2026-04-13", "2026-04-20"}
    assert len(weekly) == 12
    assert published(mine) == published(home)


WRONG = [
    ("unknown property", 'of: order_placed, where: "amuont > 1"', "amuont"),
    ("unknown event", "of: order_plaecd", "order_plaecd"),
    ("bad filter", 'of: order_placed, where: "amount >"', "where"),
    ("sql in a filter", 'of: order_placed, where: "1; DROP TABLE x"', "where"),
]
SHOP = """
use_case: shop
title: Shop
owner: {name: Shop group}
events: {order_placed: {properties: {amount: {type: number}}, sources: [{name: order.placed}]}}
metrics: {ordering_accounts: {count_distinct: account, OF}}
north_star: {metric: ordering_accounts}
"""


@pytest.mark.parametrize("command", [("run",), ("status",), ("ui",), ("query", "SELECT 1")])
@pytest.mark.parametrize(("what", "of", "found"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_playbook(home: Path, tmp_path: Path, command: tuple[str, ...], what: str, of: str, found: str) -> None:
    mine = tmp_path / "home"
    shutil.copytree(home / "landing", mine / "landing")
    (mine / "playbook").mkdir()
    (mine / "playbook" / "shop.yaml").write_text(SHOP.replace("OF", of))
    refused(here(*command, "--home", mine), "shop.yaml", "metrics.ordering_accounts", found)
    assert not (mine / "lake").exists()


def test_sample_refuses_other_data(tmp_path: Path) -> None:
    landing = tmp_path / "landing" / "usage_events"
    landing.mkdir(parents=True)
    (landing / "mine.jsonl").write_text("{}\n")
    refused(here("sample", "--home", tmp_path), "mine.jsonl")
    assert [file.name for file in landing.iterdir()] == ["mine.jsonl"]
    assert here("sample", "--home", tmp_path, "--if-empty").code == 0
    refused(here("sample", "--home", tmp_path / "new", "--end", "tomorrow"), "'tomorrow'")


@pytest.mark.parametrize(
    "arguments", [(), ("frobnicate",), ("run", "--nope"), ("sample", "--weeks", "0"), ("backfill",)]
)
def test_bad_usage(arguments: tuple[str, ...]) -> None:
    said = here(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_the_home_before_or_after_the_command_or_in_the_environment(home: Path, tmp_path: Path) -> None:
    sql = "SELECT count(*) AS n FROM certificates"
    after = here("query", "--home", home, "--format", "json", sql)
    before = here("--home", home, "query", "--format", "json", sql)
    assert after.json == before.json == [{"n": 48}]
    environment = finish(start("query", "--format", "json", sql, NSM_HOME=str(home)))
    assert environment.json == after.json
    # What is written on the line counts, wherever it stands there, and not the environment.
    for line in (("--home", home, "query"), ("query", "--home", home)):
        assert here(*line, "--format", "json", sql, NSM_HOME=str(tmp_path)).json == after.json
    assert here("query", "--format", "json", sql, NSM_HOME=str(tmp_path)).json == [{"n": 0}]


def test_as_of(home: Path) -> None:
    for line in (("--as-of", "2026-05-06", "status"), ("status", "--as-of", "2026-05-06")):
        weeks = here(*line, "--home", home, "--json").json["weeks"]
        assert weeks[-1]["week"] == "2026-05-04"
    refused(here("status", "--home", home, "--as-of", "yesterday"), "'yesterday'")


def test_an_unforeseen_error_is_one_paragraph_with_exit_code_1(home: Path, tmp_path: Path) -> None:
    mine = copy(home, tmp_path / "home")
    (mine / "lake" / "ledger.json").write_text("{")
    said = here("run", "--home", mine)
    assert said.code == 1
    assert "Traceback" not in said.err
    assert said.err.startswith("Error ")
    assert "Traceback" in (mine / "last_error.txt").read_text()


def test_the_sample_says_what_is_withheld_on_purpose(home: Path) -> None:
    said = here("expected", "--home", home)
    assert said.code == 0
    assert "2026-06-08" in said.out
    told = json.loads((home / "sample.json").read_text())["incidents"]
    assert any(one["kind"] == "outage" for one in told)
