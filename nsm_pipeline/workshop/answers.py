"""The grammar of an answers file: what a workshop settles, in the order in which it is talked about.

What belongs here: which answers there are and what each may hold. What does not: how a metric is counted (the
playbook's own grammar), making a playbook of them (`document`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.models import Dimension, Event, Owner, Property, Source
from nsm_pipeline.playbook.words import Model, Name, Names, Share

Game = Literal["attention", "transaction", "productivity"]


def _entries(value: Any) -> Any:
    """A mapping without the keys that somebody left empty: they stand for no answer."""
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if inner is not None}
    return {} if value is None else value


def _events(value: Any) -> Any:
    """Events; one of which only the name is said has nothing more to it."""
    return {name: inner or {} for name, inner in value.items()} if isinstance(value, dict) else value or {}


def _rows(value: Any) -> Any:
    """A list in which a row that nobody filled in is None: the others keep their place, by which errors name them."""
    return [None if _untouched(row) else row for row in value] if isinstance(value, list) else value or []


def _untouched(row: Any) -> bool:
    return row is None or (isinstance(row, dict) and all(row.get(key) is None for key in ("name", "title", "counted")))


def _words(value: Any) -> Any:
    """YAML takes a bare yes and no for something else than words."""
    return {None: "", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else value


Entries = BeforeValidator(_entries)
Rows = BeforeValidator(_rows)
Words = Annotated[str, BeforeValidator(_words)]


class Said(Model):
    """What the group says to one criterion, and its points: 0 no, 1 partly, 2 yes."""

    answer: Words = ""
    score: int | None = Field(default=None, ge=0, le=2)


def _said(value: Any) -> Any:
    """A bare text is an answer without points, a bare number points without an answer."""
    if isinstance(value, str):
        return {"answer": value}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"score": value}
    return {} if value is None else value


SaidWord = Annotated[Said, BeforeValidator(_said)]


class Scores(Model):
    expresses_customer_value: SaidWord = Said()
    represents_vision_and_strategy: SaidWord = Said()
    leading_indicator: SaidWord = Said()
    actionable: SaidWord = Said()
    understandable: SaidWord = Said()
    measurable: SaidWord = Said()
    not_vanity: SaidWord = Said()


class Candidate(Model):
    """A metric that might be the North Star. `counted` is needed only for the one that is chosen."""

    name: Name
    title: Words = ""
    counted: Metric | None = None
    scores: Scores = Scores()
    remark: Words = ""


class Counted(Model):
    """A metric with a role. In the playbook it stands under `metrics` with the name and the title."""

    name: Name
    title: Words = ""
    counted: Metric


class AnsweredInput(Counted):
    dimension: Dimension
    level: int = Field(default=1, ge=1, le=3)
    drives: Name | None = None
    relation: Literal["formula", "hypothesis"] = "hypothesis"
    owner: Words = ""


class AnsweredCounter(Counted):
    """`risk` answers: how could the North Star be gamed, or do harm?"""

    risk: str = Field(min_length=1)
    protects: Name | None = None
    better: Literal["higher", "lower"] = "lower"
    warn: Share | None = None
    breach: Share | None = None


class Outcome(Counted):
    """What the North Star should lead: it moves later."""


class AnsweredEvent(Event):
    """An event of the playbook; without `sources` it is sent under its own name."""

    sources: tuple[Source, ...] = ()
    properties: dict[Name, Property] = Field(default_factory=dict)


class Answers(Model):
    """What the group agreed. Rows that nobody filled in are None.

    `north_star` names a candidate; without it the one with the most points is taken."""

    use_case: Name
    title: str = Field(min_length=1)
    status: Literal["proposed", "agreed"] = "proposed"
    owner: Owner
    review_by: date | None = None
    game: Game | None = None
    vision: Words = ""
    value_moment: Words = ""
    events: Annotated[dict[Name, AnsweredEvent], BeforeValidator(_events)] = Field(default_factory=dict)
    activity: Names | None = None
    candidates: Annotated[tuple[Candidate | None, ...], Rows] = ()
    north_star: Name | None = None
    why: Words = ""
    growth_per_week: Share = 0.07
    metrics: Annotated[dict[Name, Metric], Entries] = Field(default_factory=dict)
    inputs: Annotated[tuple[AnsweredInput | None, ...], Rows] = ()
    without: Annotated[dict[Dimension, str], Entries] = Field(default_factory=dict)
    counter_metrics: Annotated[tuple[AnsweredCounter | None, ...], Rows] = ()
    outcomes: Annotated[tuple[Outcome | None, ...], Rows] = ()
    slices: Annotated[tuple[Name, ...], BeforeValidator(lambda value: value or [])] = ()

    @property
    def contenders(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate is not None]
