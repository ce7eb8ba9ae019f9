"""The grammar of a metric: its kinds, and which keys each kind takes.

What belongs here: what a metric's keys may hold. What does not: rules between a metric and the rest of its use case
(`checking`), what a kind means in numbers (`metrics`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from nsm_pipeline.errors import nearest
from nsm_pipeline.playbook.words import (
    ONE_WEEK,
    HavingWord,
    Model,
    Name,
    Names,
    Share,
    WindowWord,
    WithinWord,
)

CREATED = "created_on"
TIME_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
# Keys that say how a metric is counted, by kind: those it needs, and those it may have.
COUNTED = ("where", "include_internal")
NEEDS: dict[str, tuple[str, ...]] = {
    "count": (),
    "count_distinct": ("of",),
    "sum": ("of",),
    "average": ("of",),
    "median": ("of",),
    "quantile": ("of", "q"),
    "minimum": ("of",),
    "maximum": ("of",),
    "count_entities": ("of", "having"),
    "attribute": (),
    "ratio": (),
    "conversion": ("from", "to", "within"),
    "time_between": ("from", "to", "within"),
    "retention": ("of",),
    "cohort": ("from",),
    "lifecycle": (),
    "formula": (),
}
MAY_HAVE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("count", "count_distinct", "sum", "average", "median", "quantile", "minimum", "maximum", "count_entities"),
        (*COUNTED, "window"),
    ),
    "attribute": (*COUNTED, "aggregate", "over"),
    "ratio": (),
    "conversion": COUNTED,
    "time_between": (*COUNTED, "aggregate", "q"),
    "retention": (*COUNTED, "weeks"),
    "cohort": (*COUNTED, "to", "within", "having", "as"),
    "lifecycle": (*COUNTED, "entity", "of", "by"),
    "formula": (),
}
KINDS = tuple(NEEDS)
SPECIAL = {key for keys in (*NEEDS.values(), *MAY_HAVE.values()) for key in keys}


class Ratio(Model):
    """Two metrics, by name or spelled out."""

    numerator: Name | Metric
    """What is divided."""
    denominator: Name | Metric
    """What it is divided by; 0 gives no value."""


class Step(Model):
    """Events that begin or end something, with a filter of their own."""

    events: Names
    """Events, any of which counts."""
    where: str | None = None
    """Which of them count: a filter."""


def _step(value: Any) -> Any:
    return {"events": value} if isinstance(value, str | list) else value


StepWord = Annotated[Step, BeforeValidator(_step, json_schema_input_type=Names | Step)]


class Metric(Model):
    """A metric: exactly one kind, plus what it means. See docs/playbook.md for each kind's semantics."""

    title: str = ""
    """Its name for people."""
    description: str = ""
    """What it counts, in one sentence."""
    unit: str = ""
    """What it is measured in; share adds gates."""
    better: Literal["higher", "lower"] = "higher"
    """Which direction is good."""
    slices: tuple[Name, ...] | None = None
    """Account attributes by which it is sliced, instead of the use case's."""
    where: str | None = None
    """Which events count: comparisons, and, or, not, in, between, like, is null."""
    include_internal: bool = False
    """Whether internal accounts count too."""
    window: WindowWord = ONE_WEEK
    """How far back it looks, ending with the week."""
    count: Names | None = None
    """Kind: how many of these events."""
    count_distinct: Name | None = None
    """Kind: how many different accounts, users or values of a property."""
    sum: Name | None = None
    """Kind: the sum of a property."""
    average: Name | None = None
    """Kind: the mean of a property."""
    median: Name | None = None
    """Kind: the median of a property."""
    quantile: Name | None = None
    """Kind: the quantile q of a property."""
    q: Share | None = Field(default=None, gt=0, lt=1)
    """Which quantile, such as 90%."""
    minimum: Name | None = None
    """Kind: the smallest value of a property."""
    maximum: Name | None = None
    """Kind: the largest value of a property."""
    of: Names | None = None
    """The events it is about."""
    count_entities: Name | None = None
    """Kind: how many entities whose own measure passes a threshold."""
    having: HavingWord | None = None
    """The threshold, such as >= 40 per seat."""
    attribute: Name | None = None
    """Kind: an account attribute as of the week."""
    aggregate: Literal["sum", "average", "count", "median", "quantile"] | None = None
    """How the values are put together."""
    over: Literal["active", "all"] = "active"
    """Whether all accounts count or only active ones."""
    ratio: Ratio | None = None
    """Kind: one metric divided by another."""
    conversion: Name | None = None
    """Kind: the share of entities that get from one event to another."""
    time_between: Name | None = None
    """Kind: how long entities take from one event to another."""
    start: StepWord | None = Field(default=None, alias="from")
    """Events with which it begins, or created_on."""
    to: StepWord | None = None
    """Events with which it ends."""
    within: WithinWord | None = None
    """How long after the beginning the end still counts."""
    retention: Name | None = None
    """Kind: the share of entities active some weeks ago that are active now."""
    weeks: int = Field(default=1, ge=1, le=52)
    """How many weeks ago."""
    cohort: Name | None = None
    """Kind: entities that begin in the week and then do something."""
    shown_as: Literal["count", "share"] = Field(default="count", alias="as")
    """Whether a number or a share of those who began."""
    lifecycle: Literal["new", "retained", "resurrected", "churned"] | None = None
    """Kind: new, retained, resurrected or churned entities."""
    entity: Name = "account"
    """Who is followed: account, user or a property."""
    by: Literal["first_activity", "created_on"] = "first_activity"
    """What makes one new: its first activity, or when it was created."""
    formula: str | None = None
    """Kind: arithmetic over metrics."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With exactly one kind, the keys it needs and none that it does not take."""
        schema = handler(core)
        handler.resolve_ref_schema(schema)["oneOf"] = [
            {
                "required": [kind, *needed],
                "properties": dict.fromkeys(sorted(SPECIAL.union(KINDS) - {kind, *needed, *MAY_HAVE[kind]}), False),
            }
            for kind, needed in NEEDS.items()
        ]
        return schema

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def counted_entity(self) -> str:
        """What is followed from event to event: account, user or a property; '' where nothing is."""
        if self.kind == "lifecycle":
            return self.entity
        return str(getattr(self, self.kind)) if self.kind in ENTITY_KINDS else ""

    @property
    def begins_when_created(self) -> bool:
        return self.start is not None and self.start.events == (CREATED,)

    @model_validator(mode="after")
    def _one_kind(self) -> Metric:
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none of them"
            raise ValueError(f"a metric has exactly one kind of {', '.join(KINDS)}; found {found}")
        kind = kinds[0]
        given = {_spelled(field) for field in self.model_fields_set} & SPECIAL
        for key in NEEDS[kind]:
            if key not in given:
                hint = "'of: <event>'" if key == "of" else f"'{key}'"
                raise ValueError(f"'{kind}' needs {hint}")
        accepted = (*NEEDS[kind], *MAY_HAVE[kind])
        for key in sorted(given):
            if key not in accepted:
                if kind in ("ratio", "formula") and key in COUNTED:
                    raise ValueError(f"a {kind} takes no '{key}': put it on the metrics it is made of")
                raise ValueError(f"'{kind}' takes no '{key}'; {nearest(key, accepted or ['title', 'unit'])}")
        self._check_aggregate(kind)
        if kind == "lifecycle" and self.by == "created_on" and self.lifecycle not in ("new", "retained"):
            raise ValueError(f"by creation an account is new or retained; found '{self.lifecycle}'")
        if kind == "cohort" and (self.to is None) != (self.within is None):
            raise ValueError("'to: <event>' and 'within' belong together, as in within: 7 days")
        if kind == "time_between" and self.unit and self.unit not in TIME_UNITS:
            raise ValueError(f"a time's unit is one of {', '.join(TIME_UNITS)}; found '{self.unit}'")
        return self

    def _check_aggregate(self, kind: str) -> None:
        accepted = {"attribute": ("sum", "average", "count"), "time_between": ("median", "average", "quantile")}
        if self.aggregate is not None and self.aggregate not in accepted[kind]:
            raise ValueError(f"aggregate: found '{self.aggregate}'; {nearest(self.aggregate, accepted[kind])}")
        if kind == "time_between" and (self.aggregate == "quantile") != (self.q is not None):
            raise ValueError("'aggregate: quantile' and 'q' belong together, as in q: 90%")


ENTITY_KINDS = ("count_entities", "conversion", "time_between", "retention", "cohort")
Ratio.model_rebuild()  # it names Metric, which is defined after it


def _spelled(field: str) -> str:
    return Metric.model_fields[field].alias or field
