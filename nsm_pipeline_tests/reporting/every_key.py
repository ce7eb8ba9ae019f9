"""A use case and settings that say everything, and every way to change one key of a model.

What belongs here: walking pydantic models. What does not: what a change must show. Changed models are copies that were
not checked: a page must be able to say anything.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from nsm_pipeline.playbook.metric_models import KINDS, Metric
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings

Key = tuple[str, str]
REFERENCES = ("metric", "drives", "protects")


def full_use_case() -> UseCase:
    """A use case in which every key of the grammar is said, but those of a metric's kinds, one of which it has."""
    return UseCase.model_validate(FULL)


def full_settings() -> Settings:
    return Settings.model_validate(SETTINGS)


def fields_of(model: type[BaseModel]) -> set[Key]:
    """Every (model, key) that can be reached from a model."""
    found: set[Key] = set()
    ahead: list[type[BaseModel]] = [model]
    seen: set[type[BaseModel]] = set()
    while ahead:
        one = ahead.pop()
        if one in seen:
            continue
        seen.add(one)
        for name, field in one.model_fields.items():
            found.add((one.__name__, name))
            ahead += _models(field.annotation)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models(inner)]


def changes_of(model: BaseModel, path: str = "") -> Iterator[tuple[Key, str, Any]]:
    """Every key of a model and of the models in it: (model, key), its path, and the whole with this key changed."""
    for name, field in type(model).model_fields.items():
        at = f"{path}.{name}".lstrip(".")
        value = getattr(model, name)
        for other in others(name, value, field.annotation):
            if isinstance(model, Metric) and not _keeps_its_kind(model, name, value, other):
                continue
            yield (type(model).__name__, name), at, model.model_copy(update={name: other})
        for key, inner, back in _inside(value):
            for seen, deeper, changed in changes_of(inner, f"{at}.{key}"):
                yield seen, deeper, model.model_copy(update={name: back(changed)})
                if isinstance(value, BaseModel):  # what holds a model changes where the model does
                    yield (type(model).__name__, name), at, model.model_copy(update={name: changed})


def _keeps_its_kind(metric: Metric, name: str, value: Any, other: Any) -> bool:
    """Whether a metric still is of its kind, with the keys that this kind needs: else it is none at all."""
    if other is None:
        return False
    return name not in KINDS or value is not None or KINDS.index(name) > KINDS.index(metric.kind)


def _inside(value: Any) -> Iterator[tuple[str, BaseModel, Callable[[Any], Any]]]:
    """Models in a value, and how the value is with another in its place."""
    if isinstance(value, BaseModel):
        yield "", value, lambda changed: changed
    elif isinstance(value, tuple):
        for place, one in enumerate(value):
            if isinstance(one, BaseModel):
                yield str(place), one, lambda changed, at=place: (*value[:at], changed, *value[at + 1 :])
    elif isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, BaseModel):
                yield str(key), one, lambda changed, at=key: {**value, at: changed}


def others(name: str, value: Any, annotation: Any) -> Iterator[Any]:
    """Other values of a key: one of its form, and none of it where it is a list or may be missing."""
    options = _literals(annotation)
    if options and not isinstance(value, tuple | dict):
        yield next(one for one in options if one != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield next(one for one in ("other", "unused") if one != value) if name in REFERENCES else f"{value}x"
    elif isinstance(value, int | float):
        yield value + 1
    elif isinstance(value, date):
        yield value + timedelta(days=7)
    elif isinstance(value, tuple):
        yield value[:-1] if len(value) > 1 else _more(value, annotation)
    elif isinstance(value, dict):
        yield {key: one for key, one in value.items() if key != list(value)[-1]} if value else {"breadth": "why"}
    elif value is None:
        yield from _example(annotation)
    if value is not None and type(None) in typing.get_args(annotation):
        yield None


def _more(value: tuple[Any, ...], annotation: Any) -> tuple[Any, ...]:
    """A short list made longer; a list of models is emptied instead."""
    if value and isinstance(value[0], BaseModel):
        return ()
    return (*value, "other")


def _literals(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    inner = [one for one in typing.get_args(annotation) if one is not type(None)]
    return _literals(inner[0]) if len(inner) == 1 and not _is_container(annotation) else ()


def _is_container(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (tuple, dict, list)


def _example(annotation: Any) -> Iterator[Any]:
    """A value of a key that is not said."""
    union = isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union
    kinds = [one for one in (typing.get_args(annotation) if union else [annotation]) if one is not type(None)]
    kind = kinds[0]
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        yield from _example(typing.get_args(kind)[0])
    elif origin is tuple:
        yield ("other",)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield EXAMPLES[kind.__name__](kind)
    else:
        yield {str: "other", int: 3, float: 0.375, bool: True, date: date(2026, 4, 6)}[kind]


EXAMPLES: dict[str, Callable[[type[BaseModel]], BaseModel]] = {
    "Ratio": lambda model: model.model_validate({"numerator": "orders", "denominator": "buyers"}),
    "Step": lambda model: model.model_validate({"events": "order_placed", "where": "gift"}),
    "Within": lambda model: model(hours=36),
    "Having": lambda model: model.model_validate({"op": ">", "number": 3}),
    "Place": lambda model: model.model_validate({"from": "a.b"}),
    "TimePlace": lambda model: model.model_validate({"from": "a.b"}),
    "ObjectPlace": lambda model: model.model_validate({"from": "a.b"}),
    "Path": lambda model: model.model_validate({"value": 5}),
    "Against": lambda model: model(weeks=8),
}
FULL: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "full_use_case.yaml").read_text(encoding="utf-8"))
SETTINGS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "full_settings.yaml").read_text(encoding="utf-8"))
