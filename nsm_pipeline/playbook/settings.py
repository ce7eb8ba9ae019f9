"""The grammar of settings.yaml: company, calendar, account attributes, certification, engine.

What belongs here: what a setting may hold. What does not: use cases (`models`), how files are read (`senders`).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from nsm_pipeline.playbook.senders import Landing, Zone
from nsm_pipeline.playbook.words import Model, Name, PropertyType, Share


class Engine(Model):
    """What DuckDB may use; without a directory it spills inside the home."""

    memory_limit: str = Field(default="512MB", pattern=r"^\d+(\.\d+)? ?(MB|GB|MiB|GiB)$")
    """Memory of each connection, such as 512MB or 2GB."""
    threads: int = Field(default=2, ge=1, le=256)
    """How many weeks are built at a time."""
    temp_directory: str | None = None
    """Where it spills what does not fit into memory."""


class Certification(Model):
    """When a week's values are final, and what must happen before something is published."""

    settling_days: int = Field(default=14, ge=0)
    """A week is settling for this many days after its end; then it is final."""
    tolerance: Share = Field(default=0.01, ge=0)
    """A final value may change by this share of itself without a reason."""
    approval: Literal["optional", "required"] = "optional"
    """required: a week is published once somebody has approved its certificate."""


class Publication(Model):
    """What leaves the home, where rows are about few accounts or about one."""

    small_groups: int = Field(default=5, ge=0)
    """Slices of fewer accounts than this are published without numbers."""
    account_adoption: Literal["not_published", "pseudonymous", "identified"] = "not_published"
    """Whether the table with a row per account goes out, and whether with pseudonyms or with account ids."""


class Settings(Model):
    company: str = "Our company"
    """Its name, shown in titles."""
    time_zone: Zone = "UTC"
    """The IANA time zone in whose midnight weeks start, such as Europe/Berlin."""
    week_starts_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """The first day of a week."""
    first_week: date | None = None
    """The first day of the first week; without it, that of the first landed row."""
    as_of: date | None = None
    """A day that stands for today, for historic homes and tests."""
    late_after_days: int = Field(default=7, ge=1)
    """An event received later than this counts as late."""
    account_attributes: dict[Name, PropertyType] = Field(default_factory=dict)
    """Further columns of account snapshots, by name, with their types."""
    landing: Landing = Field(default_factory=dict)
    """Folders of landing/usage_events that senders fill in their own format, by name."""
    certification: Certification = Certification()
    """When values are final, and what must happen before they are published."""
    publication: Publication = Publication()
    """What leaves the home."""
    engine: Engine = Engine()
    """What DuckDB may use."""
