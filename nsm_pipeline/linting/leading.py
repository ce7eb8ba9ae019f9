"""Does the North Star move before its outcomes do? A rank correlation of weekly changes, with its uncertainty.

What belongs here: one honest statistic. What does not: proof. Weekly changes of two numbers that share a season go
together without either driving the other; the test of the whole metric tree is another matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import StatisticsError, correlation

from nsm_pipeline.weeks import WEEK

LAGS = (1, 2, 4, 8)
FEWEST = 20
# Four lags are tried: 1.25 % on each side of the four together is 5 %, as Bonferroni has it.
Z = 2.498
# The standard error of Fisher's z of a rank correlation: Fieller, Hartley and Pearson, Biometrika 44 (1957).
SPREAD = 1.06


@dataclass(frozen=True)
class Lead:
    """Rank correlation of the North Star's change in a week with an outcome's `lag` weeks later.

    `n`: pairs of weeks. `correlation`, `low` and `high` (98.75 % interval) are None where n is below FEWEST or one of
    the two never changes.
    """

    lag: int
    n: int
    correlation: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def goes_along(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0


def leads(north_star: Mapping[date, float], outcome: Mapping[date, float]) -> list[Lead]:
    """One Lead per lag, from values by week; a change needs two weeks in a row."""
    causes, effects = changes(north_star), changes(outcome)
    return [_lead(causes, effects, lag) for lag in LAGS]


def changes(values: Mapping[date, float]) -> dict[date, float]:
    """Each week's value minus the week before's, where both are there."""
    return {week: value - values[week - WEEK] for week, value in sorted(values.items()) if week - WEEK in values}


def _lead(causes: Mapping[date, float], effects: Mapping[date, float], lag: int) -> Lead:
    pairs = [(change, effects[week + lag * WEEK]) for week, change in causes.items() if week + lag * WEEK in effects]
    if len(pairs) < FEWEST:
        return Lead(lag, len(pairs))
    x, y = ranks([change for change, _ in pairs]), ranks([change for _, change in pairs])
    try:
        r = correlation(x, y)
        independent = len(pairs) * _fresh(correlation(x[1:], x[:-1]) * correlation(y[1:], y[:-1]))
    except StatisticsError:  # one of the two never changes
        return Lead(lag, len(pairs))
    middle = math.atanh(max(-1 + 1e-9, min(1 - 1e-9, r)))
    reach = Z * SPREAD / math.sqrt(independent - 3)
    return Lead(lag, len(pairs), r, math.tanh(middle - reach), math.tanh(middle + reach))


def _fresh(product: float) -> float:
    """The share of pairs that tell something new, from the product of both series' correlation with their own week
    before: a number that goes up one week comes down the next, and two such numbers seem to agree. Dawdy and Matalas
    (1964); never above 1, at least a half."""
    return min(1.0, max(0.5, (1 - product) / (1 + product)))


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            found[place] = (start + end) / 2 + 1
        start = end + 1
    return found
