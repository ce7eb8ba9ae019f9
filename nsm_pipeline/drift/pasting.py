"""What was found, as YAML to paste: the sources of an event as a person would write them.

What belongs here: spelling. What does not: what should be declared (`renames`, `steps.shifts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from nsm_pipeline.playbook.models import Event, PropertyMapping, Source, UseCase
from nsm_pipeline.workshop.yaml_text import yaml_text


def snippet(use_case: UseCase, event: str, keys: Mapping[str, Any]) -> str:
    """Keys of an event, to be put in the place of those that its use case's file has."""
    named = " and ".join(f"`{key}`" for key in keys)
    head = f"{use_case.use_case}.yaml: {named} of {event}, in place of what is there"
    return yaml_text({"events": {event: dict(keys)}}, head=[head])


def written(source: Source, **changed: Any) -> dict[str, Any]:
    """A source with only the keys that say something; `changed` replaces some, None takes one away."""
    found: dict[str, Any] = {
        "name": source.name,
        "since": source.since,
        "until": source.until,
        "preferred": source.preferred or None,
        "properties": properties(source.properties) or None,
    }
    return {key: value for key, value in {**found, **changed}.items() if value is not None}


def properties(mappings: Mapping[str, PropertyMapping]) -> dict[str, Any]:
    """Property mappings as they are written: the name as sent alone where there is no factor, nothing where it is the
    canonical one."""
    found = {name: _spelled(mapping) for name, mapping in mappings.items()}
    return {name: spelled for name, spelled in found.items() if spelled != name}


def split(event: Event, source: Source, day: date, name: str, mapping: PropertyMapping) -> list[dict[str, Any]]:
    """An event's sources, one of them cut at a day from which on it spells a property in another way."""
    after = {**source.properties, name: mapping}
    return [
        part
        for one in event.sources
        for part in (
            [written(one, until=day, preferred=None), written(one, since=day, properties=properties(after) or None)]
            if one is source
            else [written(one)]
        )
    ]


def _spelled(mapping: PropertyMapping) -> Any:
    given = mapping.model_dump(by_alias=True, exclude_none=True)
    return whole_numbers(given) if len(given) > 1 else mapping.source


def whole_numbers(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys with 1000.0 written as 1000."""
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in keys.items()
    }
