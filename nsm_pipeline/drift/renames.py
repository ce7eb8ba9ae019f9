"""Whether an undeclared name has taken the place of an event that collapsed, and what to declare then.

What belongs here: comparing volume, properties and accounts of two names, and the sources to paste. What does not:
finding collapses (`volume`), reading rows. Deciding is for people.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nsm_pipeline.drift.pasting import whole_numbers, written
from nsm_pipeline.drift.volume import LEVEL, Collapse, Counts
from nsm_pipeline.playbook.models import Event, PropertyMapping, Source
from nsm_pipeline.weeks import WEEK
from nsm_pipeline.workshop.names import canonical
from nsm_pipeline.workshop.observed import SeenEvent, SeenValues
from nsm_pipeline.workshop.proposing import kind_of
from nsm_pipeline.workshop.renames import ALIKE_PROPERTIES, alike_names

VOLUME = (0.5, 2.0)
ALIKE_ACCOUNTS = 0.5
ALIKE_VALUES = 0.5
FACTORS = (1000, 60, 3600, 86400, 100, 1_000_000)
"""Between units: thousandths, minutes, hours, days, hundredths, millionths."""
NEAR = 2.0


@dataclass(frozen=True)
class Pair:
    """An old and a new name in the data: what was sent under each, by which accounts, in the last weeks before and the
    first weeks after; `same`: names as sent of properties that identify a fact that came under both names."""

    old: SeenEvent
    new: SeenEvent
    old_accounts: Collection[str]
    new_accounts: Collection[str]
    same: tuple[str, ...] = ()

    @property
    def accounts(self) -> float:
        """Of the fewer accounts, the share that sent both."""
        both = set(self.old_accounts) & set(self.new_accounts)
        fewer = min(len(set(self.old_accounts)), len(set(self.new_accounts)))
        return len(both) / fewer if fewer else 0.0


def candidates(collapse: Collapse, undeclared: Mapping[str, Counts], weeks: Sequence[date]) -> list[str]:
    """Undeclared names that began about when an event collapsed, with a similar volume; the most similar first."""
    during = [week for week in weeks if collapse.week <= week <= collapse.noticed]
    found = []
    for name, counts in undeclared.items():
        first = min((week for week, rows in counts.items() if rows), default=None)
        if first is None or first <= weeks[0] or not collapse.week - LEVEL * WEEK <= first <= collapse.noticed:
            continue
        rows = sum(counts.get(week, 0) for week in during)
        gone = collapse.expected - collapse.rows
        if VOLUME[0] * gone <= rows <= VOLUME[1] * collapse.expected:
            found.append((abs(rows - collapse.expected), name))
    return [name for _, name in sorted(found)]


def mapped(event: Event, source: Source, pair: Pair) -> dict[str, PropertyMapping]:
    """How the new name spells the properties that the old one sent, by canonical name; those not found are left out."""
    old, new = ({values.name: values for values in seen.properties} for seen in (pair.old, pair.new))
    spelled = {name: source.properties.get(name) or PropertyMapping(**{"from": name}) for name in event.properties}
    sent = {name: mapping for name, mapping in spelled.items() if mapping.source in old}
    found: dict[str, str] = {}
    for name, mapping in sent.items():
        key = next((key for key in (name, mapping.source) if key in new), None)
        if key is not None:
            found[name] = key
    for name, mapping in sent.items():
        free = [values for key, values in new.items() if key not in found.values() and key not in spelled]
        if name not in found and (best := _most_alike(old[mapping.source], free)) is not None:
            found[name] = best
    return {name: with_factor(sent[name], old[sent[name].source], new[key]) for name, key in found.items()}


def _most_alike(old: SeenValues, free: Sequence[SeenValues]) -> str | None:
    """The one property with the same values; None where there is none, or where several might be it."""
    alike = sorted(((_alike(old, new), new.name) for new in free), reverse=True)
    if not alike or alike[0][0] < ALIKE_VALUES or (len(alike) > 1 and alike[1][0] == alike[0][0]):
        return None
    return alike[0][1]


def _alike(old: SeenValues, new: SeenValues) -> float:
    """0 to 1: how much two properties' values are the same; numbers may be in another unit."""
    if kind_of(old) != kind_of(new) and {kind_of(old), kind_of(new)} != {"integer", "number"}:
        return 0.0
    if old.values and new.values:
        of_new = dict(new.values)
        return sum(min(count / old.present, of_new.get(value, 0) / new.present) for value, count in old.values)
    if old.middle and new.middle:
        times = new.middle / old.middle
        units = [1.0, *FACTORS, *(1 / factor for factor in FACTORS)]
        return max((0.9 if unit == 1 else 0.6 for unit in units if 1 / NEAR <= times / unit <= NEAR), default=0.0)
    different = [values.different / values.present for values in (old, new) if values.present]
    return 0.8 if len(different) == 2 and min(different) >= 0.5 and kind_of(old) == "string" else 0.0


def with_factor(mapping: PropertyMapping, old: SeenValues, new: SeenValues) -> PropertyMapping:
    """A mapping of the new name, with the factor that brings its numbers to where those of the old one were."""
    if not old.middle or not new.middle or old.middle < 0 or new.middle < 0:
        return PropertyMapping(**{"from": new.name})
    canonical_middle = old.middle * (mapping.multiply_by or 1) / (mapping.divide_by or 1)
    times = new.middle / canonical_middle
    for factor in FACTORS:
        if 1 / NEAR <= times / factor <= NEAR:
            return PropertyMapping(**{"from": new.name, "divide_by": factor})
        if 1 / NEAR <= times * factor <= NEAR:
            return PropertyMapping(**{"from": new.name, "multiply_by": factor})
    return PropertyMapping(**{"from": new.name})


def likeness(event: Event, source: Source, pair: Pair) -> list[str] | None:
    """Why two names are probably one event, in words; None where properties or accounts are not alike."""
    both = _in_common(event, source, pair)
    union = len(pair.old.properties) + len(pair.new.properties) - both
    share = both / union if union else 1.0
    if share < ALIKE_PROPERTIES or pair.accounts < ALIKE_ACCOUNTS:
        return None
    said = [
        f"{both} of {union} properties in common" if union else "no properties either",
        f"{pair.accounts:.0%} of accounts in common",
    ]
    return ["a similar name", *said] if alike_names(source.name, pair.new.name) else said


def _in_common(event: Event, source: Source, pair: Pair) -> int:
    """How many properties both names send: under one name, as mapped, or with the same values."""
    spelled = {sent: name for name, sent in spellings(event, source).items()}
    found = {spelled[name]: mapping.source for name, mapping in mapped(event, source, pair).items()}
    new = {values.name: values for values in pair.new.properties}
    for values in pair.old.properties:
        if values.name not in found and values.name in new.keys() - found.values():
            found[values.name] = values.name
    for values in pair.old.properties:
        free = [one for name, one in new.items() if name not in found.values()]
        if values.name not in found and (best := _most_alike(values, free)) is not None:
            found[values.name] = best
    return len(found)


def proposal(event: Event, source: Source, pair: Pair, since: date, until: date | None) -> dict[str, Any]:
    """The keys of the event that change: `sources` with the old one ended and the new one added and, where facts came
    under both names, `same`. `since`: the first day of the new name; `until`: the first day without the old one."""
    old = [written(one, until=until if one is source else one.until, preferred=None) for one in event.sources]
    mappings = mapped(event, source, pair)
    spelled = spellings(event, source)
    keys: dict[str, Any] = {}
    if pair.same and not event.same:
        (sent, *_) = sorted(pair.same, key=lambda key: (key not in spelled, key))
        name = spelled.get(sent) or canonical(sent, "sent")
        if name not in event.properties:
            declared = {key: whole_numbers(one.model_dump(exclude_unset=True)) for key, one in event.properties.items()}
            keys["properties"] = {**declared, name: {"type": "string"}}
        keys["same"] = ["account_id", f"properties.{name}"]
    new = Source(name=pair.new.name, since=since, preferred=True, properties=mappings)
    return {"sources": [*old, written(new)], **keys}


def spellings(event: Event, source: Source) -> dict[str, str]:
    """Canonical names by the names under which a source sends them."""
    mappings = {name: source.properties.get(name) or PropertyMapping(**{"from": name}) for name in event.properties}
    return {mapping.source: name for name, mapping in mappings.items()}


def replaced_property(
    event: Event, source: Source, missing: str, old: SeenEvent, new: SeenEvent
) -> PropertyMapping | None:
    """How a source spells a property now that is missing under the name it had; None where nothing is like it."""
    mapping = source.properties.get(missing) or PropertyMapping(**{"from": missing})
    before = {values.name: values for values in old.properties}
    known = {mapping.source for mapping in source.properties.values()} | set(event.properties) | set(before)
    free = [values for values in new.properties if values.name not in known]
    if mapping.source not in before or (best := _most_alike(before[mapping.source], free)) is None:
        return None
    found = next(values for values in free if values.name == best)
    return with_factor(mapping, before[mapping.source], found)
