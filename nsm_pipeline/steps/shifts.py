"""The step that explains a property's shift from landed rows: its type before and since, its new name, its new unit.

What belongs here: reading the weeks around a shift. What does not: seeing it (`drift.values`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from nsm_pipeline.drift.findings import Finding
from nsm_pipeline.drift.pasting import snippet, split
from nsm_pipeline.drift.renames import replaced_property, with_factor
from nsm_pipeline.drift.values import Shift
from nsm_pipeline.playbook.models import Event, PropertyMapping, Source, UseCase
from nsm_pipeline.steps import sent
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.workshop.observed import SeenEvent, SeenValues

BEFORE = 2
MOSTLY = 0.5


def shift_finding(
    opened: Open, use_case: UseCase, event_name: str, key: str, shift: Shift, weeks: Sequence[date]
) -> Finding:
    """A shift with what landed rows say about it and, where that can be declared, what to paste."""
    event = use_case.events[event_name]
    before = sent.seen(opened, [week for week in weeks if week < shift.week][-BEFORE:], _names(event))
    since = sent.seen(opened, [week for week in weeks if shift.week <= week <= shift.noticed], _names(event))
    said, yaml = "", ""
    for source in event.sources:
        if source.name in before and source.name in since and not said:
            old, new = before[source.name], since[source.name]
            if shift.kind == "missing":
                said, yaml = _missing(opened, use_case, event_name, source, key, shift, old, new)
            elif shift.kind == "scale":
                said, yaml = _scale(opened, use_case, event_name, source, key, shift, old, new)
    text = f"{event_name}.{key}: {shift.text}.{said}"
    return Finding(shift.kind, shift.week, shift.last, shift.noticed, event_name, text, (use_case.use_case,), key, yaml)


def _names(event: Event) -> list[str]:
    return sorted({source.name for source in event.sources})


def _missing(
    opened: Open, use_case: UseCase, event_name: str, source: Source, key: str, shift: Shift, old: SeenEvent,
    new: SeenEvent,
) -> tuple[str, str]:  # fmt: skip
    event, name = use_case.events[event_name], _mapping(source, key).source
    was, now = _values(old, name), _values(new, name)
    kinds = [_kind(values) if values else "" for values in (was, now)]
    if was and now and now.present >= MOSTLY * was.present / old.rows * new.rows and kinds[0] != kinds[1]:
        return f" '{name}' of '{source.name}' was {kinds[0]}, and is {kinds[1]} since.", ""
    mapping = replaced_property(event, source, key, old, new)
    if mapping is None:
        return f" '{name}' of '{source.name}' is no longer sent with every event.", ""
    day = sent.first_day_with(opened, [shift.week], source.name, mapping.source) or shift.week
    said = f" Probably '{source.name}' sends it as '{mapping.source}' since {day}: it has the same values."
    return said, snippet(use_case, event_name, {"sources": split(event, source, day, key, mapping)})


def _scale(
    opened: Open, use_case: UseCase, event_name: str, source: Source, key: str, shift: Shift, old: SeenEvent,
    new: SeenEvent,
) -> tuple[str, str]:  # fmt: skip
    mapping = _mapping(source, key)
    was, now = _values(old, mapping.source), _values(new, mapping.source)
    if not (was and now and was.middle and now.middle):
        return "", ""
    changed = with_factor(mapping, was, now)
    if changed == mapping or (changed.divide_by is None and changed.multiply_by is None):
        return "", ""
    day = sent.first_day_near(opened, shift.week, source.name, mapping.source, was.middle, now.middle)
    unit = (
        f"{changed.divide_by:,.0f} times larger" if changed.divide_by else f"{changed.multiply_by:,.0f} times smaller"
    )
    said = f" Probably '{source.name}' sends it in another unit since {day}: its numbers are about {unit}."
    return said, snippet(
        use_case, event_name, {"sources": split(use_case.events[event_name], source, day, key, changed)}
    )


def _mapping(source: Source, key: str) -> PropertyMapping:
    return source.properties.get(key) or PropertyMapping(**{"from": key})


def _values(seen: SeenEvent, name: str) -> SeenValues | None:
    return next((values for values in seen.properties if values.name == name), None)


def _kind(values: SeenValues) -> str:
    """What most of a property's values are, as sent."""
    mostly = MOSTLY * values.present
    if values.nested > mostly:
        return "an object or a list"
    if values.numbers > mostly:
        return "a number"
    return "true or false" if values.booleans > mostly else "text"
