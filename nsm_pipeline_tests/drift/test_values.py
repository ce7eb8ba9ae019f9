"""Shifts of one property against hand-made weeks."""

from __future__ import annotations

from datetime import date
from typing import Any

from nsm_pipeline.drift.values import RELEARN, Shift, Week, shifts
from nsm_pipeline.weeks import WEEK

FIRST = date(2025, 2, 3)
USUAL = {"success": 160, "failed": 40}


def week(number: int, **given: Any) -> Week:
    usual: dict[str, Any] = {"rows": 200, "missing": 2, "sampled": 198, "values": USUAL, "middle": None}
    return Week(FIRST + number * WEEK, **{**usual, **given})


def series(*later: Week, before: int = 8) -> list[Week]:
    return [*(week(n) for n in range(before)), *later]


def one(weeks: list[Week]) -> Shift:
    (found,) = shifts(weeks)
    return found


def test_nothing_shifts_where_nothing_changes() -> None:
    assert shifts(series(week(8), week(9, missing=15))) == []


def test_missing_in_more_rows_than_ever_before() -> None:
    found = one(series(week(8, missing=30), week(9)))
    assert (found.kind, found.week, found.noticed) == ("missing", FIRST + 8 * WEEK, FIRST + 8 * WEEK)
    assert found.text == "missing in 15% of rows, before in at most 1%"


def test_missing_less_is_no_alarm() -> None:
    assert shifts([*(week(n, missing=150) for n in range(8)), week(8, missing=0)]) == []


def test_a_value_that_always_came_is_gone() -> None:
    found = one(series(week(8, values={"success": 198}), week(9)))
    assert (found.kind, found.gone, found.new) == ("values", ("failed",), ())
    assert found.text == "'failed' no longer comes"


def test_a_value_under_another_name() -> None:
    found = one(series(week(8, values={"passed": 158, "failed": 40})))
    assert (found.gone, found.new) == (("success",), ("passed",))
    assert found.text == "'success' no longer comes; new: 'passed' in 80% of rows"


def test_shares_may_move_as_they_like() -> None:
    assert shifts(series(week(8, values={"success": 20, "failed": 178}))) == []


def test_a_rare_value_may_stay_away_and_a_rare_one_may_come() -> None:
    rare = {"success": 190, "canceled": 8}  # 4 % of rows
    assert shifts([*(week(n, values=rare) for n in range(8)), week(8, values={"success": 190, "skipped": 15})]) == []


def test_many_values_are_no_set() -> None:
    assert shifts([*(week(n, values=None) for n in range(8)), week(8, values={"x": 198})]) == []


def test_few_rows_are_taken_together() -> None:
    few = {"rows": 10, "missing": 0, "sampled": 10, "values": {"a": 8, "b": 2}}
    later = {**few, "values": {"c": 8, "b": 2}}
    found = one([*(week(n, **few) for n in range(8)), *(week(n, **later) for n in (8, 9, 10))])
    assert (found.gone, found.new) == (("a",), ("c",))
    assert (found.week, found.noticed) == (FIRST + 8 * WEEK, FIRST + 10 * WEEK)


def test_a_number_in_another_unit() -> None:
    numbers = [week(n, values=None, middle=420.0 + n) for n in range(8)]
    found = one([*numbers, week(8, values=None, middle=424_000.0)])
    assert (found.kind, found.noticed) == ("scale", FIRST + 8 * WEEK)
    assert found.text == "its median is 1,001 times as large: 4.24e+05, before 423.5"
    found = one([*numbers, week(8, values=None, middle=7.0)])
    assert found.text == "its median is 60.5 times smaller: 7, before 423.5"
    assert shifts([*numbers, week(8, values=None, middle=3000.0)]) == []


def test_a_shift_that_stays_is_one_and_then_usual() -> None:
    later = [week(n, values={"passed": 158, "failed": 40}) for n in range(8, 40)]
    found = one(series(*later))
    assert found.last == FIRST + (8 + RELEARN - 1) * WEEK


def test_weeks_without_rows_say_nothing() -> None:
    gap = [week(n, rows=0, missing=0, sampled=0, values=None) for n in (8, 9)]
    assert shifts(series(*gap, week(10))) == []


def test_a_shift_rests_on_its_week_and_two_after_at_most() -> None:
    few = {"rows": 12, "missing": 0, "sampled": 12, "values": {"a": 9, "b": 3}}
    weeks = [week(n, **few) for n in range(8)] + [week(n, **{**few, "missing": 9, "sampled": 3}) for n in range(8, 14)]
    for end in range(1, len(weeks) + 1):
        now = [(s.week, s.noticed, s.text) for s in shifts(weeks[:end])]
        assert now == [(s.week, s.noticed, s.text) for s in shifts(weeks) if s.noticed <= weeks[end - 1].week]
    assert all(s.noticed - s.week <= 2 * WEEK for s in shifts(weeks))
