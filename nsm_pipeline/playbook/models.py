"""The grammar of a use case as pydantic models: shape and single-field rules.

What belongs here: what a key may hold. What does not: metrics (`metric_models`), settings (`settings`), rules between
keys (`checking`). Unknown keys are refused everywhere.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.words import Model, Name, Names, PropertyType, Scalar, Share

Dimension = Literal["breadth", "depth", "frequency", "efficiency"]


class Owner(Model):
    name: str
    contact: str | None = None


class Property(Model):
    """A declared property of a canonical event; `missing` lists values that mean "not measured"."""

    type: PropertyType
    description: str = ""
    unit: str | None = None
    one_of: tuple[Scalar, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    missing: tuple[Scalar, ...] = ()
    required: bool = False


class PropertyMapping(Model):
    """How a source writes a property: another name, and a factor between its unit and the canonical one."""

    source: str = Field(alias="from", min_length=1)
    divide_by: float | None = Field(default=None, gt=0)
    multiply_by: float | None = Field(default=None, gt=0)


def _mapping(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


class Source(Model):
    """One way an event has been sent: name as sent, from when (inclusive) until when (exclusive)."""

    name: str = Field(min_length=1)
    since: date | None = None
    until: date | None = None
    preferred: bool = False
    properties: dict[Name, Annotated[PropertyMapping, BeforeValidator(_mapping)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ordered(self) -> Source:
        if self.since and self.until and self.since >= self.until:
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self


class Event(Model):
    """A canonical event: what metrics know. `same` names the properties that identify one fact sent twice."""

    description: str = ""
    properties: dict[Name, Property] = Field(default_factory=dict)
    sources: tuple[Source, ...] = Field(min_length=1)
    same: tuple[str, ...] = ()


class Target(Model):
    growth_per_week: Share = 0.07


class NorthStar(Model):
    metric: Name
    target: Target = Target()


class Work(Model):
    title: str
    url: str | None = None
    since: date | None = None


class Input(Model):
    metric: Name
    dimension: Dimension
    level: int = Field(default=1, ge=1, le=3)
    drives: Name | None = None
    relation: Literal["formula", "hypothesis"] = "hypothesis"
    owner: str = ""
    work: tuple[Work, ...] = ()


class CounterMetric(Model):
    metric: Name
    protects: Name
    risk: str
    better: Literal["higher", "lower"] = "lower"
    warn: Share | None = None
    breach: Share | None = None


class Tolerances(Model):
    """What the built-in gates accept. Shares are of a week's rows; volume is against the trailing median of
    8 complete weeks, which a week is held to once 4 of them exist."""

    quarantined: Share = Field(default=0.02, ge=0, le=1)
    duplicate: Share = Field(default=0.10, ge=0, le=1)
    late: Share = Field(default=0.50, ge=0, le=1)
    unmapped: Share = Field(default=0.05, ge=0, le=1)
    missing: Share = Field(default=0.02, ge=0, le=1)
    invalid: Share = Field(default=0.02, ge=0, le=1)
    volume_low: Share = Field(default=0.5, ge=0)
    volume_high: Share = Field(default=3.0, gt=0)


class Gate(Model):
    """A declared gate: a table, optionally one metric, and one Great Expectations expectation with its arguments."""

    table: Literal["north_star", "inputs", "counter_metrics", "growth", "week"]
    metric: Name | None = None
    severity: Literal["critical", "warning"] = "critical"
    expectation: str
    arguments: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "expectation" in value:
            return value
        names = [key for key in value if str(key).startswith("expect_")]
        if len(names) != 1:
            raise ValueError("a gate names exactly one expectation, as `expect_…: {column: …}`")
        rest = {key: item for key, item in value.items() if key != names[0]}
        return {**rest, "expectation": names[0], "arguments": value[names[0]] or {}}


class Annotation(Model):
    week: date
    text: str


class Activity(Model):
    """What makes an account active in a week: an event of these that passes the filter."""

    of: Names | None = None
    where: str | None = None


def _activity(value: object) -> object:
    return {"of": value} if isinstance(value, str | list) else value or {}


class Checklist(Model):
    """The seven criteria of a good North Star, each with the group's answer."""

    expresses_customer_value: str = ""
    represents_vision_and_strategy: str = ""
    leading_indicator: str = ""
    actionable: str = ""
    understandable: str = ""
    measurable: str = ""
    not_vanity: str = ""


class UseCase(Model):
    use_case: Name
    title: str
    status: Literal["proposed", "agreed", "deprecated"] = "agreed"
    owner: Owner
    review_by: date | None = None
    game: Literal["attention", "transaction", "productivity"] | None = None
    vision: str = ""
    value_moment: str = ""
    events: dict[Name, Event] = Field(min_length=1)
    activity: Annotated[Activity, BeforeValidator(_activity)] = Activity()
    metrics: dict[Name, Metric] = Field(min_length=1)
    north_star: NorthStar
    inputs: tuple[Input, ...] = ()
    counter_metrics: tuple[CounterMetric, ...] = ()
    slices: tuple[Name, ...] = ()
    tolerances: Tolerances = Tolerances()
    gates: tuple[Gate, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    checklist: Checklist = Checklist()
    outcomes: tuple[Name, ...] = ()
    formula: str | None = None
    without: dict[Dimension, str] = Field(default_factory=dict)

    @property
    def active_events(self) -> tuple[str, ...]:
        """Events that make an account active: those declared, else all of the use case."""
        return self.activity.of or tuple(self.events)

    @property
    def growth_target(self) -> float:
        return self.north_star.target.growth_per_week
