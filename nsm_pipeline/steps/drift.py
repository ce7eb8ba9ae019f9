"""The step that notices drift: from every week's small tables to alarms, with landed rows asked only about those weeks.

What belongs here: reading, and putting the rules together. What does not: the rules (`drift`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pydantic import BaseModel

from nsm_pipeline.drift.findings import Finding, merged, with_explanations
from nsm_pipeline.drift.pasting import snippet
from nsm_pipeline.drift.renames import Pair, candidates, likeness, mapped, proposal, spellings
from nsm_pipeline.drift.values import Week, shifts
from nsm_pipeline.drift.volume import LEVEL, Collapse, Counts, collapses, seasons, shared_fall
from nsm_pipeline.events.evidence import UNMAPPED
from nsm_pipeline.lake import digest, write_text
from nsm_pipeline.playbook.models import Event, Source, UseCase
from nsm_pipeline.steps import sent
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.series import read_weeks
from nsm_pipeline.steps.shifts import shift_finding
from nsm_pipeline.steps.sightings import QUALITY_BY_WEEK
from nsm_pipeline.weeks import WEEK

DRIFT_VERSION = 2
PAIRED = 4
PAIRED_BACK = LEVEL + 1
"""An old and a new name are compared over so many weeks."""


@dataclass(frozen=True)
class Watched:
    """The weekly facts that are watched: by use case and event the rows; per property its weeks; undeclared names."""

    weeks: Sequence[date]
    counts: Mapping[tuple[str, str], Counts]
    properties: Mapping[tuple[str, str, str], Sequence[Week]]
    undeclared: Mapping[str, Counts]


def watched(opened: Open) -> Watched:
    """What complete weeks say; weeks that were never built are left out."""
    weeks = [week for week in opened.complete_weeks if opened.lake.exists("week_evidence", week)]
    counts: dict[tuple[str, str], dict[date, float]] = {}
    properties: dict[tuple[str, str, str], list[Week]] = {}
    for name, use_case in opened.playbook.use_cases.items():
        tells_apart = {key for event in use_case.events.values() for key in event.same}
        for row in read_weeks(opened, "event_quality", name, weeks, QUALITY_BY_WEEK).to_pylist():
            event = use_case.events.get(row["event"])
            if event is None:
                continue
            if row["property"] is None:
                counts.setdefault((name, row["event"]), {})[row["week"]] = row["rows"]
            elif row["property"] in event.properties:
                key = (name, row["event"], row["property"])
                properties.setdefault(key, []).append(_week(row, f"properties.{row['property']}" in tells_apart))
    undeclared: dict[str, dict[date, float]] = {}
    for row in read_weeks(opened, "unmapped_events", None, weeks, UNMAPPED).to_pylist():
        undeclared.setdefault(row["event_name"], {})[row["week"]] = row["rows"]
    return Watched(weeks, counts, properties, undeclared)


def _week(row: Mapping[str, Any], tells_apart: bool) -> Week:
    """A property in a week; of what tells facts apart the values are others every week, and say nothing."""
    if tells_apart:
        return Week(row["week"], row["rows"], row["missing"], 0, None, None)
    values = json.loads(row["values"]) if row["values"] else None
    return Week(row["week"], row["rows"], row["missing"], row["sampled"], values, row["middle"])


def drift(opened: Open) -> list[Finding]:
    """Every alarm over the whole series, those that somebody has explained among them; kept until anything that they
    rest on changes."""
    use_cases, lake = opened.playbook.use_cases, opened.lake
    weeks = [
        [str(week), lake.fingerprint("unmapped_events", week)]
        + [lake.fingerprint("event_quality", name, week) for name in use_cases]
        for week in opened.complete_weeks
    ]
    declared = {
        name: {event: one.model_dump() for event, one in use_case.events.items()}
        for name, use_case in use_cases.items()
    }
    key = digest(DRIFT_VERSION, weeks, declared)
    store = opened.home.lake / ".gathered" / "drift.json"
    try:
        kept = Kept.model_validate_json(store.read_bytes())
    except (FileNotFoundError, ValueError):
        kept = None
    if kept is None or kept.key != key:
        facts = watched(opened)
        kept = Kept(key=key, findings=merged([*_volumes(opened, facts), *_properties(opened, facts)]))
        write_text(store, kept.model_dump_json())
    return with_explanations(kept.findings, use_cases)


class Kept(BaseModel):
    """Findings, and what they rest on, in short."""

    key: str
    findings: list[Finding]


def _volumes(opened: Open, facts: Watched) -> Iterator[Finding]:
    counts = _once_each(opened, facts)
    totals = {week: sum(found.get(week, 0) for found in counts.values()) for week in facts.weeks}
    season = seasons(totals, facts.weeks)
    renamed: set[tuple[str, date]] = set()
    own: list[tuple[UseCase, str, Collapse]] = []
    for (name, event_name), rows in facts.counts.items():
        use_case = opened.playbook.use_cases[name]
        event = use_case.events[event_name]
        for collapse in collapses(event_name, rows, facts.weeks, season, _ends(event)):
            rename = _rename(opened, facts, use_case, event, collapse)
            if rename is not None:
                yield rename
                renamed.add((event_name, collapse.week))
            else:
                own.append((use_case, event_name, collapse))
    for all_events in collapses("", totals, facts.weeks, season):
        yield Finding(
            "outage", all_events.week, all_events.last, all_events.noticed, "", _fallen("All events", all_events)
        )
    for use_case, event_name, collapse in own:
        if not shared_fall(event_name, collapse, _by_event(counts), facts.weeks):
            yield Finding(
                "collapse", collapse.week, collapse.last, collapse.noticed, event_name, _fallen(event_name, collapse),
                (use_case.use_case,),
            )  # fmt: skip


def _once_each(opened: Open, facts: Watched) -> dict[tuple[str, ...], Counts]:
    """Weekly rows of each event once, also where several use cases declare it: by its names as sent."""
    found: dict[tuple[str, ...], Counts] = {}
    for (name, event_name), rows in facts.counts.items():
        sources = opened.playbook.use_cases[name].events[event_name].sources
        found.setdefault((event_name, *sorted(source.name for source in sources)), rows)
    return found


def _by_event(counts: Mapping[tuple[str, ...], Counts]) -> dict[str, Counts]:
    return {key[0]: rows for key, rows in counts.items()}


def _ends(event: Event) -> date | None:
    """The day from which an event is not sent any more, as declared."""
    ends = [source.until for source in event.sources]
    return None if None in ends else max(end for end in ends if end is not None)


def _fallen(what: str, collapse: Collapse) -> str:
    weeks = (collapse.noticed - collapse.week) // WEEK + 1
    return (
        f"{what}: {collapse.rows:,.0f} rows in {'the week' if weeks == 1 else f'{weeks} weeks'}, where "
        f"{collapse.expected:,.0f} are usual for the season ({collapse.share:.0%})."
    )


def _rename(opened: Open, facts: Watched, use_case: UseCase, event: Event, collapse: Collapse) -> Finding | None:
    """The finding that an event goes on under an undeclared name, with what to declare; None where none is like it."""
    names = _not_its_own(opened, facts, use_case, collapse)
    for name in candidates(collapse, names, facts.weeks):
        begins = min(week for week, rows in names[name].items() if rows)
        before = [week for week in facts.weeks if week < min(begins, collapse.week)][-PAIRED:]
        after = [week for week in facts.weeks if begins <= week <= collapse.noticed][-PAIRED:]
        old, new = sent.seen(opened, before, [s.name for s in event.sources]), sent.seen(opened, after, [name])
        for source in event.sources:
            if source.name in old and name in new:
                pair = Pair(
                    old[source.name], new[name], sent.accounts(opened, before, source.name),
                    sent.accounts(opened, after, name),
                )  # fmt: skip
                if (reasons := likeness(event, source, pair)) is not None:
                    return _renamed(opened, facts, use_case, source, collapse, pair, begins, reasons)
    return None


def _not_its_own(opened: Open, facts: Watched, use_case: UseCase, collapse: Collapse) -> dict[str, Counts]:
    """Weekly rows of names that may stand for an event by now: those that nothing declares, and those that another use
    case has declared beside a name of this event."""
    mine = {source.name for source in use_case.events[collapse.event].sources}
    others = {
        source.name
        for other in opened.playbook.use_cases.values()
        for event in other.events.values()
        if mine & {source.name for source in event.sources}
        for source in event.sources
    }
    if not others - mine:
        return dict(facts.undeclared)
    around = [week for week in facts.weeks if collapse.week - PAIRED_BACK * WEEK <= week <= collapse.noticed]
    return {**sent.rows(opened, around, sorted(others - mine)), **facts.undeclared}


def _renamed(
    opened: Open,
    facts: Watched,
    use_case: UseCase,
    source: Source,
    collapse: Collapse,
    pair: Pair,
    begins: date,
    reasons: Sequence[str],
) -> Finding:
    event = use_case.events[collapse.event]
    old = facts.counts[use_case.use_case, collapse.event]
    last_week = max(week for week, rows in old.items() if rows)
    both = [week for week in facts.weeks if begins <= week <= last_week and old.get(week)]
    since, until = sent.days(opened, [begins], pair.new.name), sent.days(opened, [last_week], source.name)
    assert since is not None  # its rows were counted
    ended = sent.day_after(until[1]) if until and last_week < facts.weeks[-1] else None
    spelled = {sent_as: name for name, sent_as in spellings(event, source).items()}
    calls = {spelled[name]: mapping.source for name, mapping in mapped(event, source, pair).items()}
    pair = replace(pair, same=sent.same_keys(opened, pair, calls, both))
    keys = proposal(event, source, pair, since[0], ended)
    text = (
        f"{_fallen(collapse.event, collapse)} Probably '{source.name}' is sent as '{pair.new.name}' since {since[0]}"
        f"{f', for the last time under the old name on {until[1]}' if ended and until else ''}: {', '.join(reasons)}."
    )
    return Finding(
        "rename", begins if both else collapse.week, collapse.last, collapse.noticed, collapse.event, text,
        (use_case.use_case,), yaml=snippet(use_case, collapse.event, keys),
    )  # fmt: skip


def _properties(opened: Open, facts: Watched) -> Iterator[Finding]:
    for (name, event_name, key), weeks in facts.properties.items():
        use_case = opened.playbook.use_cases[name]
        event = use_case.events[event_name]
        if f"properties.{key}" in event.same:
            continue  # it is there to tell copies of one fact, and may be sent only while there are copies
        for shift in shifts(weeks):
            yield shift_finding(opened, use_case, event_name, key, shift, facts.weeks)
