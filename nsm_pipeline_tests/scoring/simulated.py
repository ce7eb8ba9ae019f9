"""Weekly series whose truth is known, and how well expectation, verdict and forecast do on them.

`python nsm_pipeline_tests/scoring/simulated.py docs/method.md` writes the table there (some minutes).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from published_rows import week

from nsm_pipeline.playbook.documenting import with_part
from nsm_pipeline.scoring.seasons import LEAST_WEEKS, YEAR_IN_WEEKS, Expected, outlook, verdict

Floats = npt.NDArray[np.float64]
AHEAD = 13
DROP = 0.8


def drifting(rng: np.random.Generator, weeks: int) -> Floats:
    """Random walk: every step 0.5 % ± 3 %."""
    return 150 * np.exp(np.cumsum(rng.normal(0.005, 0.03, weeks)))


def steady(rng: np.random.Generator, weeks: int) -> Floats:
    """Trend of 0.5 % a week, each week 3 % beside it."""
    return 150 * np.exp(0.005 * np.arange(weeks) + rng.normal(0, 0.03, weeks))


def mixed(rng: np.random.Generator, weeks: int) -> Floats:
    """A level that moves by 2 % a week, and 3 % of noise that goes again."""
    return 150 * np.exp(np.cumsum(rng.normal(0.003, 0.02, weeks)) + rng.normal(0, 0.03, weeks))


def counted(rng: np.random.Generator, weeks: int) -> Floats:
    """Whole numbers on an S curve from 100 to 300, as rare events are counted (Poisson)."""
    middle, steepness = weeks * 0.4, weeks * 0.15
    level = 100 + 200 / (1 + np.exp(-(np.arange(weeks) - middle) / steepness))
    return rng.poisson(level).astype(np.float64)


def yearly(rng: np.random.Generator, weeks: int) -> Floats:
    """A yearly wave of 8 % and two weeks of −22 % and −26 % a year, on a level that moves by 1 %, with 2.5 % of noise.
    The year begins anywhere."""
    place = np.arange(weeks) + rng.uniform(0, YEAR_IN_WEEKS)
    of_year = place % YEAR_IN_WEEKS
    holidays = np.where(of_year < 1, -0.25, np.where(of_year < 2, -0.30, 0))
    wave = 0.08 * np.cos(2 * np.pi * place / YEAR_IN_WEEKS)
    level = np.cumsum(rng.normal(0.004, 0.01, weeks))
    return 150 * np.exp(level + wave + holidays + rng.normal(0, 0.025, weeks))


def turning(rng: np.random.Generator, weeks: int) -> Floats:
    """Growth that itself changes, by 0.3 % from each week to the next, and 3 % of noise."""
    growth = 0.01 + np.cumsum(rng.normal(0, 0.003, weeks))
    return 100 * np.exp(np.cumsum(growth) + rng.normal(0, 0.03, weeks))


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "random walk with drift": drifting,
    "trend and noise": steady,
    "moving level and noise": mixed,
    "counts on an S curve": counted,
    "yearly season with holidays": yearly,
    "growth that changes": turning,
}


@dataclass(frozen=True)
class Found:
    """Shares over all series of a kind: of weeks within their interval, and of the first 13 of them; of drops called
    unusually low; of forecasts 13 weeks on within their interval. `width`: half the interval's, the median."""

    within: float
    early: float
    width: float
    drop_found: float
    forecast_within: float
    forecast_width: float


def study(kind: str, weeks: int, series: int, drops: int, seed: int = 0) -> Found:
    """Over `series` series of a kind with so many weeks; into `drops` of them a drop is put, in any week from 27 on."""
    rng = np.random.default_rng([seed, weeks, list(KINDS).index(kind)])
    within: list[list[bool]] = []
    widths, ahead, ahead_widths, lows = [], [], [], []
    for number in range(series):
        values = KINDS[kind](rng, weeks + AHEAD)
        expected = _outlook(values, weeks)
        within.append([_is_within(value, one) for value, one in zip(values[LEAST_WEEKS:weeks], expected, strict=False)])
        widths += [_width(one) for one in expected[: weeks - LEAST_WEEKS]]
        ahead.append(_is_within(values[-1], expected[-1]))
        ahead_widths.append(_width(expected[-1]))
        if number < drops:
            place = int(rng.integers(26, weeks))
            values[place] *= DROP
            one = _outlook(values, weeks)[place - LEAST_WEEKS]
            lows.append(verdict(values[place], one, True) == "unusually low")
    return Found(
        float(np.mean(within)),
        float(np.mean([one[:13] for one in within])),
        float(np.median(widths)),
        float(np.mean(lows)) if lows else float("nan"),
        float(np.mean(ahead)),
        float(np.median(ahead_widths)),
    )


def _outlook(values: Floats, weeks: int) -> list[Expected]:
    """From the 14th week on."""
    known = {week(number): float(value) for number, value in enumerate(values[:weeks])}
    return list(outlook(known, week(len(values) - 1)).values())


def _is_within(value: float, one: Expected) -> bool:
    return verdict(value, one, True) == "as expected"


def _width(one: Expected) -> float:
    return (one.high - one.low) / 2 / one.value


def table(series: int, drops: int) -> str:
    lines = [
        "| series | weeks | within the 95 % interval | of weeks 14 to 26 | half-width | drop of 20 % found "
        "| forecast, 13 weeks on, within | half-width |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        for weeks in (60, 156):
            found = study(kind, weeks, series, drops)
            print(kind, weeks, found, file=sys.stderr, flush=True)
            lines.append(
                f"| {kind} | {weeks} | {found.within:.1%} | {found.early:.1%} | ±{found.width:.0%} "
                f"| {found.drop_found:.0%} | {found.forecast_within:.0%} | ±{found.forecast_width:.0%} |".replace(
                    "%", " %"
                )
            )
    return "\n".join(lines)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_part(file.read_text(encoding="utf-8"), "expectation", table(300, 100)), encoding="utf-8")
