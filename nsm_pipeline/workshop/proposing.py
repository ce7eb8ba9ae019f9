"""Facts about landed rows → proposed events, properties and account attributes, with the reasons as comments.

What belongs here: what the facts suggest. What does not: the facts (`observed`). A proposal is for people to confirm;
what it leaves open is said in its comments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nsm_pipeline.playbook.metric_models import CREATED
from nsm_pipeline.playbook.words import ATTRIBUTES, NAME, RESERVED, PropertyType
from nsm_pipeline.workshop.answers import AnsweredEvent
from nsm_pipeline.workshop.names import canonical_names
from nsm_pipeline.workshop.observed import Landed, SeenEvent, SeenValues
from nsm_pipeline.workshop.renames import perhaps_same

MOST_CHOICES = 12
ROWS_PER_CHOICE = 10
LONGEST_CHOICE = 60


@dataclass(frozen=True)
class ProposedEvent:
    """An event of the playbook for a name as sent, and its comments by key path below the event ('' for itself)."""

    name: str
    seen: SeenEvent
    event: AnsweredEvent
    notes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Proposals:
    """Events by rows, account attributes with their types and comments, and what had to be left out."""

    events: tuple[ProposedEvent, ...]
    attributes: Mapping[str, PropertyType]
    attribute_notes: Mapping[str, str]
    left_out: tuple[str, ...]

    def notes(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Comments by key path of a playbook that has some of the events."""
        return {
            f"events.{one.name}{path and '.'}{path}": lines
            for one in self.events
            if one.name in names
            for path, lines in one.notes.items()
        }


def proposals(seen: Landed, declared: Mapping[str, PropertyType]) -> Proposals:
    """What the facts suggest; `declared`: account attributes that the settings have already."""
    attributes, attribute_notes, left_out = _attributes(seen, declared)
    names = canonical_names((event.name for event in seen.events), "event", {CREATED})
    taken = {*RESERVED, *ATTRIBUTES, *declared, *attributes}
    spelled = {event.name: canonical_names(_keys(event), "sent", taken) for event in seen.events}
    kinds = _one_type_each(seen.events, spelled)
    renamed = perhaps_same(seen.events)
    events = tuple(
        _event(names[event.name], event, spelled[event.name], kinds, renamed.get(event.name, ()))
        for event in seen.events
    )
    if seen.unlisted:
        left_out.append(f"{seen.unlisted} further names with fewer rows are not listed; --event NAME asks for one.")
    return Proposals(events, attributes, attribute_notes, tuple(left_out))


def kind_of(seen: SeenValues) -> PropertyType:
    """The type in which every value is read as it was sent; an empty text counts as no value."""
    given = seen.present - seen.empty
    kinds: dict[PropertyType, int] = {"integer": seen.integers, "number": seen.numbers, "boolean": seen.booleans}
    return next((kind for kind, count in kinds.items() if given and count == given), "string")


def _keys(event: SeenEvent) -> list[str]:
    return [values.name for values in event.properties]


def _one_type_each(
    events: Iterable[SeenEvent], spelled: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, PropertyType]]:
    """Types by property and event as sent."""
    kinds: dict[str, dict[str, PropertyType]] = {}
    for event in events:
        for values in event.properties:
            kinds.setdefault(spelled[event.name][values.name], {})[event.name] = kind_of(values)
    return kinds


def common_type(kinds: Collection[PropertyType]) -> PropertyType:
    """The type that holds values of all of some types: one property has one type in a use case."""
    if len(set(kinds)) == 1:
        return next(iter(kinds))
    return "number" if set(kinds) == {"integer", "number"} else "string"


def _event(
    name: str,
    seen: SeenEvent,
    spelled: Mapping[str, str],
    kinds: Mapping[str, Mapping[str, PropertyType]],
    renamed: tuple[str, ...],
) -> ProposedEvent:
    notes: dict[str, tuple[str, ...]] = {"": (_extent(seen), *renamed)}
    if seen.unlisted:
        notes[""] += (f"{seen.unlisted} further properties in fewer rows are not listed.",)
    properties: dict[str, Any] = {}
    for values in seen.properties:
        key = spelled[values.name]
        kind = common_type(list(kinds[key].values()))
        declared, lines = _property(values, kind, seen.rows)
        if kind != kind_of(values):
            lines += (f"{kind}, as another event sends other values under this name; here all are {kind_of(values)}.",)
        properties[key] = declared
        notes[f"properties.{key}"] = lines
    source: dict[str, Any] = {"name": seen.name}
    if mapped := {spelled[sent]: sent for sent in _keys(seen) if spelled[sent] != sent}:
        source["properties"] = mapped
    event = AnsweredEvent.model_validate({"properties": properties, "sources": [source]})
    return ProposedEvent(name, seen, event, notes)


def _extent(seen: SeenEvent) -> str:
    return (
        f"{seen.rows:,} rows from {seen.first} to {seen.last}, {_counted(seen.accounts, 'account')}, "
        f"{_counted(seen.users, 'user')}."
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _property(seen: SeenValues, kind: PropertyType, rows: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A property's declaration, and its comments: the first stands beside it."""
    declared: dict[str, Any] = {"type": kind}
    beside = [f"in {_share(seen.present, rows)} of rows"]
    above: list[str] = []
    if kind in ("integer", "number"):
        if seen.minus_ones and seen.smallest is not None and seen.smallest >= 0:
            declared["missing"] = [-1]
            above.append(
                f"To confirm: -1 in {_share(seen.minus_ones, seen.present)} of its rows is taken as "
                '"not measured", as everything else is 0 or more.'
            )
        if seen.smallest is not None and seen.largest is not None:
            beside.append(f"{seen.smallest:,.10g} to {seen.largest:,.10g}")
        if seen.quoted:
            above.append(f"Sent as text in {_share(seen.quoted, seen.present)} of its rows.")
    elif kind == "string":
        if choices := _choices(seen):
            declared["one_of"] = choices
        elif seen.values and seen.different <= MOST_CHOICES:
            beside.append(", ".join(f"{_short(text)} ({count:,})" for text, count in seen.values))
        else:
            beside.append(_variety(seen))
        if seen.nested:
            above.append(f"An object or a list in {_share(seen.nested, seen.present)} of its rows, read as its text.")
    if seen.empty:
        if kind == "string":
            declared["missing"] = [""]
        above.append(f"An empty text in {_share(seen.empty, seen.present)} of its rows counts as missing.")
    return declared, ("; ".join(beside), *above)


def _variety(seen: SeenValues) -> str:
    """How much differs; an estimate may be above the number of rows."""
    if seen.values:
        return _counted(seen.different, "different value")
    if seen.different >= 0.9 * seen.present:
        return "an identifier: nearly every row has another value"
    return f"about {_counted(seen.different, 'different value')}"


def _choices(seen: SeenValues) -> list[str]:
    """The values of a property that is a choice of few: little differs, much repeats. Else none."""
    few = 0 < len(seen.values) <= MOST_CHOICES and seen.present >= ROWS_PER_CHOICE * len(seen.values)
    if not few or seen.nested or any(len(text) > LONGEST_CHOICE or not text.isprintable() for text, _ in seen.values):
        return []
    return [text for text, _ in seen.values]


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"


def _share(part: int, whole: int) -> str:
    """Per cent that says neither all nor none where it is not."""
    share = 100 * part / whole
    if part not in (0, whole):
        share = min(max(share, 0.1), 99.9)
    return f"{share:.1f} %".replace(".0 %", " %")


def _attributes(
    seen: Landed, declared: Mapping[str, PropertyType]
) -> tuple[dict[str, PropertyType], dict[str, str], list[str]]:
    attributes: dict[str, PropertyType] = {}
    notes: dict[str, str] = {}
    left_out: list[str] = []
    for values in seen.attributes:
        if values.name in declared:
            continue
        if not NAME.fullmatch(values.name) or values.name in RESERVED:
            left_out.append(f"The account snapshots' column '{values.name}' cannot be an attribute: rename it there.")
            continue
        attributes[values.name] = kind_of(values)
        _, (beside, *_) = _property(values, attributes[values.name], max(seen.accounts, 1))
        notes[values.name] = beside.replace("of rows", "of accounts")
    return attributes, notes, left_out
