"""What a caller asks for and gets back.

Belongs here: the frozen public dataclasses of the sample. No files, no randomness.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class SampleSpec:
    """What to write. The same spec always gives the same bytes.

    ``weeks``: ISO weeks of history, the last one in progress. ``accounts``: accounts ever created, the
    internal one included. ``events``: rows to deliver, duplicates included, to within 3 % for
    histories of 12 weeks and more. ``end``: any day of the week in progress.
    Raises ``ValueError`` for less than one week or account, or a negative number of events or seed.
    """

    weeks: int = 60
    accounts: int = 400
    events: int = 1_000_000
    seed: int = 7
    end: date = date(2026, 6, 28)

    def __post_init__(self) -> None:
        for name, least in (("weeks", 1), ("accounts", 1), ("events", 0), ("seed", 0)):
            if (found := getattr(self, name)) < least:
                raise ValueError(f"SampleSpec.{name} is {found}; {least} or more is accepted")


@dataclass(frozen=True)
class Incident:
    """Something that went wrong or changed, on purpose. ``week`` is a Monday, ``text`` plain words."""

    week: date
    kind: str
    text: str


@dataclass(frozen=True)
class SampleSummary:
    """What was written under ``landing/usage_events``.

    ``files`` counts every file there. ``rows`` counts rows in readable files, duplicates and bad rows
    included; the re-delivered copy of a file and the cut-off file are not counted.
    """

    files: int
    rows: int
    accounts: int
    first_week: date
    as_of: date
    incidents: tuple[Incident, ...]
