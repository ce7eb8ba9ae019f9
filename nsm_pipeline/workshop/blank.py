"""The empty answers file: what a facilitator prints for a workshop, and fills in while the group talks.

What belongs here: the questions in words, in the order of a workshop. What does not: the grammar (`answers`).
"""

from __future__ import annotations

from typing import Any

from nsm_pipeline.workshop.checklist import CRITERIA
from nsm_pipeline.workshop.proposing import Proposals
from nsm_pipeline.workshop.spelling import spelled_event
from nsm_pipeline.workshop.yaml_text import Noted, yaml_text

GAMES = {
    "attention": "customers spend as much time with us as they like to",
    "transaction": "customers make as many purchases or bookings as they can",
    "productivity": "customers get their work done, well and quickly",
}
DIMENSIONS = {
    "breadth": "How many customers take part?",
    "depth": "How far do they go when they do?",
    "frequency": "How often do they come back?",
    "efficiency": "How quickly and easily do they get there?",
}
HEAD = (
    "Answers of a North Star workshop. Print this file, or fill it in while the group talks. Then",
    "  nsm init --answers THIS_FILE",
    "makes a playbook of it. What stays empty is left out; needed are use_case, title, the owner's name, the events",
    "that are counted, and one candidate with `counted`. Copy a block that begins with - for each further one.",
    "How metrics are counted: docs/playbook.md, Metric kinds. More about this file: docs/workshop.md.",
)
COUNTED = "How it is counted, as in {count_distinct: account, of: order_placed, where: \"status = 'paid'\"}"
EVENTS = (
    "",
    "What customers do that is (or will be) sent to us, with what is known about it, such as",
    "  order_placed: {properties: {amount: {type: number}, status: {type: string, one_of: [paid, open]}}}",
    "`sources: [{name: Order Placed}]` where it is sent under another name.",
)


def blank_text(proposed: Proposals | None = None) -> str:
    """Text of an answers file without answers; with the events that landed data shows, where there is some."""
    return yaml_text(_questions(proposed), HEAD)


def _questions(proposed: Proposals | None) -> dict[str, Any]:
    games = [f"  {name}: {text}" for name, text in GAMES.items()]
    return {
        "use_case": Noted(None, ("", "The use case in one lower-case word, as in: ci")),
        "title": Noted(None, ("And as people call it, as in: Continuous Integration",)),
        "status": Noted("proposed", ("proposed: computed, never certified. agreed: the group stands by it.",)),
        "owner": Noted({"name": Noted(None, ("Who answers for the definition",)), "contact": None}, below=True),
        "review_by": Noted(None, ("Until when it is looked at again, YYYY-MM-DD",)),
        "game": Noted(None, ("", "Which game is it?", *games)),
        "vision": Noted(None, ("What is true for customers when we have succeeded?",)),
        "value_moment": Noted(None, ("In which moment does a customer get the value?",)),
        "events": _events(proposed),
        "candidates": Noted(
            [_candidate()], ("", "What could the North Star be? Several; score each: 0 no, 1 partly, 2 yes.")
        ),
        "north_star": Noted(None, ("The name of the candidate that was chosen; empty: the one with the most points",)),
        "why": Noted(None, ("Why this one",)),
        "growth_per_week": Noted("7%", ("By how much it should grow in a week",)),
        "inputs": Noted(
            [_input(name, question) for name, question in DIMENSIONS.items()],
            ("", "What moves the North Star, and who works on it? One or more in each dimension."),
        ),
        "without": Noted(dict.fromkeys(DIMENSIONS), ("Where there is no input: why not?",), below=True),
        "counter_metrics": Noted(
            [_counter()], ("", "How could the North Star be gamed, or do harm? What would show it?")
        ),
        "outcomes": Noted(
            [Noted({"name": None, "title": None, "counted": None}, below=True)],
            ("", "What should follow from it later: renewals, revenue, …"),
        ),
        "slices": Noted([], ("", "By which account attributes is it looked at? As in [plan, segment]")),
    }


def _events(proposed: Proposals | None) -> Noted:
    if proposed is None:
        return Noted(None, EVENTS)
    notes = proposed.notes([one.name for one in proposed.events])
    events: dict[str, Any] = {}
    for one in proposed.events:
        words = spelled_event(one.name, one.event)
        if "properties" in words:
            lines = {key: notes.get(f"events.{one.name}.properties.{key}", ("",)) for key in words["properties"]}
            words["properties"] = {
                key: Noted(value, lines[key][1:], lines[key][0]) for key, value in words["properties"].items()
            }
        events[one.name] = Noted(words, notes.get(f"events.{one.name}", ()))
    return Noted(events, ("", "What has landed, as the data shows it. Take out what does not belong."), below=True)


def _candidate() -> Noted:
    scores = {
        name: Noted({"answer": None, "score": None}, (question,), below=True) for name, question in CRITERIA.items()
    }
    words = {
        "name": None,
        "title": None,
        "counted": Noted(None, (COUNTED,)),
        "scores": Noted(scores, below=True),
        "remark": Noted(None, ("What else was said for or against it",)),
    }
    return Noted(words, below=True)


def _input(dimension: str, question: str) -> Noted:
    words = {
        "name": None,
        "title": None,
        "counted": None,
        "dimension": Noted(dimension, beside=question),
        "owner": None,
    }
    return Noted(words, below=True)


def _counter() -> Noted:
    words = {
        "name": None,
        "title": None,
        "counted": None,
        "risk": Noted(None, beside="How could it be gamed?"),
        "better": "lower",
        "warn": Noted(None, beside="From where on it worries us, as in 3%"),
        "breach": Noted(None, beside="Where it is too much, as in 5%"),
    }
    return Noted(words, below=True)
