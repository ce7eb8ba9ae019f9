"""What was shown on a date, by query, as files and as a number's life: over several publications of one home."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from homes import Said, here
from landing_zone import Zone

from nsm_pipeline.publishing import rendering
from nsm_pipeline.publishing.extracts import write_extract
from nsm_pipeline.publishing.record import Record
from nsm_pipeline.publishing.restatements import Why
from nsm_pipeline.publishing.tables import EXTRACT

WEEK = date(2026, 4, 6)
# Berlin is two hours ahead: the second was published on the evening of 4 May, the third after its midnight.
TIMES = [
    datetime(2026, 5, 1, 8, tzinfo=UTC),
    datetime(2026, 5, 4, 21, 30, tzinfo=UTC),
    datetime(2026, 5, 4, 22, 30, tzinfo=UTC),
    datetime(2026, 5, 9, 8, tzinfo=UTC),
]
VALUES = [100.0, 103.0, 103.0, 250.0]
STATES = ["certified", "certified", "superseded_pending", "certified"]


def row(value: float, state: str, **more: Any) -> dict[str, Any]:
    return {
        "use_case": "shop", "metric": "orders", "title": "Orders", "role": "north_star", "week": WEEK,
        "slice": "all", "slice_value": "all", "value": value, "numerator": value, "denominator": None, "entities": 1,
        "unit": "", "state": state, "stage": "final", "certificate_id": f"shop-{value:.0f}", **more,
    }  # fmt: skip


def tables(place: int) -> dict[str, pa.Table]:
    found = {table.name: table.schema.empty_table() for table in EXTRACT}
    rows = [row(VALUES[place], STATES[place]), row(5.0, "certified", slice="plan", slice_value="free")]
    if place < 2:
        rows.append(row(7.0, "certified", slice="plan", slice_value="paid"))
    found["north_star"] = pa.Table.from_pylist(rows, found["north_star"].schema)
    both = [row(place, "certified", use_case=name, metric="teams", role="inputs") for name in ("shop", "ci")]
    found["inputs"] = pa.Table.from_pylist(both, found["inputs"].schema)
    growth = [{"use_case": "shop", "week": WEEK, "complete": True, "value": VALUES[place], "state": STATES[place]}]
    found["growth"] = pa.Table.from_pylist(growth, found["growth"].schema)
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, bytes]]]:
    """A home with four publications of which no rendering is left, and the files that each of them had."""
    zone = Zone(tmp_path_factory.mktemp("shown") / "home", settings="company: Test\ntime_zone: Europe/Berlin\n")
    assert zone.playbook
    shown = []
    for place, at in enumerate(TIMES):
        why = Why("metric orders changed", "wrong unit", "Ada")
        write_extract(zone.home, tables(place), "Test", at, lambda *_, why=why: why, 0.05)
        files = (zone.home.extracts / "current").resolve().iterdir()
        shown.append({file.name: file.read_bytes() for file in files})
    shutil.rmtree(zone.home.extracts)
    return zone.root, shown


def query(home: Path, when: str, sql: str) -> Said:
    return here("query", "--home", home, "--as-published", when, "--format", "json", sql)


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("2026-05-01", 0),
        ("2026-05-03", 0),
        ("2026-05-04", 1),  # the evening in Berlin still counts, half past midnight does not
        ("2026-05-05", 2),
        ("2026-05-09", 3),
        ("2030-01-01", 3),
        ("2026-05-01T08:00Z", 0),
        ("2026-05-04T21:29:59Z", 0),
        ("2026-05-04T23:30+02:00", 1),
        ("2026-05-04T22:30Z", 2),
    ],
)
def test_a_query_over_what_was_shown(published: tuple[Path, list[dict[str, bytes]]], when: str, place: int) -> None:
    sql = "SELECT value, state FROM {} WHERE slice = 'all' AND metric = 'orders'"
    for view in ("extract_north_star", "north_star"):
        said = query(published[0], when, sql.format(view))
        assert said.json == [{"value": VALUES[place], "state": STATES[place]}], said.err
        assert f"version {place + 1:06d}-" in said.err
    assert query(published[0], when, "SELECT count(*) AS n FROM growth JOIN extract_inputs USING (week)").json == [
        {"n": 2}
    ]
    assert query(published[0], when, "SELECT max(version) AS v FROM extract_restatements").json == [
        {"v": [None, "000002", "000003", "000004"][place]}
    ]


@pytest.mark.parametrize(
    ("when", "sql", "words"),
    [
        ("2026-04-30", "SELECT 1", ["'2026-04-30'", "first publication on record", "000001-", "2026-05-01T08:00"]),
        ("2026-05-01T07:59Z", "SELECT 1", ["2026-05-01T07:59Z", "first publication on record"]),
        ("yesterday", "SELECT 1", ["'yesterday'", "YYYY-MM-DD", "Europe/Berlin"]),
        ("2026-13-01", "SELECT 1", ["'2026-13-01'", "YYYY-MM-DD"]),
        ("2026-05-04T10:00", "SELECT 1", ["'2026-05-04T10:00'", "its zone"]),
        ("2026-05-04", "SELECT * FROM usage_events", ["'usage_events'", "not kept", "extract_north_star"]),
        ("2026-05-04", "SELECT * FROM Landed_Events", ["'Landed_Events'", "not kept"]),
        ("2026-05-04", "SELECT * FROM north_sta", ["'north_sta'", "did you mean 'north_star'?"]),
        ("2026-05-04", "DROP TABLE north_star", ["one SELECT"]),
        ("2026-05-04", "SELECT * FROM read_csv('/etc/passwd')", ["nsm query"]),
    ],
)
def test_refused_queries(published: tuple[Path, list[dict[str, bytes]]], when: str, sql: str, words: list[str]) -> None:
    said = query(published[0], when, sql)
    assert (said.code, said.out) == (2, "")
    for word in words:
        assert word in said.err.replace("\n", " ")


def test_an_extract_as_it_was(published: tuple[Path, list[dict[str, bytes]]], tmp_path: Path) -> None:
    home, shown = published
    for place, when in ((1, "2026-05-04"), (0, "2026-05-01T12:00Z"), (3, "2026-05-09"), (2, "2026-05-05")):
        out = tmp_path / when / "deep"
        said = here("extract", "--home", home, "--as-published", when, "--out", out)
        assert said.code == 0, said.err
        assert {file.name: file.read_bytes() for file in out.iterdir()} == shown[place]
        assert f"{place + 1:06d}-" in said.err
    now = tmp_path / "now"
    assert here("extract", "--home", home, "--out", now).code == 0  # extracts/ was deleted: what was shown last
    assert {file.name: file.read_bytes() for file in now.iterdir()} == shown[3]


def test_a_folder_is_only_replaced_on_request(published: tuple[Path, list[dict[str, bytes]]], tmp_path: Path) -> None:
    home, shown = published
    out = tmp_path / "out"
    order = ("extract", "--home", home, "--as-published", "2026-05-01", "--out", out)
    assert here(*order).code == 0
    (out / "old.parquet").write_bytes(b"of an older extract")
    again = here(*order)
    assert again.code == 2
    assert "--force" in again.err
    assert (out / "old.parquet").is_file()
    assert here(*order, "--force").code == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == shown[0]
    (out / "thesis.docx").write_bytes(b"mine")
    kept = here(*order, "--force")
    assert kept.code == 2
    assert "thesis.docx" in kept.err
    assert (out / "thesis.docx").is_file()
    for place in (home / "extracts" / "current", home, home.parent):
        said = here("extract", "--home", home, "--out", place, "--force")
        assert said.code == 2
        assert "home" in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_bytes_that_a_library_writes_otherwise(
    published: tuple[Path, list[dict[str, bytes]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of the Parquet library: the rows are the published ones, and it says that the bytes are
    not."""

    def otherwise(table: pa.Table) -> bytes:
        return rendering.parquet_bytes(table.replace_schema_metadata({"written": "otherwise"}))

    monkeypatch.setattr(rendering, "PARQUET", replace(rendering.PARQUET, content=otherwise))
    out = tmp_path / "out"
    said = here("extract", "--home", published[0], "--as-published", "2026-05-04", "--out", out)
    assert said.code == 0
    assert "north_star" in said.err
    assert "the bytes are not" in said.err.replace("\n", " ")
    assert (out / "datapackage.json").read_bytes() == published[1][1]["datapackage.json"]


def history(home: Path, *more: str, week: str = str(WEEK)) -> Said:
    return here("history", "--home", home, "--week", week, *more)


def test_a_numbers_life(published: tuple[Path, list[dict[str, bytes]]]) -> None:
    said = history(published[0], "--metric", "orders", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert (found["use_case"], found["week"], found["slice"]) == ("shop", "2026-04-06", "all")
    assert [
        (one["version"][:6], one["value"], one["difference"], one["state"], one["certificate"], one["kind"], one["by"])
        for one in found["life"]
    ] == [
        ("000001", 100, None, "certified", "shop-100", "", ""),
        ("000002", 103, 3, "certified", "shop-103", "within_tolerance", "Ada"),
        ("000003", 103, 0, "superseded_pending", "shop-103", "", ""),
        ("000004", 250, 147, "certified", "shop-250", "restatement", "Ada"),
    ]
    assert found["life"][3]["reason"] == "wrong unit"
    assert found["life"][3]["cause"] == "metric orders changed"
    assert found["life"][1]["at"] == "2026-05-04T21:30:00.000000Z"


def test_the_life_of_a_slice_and_of_growth(published: tuple[Path, list[dict[str, bytes]]]) -> None:
    home = published[0]
    paid = history(home, "--metric", "orders", "--slice", "plan=paid", "--json").json["life"]
    assert [(one["version"][:6], one["value"], one["state"]) for one in paid] == [
        ("000001", 7, "certified"),
        ("000003", None, None),
    ]
    free = history(home, "--metric", "orders", "--slice", "plan=free", "--json").json["life"]
    assert [one["version"][:6] for one in free] == ["000001"]  # it has never changed
    growth = history(home, "--metric", "value", "--json").json["life"]
    assert [(one["version"][:6], one["value"]) for one in growth] == [
        ("000001", 100), ("000002", 103), ("000003", 103), ("000004", 250),
    ]  # fmt: skip
    ci = history(home, "--metric", "teams", "--use-case", "ci", "--json").json["life"]
    assert [one["value"] for one in ci] == [0, 1, 2, 3]


def test_a_numbers_life_for_a_person(published: tuple[Path, list[dict[str, bytes]]]) -> None:
    out = history(published[0], "--metric", "orders").out
    assert "orders of shop, week of 2026-04-06" in out
    for word in ("2026-05-04 21:30", "000004", "250", "+147", "superseded_pending"):
        assert word in out
    assert "“wrong unit” (Ada)" in " ".join(out.split())
    assert "not published" in history(published[0], "--metric", "orders", "--slice", "plan=paid").out


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (["--metric", "oders"], ["'oders'", "never published", "did you mean 'orders'?"]),
        (["--metric", "orders", "--use-case", "shopp"], ["'shopp'", "did you mean 'shop'?"]),
        (["--metric", "orders", "--use-case", "ci"], ["'ci'", "orders", "shop"]),
        (["--metric", "teams"], ["--use-case", "ci, shop"]),
        (["--metric", "orders", "--slice", "plan=fre"], ["'plan=fre'", "did you mean 'plan=free'?"]),
        (["--metric", "orders", "--slice", "plan"], ["'plan'", "plan=free"]),
    ],
)
def test_numbers_that_were_never_published(
    published: tuple[Path, list[dict[str, bytes]]], order: list[str], words: list[str]
) -> None:
    said = history(published[0], *order)
    assert (said.code, said.out) == (2, "")
    for word in words:
        assert word in said.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("week", "words"),
    [
        ("2026-04-08", ["2026-04-08", "did you mean 2026-04-06?"]),
        ("2026-04-13", ["2026-04-13", "weeks from 2026-04-06 to 2026-04-06"]),
        ("April", ["'April'", "YYYY-MM-DD"]),
    ],
)
def test_weeks_that_were_never_published(
    published: tuple[Path, list[dict[str, bytes]]], week: str, words: list[str]
) -> None:
    said = history(published[0], "--metric", "orders", week=week)
    assert said.code == 2
    for word in words:
        assert word in said.err.replace("\n", " ")


def test_a_home_that_has_published_nothing(zone: Zone, tmp_path: Path) -> None:
    assert zone.playbook
    for said in (
        query(zone.root, "2026-05-04", "SELECT 1"),
        history(zone.root, "--metric", "orders"),
        here("extract", "--home", zone.root, "--out", tmp_path / "out"),
    ):
        assert said.code == 2
        assert "record yet" in said.err or "published yet" in said.err


def test_the_log_of_a_real_run(published_home: Path, tmp_path: Path) -> None:
    """After `nsm run`: what it published is on record, and is given back."""
    log = Record.of(Zone(published_home).home)
    (version,) = log.versions()
    folder = (published_home / "extracts" / "current").resolve()
    assert version == folder.name
    assert log.give_back(version).files == {file.name: file.read_bytes() for file in folder.iterdir()}
    when = log.publication(version).at.isoformat()
    sql = "SELECT week, metric, value FROM north_star WHERE use_case = 'ci' AND slice = 'all' ORDER BY ALL"
    rows = query(published_home, when, sql).json
    assert rows == here("query", "--home", published_home, "--format", "json",
                        sql.replace("north_star", "extract_north_star")).json  # fmt: skip
    last = rows[0]
    told = history(published_home, "--metric", last["metric"], "--use-case", "ci", "--json", week=last["week"]).json
    assert [one["value"] for one in told["life"]] == [last["value"]]
    assert json.loads((folder / "datapackage.json").read_text())["resources"][-1]["name"] == "restatements"
