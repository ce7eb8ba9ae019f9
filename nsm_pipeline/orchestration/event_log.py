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
from dagster import AssetKey, EventLogEntry, Field, StringSource
from dagster._core.events import ASSET_EVENTS, DagsterEventType
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import StaticPool

from nsm_pipeline.orchestration.event_text import EventTexts

OPEN_SHARDS = 8
BUSY_TIMEOUT = 60
BATCH = 500
CHECKS = AssetCheckExecutionsTable
PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
WEEKLY = frozenset(
    {"usage_events", "account_weeks", "north_star", "inputs", "counter_metrics", "outcomes", "account_adoption"}
)
"""The assets that have partitions, by the last part of their keys."""
KEY = ("asset_key", "check_name", "partition", "run_id")


class KeptOpenEventLogStorage(SqliteEventLogStorage):
    """Stores events as SqliteEventLogStorage does, on connections that stay open. `base_dir` defaults to
    `$DAGSTER_HOME/history/runs`, where Dagster keeps them."""

    def __init__(self, base_dir: str | None = None, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, db.Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._waiting: list[EventLogEntry] = []
        self._texts = EventTexts()
        self._known: dict[str, set[tuple[Any, ...]]] = {}
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

    def store_event(self, event: EventLogEntry) -> None:
        """Evaluations of checks wait for one another, for there are thousands; anything else is stored at once,
        after those that wait (the end of their step at the latest)."""
        if (
            event.is_dagster_event
            and event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION
            and event.run_id
        ):
            self._waiting.append(event)
            if len(self._waiting) >= BATCH:
                self._store_evaluations()
            return
        self._store_evaluations()
        super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Asset events of one run in one transaction per database; anything else one by one."""
        self._store_evaluations()
        assets = [event for event in events if event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS]
        assets = _planned_once(assets)
        for run_id in dict.fromkeys(event.run_id for event in assets):
            mine = [event for event in assets if event.run_id == run_id]
            ids, rows = self._insert(run_id, mine)
            with self.index_transaction() as connection:
                made = [place for place, row in enumerate(rows) if row["dagster_event_type"] != PLANNED]
                self._store_asset_event_tags(connection, [mine[at] for at in made], [ids[at] for at in made])
                # The table of assets keeps the newest event of each kind: the last one is enough.
                newest = {(row["asset_key"], row["dagster_event_type"]): place for place, row in enumerate(rows)}
                for place in newest.values():
                    self._store_asset_event(connection, mine[place], ids[place])
        for event in events:
            if not (event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS):
                self.store_event(event)

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        """As Dagster's, which makes the whole event into text every time."""
        told = event.dagster_event
        key = told.asset_key if told else None
        return {
            "run_id": event.run_id,
            "event": self._texts.of(event),
            "dagster_event_type": told.event_type_value if told else None,
            "timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "step_key": told.step_key if told else event.step_key,
            "asset_key": key.to_string() if key else None,
            "partition": (told.partition or None) if told else None,
        }

    def _insert(self, run_id: str, events: Sequence[EventLogEntry]) -> tuple[list[int], list[dict[str, Any]]]:
        """Events of one run into its own database and the index; their ids there, and the rows."""
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            made = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            return [int(key) for key in connection.execute(made, rows).scalars()], rows

    def _store_evaluations(self) -> None:
        """Store what waits: the events, and the state of each check and partition as Dagster keeps it."""
        waiting, self._waiting = self._waiting, []
        for run_id in dict.fromkeys(event.run_id for event in waiting):
            mine = [event for event in waiting if event.run_id == run_id]
            ids, rows = self._insert(run_id, mine)
            with self.index_transaction() as connection:
                known = self._executions(run_id, connection)
                found = [_execution(event, key, row) for event, key, row in zip(mine, ids, rows, strict=True)]
                keys = [{name: execution[name] for name in KEY} for execution in found]
                new = [key for key in keys if tuple(key.values()) not in known]
                if new:
                    connection.execute(CHECKS.insert(), new)
                for whole in (True, False):
                    if some := [one for one in found if (one["partition"] is None) == whole]:
                        parameters = [{f"new_{name}": value for name, value in one.items()} for one in some]
                        connection.execute(_update(whole), parameters)
            known.update(tuple(key.values()) for key in new)

    def _executions(self, run_id: str, connection: db.Connection) -> set[tuple[Any, ...]]:
        """KEY of a run's executions that the table has, planned or done: read once and kept, of one run at a time."""
        if run_id not in self._known:
            stored = connection.execute(db.select(*(CHECKS.c[name] for name in KEY)).where(CHECKS.c.run_id == run_id))
            self._known = {run_id: {tuple(row) for row in stored}}
        return self._known[run_id]

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """As Dagster does, but the event, which is the same for every partition, is made into text once."""
        planned: Any = event.get_dagster_event().event_specific_data
        row = self._event_to_row(event)
        partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        common = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": "PLANNED",
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": event_id,
        }
        with self.index_transaction() as connection:
            connection.execute(CHECKS.insert(), [{**common, "partition": partition} for partition in partitions])
        self._known.pop(event.run_id, None)

    def dispose(self) -> None:
        self._store_evaluations()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _planned_once(events: Sequence[EventLogEntry]) -> list[EventLogEntry]:
    """Events of assets, without most of those that say nothing: over a range of weeks Dagster plans every asset once
    for each week, also one that has no weeks."""
    found: list[EventLogEntry] = []
    planned: set[AssetKey] = set()
    for event in events:
        told = event.get_dagster_event()
        if told.event_type_value == PLANNED and told.asset_key and told.asset_key.path[-1] not in WEEKLY:
            if told.asset_key in planned:
                continue
            planned.add(told.asset_key)
        found.append(event)
    return found


def _execution(event: EventLogEntry, event_id: int, row: dict[str, Any]) -> dict[str, Any]:
    """What Dagster's table of executions says of an evaluation: KEY, then the rest."""
    found = event.get_dagster_event().asset_check_evaluation_data
    target = found.target_materialization_data
    return {
        "asset_key": found.asset_key.to_string(),
        "check_name": found.check_name,
        "partition": found.partition,
        "run_id": event.run_id,
        "execution_status": "SUCCEEDED" if found.passed else "FAILED",
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": event_id,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


def _update(whole: bool) -> Any:
    """The statement, executed for many at once, that changes executions of one partition or (`whole`) of none."""
    names = [column.name for column in CHECKS.columns if column.name not in (*KEY, "id", "create_timestamp")]
    same = [CHECKS.c[name] == db.bindparam(f"new_{name}") for name in KEY if name != "partition"]
    same.append(CHECKS.c.partition.is_(None) if whole else CHECKS.c.partition == db.bindparam("new_partition"))
    return CHECKS.update().where(db.and_(*same)).values({name: db.bindparam(f"new_{name}") for name in names})


def _relax(connection: Any, _record: object) -> None:
    """Write-ahead log, and no wait for the disk at every event."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
