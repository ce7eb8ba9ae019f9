"""Dagster's SQLite event log with its connections kept open: what makes a run over 156 weeks cheap.

What belongs here: how events are stored. What does not: which events there are. The tables and their content are
Dagster's own, so its UI and daemon read them as ever, and a home may go back to Dagster's class at any time.

Why: the stock class opens a database, compiles its statements and waits for the disk for every single event, about
20 ms of it. A run over 156 weeks and three use cases stores 9,000 events. Here the connection and the compiled
statements stay, and the planned events and materialisations of a range are stored in one transaction. After a power
failure (not after a kill) the newest events of the log may be missing; the lake does not depend on them.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as db
from dagster import EventLogEntry, Field, StringSource
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import StaticPool

OPEN_SHARDS = 8
BUSY_TIMEOUT = 60


class KeptOpenEventLogStorage(SqliteEventLogStorage):
    """Stores events as SqliteEventLogStorage does, on connections that stay open. `base_dir` defaults to
    `$DAGSTER_HOME/history/runs`, where Dagster keeps them."""

    def __init__(self, base_dir: str | None = None, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, db.Engine] = OrderedDict()
        self._tables: set[str] = set()
        home = os.environ.get("DAGSTER_HOME", "")
        super().__init__(base_dir or os.path.join(home, "history", "runs"), inst_data)  # noqa: PTH118

    @classmethod
    def config_type(cls) -> Any:
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptOpenEventLogStorage":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> db.Engine:
        engine = self._engines.get(shard)
        if engine is None:
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
            )
            db.event.listen(engine, "connect", _relax)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > OPEN_SHARDS:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        """Tables are not dropped: one that was there once is there."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Asset events of one run in one transaction per database; anything else one by one."""
        plain = [event for event in events if not (event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS)]
        assets = [event for event in events if event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS]
        for run_id in dict.fromkeys(event.run_id for event in assets):
            mine = [(event, self.prepare_insert_event(event)) for event in assets if event.run_id == run_id]
            with self.run_connection(run_id) as connection:
                for _, statement in mine:
                    connection.execute(statement)
            with self.index_transaction() as connection:
                for event, statement in mine:
                    key = connection.execute(statement).inserted_primary_key
                    assert key is not None  # the table has one
                    event_id = int(key[0])
                    self._store_asset_event_tags(connection, [event], [event_id])
                    self._store_asset_event(connection, event, event_id)
        for event in plain:
            self.store_event(event)

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _relax(connection: Any, _record: object) -> None:
    """Write-ahead log, and no wait for the disk at every event."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
