"""The report on instrumentation: sources, dual runs, drift, deliveries and lateness of one home, as plain data.

What belongs here: asking the steps and putting their answers together. What does not: showing them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.drift.lateness import SETTLED, Arrived, Import, Lateness, by, imports, lateness, share_by, without
from nsm_pipeline.drift.overlap import Copy, dual_runs
from nsm_pipeline.drift.renames import spellings
from nsm_pipeline.drift.volume import LEVEL
from nsm_pipeline.steps import sent
from nsm_pipeline.steps.drift import drift
from nsm_pipeline.steps.dual_runs import Effect, effects
from nsm_pipeline.steps.dual_runs import copies as all_copies
from nsm_pipeline.steps.lateness import arrivals
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.sources import SourceSent, sources_sent


@dataclass(frozen=True)
class Deliveries:
    """What the ledger says went wrong with files and rows, in words; every row is accounted for there."""

    set_aside: tuple[str, ...]
    redelivered: tuple[str, ...]
    quarantined: tuple[str, ...]
    conflicts: tuple[str, ...]
    twice: int


@dataclass(frozen=True)
class Settling:
    """What is proposed as the settling time, with and without the old rows of imports, and how much of all rows has
    come by the one that is declared."""

    declared: int
    share_by_declared: float
    proposed: int
    proposed_without_imports: int


@dataclass(frozen=True)
class DualRun:
    """The weeks in which several sources sent an event: what each said, and what that does to every metric."""

    use_case: str
    event: str
    copies: tuple[Copy, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Instrumentation:
    """A home's instrumentation. `alarms` are those that nobody has explained; `explained` the others."""

    sources: tuple[SourceSent, ...]
    dual_runs: tuple[DualRun, ...]
    alarms: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    notes: tuple[str, ...]
    deliveries: Deliveries
    by_name: Mapping[str, Lateness]
    by_sender: Mapping[str, Lateness]
    all_rows: Lateness
    imports: tuple[Import, ...]
    settling: Settling


def instrumentation(opened: Open, use_cases: Collection[str] = (), events: Collection[str] = ()) -> Instrumentation:
    """The report, about some use cases and events (all where none is named)."""
    sources = [
        one
        for one in sources_sent(opened)
        if (not use_cases or one.use_case in use_cases) and (not events or one.event in events)
    ]
    findings = [one for one in drift(opened) if _concerns(one, use_cases, events)]
    counted = arrivals(opened)
    names = {one.name for one in sources} if use_cases or events else {one.name for one in counted.arrived}
    arrived = [one for one in counted.arrived if one.name in names]
    found = imports(counted.arrived, counted.received)
    return Instrumentation(
        tuple(sources),
        tuple(
            DualRun(name, event, tuple(copies), tuple(effects(opened, name, event, copies)))
            for (name, event), copies in dual_runs(all_copies(opened)).items()
            if (not use_cases or name in use_cases) and (not events or event in events)
        ),
        tuple(one for one in findings if not one.explained),
        tuple(one for one in findings if one.explained),
        tuple(new_properties(opened, sources)),
        deliveries(opened),
        by(arrived, lambda one: one.name),
        by(arrived, lambda one: one.sender),
        lateness(arrived),
        tuple(found),
        settling(opened, arrived, found),
    )


def new_properties(opened: Open, sources: Sequence[SourceSent]) -> Iterator[str]:
    """Properties of the newest complete week that nothing declares and that were not sent LEVEL weeks before, in words:
    worth a look, and no alarm."""
    weeks = opened.complete_weeks
    if len(weeks) <= LEVEL:
        return
    names = sorted({one.name for one in sources})
    before, now = (sent.seen(opened, [week], names) for week in (weeks[-1 - LEVEL], weeks[-1]))
    declared: dict[str, set[str]] = {}
    for use_case in opened.playbook.use_cases.values():
        for event in use_case.events.values():
            for source in event.sources:
                declared.setdefault(source.name, set()).update(spellings(event, source))
    for name in sorted(before.keys() & now.keys()):
        known = declared[name] | {values.name for values in before[name].properties}
        for values in now[name].properties:
            if values.name not in known:
                share = values.present / now[name].rows
                yield f"'{name}' has begun to send '{values.name}' ({share:.0%} of rows), which nothing declares."


def _concerns(finding: Finding, use_cases: Collection[str], events: Collection[str]) -> bool:
    of_use_case = not use_cases or not finding.use_cases or bool(set(finding.use_cases) & set(use_cases))
    return of_use_case and (not events or not finding.event or finding.event in events)


def settling(opened: Open, arrived: Sequence[Arrived], found: Sequence[Import]) -> Settling:
    """The proposal beside what the settings say."""
    declared = opened.playbook.settings.certification.settling_days
    rest = lateness(without(arrived, found))
    return Settling(declared, share_by(arrived, declared), lateness(arrived).settles_in, rest.settles_in)


def deliveries(opened: Open) -> Deliveries:
    """Files and rows that the ledger has set aside or seen before."""
    rows = [row for row in opened.ledger.rows() if row.kind == "events"]
    read = [row for row in rows if row.state == "read"]
    return Deliveries(
        tuple(f"{row.path}: {row.reason}" for row in rows if row.state == "quarantined"),
        tuple(f"{row.path}: {row.reason}, {row.rows:,} rows" for row in rows if row.state == "redelivered"),
        tuple(f"{row.path}: {_counted(row.quarantined)} cannot be read" for row in read if row.quarantined),
        tuple(f"{row.path}: {_counted(row.conflict)} with the id of another" for row in read if row.conflict),
        sum(row.duplicate - row.conflict for row in read),
    )


def _counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def document(report: Instrumentation) -> dict[str, Any]:
    """The report for a script."""
    return {
        "sources": [asdict(one) for one in report.sources],
        "dual_runs": [
            {
                "use_case": one.use_case,
                "event": one.event,
                "copies": [copy.document() for copy in one.copies],
                "effects": [asdict(effect) for effect in one.effects],
            }
            for one in report.dual_runs
        ],
        "alarms": [finding_document(one) for one in report.alarms],
        "notes": list(report.notes),
        "explained": [finding_document(one) for one in report.explained],
        "deliveries": asdict(report.deliveries),
        "lateness": {
            "all": _lateness(report.all_rows),
            "by_name": {name: _lateness(one) for name, one in report.by_name.items()},
            "by_sender": {name or "landing contract": _lateness(one) for name, one in report.by_sender.items()},
            "imports": [asdict(one) for one in report.imports],
            "settled_share": SETTLED,
            "settling_days": asdict(report.settling),
        },
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding for a script; `weeks_until_noticed`: from the first week concerned to the one that showed it."""
    return {**asdict(finding), "weeks_until_noticed": finding.weeks_until_noticed}


def _lateness(one: Lateness) -> dict[str, Any]:
    return {
        "rows": one.rows,
        "unknown": one.unknown,
        "hours_at_most": {f"{share:.1%}": hours for share, hours in one.quantiles},
        "share_by_days_after_week": dict(one.by_days),
        "settles_in_days": one.settles_in,
    }
