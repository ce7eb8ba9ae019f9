"""The small words of the playbook language: names, shares, windows, thresholds.

What belongs here: how a single value may be spelled and what it means. What does not: which keys there are
(`metric_models`, `models`, `settings`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
ATTRIBUTES = {"plan": "string", "segment": "string", "seats": "integer", "created_on": "date"}
RESERVED = {
    *ATTRIBUTES, "week", "use_case", "event", "occurred_at", "received_at", "account_id", "user_id", "is_internal",
    "events", "all",
}  # fmt: skip
LONGEST_WEEKS = 104
PERCENTAGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*%\s*")
WINDOW = re.compile(r"\s*(\d{1,3})\s*(week|weeks|day|days)\s*")
WITHIN = re.compile(r"\s*(\d{1,4})\s*(week|weeks|day|days|hour|hours)\s*")
HAVING = re.compile(
    r"\s*(?:(?P<how>sum|distinct)\s+(?P<column>[a-z][a-z0-9_]*)\s*)?(?P<op>>=|<=|>|<|=)\s*"
    r"(?P<number>\d+(?:\.\d+)?)(?:\s+per\s+(?P<per>[a-z][a-z0-9_]*))?\s*"
)


class Model(BaseModel):
    # The text below a key is its description in the JSON Schema that editors show.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"found '{value}'; a name is lower-case letters, digits and _, starting with a letter")
    return value


def _share(value: object) -> object:
    if isinstance(value, str) and (match := PERCENTAGE.fullmatch(value)):
        return float(match[1]) / 100
    return value


def as_list(value: object) -> object:
    """One name stands for a list of it."""
    return [value] if isinstance(value, str) else value


def spelled(form: re.Pattern[str], *examples: str) -> object:
    """Text of a form, for the JSON Schema of a key whose value is read from text. JSON Schema names no groups."""
    pattern = re.sub(r"\?P<\w+>", "", form.pattern)
    return Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})]


Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$", "title": "Name"})
]
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=float | spelled(PERCENTAGE, "7%"))]
Names = Annotated[
    tuple[Name, ...],
    BeforeValidator(as_list, json_schema_input_type=Name | Annotated[tuple[Name, ...], Field(min_length=1)]),
    Field(min_length=1),
]
Scalar = str | bool | int | float
PropertyType = Literal["string", "integer", "number", "boolean"]


class Window(Model):
    """A trailing window that ends with the week, in local days; `4 weeks` are 28 of them."""

    days: int


ONE_WEEK = Window(days=7)


def _window(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = WINDOW.fullmatch(value)
    if match is None:
        raise ValueError(f"found '{value}'; a window is written as '4 weeks' or '28 days'")
    days = int(match[1]) * (7 if match[2].startswith("week") else 1)
    if not 1 <= days <= LONGEST_WEEKS * 7:
        raise ValueError(f"found '{value}'; a window is at least 1 day and at most {LONGEST_WEEKS} weeks")
    return Window(days=days)


class Within(Model):
    """How long after a beginning something still counts; `days` are local days where the beginning is a day."""

    hours: int

    @property
    def length(self) -> timedelta:
        return timedelta(hours=self.hours)


def _within(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = WITHIN.fullmatch(value)
    if match is None:
        raise ValueError(f"found '{value}'; it is written as '7 days', '2 weeks' or '12 hours'")
    hours = int(match[1]) * {"h": 1, "d": 24, "w": 168}[match[2][0]]
    if not 1 <= hours <= LONGEST_WEEKS * 168:
        raise ValueError(f"found '{value}'; at least 1 hour and at most {LONGEST_WEEKS} weeks are accepted")
    return Within(hours=hours)


class Having(Model):
    """A threshold on an entity's own measure: its events, a sum, or distinct values; `per` an account attribute."""

    how: Literal["count", "sum", "distinct"] = "count"
    column: str = ""
    op: Literal[">=", "<=", ">", "<", "="]
    number: float
    per: str = ""

    def __str__(self) -> str:
        measure = "" if self.how == "count" else f"{self.how} {self.column} "
        return f"{measure}{self.op} {self.number:.17g}" + (f" per {self.per}" if self.per else "")


def _having(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = HAVING.fullmatch(value)
    if match is None:
        raise ValueError(
            f"found '{value}'; a threshold is written as '> 40', '>= 40 per seat', 'distinct user > 3' "
            "or 'sum amount >= 100'"
        )
    per = "seats" if match["per"] == "seat" else match["per"] or ""
    return Having(
        how=match["how"] or "count", column=match["column"] or "", op=match["op"], number=match["number"], per=per
    )


WindowWord = Annotated[Window, BeforeValidator(_window, json_schema_input_type=spelled(WINDOW, "4 weeks", "28 days"))]
WithinWord = Annotated[
    Within, BeforeValidator(_within, json_schema_input_type=spelled(WITHIN, "7 days", "2 weeks", "12 hours"))
]
HavingWord = Annotated[
    Having,
    BeforeValidator(
        _having,
        json_schema_input_type=spelled(HAVING, "> 40", ">= 40 per seat", "distinct user > 3", "sum amount >= 100"),
    ),
]
