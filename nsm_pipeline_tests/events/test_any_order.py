"""What is ingested decides the result; how it was cut into files and when each file came does not."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from landing_zone import Row, Zone, event

pytestmark = pytest.mark.slow

WEEKS = [date(2026, 2, 2), date(2026, 2, 9), date(2026, 2, 16)]
ENDINGS = (".jsonl", ".csv", ".parquet", ".jsonl.gz")
START = datetime(2026, 2, 2)
# An example takes half a second: shrinking a failing one would take minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@st.composite
def landed_rows(draw: st.DrawFn) -> Row:
    """Few ids, so that duplicates and conflicts are common; also rows that nobody can use."""
    minutes = draw(st.integers(0, 3 * 7 * 24 * 60 - 1))
    moment = START + timedelta(minutes=minutes)
    row = event(
        f"e{draw(st.integers(0, 7))}",
        f"{moment.isoformat()}Z",
        f"a{draw(st.integers(0, 2))}",
        event_name=draw(st.sampled_from(["order.placed", "order_done", "page_viewed", "unheard_of"])),
        properties={"amount": draw(st.integers(0, 3)), "order": f"o{draw(st.integers(0, 2))}"},
    )
    row["received_at"] = draw(
        st.sampled_from([row["occurred_at"], "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", None])
    )
    damage = draw(st.sampled_from([None] * 12 + ["event_id", "occurred_at", "account_id"]))
    return {**row, damage: None} if damage else row


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Row], list[list[int]], list[str]]:
    """Rows, how they are cut into files (a row may be in several), and the files' endings."""
    rows = draw(st.lists(landed_rows(), min_size=1, max_size=14))
    files = draw(st.lists(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8), min_size=1, max_size=4))
    return rows, files, [draw(st.sampled_from(ENDINGS)) for _ in files]


def fill(zone: Zone, rows: Sequence[Row], files: Sequence[Sequence[int]], endings: Sequence[str], place: int) -> None:
    zone.put(f"d{place}/f{endings[place]}", [rows[number] for number in files[place]])


def outcome(zone: Zone) -> tuple[Any, ...]:
    zone.build(*WEEKS)
    assert all(row.reconciles for row in zone.ledger.rows())
    tables = [zone.digests(table) for table in ("usage_events", "event_quality", "week_evidence", "unmapped_events")]
    return tables, list(zone.ledger.rows()), zone.ledger.totals(), zone.ledger.losers


@given(deliveries(), st.randoms(use_true_random=False))
@settings(max_examples=5, phases=PHASES)
def test_any_order_of_ingest_gives_the_same_bytes(
    given_files: tuple[list[Row], list[list[int]], list[str]], random: Any
) -> None:
    rows, files, endings = given_files
    with tempfile.TemporaryDirectory() as folder:
        whole, one_by_one = Zone(Path(folder) / "whole", threads=2), Zone(Path(folder) / "single")
        for place in range(len(files)):
            fill(whole, rows, files, endings, place)
        whole.ingest()
        order = list(range(len(files)))
        random.shuffle(order)
        for place in order:
            fill(one_by_one, rows, files, endings, place)
            one_by_one.ingest()
        assert outcome(whole) == outcome(one_by_one)


def expected(rows: Sequence[Row]) -> tuple[int, int, int, int, set[tuple[str, str]]]:
    """(quarantined, accepted, duplicates, conflicts, facts), worked out slowly; `rows` in order of path and row."""
    good = [row for row in rows if all(row[key] for key in ("event_id", "occurred_at", "account_id"))]
    keep: dict[str, Row] = {}
    for row in sorted(good, key=lambda row: row["received_at"] or "9999"):
        keep.setdefault(row["event_id"], row)

    def said(row: Row) -> list[Any]:
        return [row[key] for key in ("event_name", "occurred_at", "account_id", "user_id", "properties")]

    conflicts = sum(said(row) != said(keep[row["event_id"]]) for row in good)
    facts = {(row["event_id"], str(row["occurred_at"])) for row in keep.values()}
    return len(rows) - len(good), len(keep), len(good) - len(keep), conflicts, facts


@given(deliveries())
@settings(max_examples=10, phases=PHASES)
def test_any_split_into_files_gives_the_same_rows(given_files: tuple[list[Row], list[list[int]], list[str]]) -> None:
    rows, files, endings = given_files
    with tempfile.TemporaryDirectory() as folder:
        zone = Zone(Path(folder) / "home")
        delivered: list[Row] = []
        copies = 0
        distinct: set[tuple[str, str]] = set()
        for place, numbers in enumerate(files):
            fill(zone, rows, files, endings, place)
            kind = (endings[place], repr([rows[number] for number in numbers]))
            if kind in distinct:
                copies += len(numbers)  # the same bytes again: a re-delivered file
            else:
                distinct.add(kind)
                delivered += [rows[number] for number in numbers]
        zone.ingest()
        zone.build(*WEEKS)
        quarantined, accepted, duplicates, conflicts, facts = expected(delivered)
        totals = zone.ledger.totals()
        assert (totals["quarantined"], totals["accepted"]) == (quarantined, accepted)
        assert (totals["duplicate"] - copies, totals["conflict"]) == (duplicates, conflicts)
        landed = [zone.evidence(week) for week in WEEKS]
        assert sum(row["accepted"] for row in landed) == len(facts)
        assert sum(row["landed"] for row in landed) == accepted + duplicates
        assert sum(row["conflict"] for row in landed) == conflicts


@pytest.mark.soak
@given(deliveries(), st.randoms(use_true_random=False))
@settings(max_examples=60, phases=PHASES)
def test_of_many_deliveries(given_files: tuple[list[Row], list[list[int]], list[str]], random: Any) -> None:
    test_any_order_of_ingest_gives_the_same_bytes.hypothesis.inner_test(given_files, random)  # type: ignore[attr-defined]
    test_any_split_into_files_gives_the_same_rows.hypothesis.inner_test(given_files)  # type: ignore[attr-defined]
