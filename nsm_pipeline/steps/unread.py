"""Files that have landed and that the home has not read yet, as a scratch home has read them.

What belongs here: comparing two ledgers. What does not: reading (`events.landing`), what the files make stale
(`planning`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.steps.opening import Open


@dataclass(frozen=True)
class LandedFile:
    """A file of the landing zone that the home has not read yet. `state`: new, other content, same bytes, set aside,
    read otherwise; `rows`: by UTC week; `late`: of them, in weeks that have been published."""

    path: str
    state: str
    rows: Mapping[date, int]
    late: int
    problem: str | None = None


def landed_files(opened: Open, before: Ledger, weeks_shown: Collection[date]) -> Iterator[LandedFile]:
    """Paths whose content is another one than in the ledger before; `weeks_shown`: weeks that have been published."""
    ledger = opened.ledger
    active = ledger.active("events")
    for path, delivery in sorted(ledger.deliveries.items()):
        known = before.deliveries.get(path)
        if known is not None and (known.content, known.kept) == (delivery.content, delivery.kept):
            continue
        content = ledger.contents[delivery.content]
        if content.problem is not None:
            state = "set aside"
        elif known is not None and ledger.contents[known.content].reading != content.reading:
            state = "read otherwise"
        elif known is not None:
            state = "other content"
        elif delivery.content in before.contents or (delivery.kind == "events" and active[delivery.content] != path):
            state = "same bytes"
        else:
            state = "new"
        rows = content.parts.items() if state != "same bytes" else ()
        late = sum(count for day, count in rows if opened.calendar.week_of_day(day) in weeks_shown)
        yield LandedFile(path, state, content.parts, late, content.problem)
