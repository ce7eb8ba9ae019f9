"""Every account's own value of each measure of adoption, against a slow computation in plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from landing_zone import Row, Zone, event

from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.weekly import run_weeks

FIRST = date(2026, 1, 5)
WEEKS = [FIRST + timedelta(weeks=number) for number in range(7)]
SHOP = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  built:
    properties:
      minutes: {type: number}
      machine: {type: string}
    sources: [{name: built}]
  scanned:
    properties: {scanner: {type: string}}
    sources: [{name: scanned}]
metrics:
  accounts: {count_distinct: account, of: built}
  builds: {count: built, window: 2 weeks}
  builds_per_seat: {ratio: {numerator: builds, denominator: {attribute: seats, over: active}}}
  paid_builds_per_seat:
    ratio: {numerator: {count: built, where: "plan = 'paid'"}, denominator: {attribute: seats, where: "plan = 'paid'"}}
  people: {count_distinct: user, of: [built, scanned]}
  scanners: {count_distinct: scanner, of: scanned}
  machines: {count_distinct: machine, of: built, where: "minutes >= 2"}
  scans_per_build: {ratio: {numerator: {count: scanned}, denominator: builds}}
  minutes: {sum: minutes, of: built}
  typical: {average: minutes, of: built}
  longest: {maximum: minutes, of: built}
  shortest: {minimum: minutes, of: built}
  seats_now: {attribute: seats}
north_star: {metric: accounts}
adoption:
"""
WINDOWS = {
    "builds": 4, "builds_per_seat": 4, "paid_builds_per_seat": 4, "people": 4, "scanners": 3, "machines": 4,
    "scans_per_build": 2, "minutes": 4, "typical": 4, "longest": 1, "shortest": 4, "seats_now": 4,
}  # fmt: skip
BOUNDS = 'red: "<= 1", yellow: "< 4", green: ">= 4"'
DECLARED = SHOP + "".join(
    f"  - {{metric: {name}, {BOUNDS}, window: {weeks} weeks}}\n" for name, weeks in WINDOWS.items()
)


def rows_of(seed: int) -> Iterator[tuple[date, Row]]:
    """Events of nine accounts: one that nobody knows, an internal one, one that falls silent, one that only scans."""
    chance = random.Random(seed)
    for number, week in enumerate(WEEKS):
        for place in range(60):
            account = chance.choice(["a0", "a1", "a2", "unknown", "ours", "scans", "early", "noseats", "a3"])
            if (account == "early" and number > 0) or (account == "a3" and number not in (2, 6)):
                continue
            is_build = account != "scans" and chance.random() < 0.6
            properties: dict[str, Any] = {"scanner": chance.choice(["sast", "dast", "fuzz"])}
            if is_build:
                properties = {"minutes": chance.choice([None, 0.1, 0.2, 2.0, 30.7]), "machine": chance.choice("xyz")}
            day = week + timedelta(days=chance.randrange(7), hours=0)
            name = "built" if is_build else "scanned"
            user = chance.choice([None, "u1", "u2", f"u-{account}"])
            yield week, event(
                f"{number}-{place}", f"{day}T{chance.randrange(24):02}:30:00Z", account,
                event_name=name, user_id=user, properties={k: v for k, v in properties.items() if v is not None},
            )  # fmt: skip


def accounts_of(later: bool) -> list[Row]:
    found = [
        {"account_id": "a0", "plan": "paid", "seats": 3},
        {"account_id": "a1", "plan": "paid", "seats": 0},
        {"account_id": "a2", "plan": "free", "seats": 10},
        {"account_id": "a3", "plan": "free", "seats": 7 if later else 2},
        {"account_id": "ours", "plan": "paid", "seats": 100, "is_internal": True},
        {"account_id": "scans", "plan": "paid", "seats": 4},
        {"account_id": "early", "plan": "paid", "seats": 5},
        {"account_id": "noseats", "plan": "paid", "seats": None},
        {"account_id": "silent", "plan": "paid", "seats": 9},
    ]
    return [{"is_internal": False, **one} for one in found]


class Slow:
    """The same, event by event."""

    def __init__(self, events: Sequence[tuple[date, Row]], accounts: Sequence[Row], week: date) -> None:
        self.events = [(when, one) for when, one in events if when <= week]
        self.accounts, self.week = {one["account_id"]: one for one in accounts}, week
        internal = {name for name, one in self.accounts.items() if one["is_internal"]}
        heard = {one["account_id"] for when, one in self.events if when > week - timedelta(weeks=4)}
        self.everyone = sorted((self.accounts.keys() | heard) - internal)

    def of(self, account: str, name: str) -> float | None:
        since = self.week - timedelta(weeks=WINDOWS[name] - 1)
        mine = [one for when, one in self.events if when >= since and one["account_id"] == account]
        if not mine:
            return None
        built = [one for one in mine if one["event_name"] == "built"]
        scanned = [one for one in mine if one["event_name"] == "scanned"]
        known = self.accounts.get(account, {})
        seats, plan = known.get("seats"), known.get("plan")
        minutes = [one["properties"]["minutes"] for one in built if "minutes" in one["properties"]]

        def divided(above: float, below: float | None) -> float | None:
            return above / below if below else None

        values: dict[str, float | None] = {
            "builds": len(built),
            "builds_per_seat": divided(len(built), seats),
            "paid_builds_per_seat": divided(len(built), seats) if plan == "paid" else None,
            "people": len({one["user_id"] for one in mine} - {None}),
            "scanners": len({one["properties"]["scanner"] for one in scanned}),
            "machines": len(
                {one["properties"]["machine"] for one in built if one["properties"].get("minutes", 0) >= 2}
            ),
            "scans_per_build": divided(len(scanned), len(built)),
            "minutes": sum(minutes),
            "typical": divided(sum(minutes), len(minutes)),
            "longest": max(minutes, default=None),
            "shortest": min(minutes, default=None),
            "seats_now": seats,
        }
        return values[name]


def colour(value: float | None) -> str:
    if value is None:
        return "no_colour"
    return "red" if value <= 1 else "yellow" if value < 4 else "green"


def build(zone: Zone, weeks: Sequence[date] | None = None) -> Open:
    _ = zone.playbook
    first = Open.of(zone.home, open_playbook(zone.home))
    it = Open.of(zone.home, first.playbook, ledger=ingest(zone.home, first.engine, first.playbook))
    tables = [("shop", table) for table in it.plans["shop"].tables]
    list(run_weeks(it, weeks or it.weeks, ["shop", EVIDENCE], tables))
    return it


@pytest.mark.parametrize("seed", [1, 2])
def test_every_value_and_colour(tmp_path: Path, seed: int) -> None:
    zone = Zone(
        tmp_path / "home",
        DECLARED,
        "company: Test\nas_of: 2026-02-20\ntime_zone: America/New_York\nfirst_week: 2025-12-29\n",
    )
    events = list(rows_of(seed))
    zone.put_accounts("2026-01-01", accounts_of(later=False))
    zone.put_accounts("2026-02-11", accounts_of(later=True), "later.csv")
    zone.put("events.jsonl", [one for _, one in events])
    # Local weeks begin at five o'clock UTC: what was sent before is of the week before.
    local = [(_local(one), one) for _, one in events]
    it = build(zone)
    assert it.weeks[0] == date(2025, 12, 29) and len(it.weeks) == 8
    seen = set()
    for week in it.weeks:
        rows = it.lake.read("account_adoption", "shop", week).to_pylist()
        slow = Slow(local, accounts_of(later=week >= date(2026, 2, 9)), week)
        assert [(row["account_id"], row["measure"]) for row in rows] == [
            (account, name) for account in slow.everyone for name in sorted(WINDOWS)
        ], week
        for row in rows:
            wanted = slow.of(row["account_id"], row["measure"])
            about = (week, row["account_id"], row["measure"])
            assert row["value"] == (None if wanted is None else pytest.approx(wanted, rel=1e-12)), about
            assert row["colour"] == colour(wanted), about
            seen.add((row["measure"], row["colour"]))
    assert {name for name, found in seen if found != "no_colour"} == set(WINDOWS)
    assert {found for _, found in seen} == {"red", "yellow", "green", "no_colour"}


def _local(one: Row) -> date:
    day, hour = date.fromisoformat(one["occurred_at"][:10]), int(one["occurred_at"][11:13])
    local = day if hour >= 5 else day - timedelta(days=1)
    return local - timedelta(days=local.weekday())


@pytest.mark.slow
def test_one_week_alone_has_the_bytes_that_it_has_among_others(tmp_path: Path) -> None:
    files = []
    for name in ("together", "alone"):
        zone = Zone(tmp_path / name, DECLARED, "company: Test\nas_of: 2026-02-20\n", threads=1)
        zone.put_accounts("2026-01-01", accounts_of(later=False))
        zone.put("events.jsonl", [one for _, one in rows_of(3)])
        it = build(zone, None if name == "together" else WEEKS[:1])
        for week in () if name == "together" else reversed(it.weeks):
            build(zone, [week])
        files.append({file.name: file.read_bytes() for file in it.lake.files("account_adoption", "shop")})
        assert not it.stale_weeks(), name
    assert files[0] == files[1]
    assert len(files[0]) == 7


def test_late_rows_reach_the_weeks_whose_windows_hold_them(tmp_path: Path) -> None:
    zone = Zone(tmp_path / "home", DECLARED, "company: Test\nas_of: 2026-02-20\n")
    zone.put_accounts("2026-01-01", accounts_of(later=False))
    zone.put("events.jsonl", [one for _, one in rows_of(4)])
    build(zone)
    zone.put("late.jsonl", [event("late", "2026-01-13T10:00:00Z", "a0", event_name="built", properties={})])
    it = Open.of(zone.home, zone.playbook)
    it = Open.of(zone.home, it.playbook, ledger=ingest(zone.home, it.engine, it.playbook))
    stale = {week: it.stale_tables("shop", week) for week in it.weeks}
    assert stale[WEEKS[0]] == []
    assert "north_star" in stale[WEEKS[1]]
    assert [stale[week] for week in WEEKS[2:5]] == [["account_adoption"]] * 3
    assert [stale[week] for week in WEEKS[5:]] == [[], []]
    before = it.lake.file("north_star", "shop", WEEKS[2]).stat().st_mtime_ns
    done = list(run_weeks(it, it.weeks, ["shop"], [("shop", table) for table in it.plans["shop"].tables]))
    assert {one.week: sorted(table for _, table in one.tables) for one in done if one.week in WEEKS[2:5]} == {
        week: ["account_adoption"] for week in WEEKS[2:5]
    }
    assert it.lake.file("north_star", "shop", WEEKS[2]).stat().st_mtime_ns == before
