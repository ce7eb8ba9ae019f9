"""What the weeks before led to expect of a week, with a 95 % interval, and what is to be expected of weeks to come.

What belongs here: the statistics of one weekly series. What does not: which series, and what it is shown beside
(`scorecard`). docs/method.md says how well it does, on series whose truth is known.

The method: structural time series (level, slope, season; Harvey, "Forecasting, structural time series models and the
Kalman filter", 1989), filtered by statsmodels. Nothing is fitted, as a fit would look ahead or have to be made anew for
each week: a few models with fixed ratios of variances are filtered once each, and in every week they are weighed by how
well each has foretold the weeks before it. So is the size of the noise: with a conjugate prior, and old weeks fading
(West and Harrison, "Bayesian forecasting and dynamic models", 1997, 4.5 and 10.8), each model's expectation is a
Student t, and the interval is that of their mixture. So a week's expectation never changes because of later ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from nsm_pipeline.weeks import span

Floats = npt.NDArray[np.float64]
Verdict = Literal["as expected", "unusually high", "unusually low", "not enough weeks", "in progress", "no value"]

LEAST_WEEKS = 13  # a quarter: fewer say little of the size of the noise, on which every verdict hangs
SEASON_FROM = 104
FARTHEST = 104  # weeks: beyond it a forecast would be an opinion
YEAR_IN_WEEKS = 365.25 / 7
HARMONICS = 20  # down to 2.6 weeks, for a holiday is a week or two; more of them cost time and foretell no better
PROBABILITIES = np.array([0.5, 0.025, 0.975])
BISECTIONS = 30
FADING = 0.98  # per week: of what is known of the size of the noise, and of how well a model foretells
PRIOR_NOISE = 0.02  # share of the value, of one made-up week: no interval closes only because nothing has moved


@dataclass(frozen=True)
class Structure:
    """A structural model: variances of noise, of steps of the level and of steps of the slope, and the prior spread of
    each harmonic of the season (0: none). All relative to one unknown size, which is learnt."""

    noise: float
    level: float
    slope: float
    season: float = 0.0


SLOPE_SPREAD = 0.3  # prior, in units of the noise per week
STEADY, SLOW, LIVELY = Structure(1, 0.01, 0), Structure(1, 0.1, 0), Structure(0, 1, 0)
WITHOUT_SEASON = (
    Structure(1, 0, 0), STEADY, SLOW, Structure(1, 1, 0), LIVELY,
    Structure(1, 0.01, 0.001), Structure(1, 0.1, 0.01), Structure(0, 1, 0.01),
)  # fmt: skip
WITH_SEASON = tuple(replace(one, season=spread) for spread in (0.3, 1.2) for one in (STEADY, SLOW, LIVELY))


@dataclass(frozen=True)
class Expected:
    """What is expected of a week: the median, and the ends of the 95 % interval, to 6 significant digits."""

    value: float
    low: float
    high: float
    has_season: bool


def outlook(values: Mapping[date, float], until: date) -> dict[date, Expected]:
    """What the values before it lead to expect, by week, from the first that has LEAST_WEEKS of them before it.

    Of every week up to `until`, whether or not it has a value: beyond the newest value this is the forecast. `values`:
    by first day of complete weeks; what is missing is a gap. Expectations are of the logarithm as long as all values
    before were above 0, so that what grows by shares is expected to do so; else of the value itself.
    """
    if len(values) < LEAST_WEEKS:
        return {}
    weeks = list(span(min(values), until))
    series = np.array([values.get(week, math.nan) for week in weeks])
    plain_from = int(np.argmax(series <= 0)) + 1 if (series <= 0).any() else len(series)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.where(series > 0, np.log(series), math.nan)
    found = np.exp(np.clip(_quantiles(logarithms[:plain_from], np.ones(plain_from)), *_reach(logarithms[:plain_from])))
    if plain_from < len(series):
        plain = _quantiles(series, _usual(series))
        plain = np.where((_lowest(series) >= 0)[:, None], np.maximum(plain, 0), plain)
        found = np.concatenate([found, plain[plain_from:]])
    before = _before(series)
    return {
        week: _expected(found[place], has_season=bool(before[place] >= SEASON_FROM))
        for place, week in enumerate(weeks)
        if before[place] >= LEAST_WEEKS
    }


def _expected(quantiles: Floats, has_season: bool) -> Expected:
    value, low, high = (float(f"{number:.6g}") for number in quantiles)
    return Expected(value, low, high, has_season)


def verdict(value: float | None, expected: Expected | None, is_complete: bool) -> Verdict:
    """What to say of a week's value."""
    if not is_complete:
        return "in progress"
    if value is None:
        return "no value"
    if expected is None:
        return "not enough weeks"
    if value < expected.low:
        return "unusually low"
    return "unusually high" if value > expected.high else "as expected"


@dataclass(frozen=True)
class _Foretold:
    """Per week and model: the median, the scale and the degrees of freedom of a Student t; and the model's weight."""

    median: Floats
    scale: Floats
    freedom: Floats
    weight: Floats


def _quantiles(series: Floats, usual: Floats) -> Floats:
    """PROBABILITIES' quantiles of each week as the weeks before it foretell them, a row per week; NaN where there are
    fewer than LEAST_WEEKS. `series`: NaN is a gap; `usual`: the size of the values before each week."""
    before = _before(series)
    structures = WITHOUT_SEASON + (WITH_SEASON if before[-1] >= SEASON_FROM else ())
    found = np.full((len(series), len(PROBABILITIES)), math.nan)
    found[before >= LEAST_WEEKS] = _mixture(_foretell(series, usual, structures, before), before >= LEAST_WEEKS)
    return found


def _foretell(
    series: Floats, usual: Floats, structures: tuple[Structure, ...], before: npt.NDArray[np.int64]
) -> _Foretold:
    """Filter every model, then walk through the weeks: what is known of noise and weights before each of them."""
    filtered = [_filtered(series, structure) for structure in structures]
    medians, variances = (np.array(one).T for one in zip(*filtered, strict=True))
    has_season = np.array([one.season > 0 for one in structures])
    weeks, squares, score = 0.0, np.zeros(len(structures)), np.zeros(len(structures))
    scale, freedom, weight = np.empty_like(medians), np.empty_like(medians), np.empty_like(medians)
    for place, value in enumerate(series):
        freedom[place] = weeks + 1
        scale[place] = np.sqrt(variances[place] * (squares + (PRIOR_NOISE * usual[place]) ** 2) / freedom[place])
        allowed = np.where(has_season & (before[place] < SEASON_FROM), -math.inf, score)
        weight[place] = np.exp(allowed - allowed.max())
        weight[place] /= weight[place].sum()
        if math.isnan(value) or before[place] == 0:  # in the first week the level begins: nothing was foretold
            continue
        off = value - medians[place]
        score = FADING * score + _log_density(off, scale[place], freedom[place])
        weeks, squares = FADING * weeks + 1, FADING * squares + off**2 / variances[place]
    return _Foretold(medians, scale, freedom, weight)


def _filtered(series: Floats, structure: Structure) -> tuple[Floats, Floats]:
    """One model's expectation of every week from those before it, and its variance in units of the noise's."""
    from statsmodels.tsa.statespace.initialization import Initialization
    from statsmodels.tsa.statespace.kalman_filter import (
        MEMORY_NO_FILTERED,
        MEMORY_NO_GAIN,
        MEMORY_NO_SMOOTHING,
        MEMORY_NO_STD_FORECAST,
    )
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    season = [{"period": YEAR_IN_WEEKS, "harmonics": HARMONICS}] if structure.season else None
    model = UnobservedComponents(
        series,
        irregular=True,
        level=True,
        stochastic_level=True,
        trend=True,
        stochastic_trend=True,
        freq_seasonal=season,
        stochastic_freq_seasonal=[False] if season else None,
    )
    # The level may begin anywhere. Slope and season have a prior: with none, two weeks would say where all others go,
    # and a season could not be weighed against having none.
    spreads = np.array([SLOPE_SPREAD] + [structure.season] * (model.k_states - 2))
    start = Initialization(model.k_states)
    start.set(0, "diffuse")
    start.set((1, model.k_states), "known", constant=np.zeros(len(spreads)), stationary_cov=np.diag(spreads**2))
    model.ssm.initialization = start
    not_kept = MEMORY_NO_FILTERED | MEMORY_NO_GAIN | MEMORY_NO_SMOOTHING | MEMORY_NO_STD_FORECAST
    variances = [structure.noise, structure.level, structure.slope]
    filtered = model.filter(variances, return_ssm=True, conserve_memory=not_kept)
    return filtered.forecasts[0], filtered.forecasts_error_cov[0, 0]


def _log_density(off: Floats, scale: Floats, freedom: Floats) -> Floats:
    """Of a Student t, up to what is equal for all models, as their degrees of freedom are."""
    return -np.log(scale) - (freedom + 1) / 2 * np.log1p((off / scale) ** 2 / freedom)


def _mixture(found: _Foretold, weeks: npt.NDArray[np.bool_]) -> Floats:
    """Quantiles of the mixture in some weeks, by bisection between the least and the largest of its models'."""
    from scipy.special import stdtr, stdtrit

    median, scale, freedom, weight = (one[weeks] for one in (found.median, found.scale, found.freedom, found.weight))
    each = median + scale * stdtrit(freedom, PROBABILITIES[:, None, None])
    low, high = each.min(axis=2), each.max(axis=2)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        # Not asked of models that have no say, as those with a season have none for two years.
        below = stdtr(freedom, (middle[:, :, None] - median) / scale, where=weight > 0, out=np.zeros(each.shape))
        share = (weight * below).sum(axis=2)
        is_below = share < PROBABILITIES[:, None]
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return np.asarray((low + high) / 2).T


def _before(series: Floats) -> npt.NDArray[np.int64]:
    """How many weeks before each have a value."""
    return np.concatenate([[0], np.cumsum(~np.isnan(series))[:-1]])


def _usual(series: Floats) -> Floats:
    """Mean absolute value of the weeks before each; 1 where all of them are 0, or so small that their squares are."""
    sizes = np.concatenate([[0.0], np.nancumsum(np.abs(series))[:-1]])
    return np.where(sizes > 1e-100, sizes / np.maximum(_before(series), 1), 1)


def _lowest(series: Floats) -> Floats:
    """The least value before each week; of the first, its own."""
    return np.concatenate([series[:1], np.fmin.accumulate(series)[:-1]])


def _reach(logarithms: Floats) -> tuple[Floats, Floats]:
    """A thousandth of the least and a thousand times the largest value before each week, a column each: an interval
    that reaches farther says no more, and its ends might be no numbers."""
    far = math.log(1000)
    return (_lowest(logarithms) - far)[:, None], (far - _lowest(-logarithms))[:, None]
