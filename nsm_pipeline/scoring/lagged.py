"""Does one metric move before another? Rank correlation of their surprises at several lags, with its uncertainty.

What belongs here: the statistics of one pair of cleared series, and of several pairs together. What does not: clearing
them (`surprises`), verdicts and words (`hypotheses`). How often it errs is simulated: docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nsm_pipeline.scoring.surprises import FEWEST, Array, Surprises

# Inputs: within a month, the same week among them; outcomes: later, up to a quarter.
INPUT_LAGS = (0, 1, 2, 3, 4)
OUTCOME_LAGS = (1, 2, 4, 8, 13)
LEVEL = 0.05
NORMAL = NormalDist()
# What is left of a habit, such as that of a window of up to eight weeks, shows in this many weeks.
LEFT_OVER = 8
LARGEST = 1 - 1e-9


@dataclass(frozen=True)
class Lag:
    """Rank correlation of a week's surprise with the other's `lag` weeks later.

    `low`, `high`: interval that holds at all lags of the pair together in 95 % of cases; `p_value`: chance of at least
    this correlation, either way, at this lag alone; `error`: standard error of its Fisher transform were it 0.
    """

    lag: int
    pairs: int
    correlation: float
    low: float
    high: float
    p_value: float
    error: float


@dataclass(frozen=True)
class Link:
    """Two metrics at all lags that have at least FEWEST pairs of weeks. `pairs`: of the lag that has the most."""

    lags: tuple[Lag, ...]
    pairs: int
    has_season: bool

    @property
    def strongest(self) -> Lag | None:
        return min(self.lags, key=lambda lag: lag.p_value, default=None)

    @property
    def p_value(self) -> float | None:
        """Chance of the strongest or a stronger one without any link, all lags reckoned with (Šidák)."""
        strongest = self.strongest
        return None if strongest is None else -math.expm1(len(self.lags) * math.log1p(-min(strongest.p_value, LARGEST)))

    @property
    def detectable(self) -> float | None:
        """The correlation that this many weeks would show, by themselves, in four cases of five."""
        strongest = self.strongest
        if strongest is None:
            return None
        return math.tanh((NORMAL.inv_cdf(1 - _at_each(len(self.lags)) / 2) + NORMAL.inv_cdf(0.8)) * strongest.error)


def link(cause: Surprises, effect: Surprises, lags: Sequence[int]) -> Link:
    """How the effect's surprises go with the cause's, that many weeks before. Both from one `cleared`."""
    pairs = {lag: _pairs(cause.values, effect.values, lag) for lag in lags}
    enough = {lag: pair for lag, pair in pairs.items() if len(pair[0]) >= FEWEST}
    fitted = max(cause.fitted, effect.fitted) - 1
    found = [_lag(lag, *pair, fitted, _at_each(len(enough))) for lag, pair in enough.items()]
    most = max(len(first) for first, _ in pairs.values())
    return Link(tuple(found), most, cause.has_season and effect.has_season)


def adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """Benjamini's and Hochberg's q-values of several links: of those at or below q, a share of q is due to chance."""
    if not p_values:
        return {}
    from scipy.stats import false_discovery_control  # here: a second of start-up that most commands can do without

    return dict(zip(p_values, map(float, false_discovery_control(list(p_values.values()))), strict=True))


def _at_each(lags: int) -> float:
    """The level at each of several lags that makes LEVEL of all (Šidák 1967)."""
    return float(-math.expm1(math.log1p(-LEVEL) / max(lags, 1)))


def _pairs(cause: Array, effect: Array, lag: int) -> tuple[Array, Array]:
    earlier, later = cause[: len(cause) - lag], effect[lag:]
    both = ~(np.isnan(earlier) | np.isnan(later))
    return earlier[both], later[both]


def _lag(lag: int, earlier: Array, later: Array, fitted: int, level: float) -> Lag:
    """The standard error of a rank correlation's Fisher transform is Bonett's and Wright's (2000)."""
    x, y = _ranks(earlier), _ranks(later)
    correlation = max(-LARGEST, min(LARGEST, float(x @ y)))
    error = 1 / math.sqrt(len(x) * _fresh(x, y) - 3 - fitted)
    transformed, spread = math.atanh(correlation), math.sqrt(1 + correlation**2 / 2) * error
    reach = NORMAL.inv_cdf(1 - level / 2) * spread
    p_value = math.erfc(abs(transformed) / spread / math.sqrt(2))
    low, high = math.tanh(transformed - reach), math.tanh(transformed + reach)
    return Lag(lag, len(x), correlation, low, high, p_value, error)


def _ranks(values: Array) -> Array:
    """Ranks less their mean, of length 1; equal values share the mean of theirs."""
    from scipy.stats import rankdata

    ranks = np.asarray(rankdata(values), float)
    ranks -= ranks.mean()
    return np.asarray(ranks / (np.linalg.norm(ranks) or 1.0))


def _fresh(x: Array, y: Array) -> float:
    """The share of pairs that tell something new, at least a half, at most all of them.

    Bartlett's (1935) variance of a correlation of two series that each depend on their own past, from what clearing has
    left of that.
    """
    left = sum(float(x[back:] @ x[:-back]) * float(y[back:] @ y[:-back]) for back in range(1, LEFT_OVER + 1))
    return 1 / min(2.0, max(1.0, 1 + 2 * left))
