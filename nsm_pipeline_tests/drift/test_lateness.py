"""Distributions and proposals against counts made by hand."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.drift.lateness import SETTLED, Arrived, by, imports, lateness, share_by, without

DAY = date(2026, 6, 1)


def arrived(rows: int, hours: int | None, days: int | None, day: date | None = None, name: str = "built") -> Arrived:
    return Arrived("", name, hours, days, day, rows)


def test_quantiles_and_shares_of_a_thousand_rows() -> None:
    found = lateness([arrived(900, 1, 0), arrived(90, 30, 1), arrived(9, 200, 8), arrived(1, 800, 33)])
    assert found.rows == 1000
    assert found.quantiles == ((0.5, 1), (0.9, 1), (0.99, 30), (0.999, 200))
    assert dict(found.by_days) == {0: 0.9, 1: 0.99, 3: 0.99, 7: 0.99, 14: 0.999, 28: 0.999} | dict.fromkeys(
        (56, 91, 182, 364), 1.0
    )
    assert found.settles_in == 8


def test_rows_that_do_not_say_when_they_came_are_counted_apart() -> None:
    found = lateness([arrived(10, 1, 0), arrived(5, None, None)])
    assert (found.rows, found.unknown, found.settles_in) == (15, 5, 0)
    assert lateness([arrived(5, None, None)]).quantiles == ()


def test_an_import_is_named_and_can_be_left_out() -> None:
    usual, old = arrived(10_000, 1, 0), arrived(400, 4000, 170, DAY)
    few = arrived(60, 900, 40, date(2026, 5, 4))
    rows = [usual, old, few]
    (found,) = imports(rows, {DAY: 450, date(2026, 5, 4): 70})
    assert (found.day, found.rows, found.of, found.names) == (DAY, 400, 450, ("built",))
    assert lateness(rows).settles_in == 170
    assert without(rows, [found]) == [usual, few]
    assert lateness(without(rows, [found])).settles_in == 40
    assert imports(rows, {DAY: 900, date(2026, 5, 4): 70}) == []  # most of what came that day was new


def test_by_name_and_the_share_by_a_day() -> None:
    rows = [arrived(3, 1, 0), arrived(1, 500, 15, name="seen")]
    assert {name: found.settles_in for name, found in by(rows, lambda one: one.name).items()} == {
        "built": 0,
        "seen": 15,
    }
    assert share_by(rows, 14) == 0.75
    assert share_by([], 14) == 1.0


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 400)), min_size=1))
def test_the_proposal_is_the_smallest_number_of_days_that_is_enough(pairs: list[tuple[int, int]]) -> None:
    rows = [arrived(count, 24 * days, days) for count, days in pairs]
    days = lateness(rows).settles_in
    needed = Fraction(str(SETTLED)) * sum(count for count, _ in pairs)
    assert sum(count for count, one in pairs if one <= days) >= needed
    assert days == 0 or sum(count for count, one in pairs if one < days) < needed
