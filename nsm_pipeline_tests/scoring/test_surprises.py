"""Clearing a series: logarithms and gaps, seasons, holidays, habits; worked out by hand or known by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.scoring.surprises import FEWEST, SEASON_FROM, YEAR, changes, cleared

MONDAY = date(2023, 1, 2)


def weekly(values: Sequence[float | None]) -> dict[date, float]:
    return {MONDAY + timedelta(weeks=n): value for n, value in enumerate(values) if value is not None}


def walk(seed: int, length: int) -> list[float]:
    return list(1000 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.05, length))))


def correlated(first: np.ndarray, second: np.ndarray) -> float:
    both = ~(np.isnan(first) | np.isnan(second))
    return float(np.corrcoef(first[both], second[both])[0, 1])


def test_changes_are_logarithmic_where_all_is_positive_and_need_two_weeks_in_a_row() -> None:
    found = changes(weekly([5, 10, None, 4, 8, 2]), MONDAY, 6)
    assert found == pytest.approx([math.nan, math.log(2), math.nan, math.nan, math.log(2), -math.log(4)], nan_ok=True)
    plain = changes(weekly([5, 7, None, 0, 4]), MONDAY, 6)
    assert plain == pytest.approx([math.nan, 2, math.nan, math.nan, 4, math.nan], nan_ok=True)


@given(st.floats(0.01, 1000))
def test_the_unit_of_a_metric_does_not_matter(factor: float) -> None:
    values = walk(1, 80)
    found = cleared({"here": weekly(values), "there": weekly([value * factor for value in values])}).surprises
    assert found["there"].values == pytest.approx(found["here"].values, nan_ok=True, abs=1e-9)


def test_too_short_and_hardly_moving_series_are_left_out() -> None:
    series = {
        "short": weekly(walk(1, FEWEST)),
        "enough": weekly(walk(2, FEWEST + 1)),
        "flat": weekly([7.0] * 60),
        "hardly": weekly([7.0 + (week > 30) for week in range(60)]),
        "empty": {},
    }
    found = cleared(series)
    assert set(found.surprises) == {"enough"}
    assert found.moving == {"short": FEWEST - 1, "enough": FEWEST, "flat": 0, "hardly": 1, "empty": 0}
    assert not cleared({}).surprises


def test_a_shared_season_is_taken_out() -> None:
    """A season of ±40 % makes changes of two unrelated walks go together; their surprises do not."""
    season = [math.exp(0.4 * math.sin(2 * math.pi * week / YEAR)) for week in range(157)]
    series = [weekly([a * b for a, b in zip(walk(seed, 157), season, strict=True)]) for seed in (3, 4)]
    first, second = (changes(one, MONDAY, 157) for one in series)
    found = cleared({"first": series[0], "second": series[1]}).surprises
    alone = cleared({"first": weekly(walk(3, 157)), "second": weekly(walk(4, 157))}).surprises
    with_season = correlated(first, second)
    without = correlated(found["first"].values, found["second"].values)
    never = correlated(alone["first"].values, alone["second"].values)
    assert with_season > 0.2 + abs(never)
    assert without == pytest.approx(never, abs=0.05)


@pytest.mark.parametrize(("weeks", "known"), [(SEASON_FROM, False), (SEASON_FROM + 1, True)])
def test_a_season_is_known_from_two_years_of_changes(weeks: int, known: bool) -> None:
    assert cleared({"it": weekly(walk(1, weeks))}).surprises["it"].has_season is known


def test_weeks_that_hit_most_metrics_are_left_out() -> None:
    """A closed week is two unusual changes, down and up again. One metric's own outage is not left out."""
    series = [walk(seed, 110) for seed in range(5)]
    for values in series:
        values[50] *= 0.5
    series[0][80] *= 0.3
    found = cleared({str(n): weekly(values) for n, values in enumerate(series)})
    closed = MONDAY + timedelta(weeks=50)
    assert {closed, closed + timedelta(weeks=1)} <= set(found.unusual)
    assert MONDAY + timedelta(weeks=80) not in found.unusual
    assert len(found.unusual) <= 5
    for surprises in found.surprises.values():
        assert np.isnan(surprises.values[50:52]).all()
    assert abs(found.surprises["0"].values[80]) > 1


def test_a_week_in_which_all_fall_a_little_is_left_out_too() -> None:
    """A fall of one usual change is nothing in one metric, and a holiday in twelve. Which way it goes is what tells."""
    series = [walk(seed, 110) for seed in range(12)]
    for values in series:
        values[50:] = [value * 0.93 for value in values[50:]]
    found = cleared({str(n): weekly(values) for n, values in enumerate(series)})
    assert MONDAY + timedelta(weeks=50) in found.unusual
    alternating = [walk(seed, 110) for seed in range(12)]
    for place, values in enumerate(alternating):
        values[50:] = [value * (0.93 if place % 2 else 1.07) for value in values[50:]]
    found = cleared({str(n): weekly(values) for n, values in enumerate(alternating)})
    assert MONDAY + timedelta(weeks=50) not in found.unusual


def test_series_that_share_no_week_are_cleared_by_themselves() -> None:
    later = {week + timedelta(weeks=100): value for week, value in weekly(walk(2, 60)).items()}
    found = cleared({"early": weekly(walk(1, 60)), "late": later})
    assert found.unusual == ()
    assert set(found.surprises) == {"early", "late"}


@pytest.mark.parametrize("habit", [-0.6, 0.6])
def test_a_habit_is_taken_out(habit: float) -> None:
    """Changes that depend on the week before: what is left of them does not, and is what was fresh in them."""
    fresh = np.random.default_rng(7).normal(0, 0.05, 300)
    change = np.array(fresh)
    for week in range(1, 300):
        change[week] += habit * change[week - 1]
    found = cleared({"it": weekly(list(100 * np.exp(np.cumsum(change))))}).surprises["it"].values
    assert abs(correlated(change[1:], change[:-1])) > 0.5
    assert abs(correlated(found[2:], found[1:-1])) < 0.1
    assert correlated(found, fresh) > 0.97


def test_a_gap_costs_its_two_changes_only() -> None:
    values: list[float | None] = list(walk(1, 80))
    whole = cleared({"it": weekly(values)}).surprises["it"].values
    values[40] = None
    found = cleared({"it": weekly(values), "other": weekly(walk(2, 80))}).surprises["it"].values
    assert set(np.flatnonzero(np.isnan(found))) - set(np.flatnonzero(np.isnan(whole))) >= {40, 41}
    assert np.isnan(found).sum() <= 3 + 3


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=0, max_size=120), st.integers(0, 3))
def test_whatever_comes_is_finite_or_missing(values: list[float | None], seed: int) -> None:
    found = cleared({"it": weekly(values), "other": weekly(walk(seed, 120))})
    for surprises in found.surprises.values():
        known = surprises.values[~np.isnan(surprises.values)]
        assert np.isfinite(known).all()
        assert len(known) >= FEWEST - 1
