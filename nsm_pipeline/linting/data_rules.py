"""Rules about definitions and data together: what is declared and never comes, what comes and is not declared.

What belongs here: rules that say nothing without data. What does not: whether a week's data are good (`certification`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from nsm_pipeline.linting.findings import Case, Hit, Rule, Whole, rule, shown
from nsm_pipeline.linting.reach import metric_events
from nsm_pipeline.linting.seen import LATELY, NameSeen
from nsm_pipeline.playbook.guardrails import guardrail_of
from nsm_pipeline.playbook.models import CounterMetric, Source, UseCase
from nsm_pipeline.scoring.guardrails import colours
from nsm_pipeline.scoring.status import Colour

WIDEST_SLICE = 50
FEWEST_WEEKS = 8
MOST_NAMES = 20


@rule(
    "north-star-event-never-seen",
    "error",
    "measurable",
    fires="an event that the North Star reads has never come, though data has",
    do="Have it sent, or declare under sources the name under which it comes.",
)
def north_star_event_never_seen(case: Case) -> Iterator[Hit]:
    return _never_seen(case, of_north_star=True)


@rule(
    "event-never-seen",
    "warning",
    "measurable",
    fires="another declared event has never come, though data has",
    do="Have it sent, declare under sources the name under which it comes, or remove it.",
)
def event_never_seen(case: Case) -> Iterator[Hit]:
    return _never_seen(case, of_north_star=False)


def _never_seen(case: Case, of_north_star: bool) -> Iterator[Hit]:
    if case.seen is None:
        return
    north_star = metric_events(case.use_case, case.use_case.north_star.metric)
    for name, seen in case.seen.events.items():
        if seen.rows == 0 and (name in north_star) == of_north_star:
            sent = " or ".join(f"'{source.name}'" for source in case.use_case.events[name].sources)
            yield Hit(f"events.{name}", f"'{name}' has never been seen, sent as {sent}")


@rule(
    "event-not-seen-lately",
    "warning",
    "measurable",
    fires=f"a declared event came earlier, but in none of the last {LATELY} complete weeks, and no source has ended",
    do="Find out whether it is still sent; if it was renamed, declare the new name; if it ended, say until when.",
)
def event_not_seen_lately(case: Case) -> Iterator[Hit]:
    if case.seen is None or case.seen.complete_weeks < LATELY:
        return
    for name, seen in case.seen.events.items():
        still_sent = any(source.until is None for source in case.use_case.events[name].sources)
        if seen.rows and not seen.rows_lately and still_sent and seen.last_week is not None:
            yield Hit(f"events.{name}", f"'{name}' was last seen in the week of {seen.last_week}")


@rule(
    "required-property-missing",
    "warning",
    "measurable",
    fires=f"a required property is missing in more rows of the last {LATELY} complete weeks than tolerances.missing",
    do="Have it sent, or map it under sources; if events are right without it, it is not required.",
)
def required_property_missing(case: Case) -> Iterator[Hit]:
    if case.seen is None:
        return
    for name, seen in case.seen.events.items():
        for key, missing in seen.missing_lately.items():
            declared = case.use_case.events[name].properties.get(key)
            share = missing / seen.rows_lately if seen.rows_lately else 0.0
            if declared is not None and declared.required and share > case.use_case.tolerances.missing:
                yield Hit(f"events.{name}.properties.{key}", f"'{key}' is missing in {share:.1%} of '{name}'")


@rule(
    "counter-metric-always-breached",
    "warning",
    "not_vanity",
    fires=f"a counter-metric was in breach in every complete week, of {FEWEST_WEEKS} or more",
    do="Set a threshold that tells a good week from a bad one, or act on the breach.",
)
def counter_metric_always_breached(case: Case) -> Iterator[Hit]:
    for place, counter in enumerate(case.use_case.counter_metrics):
        found = colours_seen(case, counter)
        if len(found) >= FEWEST_WEEKS and set(found) == {"red"}:
            yield Hit(
                f"counter_metrics.{place}.breach",
                f"'{counter.metric}' was in breach ({threshold_words(case.use_case, counter)}) in each of {len(found)} "
                "weeks: the threshold tells no week from another",
            )


def colours_seen(case: Case, counter: CounterMetric) -> list[Colour]:
    """A counter-metric's colours in complete weeks, those without one left out."""
    values = case.seen.values.get(counter.metric, {}) if case.seen else {}
    found = colours(guardrail_of(case.use_case, counter), values, values)
    return [one for one in found.values() if one != "no_colour"]


def threshold_words(use_case: UseCase, counter: CounterMetric) -> str:
    """A counter-metric's thresholds, such as warn 3%, breach 5% against the median of 8 weeks."""
    rail = guardrail_of(use_case, counter)
    unit = use_case.metrics[counter.metric].unit if rail.weeks is None else "share"
    ends = [
        f"{word} {shown(at, unit)}" for word, at in (("warn", rail.warn), ("breach", rail.breach)) if at is not None
    ]
    return ", ".join(ends) + (f" against the median of {rail.weeks} weeks" if rail.weeks is not None else "")


@rule(
    "metric-without-value",
    "warning",
    "measurable",
    fires=f"a metric with a role had no value in any complete week, of {FEWEST_WEEKS} or more",
    do="Look at its filter and at the events it reads: nsm query \"SELECT * FROM inputs WHERE metric = '…'\".",
)
def metric_without_value(case: Case) -> Iterator[Hit]:
    if case.seen is None or case.seen.complete_weeks < FEWEST_WEEKS:
        return
    for name, values in case.seen.values.items():
        if name in case.use_case.metrics and not values:
            yield Hit(f"metrics.{name}", f"'{name}' had no value in any complete week")


@rule(
    "outcome-not-computed",
    "note",
    "leading_indicator",
    fires="an outcome has no values in the home, so that its relation to the North Star can't be looked at",
    do="Run the home again, or look at what the outcome counts: where it has no value, nothing shows a lead.",
)
def outcome_not_computed(case: Case) -> Iterator[Hit]:
    for place, name in enumerate(case.use_case.outcomes):
        if case.seen is not None and not case.seen.values.get(name):
            yield Hit(f"outcomes.{place}", f"the outcome '{name}' has no values to compare the North Star with")


@rule(
    "slice-too-wide",
    "warning",
    fires=f"a slice had more than {WIDEST_SLICE} values in one week",
    do="Slice by something coarser, or group the attribute's values where they are sent.",
)
def slice_too_wide(case: Case) -> Iterator[Hit]:
    for name, width in (case.seen.widths if case.seen else {}).items():
        if width > WIDEST_SLICE:
            slices = case.use_case.slices
            path = f"slices.{slices.index(name)}" if name in slices else "metrics"
            yield Hit(path, f"the slice '{name}' had {width:,} values in one week; nobody reads that many")


@rule(
    "name-not-declared",
    "warning",
    fires="events came under a name that no use case declares, or outside the dates of its source",
    do="Declare it as a source of the event that it is, or mend the dates; if nobody needs it, leave it.",
)
def name_not_declared(whole: Whole) -> Iterator[Hit]:
    if whole.seen is None:
        return
    unmapped = sorted(whole.seen.unmapped.items(), key=lambda item: (-item[1].rows, item[0]))
    for name, seen in unmapped[:MOST_NAMES]:
        yield Hit(name, f"{_said(name, seen)}; {_nearest(whole, name)}")
    if rest := unmapped[MOST_NAMES:]:
        rows = sum(seen.rows for _, seen in rest)
        yield Hit("…", f'{len(rest):,} more names, {rows:,} rows together (nsm query "SELECT * FROM unmapped_events")')


def _said(name: str, seen: NameSeen) -> str:
    return f"'{name}' came in {seen.rows:,} rows, weeks {seen.first_week} to {seen.last_week}"


def _nearest(whole: Whole, name: str) -> str:
    sources = {source.name: (place, source) for place, source in _sources(whole)}
    if name in sources:
        place, source = sources[name]
        since = f" since {source.since}" if source.since else ""
        until = f" until {source.until}" if source.until else ""
        return f"{place} declares it{since}{until}"
    close = difflib.get_close_matches(name, sources, n=1, cutoff=0.5)
    return (
        f"the nearest declared name is '{close[0]}' ({sources[close[0]][0]})" if close else "no declared name is near"
    )


def _sources(whole: Whole) -> Iterator[tuple[str, Source]]:
    """Every declared source, with its use case and event as `ci.pipeline_finished`."""
    for use_case in whole.playbook.use_cases.values():
        for event, declared in use_case.events.items():
            for source in declared.sources:
                yield f"{use_case.use_case}.{event}", source


@rule(
    "data-out-of-date",
    "note",
    fires="stored weeks were not made from the playbook and the files as they are now",
    do="Run nsm run first: what is said of the data is as of the last run.",
)
def data_out_of_date(whole: Whole) -> Iterator[Hit]:
    if whole.seen is not None and whole.seen.stale_weeks:
        yield Hit("lake", f"{whole.seen.stale_weeks} of {whole.seen.weeks} weeks are out of date")


DATA_RULES = (
    north_star_event_never_seen,
    event_never_seen,
    event_not_seen_lately,
    required_property_missing,
    counter_metric_always_breached,
    metric_without_value,
    outcome_not_computed,
    slice_too_wide,
)
HOME_RULES: tuple[Rule[Whole], ...] = (name_not_declared, data_out_of_date)
