"""The correlation of changes: against hand-worked numbers, and no more false alarms than it promises."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import date, timedelta
from itertools import accumulate

import pytest
from cases import FIRST, weekly
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.linting.leading import FEWEST, LAGS, changes, leads, ranks


def test_ranks_share_the_mean_where_values_are_equal() -> None:
    assert ranks([30, 10, 20, 20, 30, 30]) == [5, 1, 2.5, 2.5, 5, 5]


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_ranks_add_up(values: list[int]) -> None:
    assert sum(ranks(values)) == len(values) * (len(values) + 1) / 2


def test_changes_need_two_weeks_in_a_row() -> None:
    assert list(changes(weekly([5, 7, None, 4, 4, 1])).values()) == [2, 0, -3]


def walk(seed: int, length: int) -> list[float]:
    noise = random.Random(seed)
    return list(accumulate(noise.gauss(0, 1) for _ in range(length)))


def noise(seed: int, length: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0, 1) for _ in range(length)]


def test_an_outcome_that_follows_two_weeks_later() -> None:
    values = walk(1, 60)
    outcome = {week + timedelta(weeks=2): 10 * value for week, value in weekly(values).items()}
    by_lag = {lead.lag: lead for lead in leads(weekly(values), outcome)}
    assert list(by_lag) == list(LAGS)
    assert by_lag[2].n == 59
    assert by_lag[2].correlation == pytest.approx(1)
    assert by_lag[2].goes_along
    assert not by_lag[1].goes_along
    assert not by_lag[8].goes_along


def test_spearmans_own_arithmetic() -> None:
    """Without ties the coefficient is 1 − 6 Σd² ÷ (n(n² − 1)): here every other pair of ranks is exchanged."""
    steps = [float(n) for n in range(1, 22)]
    exchanged = [steps[n + 1] if n % 2 == 0 else steps[n - 1] for n in range(20)] + [21.0]
    north_star = weekly([0.0, *accumulate(steps)])
    outcome = {week + timedelta(weeks=1): value for week, value in weekly([0.0, *accumulate(exchanged)]).items()}
    (first, *_) = leads(north_star, outcome)
    assert (first.lag, first.n) == (1, 21)
    assert first.correlation == pytest.approx(1 - 6 * 20 / (21 * (21**2 - 1)))
    assert first.low is not None
    assert first.high is not None
    middle = math.atanh(first.correlation or 0)
    # Rising ranks are known from their neighbours: half of the pairs count. 2.498 × 1.06 ÷ √(21 ÷ 2 − 3).
    assert math.atanh(first.high) - middle == pytest.approx(0.96687, abs=1e-4)
    assert middle - math.atanh(first.low) == pytest.approx(0.96687, abs=1e-4)


def test_too_early_and_never_changing() -> None:
    early = leads(weekly(walk(1, FEWEST + 1)), weekly(walk(2, FEWEST + 1)))
    assert [lead.n for lead in early] == [FEWEST - lag for lag in LAGS]
    assert all(lead.correlation is None and not lead.goes_along for lead in early)
    flat = leads(weekly(walk(1, 40)), weekly([7] * 40))
    assert flat[0].n == 38
    assert all(lead.correlation is None for lead in flat)


@pytest.mark.parametrize("series", [walk, noise], ids=["drifting", "swinging round a mean"])
def test_unrelated_numbers_rarely_seem_to_lead(series: Callable[[int, int], list[float]]) -> None:
    """Four lags at 1.25 % on each side: of 400 unrelated pairs about 20 may seem to go along somewhere.
    Of swinging ones 23 would, if every pair were taken for new."""
    alarms = sum(
        any(lead.goes_along for lead in leads(weekly(series(seed, 104)), weekly(series(10_000 + seed, 104))))
        for seed in range(400)
    )
    assert alarms <= 10


def test_a_gap_leaves_pairs_out() -> None:
    values = weekly(walk(1, 60))
    gone: date = FIRST + timedelta(weeks=30)
    del values[gone]
    assert leads(values, values)[0].n == 59 - 1 - 3  # changes of two weeks are gone, each from both sides, one shared
