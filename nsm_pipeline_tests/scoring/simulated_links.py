"""Made-up histories of a use case whose links are known: some inputs move the North Star, the others do not.

What belongs here: making weekly values. What does not: testing them (`simulating`, `test_known_links`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsm_pipeline.playbook.models import UseCase

Array = NDArray[np.float64]
FIRST = date(2021, 1, 4)
INPUTS = 15
NOISE = 0.05  # the usual change of a week, as a share of the value
BEFORE = 60  # weeks that are made and thrown away, so that habits and windows have begun
YEAR = 365.25 / 7
HOLIDAYS = {0: 1.0, 1: 0.7, 14: 0.5, 34: 0.3}  # week of the year → share of the dip

KINDS = {
    "drift": "random walks with drift",
    "habit": "changes that go on (autoregression of 0.4)",
    "swing": "changes that swing back (−0.4)",
    "levels": "levels that return to their mean",
    "windows": "metrics of four-week windows",
    "shocks": "days that move half of all metrics (market, press)",
    "season": "one season of ±20 % for all",
    "dips": "holidays of −20 %, −14 %, −10 % and −6 % for all",
    "deep": "holidays twice as deep, and the season",
    "gaps": "one week in ten is missing, one in fifty is an outage of one metric",
}


@dataclass(frozen=True)
class Effect:
    """Input number `of` moves the North Star `lag` weeks later; `r`: the correlation of their changes."""

    of: int
    r: float
    lag: int


def use_case(inputs: int = INPUTS, lower: Sequence[int] = ()) -> UseCase:
    """A use case whose inputs all are said to drive its North Star. `lower`: inputs of which less is better."""
    names = [f"input_{number}" for number in range(inputs)]
    metrics: dict[str, Any] = {name: {"count": "done"} for name in ("north_star", *names)}
    for number in lower:
        metrics[names[number]]["better"] = "lower"
    return UseCase.model_validate(
        {
            "use_case": "simulated",
            "title": "Simulated",
            "owner": {"name": "Nobody"},
            "events": {"done": {"sources": [{"name": "done"}]}},
            "metrics": metrics,
            "north_star": {"metric": "north_star"},
            "inputs": [{"metric": name, "dimension": "depth", "drives": "north_star"} for name in names],
        }
    )


def history(
    kind: str, weeks: int, random: np.random.Generator, effects: Sequence[Effect] = (), inputs: int = INPUTS
) -> dict[str, Mapping[date, float]]:
    """Values by week of the North Star and every input. Of their changes' fresh parts only `effects` are linked."""
    length = weeks + BEFORE
    fresh = random.standard_normal((inputs + 1, length))  # the last row is the North Star's
    if kind == "shocks":
        hit = random.random((inputs + 1, 1)) < 0.5
        days = (random.random(length) < 0.03) * random.normal(0, 6, length)
        fresh = fresh + hit * days
    fresh[-1] *= np.sqrt(1 - sum(effect.r**2 for effect in effects))
    for effect in effects:
        fresh[-1, effect.lag :] += effect.r * fresh[effect.of, : length - effect.lag]
    levels = _levels(kind, fresh)
    week = np.arange(length) + random.integers(52)
    size = random.uniform(0.5, 1.5, (inputs + 1, 1))
    if kind in ("season", "deep"):
        levels = levels + 0.2 * size * np.sin(2 * np.pi * week / YEAR)
    if kind in ("dips", "deep"):
        depth = 0.2 if kind == "dips" else 0.4
        levels = levels + sum(np.log1p(-depth * share) * size * (week % 52 == at) for at, share in HOLIDAYS.items())
    values = 1000 * np.exp(levels[:, -weeks:])
    there = np.ones(values.shape, bool)
    if kind == "gaps":
        there = random.random(values.shape) > 0.1
        values = np.where(random.random(values.shape) < 0.02, values * 0.2, values)
    days = [FIRST + timedelta(weeks=number) for number in range(weeks)]
    names = [*(f"input_{number}" for number in range(inputs)), "north_star"]
    return {
        name: {day: float(value) for day, value, seen in zip(days, row, known, strict=True) if seen}
        for name, row, known in zip(names, values, there, strict=True)
    }


def _levels(kind: str, fresh: Array) -> Array:
    """Logarithms of values whose changes' fresh part is given."""
    match kind:
        case "habit" | "swing":
            return np.asarray(np.cumsum(NOISE * _passed_on(fresh, 0.4 if kind == "habit" else -0.4), axis=1))
        case "levels":
            return 2 * NOISE * _passed_on(fresh, 0.3)
        case "windows":
            weekly = np.exp(np.cumsum(NOISE * fresh, axis=1))
            four = np.cumsum(weekly, axis=1)
            four[:, 4:] -= np.cumsum(weekly, axis=1)[:, :-4]
            return np.asarray(np.log(four))
        case _:
            return np.asarray(np.cumsum(NOISE * fresh + 0.003, axis=1))


def _passed_on(fresh: Array, share: float) -> Array:
    """Each week's fresh part and a share of the week before's value."""
    passed = np.array(fresh)
    for week in range(1, fresh.shape[1]):
        passed[:, week] += share * passed[:, week - 1]
    return passed
