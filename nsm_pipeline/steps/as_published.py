"""What was shown on a date: which version that was, and its tables and files.

What belongs here: days and instants → versions of the log. What does not: the log itself (`publishing.record`),
queries over it (`catalogue`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.extracts import current_version
from nsm_pipeline.publishing.record import GivenBack, Publication, Record, instant_text
from nsm_pipeline.weeks import Calendar

OPTION = "--as-published"
TICK = timedelta(microseconds=1)


def publication_of(home: Home, calendar: Calendar, when: str) -> Publication:
    """The publication that readers saw at an instant, or at the end of a day in the playbook's time zone. Raises
    UserError where `when` is neither, or lies before the first publication on record."""
    record, instant = Record.of(home), instant_of(calendar, when)
    found = record.shown_at(instant)
    if found is None:
        raise UserError(f"{OPTION}: found '{when}'; {_since(record)}")
    return found


def instant_of(calendar: Calendar, when: str) -> datetime:
    """The last instant of a day in the calendar's time zone, or the instant that is written with its zone; in UTC."""
    try:
        if len(when) == len("2026-05-04"):
            after = calendar.instant(date.fromisoformat(when) + timedelta(days=1))
            return after.replace(tzinfo=UTC) - TICK
        instant = datetime.fromisoformat(when)
    except (ValueError, OverflowError):
        instant = None
    if instant is None or instant.tzinfo is None:
        raise UserError(
            f"{OPTION}: found '{when}'; a day as YYYY-MM-DD (its end in {calendar.zone}) or an instant with its zone, "
            "such as 2026-05-04T10:00Z, is needed."
        )
    return instant.astimezone(UTC)


def current_files(home: Home) -> GivenBack:
    """The files that readers see now; where they were deleted, those that they saw last. Raises UserError where
    nothing was ever published."""
    version = current_version(home.extracts)
    if version is not None:
        folder = home.extracts / "versions" / version
        return GivenBack({file.name: file.read_bytes() for file in sorted(folder.iterdir())}, ())
    record = Record.of(home)
    newest = record.newest()
    if newest is None:
        raise UserError(f"{home.root}: nothing has been published yet: nsm run --home {home.root}")
    return record.give_back(newest.version)


def _since(record: Record) -> str:
    versions = record.versions()
    if not versions:
        return "nothing is on record yet: what was published before there was a record is not known by date."
    first = record.publication(versions[0])
    return (
        f"the first publication on record is version {first.version}, of {instant_text(first.at)}; nothing earlier is."
    )
