"""What a change rebuilds, what it leaves alone, and what stays published while a week is withheld."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from homes import copy, everything, extract, here, lake_files, states
from landing_zone import Row, Zone, event

pytestmark = pytest.mark.slow

USE_CASE = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed:
    properties: {amount: {type: number}, gift: {type: boolean}}
    sources: [{name: order.placed}]
  page_viewed:
    sources: [{name: page_viewed}]
activity: order_placed
slices: [plan]
metrics:
  ordering_accounts: {title: Accounts that order, count_distinct: account, of: order_placed}
  orders: {title: Orders, count: order_placed}
  usual_amount: {median: amount, of: order_placed, where: "amount >= 0"}
  pages_per_order: {ratio: {numerator: {count: page_viewed}, denominator: {count: order_placed}}}
north_star: {metric: ordering_accounts}
inputs: [{metric: orders, dimension: depth}, {metric: usual_amount, dimension: efficiency}]
counter_metrics: [{metric: pages_per_order, protects: ordering_accounts, risk: searching}]
"""
# What is rebuilt is looked at here, not what it takes to change a final week (`test_release`).
SETTINGS = "company: Test\nas_of: 2026-05-20\ncertification: {settling_days: 3650}\npublication: {small_groups: 0}\n"
FIRST, LAST = date(2026, 3, 2), date(2026, 5, 18)
WEEKS = [FIRST + timedelta(weeks=number) for number in range(12)]
SERIES = {"growth/shop.parquet", "verdicts/shop.json"}
PROPOSED = USE_CASE.replace("use_case: shop", "use_case: idea").replace("ordering_accounts", "thinking_accounts")
PROPOSED += "status: proposed\n"
WEEKLY = ("usage_events", "account_weeks", "north_star", "inputs", "counter_metrics")


def rows_of(number: int) -> list[Row]:
    """A week's delivery: two orders by each of five accounts and as many page views, over Monday to Wednesday."""
    found = []
    for place in range(10):
        day = f"{WEEKS[number] + timedelta(days=place % 3)}T10:00:00Z"
        account = f"a{place % 5}"
        sent = {"amount": place, "gift": place % 2 == 0}
        found.append(event(f"o-{number}-{place}", day, account, properties=sent))
        found.append(event(f"p-{number}-{place}", day, account, event_name="page_viewed", properties={}))
    return found


def make(root: Path, use_case: str = USE_CASE, settings: str = "", skip: tuple[int, ...] = ()) -> Zone:
    """A home with twelve weeks landed, the last in progress."""
    zone = Zone(root, use_case, f"{SETTINGS}{settings}")
    zone.playbook  # noqa: B018 (writes it)
    accounts = [{"account_id": f"a{n}", "plan": ("free", "ultimate")[n % 2], "seats": 5} for n in range(5)]
    zone.put_accounts("2026-03-01", accounts)
    for number in range(12):
        if number not in skip:
            zone.put(f"week-{number:02}.jsonl", rows_of(number))
    return zone


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = make(tmp_path_factory.mktemp("base") / "home")
    said = here("run", "--home", zone.root)
    assert said.code == 0, said
    return zone.root


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Zone:
    """A home of its own in which every week is certified and published."""
    return Zone(copy(base, tmp_path / "home"), USE_CASE, SETTINGS)


def times(zone: Zone) -> dict[str, int]:
    lake = zone.home.lake
    return {name: (lake / name).stat().st_mtime_ns for name in lake_files(zone.root)}


def rewritten(zone: Zone, before: dict[str, int]) -> set[str]:
    """Files of the lake that are new or were written again."""
    return {name for name, written in times(zone).items() if before.get(name) != written}


def totals(zone: Zone, metric: str = "ordering_accounts", table: str = "north_star") -> dict[date, float]:
    rows = extract(zone.root, table)
    return {row["week"]: row["value"] for row in rows if row["slice"] == "all" and row["metric"] == metric}


def ids(zone: Zone) -> dict[date, str]:
    return {row["week"]: row["certificate_id"] for row in extract(zone.root, "north_star") if row["slice"] == "all"}


def edit(zone: Zone, old: str, new: str) -> None:
    file = zone.home.playbook / "use_case.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_first_run_certifies_every_complete_week(home: Zone) -> None:
    found = states(home.root)
    assert {state.state for (_, week), state in found.items() if week < str(LAST)} == {"certified"}
    assert found["shop", str(LAST)].state == "flash"
    assert totals(home) == dict.fromkeys(WEEKS, 5.0)
    flash = [row for row in extract(home.root, "north_star") if row["week"] == LAST]
    assert {(row["state"], row["certificate_id"]) for row in flash} == {("flash", None)}


def test_a_late_file_rewrites_its_week_alone(home: Zone) -> None:
    late, before, known = WEEKS[3], times(home), ids(home)
    home.put("late.jsonl", [event("late", f"{late}T12:00:00Z", "a9", received_at="2026-05-19T00:00:00Z")])
    assert here("run", "--home", home.root).code == 0
    written = rewritten(home, before)
    assert {f"{table}/shop/{late}.parquet" for table in WEEKLY} <= written
    elsewhere = {name for name in written if str(late) not in name}
    assert elsewhere == SERIES
    assert totals(home) == {**dict.fromkeys(WEEKS, 5.0), late: 6.0}
    assert {week for week, one in ids(home).items() if one != known[week]} == {late}
    growth = {row["week"]: row for row in extract(home.root, "growth")}
    assert growth[WEEKS[3]]["growth"] == pytest.approx(0.2)
    assert growth[WEEKS[4]]["growth"] == pytest.approx(-1 / 6)
    assert growth[WEEKS[4]]["churned"] == 1


READERS = """
use_case: readers
title: Readers
owner: {name: Readers group}
events:
  article_read: {sources: [{name: article.read}]}
metrics:
  readers: {title: Readers, count_distinct: account, of: article_read}
  articles: {title: Articles, count: article_read}
  staying: {title: Staying, retention: account, of: article_read, weeks: 2}
north_star: {metric: readers}
inputs: [{metric: articles, dimension: depth}]
counter_metrics: [{metric: staying, protects: readers, risk: none}]
"""


def test_one_event_of_a_use_case_leaves_the_others_files_alone(home: Zone) -> None:
    zone = home
    (zone.home.playbook / "readers.yaml").write_text(READERS)
    for number, week in enumerate(WEEKS):
        day = f"{week}T11:00:00Z"
        zone.put(f"read-{number:02}.jsonl", [event(f"r-{number}", day, "a1", event_name="article.read", properties={})])
    assert here("run", "--home", zone.root).code == 0
    late, before = WEEKS[3], times(zone)
    zone.put("late.jsonl", [event("late", f"{late}T12:00:00Z", "a2", event_name="article.read", properties={})])
    assert here("run", "--home", zone.root).code == 0
    written = rewritten(zone, before)
    (landed,) = {name for name in written if name.startswith("landed_events/")}
    # Who is still there two weeks later is asked of these events, too.
    reached = [late, WEEKS[4], WEEKS[5]]
    assert written - {landed} == {
        *(f"{table}/readers/{late}.parquet" for table in (*WEEKLY, "event_quality")),
        *(f"counter_metrics/readers/{week}.parquet" for week in reached),
        *(f"certificates/readers/{week}.json" for week in reached),
        "growth/readers.parquet",
        "verdicts/readers.json",
        # What is said of the week as a whole, and the verdict that rests on it.
        f"week_evidence/{late}.parquet",
        f"unmapped_events/{late}.parquet",
        "verdicts/shop.json",
    }


def test_a_changed_file_replaces_its_rows(home: Zone) -> None:
    before = times(home)
    changed = [row for row in rows_of(4) if row["account_id"] != "a4"]
    home.put("week-04.jsonl", changed)
    assert here("run", "--home", home.root).code == 0
    assert totals(home) == {**dict.fromkeys(WEEKS, 5.0), WEEKS[4]: 4.0}
    assert {name for name in rewritten(home, before) if str(WEEKS[4]) not in name} == SERIES


def test_a_failing_week_keeps_its_certified_values_and_the_others_go_out(home: Zone) -> None:
    known = ids(home)
    before = [row for row in extract(home.root, "north_star") if row["week"] == WEEKS[6]]
    home.put("week-06.jsonl", rows_of(6)[:2])
    home.put("late.jsonl", [event("late", f"{WEEKS[8]}T12:00:00Z", "a9")])
    said = here("run", "--home", home.root)
    assert said.code == 3
    assert "volume against the trailing median" in " ".join(said.out.replace("│", " ").split())
    stored = {row["week"]: row for row in extract(home.root, "certificates")}
    assert {week for week, row in stored.items() if row["state"] == "withheld"} == {WEEKS[6]}
    assert stored[WEEKS[6]]["certificate_id"] == known[WEEKS[6]]
    assert "volume against the trailing median" in stored[WEEKS[6]]["failed"]
    kept = [row for row in extract(home.root, "north_star") if row["week"] == WEEKS[6]]
    assert {row["state"] for row in kept} == {"superseded_pending"}
    assert [{**row, "state": "certified"} for row in kept] == before
    assert totals(home)[WEEKS[8]] == 6.0
    growth = {row["week"]: row for row in extract(home.root, "growth")}
    assert list(growth) == WEEKS
    assert (growth[WEEKS[6]]["value"], growth[WEEKS[6]]["certificate_id"]) == (5.0, known[WEEKS[6]])
    assert growth[WEEKS[6]]["active"] == 5  # as it was published with the old value
    assert growth[WEEKS[7]]["growth"] == pytest.approx(0)

    # What was computed and not certified is to be seen in the home, and in the home only.
    sql = f"SELECT value FROM north_star WHERE week = '{WEEKS[6]}' AND slice = 'all'"
    assert here("query", "--home", home.root, "--format", "json", sql).json == [{"value": 1.0}]

    home.put("week-06.jsonl", rows_of(6))
    assert here("run", "--home", home.root).code == 0
    assert ids(home)[WEEKS[6]] == known[WEEKS[6]]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a week that never passed, and with a proposed use case beside."""
    zone = make(tmp_path_factory.mktemp("refused") / "home")
    (zone.home.playbook / "idea.yaml").write_text(PROPOSED)
    zone.put("week-06.jsonl", rows_of(6)[:2])
    assert here("run", "--home", zone.root).code == 3
    return zone.root


def test_a_week_that_never_passed_is_not_published(refused: Path, tmp_path: Path) -> None:
    zone = Zone(copy(refused, tmp_path / "home"))
    assert sorted(totals(zone)) == [week for week in WEEKS if week != WEEKS[6]]
    growth = {row["week"]: row for row in extract(zone.root, "growth") if row["use_case"] == "shop"}
    assert WEEKS[6] not in growth
    assert growth[WEEKS[7]]["growth"] is None

    # Built again while the weeks before it are out of date, it is still held to what was usual in them.
    edit(zone, *AMOUNT)
    weeks = f"{WEEKS[5]}..{WEEKS[6]}"
    said = here("backfill", "--home", zone.root, "--weeks", weeks, "--use-case", "shop")
    assert said.code == 3
    found = states(zone.root)
    assert (found["shop", str(WEEKS[5])].state, found["shop", str(WEEKS[6])].state) == ("certified", "withheld")
    assert found["shop", str(WEEKS[6])].failed[0].startswith("volume against the trailing median")
    assert WEEKS[6] not in totals(zone)


def test_a_proposed_use_case_is_never_certified(refused: Path) -> None:
    zone = Zone(refused)
    assert set(totals(zone, "thinking_accounts")) == {LAST}
    found = [row for row in extract(zone.root, "certificates") if row["use_case"] == "idea"]
    assert {row["state"] for row in found} == {"withheld", "flash"}
    issued = {file.parent.name for file in (zone.home.lake / "certificates").rglob("*.json")}
    assert issued == {"shop"}
    assert "proposed" in found[0]["failed"]


def test_a_title_rewrites_no_weekly_table(home: Zone) -> None:
    before = times(home)
    edit(home, "title: Accounts that order", "title: Customers")
    assert here("run", "--home", home.root).code == 0
    assert not {name for name in rewritten(home, before) if name.split("/")[0] in (*WEEKLY, "landed_events")}
    titles = {row["metric"]: row["title"] for row in extract(home.root, "metric_dictionary")}
    assert titles["ordering_accounts"] == "Customers"
    assert {row["title"] for row in extract(home.root, "north_star")} == {"Customers"}


ORDERS = ("orders: {title: Orders, count: order_placed}", 'orders: {count: order_placed, where: "gift"}')
AMOUNT = ('where: "amount >= 0"', 'where: "amount >= 5"')


@pytest.mark.parametrize(
    ("metric", "change", "tables", "value"),
    [
        ("usual_amount", AMOUNT, ("inputs",), 7.0),
        ("orders", ORDERS, ("account_weeks", "inputs"), 5.0),  # each account's part of a sum lies in account_weeks
    ],
)
def test_a_filter_rewrites_exactly_its_tables(
    home: Zone, metric: str, change: tuple[str, str], tables: tuple[str, ...], value: float
) -> None:
    before = times(home)
    edit(home, *change)
    assert here("run", "--home", home.root).code == 0
    weekly = {name for name in rewritten(home, before) if name.split("/")[0] in WEEKLY}
    assert weekly == {f"{table}/shop/{week}.parquet" for table in tables for week in WEEKS}
    assert totals(home, metric, "inputs") == dict.fromkeys(WEEKS, value)
    assert totals(home) == dict.fromkeys(WEEKS, 5.0)


def test_a_week_without_any_event_is_a_week_with_zero(tmp_path: Path) -> None:
    zone = make(tmp_path / "home", USE_CASE + "tolerances: {volume_low: 0}\n", skip=(5,))
    said = here("run", "--home", zone.root)
    assert said.code == 0, said
    rows = [row for row in extract(zone.root, "north_star") if row["week"] == WEEKS[5] and row["slice"] == "all"]
    assert [(row["value"], row["entities"], row["state"]) for row in rows] == [(0.0, 0, "certified")]
    ratio = [row for row in extract(zone.root, "counter_metrics") if row["week"] == WEEKS[5] and row["slice"] == "all"]
    assert [(row["value"], row["denominator"]) for row in ratio] == [(None, 0.0)]
    growth = {row["week"]: row for row in extract(zone.root, "growth")}
    assert list(growth) == WEEKS
    empty, after = growth[WEEKS[5]], growth[WEEKS[6]]
    assert (empty["value"], empty["growth"], empty["active"], empty["churned"]) == (0.0, -1.0, 0, 5)
    assert (after["value"], after["growth"], after["new"], after["resurrected"]) == (5.0, None, 0, 5)


def test_as_of_stops_the_clock(base: Path, tmp_path: Path) -> None:
    zone = make(tmp_path / "home")
    assert here("--as-of", "2026-04-15", "run", "--home", zone.root).code == 0
    found = {row["week"]: row["state"] for row in extract(zone.root, "certificates")}
    assert list(found) == WEEKS[:7]
    assert found[WEEKS[6]] == "flash"
    assert here("run", "--home", zone.root).code == 0
    assert everything(zone.root) == everything(base)  # when it was built leaves no trace


def test_weeks_in_new_york(tmp_path: Path) -> None:
    """Clocks change on 2026-03-08: the week of 2 March ends at 04:00 UTC, having begun at 05:00."""
    zone = make(tmp_path / "home", settings="time_zone: America/New_York\n", skip=tuple(range(12)))
    instants = {
        "before": "2026-03-02T04:59:59Z",
        "first": "2026-03-02T05:00:00Z",
        "last": "2026-03-09T03:59:59Z",
        "after": "2026-03-09T04:00:00Z",
    }
    zone.put("some.jsonl", [event(key, instant, f"a-{key}") for key, instant in instants.items()])
    assert here("--as-of", "2026-03-18", "run", "--home", zone.root).code in (0, 3)
    sql = "SELECT week, account_id FROM usage_events ORDER BY occurred_at"
    found = here("query", "--home", zone.root, "--format", "json", sql).json
    assert [(row["week"], row["account_id"]) for row in found] == [
        ("2026-02-23", "a-before"), ("2026-03-02", "a-first"), ("2026-03-02", "a-last"), ("2026-03-09", "a-after"),
    ]  # fmt: skip
    assert totals(zone)[date(2026, 3, 2)] == 2.0
