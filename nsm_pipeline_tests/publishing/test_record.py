"""The log of publications: every version given back to the byte, in any order, after kills and losses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.publishing import recording
from nsm_pipeline.publishing.extracts import current_version, write_extract
from nsm_pipeline.publishing.record import Record
from nsm_pipeline.publishing.tables import EXTRACT

pytestmark = pytest.mark.slow

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
DAY = timedelta(days=1)
Values = dict[tuple[str, str], float | None]


def row(metric: str, week: str, value: float | None, title: str = "") -> dict[str, Any]:
    return {
        "use_case": "shop", "metric": metric, "title": title, "role": "north_star", "week": date.fromisoformat(week),
        "slice": "all", "slice_value": "all", "value": value, "numerator": value, "denominator": None, "entities": 1,
        "unit": "", "state": "certified", "certificate_id": f"{metric}-{value}",
    }  # fmt: skip


def tables(values: Values, title: str = "") -> dict[str, pa.Table]:
    """An extract's tables with these values of the North Star by (metric, week)."""
    found = {table.name: table.schema.empty_table() for table in EXTRACT}
    rows = [row(metric, week, value, title) for (metric, week), value in values.items()]
    found["north_star"] = pa.Table.from_pylist(rows, found["north_star"].schema)
    scored = {row["week"]: row for row in rows}  # also written as CSV
    cards = [
        {"use_case": "shop", "week": week, "metric": one["metric"], "value": one["value"], "joint_words": title}
        for week, one in scored.items()
    ]
    found["scorecard"] = pa.Table.from_pylist(cards, found["scorecard"].schema)
    return found


def publish(home: Home, values: Values, at: datetime = NOW, title: str = "") -> str:
    return write_extract(home, tables(values, title), "Test", at)


def files_of(home: Home, version: str) -> dict[str, bytes]:
    """A version's files, as they lie in the extracts."""
    return {file.name: file.read_bytes() for file in (home.extracts / "versions" / version).iterdir()}


keys = st.tuples(st.sampled_from(["orders", "größe", "teams"]), st.sampled_from(["2026-04-06", "2026-04-13"]))
numbers = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0]), st.floats(allow_nan=False, allow_infinity=False))
histories = st.lists(st.tuples(st.dictionaries(keys, numbers), st.sampled_from(["", "A", "ß"])), min_size=1, max_size=9)


def each_given_back(history: list[tuple[Values, str]], whole_every: int, order: Any) -> None:
    """Publish, lose the extracts, and ask for every version in some order."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "WHOLE_EVERY", whole_every)
        home = Home(Path(folder))
        shown: dict[str, dict[str, bytes]] = {}
        for number, (values, title) in enumerate(history):
            version = publish(home, values, NOW + number * DAY, title)
            assert shown.setdefault(version, files_of(home, version)) == files_of(home, version)
        record = Record.of(home)
        assert record.versions() == list(shown)
        asked = list(shown)
        order.shuffle(asked)
        shutil.rmtree(home.extracts)
        for version in asked:
            given_back = record.give_back(version)
            assert given_back.files == shown[version]
            assert given_back.rewritten == ()


@settings(max_examples=8)
@given(histories, st.integers(1, 4), st.randoms())
def test_every_version_is_given_back_to_the_byte(
    history: list[tuple[Values, str]], whole_every: int, order: Any
) -> None:
    """Whatever is published, however often whole tables are kept, in whatever order it is asked for."""
    each_given_back(history, whole_every, order)


@pytest.mark.soak
@settings(max_examples=250)
@given(histories, st.integers(1, 4), st.randoms())
def test_every_version_of_many_histories(history: list[tuple[Values, str]], whole_every: int, order: Any) -> None:
    each_given_back(history, whole_every, order)


def test_negative_zero_is_another_number(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = publish(home, {("orders", "2026-04-06"): 0.0})
    second = publish(home, {("orders", "2026-04-06"): -0.0})
    assert first != second
    assert Record.of(home).give_back(second).files == files_of(home, second)


def test_giving_back_reads_a_bounded_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WHOLE_EVERY", 4)
    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    made = [publish(home, {("orders", "2026-04-06"): float(number)}) for number in range(9)]
    read: list[str] = []
    original = Record.parts
    monkeypatch.setattr(Record, "parts", lambda self, one: read.append(one.version) or original(self, one))
    counts = []
    for version in made:
        read.clear()
        record.tables(version)
        counts.append(len(read))
    assert counts == [1, 2, 3, 4, 1, 2, 3, 4, 1]


def test_a_table_with_new_columns_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade: the version before it has the columns that it had."""
    from nsm_pipeline.publishing import rendering

    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    narrow = [
        table if table.name != "north_star" else type(table)(table.name, "", table.key, table.columns[:-1])
        for table in EXTRACT
    ]
    values: Values = {("orders", f"2026-0{month}-06"): 1.0 for month in range(1, 8)}
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "EXTRACT", tuple(narrow[:-1]))
        old = [publish(home, {**values, ("orders", "2026-04-06"): float(number)}) for number in range(2)]
    new = [publish(home, {**values, ("orders", "2026-04-06"): float(number)}) for number in (1, 2)]
    assert [record.publication(version).tables["north_star"].how for version in [*old, *new]] == [
        "whole", "changes", "whole", "changes",
    ]  # fmt: skip
    for version in [*old, *new]:
        assert record.give_back(version).files == files_of(home, version)
    assert "certificate_id" not in record.tables(old[1])["north_star"].column_names
    assert EXTRACT[-1].name not in record.tables(old[1])


def test_what_was_current_at_an_instant(tmp_path: Path) -> None:
    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    made = [publish(home, {("orders", "2026-04-06"): float(day)}, NOW + day * DAY) for day in range(3)]
    found = [record.shown_at(NOW + days * DAY) for days in (-0.1, 0, 0.9, 1, 5)]
    assert [one.version if one else None for one in found] == [None, made[0], made[0], made[1], made[2]]


def test_a_home_from_before_there_was_a_log(tmp_path: Path) -> None:
    """Its first publication afterwards is on record, whole, with the next number."""
    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    old = publish(home, {("orders", "2026-04-06"): 1.0})
    shutil.rmtree(home.records)
    assert record.versions() == []
    new = publish(home, {("orders", "2026-04-06"): 2.0})
    assert (int(old[:6]), int(new[:6])) == (1, 2)
    assert record.versions() == [new]
    assert {kept.how for kept in record.publication(new).tables.values()} == {"whole", "twin"}


def test_the_same_content_comes_on_record_where_there_is_no_log(tmp_path: Path) -> None:
    home = Home(tmp_path)
    version = publish(home, {("orders", "2026-04-06"): 1.0})
    shutil.rmtree(home.records)
    assert publish(home, {("orders", "2026-04-06"): 1.0}) == version
    assert Record.of(home).versions() == [version]
    assert Record.of(home).give_back(version).files == files_of(home, version)


def test_deleted_extracts_are_written_again_and_numbers_go_on(tmp_path: Path) -> None:
    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    made = [publish(home, {("orders", "2026-04-06"): float(day)}) for day in range(3)]
    wanted = files_of(home, made[2])
    shutil.rmtree(home.extracts)
    assert record.versions() == made
    assert publish(home, {("orders", "2026-04-06"): 2.0}) == made[2]  # nothing new: the same version again
    assert files_of(home, made[2]) == wanted
    shutil.rmtree(home.extracts)
    new = publish(home, {("orders", "2026-04-06"): 9.0})
    assert int(new[:6]) == 4
    assert record.versions() == [*made, new]


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.soak)])
def test_a_damaged_log_gives_nothing_back(tmp_path: Path, step: int) -> None:
    """Any flipped byte of a publication's rows is found, and the file or folder named."""
    home, record = Home(tmp_path), Record.of(Home(tmp_path))
    version = publish(home, {("orders", "2026-04-06"): 1.0})
    file = record.folder / f"{version}.parquet"
    whole, wanted, refused = file.read_bytes(), files_of(home, version), 0
    for place in range(0, len(whole), step):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert record.give_back(version).files == wanted  # a byte that nobody reads
        except UserError as error:
            assert str(record.folder) in str(error)
            refused += 1
    assert refused > 100
    file.unlink()
    with pytest.raises(UserError, match=r"000001-\w+\.parquet: .*missing"):
        record.publication(version)


class Killed(BaseException):
    """Stands for the process's end: nothing catches it."""


@contextmanager
def killed_after(steps: int, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The process ends at the n-th rename, removal or link, before it happens."""
    done: list[str] = []

    def watched(original: Any, name: str) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if len(done) >= steps:
                raise Killed
            done.append(name)
            return original(*arguments, **keywords)

        return call

    with patch.context() as inner:
        for name in ("rename", "replace", "symlink_to", "unlink", "mkdir", "write_bytes"):
            inner.setattr(Path, name, watched(getattr(Path, name), name))
        inner.setattr(shutil, "rmtree", watched(shutil.rmtree, "rmtree"))
        yield done


def test_killed_between_any_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What readers see is on record and whole; what they never saw is not, and its number is used again."""
    start, proved = Home(tmp_path / "start"), set()
    made = [publish(start, {("orders", "2026-04-06"): float(day)}, NOW + day * DAY) for day in range(2)]
    outcomes = set()

    def is_given_back(home: Home, version: str) -> bool:
        """What is given back is made of the log alone: the same log is asked once."""
        log = {file.name: file.read_bytes() for file in Record.of(home).folder.rglob("*") if file.is_file()}
        asked = (version, frozenset(log.items()), frozenset(files_of(home, version).items()))
        if asked not in proved and Record.of(home).give_back(version).files == files_of(home, version):
            proved.add(asked)
        return asked in proved

    for steps in range(1_000):
        home = Home(tmp_path / f"home-{steps}")
        shutil.copytree(start.root, home.root, symlinks=True)
        record, finished = Record.of(home), False
        with killed_after(steps, monkeypatch):
            try:
                publish(home, {("orders", "2026-04-06"): 7.0}, NOW + 2 * DAY)
                finished = True
            except Killed:
                pass
        current = current_version(home.extracts)
        assert current is not None
        assert record.versions() == ([*made, current] if current not in made else made)
        assert is_given_back(home, current)
        outcomes.add(current in made)
        again = publish(home, {("orders", "2026-04-06"): 8.0}, NOW + 3 * DAY)
        assert int(again[:6]) == (3 if current in made else 4)
        assert record.versions() == [*made, *([] if current in made else [current]), again]
        for version in record.versions():
            assert is_given_back(home, version)
        assert not [*home.extracts.rglob(".*"), *record.folder.rglob(".*.tmp")]
        assert {path.name for path in (home.extracts / "versions").iterdir()} == set(record.versions())
        assert not list(record.folder.glob("*.pending"))
        if finished:
            break
        shutil.rmtree(home.root)
    assert steps > 10
    assert outcomes == {True, False}
