"""How a metric is counted, asked step by step: kind, events, entity, filter, window.

What belongs here: the guided choice of one metric. What does not: the other questions (`interview`), the grammar that
the answers end in (`playbook`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nsm_pipeline.cli.dialogue import Dialogue
from nsm_pipeline.errors import nearest
from nsm_pipeline.playbook.filters import parse
from nsm_pipeline.playbook.formulas import operands, parse_formula
from nsm_pipeline.playbook.metric_checking import ENTITIES, IDS, NUMBERS
from nsm_pipeline.playbook.metric_models import CREATED
from nsm_pipeline.playbook.words import NAME, RESERVED, HavingWord, PropertyType, WindowWord, WithinWord

KINDS = {
    "count": "how often it happened",
    "count_distinct": "how many different accounts or users did it",
    "count_entities": "how many accounts or users did it more than so much, as in: more than 3 users",
    "sum": "a number added up, as in: amount of all orders",
    "average": "a number's mean",
    "median": "a number's middle: half are below it",
    "ratio": "one count divided by another",
    "conversion": "of those who did one thing, the share who then did another",
    "retention": "of those who did it some weeks ago, the share who do it again",
    "formula": "arithmetic over metrics that are there already",
}
TYPES = ("string", "integer", "number", "boolean")
Words = dict[str, Any]


@dataclass
class Desk:
    """What the questions have brought so far: events and metrics in the playbook's words, and account attributes.

    `offered`: events that landed data shows and nobody has taken yet.
    """

    attributes: Mapping[str, str]
    events: dict[str, Words] = field(default_factory=dict)
    metrics: dict[str, Words] = field(default_factory=dict)
    offered: dict[str, Words] = field(default_factory=dict)

    def shared(self, events: list[str]) -> dict[str, str]:
        """Properties with their types that all of some events have."""
        each = [self.events[name].get("properties", {}) for name in events]
        return {name: declared["type"] for name, declared in each[0].items() if all(name in other for other in each)}


def counted(dialogue: Dialogue, desk: Desk, what: str) -> Words:
    """A metric in the playbook's words."""
    dialogue.say(f"\nHow is [bold]{what}[/] counted?")
    kinds = {name: meaning for name, meaning in KINDS.items() if name != "formula" or desk.metrics}
    kind = dialogue.choice("Kind", kinds)
    match kind:
        case "ratio":
            return {"ratio": {side: _side(dialogue, desk, side) for side in ("numerator", "denominator")}}
        case "formula":
            dialogue.say(f"  Metrics so far: {', '.join(desk.metrics)}")
            return {"formula": dialogue.ask("Formula, as in a / b", lambda text: _formula(text, desk))}
        case "conversion":
            return _conversion(dialogue, desk)
    return _over_events(dialogue, desk, kind)


def _over_events(dialogue: Dialogue, desk: Desk, kind: str) -> Words:
    events = events_asked(dialogue, desk, "Which event (several: separated by commas)")
    properties = desk.shared(events)
    of = events[0] if len(events) == 1 else events
    if kind == "count":
        words: Words = {"count": of}
    elif kind in ("sum", "average", "median"):
        words = {kind: _number(dialogue, desk, events, kind), "of": of}
        properties = desk.shared(events)
    elif kind == "count_distinct":
        names = {"account": "", "user": "", **dict.fromkeys(properties, "a property's different values")}
        words = {kind: dialogue.choice("Of what", names, "account"), "of": of}
    else:
        words = {kind: dialogue.choice("Of what", dict.fromkeys(ENTITIES, ""), "account"), "of": of}
    if kind == "count_entities":
        question = "Threshold, as in: > 3, >= 40 per seat, distinct user > 3"
        words["having"] = dialogue.ask(question, lambda text: _having(text, properties, desk, words[kind]))
    if kind == "retention":
        words["weeks"] = dialogue.ask("After how many weeks", _weeks, "1")
    words |= _filter(dialogue, desk, properties)
    if kind != "retention":
        window = dialogue.ask("Over which time, as in 4 weeks", _word(WindowWord, "window"), "1 week")
        words |= {} if window == "1 week" else {"window": window}
    return words


def _side(dialogue: Dialogue, desk: Desk, side: str) -> Words | str:
    dialogue.say(f"[dim]The {side}:[/]")
    simple = ("ratio", "formula", "conversion", "retention", "average", "median")
    known = {name: "a metric named before" for name, words in desk.metrics.items() if not set(words) & set(simple)}
    kinds = {name: KINDS[name] for name in ("count", "count_distinct", "count_entities", "sum")}
    kind = dialogue.choice(f"{side.capitalize()}: kind, or a metric", {**kinds, **known})
    return kind if kind in known else _over_events(dialogue, desk, kind)


def _conversion(dialogue: Dialogue, desk: Desk) -> Words:
    words: Words = {"conversion": dialogue.choice("Of what", dict.fromkeys(ENTITIES, ""), "account")}
    first = events_asked(dialogue, desk, "Which event begins it")
    then = events_asked(dialogue, desk, "Which event should follow")
    words |= {"from": first if len(first) > 1 else first[0], "to": then if len(then) > 1 else then[0]}
    words["within"] = dialogue.ask("Within which time, as in 7 days", _word(WithinWord, "time"), "7 days")
    properties = desk.shared(first + then)
    return words | _filter(dialogue, desk, properties)


def events_asked(dialogue: Dialogue, desk: Desk, question: str) -> list[str]:
    """One or more events, of those that are there or named now."""
    known = [*desk.events, *(name for name in desk.offered if name not in desk.events)]
    for number, name in enumerate(known, start=1):
        dialogue.say(f"  [dim]{number:>2}[/] {name}")

    def read(text: str) -> list[str]:
        names = [part.strip() for part in text.split(",") if part.strip()]
        if not names:
            raise ValueError("An event is needed: a number of the list, or a new name.")
        found = []
        for name in names:
            if name.isascii() and name.isdigit():
                if not 1 <= int(name) <= len(known):
                    raise ValueError(f"Found '{name}'; the list goes from 1 to {len(known)}, or name a new event.")
                name = known[int(name) - 1]
            elif not NAME.fullmatch(name) or name == CREATED:
                raise ValueError(
                    f"Found '{name}'; an event's name is lower-case letters, digits and _. {nearest(name, known)}"
                )
            found.append(name)
        return list(dict.fromkeys(found))

    events = dialogue.ask(f"{question}; or a new name", read)
    for name in events:
        if name not in desk.events:
            desk.events[name] = desk.offered[name] if name in desk.offered else _new_event(dialogue, desk, name)
    return events


def _new_event(dialogue: Dialogue, desk: Desk, name: str) -> Words:
    dialogue.say(f"  [dim]'{name}' is new.[/]")
    sent = dialogue.ask(f"Under which name is '{name}' sent", _needed, name)
    properties = dialogue.ask(
        "Its properties with their types, as in: status: string, amount: number (nothing: none)",
        lambda text: _properties(text, desk),
    )
    words: Words = {"properties": {key: {"type": kind} for key, kind in properties.items()}} if properties else {}
    return {**words, "sources": [{"name": sent}]}


def _needed(text: str) -> str:
    if not text:
        raise ValueError("A name is needed here.")
    return text


def _properties(text: str, desk: Desk) -> dict[str, PropertyType]:
    known = {
        name: declared["type"]
        for words in desk.events.values()
        for name, declared in words.get("properties", {}).items()
    }
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, kind = (word.strip() for word in part.partition(":"))
        kind = kind or known.get(name, "string")
        if not NAME.fullmatch(name):
            raise ValueError(f"Found '{name}'; a property's name is lower-case letters, digits and _.")
        if name in RESERVED or name in desk.attributes:
            raise ValueError(f"Found '{name}', which is taken: every event has it already.")
        if kind not in TYPES:
            raise ValueError(f"Found '{kind}' for '{name}'; {nearest(kind, TYPES)}")
        if known.get(name, kind) != kind:
            raise ValueError(f"'{name}' is {known[name]} in another event; one name has one type.")
        found[name] = kind
    return found


def _number(dialogue: Dialogue, desk: Desk, events: list[str], kind: str) -> str:
    """A numeric property, of those that the events have or named now."""
    known = [name for name, type_ in desk.shared(events).items() if type_ in NUMBERS]
    taken = {name for words in desk.events.values() for name in words.get("properties", {})}
    for number, name in enumerate(known, start=1):
        dialogue.say(f"  [dim]{number:>2}[/] {name}")

    def read(text: str) -> str:
        if text.isascii() and text.isdigit() and 1 <= int(text) <= len(known):
            return known[int(text) - 1]
        if text in known:
            return text
        if not NAME.fullmatch(text) or text in taken or text in RESERVED or text in desk.attributes:
            raise ValueError(f"Found '{text}'; a {kind} needs a number. {nearest(text, known)} Or name a new property.")
        return text

    name = dialogue.ask("Which number; or a new property's name", read)
    for event in events:
        properties = desk.events[event].setdefault("properties", {})
        properties.setdefault(name, {"type": "number"})
    return name


def _filter(dialogue: Dialogue, desk: Desk, properties: Mapping[str, str]) -> Words:
    columns = {**desk.attributes, **IDS, "is_internal": "boolean", **properties}

    def read(text: str) -> str:
        if text:
            parse(text, columns)
        return text

    dialogue.say(f"  [dim]A filter may use: {', '.join([*properties, *desk.attributes])}[/]")
    where = dialogue.ask("Only where, as in: status = 'paid' (nothing: all)", read)
    return {"where": where} if where else {}


def _having(text: str, properties: Mapping[str, str], desk: Desk, entity: str) -> str:
    _word(HavingWord, "threshold")(text)
    having = TypeAdapter(HavingWord).validate_python(text)
    numeric = [name for name, kind in properties.items() if kind in NUMBERS]
    accepted = {"sum": numeric, "distinct": [*ENTITIES, *properties], "count": [""]}[having.how]
    if having.column not in accepted:
        raise ValueError(f"Found '{having.column}'; {nearest(having.column, accepted)}")
    if having.per and entity != "account":
        raise ValueError(f"Found 'per {having.per}', which only accounts have.")
    per = [name for name, kind in desk.attributes.items() if kind in NUMBERS]
    if having.per and having.per not in per:
        raise ValueError(f"Found '{having.per}'; {nearest(having.per, per)}")
    return text


def _formula(text: str, desk: Desk) -> str:
    names = operands(parse_formula(text))
    if not names:
        raise ValueError(f"Found '{text}', which names no metric.")
    for name in names:
        if name not in desk.metrics:
            raise ValueError(f"Found '{name}'; {nearest(name, desk.metrics)}")
    return text


def _weeks(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 52):
        raise ValueError(f"Found '{text}'; a number of weeks from 1 to 52 is needed.")
    return int(text)


def _word(word: Any, what: str) -> Callable[[str], str]:
    """Reads one of the playbook's small words and leaves it as it was typed."""

    def read(text: str) -> str:
        try:
            TypeAdapter(word).validate_python(text)
        except ValidationError as error:
            said = error.errors()[0]
            raise ValueError(str(said.get("ctx", {}).get("error", f"Found '{text}', which is no {what}."))) from None
        return text

    return read
