"""A small home for tests: writes landing files in every format, ingests them, builds weeks, reads results."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.engines.duckdb import Engine, connection_config
from nsm_pipeline.events.landing import ingest, load_ledger
from nsm_pipeline.events.ledger import Content, Ledger, LedgerRow
from nsm_pipeline.events.usage import UsageStep
from nsm_pipeline.home import Home
from nsm_pipeline.lake import Lake
from nsm_pipeline.playbook.loading import Playbook, load_playbook
from nsm_pipeline.playbook.settings import Engine as EngineSettings

Row = dict[str, Any]
ACCOUNTS = {"plan": None, "seats": None, "is_internal": None, "created_on": None, "segment": None}

SHOP = """
use_case: shop
title: Shop
owner: {name: Shop group}
events:
  order_placed:
    properties:
      amount: {type: number, missing: [-1]}
      items: {type: integer, missing: [-1]}
      order: {type: string}
      gift: {type: boolean}
    sources:
      - {name: order_done, until: 2026-02-16, properties: {amount: {from: cents, divide_by: 100}, order: number}}
      - {name: order.placed, since: 2026-02-02, preferred: true}
    same: [account_id, properties.order]
  page_viewed:
    sources: [{name: page_viewed}]
slices: [plan]
metrics:
  ordering_accounts: {count_distinct: account, of: order_placed}
  orders: {count: order_placed}
north_star: {metric: ordering_accounts}
inputs: [{metric: orders, dimension: depth}]
"""


def event(event_id: str, day: str = "2026-03-03T10:00:00Z", account: str = "a1", **more: Any) -> Row:
    """An event as sent; keywords replace or add keys."""
    row = {
        "event_id": event_id,
        "event_name": "order.placed",
        "occurred_at": day,
        "received_at": day,
        "account_id": account,
        "user_id": f"u-{account}",
        "properties": {"amount": 5, "order": f"o-{event_id}"},
    }
    return {**row, **more}


def encode(name: str, rows: Sequence[Row]) -> bytes:
    """Rows as the bytes of a file in the format that its name says."""
    if name.endswith(".gz"):
        return gzip.compress(encode(name.removesuffix(".gz"), rows), mtime=0)
    if name.endswith((".jsonl", ".ndjson")):
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    flat = [
        {key: json.dumps(value) if isinstance(value, dict) else value for key, value in row.items()} for row in rows
    ]
    if name.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return text.getvalue().encode()
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(flat), sink)
    return bytes(sink.getvalue())


@cache
def database() -> duckdb.DuckDBPyConnection:
    """One empty database per process, of which every worker gets a connection: to open one takes longer than to read a
    small file. Nothing is stored in it: what the program makes on a connection is temporary and goes with it."""
    return duckdb.connect(":memory:", config=connection_config(EngineSettings(threads=1), Path(gettempdir())))


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    with database().cursor() as connection:
        yield connection


COMPILED: dict[str, dict[str, tuple[str, ...]]] = {}
"""Queries by playbook, as one run keeps them: they follow from it alone, and take longer than a small week."""


@dataclass
class Zone:
    """One home with a playbook; every method runs the real program."""

    root: Path
    use_case: str = SHOP
    settings: str = "company: Test\n"
    threads: int = 1
    _playbook: Playbook | None = field(default=None, repr=False)

    @property
    def home(self) -> Home:
        return Home(self.root)

    @property
    def lake(self) -> Lake:
        return Lake(self.home.lake)

    @property
    def playbook(self) -> Playbook:
        if self._playbook is None:
            self.home.playbook.mkdir(parents=True, exist_ok=True)
            (self.home.playbook / "use_case.yaml").write_text(self.use_case)
            (self.home.playbook / "settings.yaml").write_text(self.settings)
            self.load_playbook()
        assert self._playbook is not None
        return self._playbook

    def load_playbook(self) -> None:
        """Read the playbook that lies in the home."""
        self._playbook = load_playbook(self.home.playbook)

    @property
    def engine(self) -> Engine:
        return Engine(connect, self.threads)

    def put(self, name: str, content: bytes | str | Sequence[Row], folder: str = "usage_events") -> Path:
        """A landing file from bytes, text or rows."""
        file = self.home.landing / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        file.write_bytes(content if isinstance(content, bytes) else encode(name, content))
        return file

    def put_accounts(self, as_of: str, rows: Sequence[Row], name: str = "accounts.csv") -> Path:
        full = [{"account_id": row["account_id"], **ACCOUNTS, **row} for row in rows]
        return self.put(f"as_of={as_of}/{name}", full, "accounts")

    def ingest(self, on_file: Callable[[int, int, str], None] | None = None) -> Ledger:
        return ingest(self.home, self.engine, self.playbook, on_file)

    @property
    def ledger(self) -> Ledger:
        return load_ledger(self.home)

    def row(self, name: str, folder: str = "usage_events") -> LedgerRow:
        """The ledger's line of a landing file as it is now."""
        rows = [row for row in self.ledger.rows() if row.path == f"{folder}/{name}" and row.state != "replaced"]
        assert len(rows) == 1, rows
        return rows[0]

    def content(self, name: str, folder: str = "usage_events") -> Content:
        return self.ledger.contents[self.row(name, folder).content]

    def quarantine(self, name: str, kind: str = "events") -> list[tuple[int, str, str]]:
        """(row number, reason, raw text) of a file's quarantined rows."""
        row = self.row(name, "usage_events" if kind == "events" else "accounts")
        table = self.lake.read(f"quarantined_{kind}", row.content)
        return [(found["row_number"], found["reason"], found["raw"]) for found in table.to_pylist()]

    def step(self) -> UsageStep:
        return UsageStep(self.lake, self.ledger, self.playbook, COMPILED.setdefault(str(self.playbook), {}))

    def build(self, *weeks: date) -> None:
        """Build everything of some weeks, stale or not."""
        step = self.step()
        everything = frozenset([*self.playbook.use_cases, "evidence"])
        list(self.engine.map(lambda connection, week: step.run(connection, [week], everything), weeks))

    def usage(self, week: date, use_case: str = "shop") -> list[Row]:
        """A built week's usage events."""
        return self.lake.read("usage_events", use_case, week).to_pylist()

    def usage_with_accounts(self, week: date, use_case: str = "shop") -> list[Row]:
        """A built week's usage events with their accounts' attributes, of the week."""
        step = self.step()

        def loaded(connection: duckdb.DuckDBPyConnection, week: date) -> list[Row]:
            step.load(connection, self.playbook.use_cases[use_case], [week])
            joined = """SELECT usage.*, snapshot.* EXCLUDE (account_id, is_internal)
                FROM usage LEFT JOIN snapshot ON snapshot.account_id = usage.account_id"""
            rows: list[Row] = connection.execute(joined).to_arrow_table().to_pylist()
            return rows

        (rows,) = self.engine.map(loaded, [week])
        return rows

    def evidence(self, week: date) -> Row:
        (row,) = self.lake.read("week_evidence", week).to_pylist()
        return row

    def digests(self, table: str) -> dict[str, str]:
        """Digest of the bytes of each file of a table."""
        return {
            file.relative_to(self.home.lake).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in self.lake.files(table)
        }
