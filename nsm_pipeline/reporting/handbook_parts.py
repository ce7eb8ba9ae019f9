"""The handbook as parts and facts: the one form that is written as Markdown and HTML, and compared.

What belongs here: parts, and how any model of the playbook becomes one, key by key, so that no key is ever left out.
What does not: the order of a page and what is added to it in words (`handbook`), writing (`handbook_markdown`,
`handbook_html`), comparing (`handbook_changes`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel

from nsm_pipeline.playbook.adoption import Bound
from nsm_pipeline.playbook.literals import spelled
from nsm_pipeline.playbook.metric_models import Metric, Step
from nsm_pipeline.playbook.models import Against, Annotation, Gate, PropertyMapping
from nsm_pipeline.playbook.words import Having, Window, Within

Form = Literal["text", "prose", "code"]
# Keys whose numbers are shares, however they are written in the file.
SHARES = {
    "growth_per_week", "q", "quarantined", "duplicate", "late", "unmapped", "missing", "invalid", "copies_bias",
    "volume_low", "tolerance",
}  # fmt: skip
# Keys whose text a person wrote to be read; Markdown's emphasis, code and links count in it.
PROSE = {"vision", "value_moment", "description", "risk", "text", "call_to_action"}
CODE = {"where", "formula", "of", "count", "memory_limit", "temp_directory"}
LABELS = {"start": "from", "shown_as": "as", "source": "from"}


@dataclass(frozen=True)
class Fact:
    """One line: a key as the playbook spells it, its label, what it says. `anchor`: the part of the page that it is
    about; `url`: where to read more; `follows`: it says in words what other keys decide, and is not compared."""

    key: str
    label: str
    value: str
    form: Form = "text"
    anchor: str = ""
    url: str = ""
    follows: bool = False


@dataclass(frozen=True)
class Line:
    """A line of an outline: how deep it is indented, what it says, the part of the page that it is about."""

    depth: int
    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Part:
    """A heading with facts and further parts. `note`: what the part is; `code`: SQL, and `outline`: a nested list, that
    follow from the facts of other parts."""

    key: str
    title: str
    facts: tuple[Fact, ...] = ()
    parts: tuple[Part, ...] = ()
    note: str = ""
    code: str = ""
    outline: tuple[Line, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.facts or self.parts or self.code or self.outline)


def label_of(key: str) -> str:
    """A key as a label: 'value_moment' is 'Value moment'."""
    return LABELS.get(key, key).replace("_", " ").capitalize()


def part_of(key: str, title: str, model: BaseModel, skip: Iterable[str] = (), note: str = "") -> Part:
    """A model, key by key: what holds one value as a fact, what holds more as a part of its own. Keys that say nothing
    (none, no text, no, an empty list) are left out; `skip` are told elsewhere."""
    facts: list[Fact] = []
    parts: list[Part] = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        # Of a metric's many keys each kind takes a few: what stands at its default says nothing about the others.
        if name in skip or (isinstance(model, Metric) and value == field.default):
            continue
        found = said(field.alias or name, value, name)
        if isinstance(found, Fact):
            facts.append(found)
        elif found is not None:
            parts.append(found)
    return Part(key, title, tuple(facts), tuple(parts), note)


def said(key: str, value: object, name: str = "") -> Fact | Part | None:
    """A key's value as a fact or a part; None where it says nothing."""
    name = name or key
    if isinstance(value, BaseModel):
        short = spelled_short(value)
        return Fact(key, label_of(name), short, "code") if short else part_of(key, label_of(name), value)
    if isinstance(value, Mapping):
        return _of_mapping(key, name, value)
    if isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        return Part(key, label_of(name), parts=tuple(_items(value)))
    if isinstance(value, tuple):
        # Numbers, texts and yes-or-no told apart: 1, '1' and TRUE are three values that mean missing.
        text = ", ".join(one if name in ("of", "count", "slices", "same", "outcomes") else _value(one) for one in value)
        return Fact(key, label_of(name), text, "code") if value else None
    if value is None or value is False or value == "":
        return None
    return Fact(key, label_of(name), scalar(value, name), _form(name))


def _of_mapping(key: str, name: str, value: Mapping[str, Any]) -> Fact | Part | None:
    if not value:
        return None
    if key == "arguments":
        return Fact(key, label_of(name), json.dumps(value, sort_keys=True, default=str), "code")
    found = [(one, said(str(one), item)) for one, item in value.items()]
    facts = tuple(replace(fact, label=str(one)) for one, fact in found if isinstance(fact, Fact))
    parts = tuple(replace(part, title=str(one)) for one, part in found if isinstance(part, Part))
    return Part(key, label_of(name), facts, parts)


def _items(models: Iterable[BaseModel]) -> Iterator[Part]:
    """The items of a list, each under what names it; of a name that stands twice, counted."""
    seen: Counter[str] = Counter()
    for model in models:
        name, skip = _named(model)
        seen[name] += 1
        key = name if seen[name] == 1 else f"{name} ({seen[name]})"
        yield part_of(key, key, model, skip)


def _named(model: BaseModel) -> tuple[str, tuple[str, ...]]:
    """What names an item of a list, and the keys that are said by that."""
    if isinstance(model, Gate):
        about = f"{model.table}{f' of {model.metric}' if model.metric else ''}"
        return f"{model.expectation} on {about}", ("table", "metric", "expectation")
    if isinstance(model, Annotation):
        return str(model.week), ("week",)
    name = next(one for one in ("metric", "name", "title") if one in type(model).model_fields)
    return str(getattr(model, name)), (name,)


def scalar(value: object, name: str = "") -> str:
    """A single value, exactly: two values that differ are told differently."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return exact_share(value) if name in SHARES else exact(value)
    return str(value)


def exact(value: float) -> str:
    """A number with all its digits: 1000000, 0.25."""
    return f"{value:.17g}" if float(f"{value:.15g}") != value else f"{value:.15g}"


def exact_share(value: float) -> str:
    """A share as a percentage with all its digits: 7 %."""
    return f"{exact(round(value * 100, 13))} %"


def _form(name: str) -> Form:
    return "prose" if name in PROSE else "code" if name in CODE else "text"


def _value(value: Any) -> str:
    return spelled(value) if isinstance(value, str | int | float | bool) else str(value)


def spelled_short(model: BaseModel) -> str:
    """The small models of the language in one line, as they are written; '' for any other."""
    write = SHORT.get(type(model))
    return write(model) if write else ""


def _window(window: Window) -> str:
    weeks, rest = divmod(window.days, 7)
    return many(window.days, "day") if rest else many(weeks, "week")


def _within(within: Within) -> str:
    days, rest = divmod(within.hours, 24)
    return many(within.hours, "hour") if rest else many(days, "day")


def _step(step: Step) -> str:
    return " or ".join(step.events) + (f" where {step.where}" if step.where else "")


def _mapping(mapping: PropertyMapping) -> str:
    factors = [("÷", mapping.divide_by), ("×", mapping.multiply_by)]
    return _value(mapping.source) + "".join(f" {sign} {exact(by)}" for sign, by in factors if by is not None)


def many(count: int, what: str) -> str:
    """'1 week', '4 weeks'."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


SHORT: dict[type[BaseModel], Callable[[Any], str]] = {
    Window: _window,
    Within: _within,
    Having: str,
    Bound: str,
    Against: lambda against: f"median of {many(against.weeks, 'week')}",
    Step: _step,
    PropertyMapping: _mapping,
}
