"""What is gathered over many weeks follows from the weekly files as they are, whatever was gathered before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nsm_pipeline.gathered import gathered
from nsm_pipeline.lake import FOOTERS, RECALLED, Lake, recall, remember

SCHEMA = pa.schema([("week", pa.date32()), ("value", pa.int64())])
WEEKS = [date(2026, 1, 5) + timedelta(weeks=number) for number in range(4)]


class Weekly:
    """Weekly files of one table, and the weeks that had to be read."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root)
        self.read: list[date] = []

    def put(self, week: date, *values: int) -> None:
        rows = pa.table({"week": [week] * len(values), "value": list(values)}, SCHEMA)
        self.lake.write(rows, f"{sum(values):016x}", "numbers", week)

    def _read(self, new: Mapping[date, str]) -> dict[date, pa.Table]:
        self.read = list(new)
        return {week: self.lake.read("numbers", week) for week in new}

    def found(self, *weeks: date, key: str = "as stored") -> list[int]:
        self.read = []
        files = {week: self.lake.name("numbers", week) for week in weeks or WEEKS}
        rows = gathered(self.lake.root / "gathered.arrow", key, files, SCHEMA, self._read)
        assert rows.schema == SCHEMA
        values: list[int] = rows["value"].to_pylist()
        return values


@pytest.fixture
def weekly(tmp_path: Path) -> Weekly:
    made = Weekly(tmp_path / "lake")
    for number, week in enumerate(WEEKS[:3]):
        made.put(week, *range(number))  # none, one, two rows
    return made


def test_each_week_is_read_once(weekly: Weekly) -> None:
    assert weekly.found() == [0, 0, 1]
    assert weekly.read == WEEKS[:3]
    assert weekly.found() == [0, 0, 1]
    assert weekly.found(WEEKS[2], WEEKS[1]) == [0, 1, 0], "in the order asked for"
    assert weekly.read == []


def test_a_replaced_a_new_and_a_missing_week(weekly: Weekly) -> None:
    weekly.found()
    weekly.put(WEEKS[1], 7)
    weekly.put(WEEKS[3], 9)
    weekly.lake.file("numbers", WEEKS[2]).unlink()
    assert weekly.found() == [7, 9]
    assert weekly.read == [WEEKS[1], WEEKS[3]]


def test_rows_made_in_another_way_do_not_count(weekly: Weekly) -> None:
    weekly.found()
    assert weekly.found(key="doubled") == [0, 0, 1]
    assert weekly.read == WEEKS[:3]


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 and nothing of it"])
def test_a_damaged_file_is_gathered_anew(weekly: Weekly, damage: bytes) -> None:
    weekly.found()
    (weekly.lake.root / "gathered.arrow").write_bytes(damage)
    assert weekly.found() == [0, 0, 1]
    assert weekly.read == WEEKS[:3]


def test_remembered_fingerprints_hold_while_the_file_stays_the_same(weekly: Weekly) -> None:
    root, file = weekly.lake.root, weekly.lake.file("numbers", WEEKS[1])
    other = weekly.lake.file("numbers", WEEKS[2])
    before = other.stat()
    remember(root)
    FOOTERS.clear()
    RECALLED.discard(root)
    weekly.put(WEEKS[1], 7)
    FOOTERS.clear()
    recall(root)
    assert weekly.lake.fingerprint("numbers", WEEKS[1]) == f"{7:016x}", f"{file} was replaced"
    assert FOOTERS[str(other)][0] == (before.st_mtime_ns, before.st_size, before.st_ino)
    assert weekly.lake.fingerprint("numbers", WEEKS[2]) == f"{1:016x}"
