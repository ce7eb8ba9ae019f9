"""Weeks that somebody has asked to be built anew, whether or not they are out of date: a backfill's open work.

What belongs here: the list, kept in the home until the last of it is done, so that whoever runs next goes on where a
killed backfill stopped. What does not: building.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from nsm_pipeline.checksums import discard
from nsm_pipeline.home import Home
from nsm_pipeline.lake import write_text

Asked = frozenset[tuple[str, date]]
"""Use cases and weeks."""


def anew_file(home: Home) -> Path:
    return home.lake / "backfill.json"


def asked_anew(home: Home) -> Asked:
    """What is still to be built anew."""
    try:
        document = json.loads(anew_file(home).read_bytes())
    except FileNotFoundError:
        return frozenset()
    return frozenset((name, date.fromisoformat(week)) for name, weeks in document.items() for week in weeks)


def ask_anew(home: Home, use_cases: Iterable[str], weeks: Iterable[date]) -> None:
    """Add weeks of some use cases to the list."""
    asked = {(name, week) for name in use_cases for week in weeks}
    with home.lock("backfill"):
        _write(home, asked_anew(home) | asked)


def strike_off(home: Home, done: Asked) -> None:
    """Take what has been built off the list."""
    with home.lock("backfill"):
        _write(home, asked_anew(home) - done)


def _write(home: Home, asked: Asked) -> None:
    if not asked:
        discard(anew_file(home))
        return
    document: dict[str, list[str]] = {}
    for name, week in sorted(asked):
        document.setdefault(name, []).append(week.isoformat())
    write_text(anew_file(home), json.dumps(document))
