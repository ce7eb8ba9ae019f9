"""Dual runs: how far the copies of two sources are apart, and an event as if only one of them had been sent.

What belongs here: arithmetic and cutting of sources. What does not: counting copies (`events.copies`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nsm_pipeline.playbook.models import Event, Source


@dataclass(frozen=True)
class Copy:
    """What one source said in a week of a dual run; see `events.copies` for the numbers."""

    use_case: str
    event: str
    week: date
    source: str
    preferred: bool
    rows: int
    accounts: int
    users: int
    matched: int
    accounts_both: int
    rows_both: int
    preferred_rows_both: int
    accounts_differ: int

    @property
    def bias(self) -> float | None:
        """How many more events than the preferred source, as a share of its: over the accounts that sent both. None for
        the preferred source itself, and where no account sent both."""
        return None if self.preferred or not self.accounts_both else self.rows_both / self.preferred_rows_both - 1

    @property
    def share_differing(self) -> float | None:
        """Of the accounts that sent both, those of which the copies have another number of events."""
        return None if self.preferred or not self.accounts_both else self.accounts_differ / self.accounts_both

    @property
    def accounts_alone(self) -> int | None:
        """Accounts that sent this copy and not the preferred one; None for the preferred source."""
        return None if self.preferred else self.accounts - self.accounts_both

    def document(self) -> dict[str, Any]:
        derived = {name: getattr(self, name) for name in ("bias", "share_differing", "accounts_alone")}
        return {**self.__dict__, **derived}


def dual_runs(copies: Sequence[Copy]) -> dict[tuple[str, str], list[Copy]]:
    """Copies by use case and event, of weeks in which more than one source sent something."""
    sent: dict[tuple[str, str, date], int] = {}
    for copy in copies:
        key = (copy.use_case, copy.event, copy.week)
        sent[key] = sent.get(key, 0) + (copy.rows > 0)
    found: dict[tuple[str, str], list[Copy]] = {}
    for copy in copies:
        if sent[copy.use_case, copy.event, copy.week] > 1:
            found.setdefault((copy.use_case, copy.event), []).append(copy)
    return found


def alone(event: Event, name: str, first: date, end: date) -> Event:
    """An event as if in the days from `first` to before `end` only the source of a name had been sent: before and after
    them nothing is otherwise."""
    sources = [
        part for source in event.sources for part in ([source] if source.name == name else _cut(source, first, end))
    ]
    overlap = any(_meet(one, other) for place, one in enumerate(sources) for other in sources[place + 1 :])
    return event.model_copy(update={"sources": tuple(sources), "same": event.same if overlap else ()})


def _cut(source: Source, first: date, end: date) -> list[Source]:
    """A source without some days."""
    before = {"since": source.since, "until": min(source.until or first, first)}
    after = {"since": max(source.since or end, end), "until": source.until}
    parts = [part for part in (before, after) if _lasts(part)]
    return [source.model_copy(update=part) for part in parts]


def _lasts(part: Mapping[str, date | None]) -> bool:
    since, until = part["since"], part["until"]
    return since is None or until is None or since < until


def _meet(one: Source, other: Source) -> bool:
    """Whether two sources are in force on a common day."""
    begins = max((day for day in (one.since, other.since) if day), default=date.min)
    ends = min((day for day in (one.until, other.until) if day), default=date.max)
    return begins < ends
