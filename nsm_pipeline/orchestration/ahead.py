"""Loading what takes seconds to load while queries run, which leave Python alone.

What belongs here: importing ahead of need. What does not: anything that depends on its having happened.
"""

from __future__ import annotations

from importlib import import_module
from threading import Lock, Thread

HEAVY = ("nsm_pipeline.definitions", "nsm_pipeline.certification.judging")
_started = Lock()


def load_ahead() -> None:
    """Begin to import Dagster and Great Expectations beside what is going on; the second call does nothing."""
    if _started.acquire(blocking=False):
        Thread(target=lambda: [import_module(name) for name in HEAVY], name="load-ahead", daemon=True).start()
