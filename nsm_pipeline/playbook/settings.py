"""The grammar of settings.yaml: company, calendar, account attributes, engine.

What belongs here: what a setting may hold. What does not: use cases (`models`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from nsm_pipeline.errors import nearest
from nsm_pipeline.playbook.words import Model, Name, PropertyType


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
    account_attributes: dict[Name, PropertyType] = Field(default_factory=dict)
    engine: Engine = Engine()
