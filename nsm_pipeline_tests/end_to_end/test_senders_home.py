"""A home that hears from two vendors, from their raw exports to published numbers; and a mapping that is mended."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from homes import extract, here

pytestmark = pytest.mark.slow

USE_CASE = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  ordered:
    properties: {total: {type: number}}
    sources: [{name: Order Completed}]
  built:
    properties: {value: {type: number}}
    sources: [{name: counts.ci_builds}]
activity: [ordered]
metrics:
  buyers: {count_distinct: account, of: ordered}
  turnover: {sum: total, of: ordered}
  builds: {sum: value, of: built}
  builds_each: {average: value, of: built}
north_star: {metric: buyers}
inputs:
  - {metric: turnover, dimension: depth}
  - {metric: builds, dimension: frequency}
  - {metric: builds_each, dimension: efficiency}
tolerances: {missing: 60%}
"""
SETTINGS = """
time_zone: Europe/Berlin
as_of: 2026-04-06
landing:
  segment: {preset: segment%s}
  pings: {preset: service_ping, zone: Europe/Berlin}
"""


def orders() -> bytes:
    """The last instants of the week in which Berlin's clocks went forward, and the first of the next."""
    lines = [
        {"type": "track", "event": "Order Completed", "messageId": f"m{n}", "timestamp": at, "receivedAt": at,
         "userId": f"u{n}", "context": {"groupId": f"a{n % 2}", "traits": {"company": {"id": f"c{n}"}}},
         "properties": {"total": 10 + n}}
        for n, at in enumerate(["2026-03-22T23:00:00Z", "2026-03-29T21:59:59Z", "2026-03-27T12:00:00Z",
                                "2026-03-29T22:00:00Z"])
    ]  # fmt: skip
    return gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())


PINGS = """dim_ping_instance_id,dim_instance_id,metrics_path,metric_value,ping_created_at
1,i1,counts.ci_builds,100,2026-03-29 23:59:59
2,i2,counts.ci_builds,-1,2026-03-25 12:00:00
3,i1,counts.ci_builds,7,2026-03-30 00:00:00
4,i2,counts.ci_builds,0,2026-03-30 12:00:00
"""


def values(home: Path) -> dict[tuple[str, str], float | None]:
    """Certified values by metric and week."""
    rows = [*extract(home, "north_star"), *extract(home, "inputs")]
    certified = [row for row in rows if row["slice"] == "all" and row["certificate_id"]]
    return {(row["metric"], str(row["week"])): row["value"] for row in certified}


def test_from_raw_exports_to_published_numbers(tmp_path: Path) -> None:
    for name, content in (
        ("playbook/shop.yaml", USE_CASE.encode()),
        ("playbook/settings.yaml", (SETTINGS % "").encode()),
        ("landing/usage_events/segment/2026/1774.gz", orders()),
        ("landing/usage_events/pings/pings.csv", PINGS.encode()),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    said = here("run", "--home", tmp_path)
    assert said.code == 0, said.out + said.err
    first, second = "2026-03-23", "2026-03-30"
    assert values(tmp_path) == {
        ("buyers", first): 2, ("turnover", first): 33, ("builds", first): 100, ("builds_each", first): 100,
        ("buyers", second): 1, ("turnover", second): 13, ("builds", second): 7, ("builds_each", second): 3.5,
    }  # fmt: skip

    # The account turns out to be elsewhere: the folder is read anew, the pings are not.
    before = {path.name for path in (tmp_path / "lake" / "landed_events").rglob("*.parquet")}
    mended = SETTINGS % ", fields: {account_id: context.traits.company.id}"
    (tmp_path / "playbook" / "settings.yaml").write_text(mended)
    said = here("run", "--home", tmp_path)
    assert said.code == 0, said.out + said.err
    after = {path.name for path in (tmp_path / "lake" / "landed_events").rglob("*.parquet")}
    assert len(after - before) == 1
    assert values(tmp_path)["buyers", first] == 3
    assert values(tmp_path)["turnover", first] == 33
    status = here("query", "--home", tmp_path, "SELECT path, state, reason FROM file_ledger ORDER BY ALL")
    assert "read anew: its folder's entry" in status.out
