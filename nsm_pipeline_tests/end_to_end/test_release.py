"""What it takes before a number is published or changed: stages, tolerance, reasons, approval; backfills that go on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from homes import Said, copy, everything, extract, finish, here, lake_files, states
from landing_zone import Row, Zone, event
from loaded import Loaded, start_loaded

pytestmark = pytest.mark.slow

USE_CASE = """
use_case: shop
title: Shop
owner: {name: Shop group, contact: "#shop"}
events:
  order_placed:
    properties: {amount: {type: number}}
    sources: [{name: order.placed}]
slices: [plan]
metrics:
  ordering_accounts: {count_distinct: account, of: order_placed}
  orders: {count: order_placed}
north_star: {metric: ordering_accounts}
inputs: [{metric: orders, dimension: depth}]
"""
FIRST = date(2026, 3, 2)
WEEKS = [FIRST + timedelta(weeks=number) for number in range(12)]
FINAL, SETTLING = WEEKS[3], WEEKS[9]
TODAY = "company: Test\nas_of: 2026-05-20\npublication: {small_groups: 0}\n"


def make(root: Path, settings: str = "", accounts: int = 10) -> Zone:
    """Eleven complete weeks of an order a day by some accounts, and a twelfth in progress."""
    zone = Zone(root, USE_CASE, f"{TODAY}{settings}")
    zone.playbook  # noqa: B018 (writes it)
    zone.put_accounts("2026-03-01", [{"account_id": f"a{n}", "plan": ("free", "pro")[n % 2]} for n in range(accounts)])
    for number, week in enumerate(WEEKS):
        zone.put(f"week-{number:02}.jsonl", orders(week, range(accounts), f"w{number}"))
    return zone


def orders(week: date, accounts: range, name: str) -> list[Row]:
    return [event(f"{name}-{place}", f"{week}T10:00:00Z", f"a{place}") for place in accounts]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = make(tmp_path_factory.mktemp("release") / "home")
    assert run(zone).code == 0
    return zone.root


@pytest.fixture
def zone(base: Path, tmp_path: Path) -> Zone:
    return Zone(copy(base, tmp_path / "home"), USE_CASE, TODAY)


def run(zone: Zone, *more: str) -> Said:
    return here("run", "--home", zone.root, *more)


def settings(zone: Zone, more: str) -> None:
    (zone.home.playbook / "settings.yaml").write_text(f"{TODAY}{more}")


def north_star(zone: Zone, week: date) -> tuple[float, str, str]:
    """Value, state and stage of a week as published."""
    (row,) = (r for r in extract(zone.root, "north_star") if (r["week"], r["slice"]) == (week, "all"))
    return row["value"], row["state"], row["stage"]


def ledger(zone: Zone, metric: str = "ordering_accounts") -> list[tuple[date, str, float, float, str, str, str]]:
    rows = [row for row in extract(zone.root, "restatements") if row["metric"] == metric]
    names = ("week", "slice_value", "old", "new", "kind", "reason", "by")
    return [tuple(row[name] for name in names) for row in rows]  # type: ignore[misc]


def late(zone: Zone, week: date, name: str = "late", accounts: range = range(20, 21)) -> None:
    zone.put(f"{name}.jsonl", orders(week, accounts, name))


def test_every_week_has_its_stage(zone: Zone) -> None:
    stages = {row["week"]: row["stage"] for row in extract(zone.root, "north_star")}
    assert [stages[week] for week in WEEKS] == ["final"] * 9 + ["settling"] * 2 + ["flash"]
    found = states(zone.root)
    assert {found["shop", str(week)].stage for week in WEEKS[:9]} == {"final"}


def test_a_settling_week_changes_as_a_matter_of_course(zone: Zone) -> None:
    late(zone, SETTLING)
    assert run(zone).code == 0
    assert north_star(zone, SETTLING) == (11, "certified", "settling")
    assert ledger(zone)[0] == (SETTLING, "all", 10, 11, "settling", "", "")
    (cause,) = {row["cause"] for row in extract(zone.root, "restatements") if row["table"] == "north_star"}
    assert cause == "late rows in usage_events/late.jsonl"


def test_a_final_week_is_held_until_somebody_gives_a_reason(zone: Zone) -> None:
    before = extract(zone.root, "growth")
    late(zone, FINAL)
    said = run(zone)
    assert said.code == 3
    assert north_star(zone, FINAL) == (10, "superseded_pending", "final")
    state = states(zone.root)["shop", str(FINAL)]
    assert (state.state, state.is_superseded) == ("held", True)
    assert state.held is not None and "ordering_accounts 10 → 11" in state.held and "--restate" in state.held
    assert ledger(zone) == []
    # Neither does anything that follows from it change: who was new, resurrected or churned in the weeks after.
    known = [{**row, "state": "certified"} for row in extract(zone.root, "growth")]
    assert known[:9] == [{**row, "state": "certified"} for row in before][:9]
    assert run(zone).code == 3  # and it stays so

    assert run(zone, "--restate", "--reason", "an upload was forgotten", "--by", "Ana").code == 0
    assert north_star(zone, FINAL) == (11, "certified", "final")
    assert ledger(zone)[0] == (FINAL, "all", 10, 11, "restatement", "an upload was forgotten", "Ana")
    assert states(zone.root)["shop", str(FINAL)].state == "certified"
    assert run(zone).code == 0


def test_small_changes_of_a_final_week_need_no_reason_until_they_add_up(zone: Zone) -> None:
    settings(zone, "certification: {tolerance: 25%}\n")
    for number, value in enumerate((11, 12)):
        late(zone, FINAL, f"late-{number}", range(20 + number, 21 + number))
        assert run(zone).code == 0
        assert north_star(zone, FINAL) == (value, "certified", "final")
    late(zone, FINAL, "late-2", range(22, 23))
    assert run(zone).code == 3  # 13 is 8 % more than 12 and 30 % more than what was final
    assert north_star(zone, FINAL) == (12, "superseded_pending", "final")
    totals = [row for row in ledger(zone) if row[1] == "all"]
    assert [row[2:5] for row in totals] == [(10, 11, "within_tolerance"), (11, 12, "within_tolerance")]


def test_a_week_that_passes_again_is_certified_again(zone: Zone) -> None:
    number = WEEKS.index(SETTLING)
    zone.put(f"week-{number:02}.jsonl", orders(SETTLING, range(2), "few"))
    assert run(zone).code == 3
    assert north_star(zone, SETTLING) == (10, "superseded_pending", "settling")
    zone.put(f"week-{number:02}.jsonl", orders(SETTLING, range(10), f"w{number}"))
    assert run(zone).code == 0
    assert north_star(zone, SETTLING) == (10, "certified", "settling")
    assert ledger(zone) == []  # what was shown has never changed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--restate",), '--restate: a reason is needed, for the restatement ledger: --reason "…".'),
        (("--restate", "--reason", " "), "--restate: a reason is needed"),
        (("--reason", "why not"), "--reason, --by: found without --restate"),
        (("--by", "Ana"), "--reason, --by: found without --restate"),
    ],
)
def test_half_a_word_is_refused(zone: Zone, given: tuple[str, ...], expected: str) -> None:
    said = run(zone, *given)
    assert (said.code, expected in " ".join(said.err.split())) == (2, True), said


def test_nothing_is_published_before_it_is_approved(tmp_path: Path) -> None:
    zone = make(tmp_path / "home", "certification: {approval: required}\n")
    assert run(zone).code == 3
    assert {row["state"] for row in extract(zone.root, "north_star")} == {"flash"}
    held = states(zone.root)["shop", str(FINAL)]
    assert held.state == "held" and held.held is not None and held.held.startswith("awaits approval: nsm approve")

    approve(zone, f"{WEEKS[0]}..{WEEKS[9]}", "Eve", "looked at the outliers")
    assert run(zone).code == 3  # one week is left
    assert {row["week"] for row in extract(zone.root, "north_star") if row["state"] == "certified"} == set(WEEKS[:10])
    approve(zone, str(WEEKS[10]), "Eve", "")
    assert run(zone).code == 0
    stored = {row["week"]: row for row in extract(zone.root, "certificates")}
    assert (stored[FINAL]["approved_by"], stored[FINAL]["approval_note"]) == ("Eve", "looked at the outliers")
    assert (stored[WEEKS[10]]["approved_by"], stored[WEEKS[10]]["approval_note"]) == ("Eve", None)
    document = json.loads(certificate(zone, SETTLING).read_text())
    assert document["owner"] == {"name": "Shop group", "contact": "#shop"}
    assert [one["by"] for one in document["approved"]] == ["Eve"]

    late(zone, SETTLING)  # an approval is of one certificate: the next one needs its own
    assert run(zone).code == 3
    assert north_star(zone, SETTLING) == (10, "superseded_pending", "settling")
    approve(zone, str(SETTLING), "Eve", "late upload")
    assert run(zone).code == 0
    assert north_star(zone, SETTLING) == (11, "certified", "settling")


def approve(zone: Zone, weeks: str, by: str, note: str) -> Said:
    said = here("approve", "--home", zone.root, "--use-case", "shop", "--weeks", weeks, "--by", by, "--note", note)
    assert said.code == 0, said
    return said


def certificate(zone: Zone, week: date) -> Path:
    """The published certificate's file of a week."""
    (row,) = (row for row in extract(zone.root, "certificates") if row["week"] == week)
    return zone.home.records / "certificates" / f"{row['certificate_id']}.json"


def test_a_sign_off_is_kept_with_a_certificate_that_is_out_already(zone: Zone) -> None:
    before = extract(zone.root, "north_star")
    approve(zone, str(FINAL), "Eve", "for the board")
    (signed,) = json.loads(certificate(zone, FINAL).read_text())["approved"]
    assert (signed["by"], signed["note"], signed["at"]) == ("Eve", "for the board", "2026-05-20T23:59:59.999999+00:00")
    assert run(zone).code == 0
    assert extract(zone.root, "north_star") == before
    (row,) = (row for row in extract(zone.root, "certificates") if row["week"] == FINAL)
    assert row["approved_by"] == "Eve"


@pytest.mark.parametrize(
    ("use_case", "weeks", "by", "expected"),
    [
        ("shops", "2026-03-02", "Eve", "--use-case: found 'shops'; did you mean 'shop'?"),
        ("shop", "2026-03-03", "Eve", "--weeks: found 2026-03-03, on which no week starts; nearest: 2026-03-02."),
        ("shop", "2026-05-18", "Eve", "shop 2026-05-18 has no certificate that could be approved"),
        ("shop", "2026-03-02", " ", "--by: found nothing"),
    ],
)
def test_what_cannot_be_approved(zone: Zone, use_case: str, weeks: str, by: str, expected: str) -> None:
    said = here("approve", "--home", zone.root, "--use-case", use_case, "--weeks", weeks, "--by", by)
    assert (said.code, expected in " ".join(said.err.split())) == (2, True), said


def test_a_week_that_fails_cannot_be_approved(zone: Zone) -> None:
    zone.put("week-09.jsonl", orders(SETTLING, range(2), "few"))
    assert run(zone).code == 3
    said = here("approve", "--home", zone.root, "--use-case", "shop", "--weeks", str(SETTLING), "--by", "Eve")
    assert said.code == 2
    assert "volume against the trailing median" in said.err


@pytest.mark.slow
def test_a_killed_run_and_a_killed_backfill_go_on_where_they_stopped(tmp_path: Path) -> None:
    """104 weeks, killed after about 60: the next run does the others, and nothing that was done already."""
    root = tmp_path / "home"
    zone = Zone(root, USE_CASE, "company: Test\nas_of: 2026-05-20\n")
    zone.playbook  # noqa: B018
    weeks = [date(2026, 5, 18) - timedelta(weeks=back) for back in reversed(range(104))]
    for place, week in enumerate(weeks):
        if place % 4 == 0:  # weeks that see one snapshot are built together
            zone.put_accounts(str(week), [{"account_id": f"a{n}", "plan": "free"} for n in range(3)])
    zone.put("all.jsonl", [row for week in weeks for row in orders(week, range(3), str(week))])

    built = root / "lake" / "inputs" / "shop"
    process = start_loaded("run", "--home", root)
    kill_when(process, lambda: built.is_dir() and len(list(built.glob("2*.parquet"))) >= 60)
    before = times(root)
    kept = {week for week in weeks if f"inputs/shop/{week}.parquet" in before}
    assert 60 <= len(kept) < 104
    assert run(zone).code == 0
    written = rewritten(root, before)
    assert all(f"inputs/shop/{week}.parquet" not in written for week in kept)
    assert {week for week in weeks if f"inputs/shop/{week}.parquet" in written} == set(weeks) - kept
    whole = everything(root)

    order = ("backfill", "--home", root, "--weeks", f"{weeks[0]}..{weeks[-1]}")
    kill_when(start_loaded(*order), lambda: (root / "lake" / "backfill.json").exists() and len(left(root)) <= 44)
    before, open_weeks = times(root), left(root)
    assert 0 < len(open_weeks) <= 44
    assert run(zone).code == 0  # whoever runs next finishes it
    written = rewritten(root, before)
    assert {week for week in map(str, weeks) if f"inputs/shop/{week}.parquet" in written} == open_weeks
    assert left(root) == set()
    assert everything(root) == whole


def left(root: Path) -> set[str]:
    """Weeks that a backfill has still to do; all of them before it has said so."""
    try:
        return set(json.loads((root / "lake" / "backfill.json").read_text())["shop"])
    except FileNotFoundError:
        return set()


def kill_when(process: Loaded, reached: Callable[[], bool]) -> None:
    while process.poll() is None:
        if reached():
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    assert finish(process).code == -signal.SIGKILL


def times(root: Path) -> dict[str, int]:
    return {name: (root / "lake" / name).stat().st_mtime_ns for name in lake_files(root)}


def rewritten(root: Path, before: dict[str, int]) -> set[str]:
    return {name for name, written in times(root).items() if before.get(name) != written}
