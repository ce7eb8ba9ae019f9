"""What changed between two playbooks' definitions, and what of it decides numbers.

What belongs here: use case by use case, keys and consequences. What does not: comparing pages
(`reporting.handbook_changes`), which weeks are rebuilt and what becomes of their values (`planning`, `previewing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nsm_pipeline.metrics.plans import UseCasePlan
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.models import Event
from nsm_pipeline.reporting.handbook import page_of, settings_part
from nsm_pipeline.reporting.handbook_changes import Change, changed_pages, changed_parts
from nsm_pipeline.steps.rewording import of_table
from nsm_pipeline.steps.wording import table_in_words

SETTINGS = "settings"


@dataclass(frozen=True)
class Changed:
    """A use case (or, as None, the settings) whose definition changed. `counts`: what is counted otherwise, a sentence
    part each; none where every number stays as it is."""

    use_case: str | None
    title: str
    changes: tuple[Change, ...]
    counts: tuple[str, ...] = ()


def definition_changes(old: Playbook, new: Playbook) -> list[Changed]:
    """Everything that differs, the settings first, then the use cases by name."""
    found = []
    settings = changed_parts([settings_part(old.settings)], [settings_part(new.settings)])
    if settings:
        found.append(Changed(None, "Settings", tuple(settings)))
    for name in sorted({*old.use_cases, *new.use_cases}):
        before, after = old.use_cases.get(name), new.use_cases.get(name)
        if before is None or after is None:
            one = after or before
            assert one is not None
            change = Change((name,), None if before is None else one.title, None if after is None else one.title)
            found.append(Changed(name, one.title, (change,)))
        elif changes := changed_pages(page_of(before), page_of(after)):
            found.append(Changed(name, after.title, tuple(changes), tuple(_counts(old, new, name))))
    return found


def _counts(old: Playbook, new: Playbook, name: str) -> Iterator[str]:
    """What decides weekly tables and differs: a filter that is only spelled otherwise decides the same."""
    before, after = (UseCasePlan(book.use_cases[name], book.attributes()) for book in (old, new))
    for table in dict.fromkeys((*before.roles, *after.roles)):
        was, now = table_in_words(before, table), table_in_words(after, table)
        if before.definition(table) != after.definition(table):
            yield from (f"{table}: {clause}" for clause in of_table(was, now))
    events, others = before.use_case.events, after.use_case.events
    for event in dict.fromkeys((*events, *others)):
        if event in events and event in others and _decides(events[event]) != _decides(others[event]):
            yield f"event {event} is read otherwise"


def _decides(event: Event) -> object:
    """What of an event decides the rows of usage events: not its words."""
    said = event.model_dump(exclude={"description": True})
    for declared in said["properties"].values():
        declared.pop("description"), declared.pop("unit")
    return said
