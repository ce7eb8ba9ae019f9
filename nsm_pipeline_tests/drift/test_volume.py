"""Collapses against hand-made series: what is one, what is none, and when it is known."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nsm_pipeline.drift.volume import RELEARN, Collapse, collapses, is_year_end, seasons, shared_fall
from nsm_pipeline.weeks import WEEK

FIRST = date(2025, 2, 3)


def weeks_of(counts: list[int], first: date = FIRST) -> list[date]:
    return [first + n * WEEK for n in range(len(counts))]


def found(counts: list[int], season: dict[date, float] | None = None, until: date | None = None) -> list[Collapse]:
    weeks = weeks_of(counts)
    return collapses("built", dict(zip(weeks, counts, strict=True)), weeks, season or {}, until)


def test_a_fall_to_a_third_is_one_collapse_known_at_once() -> None:
    (one,) = found([100, 104, 97, 101, 99, 102, 30, 101, 100])
    assert (one.week, one.noticed, one.last) == (FIRST + 6 * WEEK,) * 3
    assert one.rows == 30
    assert one.expected == 100.5  # the median of the six weeks before
    assert one.share == pytest.approx(30 / 100.5)


def test_nothing_is_expected_before_four_weeks_have_been_seen() -> None:
    assert found([100, 100, 100, 5]) == []
    assert len(found([100, 100, 100, 100, 5])) == 1


def test_half_is_no_collapse_and_less_is_one() -> None:
    assert found([1000] * 8 + [500, 1000]) == []
    assert len(found([1000] * 8 + [499, 1000])) == 1


def test_few_rows_need_several_weeks_to_be_sure() -> None:
    assert found([9] * 8 + [0, 9]) == []  # 9 expected: none in a week may be chance
    (one,) = found([9] * 8 + [0, 0, 0])
    # Three weeks make 27, of which none came: 27 >= 4 * sqrt(27 * (1 + 1.57 * 3 / 8)); of two, 18 would not be enough.
    assert (one.week, one.noticed) == (FIRST + 8 * WEEK, FIRST + 10 * WEEK)
    assert (one.rows, one.expected) == (0, 27)


def test_an_event_that_is_gone_is_known_with_the_first_week_without_it() -> None:
    """However much it varied: 35 of 80 may be chance, and then none is not."""
    wild = [40, 120, 60, 100, 50, 110, 80, 80]
    (one,) = found([*wild, 35, 0, 0])
    assert one.noticed == FIRST + 9 * WEEK


def test_an_event_that_varies_much_may_fall_further() -> None:
    steady, wild = [40] * 8, [10, 80, 20, 90, 15, 70, 25, 85]
    assert len(found([*steady, 12])) == 1
    assert found([*wild, 12]) == []


def test_weeks_that_stay_down_are_one_collapse_until_they_are_the_new_level() -> None:
    (one,) = found([100] * 8 + [20] * 30)
    assert one.last == FIRST + (8 + RELEARN - 1) * WEEK
    (first, second) = found([100] * 8 + [20] * 12 + [2] * 2)
    assert (first.week, second.week) == (FIRST + 8 * WEEK, FIRST + 20 * WEEK)


def test_a_week_is_judged_by_itself_and_two_after_at_most() -> None:
    """Whatever comes later changes nothing of what was noticed."""
    counts = [50, 47, 52, 49, 55, 51, 8, 50, 3, 4, 60, 58, 57, 0, 0, 61]
    for end in range(1, len(counts) + 1):
        known = [one for one in found(counts) if one.noticed < FIRST + end * WEEK]
        now = [one for one in found(counts[:end]) if one.noticed < FIRST + end * WEEK]
        assert [(one.week, one.noticed, one.rows) for one in now] == [(o.week, o.noticed, o.rows) for o in known]
    assert all(one.noticed - one.week <= 2 * WEEK for one in found(counts))


def test_an_event_that_ends_by_declaration_is_not_missed() -> None:
    end = FIRST + 8 * WEEK
    assert found([100] * 8 + [0] * 4, until=end) == []
    assert len(found([100] * 8 + [0] * 4, until=end + 4 * WEEK)) == 1


def test_the_turn_of_the_year_may_be_quiet_without_a_year_before() -> None:
    first = date(2024, 10, 7)
    counts = [1000] * 11 + [400, 350] + [1000] * 4  # the weeks of 23 and 30 December
    weeks = weeks_of(counts, first)
    totals = dict(zip(weeks, counts, strict=True))
    assert [week for week in weeks if is_year_end(week)] == [date(2024, 12, 23), date(2024, 12, 30)]
    assert collapses("", totals, weeks, seasons(totals, weeks)) == []
    outage = {**totals, date(2024, 12, 23): 100.0}
    assert [one.week for one in collapses("", outage, weeks, seasons(outage, weeks))] == [date(2024, 12, 23)]


def test_the_year_before_says_which_weeks_are_quiet() -> None:
    """A holiday in May that moves by a week; the second time it is known."""
    counts = [100] * 120
    for quiet in (15, 68):  # 53 weeks apart
        counts[quiet] = 40
    weeks = weeks_of(counts)
    totals = dict(zip(weeks, counts, strict=True))
    # The first one is held against a usual week and is an alarm, which excuses nothing a year later.
    assert [one.week for one in collapses("", totals, weeks, seasons(totals, weeks))] == [weeks[15], weeks[68]]
    for quiet in (15, 68):
        counts[quiet] = 60
    totals = {**dict(zip(weeks, counts, strict=True)), weeks[68]: 35}
    assert seasons(totals, weeks)[weeks[68]] == pytest.approx(0.6)
    assert collapses("", totals, weeks, seasons(totals, weeks)) == []


def test_what_all_events_share_is_no_fall_of_one() -> None:
    weeks = weeks_of([0] * 9)
    steady = dict.fromkeys(weeks, 100.0)
    fallen = {**steady, weeks[8]: 30.0}
    (one,) = collapses("a", fallen, weeks, {})
    assert shared_fall("a", one, {"a": fallen, "b": {**steady, weeks[8]: 25.0}}, weeks)
    assert not shared_fall("a", one, {"a": fallen, "b": steady}, weeks)
    assert not shared_fall("a", one, {"a": fallen}, weeks)


@example(1195, 5)
@given(st.integers(0, 10**6), st.integers(1, 3000))
def test_counts_that_only_chance_moves_raise_no_alarm(seed: int, level: int) -> None:
    """Two years of a Poisson-like count, at any level."""
    random_ = random.Random(seed)
    counts = [max(0, round(random_.gauss(level, level**0.5))) for _ in range(104)]
    assert found(counts) == []
