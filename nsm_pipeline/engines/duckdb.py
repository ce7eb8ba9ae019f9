"""A pool of in-process DuckDB connections, one thread each, for work that splits by file or by week.

What belongs here: connections, limits, parallel order-keeping work. What does not: any query.

One connection per worker with one thread each, not one connection with many: a week is one or two row
groups, which DuckDB would scan on a single thread anyway, and single-threaded writes keep row order, so
equal inputs give equal bytes.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb

from nsm_pipeline.playbook.settings import Engine as EngineSettings

T = TypeVar("T")
R = TypeVar("R")
Connect = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
UNITS = {"MB": 1, "MiB": 1, "GB": 1000, "GiB": 1024}


def connection_config(settings: EngineSettings, spill: Path) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's configuration for one worker: its share of the memory limit, one thread, where to spill."""
    match = re.fullmatch(r"([\d.]+) ?(\w+)", settings.memory_limit)
    assert match is not None  # the settings model has checked the pattern
    megabytes = float(match[1]) * UNITS[match[2]] / settings.threads
    return {
        "memory_limit": f"{max(int(megabytes), 64)}MB",
        "threads": 1,
        "temp_directory": settings.temp_directory or str(spill),
        "preserve_insertion_order": "true",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }


@dataclass(frozen=True)
class Engine:
    """`connect` opens one worker's connection; `workers` run at once."""

    connect: Connect
    workers: int

    @classmethod
    def of(cls, settings: EngineSettings, spill: Path) -> Engine:
        """The engine without Dagster: plain in-memory connections under the same configuration."""
        config = connection_config(settings, spill)

        @contextmanager
        def connect() -> Iterator[duckdb.DuckDBPyConnection]:
            with duckdb.connect(":memory:", config=config) as connection:
                yield connection

        return cls(connect, settings.threads)

    def map(self, work: Callable[[duckdb.DuckDBPyConnection, T], R], items: Iterable[T]) -> Iterator[R]:
        """Results of `work(connection, item)` in the order of the items, a few items ahead of the reader."""
        local = threading.local()
        with ExitStack() as connections:
            guard = threading.Lock()

            def on_worker(item: T) -> R:
                if not hasattr(local, "connection"):
                    with guard:
                        local.connection = connections.enter_context(self.connect())
                        local.connection.execute("SET TimeZone = 'UTC'")
                        # A join would hold back what is left of small vectors until there is enough of it, while large
                        # ones pass: the order of rare rows would depend on what lies around them.
                        local.connection.execute("SET enable_caching_operators = false")
                return work(local.connection, item)

            with ThreadPoolExecutor(self.workers, thread_name_prefix="duckdb") as pool:
                ahead: deque[Future[R]] = deque()
                try:
                    for item in items:
                        ahead.append(pool.submit(on_worker, item))
                        if len(ahead) > 2 * self.workers:
                            yield ahead.popleft().result()
                    while ahead:
                        yield ahead.popleft().result()
                finally:
                    for future in ahead:
                        future.cancel()
