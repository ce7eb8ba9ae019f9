"""A year in the life of a home: after every step everything shown is what a slow reference in plain Python says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import pytest
from homes import lake_files
from landing_zone import Zone
from year_home import Year
from year_landing import ALONE, NAMES, RENAMED, late, monday, sent_by
from year_ledger import Word
from year_rules import Rules, Source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
WEEKLY = ("usage_events", "event_quality", "account_weeks", "north_star", "inputs", "counter_metrics")


def times(zone: Zone) -> dict[str, int]:
    lake = zone.home.lake
    return {name: (lake / name).stat().st_mtime_ns for name in lake_files(zone.root)}


# --- the year, step by step


def thirty_six_weeks_at_once(year: Year) -> None:
    for number in range(37):
        year.exports(number)
    year.run()
    assert year.reference.ledger.rows == []
    assert year.state("shop", 35) == "certified, certified"


def late_orders_of_a_settling_week_and_within_tolerance(year: Year) -> None:
    year.exports(37)
    year.put("late/one", late("shop", 35, 37, ("c10", 7)))
    year.put("late/two", late("shop", 28, 37, ("c4", 5)))
    year.run()
    assert year.kinds() == {("shop", 35, "settling"), ("shop", 28, "within_tolerance")}


def others_that_are_too_much_alone_and_together_with_those(year: Year) -> None:
    year.exports(38)
    year.put("late/three", late("shop", 28, 38, ("c4", 5)))
    orders = [*late("shop", 20, 38, ("c11", 9), ("c11", 8), ("c8", 1)), *late("shop", 36, 38, ("c11", 2))]
    year.put("late/four", orders)
    year.run()
    assert year.state("shop", 28) == year.state("shop", 20) == "held, superseded_pending"
    assert year.kinds() == {("shop", 36, "settling")}


def a_second_name_begins_in_a_quiet_week(year: Year) -> None:
    year.reference.rules["shop"] = Rules(
        "shop", (Source("order_done", until=ALONE), Source("order.placed", since=RENAMED))
    )
    year.write_playbook()
    year.exports(39)
    year.run()
    assert year.kinds() == set()
    assert year.state("shop", 28) == year.state("shop", 20) == "held, superseded_pending"


def nobody_runs_it_on_a_monday_then_the_old_name_ends_and_what_is_held_is_restated(year: Year) -> None:
    year.exports(40)
    year.exports(41)
    year.run(Word("Orders of a branch came by post", "Ada"))
    assert {found for found in year.kinds() if found[1] != 39} == {
        ("shop", 28, "restatement"), ("shop", 28, "within_tolerance"),
        ("shop", 20, "restatement"), ("shop", 20, "within_tolerance"),
    }  # fmt: skip


def a_metric_is_defined_anew(year: Year) -> None:
    before, known = times(year.zone), len(year.reference.ledger.rows)
    old = year.reference.rules["shop"]
    year.reference.rules["shop"] = Rules(old.use_case, old.sources, least=1)
    year.write_playbook()
    year.run()
    written = {name for name, at in times(year.zone).items() if before.get(name) != at}
    weekly = {f"{table}/shop/{monday(number)}.parquet" for table in ("account_weeks", "inputs") for number in range(42)}
    assert {name for name in written if name.split("/")[0] in WEEKLY} == weekly
    assert not {name for name in written if "desk" in name}
    kinds = year.kinds(known)
    assert {(week, kind) for _, week, kind in kinds if kind != "within_tolerance"} == {(39, "settling")}
    assert "within_tolerance" in {kind for _, _, kind in kinds}
    assert year.held("shop")


def held_weeks_are_restated_while_a_file_comes_again_cut_short(year: Year) -> None:
    year.exports(42)
    path = f"shop/{monday(39)}"
    year.put(path, year.reference.files[f"{path}.jsonl"][:6])
    held = year.held("shop")
    assert held
    assert 38 not in held
    year.run(Word("Orders of nothing are tests", "Ada"))
    assert {(week, kind) for _, week, kind in year.kinds() if week in held} >= {(week, "restatement") for week in held}
    assert year.state("shop", 38) == "withheld, superseded_pending"


def it_comes_again_whole_and_another_one_corrected(year: Year) -> None:
    year.exports(43)
    path = f"shop/{monday(39)}"
    year.put(path, sent_by("shop", 39))
    known = year.certificates("shop", 38)
    path = f"shop/{monday(36)}"
    rows = year.reference.files[f"{path}.jsonl"]
    year.put(path, [replace(row, amount=9) if place < 2 else row for place, row in enumerate(rows) if place % 5])
    year.run()
    assert year.state("shop", 38) == "certified, certified"
    assert year.certificates("shop", 38) == known
    assert year.state("shop", 35) == "held, superseded_pending"


def the_corrected_week_is_restated_while_the_shop_is_down(year: Year) -> None:
    year.exports(44, "shop")
    year.put(f"shop/{monday(44)}", sent_by("shop", 44)[:5])
    year.run(Word("The till counted returns", "Grace"))
    assert ("shop", 35, "restatement") in year.kinds()
    assert year.state("shop", 43) == "withheld"


def its_rows_come_late_while_the_desk_is_down(year: Year) -> None:
    year.exports(45, "desk")
    rest = sent_by("shop", 44)[5:]
    year.put("late/repair", [replace(row, received=datetime.combine(monday(45), time(5))) for row in rest])
    year.run()
    assert year.state("shop", 43) == "certified, certified"
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
    year.approve("desk", 45, by="Alan", note="")


def an_approval_does_not_carry_over(year: Year) -> None:
    year.exports(47)
    year.put("late/five", late("shop", 45, 47, ("c11", 3), name="order.placed"))
    year.run()
    assert year.state("shop", 45) == "held, superseded_pending"
    assert year.state("desk", 45) == "certified, certified"


def what_the_desk_was_missing_waits_for_approval(year: Year) -> None:
    year.exports(48)
    rows = [replace(row, received=datetime.combine(monday(48), time(5))) for row in sent_by("desk", 45)]
    year.put("late/desk", rows)
    year.run()
    assert year.state("shop", 45) == "held, superseded_pending"
    assert year.state("desk", 44) == "held"
    year.approve("shop", 45, by="Grace", note="and the late one")
    year.approve("desk", 44, by="Alan", note="recovered")


def successors_are_approved(year: Year) -> None:
    year.exports(49)
    year.run()
    assert year.state("desk", 44) == "certified, certified"
    assert {kind for name, week, kind in year.kinds() if (name, week) == ("desk", 44)} == {"added"}
    assert year.state("shop", 45) == "held, superseded_pending"  # it has become final meanwhile: a reason, too


def a_reason_without_approval_is_not_enough(year: Year) -> None:
    year.exports(50)
    year.run(Word("Approved too late", "Grace"))
    assert year.state("shop", 45) == "certified, certified"
    assert year.state("desk", 45) == "held, superseded_pending"  # of the desk's late rows; nobody approved them in time
    assert year.state("shop", 49) == "held"


def a_backfill_from_the_ui_when_nobody_has_to_approve_any_more(year: Year) -> None:
    year.reference.approval = False
    year.write_playbook()
    year.exports(51)
    year.put("late/six", late("shop", 49, 51, ("c11", 6), name="order.placed"))
    year.put("late/seven", late("desk", 41, 51, ("c1", 3)))
    year.backfill(year.home.parent / "dagster.log", weeks=11)
    assert {year.state(name, 49) for name in NAMES} == {"certified, certified"}
    assert {kind for name, week, kind in year.kinds() if (name, week) == ("desk", 41)} == {"within_tolerance"}
    assert year.state("desk", 45) == "held, superseded_pending"


def rows_of_the_old_name_come_late_and_the_run_is_killed(year: Year) -> None:
    year.exports(52)
    year.put("late/eight", late("shop", 51, 52, ("c1", 2)))
    year.run_killed(Word("The desk was down on Monday", "Alan"))
    assert ("desk", 45, "restatement") in year.kinds()
    assert not [week for name, week, _ in year.kinds() if name == "shop"]


def the_year_is_over(year: Year) -> None:
    assert year.reference.shown is not None
    assert {state.label for state in year.reference.shown.states.values()} == {"certified", "flash"}


STEPS = (
    thirty_six_weeks_at_once, late_orders_of_a_settling_week_and_within_tolerance,
    others_that_are_too_much_alone_and_together_with_those, a_second_name_begins_in_a_quiet_week,
    nobody_runs_it_on_a_monday_then_the_old_name_ends_and_what_is_held_is_restated, a_metric_is_defined_anew,
    held_weeks_are_restated_while_a_file_comes_again_cut_short, it_comes_again_whole_and_another_one_corrected,
    the_corrected_week_is_restated_while_the_shop_is_down, its_rows_come_late_while_the_desk_is_down,
    somebody_has_to_approve, an_approval_does_not_carry_over, what_the_desk_was_missing_waits_for_approval,
    successors_are_approved, a_reason_without_approval_is_not_enough,
    a_backfill_from_the_ui_when_nobody_has_to_approve_any_more, rows_of_the_old_name_come_late_and_the_run_is_killed,
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
