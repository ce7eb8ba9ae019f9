"""Outcomes: computed, certified and published where a use case declares them, and no file of them anywhere else."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from homes import extract, here
from landing_zone import SHOP, Zone, event

from nsm_pipeline.definitions import build_definitions
from nsm_pipeline.home import Home

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(4)]
METRICS = """  seats_sold: {attribute: seats, over: all, unit: seats}
  late_orders: {count: order_placed, where: "amount > 5"}
  orders:"""
WITHOUT = SHOP.replace("  orders:", METRICS)
DECLARED = WITHOUT + "outcomes: [seats_sold, orders]\n"
pytestmark = pytest.mark.slow


def redeclare(zone: Zone, use_case: str) -> None:
    (zone.home.playbook / "use_case.yaml").write_text(use_case)


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Zone:
    """Three final weeks and one in progress, published without outcomes, then with them."""
    zone = Zone(tmp_path_factory.mktemp("outcomes") / "home", WITHOUT, "company: Test\nas_of: 2026-03-27\n"
                "certification: {settling_days: 0}\npublication: {small_groups: 0}\n")  # fmt: skip
    _ = zone.playbook
    zone.put_accounts("2026-03-01", [
        {"account_id": "a0", "plan": "free", "seats": 3},
        {"account_id": "a1", "plan": "paid", "seats": 40},
        {"account_id": "quiet", "plan": "paid", "seats": 7},
        {"account_id": "ours", "plan": "paid", "seats": 900, "is_internal": True},
    ])  # fmt: skip
    for number, week in enumerate(WEEKS):
        rows = [event(f"{number}-{n}", f"{week}T10:00:00Z", f"a{n % 2}") for n in range(4 + number)]
        zone.put(f"week-{number}.jsonl", rows)
    assert here("run", "--home", zone.root).code == 0
    assert not (zone.home.lake / "outcomes").exists()
    assert extract(zone.root, "outcomes") == []
    before = {file: file.read_bytes() for file in zone.home.lake.glob("*/shop/2*.parquet")}
    redeclare(zone, DECLARED)
    plan = here("plan", "--home", zone.root, "--json").json
    assert {file.split("/")[0] for file in plan["files"]} == {"outcomes"}
    assert "outcomes are declared now" in json.dumps(plan)
    assert here("run", "--home", zone.root).code == 0
    assert all(file.read_bytes() == content for file, content in before.items()), "nothing else is built again"
    return zone


def test_values_by_week_and_slice(zone: Zone) -> None:
    rows = extract(zone.root, "outcomes")
    assert {row["role"] for row in rows} == {"outcomes"}
    found = {(row["metric"], row["week"], row["slice_value"]): row["value"] for row in rows}
    for number, week in enumerate(WEEKS):
        assert found["orders", week, "all"] == 4 + number
        assert [found["seats_sold", week, value] for value in ("all", "free", "paid")] == [50, 3, 47]
    assert not any(metric == "late_orders" for metric, *_ in found)
    states = {row["week"]: (row["state"], row["certificate_id"] is None) for row in rows}
    assert [states[week] for week in WEEKS] == [("certified", False)] * 3 + [("flash", True)]


def test_an_outcome_beside_another_role_says_the_same(zone: Zone) -> None:
    def values(table: str) -> dict[object, object]:
        rows = (row for row in extract(zone.root, table) if row["metric"] == "orders")
        return {(row["week"], row["slice_value"]): row["value"] for row in rows}

    assert values("outcomes") == values("inputs")


def test_final_weeks_take_new_outcomes_without_a_reason(zone: Zone) -> None:
    ledger = [row for row in extract(zone.root, "restatements") if row["table"] == "outcomes"]
    assert {(row["kind"], row["cause"]) for row in ledger if row["week"] < WEEKS[3]} == {
        ("added", "outcomes are declared now")
    }
    assert {row["metric"] for row in ledger} == {"orders", "seats_sold"}
    assert [row["role"] for row in extract(zone.root, "metric_dictionary") if row["metric"] == "orders"] == ["inputs"]
    assert [row["role"] for row in extract(zone.root, "metric_dictionary") if row["metric"] == "seats_sold"] == [
        "outcomes"
    ]


def test_they_are_proved_queried_and_linted(zone: Zone) -> None:
    proof = here("verify", "--home", zone.root, "--json")
    assert proof.code == 0, proof.out
    rows = here(
        "query", "--home", zone.root, "--format", "json", "SELECT DISTINCT metric FROM outcomes ORDER BY ALL"
    ).json
    assert [row["metric"] for row in rows] == ["orders", "seats_sold"]
    (card,) = here("lint", "--home", zone.root, "--json").json["use_cases"]
    assert set(card["outcomes"]) == {"orders", "seats_sold"}
    assert here("plan", "--home", zone.root, "--json").json["files"] == []


def test_the_asset_is_there_where_they_are_declared(zone: Zone, tmp_path: Path) -> None:
    def keys(root: Path) -> set[dg.AssetKey]:
        return set(build_definitions(Home.at(root)).resolve_asset_graph().get_all_asset_keys())

    other = Zone(tmp_path / "home", WITHOUT)
    _ = other.playbook
    assert keys(zone.root) - keys(other.root) == {dg.AssetKey(["shop", "outcomes"])}
