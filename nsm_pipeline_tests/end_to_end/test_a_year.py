"""A year in the life of a home: after every step everything shown is what a slow reference in plain Python says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import pytest
from homes import lake_files
from landing_zone import Zone
from year_home import Year
from year_landing import NAMES, late, monday, sent_by
from year_ledger import Word
from year_rules import Rules, Source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
WEEKLY = ("usage_events", "event_quality", "account_weeks", "north_star", "inputs", "counter_metrics")


def times(zone: Zone) -> dict[str, int]:
    lake = zone.home.lake
    return {name: (lake / name).stat().st_mtime_ns for name in lake_files(zone.root)}


# --- the year, step by step


def thirty_weeks_at_once(year: Year) -> None:
    for number in range(31):
        year.exports(number)
    year.run()
    assert year.reference.ledger.rows == []
    assert year.state("shop", 29) == "certified, certified"


def a_quiet_week(year: Year) -> None:
    year.exports(31)
    year.run()
    assert year.kinds() == set()


def a_late_order_of_a_settling_week(year: Year) -> None:
    year.exports(32)
    year.put("late/one", late("shop", 30, 32, ("c10", 7)))
    year.run()
    assert year.kinds() == {("shop", 30, "settling")}


def a_late_order_within_tolerance(year: Year) -> None:
    year.exports(33)
    year.put("late/two", late("shop", 28, 33, ("c4", 5)))
    year.run()
    assert year.kinds() == {("shop", 28, "within_tolerance")}


def another_that_is_too_much_together_with_it(year: Year) -> None:
    year.exports(34)
    year.put("late/three", late("shop", 28, 34, ("c4", 5)))
    year.run()
    assert year.state("shop", 28) == "held, superseded_pending"
    assert year.kinds() == set()
    year.run(Word("Orders of a branch came by post", "Ada"))
    assert year.kinds() == {("shop", 28, "restatement"), ("shop", 28, "within_tolerance")}


def a_late_file_beyond_tolerance(year: Year) -> None:
    year.exports(35)
    orders = [*late("shop", 20, 35, ("c11", 9), ("c11", 8), ("c8", 1)), *late("shop", 33, 35, ("c11", 2))]
    year.put("late/four", orders)
    year.run()
    assert year.state("shop", 20) == "held, superseded_pending"
    assert year.kinds() == {("shop", 33, "settling")}


def it_is_still_held_and_then_restated(year: Year) -> None:
    year.exports(36)
    year.run()
    assert year.state("shop", 20) == "held, superseded_pending"
    year.run(Word("A till was offline", "Grace"))
    assert ("shop", 20, "restatement") in year.kinds()


def a_second_name_begins(year: Year) -> None:
    year.reference.rules["shop"] = Rules(
        "shop", (Source("order_done", until=monday(39)), Source("order.placed", since=monday(37)))
    )
    year.write_playbook()
    year.exports(37)
    year.run()
    assert year.kinds() == set()


def nobody_runs_it_on_a_monday_and_the_old_name_ends(year: Year) -> None:
    year.exports(38)
    year.exports(39)
    year.run()
    assert {week for _, week, _ in year.kinds()} <= {37}


def a_metric_is_defined_anew(year: Year) -> None:
    year.exports(40)
    year.run()
    before = times(year.zone)
    old = year.reference.rules["shop"]
    year.reference.rules["shop"] = Rules(old.use_case, old.sources, least=1)
    year.write_playbook()
    year.run()
    written = {name for name, at in times(year.zone).items() if before.get(name) != at}
    weekly = {f"{table}/shop/{monday(number)}.parquet" for table in ("account_weeks", "inputs") for number in range(41)}
    assert {name for name in written if name.split("/")[0] in WEEKLY} == weekly
    assert not {name for name in written if "desk" in name}
    kinds = {kind for _, _, kind in year.kinds()}
    assert kinds == {"within_tolerance"}
    held = [number for number in range(37) if year.state("shop", number) == "held, superseded_pending"]
    assert held
    year.run(Word("Orders of nothing are tests", "Ada"))
    assert {(week, kind) for _, week, kind in year.kinds() if week in held} >= {(week, "restatement") for week in held}


def a_file_comes_again_cut_short(year: Year) -> None:
    year.exports(41)
    path = f"shop/{monday(38)}"
    whole = year.reference.files[f"{path}.jsonl"]
    year.put(path, whole[:6])
    year.run()
    assert year.state("shop", 37) == "withheld, superseded_pending"
    known = dict(year.ids)
    year.put(path, whole)
    year.run()
    assert year.state("shop", 37) == "certified, certified"
    assert year.ids == known


def a_file_comes_again_corrected(year: Year) -> None:
    year.exports(42)
    path = f"shop/{monday(37)}"
    rows = year.reference.files[f"{path}.jsonl"]
    year.put(path, [replace(row, amount=9) if place < 2 else row for place, row in enumerate(rows) if place % 5])
    year.run()
    assert year.state("shop", 36) == "held, superseded_pending"
    year.run(Word("The till counted returns", "Grace"))
    assert ("shop", 36, "restatement") in year.kinds()


def the_shop_is_down(year: Year) -> None:
    year.exports(43, "shop")
    year.put(f"shop/{monday(43)}", sent_by("shop", 43)[:5])
    year.run()
    assert year.state("shop", 42) == "withheld"


def its_rows_come_late(year: Year) -> None:
    year.exports(44)
    rest = sent_by("shop", 43)[5:]
    year.put("late/repair", [replace(row, received=datetime.combine(monday(44), time(5))) for row in rest])
    year.run()
    assert year.state("shop", 42) == "certified, certified"


def the_desk_is_down(year: Year) -> None:
    year.exports(45, "desk")
    year.run()
    assert year.state("desk", 44) == "withheld"


def somebody_has_to_approve(year: Year) -> None:
    year.reference.approval = True
    year.write_playbook()
    year.exports(46)
    year.run()
    assert year.state("shop", 45) == year.state("desk", 45) == "held"
    year.approve("shop", 45, by="Ada", note="as the till says")
    year.run()
    assert year.state("shop", 45) == "certified, certified"
    assert year.state("desk", 45) == "held"


def an_approval_does_not_carry_over(year: Year) -> None:
    year.exports(47)
    year.put("late/five", late("shop", 45, 47, ("c11", 3), name="order.placed"))
    year.run()
    assert year.state("shop", 45) == "held, superseded_pending"
    year.approve("desk", 45, by="Alan", note="")
    year.run()
    assert year.state("desk", 45) == "certified, certified"


def its_successor_is_approved(year: Year) -> None:
    year.exports(48)
    rows = [replace(row, received=datetime.combine(monday(48), time(5))) for row in sent_by("desk", 45)]
    year.put("late/desk", rows)
    year.run()
    assert year.state("shop", 45) == "held, superseded_pending"
    assert year.state("desk", 44) == "held"
    year.approve("shop", 45, by="Grace", note="and the late one")
    year.approve("desk", 44, by="Alan", note="recovered")
    year.run()
    assert year.state("desk", 44) == "certified, certified"
    assert {kind for name, week, kind in year.kinds() if (name, week) == ("desk", 44)} == {"added"}
    assert year.state("shop", 45) == "held, superseded_pending"  # it has become final meanwhile: a reason, too
    year.run(Word("Approved too late", "Grace"))
    assert year.state("shop", 45) == "certified, certified"


def nobody_has_to_approve_any_more(year: Year) -> None:
    year.reference.approval = False
    year.write_playbook()
    year.exports(49)
    year.run()
    assert {year.state(name, 47) for name in NAMES} == {"certified, certified"}
    assert year.state("desk", 45) == "held, superseded_pending"  # of the desk's late rows; nobody approved them in time
    year.run(Word("The desk was down on Monday", "Alan"))
    assert ("desk", 45, "restatement") in year.kinds()


def a_backfill_from_the_ui(year: Year) -> None:
    year.exports(50)
    year.put("late/six", late("shop", 48, 50, ("c11", 6), name="order.placed"))
    year.put("late/seven", late("desk", 41, 50, ("c1", 3)))
    year.backfill(year.home.parent / "dagster.log", weeks=10)
    assert ("shop", 48, "settling") in year.kinds()
    assert {kind for name, week, kind in year.kinds() if (name, week) == ("desk", 41)} == {"within_tolerance"}


def rows_of_the_old_name_come_late_and_the_run_is_killed(year: Year) -> None:
    year.exports(51)
    year.put("late/eight", late("shop", 50, 51, ("c1", 2)))
    year.run_killed()
    assert year.kinds() == set()


def the_year_is_over(year: Year) -> None:
    year.exports(52)
    year.run()
    assert year.reference.shown is not None
    assert {state.label for state in year.reference.shown.states.values()} == {"certified", "flash"}


STEPS = (
    thirty_weeks_at_once, a_quiet_week, a_late_order_of_a_settling_week, a_late_order_within_tolerance,
    another_that_is_too_much_together_with_it, a_late_file_beyond_tolerance, it_is_still_held_and_then_restated,
    a_second_name_begins, nobody_runs_it_on_a_monday_and_the_old_name_ends, a_metric_is_defined_anew,
    a_file_comes_again_cut_short, a_file_comes_again_corrected, the_shop_is_down, its_rows_come_late, the_desk_is_down,
    somebody_has_to_approve, an_approval_does_not_carry_over, its_successor_is_approved,
    nobody_has_to_approve_any_more, a_backfill_from_the_ui, rows_of_the_old_name_come_late_and_the_run_is_killed,
    the_year_is_over,
)  # fmt: skip


def test_a_year(tmp_path: Path) -> None:
    year = Year.begin(tmp_path / "home")
    for step in STEPS:
        step(year)
    year.check_every_extract(tmp_path / "shown")
    for use_case, metric, number in (("shop", "orders", 28), ("shop", "buyers", 45), ("desk", "buyers", 44)):
        year.check_life(use_case, metric, number)
    assert year.nsm("verify").code == 0
    year.check_against_a_fresh_build(tmp_path / "fresh")
