"""Loading what takes seconds to load while queries run, which leave Python alone.

What belongs here: importing ahead of need. What does not: anything that depends on its having happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from threading import Lock, Thread

JUDGING = ("nsm_pipeline.certification.judging",)
SCORING = (
    "statsmodels.tsa.statespace.structural",
    "nsm_pipeline.reporting.pictures",
    "nsm_pipeline.reporting.handbook_html",
)
HEAVY = ("nsm_pipeline.definitions", *JUDGING, *SCORING)
_started = Lock()


def load_ahead(names: Sequence[str] = HEAVY) -> None:
    """Begin to import Dagster, Great Expectations and what pages are made with, beside what is going on; the second
    call does nothing."""
    if _started.acquire(blocking=False):
        Thread(target=lambda: [import_module(name) for name in names], name="load-ahead", daemon=True).start()
