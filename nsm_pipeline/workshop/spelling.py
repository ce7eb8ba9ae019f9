"""The playbook's models back into the words of its grammar, as short as the grammar allows.

What belongs here: one model → plain YAML values that load as the same model. What does not: layout (`yaml_text`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from nsm_pipeline.playbook.metric_models import Metric, Ratio, Step
from nsm_pipeline.playbook.models import Event, Source
from nsm_pipeline.playbook.words import ONE_WEEK, Having, Model, Window, Within

AFTER = ("where", "include_internal", "window", "slices", "unit", "better")
UNITS = {"weeks": 168, "days": 24, "hours": 1}


def spelled_metric(metric: Metric, title: str = "") -> dict[str, Any]:
    """A metric's keys in the order in which the grammar lists them; `title` where it has none of its own."""
    words = {"title": metric.title or title, "description": metric.description}
    given = {name: getattr(metric, name) for name in type(metric).model_fields if name in metric.model_fields_set}
    counted = {
        type(metric).model_fields[name].alias or name: _spelled(value)
        for name, value in given.items()
        if name not in (*words, *AFTER) and value is not None
    }
    after = {name: _spelled(given[name]) for name in AFTER if name in given}
    if metric.window == ONE_WEEK:
        after.pop("window", None)
    return {**{key: text for key, text in words.items() if text}, **counted, **_without_nothing(after)}


def spelled_event(name: str, event: Event) -> dict[str, Any]:
    """An event's keys; one that names no source is sent under its own name."""
    found = _plain(event)
    sources = event.sources or (Source(name=name),)
    properties = {key: _plain(declared) for key, declared in event.properties.items()}
    parts = {
        "description": event.description,
        "properties": properties,
        "sources": [_spelled_source(source) for source in sources],
        "same": found.get("same"),
    }
    return {key: value for key, value in parts.items() if value}


def _spelled_source(source: Source) -> dict[str, Any]:
    words = _plain(source)
    if source.properties:
        words["properties"] = {
            name: mapping.source if set(_plain(mapping)) == {"from"} else _plain(mapping)
            for name, mapping in source.properties.items()
        }
    return words


def spelled_share(value: float) -> str | float:
    """A share in per cent where that says the same number."""
    text = format(Decimal(repr(value)) * 100, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}%" if float(text) / 100 == value else value


def spelled_model(model: Model) -> dict[str, Any]:
    """A flat model's keys that were given."""
    return _plain(model)


def _spelled(value: Any) -> Any:
    match value:
        case Metric():
            return spelled_metric(value)
        case Ratio():
            return {"numerator": _spelled(value.numerator), "denominator": _spelled(value.denominator)}
        case Step():
            events = _spelled(value.events)
            return events if value.where is None else {"events": events, "where": value.where}
        case Window():
            return _time(value.days * 24)
        case Within():
            return _time(value.hours)
        case Having():
            return _having(value)
        case tuple():
            return value[0] if len(value) == 1 else list(value)
        case float():
            return spelled_share(value)
    return value


def _time(hours: int) -> str:
    """A length in the largest unit that it is whole in."""
    unit = next(unit for unit, length in UNITS.items() if hours % length == 0)
    count = hours // UNITS[unit]
    return f"{count} {unit if count > 1 else unit.removesuffix('s')}"


def _having(value: Having) -> str:
    measure = "" if value.how == "count" else f"{value.how} {value.column} "
    number = format(Decimal(repr(value.number)), "f").removesuffix(".0")
    per = {"": "", "seats": " per seat"}.get(value.per, f" per {value.per}")
    return f"{measure}{value.op} {number}{per}"


def _plain(model: Model) -> dict[str, Any]:
    found = model.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    return {key: _short(value) for key, value in found.items()}


def _short(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_short(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _without_nothing(words: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in words.items() if value is not None}
