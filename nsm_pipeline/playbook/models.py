"""The grammar of a use case as pydantic models: shape and single-field rules.

What belongs here: what a key may hold. What does not: metrics (`metric_models`), settings (`settings`), rules between
keys (`checking`). Unknown keys are refused everywhere.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from nsm_pipeline.playbook.adoption import Adoption
from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.words import Model, Name, Names, PropertyType, Scalar, Share, spelled

AGAINST = re.compile(r"\s*median of (\d{1,3}) weeks\s*")
Dimension = Literal["breadth", "depth", "frequency", "efficiency"]
Role = Literal["north_star", "inputs", "counter_metrics", "outcomes"]
ROLES: tuple[Role, ...] = ("north_star", "inputs", "counter_metrics", "outcomes")
"""What a metric can be in a use case; each is a weekly table and a table of the extract."""


class Owner(Model):
    name: str
    """Who answers for it: a group or a person."""
    contact: str | None = None
    """Where to reach them, such as a channel."""


class Property(Model):
    """A declared property of a canonical event; `missing` lists values that mean "not measured"."""

    type: PropertyType
    """What its values are."""
    description: str = ""
    """What it says, in one sentence."""
    unit: str | None = None
    """What a number is measured in, such as s or EUR."""
    one_of: tuple[Scalar, ...] | None = None
    """Values that are accepted; another one counts as invalid."""
    minimum: float | None = None
    """The smallest valid value."""
    maximum: float | None = None
    """The largest valid value."""
    missing: tuple[Scalar, ...] = ()
    """Values that mean "not measured", such as -1."""
    required: bool = False
    """Whether every event must have it."""


class PropertyMapping(Model):
    """How a source writes a property: another name, and a factor between its unit and the canonical one."""

    source: str = Field(alias="from", min_length=1)
    """The name as sent."""
    divide_by: float | None = Field(default=None, gt=0)
    """What the sent number is divided by, such as 1000 for ms to s."""
    multiply_by: float | None = Field(default=None, gt=0)
    """What the sent number is multiplied by."""


def _mapping(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


MappingWord = Annotated[
    PropertyMapping,
    BeforeValidator(_mapping, json_schema_input_type=Annotated[str, Field(min_length=1)] | PropertyMapping),
]


class Source(Model):
    """One way an event has been sent: name as sent, from when (inclusive) until when (exclusive)."""

    name: str = Field(min_length=1)
    """The event name as sent."""
    since: date | None = None
    """The first day on which this name means the event."""
    until: date | None = None
    """The first day on which it no longer does."""
    preferred: bool = False
    """Whether its copy wins while two sources send the same fact."""
    properties: dict[Name, MappingWord] = Field(default_factory=dict)
    """How the source spells properties: canonical name to name as sent, or to name and factor."""

    @model_validator(mode="after")
    def _ordered(self) -> Source:
        if self.since and self.until and self.since >= self.until:
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self


class Event(Model):
    """A canonical event: what metrics know. `same` names the properties that identify one fact sent twice."""

    description: str = ""
    """What has happened when it is sent."""
    properties: dict[Name, Property] = Field(default_factory=dict)
    """Properties that metrics and filters may use, by name."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """How it has been sent over time."""
    same: tuple[str, ...] = ()
    """What identifies one fact that two sources send: account_id, user_id, properties.<name>."""


class Path(Model):
    """Where a metric should be in every week: a level, or a way from its value in one week to another by a day."""

    value: Share | None = None
    """Where it should be."""
    by: date | None = None
    """The day by which it should be there; without it, in every week."""
    since: date | None = None
    """The day in whose week the path begins, at the value of that week; without it, the first published week."""
    path: Literal["linear", "compound"] = "linear"
    """Whether it goes there by equal steps, or by equal growth."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Path:
        if self.by is not None and self.value is None:
            raise ValueError(f"by: {self.by} needs 'value', which should be reached by then")
        if self.by is not None and self.since is not None and self.since >= self.by:
            raise ValueError(f"since {self.since} is not before by {self.by}")
        if self.path == "compound" and self.value is not None and self.value <= 0:
            raise ValueError(f"path: compound grows by a factor and never reaches {self.value:g}; write path: linear")
        return self


class Target(Path):
    """As a path; without a value, growth_per_week compounds from `since`, or from each week to the next."""

    growth_per_week: Share = 0.07
    """The habit: growth aimed at, per week."""


class NorthStar(Model):
    metric: Name
    """The metric that is the North Star."""
    target: Target = Target()
    """What is aimed at."""
    goals_by: Literal["activity", "creation"] = "activity"
    """What makes an account new or retained in the goals: its first active week, or when it was created."""


class Work(Model):
    title: str
    """What is being done."""
    url: str | None = None
    """Where to read more."""
    since: date | None = None
    """The day on which it started."""


class Input(Model):
    metric: Name
    """The metric that is the input."""
    dimension: Dimension
    """Breadth (how many), depth (how much), frequency (how often) or efficiency (how well)."""
    level: int = Field(default=1, ge=1, le=3)
    """1 drives the North Star itself, 2 an input of level 1, 3 one of level 2."""
    drives: Name | None = None
    """The metric that it moves."""
    relation: Literal["formula", "hypothesis"] = "hypothesis"
    """Whether it moves it by arithmetic or as a belief yet to be shown."""
    owner: str = ""
    """The team that moves it."""
    target: Path | None = None
    """Where it should be; without it, it is held to its own trailing median."""
    work: tuple[Work, ...] = ()
    """What the team does to move it."""

    @model_validator(mode="after")
    def _target_leads_somewhere(self) -> Input:
        if self.target is not None and self.target.value is None:
            raise ValueError(
                "an input's target needs 'value', where it should be; only the North Star's can do without"
            )
        return self


class Against(Model):
    """A trailing median: over the complete weeks before the one that is judged."""

    weeks: int = Field(default=8, ge=2, le=104)
    """How many weeks."""


def _against(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = AGAINST.fullmatch(value)
    if match is None:
        raise ValueError(f"found '{value}'; it is written as 'median of 8 weeks'")
    return {"weeks": int(match[1])}


AgainstWord = Annotated[
    Against, BeforeValidator(_against, json_schema_input_type=spelled(AGAINST, "median of 8 weeks"))
]


class CounterMetric(Model):
    metric: Name
    """The metric that is watched."""
    protects: Name
    """The metric that could be bought at its expense."""
    risk: str
    """How that could be gamed, in one sentence."""
    better: Literal["higher", "lower"] | None = None
    """Which direction is good, where the metric itself does not say so."""
    warn: Share | None = None
    """From here on it is worth a look: a value, or with `against` a share by which it may get worse."""
    breach: Share | None = None
    """From here on it is broken, likewise."""
    against: AgainstWord | None = None
    """What warn and breach are shares of, such as median of 8 weeks; without it they are values. Where neither of
    them is given, 3 % and 5 % against the median of 8 weeks."""


class Tolerances(Model):
    """What the built-in gates accept. Shares are of a week's rows; volume is against the trailing median of
    8 complete weeks, which a week is held to once 4 of them exist."""

    quarantined: Share = Field(default=0.02, ge=0, le=1)
    """Share of rows that could not be read."""
    duplicate: Share = Field(default=0.10, ge=0, le=1)
    """Share of rows that were copies."""
    late: Share = Field(default=0.50, ge=0, le=1)
    """Share of rows received later than late_after_days."""
    unmapped: Share = Field(default=0.05, ge=0, le=1)
    """Share of rows whose name no use case knows."""
    missing: Share = Field(default=0.02, ge=0, le=1)
    """Share of events without a required property."""
    invalid: Share = Field(default=0.02, ge=0, le=1)
    """Share of values outside what a property accepts."""
    copies_bias: Share = Field(default=0.05, ge=0)
    """How far the copies of a dual run may be apart, as a share, over the accounts that sent both: in events, and in
    facts that only one of them has. Less than the growth aimed at per week, so that no change of instrumentation
    passes for growth; judged from 100 events on, as fewer lost ones than five would decide."""
    volume_low: Share = Field(default=0.5, ge=0)
    """The least share of the usual volume."""
    volume_high: Share = Field(default=3.0, gt=0)
    """The most times the usual volume."""


class Gate(Model):
    """A declared gate: a table, optionally one metric, and one Great Expectations expectation with its arguments."""

    table: Literal["north_star", "inputs", "counter_metrics", "outcomes", "growth", "week"]
    """The table whose rows are held to it."""
    metric: Name | None = None
    """Only this metric's rows."""
    severity: Literal["critical", "warning"] = "critical"
    """critical withholds a week, warning is noted."""
    expectation: str
    """The name of the expectation, which is the key itself in a file."""
    arguments: dict[str, Any]
    """Its arguments, which stand below that key in a file."""

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        names = [key for key in value if str(key).startswith("expect_")]
        if len(names) != 1 or {"expectation", "arguments"} & value.keys():
            raise ValueError("a gate names exactly one expectation, as `expect_…: {column: …}`")
        rest = {key: item for key, item in value.items() if key != names[0]}
        return {**rest, "expectation": names[0], "arguments": value[names[0]] or {}}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """As a gate is spelled in a file: the expectation is a key, its arguments are what stands below it."""
        schema = handler.resolve_ref_schema(handler(core))
        arguments = {"description": "An expectation with its arguments.", "type": ["object", "null"]}
        keys = {key: value for key, value in schema["properties"].items() if key in ("table", "metric", "severity")}
        schema.update(properties=keys, patternProperties={"^expect_": arguments}, required=["table"], minProperties=2)
        return schema


class Annotation(Model):
    week: date
    """The first day of the week it is about."""
    text: str
    """What happened."""


class Activity(Model):
    """What makes an account active in a week: an event of these that passes the filter."""

    of: Names | None = None
    """Events that make an account active."""
    where: str | None = None
    """Which of those events do: a filter."""


def _activity(value: object) -> object:
    return {"of": value} if isinstance(value, str | list) else value or {}


ActivityWord = Annotated[Activity, BeforeValidator(_activity, json_schema_input_type=Names | Activity)]


class Checklist(Model):
    """The seven criteria of a good North Star, each with the group's answer."""

    expresses_customer_value: str = ""
    """Why a rise means that customers got more value."""
    represents_vision_and_strategy: str = ""
    """Why it stands for the vision."""
    leading_indicator: str = ""
    """What it comes before."""
    actionable: str = ""
    """What a team can do to move it."""
    understandable: str = ""
    """It in one sentence that anybody understands."""
    measurable: str = ""
    """What it is measured with."""
    not_vanity: str = ""
    """Why it cannot rise while nobody is better off."""


class UseCase(Model):
    use_case: Name
    """Its name in tables, paths and commands."""
    title: str
    """Its name for people."""
    status: Literal["proposed", "agreed", "deprecated"] = "agreed"
    """proposed is computed but never certified; deprecated goes on until it is removed."""
    owner: Owner
    """Who answers for the definition."""
    review_by: date | None = None
    """The day by which the group looks at it again."""
    game: Literal["attention", "transaction", "productivity"] | None = None
    """What the product competes for: attention, transactions or productivity."""
    vision: str = ""
    """What will be true when the product has succeeded."""
    value_moment: str = ""
    """The moment in which a customer gets the value."""
    events: dict[Name, Event] = Field(min_length=1)
    """Canonical events, by name."""
    activity: ActivityWord = Activity()
    """What makes an account active in a week; every event of the use case where nothing is said."""
    metrics: dict[Name, Metric] = Field(min_length=1)
    """Metrics, by name."""
    north_star: NorthStar
    """The one metric that says how much value customers got."""
    inputs: tuple[Input, ...] = ()
    """What moves the North Star."""
    counter_metrics: tuple[CounterMetric, ...] = ()
    """What must not get worse meanwhile."""
    slices: tuple[Name, ...] = ()
    """Account attributes by which metrics are sliced."""
    tolerances: Tolerances = Tolerances()
    """How much the built-in gates put up with."""
    gates: tuple[Gate, ...] = ()
    """Further gates, as expectations."""
    annotations: tuple[Annotation, ...] = ()
    """What happened in which week, shown beside the series."""
    checklist: Checklist = Checklist()
    """Why this is a good North Star, by criterion."""
    outcomes: tuple[Name, ...] = ()
    """Metrics that the North Star is supposed to lead, such as revenue; they may have another role too."""
    adoption: tuple[Adoption, ...] = ()
    """Measures by which every account gets a colour each week."""
    formula: str | None = None
    """How the North Star comes about: metric = arithmetic over metrics."""
    without: dict[Dimension, str] = Field(default_factory=dict)
    """Dimensions without an input, each with the reason."""

    @property
    def active_events(self) -> tuple[str, ...]:
        """Events that make an account active: those declared, else all of the use case."""
        return self.activity.of or tuple(self.events)

    @property
    def roles(self) -> dict[Role, tuple[str, ...]]:
        """Metrics by role; outcomes only where there are any."""
        found: dict[Role, tuple[str, ...]] = {
            "north_star": (self.north_star.metric,),
            "inputs": tuple(item.metric for item in self.inputs),
            "counter_metrics": tuple(counter.metric for counter in self.counter_metrics),
        }
        return {**found, "outcomes": self.outcomes} if self.outcomes else found

    @property
    def growth_target(self) -> float:
        return self.north_star.target.growth_per_week
