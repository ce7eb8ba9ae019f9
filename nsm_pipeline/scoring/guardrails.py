"""Counter-metrics held to their thresholds, week by week, beside the metric that each protects.

What belongs here: the judgement of one value, its width against the metric's own noise, rows of `guardrails`. What does
not: what the playbook leaves unsaid (`playbook.guardrails`), where to look after a breach (`starting_points`), what a
pair of colours means (`status`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from nsm_pipeline.playbook.guardrails import Guardrail, guardrail_of
from nsm_pipeline.playbook.models import CounterMetric
from nsm_pipeline.scoring.published import Number, Published
from nsm_pipeline.scoring.starting_points import starting_points
from nsm_pipeline.scoring.status import (
    ROUNDING,
    TREND_WEEKS,
    Colour,
    in_words,
    joint,
    settled_values,
    trailing,
    worse_by,
)
from nsm_pipeline.weeks import WEEK

Row = dict[str, Any]

NOISE_OVER = 26
"""Complete weeks whose changes say how noisy a metric is."""
NOISE_FROM = 8
"""Changes it takes to say so."""
TO_DEVIATION = 1.4826
"""Median absolute deviation → standard deviation, for a normal distribution: 1 ÷ Φ⁻¹(3/4)."""
WIDE = 2.0
"""Usual changes between the usual value and the breach, from which on noise alone seldom breaches."""


@dataclass(frozen=True)
class Judged:
    """A value held to a guardrail: its colour, the median it is held to and by what share it differs (both None for an
    absolute threshold), where yellow and red begin in the metric's unit, and the share of the weeks that it is judged
    by which have a value."""

    status: Colour
    reference: float | None
    change: float | None
    warn_at: float | None
    breach_at: float | None
    coverage: float


def judged(rail: Guardrail, value: float | None, before: Mapping[date, float], week: date) -> Judged:
    """A week's value held to a guardrail; `before`: values of complete weeks, of which only earlier ones count. No
    colour without a value, or where fewer than half of the weeks of the median have one."""
    if rail.weeks is None:
        return Judged(
            _colour(rail, value, rail.warn, rail.breach), None, None, rail.warn, rail.breach, float(value is not None)
        )
    past = trailing(before, week, rail.weeks)
    coverage = (past.known + (value is not None)) / (rail.weeks + 1)
    if past.reference is None:
        return Judged("no_colour", None, None, None, None, coverage)
    reference = past.reference
    warn_at, breach_at = (_moved(rail, reference, width) for width in (rail.warn, rail.breach))
    change = value / reference - 1 if value is not None and reference else None
    return Judged(_worse(rail, value, reference), reference, change, warn_at, breach_at, coverage)


def _colour(rail: Guardrail, value: float | None, warn: float | None, breach: float | None) -> Colour:
    """An absolute threshold is passed by the value that it names."""
    if value is None:
        return "no_colour"
    sign = 1 if rail.better == "lower" else -1
    if breach is not None and sign * value >= sign * breach:
        return "red"
    return "yellow" if warn is not None and sign * value >= sign * warn else "green"


def _worse(rail: Guardrail, value: float | None, reference: float) -> Colour:
    if value is None:
        return "no_colour"
    worse = worse_by(value, reference, rail.better) + ROUNDING
    if rail.breach is not None and worse >= rail.breach:
        return "red"
    return "yellow" if rail.warn is not None and worse >= rail.warn else "green"


def _moved(rail: Guardrail, reference: float, width: float | None) -> float | None:
    if width is None:
        return None
    return reference + abs(reference) * (width if rail.better == "lower" else -width)


def colours(rail: Guardrail, values: Mapping[date, float | None], settled: Mapping[date, float]) -> dict[date, Colour]:
    """The colour of every week of `values`; `settled`: those of them that may count as usual."""
    return {week: judged(rail, value, settled, week).status for week, value in values.items()}


def noise_of(values: Mapping[date, float], week: date) -> float | None:
    """A metric's usual change from week to week as a share: 1.4826 × the median absolute deviation of the changes
    among the 26 complete weeks before a week; None with fewer than 8 changes."""
    weeks = [week - place * WEEK for place in range(1, NOISE_OVER + 1)]
    changes = [
        values[day] / values[day - WEEK] - 1
        for day in weeks
        if day in values and values.get(day - WEEK) not in (None, 0)
    ]
    if len(changes) < NOISE_FROM:
        return None
    middle = median(changes)
    return TO_DEVIATION * median(abs(change - middle) for change in changes)


def _width(
    rail: Guardrail, found: Judged, values: Mapping[date, float], week: date
) -> tuple[float | None, float | None, bool | None]:
    """noise, breach_in_noise and is_wide_enough. An absolute threshold's width begins at the median of 8 weeks."""
    noise = noise_of(values, week)
    usual = trailing(values, week, rail.weeks or TREND_WEEKS).reference
    if noise is None or usual is None or found.breach_at is None:
        return noise, None, None
    distance = (found.breach_at - usual) * (1 if rail.better == "lower" else -1)
    step = noise * abs(usual)
    if step == 0:
        return noise, None, distance > 0
    return noise, distance / step, distance / step >= WIDE


def guardrail_rows(published: Published, statuses: Mapping[tuple[str, date], Colour]) -> list[Row]:
    """Rows of GUARDRAILS: every counter-metric and published week. `statuses`: colours of the North Star and the inputs
    by metric and week. A row rests on no later week than its own."""
    counters = published.use_case.counter_metrics
    found = {counter.metric: list(_judged_weeks(published, counter)) for counter in counters}
    own = {(metric, row["week"]): row["status"] for metric, rows in found.items() for row in rows}
    for counter in counters:
        for row in found[counter.metric]:
            protects = counter.protects, row["week"]
            protected: Colour = own.get(protects) or statuses.get(protects, "no_colour")
            row["protected_status"] = protected
            row["joint_status"] = joint(protected, row["status"])[0]
            row["joint_words"] = in_words(protected, row["status"], row["state"] == "flash")
    return [row for rows in found.values() for row in rows]


def _judged_weeks(published: Published, counter: CounterMetric) -> Iterator[Row]:
    use_case, name = published.use_case, counter.metric
    rail, metric = guardrail_of(use_case, counter), use_case.metrics[name]
    values = settled_values(published, name)
    earlier: tuple[Colour, date] | None = None
    for week, number in _published_weeks(published, name):
        found = judged(rail, number.value, values, week)
        since = earlier[1] if earlier is not None and earlier[0] == found.status else week
        earlier = found.status, since
        noise, in_noise, is_wide = _width(rail, found, values, week)
        points = None
        if found.status in ("yellow", "red"):
            points = starting_points(published, name, rail, week)
        yield {
            "use_case": use_case.use_case,
            "metric": name,
            "week": week,
            "title": metric.title or name,
            "protects": counter.protects,
            "risk": counter.risk,
            "unit": metric.unit,
            "better": rail.better,
            "value": number.value,
            "rule": "absolute" if rail.weeks is None else "median",
            "reference": found.reference,
            "change": found.change,
            "warn_at": found.warn_at,
            "breach_at": found.breach_at,
            "noise": noise,
            "breach_in_noise": in_noise,
            "is_wide_enough": is_wide,
            "coverage": found.coverage,
            "status": found.status,
            "since": since,
            "starting_points": points,
            "state": number.state,
            "stage": number.stage,
            "certificate_id": number.certificate_id,
        }


def _published_weeks(published: Published, name: str) -> Iterator[tuple[date, Number]]:
    """Weeks of which anything is published, with the metric's number: one without a value where it has none."""
    mine, north_star = published.totals.get(name, {}), published.totals.get(published.north_star, {})
    for week in sorted({*mine, *north_star}):
        if week in mine:
            yield week, mine[week]
        else:
            other = north_star[week]
            yield week, Number(None, None, None, None, other.state, other.stage, other.certificate_id)
