"""Which ids have landed more than once: found from what was kept, whatever was kept, as if all rows were read."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from landing_zone import Row, Zone, event
from test_any_order import PHASES, deliveries, fill, outcome

from nsm_pipeline.events import id_index
from nsm_pipeline.events.id_index import IdIndex, PartOf

pytestmark = pytest.mark.slow


def landed(zone: Zone) -> dict[PartOf, int]:
    ledger = zone.ledger
    return {(week, key): rows for key in ledger.active("events") for week, rows in ledger.contents[key].parts.items()}


def hashes(zone: Zone, part: PartOf) -> list[int]:
    found: list[int] = zone.lake.read("landed_events", *part)["id_hash"].to_pylist()
    return found


def ids(zone: Zone, name: str, *numbers: int) -> None:
    zone.put(f"{name}.jsonl", [event(f"e{number}", "2026-02-03T10:00:00Z", "a1") for number in numbers])
    zone.ingest()


def segments(zone: Zone) -> list[Path]:
    return sorted((zone.home.lake / ".ids").glob("*.arrow"))


def test_new_ids_are_looked_up_in_what_was_kept(zone: Zone) -> None:
    ids(zone, "a", *range(100))
    (old,) = segments(zone)
    ids(zone, "b", 3, 200)
    assert old in segments(zone)
    assert len(segments(zone)) == 2
    parts = landed(zone)
    rows = Counter(value for part in parts for value in hashes(zone, part))
    (twice,) = [value for value, count in rows.items() if count > 1]
    for part in parts:
        zone.lake.file("landed_events", *part).rename(zone.root / part[1])  # nothing of them is read
    found = IdIndex(zone.lake, zone.ledger.version).repeated_among(
        zone.engine, parts, np.array([*rows], dtype=np.uint64)
    )
    assert found.prefixes.tolist() == [twice >> id_index.PLACE_BITS]
    assert found.parts == parts.keys()


def test_small_segments_become_one(zone: Zone) -> None:
    for number in range(8):
        ids(zone, f"f{number}", number)
        assert len(segments(zone)) == (number + 1).bit_count(), "sizes as the digits of a binary number"
    assert zone.ledger.totals()["duplicate"] == 0


@pytest.mark.parametrize("damage", ["gone", "empty", "other content", "older version", "left over"])
def test_what_was_kept_may_be_damaged(zone: Zone, damage: str) -> None:
    ids(zone, "a", *range(100))
    (old,) = segments(zone)
    content = old.read_bytes()
    if damage == "gone":
        old.unlink()
    elif damage == "empty":
        old.write_bytes(b"")
    elif damage == "other content":
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            chunks = [
                reader.get_batch(number)["entry"].to_numpy().tobytes() for number in range(reader.num_record_batches)
            ]
        for chunk in chunks:
            content = content.replace(chunk, b"\0" * len(chunk))
        old.write_bytes(content)
    elif damage == "older version":
        old.write_bytes(content.replace(zone.ledger.version.encode(), b"0" * 16))
    elif damage == "left over":
        (old.parent / "another.arrow").write_bytes(content)
    ids(zone, "b", 3, 200)
    assert zone.ledger.totals()["duplicate"] == 1
    assert len(segments(zone)) <= 2


def test_a_content_that_does_not_count_any_more_is_not_found(zone: Zone) -> None:
    ids(zone, "a", *range(100))
    ids(zone, "b", 3)
    ids(zone, "b", 300)  # replaces it
    assert zone.ledger.totals()["duplicate"] == 0
    ids(zone, "c", 3)
    assert zone.ledger.totals()["duplicate"] == 1


@given(deliveries())
@settings(max_examples=5, phases=PHASES)
def test_ids_that_share_a_prefix_are_told_apart(given_files: tuple[list[Row], list[list[int]], list[str]]) -> None:
    """With prefixes of two bits nearly every id shares one with another."""
    rows, files, endings = given_files
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        usual, coarse = Zone(Path(folder) / "usual"), Zone(Path(folder) / "coarse")
        for place in range(len(files)):
            fill(usual, rows, files, endings, place)
        usual.ingest()
        patch.setattr(id_index, "PLACE_BITS", 62)
        for place in range(len(files)):
            fill(coarse, rows, files, endings, place)
            coarse.ingest()
        assert outcome(coarse) == outcome(usual)


@pytest.mark.soak
@given(deliveries())
@settings(max_examples=60, phases=PHASES)
def test_ids_of_many_deliveries(given_files: tuple[list[Row], list[list[int]], list[str]]) -> None:
    test_ids_that_share_a_prefix_are_told_apart.hypothesis.inner_test(given_files)  # type: ignore[attr-defined]
