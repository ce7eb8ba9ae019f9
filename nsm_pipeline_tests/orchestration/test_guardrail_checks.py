"""A breach in the data fails the check of its use case, without blocking anything, and says where to look."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from homes import extract, here
from landing_zone import SHOP, Zone, event

from nsm_pipeline.definitions import build_definitions
from nsm_pipeline.orchestration.partitions import range_tags

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(11)]
SETTINGS = f"company: Test\nas_of: {WEEKS[-1]}\ncertification: {{settling_days: 0}}\npublication: {{small_groups: 0}}\n"
GUARDED = (
    SHOP.replace("  orders: {count: order_placed}", """  orders: {count: order_placed}
  gift_share:
    title: Gifts
    ratio: {numerator: {count: order_placed, where: gift}, denominator: {count: order_placed}}
    unit: share""")
    + """counter_metrics: [{metric: gift_share, protects: ordering_accounts, risk: Gifts count as orders.}]
tolerances: {volume_high: 10, missing: 1}
"""
)  # fmt: skip
pytestmark = pytest.mark.slow


def home_with(tmp_path: Path, gifts: int) -> Zone:
    """Ten complete weeks of 20 orders each, of which 4 are gifts; in the last week some more, all of them by paid
    accounts."""
    zone = Zone(tmp_path / "home", GUARDED, SETTINGS)
    _ = zone.playbook
    plans = ("free", "paid")
    zone.put_accounts("2026-03-01", [{"account_id": f"a{n}", "plan": plans[n % 2]} for n in range(20)])
    for number, week in enumerate(WEEKS):
        last = number == len(WEEKS) - 2
        given = {0, 1, 2, 3} | (set(range(5, 5 + 2 * gifts, 2)) if last else set())
        rows = [
            event(f"{number}-{n}", f"{week}T10:00:00Z", f"a{n}",
                  properties={"amount": 5, "order": f"{number}-{n}", "gift": n in given}) for n in range(20)
        ]  # fmt: skip
        zone.put(f"week-{number}.jsonl", rows)
    return zone


def checked(zone: Zone) -> dg.AssetCheckEvaluation:
    zone.ingest()
    job = build_definitions(zone.home).resolve_job_def("weekly_pipeline")
    outcome = job.execute_in_process(tags=range_tags(WEEKS[0], WEEKS[-1]))
    assert outcome.success
    assert here("run", "--home", zone.root).code == 0
    (found,) = [one for one in outcome.get_asset_check_evaluations() if one.check_name == "no_breach"]
    assert found.asset_key == dg.AssetKey(["shop", "guardrails"])
    return found


def test_a_breach_fails_the_check_and_blocks_nothing(tmp_path: Path) -> None:
    zone = home_with(tmp_path, gifts=4)
    found = checked(zone)
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    said = str(found.metadata["gift_share"].value)
    assert "Gifts: 0.4 share, breach from 0.21 on (its trailing median 0.2)" in said
    assert f"red since {WEEKS[-2]}; protects ordering_accounts" in said
    assert f"where to begin: plan paid (100% of it: 0.6 against 0.2, since {WEEKS[-2]})" in said
    assert found.metadata["week"].value == str(WEEKS[-2])
    (star,) = [row for row in extract(zone.root, "scorecard") if row["week"] == WEEKS[-2]]
    assert (star["guardrail_status"], star["joint_status"]) == ("red", "red")


def test_without_a_breach_the_check_passes(tmp_path: Path) -> None:
    found = checked(home_with(tmp_path, gifts=0))
    assert found.passed
    assert found.metadata["status of gift_share"].value == "green"
