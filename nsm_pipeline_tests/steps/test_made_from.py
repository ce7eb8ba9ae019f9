"""Every weekly file says what it was made from, and its fingerprint is the digest of that."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homes import here
from homes import opened as opened_at
from landing_zone import SHOP, Zone, event

from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.lake import FINGERPRINT, FOOTER, STAMP, Lake, digest, stamps
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.weekly import run_weeks

BEFORE, DUAL, AFTER = date(2026, 1, 26), date(2026, 2, 9), date(2026, 3, 2)
WIDER = SHOP.replace(
    "  orders: {count: order_placed}",
    """  orders: {count: order_placed, where: "amount >= 1"}
  usual_orders: {count: order_placed, window: 14 days}
  back: {retention: account, of: order_placed, weeks: 2}
  per_account: {ratio: {numerator: orders, denominator: ordering_accounts}}
  doubled: {formula: per_account * 2}""",
).replace(
    "inputs: [{metric: orders, dimension: depth}]",
    "inputs: [{metric: orders, dimension: depth}, {metric: usual_orders, dimension: depth}]\n"
    "counter_metrics: [{metric: back, protects: orders, risk: none}, {metric: doubled, protects: orders, risk: none}]",
)
AS_OF = "company: Test\nas_of: 2026-03-10\n"


def build(zone: Zone) -> Open:
    """Everything of every week of a home, as it is now."""
    _ = zone.playbook
    first = opened_at(zone.root)
    it = Open.of(zone.home, first.playbook, ledger=ingest(zone.home, first.engine, first.playbook))
    tables = [(name, table) for name, plan in it.plans.items() for table in plan.tables]
    list(run_weeks(it, it.weeks, [*it.plans, EVIDENCE], tables))
    return it


@pytest.fixture
def wide(tmp_path: Path) -> Zone:
    """A home over a dual run, with metrics that read other weeks too, weeks of New York, a duplicate, a snapshot."""
    zone = Zone(tmp_path / "home", WIDER, AS_OF + "time_zone: America/New_York\n")
    for week in (BEFORE, DUAL, AFTER):
        zone.put(f"{week}.jsonl", [event(f"{week}-{n}", f"{week}T10:00:00Z", f"a{n}") for n in range(3)])
    zone.put("again.csv", [event(f"{DUAL}-1", f"{DUAL}T10:00:00Z", "a1")])
    zone.put_accounts("2026-02-01", [{"account_id": "a1", "plan": "free"}])
    return zone


def test_the_fingerprint_is_the_digest_of_what_the_file_says(wide: Zone) -> None:
    it = build(wide)
    assert len(it.weeks) == 7
    for week in it.weeks:
        for table in ("usage_events", *it.plans["shop"].tables):
            said = it.lake.made_from(table, "shop", week)
            assert said == it.made_from(table, "shop", week), (table, week)
            assert it.lake.fingerprint(table, "shop", week) == digest(said)
            definition = it.definition_of(said["mapping" if table == "usage_events" else "definition"])
            assert definition is not None
        for key in (("event_quality", "shop"), ("week_evidence",), ("unmapped_events",)):
            assert it.lake.fingerprint(*key, week) == digest(it.lake.made_from(*key, week)), key


def test_what_tables_of_a_week_are_made_from(wide: Zone) -> None:
    it = build(wide)
    ids = {row.path.split("/")[1]: row.content for row in it.ledger.rows() if row.kind == "events"}
    usage = it.made_from("usage_events", "shop", DUAL)
    assert usage["landed"] == {str(DUAL): [ids[f"{DUAL}.jsonl"], ids["again.csv"]]}, "in the order of their paths"
    assert usage["duplicates"] == {str(DUAL): it.ledger.lost_with(DUAL, {"order.placed"})}
    assert usage["bounds"] == ["2026-02-09 05:00:00", "2026-02-16 05:00:00"]
    assert usage["snapshot"] == ["2026-02-01", it.ledger.snapshots[date(2026, 2, 1)]]
    assert it.made_from("usage_events", "shop", BEFORE)["snapshot"] == usage["snapshot"], "the earliest known"
    fingerprint = {str(week): it.fingerprint("usage_events", "shop", week) for week in it.weeks}
    north_star, inputs, counters = (it.made_from(table, "shop", DUAL) for table in it.plans["shop"].roles)
    assert north_star["usage"] == inputs["usage"] == fingerprint[str(DUAL)]
    assert (north_star["around"], north_star["history"]) == ({}, None)
    assert inputs["around"] == {str(week): fingerprint[str(week)] for week in (date(2026, 2, 2), DUAL)}
    assert list(counters["around"]) == [str(date(2026, 1, 26)), "2026-02-02", str(DUAL)]


def test_definitions_in_words(wide: Zone) -> None:
    it = build(wide)
    inputs = it.definition_of(it.made_from("inputs", "shop", DUAL)["definition"])
    assert inputs is not None
    assert {name: one["text"] for name, one in inputs["metrics"].items()} == {
        "orders": "count of order_placed where amount >= 1",
        "usual_orders": "count of order_placed in 2 weeks",
    }
    assert inputs["metrics"]["orders"]["slices"] == ["plan"]
    assert inputs["activity"]["text"] == "order_placed or page_viewed"
    counters = it.definition_of(it.made_from("counter_metrics", "shop", DUAL)["definition"])
    assert counters is not None
    assert counters["metrics"]["doubled"]["of"] == {
        "ordering_accounts": "distinct account of order_placed",
        "orders": "count of order_placed where amount >= 1",
        "per_account": "(orders) ÷ (ordering_accounts)",
    }
    mapping = it.definition_of(it.made_from("usage_events", "shop", DUAL)["mapping"])
    assert mapping is not None
    old, new = sorted(
        mapping["events"]["order_placed"]["sources"], key=lambda source: str(source["name"]), reverse=True
    )
    assert (old["name"], old["place"], old["since"], old["until"]) == ("order_done", 1, None, None)
    assert old["declared"] == {"since": None, "until": "2026-02-16"}
    assert old["properties"] == {"amount": {"from": "cents", "divide_by": 100.0}, "order": {"from": "number"}}
    assert (new["name"], new["place"]) == ("order.placed", 0)
    assert mapping["events"]["order_placed"]["same"] == ["account_id", "properties.order"]


def test_an_earlier_definition_can_still_be_told(wide: Zone) -> None:
    it = build(wide)
    before = it.lake.made_from("inputs", "shop", DUAL)
    assert before is not None
    file = wide.home.playbook / "use_case.yaml"
    file.write_text(file.read_text().replace("amount >= 1", "amount >= 2"))
    now = opened_at(wide.root)
    definition = now.made_from("inputs", "shop", DUAL)["definition"]
    assert definition != before["definition"]
    old, new = now.definition_of(before["definition"]), now.definition_of(definition)
    assert old is not None and new is not None
    changed = [name for name in new["metrics"] if old["metrics"][name]["normal"] != new["metrics"][name]["normal"]]
    assert changed == ["orders"]
    assert [one["metrics"]["orders"]["text"][-11:] for one in (old, new)] == ["amount >= 1", "amount >= 2"]
    assert now.definition_of("0" * 16) is None
    assert now.definition_of("../../ledger") is None

    stored = sorted((wide.home.lake / "definitions").glob("*.json"))
    times = {one: one.stat().st_mtime_ns for one in stored}
    build(wide)
    later = {one: one.stat().st_mtime_ns for one in (wide.home.lake / "definitions").glob("*.json")}
    assert {one: later[one] for one in stored} == times
    tables = [table for table in now.plans["shop"].tables if table != "north_star"]
    reached = {now.made_from(table, "shop", DUAL)["definition"] for table in tables}
    assert {one.stem for one in later.keys() - times.keys()} == reached, "those of all tables with orders in them"


def test_a_filter_that_is_only_spelled_otherwise_is_no_new_definition(wide: Zone) -> None:
    it = build(wide)
    file = wide.home.playbook / "use_case.yaml"
    file.write_text(file.read_text().replace("amount >= 1", "NOT amount < 1"))
    now = opened_at(wide.root)
    tables = it.plans["shop"].tables
    assert [now.made_from(table, "shop", DUAL) for table in tables] == [
        it.made_from(table, "shop", DUAL) for table in tables
    ]


LONG = {"landed": {"2026-03-02": [f"{number:020x}" for number in range(5000)]}}


def by_arrow(lake: Lake) -> None:
    lake.write(pa.table({"a": [1]}), digest(LONG), "numbers", "one", made_from=LONG)


def by_duckdb(lake: Lake) -> None:
    file = lake.file("numbers", "one")
    file.parent.mkdir(parents=True)
    parameters = {"file": str(file), "stamp": stamps(digest(LONG), LONG)}
    duckdb.execute("COPY (SELECT 1 AS a) TO $file (FORMAT parquet, KV_METADATA $stamp)", parameters)


@pytest.mark.parametrize("write", [by_arrow, by_duckdb])
def test_however_long_the_document_the_fingerprint_is_in_the_footers_last_bytes(write: object, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert callable(write)
    write(lake)
    file = lake.file("numbers", "one")
    assert file.stat().st_size > 3 * FOOTER
    found = STAMP.search(file.read_bytes()[-FOOTER:])
    assert found is not None
    assert found[1].decode() == digest(LONG)
    assert lake.made_from("numbers", "one") == LONG
    assert lake.read("numbers", "one").to_pylist() == [{"a": 1}]
    assert lake.read_made_from(digest(LONG), "numbers", "one") is not None
    assert lake.read_made_from("0" * 16, "numbers", "one") is None


def test_a_file_of_an_earlier_version_says_nothing_but_its_fingerprint(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    file = lake.file("numbers", "one")
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({FINGERPRINT: b"a" * 16}), file)
    assert lake.fingerprint("numbers", "one") == "a" * 16
    assert lake.read_made_from("a" * 16, "numbers", "one") is not None
    assert lake.made_from("numbers", "one") is None
    file.write_bytes(b"no Parquet")
    assert (lake.fingerprint("numbers", "one"), lake.made_from("numbers", "one")) == (None, None)
    assert lake.made_from("numbers", "two") is None


@pytest.mark.slow
def test_a_run_keeps_definitions_of_what_it_builds(wide: Zone) -> None:
    _ = wide.playbook
    assert here("run", "--home", wide.root).code in (0, 3)
    it = opened_at(wide.root)
    stored = {file.stem: json.loads(file.read_text()) for file in (wide.home.lake / "definitions").glob("*.json")}
    used = {it.made_from("usage_events", "shop", week)["mapping"] for week in it.weeks}
    tables = it.plans["shop"].tables
    used |= {it.made_from(table, "shop", week)["definition"] for week in it.weeks for table in tables}
    assert stored.keys() == used
    assert all(stored[key] == json.loads(json.dumps(it.definition_of(key))) for key in used)
