"""Small groups from landed rows to readers: what is published, told in the ledger, proved and forged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from homes import Said, copy, extract, here
from landing_zone import Zone, event

from nsm_pipeline.home import Home
from nsm_pipeline.steps.release import load_published

pytestmark = pytest.mark.slow

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(7)]
FINAL, FLASH = WEEKS[2], WEEKS[6]
SETTINGS = "company: Test\nas_of: 2026-04-15\ncertification: {tolerance: 25%}\n"
PLANS = {"free": 12, "pro": 8, "trial": 4}
NUMBERS = ("value", "numerator", "denominator", "entities")
USE_CASE = """
use_case: shop
title: Shop
owner: {name: Shop group}
events: {order_placed: {sources: [{name: order.placed}]}}
slices: [plan]
metrics:
  ordering_accounts: {count_distinct: account, of: order_placed}
  orders: {count: order_placed}
  orders_each: {ratio: {numerator: orders, denominator: ordering_accounts}}
north_star: {metric: ordering_accounts}
inputs: [{metric: orders, dimension: depth}]
counter_metrics: [{metric: orders_each, protects: ordering_accounts, risk: a few order it all}]
"""
Row = dict[str, Any]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = Zone(tmp_path_factory.mktemp("groups") / "home", USE_CASE, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    accounts = [f"{plan}-{number}" for plan, count in PLANS.items() for number in range(count)]
    known = [{"account_id": name, "plan": name.split("-")[0]} for name in [*accounts, "trial-9"]]
    zone.put_accounts("2026-03-01", known)
    for week in WEEKS:
        rows = [event(f"{week}-{name}", f"{week}T10:00:00Z", name) for name in accounts]
        zone.put(f"{week}.jsonl", rows)
    assert here("run", "--home", zone.root).code == 0
    return zone.root


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Path:
    return copy(base, tmp_path / "home")


def of(home: Path, table: str, week: date) -> dict[str, Row]:
    """A week's rows by plan, the total as 'all'."""
    return {row["slice_value"]: row for row in extract(home, table) if row["week"] == week}


def verify(home: Path) -> Said:
    return here("verify", "--home", home, "--sample", 0, "--json")


@pytest.mark.parametrize("table", ["north_star", "inputs", "counter_metrics"])
@pytest.mark.parametrize("week", [FINAL, FLASH])
def test_few_accounts_and_the_next_smallest_group_have_no_numbers(base: Path, table: str, week: date) -> None:
    rows = of(base, table, week)
    assert {plan: row["suppressed"] for plan, row in rows.items()} == {
        "all": False, "free": False, "pro": True, "trial": True
    }  # fmt: skip
    assert (rows["all"]["entities"], rows["free"]["entities"]) == (24, 12)
    for plan in ("pro", "trial"):
        assert [rows[plan][name] for name in NUMBERS] == [None] * 4
        assert rows[plan]["state"] == rows["all"]["state"]
    assert json.loads((base / "extracts/current/datapackage.json").read_text())["small_groups"] == 5


def test_certificates_stay_whole_in_the_home(base: Path) -> None:
    certificate = load_published(Home(base), of(base, "north_star", FINAL)["all"]["certificate_id"])
    assert certificate is not None
    kept = {row["slice_value"]: row["entities"] for row in certificate.values if row["metric"] == "orders"}
    assert kept == {"all": 24, **PLANS}


def test_nothing_that_is_published_names_what_is_hidden(base: Path) -> None:
    """Every row that speaks of a hidden slice has no number in it, in whatever table."""
    for file in (base / "extracts" / "current").glob("*.parquet"):
        for row in pq.read_table(file).to_pylist():
            if row.get("slice_value") in ("pro", "trial") and file.stem != "movements":
                assert not [one for one in row.values() if isinstance(one, int | float) and not isinstance(one, bool)]


def test_a_group_that_grows_to_the_limit_is_shown_and_nothing_is_restated(home: Path) -> None:
    assert verify(home).code == 0
    zone = Zone(home, USE_CASE, SETTINGS)
    zone.put("late.jsonl", [event("late", f"{FINAL}T11:00:00Z", "trial-9")])
    assert here("run", "--home", home).code == 0  # within the tolerance of the total: nobody is asked for a reason
    rows = of(home, "north_star", FINAL)
    assert {plan: row["value"] for plan, row in rows.items()} == {"all": 25, "free": 12, "pro": 8, "trial": 5}
    ledger = [row for row in extract(home, "restatements") if row["table"] == "north_star"]
    assert [(row["slice_value"], row["old"], row["new"], row["kind"], row["cause"]) for row in ledger] == [
        ("all", 24, 25, "within_tolerance", "late rows in usage_events/late.jsonl"),
        ("pro", None, 8, "small_group", "late rows in usage_events/late.jsonl"),
        ("trial", None, 5, "small_group", "late rows in usage_events/late.jsonl"),
    ]
    assert verify(home).code == 0


def test_a_change_of_a_hidden_group_leaves_no_trace_of_its_own(home: Path) -> None:
    zone = Zone(home, USE_CASE, SETTINGS)
    zone.put("late.jsonl", [event("late", f"{FINAL}T11:00:00Z", "trial-1")])
    assert here("run", "--home", home).code == 0
    ledger = [row for row in extract(home, "restatements") if row["table"] == "inputs"]
    assert [(row["slice_value"], row["old"], row["new"]) for row in ledger] == [("all", 24, 25)]
    assert of(home, "inputs", FINAL)["trial"]["suppressed"]
    assert verify(home).code == 0


def test_another_limit_is_told_as_such_and_the_old_answer_stays(home: Path, tmp_path: Path) -> None:
    (home / "playbook" / "settings.yaml").write_text(f"{SETTINGS}publication: {{small_groups: 0}}\n")
    assert verify(home).code == 0  # what is published was published under the old limit
    assert here("run", "--home", home).code == 0
    assert {row["suppressed"] for row in extract(home, "inputs")} == {False}
    ledger = extract(home, "restatements")
    assert {row["slice_value"] for row in ledger} == {"pro", "trial"}
    assert {(row["kind"], row["cause"]) for row in ledger if row["week"] == FINAL} == {
        ("small_group", "another limit of small groups")
    }
    assert verify(home).code == 0
    versions = sorted((home / "extracts" / "versions").iterdir())
    at = extract(home, "restatements")[0]["at"]
    assert len(versions) == 2
    sql = f"SELECT value, suppressed FROM inputs WHERE week = '{FINAL}' AND slice_value = 'trial'"
    now = here("query", "--home", home, "--format", "json", "--as-published", at, sql)
    assert now.json == [{"value": 4.0, "suppressed": False}]
    (before,) = pq.read_table(versions[0] / "inputs.parquet").filter(
        (pa.compute.field("week") == FINAL) & (pa.compute.field("slice_value") == "trial")
    ).to_pylist()  # fmt: skip
    assert (before["value"], before["suppressed"]) == (None, True)


WAITING = """
use_case: shop
title: Shop
owner: {name: Shop group}
events: {order_placed: {sources: [{name: order.placed}]}, page_viewed: {sources: [{name: page.viewed}]}}
slices: [plan]
metrics:
  ordering_accounts: {count_distinct: account, of: order_placed}
  ordered_after: {conversion: account, from: page_viewed, to: order_placed, within: 5 days}
north_star: {metric: ordering_accounts}
inputs: [{metric: ordered_after, dimension: efficiency}]
"""


def test_certified_rows_are_proved_by_themselves_beside_provisional_ones(tmp_path: Path) -> None:
    """By orders pro is the next smallest, by views, whose week is not over yet, free is."""
    zone = Zone(tmp_path / "home", WAITING, "company: Test\nas_of: 2026-03-18\n")
    zone.playbook  # noqa: B018 (writes it)
    accounts = [f"{plan}-{number}" for plan in PLANS for number in range(20)]
    zone.put_accounts("2026-03-01", [{"account_id": name, "plan": name.split("-")[0]} for name in accounts])
    views = {"free": 12, "pro": 20, "trial": 4}
    rows = [
        event(f"{name}-{week}-{plan}-{number}", f"{week}T10:00:00Z", f"{plan}-{number}", event_name=name)
        for week in WEEKS[:3]
        for name, counts in (("order.placed", PLANS), ("page.viewed", views))
        for plan, count in counts.items()
        for number in range(count)
    ]
    zone.put("all.jsonl", rows)
    assert here("run", "--home", zone.root).code == 0
    week = WEEKS[1]
    orders, after = of(zone.root, "north_star", week), of(zone.root, "inputs", week)
    assert (orders["all"]["state"], after["all"]["state"]) == ("certified", "flash")
    assert {plan for plan, row in orders.items() if row["suppressed"]} == {"pro", "trial"}
    assert {plan for plan, row in after.items() if row["suppressed"]} == {"free", "trial"}
    assert verify(zone.root).code == 0


def republish(home: Path, table: str, change: Callable[[Row], Row]) -> None:
    """Forge rows of a table of the current version: file, descriptor, version name and link all agree."""
    link = home / "extracts" / "current"
    folder = link.resolve()
    rows = pq.read_table(folder / f"{table}.parquet")
    pq.write_table(
        pa.Table.from_pylist([change(row) for row in rows.to_pylist()], rows.schema), folder / f"{table}.parquet"
    )
    content = (folder / f"{table}.parquet").read_bytes()
    descriptor = json.loads((folder / "datapackage.json").read_text())
    (resource,) = [one for one in descriptor["resources"] if one["name"] == table]
    sha256 = hashlib.sha256(content).hexdigest()
    resource |= {"bytes": len(content), "sha256": sha256, "hash": f"sha256:{sha256}"}
    text = json.dumps(descriptor, indent=1, ensure_ascii=False)
    (folder / "datapackage.json").write_text(text)
    version = f"{folder.name.split('-')[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder.rename(folder.with_name(version))
    link.unlink()
    link.symlink_to(Path("versions") / version)


def refuted(home: Path, week: date) -> list[Row]:
    said = verify(home)
    assert said.code == 3
    return [one for one in said.json["refuted"] if f"inputs.parquet: orders of shop {week}" in one["what"]]


@pytest.mark.parametrize("week", [FINAL, FLASH])
def test_a_small_group_that_is_shown_is_refuted(home: Path, week: date) -> None:
    true = {"value": 4.0, "numerator": 4.0, "entities": 4, "suppressed": False}
    republish(
        home, "inputs", lambda row: {**row, **true} if (row["week"], row["slice_value"]) == (week, "trial") else row
    )
    (one,) = refuted(home, week)
    assert one["found"] == "value 4.0, numerator 4.0, denominator None, entities 4"
    assert "no numbers" in one["expected"]


def test_a_large_group_that_is_hidden_is_refuted(home: Path) -> None:
    none = {**dict.fromkeys(NUMBERS), "suppressed": True}
    republish(
        home, "inputs", lambda row: {**row, **none} if (row["week"], row["slice_value"]) == (FINAL, "free") else row
    )
    (one,) = refuted(home, FINAL)
    assert (one["found"], "entities 12" in one["expected"]) == ("no numbers, being of a small group", True)


def test_numbers_beside_the_word_suppressed_are_refuted(home: Path) -> None:
    republish(
        home,
        "inputs",
        lambda row: {**row, "value": 8.0} if (row["week"], row["slice_value"]) == (FLASH, "pro") else row,
    )
    (one,) = refuted(home, FLASH)
    assert one["found"].startswith("value 8.0")
