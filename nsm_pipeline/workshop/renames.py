"""Which names as sent may be one event under an old and a new name.

What belongs here: comparing names, properties and times. What does not: deciding it, which is for people.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date
from itertools import combinations

from nsm_pipeline.workshop.names import canonical
from nsm_pipeline.workshop.observed import SeenEvent

ALIKE_NAMES = 0.6
ALIKE_PROPERTIES = 0.5
OVERLAP = 0.25


def perhaps_same(events: Sequence[SeenEvent]) -> dict[str, tuple[str, ...]]:
    """Comments by name as sent, for pairs of which one begins about when the other ends."""
    found: dict[str, tuple[str, ...]] = {}
    for one, other in combinations(sorted(events, key=lambda event: event.bulk), 2):
        reasons = ["similar names"] if alike_names(one.name, other.name) else []
        reasons += _properties(one, other)
        if reasons and _succeed(one.bulk, other.bulk):
            found[one.name] = (*found.get(one.name, ()), _said(other, reasons, "begins"))
            found[other.name] = (*found.get(other.name, ()), _said(one, reasons, "ends"))
    return found


def _said(other: SeenEvent, reasons: list[str], what: str) -> str:
    day = other.first if what == "begins" else other.last
    return (
        f"Perhaps the same as '{other.name}' ({' and '.join(reasons)}), which {what} on {day}: then one event with "
        "both names under `sources`, with `since` and `until`."
    )


def _succeed(one: tuple[date, date], other: tuple[date, date]) -> bool:
    """Whether times are disjoint but for a short while in which both were sent."""
    shorter = min((end - begin).days + 1 for begin, end in (one, other))
    shared = (min(one[1], other[1]) - max(one[0], other[0])).days + 1
    return one[1] < other[1] and shared <= OVERLAP * shorter


def alike_names(one: str, other: str) -> bool:
    """Whether two names as sent read alike: by their letters, or by the words they share."""
    left, right = (canonical(name, "event") for name in (one, other))
    shared = set(left.split("_")) & set(right.split("_"))
    words = max(len(set(name.split("_"))) for name in (left, right))
    return difflib.SequenceMatcher(None, left, right).ratio() >= ALIKE_NAMES or len(shared) / words >= ALIKE_NAMES


def _properties(one: SeenEvent, other: SeenEvent) -> list[str]:
    left, right = ({canonical(values.name, "sent") for values in event.properties} for event in (one, other))
    alike = len(left & right) >= max(2, ALIKE_PROPERTIES * len(left | right))
    return ["the same properties" if left == right else "similar properties"] if alike else []
