"""The grammar of adoption: a metric per account over a trailing window, and the bounds of its colours.

What belongs here: how bounds are spelled, that they leave no hole, which metrics an account can have of its own. What
does not: computing them (`metrics.adoption`), composites and calls to action (`scoring.adoption`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from nsm_pipeline.playbook.metric_models import Metric
from nsm_pipeline.playbook.words import Model, Name, Window, WindowWord, spelled

BOUND = re.compile(r"\s*(?P<op><=|>=|<|>)\s*(?P<number>-?\d+(?:\.\d+)?)\s*(?P<share>%?)\s*")
COMPOSITE = "composite"
COMPLEMENT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
OWN_KINDS = ("count", "count_distinct", "sum", "average", "minimum", "maximum", "attribute", "ratio")
"""Kinds that say something of a single account over several weeks."""


class Bound(Model):
    """A comparison with a number, such as <= 40 or > 5%."""

    op: Literal["<", "<=", ">", ">="]
    number: float

    def __str__(self) -> str:
        return f"{self.op} {self.number:.17g}"

    @property
    def is_upper(self) -> bool:
        return self.op in ("<", "<=")


def _bound(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = BOUND.fullmatch(value)
    if match is None:
        raise ValueError(f"found '{value}'; a bound is written as '<= 2', '< 20%' or '> 0.5'")
    return Bound(op=match["op"], number=float(match["number"]) / (100 if match["share"] else 1))


BoundWord = Annotated[Bound, BeforeValidator(_bound, json_schema_input_type=spelled(BOUND, "<= 2", "< 20%", "> 0.5"))]


class Adoption(Model):
    """One measure of adoption: red where its first bound holds, else yellow where the second does, else green."""

    metric: Name
    """The metric, of which each account's own value is taken."""
    red: BoundWord
    """Values that are red, such as <= 2."""
    yellow: BoundWord
    """Values that are yellow where they are not red, such as <= 40."""
    green: BoundWord
    """Values that are green: where yellow ends, such as > 40."""
    window: WindowWord = Window(days=28)
    """How far back it looks, in whole weeks; instead of the metric's own window."""
    call_to_action: str = ""
    """What to do where an account falls from green or yellow."""

    @model_validator(mode="after")
    def _without_holes(self) -> Adoption:
        red, yellow, green = self.red, self.yellow, self.green
        if self.window.days % 7:
            raise ValueError(f"found a window of {self.window.days} days; adoption looks back over whole weeks")
        if red.is_upper != yellow.is_upper or green.is_upper == red.is_upper:
            raise ValueError(
                f"found red {red}, yellow {yellow}, green {green}; red and yellow point one way and green the other, "
                "such as red <= 2, yellow <= 40, green > 40"
            )
        wanted = f"{COMPLEMENT[yellow.op]} {yellow.number:.17g}"
        if str(green) != wanted:
            raise ValueError(
                f"found yellow {yellow} and green {green}, which {self._meeting(yellow, green)}; green is written as "
                f"'{wanted}'"
            )
        beyond = yellow.number - red.number if red.is_upper else red.number - yellow.number
        wider = red.op in ("<", ">") and yellow.op in ("<=", ">=")
        if beyond < 0 or (beyond == 0 and not wider):
            raise ValueError(f"found red {red} and yellow {yellow}, which leave nothing that is yellow")
        return self

    @staticmethod
    def _meeting(yellow: Bound, green: Bound) -> str:
        between = green.number - yellow.number if yellow.is_upper else yellow.number - green.number
        if between == 0:
            return (
                f"overlap at {green.number:.17g}" if "=" in green.op else f"leave {green.number:.17g} without a colour"
            )
        low, high = sorted((yellow.number, green.number))
        return f"{'leave a hole' if between > 0 else 'overlap'} between {low:.17g} and {high:.17g}"


def no_measure(metrics: Mapping[str, Metric], name: str) -> str | None:
    """Why a metric has no value of a single account over some weeks; None where it has one."""
    metric = metrics[name]
    if metric.kind == "ratio":
        assert metric.ratio is not None
        for side in (metric.ratio.numerator, metric.ratio.denominator):
            about = f"'{name}', of which '{side}'" if isinstance(side, str) else f"'{name}', of which a side"
            if problem := _problem(metrics[side] if isinstance(side, str) else side):
                return f"found {about} {problem}."
        return None
    problem = _problem(metric)
    return f"found '{name}', which {problem}." if problem else None


def _problem(metric: Metric) -> str | None:
    if metric.kind not in OWN_KINDS:
        why = {
            "formula": "is a formula",
            "median": "is a median",
            "quantile": "is a quantile",
            "count_entities": "counts entities that pass a threshold",
        }.get(metric.kind, "follows entities from event to event")
        return f"{why}: no measure of one account; accepted are {', '.join(OWN_KINDS)}"
    if metric.count_distinct == "account":
        return "counts accounts: of one account it is always one"
    if metric.kind == "attribute" and metric.aggregate not in (None, "sum", "average"):
        return f"takes the {metric.aggregate} of an attribute, which one account does not have"
    return None
