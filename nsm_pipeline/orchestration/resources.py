"""The home as a Dagster resource, over `dagster-duckdb`'s connections.

What belongs here: how a step gets at the home. What does not: the steps.
"""

from __future__ import annotations

from datetime import date
from functools import partial

from dagster import ConfigurableResource
from dagster_duckdb import DuckDBResource
from pydantic import Field

from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.home import Home
from nsm_pipeline.steps.opening import Open, open_playbook


class HomeResource(ConfigurableResource):  # type: ignore[type-arg]
    """A home directory. DuckDB's memory limit (per worker), threads and spill directory are settings of `duckdb`."""

    root: str = Field(description="The home's directory.")
    as_of: str | None = Field(default=None, description="A day that stands for today, YYYY-MM-DD.")
    workers: int = Field(default=2, description="Queries that run side by side, each on a connection of its own.")
    duckdb: DuckDBResource

    def open(self) -> Open:
        """The home as it is now: playbook and ledger are read anew. Raises PlaybookError."""
        home = Home.at(self.root)
        playbook = open_playbook(home, date.fromisoformat(self.as_of) if self.as_of else None)
        engine = Engine(partial(self.duckdb.get_connection), self.workers)
        return Open.of(home, playbook, engine)
