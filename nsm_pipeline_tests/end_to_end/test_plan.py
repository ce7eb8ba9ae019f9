"""What `nsm plan` foretells is what the `nsm run` that follows writes again, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from homes import copy, here
from landing_zone import Row, Zone, event

from nsm_pipeline.events import inputs
from nsm_pipeline.steps import opening
from nsm_pipeline.steps.anew import ask_anew
from nsm_pipeline.steps.opening import OPENED

pytestmark = pytest.mark.slow

SHOP = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed:
    properties: {amount: {type: number, minimum: 0}, gift: {type: boolean}}
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
  orders_of_four_weeks: {count: order_placed, window: 4 weeks}
north_star: {metric: ordering_accounts}
inputs:
  - {metric: orders, dimension: depth}
  - {metric: usual_amount, dimension: efficiency}
counter_metrics:
  - {metric: pages_per_order, protects: ordering_accounts, risk: searching}
  - {metric: orders_of_four_weeks, protects: ordering_accounts, risk: hurry}
"""
DESK = """
use_case: desk
title: Help desk
owner: {name: Desk group}
events: {ticket_closed: {sources: [{name: ticket.closed}]}}
metrics: {closed: {count: ticket_closed}}
north_star: {metric: closed}
"""
SETTINGS = "company: Test\nas_of: 2026-05-20\n"
WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(12)]
MADE = ("usage_events", "event_quality", "account_weeks", "north_star", "inputs", "counter_metrics", "growth",
        "week_evidence", "unmapped_events")  # fmt: skip
TABLES = ["usage_events", "account_weeks", "north_star", "inputs", "counter_metrics"]


def rows_of(number: int) -> list[Row]:
    found = []
    for place in range(10):
        day = f"{WEEKS[number] + timedelta(days=place % 3)}T10:00:00Z"
        account = f"a{place % 5}"
        found.append(event(f"o-{number}-{place}", day, account, properties={"amount": place, "gift": place < 5}))
        found.append(event(f"p-{number}-{place}", day, account, event_name="page_viewed", properties={}))
        found.append(event(f"t-{number}-{place}", day, account, event_name="ticket.closed", properties={}))
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = Zone(tmp_path_factory.mktemp("base") / "home", SHOP, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    (zone.home.playbook / "desk.yaml").write_text(DESK)
    zone.put_accounts("2026-03-01", [{"account_id": f"a{n}", "plan": ("free", "ultimate")[n % 2]} for n in range(5)])
    for number in range(12):
        zone.put(f"week-{number:02}.jsonl", rows_of(number))
    said = here("run", "--home", zone.root)
    assert said.code == 0, said
    return zone.root


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Zone:
    return Zone(copy(base, tmp_path / "home"))


def planned(zone: Zone, *options: object) -> Any:
    said = here("plan", "--home", zone.root, "--json", *options)
    assert said.code == 0, said
    return said.json


def times(zone: Zone) -> dict[str, int]:
    """When each file of the lake's tables was written."""
    lake = zone.home.lake
    return {
        file.relative_to(lake).as_posix(): file.stat().st_mtime_ns
        for table in (*MADE, "verdicts", "certificates")
        for file in lake.joinpath(table).rglob("*")
        if file.suffix in (".parquet", ".json")
    }


def run(zone: Zone) -> set[str]:
    """`nsm run`; the files that it has written again."""
    before = times(zone)
    assert here("run", "--home", zone.root).code in (0, 3)  # 3: a change may well fail a gate
    return {name for name, written in times(zone).items() if before.get(name) != written}


def edit(zone: Zone, old: str, new: str, name: str = "use_case.yaml") -> None:
    file = zone.home.playbook / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def late(zone: Zone) -> None:
    zone.put("late.jsonl", [event("late", f"{WEEKS[3]}T12:00:00Z", "a9", received_at="2026-05-19T00:00:00Z")])


def again(zone: Zone) -> None:
    zone.put("week-04.jsonl", [row for row in rows_of(4) if row["account_id"] != "a4"])


def filtered(zone: Zone) -> None:
    edit(zone, 'where: "amount >= 0"', 'where: "amount >= 5"')


def renamed(zone: Zone) -> None:
    edit(zone, "sources: [{name: order.placed}]", "sources: [{name: order.placed}, {name: ordered, since: 2026-04-20}]")


def snapshot(zone: Zone) -> None:
    zone.put_accounts("2026-05-04", [{"account_id": "a1", "plan": "premium"}])


def zoned(zone: Zone) -> None:
    (zone.home.playbook / "settings.yaml").write_text(SETTINGS + "time_zone: Europe/Berlin\n")


def ranged(zone: Zone) -> None:
    edit(zone, "minimum: 0", "minimum: 1")


def targeted(zone: Zone) -> None:
    edit(
        zone, "north_star: {metric: closed}", "north_star: {metric: closed, target: {growth_per_week: 3%}}", "desk.yaml"
    )


def tolerant(zone: Zone) -> None:
    edit(zone, "use_case: desk", "tolerances: {late: 60%}\nuse_case: desk", "desk.yaml")


def entitled(zone: Zone) -> None:
    edit(zone, "title: Orders", "title: Orders placed")


def next_week(zone: Zone) -> None:
    (zone.home.playbook / "settings.yaml").write_text("company: Test\nas_of: 2026-05-27\n")


def entered(zone: Zone) -> None:
    ask_anew(zone.home, ["desk"], WEEKS[2:4])


def nothing(_: Zone) -> None:
    pass


ALL = "all"
WIDE = ["counter_metrics"]  # of shop: a metric there looks back four weeks
LATE = "late rows in usage_events/late.jsonl"
AGAIN = "usage_events/week-04.jsonl came again with other content"
FILTERED = "from median amount of order_placed where amount >= 0 to median amount of order_placed where amount >= 5"
SOURCE = "source of event order_placed changed: ordered since 2026-04-20 is new"
SNAPSHOT = "the account snapshot of 2026-05-04 is used instead of that of 2026-03-01"
OTHERS = "events of other weeks"
# By use case: first week, how many, tables, kind and words of each reason.
Group = tuple[int, int, Any, dict[str, str]]
Groups = dict[str, list[Group]]
CHANGES: dict[Callable[[Zone], None], Groups] = {
    nothing: {},
    late: {"shop": [(3, 1, ALL, {"late_rows": LATE}), (4, 3, WIDE, {"events_of_other_weeks": OTHERS})]},
    again: {"desk": [(4, 1, ALL, {"redelivered_file": AGAIN})],
            "shop": [(4, 1, ALL, {"redelivered_file": AGAIN}), (5, 3, WIDE, {"events_of_other_weeks": OTHERS})]},
    filtered: {"shop": [(0, 12, ["inputs"], {"definition": FILTERED})]},
    renamed: {"shop": [(7, 5, ALL, {"source": SOURCE})]},
    snapshot: {"desk": [(8, 4, ALL, {"snapshot": SNAPSHOT})], "shop": [(8, 4, ALL, {"snapshot": SNAPSHOT})]},
    zoned: {name: [(0, 12, ALL, {"calendar": "the time zone has changed"})] for name in ("desk", "shop")},
    ranged: {"shop": [(0, 12, ["usage_events"], {"definition": "what properties of its events accept"})]},
    targeted: {},
    tolerant: {},
    entitled: {},
    next_week: {name: [(12, 1, ALL, {"missing": "not built yet"})] for name in ("desk", "shop")},
    entered: {"desk": [(2, 2, ALL, {"backfill": "asked for"})]},
}  # fmt: skip
# Changes that do not hide one another: of other weeks, of other use cases, or of nothing that is built.
TOGETHER = [(nothing,), (late, snapshot, entered), (again, next_week), (filtered, tolerant),
            (renamed, targeted, entitled), (zoned,), (ranged,)]  # fmt: skip
ALONE = [(change,) for change in CHANGES if (change,) not in TOGETHER]


def names_of(changes: tuple[Callable[[Zone], None], ...]) -> str:
    return "-".join(change.__name__ for change in changes)


@pytest.mark.parametrize(
    "changes",
    [
        *(pytest.param(changes, id=names_of(changes)) for changes in TOGETHER),
        *(pytest.param(changes, id=names_of(changes), marks=pytest.mark.soak) for changes in ALONE),
    ],
)
def test_what_is_foretold_is_what_is_rebuilt(home: Zone, changes: tuple[Callable[[Zone], None], ...]) -> None:
    for change in changes:
        change(home)
    plan = planned(home)
    found = {
        name: [
            (one["first_week"], one["weeks"], one["tables"], {why["kind"]: why["text"] for why in one["reasons"]})
            for one in use_case["groups"]
        ]
        for name, use_case in plan["use_cases"].items()
    }
    for name in ("desk", "shop"):
        wanted = sorted((one for change in changes for one in CHANGES[change].get(name, [])), key=lambda one: one[0])
        assert [one[:3] for one in found[name]] == [
            (str(WEEKS[0] + timedelta(weeks=first)), weeks, TABLES if tables == ALL else tables)
            for first, weeks, tables, _ in wanted
        ]
        for (*_, said), (*_, reasons) in zip(found[name], wanted, strict=True):
            assert said.keys() == reasons.keys()
            assert all(words in said[kind] for kind, words in reasons.items())
    written = run(home)
    assert {name for name in written if name.split("/")[0] in MADE} == set(plan["files"])
    judged = {name for name, use_case in plan["use_cases"].items() if use_case["judged"]}
    assert {f"verdicts/{name}.json" for name in judged} == {name for name in written if name.startswith("verdicts")}
    stale = {f"certificates/{name}/{week}.json" for name, one in plan["use_cases"].items() for week in one["weeks"]}
    # A week in progress has none; that it is over is what gives the last one its certificate.
    newest = {f"certificates/{name}/{WEEKS[-1]}.json" for name in ("desk", "shop")}
    assert {name for name in written if name.startswith("certificates")} <= stale | newest
    assert planned(home)["files"] == []


@pytest.mark.parametrize(
    ("module", "version", "tables", "words"),
    [
        (opening, "METRICS_VERSION", TABLES[1:], "computes metrics in another way (version 2 → 99)"),
        (inputs, "USAGE_VERSION", TABLES, "computes usage events in another way (version 3 → 99)"),
    ],
)
def test_another_version_of_the_program(
    home: Zone, monkeypatch: pytest.MonkeyPatch, module: Any, version: str, tables: list[str], words: str
) -> None:
    words = words.replace("2 →", f"{opening.METRICS_VERSION} →") if module is opening else words
    words = words.replace("3 →", f"{inputs.USAGE_VERSION} →") if module is inputs else words
    monkeypatch.setattr(module, version, 99)
    OPENED.clear()  # as in a new process
    plan = planned(home)
    for use_case in plan["use_cases"].values():
        (group,) = use_case["groups"]
        assert (group["weeks"], group["tables"]) == (12, tables)
        assert [reason["kind"] for reason in group["reasons"]] == ["code"]
        assert words in group["reasons"][0]["text"]
    assert {name for name in run(home) if name.split("/")[0] in MADE} == set(plan["files"])


def test_weeks_that_start_on_another_day(home: Zone) -> None:
    (home.home.playbook / "settings.yaml").write_text(SETTINGS + "week_starts_on: sunday\n")
    plan = planned(home)
    for use_case in plan["use_cases"].values():
        (group,) = use_case["groups"]
        assert (group["first_week"], group["weeks"]) == ("2026-03-01", 12)
        assert [reason["kind"] for reason in group["reasons"]] == ["calendar"]
    before = times(home)
    assert here("run", "--home", home.root).code == 3  # no order on the last Saturday: its week is not whole
    written = {name for name, at in times(home).items() if before.get(name) != at}
    assert {name for name in written if name.split("/")[0] in MADE} == set(plan["files"])


def test_rows_per_file_and_week(home: Zone) -> None:
    late(home)
    again(home)
    home.put("copy/week-05.jsonl", rows_of(5))
    home.put("torn.jsonl.gz", b"\x1f\x8b")
    home.put("next.jsonl", [event("next", f"{WEEKS[-1]}T09:00:00Z"), event("n2", f"{WEEKS[-2]}T09:00:00Z")])
    plan = planned(home)
    landed = {one["path"]: one for one in plan["landing"]}
    assert {path: (one["state"], one["rows_by_utc_week"], one["late_rows"]) for path, one in landed.items()} == {
        "usage_events/copy/week-05.jsonl": ("same bytes", {str(WEEKS[5]): 30}, 0),
        "usage_events/late.jsonl": ("new", {str(WEEKS[3]): 1}, 1),
        "usage_events/next.jsonl": ("new", {str(WEEKS[-2]): 1, str(WEEKS[-1]): 1}, 1),
        "usage_events/torn.jsonl.gz": ("set aside", {}, 0),
        "usage_events/week-04.jsonl": ("other content", {str(WEEKS[4]): 24}, 24),
    }
    assert "truncated" in landed["usage_events/torn.jsonl.gz"]["problem"]
    kinds = {
        name: {week: [(why["kind"], why["rows"]) for why in one["reasons"]] for week, one in use_case["weeks"].items()}
        for name, use_case in plan["use_cases"].items()
    }
    others = {str(WEEKS[number]): [("events_of_other_weeks", 0)] for number in (5, 6, 7)}
    assert kinds["shop"] == {
        str(WEEKS[3]): [("late_rows", 1)],
        str(WEEKS[4]): [("redelivered_file", 16)],  # orders and pages of four accounts
        **others,
        str(WEEKS[-2]): [("late_rows", 1)],
        str(WEEKS[-1]): [("new_landed_files", 1)],
    }
    assert kinds["desk"] == {str(WEEKS[4]): [("redelivered_file", 8)]}, "of its own names alone"
    assert {name for name in run(home) if name.split("/")[0] in MADE} == set(plan["files"])


def test_a_home_that_never_ran(tmp_path: Path) -> None:
    zone = Zone(tmp_path / "home", SHOP, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    assert "Nothing has landed" in here("plan", "--home", zone.root).out
    for number in range(12):
        zone.put(f"week-{number:02}.jsonl", rows_of(number))
    plan = planned(zone)
    (group,) = plan["use_cases"]["shop"]["groups"]
    assert (group["weeks"], group["tables"]) == (12, TABLES)
    assert [reason["kind"] for reason in group["reasons"]] == ["missing"]
    assert not (zone.home.lake / "usage_events").exists()
    assert {name for name in run(zone) if name.split("/")[0] in MADE} == set(plan["files"])


def test_another_folder_of_definitions(home: Zone, tmp_path: Path) -> None:
    other = copy(home.home.playbook, tmp_path / "other")
    file = other / "use_case.yaml"
    file.write_text(file.read_text().replace('where: "amount >= 0"', 'where: "amount >= 5"'))
    assert planned(home)["files"] == []
    plan = planned(home, "--playbook", other)
    assert plan["files"] == [f"inputs/shop/{week}.parquet" for week in WEEKS]
    assert plan["playbook"] == str(other)
    filtered(home)
    assert planned(home)["files"] == plan["files"], "which is what a run rebuilds"

    file.write_text(file.read_text() + "surprise: 1\n")
    wrong = here("plan", "--home", home.root, "--playbook", other)
    assert wrong.code == 2
    assert str(file) in wrong.err
    assert here("plan", "--home", home.root, "--playbook", tmp_path / "nowhere").code == 2


def test_asking_changes_nothing(home: Zone) -> None:
    late(home)
    filtered(home)

    def seen() -> dict[str, tuple[int, bytes]]:
        files = (file for file in sorted(home.root.rglob("*")) if file.is_file() and file.suffix != ".lock")
        return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}

    before = seen()
    for options in ([], ["--preview"], ["--preview", "--format", "markdown"]):
        assert here("plan", "--home", home.root, *options).code == 0
    assert seen() == before


def test_what_a_person_reads(home: Zone) -> None:
    def said() -> str:
        return " ".join(here("plan", "--home", home.root).out.split())

    assert "Nothing is stale: `nsm run` would rebuild nothing." in said()
    late(home)
    filtered(home)
    text = said()
    assert "In all 23 files of 12 weeks written again" in text
    assert "usage_events/late.jsonl new 1 1 2026-03-23" in text
    assert "all tables" in text
    entry = here("plan", "--home", home.root, "--format", "yaml")
    assert (entry.code, "did you mean" in entry.err or "Accepted: json, table" in entry.err) == (2, True)


def test_asking_loads_neither_dagster_nor_what_judges() -> None:
    """They take seconds, and a plan over years is answered in three."""
    heavy = "{'dagster', 'great_expectations', 'pandas'}"
    code = f"import sys, nsm_pipeline.cli.planning; print(sorted({heavy} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
