"""The grammar of `landing` in settings.yaml: how the event files of a folder are read.

What belongs here: what a key may hold, and what makes an entry wrong by itself. What does not: the vendors' formats
and reading files (`events.senders`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nsm_pipeline.errors import nearest
from nsm_pipeline.playbook.words import Model, as_list
from nsm_pipeline.weeks import ZONES

Preset = Literal["amplitude", "mixpanel", "posthog", "segment", "service_ping", "snowplow"]
Times = Literal["iso", "epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "local_epoch_seconds"]
# These vendors have no place of their own for the account: guessing one would count the wrong customers.
ACCOUNT_EXAMPLE = {
    "amplitude": "groups.company",
    "mixpanel": "properties.company_id",
    "snowplow": "contexts_com_acme_account_1.0.id",
}


def _zone(value: str) -> str:
    if value not in ZONES:
        raise ValueError(f"found '{value}', which is no IANA time zone; {nearest(value, ZONES)}")
    return value


def _folder(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value:
        raise ValueError(
            f"found '{value}'; a folder below landing/usage_events is needed, as vendor/segment ('.' for all of it)"
        )
    return str(path)


def pointer(path: str) -> str:
    """A path as a JSON pointer: `a.b.0` is /a/b/0; what begins with a slash is one already."""
    if path.startswith("/"):
        return path
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path.split("."))


def steps(path: str) -> list[str]:
    """The keys and positions that a path leads through."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer(path)[1:].split("/")]


def _check_paths(paths: tuple[str, ...]) -> None:
    for path in paths:
        if "" in steps(path) or re.search(r"~(?![01])", pointer(path)):
            raise ValueError(
                f"found '{path}'; a column or a path like customer.id or tags.0 is needed (/customer.org/id where a "
                "name has a dot in it)"
            )


def _from(value: object) -> object:
    return {"from": value} if isinstance(value, str | list) else value


Zone = Annotated[str, AfterValidator(_zone)]
Folder = Annotated[str, AfterValidator(_folder)]
Paths = Annotated[tuple[str, ...], BeforeValidator(as_list, json_schema_input_type=str | tuple[str, ...])]


class Place(Model):
    """Where a text is found: at the first of some paths that has one, joined of several, or always the same."""

    source: Paths = Field(default=(), alias="from")
    """A column or path like customer.id; of several the first that has a text."""
    join: Paths = ()
    """Paths whose texts together are the value, joined by a colon."""
    always: str | None = Field(default=None, min_length=1)
    """The same text for every row."""

    @model_validator(mode="after")
    def _one_way(self) -> Place:
        if (bool(self.source), bool(self.join), self.always is not None).count(True) != 1:
            raise ValueError("exactly one of 'from' (a path or several, the first that is there), 'join' and 'always'")
        _check_paths(self.paths)
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        return self.source or self.join


class TimePlace(Model):
    """Where a time is found and how it is written; without `times` and `zone` as the folder says."""

    source: Paths = Field(alias="from", min_length=1)
    """A column or path; of several the first that has a time."""
    times: Times | None = None
    """How this time is written, where that is not as the folder says."""
    zone: Zone | None = None
    """The zone of this time where it names none."""

    @model_validator(mode="after")
    def _sensible(self) -> TimePlace:
        _check_paths(self.source)
        _check_zone(self.times, self.zone)
        return self


class ObjectPlace(Model):
    """Where the properties are: one object, or several of which a later one's values win."""

    source: Paths = Field(alias="from", min_length=1)
    """The path of the object, or of several."""

    @model_validator(mode="after")
    def _sensible(self) -> ObjectPlace:
        _check_paths(self.source)
        return self


class Added(Model):
    """A further property from elsewhere in the row; `missing` lists numbers that mean "not measured"."""

    source: Paths = Field(alias="from", min_length=1)
    """A column or path; of several the first that is there."""
    missing: tuple[float, ...] = ()
    """Numbers that mean "not measured", such as -1."""

    @model_validator(mode="after")
    def _sensible(self) -> Added:
        _check_paths(self.source)
        return self


# A path or several alone are short for `from`; editors that check the file are told so.
SHORT = str | tuple[str, ...]
TextField = Annotated[Place, BeforeValidator(_from, json_schema_input_type=SHORT | Place)] | None
TimeField = Annotated[TimePlace, BeforeValidator(_from, json_schema_input_type=SHORT | TimePlace)] | None
ObjectField = Annotated[ObjectPlace, BeforeValidator(_from, json_schema_input_type=SHORT | ObjectPlace)] | None
AddedField = Annotated[Added, BeforeValidator(_from, json_schema_input_type=SHORT | Added)]


class Fields(Model):
    """The contract's columns by where a sender writes them. What is not named is as the preset or contract says."""

    event_id: TextField = None
    """What tells one event from all others: rows with the same are copies."""
    event_name: TextField = None
    """The name under which a use case's events list it as a source."""
    occurred_at: TimeField = None
    """When it happened."""
    received_at: TimeField = None
    """When it was received, for lateness and to choose among copies."""
    account_id: TextField = None
    """The customer's account."""
    user_id: TextField = None
    """The person, where it is known."""
    properties: ObjectField = None
    """The event's own properties."""


class Sender(Model):
    """How the files of a folder, and of the folders in it, are read."""

    preset: Preset | None = None
    """The vendor whose raw export the files are."""
    times: Times | None = None
    """How times are written; ISO 8601 where nothing is said."""
    zone: Zone | None = None
    """The zone of times that name none."""
    fields: Fields = Fields()
    """Where the contract's columns are, where that is not as the preset or the contract says."""
    add: dict[Annotated[str, Field(min_length=1)], AddedField] = Field(default_factory=dict)
    """Further properties from elsewhere in the row, by name."""
    rest: Literal["keep", "drop"] | None = None
    """What becomes of columns that nothing names: properties, or nothing."""

    @model_validator(mode="after")
    def _sensible(self) -> Sender:
        if not self.model_fields_set:
            raise ValueError(f"the entry says nothing; {nearest('', Sender.model_fields)}")
        if self.preset in ACCOUNT_EXAMPLE and self.fields.account_id is None:
            example = ACCOUNT_EXAMPLE[str(self.preset)]
            raise ValueError(
                f"preset '{self.preset}' needs 'fields: {{account_id: …}}', since where the account is differs by "
                f"project; for example {example}"
            )
        for field in (self.fields.occurred_at, self.fields.received_at):
            times = (field and field.times) or self.times
            if field is not None:
                _check_zone(times, field.zone)
            if times == "local_epoch_seconds" and not (field and field.zone) and not self.zone:
                raise ValueError("times 'local_epoch_seconds' need a 'zone': the one of the clock that was counted")
        if not any(field is not None and field.times for field in (self.fields.occurred_at, self.fields.received_at)):
            _check_zone(self.times, self.zone)
        return self


def _check_zone(times: str | None, zone: str | None) -> None:
    if zone is not None and times is not None and times.startswith("epoch_"):
        raise ValueError(
            f"times '{times}' are counted in UTC and take no 'zone'; for seconds counted on a local clock there is "
            "'local_epoch_seconds'"
        )


def _one_entry_each(value: Any) -> Any:
    if isinstance(value, dict):
        seen: dict[str, str] = {}
        for name in value:
            folder = str(PurePosixPath(str(name)))
            if folder in seen:
                raise ValueError(f"found '{seen[folder]}' and '{name}', which are the same folder")
            seen[folder] = str(name)
    return value


Landing = Annotated[dict[Folder, Sender], BeforeValidator(_one_entry_each)]


def parents(folder: str) -> Iterator[str]:
    """A folder and the folders that it lies in, the nearest first, '.' last."""
    path = PurePosixPath(folder)
    yield str(path)
    yield from (str(parent) for parent in path.parents)
