"""Which event names a landed part and the settled duplicates hold, and which use cases they therefore reach."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from landing_zone import Row, Zone, event
from test_any_order import PHASES, WEEKS, landed_rows

from nsm_pipeline.events.duplicates import settle
from nsm_pipeline.events.landed import MOST_NAMES
from nsm_pipeline.events.ledger import Ledger

WEEK, LAST_WEEK = date(2026, 3, 2), date(2026, 2, 23)
READERS = """
use_case: readers
title: Readers
owner: {name: Readers group}
events:
  article_read: {sources: [{name: article.read}]}
  page_viewed: {sources: [{name: page_viewed}]}
  order_seen: {sources: [{name: unheard_of, since: 2026-02-09}]}
metrics:
  readers: {count_distinct: account, of: article_read}
north_star: {metric: readers}
"""


def two_use_cases(root: Path, threads: int = 1) -> Zone:
    """Shop and readers, which share the name page_viewed."""
    zone = Zone(root, threads=threads)
    _ = zone.playbook
    (zone.home.playbook / "readers.yaml").write_text(READERS)
    zone.load_playbook()
    return zone


@pytest.fixture
def both(tmp_path: Path) -> Zone:
    return two_use_cases(tmp_path / "home")


def read(event_id: str, **more: object) -> Row:
    return event(event_id, event_name="article.read", properties={}, **more)  # type: ignore[arg-type]


def counted(zone: Zone) -> dict[tuple[str, date], dict[str, int]]:
    """Rows per event name of every landed part, read from the part itself."""
    return {
        (file.stem, date.fromisoformat(file.parent.name)): Counter(
            name
            for (name,) in duckdb.sql("SELECT event_name FROM read_parquet($f)", params={"f": str(file)}).fetchall()
        )
        for file in zone.lake.files("landed_events")
    }


def test_rows_of_each_name_are_counted_per_part(zone: Zone) -> None:
    names = ["order.placed", "page_viewed", "ünïcode 名", "order.placed"]
    rows = [event(f"e{number}", event_name=name) for number, name in enumerate(names)]
    zone.put("a.jsonl", [*rows, event("old", day="2026-02-24T00:00:00Z"), event("bad", account="")])
    zone.put("b.csv", [event("e1", event_name="page_viewed"), event("e1", event_name="page_viewed")])
    ledger = zone.ingest()
    assert zone.content("a.jsonl").sent == {
        LAST_WEEK: {"order.placed": 1},
        WEEK: {"order.placed": 2, "page_viewed": 1, "ünïcode 名": 1},
    }
    assert zone.content("b.csv").sent == {WEEK: {"page_viewed": 2}}, "duplicates included"
    stored = {(key, week): sent for key, one in ledger.contents.items() for week, sent in one.sent.items()}
    assert stored == counted(zone)
    assert Ledger.load(zone.home.lake / "ledger.json") == ledger


def test_a_part_of_several_row_groups_is_counted_whole(zone: Zone) -> None:
    folder = zone.home.landing / "usage_events"
    folder.mkdir(parents=True)
    duckdb.execute(
        f"""COPY (SELECT 'e' || i AS event_id,
            CASE WHEN i < 122880 THEN 'first' WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END AS event_name,
            '2026-03-03T00:00:00Z' AS occurred_at, NULL::VARCHAR AS received_at, 'a' AS account_id,
            NULL::VARCHAR AS user_id, NULL::VARCHAR AS properties FROM range(130000) t(i)) TO '{folder}/f.parquet'"""
    )
    zone.ingest()
    assert zone.content("f.parquet").sent == {WEEK: {"first": 122_880, "even": 3_560, "odd": 3_560}}


@pytest.mark.parametrize(("names", "known"), [(MOST_NAMES, True), (MOST_NAMES + 1, False), (5000, False)])
def test_of_a_part_with_too_many_names_none_is_kept(both: Zone, names: int, known: bool) -> None:
    """The last has more names than the writer makes a dictionary of."""
    both.put("f.jsonl", [event(f"e{number}", event_name=f"name {number}") for number in range(names)])
    both.ingest()
    content = both.content("f.jsonl")
    assert (WEEK in content.sent) is known
    assert content.parts == {WEEK: names}
    for use_case in both.playbook.use_cases.values():
        assert bool(both.step().made_from(use_case, WEEK)["landed"]) is not known, "what is unknown counts"


def fingerprints(zone: Zone, *weeks: date) -> dict[tuple[str, date], str]:
    step = zone.step()
    return {
        (name, week): step.fingerprint(one, week) for name, one in zone.playbook.use_cases.items() for week in weeks
    }


def changed(zone: Zone, before: dict[tuple[str, date], str]) -> set[str]:
    """Use cases of which a fingerprint is another one than before."""
    now = fingerprints(zone, *{week for _, week in before})
    return {name for (name, week), one in now.items() if before[name, week] != one}


def test_a_file_reaches_the_use_cases_whose_names_it_holds(both: Zone) -> None:
    both.put("a.jsonl", [event("e1"), read("e2")])
    both.ingest()
    reached = {}
    for number, name in enumerate(["order.placed", "article.read", "page_viewed", "order_done", "nobody's"]):
        before = fingerprints(both, WEEK, LAST_WEEK)
        both.put(f"b{number}.jsonl", [event(f"n{number}", event_name=name)])
        both.ingest()
        reached[name] = changed(both, before)
        assert "evidence" in both.step().stale(WEEK)
    assert reached == {
        "order.placed": {"shop"},
        "article.read": {"readers"},
        "page_viewed": {"shop", "readers"},
        "order_done": set(),  # its source had ended by then
        "nobody's": set(),
    }


def test_a_corrected_file_reaches_whom_it_has_left(both: Zone) -> None:
    both.put("a.jsonl", [event("e1"), read("e2")])
    both.put("b.jsonl", [event("e3")])
    both.ingest()
    before = fingerprints(both, WEEK)
    both.put("a.jsonl", [event("e1")])
    both.ingest()
    assert changed(both, before) == {"shop", "readers"}
    before = fingerprints(both, WEEK)
    both.put("b.jsonl", [event("e3"), event("e4")])
    both.ingest()
    assert changed(both, before) == {"shop"}


def test_a_duplicate_reaches_the_use_case_of_the_row_that_lost(both: Zone) -> None:
    both.put("a.jsonl", [event("e1"), read("e2")])
    both.ingest()
    before = fingerprints(both, WEEK)
    both.put("b.jsonl", [read("e2")])
    both.ingest()
    assert changed(both, before) == {"readers"}
    both.put("0.jsonl", [read("e2", received_at="2026-03-01T00:00:00Z")])  # moves the winner to another file
    before = fingerprints(both, WEEK)
    both.ingest()
    assert changed(both, before) == {"readers"}
    both.build(WEEK)
    assert [len(both.usage(WEEK, name)) for name in ("shop", "readers")] == [1, 1]


def test_an_id_under_two_names_reaches_both(both: Zone) -> None:
    """The order lost to a read article of another file; when that goes, the order is back."""
    both.put("a.jsonl", [read("e1"), read("e2")])
    both.put("b.jsonl", [event("e1", received_at="2026-03-09T00:00:00Z")])
    both.put("c.jsonl", [event("e3")])
    both.ingest()
    both.build(WEEK)
    assert [len(both.usage(WEEK, name)) for name in ("shop", "readers")] == [1, 2]
    both.put("a.jsonl", [read("e2")])
    both.ingest()
    assert set(both.step().stale(WEEK)) == {"shop", "readers", "evidence"}
    both.build(WEEK)
    assert [len(both.usage(WEEK, name)) for name in ("shop", "readers")] == [2, 1]


def forget_names(zone: Zone) -> None:
    """Make the home's ledger and duplicates what they were before names were kept."""
    file = zone.home.lake / "ledger.json"
    document = json.loads(file.read_text())
    assert document.pop("lost")
    for content in document["contents"].values():
        content.pop("sent")
    file.write_text(json.dumps(document, indent=1))
    for week, key in document["losers"].items():
        lost = zone.lake.read("duplicates", week, key)
        zone.lake.write(lost.drop_columns(["event_name"]), key, "duplicates", week, key)


def test_a_ledger_of_an_earlier_version_counts_for_everything(both: Zone, tmp_path: Path) -> None:
    files = {"a.jsonl": [event("e1"), read("e2")], "b.jsonl": [read("e2")]}
    for name, rows in files.items():
        both.put(name, rows)
    both.ingest()
    forget_names(both)
    step = both.step()
    landed = {name: step.made_from(one, WEEK) for name, one in both.playbook.use_cases.items()}
    assert landed["shop"]["landed"] == landed["readers"]["landed"] == {str(WEEK): [
        both.row(name).content for name in files
    ]}  # fmt: skip
    assert landed["shop"]["duplicates"] == {str(WEEK): both.ledger.losers[WEEK]}

    later = {"c.jsonl": [event("e1")], "d.jsonl": [read("e4")]}
    fresh = two_use_cases(tmp_path / "fresh")
    for name, rows in {**files, **later}.items():
        fresh.put(name, rows)
    for name, rows in later.items():
        both.put(name, rows)
        both.ingest()
    fresh.ingest()
    assert both.ledger.lost == {}, "of one that lost earlier the name is not known"
    assert both.ledger.totals() == fresh.ledger.totals()
    assert both.step().made_from(both.playbook.use_cases["shop"], WEEK)["landed"] == {
        str(WEEK): [both.row(name).content for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    }
    both.build(WEEK)
    fresh.build(WEEK)
    assert [both.usage(WEEK, name) for name in ("shop", "readers")] == [
        fresh.usage(WEEK, name) for name in ("shop", "readers")
    ]

    # Settled anew from the start, the names are known again.
    ledger = both.ledger.model_copy(deep=True)
    ledger.settled, ledger.losers = {}, {}
    settle(both.lake, both.engine, ledger)
    assert (ledger.losers, ledger.lost) == (fresh.ledger.losers, fresh.ledger.lost)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, list[Row]]]:
    """Deliveries in turn: under which of four paths, and the rows; a path may be delivered again with others."""
    rows = st.lists(landed_rows(), min_size=1, max_size=6)
    names = st.sampled_from(["order.placed", "order_done", "page_viewed", "article.read", "unheard_of"])

    def named(found: tuple[list[Row], list[str]]) -> list[Row]:
        return [{**row, "event_name": name} for row, name in zip(*found, strict=False)]

    sets = st.tuples(rows, st.lists(names, min_size=6, max_size=6)).map(named)
    return draw(st.lists(st.tuples(st.integers(0, 3), sets), min_size=2, max_size=4))


def usage_bytes(zone: Zone) -> dict[str, str]:
    return {**zone.digests("usage_events"), **zone.digests("event_quality")}


@pytest.mark.slow
@given(histories())
@settings(max_examples=5, phases=PHASES)
def test_where_a_fingerprint_stays_nothing_would_be_built_otherwise(history: Sequence[tuple[int, list[Row]]]) -> None:
    """Deliver files in turn, some over an earlier one, and build all anew each time: of a use case and week whose
    fingerprint is as it was, so is every byte; and in the end they are those of a home that saw only the last files."""
    with tempfile.TemporaryDirectory() as folder:
        zone, fresh = two_use_cases(Path(folder) / "home"), two_use_cases(Path(folder) / "fresh")
        before: dict[tuple[str, date], str] = {}
        files: dict[str, str] = {}
        for path, rows in history:
            zone.put(f"f{path}.jsonl", rows)
            zone.ingest()
            zone.build(*WEEKS)
            now, made = fingerprints(zone, *WEEKS), usage_bytes(zone)
            for (name, week), one in now.items():
                same = [f"{table}/{name}/{week}.parquet" for table in ("usage_events", "event_quality")]
                if before.get((name, week)) == one:
                    assert [made[file] for file in same] == [files[file] for file in same]
            before, files = now, made
        for path, rows in dict(history).items():
            fresh.put(f"f{path}.jsonl", rows)
        fresh.ingest()
        fresh.build(*WEEKS)
        assert usage_bytes(fresh) == usage_bytes(zone)


@pytest.mark.soak
@given(histories())
@settings(max_examples=60, phases=PHASES)
def test_of_many_histories(history: Sequence[tuple[int, list[Row]]]) -> None:
    test_where_a_fingerprint_stays_nothing_would_be_built_otherwise.hypothesis.inner_test(history)  # type: ignore[attr-defined]
