"""What was noticed about the telemetry: alarms, notes and facts of deliveries, each with its weeks.

What belongs here: the shapes, and which alarms somebody has explained. What does not: the rules (`volume`, `values`,
`renames`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.weeks import WEEK

Kind = Literal["rename", "collapse", "outage", "missing", "values", "scale"]
KINDS: Mapping[Kind, str] = {
    "rename": "an event is no longer sent under its name, and an undeclared name has taken its place",
    "collapse": "an event has fallen far below what is usual for the season",
    "outage": "all events together have fallen far below what is usual for the season",
    "missing": "a property is missing far more often than before",
    "values": "a property's usual value is gone, or a value that was never seen is common",
    "scale": "a number has become several times larger or smaller, as after a change of its unit",
}


@dataclass(frozen=True)
class Finding:
    """One alarm. `week`: the first week it is about; `last`: the last one so far; `noticed`: the week with which it
    could first be known; `yaml`: what to paste into the playbook; `explained`: the annotations that explain it."""

    kind: Kind
    week: date
    last: date
    noticed: date
    event: str
    text: str
    use_cases: tuple[str, ...] = ()
    property_name: str = ""
    yaml: str = ""
    explained: str = ""

    @property
    def weeks_until_noticed(self) -> int:
        return (self.noticed - self.week) // WEEK


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of several use cases about one thing as one, in order of weeks."""
    found: dict[tuple[object, ...], Finding] = {}
    for one in findings:
        key = (one.kind, one.week, one.event, one.property_name)
        known = found.get(key)
        use_cases = (*(known.use_cases if known else ()), *one.use_cases)
        yaml = "\n".join(dict.fromkeys(text for text in (known.yaml if known else "", one.yaml) if text))
        found[key] = replace(known or one, use_cases=tuple(dict.fromkeys(use_cases)), yaml=yaml)
    return sorted(found.values(), key=lambda one: (one.week, one.kind, one.event, one.property_name))


def with_explanations(findings: Iterable[Finding], use_cases: Mapping[str, UseCase]) -> list[Finding]:
    """Findings with the texts of the annotations of a week they are about, in a use case they concern."""
    return [replace(one, explained=_explanation(one, use_cases)) for one in findings]


def _explanation(finding: Finding, use_cases: Mapping[str, UseCase]) -> str:
    texts = [
        note.text
        for name in finding.use_cases or use_cases
        for note in use_cases[name].annotations
        if finding.week <= note.week + WEEK - note.week.resolution and note.week <= finding.noticed
    ]
    return "; ".join(dict.fromkeys(texts))
