"""Lagged rank correlation: against hand-worked and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_pipeline.scoring.lagged import LEVEL, OUTCOME_LAGS, adjusted, link
from nsm_pipeline.scoring.surprises import FEWEST, Surprises

Z = 1.959964


def surprises(values: object, fitted: int = 1) -> Surprises:
    return Surprises(np.asarray(values, float), fitted, True)


def white(seed: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(length)


def test_it_follows_three_weeks_later() -> None:
    cause = white(1, 80)
    effect = np.concatenate([white(2, 3), 10 * cause[:-3]])
    found = link(surprises(cause), surprises(effect), (0, 1, 2, 3, 4))
    assert [lag.pairs for lag in found.lags] == [80, 79, 78, 77, 76]
    assert found.strongest is not None
    assert (found.strongest.lag, found.strongest.correlation) == (3, pytest.approx(1))
    assert found.p_value == pytest.approx(0, abs=1e-12)


def test_spearmans_own_arithmetic_and_bonetts_and_wrights_error() -> None:
    """Without ties the coefficient is 1 − 6 Σd² ÷ (n(n² − 1)): here every other pair of ranks is exchanged. Drawn at
    random, no rank tells the next, so that every pair counts."""
    ranks = np.random.default_rng(11).permutation(60)
    exchanged = np.where(ranks % 2 == 0, ranks + 1, ranks - 1)
    (lag,) = link(surprises(ranks), surprises(exchanged), [0]).lags
    r = 1 - 6 * 60 / (60 * (60**2 - 1))
    assert (lag.pairs, lag.correlation) == (60, pytest.approx(r))
    fresh = min(1.0, 1 / (1 + 2 * sum(_own(ranks, back) * _own(exchanged, back) for back in range(1, 9))))
    reach = Z * math.sqrt((1 + r**2 / 2) / (60 * fresh - 3))
    assert math.atanh(lag.high) - math.atanh(r) == pytest.approx(reach, rel=1e-5)
    assert math.atanh(r) - math.atanh(lag.low) == pytest.approx(reach, rel=1e-5)


def _own(ranks: np.ndarray, back: int) -> float:
    """The correlation of ranks with those `back` weeks before, by their definition."""
    x = ranks - ranks.mean()
    return float((x[back:] * x[:-back]).sum() / (x**2).sum())


def test_an_interval_and_a_p_value_say_the_same() -> None:
    """All lags reckoned with: an interval leaves 0 out exactly where the p-value of all lags is below 5 %."""
    said = []
    for seed in range(300):
        effect = white(1000 + seed, 80)
        effect[1:] += 0.5 * white(seed, 80)[:-1]
        found = link(surprises(white(seed, 80)), surprises(effect), (0, 1, 2, 3, 4))
        assert found.p_value is not None
        said.append(found.p_value <= LEVEL)
        assert said[-1] == any(lag.low > 0 or lag.high < 0 for lag in found.lags)
    assert 100 < sum(said) < 300


def test_five_lags_cost_what_sidak_says() -> None:
    found = link(surprises(white(1, 90)), surprises(white(2, 90)), (0, 1, 2, 3, 4))
    alone = min(lag.p_value for lag in found.lags)
    assert found.p_value == pytest.approx(1 - (1 - alone) ** 5)


def test_lags_without_enough_pairs_are_left_out() -> None:
    series = surprises(white(1, FEWEST + 3))
    found = link(series, surprises(white(2, FEWEST + 3)), OUTCOME_LAGS)
    assert [lag.lag for lag in found.lags] == [1, 2]
    none = link(surprises(white(1, 30)), surprises(white(2, 30)), OUTCOME_LAGS)
    assert (none.lags, none.pairs, none.strongest, none.p_value, none.detectable) == ((), 29, None, None, None)


def test_fitted_parameters_widen_the_interval() -> None:
    narrow, wide = (link(surprises(white(1, 60), n), surprises(white(2, 60)), [1]).lags[0] for n in (1, 7))
    assert narrow.error == pytest.approx(1 / math.sqrt(59 - 3), rel=0.1)
    assert wide.error / narrow.error == pytest.approx(math.sqrt((59 - 3) / (59 - 3 - 6)), rel=0.02)


def test_what_both_keep_of_their_past_widens_it_too() -> None:
    """Two rising lines know every next value: half of the pairs count, as the least that may."""
    line = np.arange(60.0)
    (lag,) = link(surprises(line), surprises(line), [0]).lags
    assert lag.error == pytest.approx(1 / math.sqrt(60 / 2 - 3))


def test_a_link_that_would_mostly_show() -> None:
    """What is detectable is found in four cases of five: of 400 drawn with that correlation, at one lag."""
    (base,) = [link(surprises(white(1, 100)), surprises(white(2, 100)), [1]).detectable]
    assert base == pytest.approx(math.tanh((Z + 0.8416) / math.sqrt(99 - 3)), abs=0.02)
    shown = 0
    for seed in range(400):
        cause, rest = white(seed, 100), white(5000 + seed, 100)
        effect = rest * math.sqrt(1 - 0.29**2)
        effect[1:] += 0.29 * cause[:-1]
        p_value = link(surprises(cause), surprises(effect), [1]).p_value
        shown += p_value is not None and p_value <= LEVEL
    assert 400 * 0.70 <= shown <= 400 * 0.88


def test_benjamini_and_hochberg() -> None:
    """The fifteen p-values of their paper of 1995, section 3.2: at 5 %, the first four are rejected."""
    published = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0000,
    ]  # fmt: skip
    q_values = adjusted({str(n): p for n, p in enumerate(published)})
    assert [q <= 0.05 for q in q_values.values()] == [True] * 4 + [False] * 11
    assert q_values["3"] == pytest.approx(0.0095 * 15 / 4)
    assert adjusted({}) == {}


@given(st.lists(st.integers(-2, 2), min_size=50, max_size=50), st.lists(st.integers(-2, 2), min_size=50, max_size=50))
def test_whatever_comes_is_a_correlation(first: list[int], second: list[int]) -> None:
    for lag in link(surprises(first), surprises(second), (0, 1, 2)).lags:
        assert -1 <= lag.low <= lag.correlation <= lag.high <= 1
        assert 0 <= lag.p_value <= 1
