"""What linting says: criteria, grades, findings, and the form of a rule.

What belongs here: the words that rules and pages share. What does not: any rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Generic, Literal, TypeVar

from nsm_pipeline.linting.seen import Seen, UseCaseSeen
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.playbook.models import UseCase

Severity = Literal["error", "warning", "note"]
Grade = Literal["pass", "warn", "fail"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
CRITERIA = {
    "expresses_customer_value": "Expresses customer value",
    "represents_vision_and_strategy": "Represents vision and strategy",
    "leading_indicator": "Leading indicator",
    "actionable": "Actionable",
    "understandable": "Understandable",
    "measurable": "Measurable",
    "not_vanity": "Not vanity",
}


@dataclass(frozen=True)
class Whole:
    """All that is linted: a playbook, what the home has seen (None: declarations alone), and today."""

    playbook: Playbook
    seen: Seen | None
    today: date


@dataclass(frozen=True)
class Case:
    """One use case under lint; `seen` is None where no data is looked at."""

    use_case: UseCase
    attributes: dict[str, str]
    seen: UseCaseSeen | None
    today: date


@dataclass(frozen=True)
class Hit:
    """A place where a rule is broken: key path (of a home-wide rule: what it is about) and what was found."""

    path: str
    message: str
    criterion: str = ""


Subject = TypeVar("Subject", Case, Whole)


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """A rule: stable id, one severity, the criterion whose grade it lowers ("" for none), when it fires, what to do."""

    id: str
    severity: Severity
    criterion: str
    fires: str
    do: str
    find: Callable[[Subject], Iterator[Hit]]


@dataclass(frozen=True)
class Finding:
    """A rule's hit in a use case (None: in the home as a whole). `line` is None where the file does not tell."""

    rule: str
    severity: Severity
    criterion: str
    use_case: str | None
    path: str
    message: str
    do: str
    file: str | None = None
    line: int | None = None


def rule(
    id: str, severity: Severity, criterion: str = "", *, fires: str, do: str
) -> Callable[[Callable[[Subject], Iterator[Hit]]], Rule[Subject]]:
    """Makes a rule of the function that finds its hits."""
    return lambda find: Rule(id, severity, criterion, fires, do, find)


def shown(value: float, unit: str) -> str:
    """A threshold as a person writes it."""
    return f"{value * 100:.3g}%" if unit == "share" else f"{value:.10g}"
