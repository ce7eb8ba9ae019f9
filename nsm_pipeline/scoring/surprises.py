"""What a metric's week-to-week changes hold that nobody could foresee: no season, no habit, no holiday.

What belongs here: clearing series of all that makes unrelated ones look alike. What does not: comparing two of them
(`lagged`), or which metrics there are (`hypotheses`).

Two numbers of one product share a season, holidays, and weeks after which both swing back. Each of these makes a
correlation of changes where neither moves the other. So a change is cleared in three steps:

1. the logarithm of the value, where all values are positive, minus the week before's; less a mean and a yearly season
   of up to three harmonics, fitted to changes held within 3 usual ones (a single outage must not bend the season);
2. weeks in which most metrics of the use case changed unusually, or all a little in one direction, are left out:
   holidays and outages hit all alike;
3. what a series' own last four changes foretell is taken off (an autoregression of the order with the least AIC, by
   Levinson's and Durbin's recursion), as Haugh (1976) compares two series by what neither of them foretold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from nsm_pipeline.weeks import WEEK

Array = NDArray[np.float64]

# The fewest changes, and pairs of changes, that are judged: with fewer, a correlation of 0.5 is missed more often than
# found (docs/method.md).
FEWEST = 39
SEASON_FROM = 104
YEAR = 365.25 / 7
# A season's harmonics: one per half year of changes, three at most, so that they stay far slower than the lags.
WEEKS_PER_HARMONIC, MOST_HARMONICS = 26, 3
OUTLYING, UNUSUAL = 3.0, 1.5
LONGEST_HABIT = 4
# The median absolute deviation of a normal distribution, times this, is its standard deviation.
SPREAD_OF_MEDIAN = 1.4826


@dataclass(frozen=True)
class Surprises:
    """One metric's cleared changes, on the grid of weeks that all metrics of a use case share; NaN where there is none.

    `fitted`: parameters of the season; `has_season`: whether its weeks are enough to tell a season from chance.
    """

    values: Array
    fitted: int
    has_season: bool


@dataclass(frozen=True)
class Cleared:
    """`surprises`: by metric, of those that have enough changes; `moving`: changes other than 0, of every metric;
    `unusual`: weeks that were left out, because most metrics changed unusually."""

    surprises: Mapping[str, Surprises]
    moving: Mapping[str, int]
    unusual: tuple[date, ...]


def cleared(values: Mapping[str, Mapping[date, float]]) -> Cleared:
    """Surprises of a use case's metrics, from their values by week (first days, seven days apart; gaps are fine).

    A metric is left out that has fewer than FEWEST changes, or changes other than 0 in fewer than half as many weeks.
    """
    weeks = sorted({week for series in values.values() for week in series})
    if not weeks:
        return Cleared({}, dict.fromkeys(values, 0), ())
    first, length = weeks[0], (weeks[-1] - weeks[0]) // WEEK + 1
    raw = {name: changes(series, first, length) for name, series in values.items()}
    moving = {name: int(np.count_nonzero(np.nan_to_num(change))) for name, change in raw.items()}
    kept = {name: change for name, change in raw.items() if _counted(change) >= FEWEST and moving[name] * 2 >= FEWEST}
    odd = _unusual([_without_season(change) for change in kept.values()], length)
    usual = {name: np.where(odd, np.nan, change) for name, change in kept.items()}
    surprises = {
        name: Surprises(
            _without_habit(_without_season(usual[name])),
            1 + 2 * _harmonics(usual[name]),
            _counted(change) >= SEASON_FROM,
        )
        for name, change in kept.items()
        if _counted(usual[name]) >= FEWEST
    }
    return Cleared(surprises, moving, tuple(first + int(place) * WEEK for place in np.flatnonzero(odd)))


def changes(series: Mapping[date, float], first: date, length: int) -> Array:
    """Each week's change against the week before's value, from week `first` on; NaN where one of the two is missing.

    Changes of the logarithm where all values are positive: a metric that grows changes by a share of itself.
    """
    level = np.full(length, np.nan)
    for week, value in series.items():
        level[(week - first) // WEEK] = value
    if series and min(series.values()) > 0:
        level = np.log(level)
    return np.concatenate([[np.nan], np.diff(level)])


def _counted(changes: Array) -> int:
    return int(np.count_nonzero(~np.isnan(changes)))


def _harmonics(changes: Array) -> int:
    return min(_counted(changes) // WEEKS_PER_HARMONIC, MOST_HARMONICS)


def _scale(changes: Array) -> tuple[float, float]:
    """Median and usual size of changes; their standard deviation where more than half of them are equal."""
    middle = float(np.nanmedian(changes))
    usual = SPREAD_OF_MEDIAN * float(np.nanmedian(np.abs(changes - middle)))
    return middle, usual or float(np.nanstd(changes)) or 1.0


def _held(changes: Array) -> Array:
    """Changes with outlying ones brought back to where outlying begins."""
    middle, usual = _scale(changes)
    return np.clip(changes, middle - OUTLYING * usual, middle + OUTLYING * usual)


def _without_season(changes: Array) -> Array:
    """Changes less their mean and their yearly season."""
    angle = 2 * np.pi * np.arange(len(changes)) / YEAR
    waves = [wave(order * angle) for order in range(1, _harmonics(changes) + 1) for wave in (np.cos, np.sin)]
    design = np.column_stack([np.ones(len(changes)), *waves])
    there = ~np.isnan(changes)
    coefficients = np.linalg.lstsq(design[there], _held(changes)[there], rcond=None)[0]
    return np.asarray(changes - design @ coefficients)


def _unusual(changes: list[Array], length: int) -> NDArray[np.bool_]:
    """Weeks in which at least half of the metrics, and two, changed by more than UNUSUAL usual changes; and weeks in
    which the median of them all is outlying: many small changes in one direction are a holiday too."""
    usual = np.array([(change - middle) / size for change in changes for middle, size in [_scale(change)]])
    usual = usual.reshape(-1, length)
    present = np.count_nonzero(~np.isnan(usual), axis=0)
    beyond = np.count_nonzero(np.abs(np.nan_to_num(usual)) > UNUSUAL, axis=0)
    if not (present > 1).any():
        return np.zeros(length, bool)
    middles = np.ma.median(np.ma.masked_invalid(usual), axis=0)  # type: ignore[no-untyped-call]
    together = middles.filled(np.nan)
    together[present < 2] = np.nan
    middle, size = _scale(together)
    outlying = np.abs(np.nan_to_num(together - middle)) > OUTLYING * size
    return np.asarray((beyond >= 2) & (2 * beyond >= present) | outlying)


def _without_habit(changes: Array) -> Array:
    """Changes less what the last ones before them foretell; where one of those is missing, it foretells nothing."""
    known = _held(changes)
    known = np.nan_to_num(known - np.nanmean(known))
    foretold = np.zeros(len(known))
    for back, weight in enumerate(_habit(known, _counted(changes)), start=1):
        foretold[back:] += weight * known[:-back]
    return np.asarray(changes - foretold)


def _habit(known: Array, counted: int) -> Array:
    """Weights of the last changes: the autoregression of up to LONGEST_HABIT of them with the least AIC."""
    products = [float(known[: len(known) - back] @ known[back:]) for back in range(LONGEST_HABIT + 1)]
    best = weights = np.zeros(0)
    rest = products[0]
    if rest <= 0:
        return best
    least = counted * math.log(rest)
    for order in range(1, LONGEST_HABIT + 1):
        reflection = (products[order] - float(weights @ products[order - 1 : 0 : -1])) / rest
        weights = np.append(weights - reflection * weights[::-1], reflection)
        rest *= 1 - reflection**2
        if rest <= 0:  # a series that its own past foretells to the last digit holds no surprise to compare
            return best
        criterion = counted * math.log(rest) + 2 * order
        if criterion < least:
            least, best = criterion, weights
    return best
