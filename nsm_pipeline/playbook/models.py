"""The grammar of a playbook as pydantic models: shape and single-field rules.

What belongs here: what a key may hold. What does not: rules between keys (`loading`), filters (`filters`).
Unknown keys are refused everywhere.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nsm_pipeline.errors import nearest

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
ATTRIBUTES = {"plan": "string", "segment": "string", "seats": "integer", "created_on": "date"}
RESERVED = {
    *ATTRIBUTES, "week", "use_case", "event", "occurred_at", "received_at", "account_id", "user_id", "is_internal",
    "events", "all",
}  # fmt: skip


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"found '{value}'; a name is lower-case letters, digits and _, starting with a letter")
    return value


def _share(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*%\s*", value)):
        return float(match[1]) / 100
    return value


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_name)]
Share = Annotated[float, BeforeValidator(_share)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_list), Field(min_length=1)]
Scalar = str | bool | int | float
PropertyType = Literal["string", "integer", "number", "boolean"]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    properties: dict[Name, Annotated[PropertyMapping, BeforeValidator(_mapping)]] = {}

    @model_validator(mode="after")
    def _ordered(self) -> Source:
        if self.since and self.until and self.since >= self.until:
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self


class Event(Model):
    """A canonical event: what metrics know. `same` names the properties that identify one fact sent twice."""

    description: str = ""
    properties: dict[Name, Property] = {}
    sources: tuple[Source, ...] = Field(min_length=1)
    same: tuple[str, ...] = ()


class Ratio(Model):
    numerator: Name | Metric
    denominator: Name | Metric


class Metric(Model):
    """A metric: exactly one kind, plus what it means. See docs/playbook.md for each kind's semantics."""

    title: str = ""
    description: str = ""
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    where: str | None = None
    include_internal: bool = False
    count: Names | None = None
    count_distinct: Name | None = None
    sum: Name | None = None
    average: Name | None = None
    median: Name | None = None
    minimum: Name | None = None
    maximum: Name | None = None
    of: Names | None = None
    attribute: Name | None = None
    aggregate: Literal["sum", "average", "count"] = "sum"
    over: Literal["active", "all"] = "active"
    ratio: Ratio | None = None

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Metric:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none of them"
            raise ValueError(f"a metric has exactly one kind of {', '.join(KINDS)}; found {found}")
        needs_of = kinds[0] not in ("count", "attribute", "ratio")
        if needs_of and self.of is None:
            raise ValueError(f"'{kinds[0]}' needs 'of: <event>'")
        if not needs_of and self.of is not None:
            raise ValueError(f"'{kinds[0]}' takes no 'of'")
        if kinds[0] == "ratio" and self.where is not None:
            raise ValueError("a ratio takes no 'where': put it on its numerator or denominator")
        if kinds[0] != "attribute" and ("aggregate" in self.model_fields_set or "over" in self.model_fields_set):
            raise ValueError("only an attribute metric takes 'aggregate' and 'over'")
        return self


Ratio.model_rebuild()  # it names Metric, which is defined after it

KINDS = (
    "count", "count_distinct", "sum", "average", "median", "minimum", "maximum", "attribute", "ratio",
)  # fmt: skip


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
    dimension: Literal["breadth", "depth", "frequency", "efficiency"]
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
    activity: Names | None = None
    metrics: dict[Name, Metric] = Field(min_length=1)
    north_star: NorthStar
    inputs: tuple[Input, ...] = ()
    counter_metrics: tuple[CounterMetric, ...] = ()
    slices: tuple[Name, ...] = ()
    tolerances: Tolerances = Tolerances()
    gates: tuple[Gate, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    checklist: dict[str, str] = {}

    @property
    def active_events(self) -> tuple[str, ...]:
        """Events that make an account active: those declared, else all of the use case."""
        return self.activity or tuple(self.events)

    @property
    def growth_target(self) -> float:
        return self.north_star.target.growth_per_week


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"found '{value}', which is no IANA time zone; {nearest(value, available_timezones())}")
    return value


class Engine(Model):
    """What DuckDB may use; without a directory it spills inside the home."""

    memory_limit: str = Field(default="512MB", pattern=r"^\d+(\.\d+)? ?(MB|GB|MiB|GiB)$")
    threads: int = Field(default=2, ge=1, le=256)
    temp_directory: str | None = None


class Settings(Model):
    company: str = "Our company"
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    week_starts_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    first_week: date | None = None
    as_of: date | None = None
    late_after_days: int = Field(default=7, ge=1)
    account_attributes: dict[Name, PropertyType] = {}
    engine: Engine = Engine()
