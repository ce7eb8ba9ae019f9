"""The vocabulary of a computation: what is counted, over which events, and how a metric's row comes of it.

What belongs here: measures, journeys and plans as values. What does not: how definitions become them (`plans`),
expressions (`expressions`, `journeys`), running them (`weekly`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from nsm_pipeline.playbook.adoption import Bound
from nsm_pipeline.playbook.formulas import canonical_formula
from nsm_pipeline.playbook.models import Role
from nsm_pipeline.playbook.words import Having

How = Literal[
    "count", "account", "distinct", "sum", "present", "median", "quantile", "minimum", "maximum", "passing", "attribute"
]
WEEK_DAYS = 7
ZERO_WHERE_NONE = ("count", "account", "distinct", "sum", "present", "passing")


@dataclass(frozen=True, order=True)
class Scope:
    """Which usage events a measure reads: events by name, a filter in canonical spelling, internal accounts or not,
    and how many local days back from the week's end."""

    events: tuple[str, ...]
    where: str = ""
    include_internal: bool = False
    days: int = WEEK_DAYS


@dataclass(frozen=True, order=True)
class Threshold:
    """What an entity's own measure has to pass; `per` divides it by an account attribute."""

    how: str
    column: str
    op: str
    number: float
    per: str

    @classmethod
    def of(cls, having: Having) -> Threshold:
        column = column_of(having.column) if having.how == "distinct" else having.column
        return cls(having.how, column, having.op, having.number, having.per)


# An entity that has done anything at all.
ANY = Threshold("count", "", ">=", 1.0, "")


@dataclass(frozen=True, order=True)
class Measure:
    """One aggregate. `account` counts distinct accounts, `distinct` distinct values of a column, `present` the
    values that are not missing, `passing` the entities (`column`) whose own measure passes `threshold`; `attribute`
    aggregates account attributes instead of events."""

    how: How
    scope: Scope
    column: str = ""
    aggregate: str = ""
    over: str = ""
    q: float = 0.0
    threshold: Threshold = ANY

    @property
    def adds_up(self) -> bool:
        """Whether the total is the sum over accounts, so that slices by account attributes add up to it."""
        additive = self.how in ("count", "account", "sum", "present")
        by_account = self.how == "passing" and self.column == "account_id"
        return (additive or by_account) and not self.scope.include_internal

    @property
    def in_account_weeks(self) -> bool:
        """Whether account_weeks has a column for it: an account's part of it, in the week itself."""
        return self.adds_up and self.how != "passing" and self.scope.days == WEEK_DAYS


@dataclass(frozen=True)
class Journey:
    """What entities did after, or since, something: a metric that follows them from event to event.

    `start`: the events that begin it; without events it begins with the account's creation. `then`: the events that
    follow. `conversion`: of the entities with a start in the week those with a later `then` at most `hours` after.
    `time`: from the first start in the week to the first later `then`. `cohort`: those whose first start ever (or
    creation) lies in the week, and that pass `threshold` within `hours` of it. `retention`: of those active `weeks`
    ago those active now. `lifecycle`: `which` of new, retained, resurrected, churned, `by` first activity or creation.
    """

    kind: Literal["conversion", "time", "cohort", "retention", "lifecycle"]
    entity: str
    start: Scope
    then: Scope | None = None
    hours: int = 0
    threshold: Threshold = ANY
    aggregate: str = ""
    q: float = 0.0
    unit: int = 1
    weeks: int = 1
    which: str = ""
    by: str = ""

    @property
    def from_creation(self) -> bool:
        return not self.start.events

    @property
    def reads_history(self) -> bool:
        """Whether it asks for an entity's first event ever."""
        first_ever = self.kind == "lifecycle" and self.by == "first_activity" and self.which in ("new", "resurrected")
        return first_ever or (self.kind == "cohort" and not self.from_creation)


Which = Literal["value", "numerator", "denominator", "accounts"]


@dataclass(frozen=True)
class Figure:
    """One number of a journey's outcome."""

    journey: Journey
    which: Which


Part = Measure | Figure
Key = Measure | Figure | Scope


@dataclass(frozen=True)
class Plan:
    """How one metric's row comes about: value = numerator ÷ denominator where `divides`, else the value's part; for a
    formula, arithmetic over the values of `operands`."""

    metric: str
    role: Role
    slices: tuple[str, ...]
    value: Part | None = None
    numerator: Part | None = None
    denominator: Part | None = None
    divides: bool = False
    entities: Key | None = None
    formula: exp.Expression | None = None
    operands: tuple[Plan, ...] = ()

    @property
    def leaves(self) -> tuple[Plan, ...]:
        """The plans that are computed from events: itself, or for a formula those below it."""
        return tuple(leaf for one in self.operands for leaf in one.leaves) if self.formula is not None else (self,)

    @property
    def parts(self) -> tuple[Part, ...]:
        own = (part for part in (self.value, self.numerator, self.denominator) if part is not None)
        return (*own, *(part for leaf in self.operands for part in leaf.parts))

    @property
    def adds_up(self) -> bool:
        """Whether the values of its slices add up to its total."""
        if self.divides or not isinstance(self.value, Measure):
            return False
        return self.value.adds_up or (self.value.how == "attribute" and self.value.aggregate != "average")

    def definition(self) -> list[object]:
        """What decides its rows, as plain data: no title, owner or order of keys."""
        if self.formula is not None:
            below = sorted(str([operand.metric, *operand.definition()[2:]]) for operand in self.operands)
            return [self.metric, self.role, canonical_formula(self.formula), below, sorted(self.slices)]
        parts = [str(self.value), str(self.numerator), str(self.denominator), str(self.entities)]
        return [self.metric, self.role, *parts, str(self.divides), sorted(self.slices)]


@dataclass(frozen=True)
class Side:
    """What an account has of one measure; `over`: of an average, the values that it is the mean of."""

    measure: Measure
    over: Measure | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        return (self.measure,) if self.over is None else (self.measure, self.over)


@dataclass(frozen=True)
class OwnMeasure:
    """One measure of adoption: each account's own value over so many days, above ÷ below, and where it is red, and
    where it is yellow if not red; elsewhere it is green."""

    metric: str
    days: int
    above: Side
    below: Side | None
    red: Bound
    yellow: Bound

    @property
    def sides(self) -> tuple[Side, ...]:
        return (self.above,) if self.below is None else (self.above, self.below)


def column_of(entity: str) -> str:
    """The column of usage events that holds an entity: account, user or a property."""
    return {"account": "account_id", "user": "user_id"}.get(entity, entity)
