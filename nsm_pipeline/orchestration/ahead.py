"""Loading what takes seconds to load while queries run, which leave Python alone.

What belongs here: importing ahead of need. What does not: anything that depends on its having happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from threading import Lock, Thread

JUDGING = ("nsm_pipeline.certification.judging",)
SCORING = (
    "statsmodels.tsa.statespace.structural",
    "nsm_pipeline.reporting.pictures",
    "nsm_pipeline.reporting.handbook_html",
)
HEAVY = ("nsm_pipeline.definitions", *JUDGING, *SCORING)
_lock = Lock()
_loading: list[Thread] = []


def load_ahead(names: Sequence[str] = HEAVY, then: Callable[[], None] = lambda: None) -> None:
    """Begin to import Dagster, Great Expectations and what pages are made with, beside what is going on, and `then` to
    do what else can be done by then; the second call does nothing."""

    def load() -> None:
        for name in names:
            import_module(name)
        then()

    with _lock:
        if not _loading:
            loading = Thread(target=load, name="load-ahead", daemon=True)
            _loading.append(loading)
            loading.start()


def wait_for_loading() -> None:
    """Wait for what is being imported. Who needs any of it asks for this first: modules that import each other in a
    circle may be found half made where two threads import them."""
    for loading in _loading:
        loading.join()
