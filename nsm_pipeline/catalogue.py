"""A read-only catalogue over a home: views for ad-hoc SQL, made afresh for every query.

What belongs here: the views and what a query may do. What does not: printing results (`cli`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields

import duckdb
import pyarrow as pa

from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.events.accounts import STANDARD
from nsm_pipeline.events.duplicates import LOSERS, losers_file
from nsm_pipeline.events.evidence import EVIDENCE, UNMAPPED
from nsm_pipeline.events.landed import QUARANTINE
from nsm_pipeline.events.ledger import LedgerRow
from nsm_pipeline.metrics.adoption import ADOPTION_ROWS
from nsm_pipeline.metrics.growth import GROWTH
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.metrics.plans import ADOPTION
from nsm_pipeline.playbook.models import ROLES
from nsm_pipeline.publishing.tables import CERTIFICATES, DECLARED
from nsm_pipeline.steps.certificates import week_states
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.publication import certificate_rows

LANDED = pa.schema(
    [
        ("week", pa.date32()),
        *((name, pa.string()) for name in ("event_id", "event_name")),
        *((name, pa.timestamp("us")) for name in ("occurred_at", "received_at")),
        *((name, pa.string()) for name in ("account_id", "user_id", "properties", "outcome", "file")),
        ("row_number", pa.int64()),
    ]
)
USAGE = pa.schema(
    [
        ("week", pa.date32()),
        *((name, pa.string()) for name in ("use_case", "event")),
        ("occurred_at", pa.timestamp("us")),
        *((name, pa.string()) for name in ("account_id", "user_id")),
        ("is_internal", pa.bool_()),
    ]
)
BY_ACCOUNT = pa.schema([("week", pa.date32()), ("use_case", pa.string()), *ADOPTION_ROWS])
# A use case's file of a week does not repeat what its path says.
OF_PATH = """parse_filename(filename, true)::DATE AS week, parse_path(filename)[-2] AS use_case,
    * EXCLUDE (filename, file_row_number)"""
View = Callable[[Open, duckdb.DuckDBPyConnection, str], object]
LEDGER_TYPES = {"str": pa.string(), "int": pa.int64(), "date": pa.date32()}


def run_query(opened: Open, sql: str) -> pa.Table:
    """Result of one SELECT over the catalogue. Raises UserError for anything else, and for what DuckDB refuses."""
    return _run(opened, sql, VIEWS)


def run_query_as_published(opened: Open, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """Result of one SELECT over the tables of one publication, under the names of the extract's views and of those
    that hold the same as it is now. Raises UserError as `run_query` does, and for views of what is not kept by date."""

    def register(table: pa.Table) -> View:
        return lambda _, connection, name: connection.register(name, table)

    views = {f"extract_{name}": register(table) for name, table in tables.items()}
    views |= {name: register(table) for name, table in tables.items() if name in VIEWS}
    return _run(opened, sql, views)


def _run(opened: Open, sql: str, views: Mapping[str, View]) -> pa.Table:
    with _catalogue(opened, sql, views) as connection:
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in (
                duckdb.StatementType.SELECT,
                duckdb.StatementType.EXPLAIN,
            ):
                raise UserError("nsm query: one SELECT statement is accepted; the catalogue is read-only.")
            return connection.execute(statements[0]).to_arrow_table()
        except duckdb.CatalogException as error:
            found = re.search(r"Table with name (\S+) does not exist", str(error))
            if found and found[1].lower() in VIEWS.keys() - views.keys():
                raise UserError(
                    f"nsm query: found the table '{found[1]}', which is not kept as it was on a date; only what was "
                    f"published is. Accepted: {', '.join(sorted(views))}."
                ) from None
            if found:
                raise UserError(f"nsm query: found the table '{found[1]}'; {nearest(found[1], views)}") from None
            raise UserError(f"nsm query: {_first_line(error)}") from None
        except duckdb.Error as error:
            raise UserError(f"nsm query: {_first_line(error)}") from None


def _first_line(error: duckdb.Error) -> str:
    return str(error).split("\n\n")[0].replace("\n", " ")


@contextmanager
def _catalogue(opened: Open, sql: str, views: Mapping[str, View]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the views that the query names; it can read the home and nothing else."""
    with opened.engine.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        mentioned = sql.lower()
        for name, build in views.items():
            if name in mentioned:
                build(opened, connection, name)
        folders = [f"{opened.home.lake}/", f"{opened.home.extracts}/"]
        connection.execute("SET allowed_directories = $folders", {"folders": folders})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _files_view(
    connection: duckdb.DuckDBPyConnection, name: str, files: list[str], empty: pa.Schema, select: str = "*"
) -> None:
    if not files:
        connection.register(name, empty.empty_table())
        return
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    source = f"read_parquet([{listed}], union_by_name = true, filename = true, file_row_number = true)"
    columns = f"{select} EXCLUDE (filename, file_row_number)" if select == "*" else select
    connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {source}")


def _landed(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    ledger = opened.ledger
    active = ledger.active("events")
    paths = pa.table({"content": list(active), "path": list(active.values())}) if active else None
    files = [str(opened.lake.file("landed_events", week, key)) for key in active for week in ledger.contents[key].parts]
    if paths is None or not files:
        connection.register(name, LANDED.empty_table())
        return
    connection.register("ledger_paths", paths)
    losers = [file for week in ledger.losers if (file := losers_file(opened.lake, ledger, week))]
    lost = pa.schema([("week", pa.date32()), *LOSERS])
    _files_view(
        connection, "settled_duplicates", losers, lost, "parse_path(filename)[-2]::DATE AS week, content, row, kind"
    )
    _files_view(
        connection,
        "landed_rows",
        files,
        LANDED,
        "*, parse_path(filename)[-2]::DATE AS week, parse_filename(filename, true) AS content",
    )
    connection.execute(
        f"""CREATE VIEW {name} AS SELECT landed.week, event_id, event_name, occurred_at, received_at, account_id,
            user_id, properties, coalesce(lost.kind, 'accepted') AS outcome, path AS file, row_number
        FROM landed_rows landed JOIN ledger_paths USING (content)
        LEFT JOIN settled_duplicates lost ON lost.week = landed.week AND lost.content = landed.content
            AND lost.row = landed.file_row_number"""
    )


def _quarantined(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    active = opened.ledger.active("events")
    files = [str(file) for key in active if (file := opened.lake.file("quarantined_events", key)).is_file()]
    schema = pa.schema([("file", pa.string()), *QUARANTINE])
    if not files:
        connection.register(name, schema.empty_table())
        return
    connection.register("quarantine_paths", pa.table({"content": list(active), "path": list(active.values())}))
    _files_view(connection, "quarantined_rows", files, QUARANTINE, "*, parse_filename(filename, true) AS content")
    names = ", ".join(field.name for field in QUARANTINE)
    connection.execute(
        f"""CREATE VIEW {name} AS SELECT path AS file, {names}
        FROM quarantined_rows JOIN quarantine_paths USING (content)"""
    )


def _ledger(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    types = {field.name: LEDGER_TYPES[str(field.type).split(" ")[0]] for field in fields(LedgerRow)}
    rows = [asdict(row) for row in opened.ledger.rows()]
    connection.register(name, pa.Table.from_pylist(rows, pa.schema(list(types.items()))))


def _accounts(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    files = [str(opened.lake.file("accounts", day, key)) for day, key in sorted(opened.ledger.snapshots.items())]
    empty = pa.schema([("as_of", pa.date32()), *STANDARD])
    _files_view(
        connection,
        name,
        files,
        empty,
        "* EXCLUDE (filename, file_row_number), parse_path(filename)[-2]::DATE AS as_of",
    )


def _per_use_case(table: str, empty: pa.Schema, select: str = "*") -> View:
    def build(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        files = [
            str(file)
            for use_case, plan in opened.plans.items()
            if table in ("usage_events", *plan.tables)
            for week in opened.weeks
            if (file := opened.lake.file(table, use_case, week)).is_file()
        ]
        _files_view(connection, name, files, empty, select)

    return build


def _per_week(table: str, empty: pa.Schema) -> View:
    def build(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        found = [str(file) for week in opened.weeks if (file := opened.lake.file(table, week)).is_file()]
        _files_view(connection, name, found, empty)

    return build


def _growth(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    files = [str(file) for use_case in opened.plans if (file := opened.lake.file("growth", use_case)).is_file()]
    _files_view(connection, name, files, GROWTH)


def _certificates(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    states = [state for use_case in opened.plans for state in week_states(opened, use_case)]
    connection.register(name, pa.Table.from_pylist(certificate_rows(opened, states), CERTIFICATES.schema))


def _extract(opened: Open, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    table = next(declared for declared in DECLARED if name == f"extract_{declared.name}")
    file = (opened.home.extracts / "current").resolve() / f"{table.name}.parquet"
    _files_view(connection, name, [str(file)] if file.is_file() else [], table.schema)


VIEWS: dict[str, View] = {
    "landed_events": _landed,
    "quarantined_events": _quarantined,
    "file_ledger": _ledger,
    "accounts": _accounts,
    "usage_events": _per_use_case("usage_events", USAGE, OF_PATH),
    "unmapped_events": _per_week("unmapped_events", UNMAPPED),
    "week_evidence": _per_week("week_evidence", EVIDENCE),
    "account_weeks": _per_use_case("account_weeks", USAGE),
    **{role: _per_use_case(role, METRIC_ROWS) for role in ROLES},
    ADOPTION: _per_use_case(ADOPTION, BY_ACCOUNT, OF_PATH),
    "growth": _growth,
    "certificates": _certificates,
    **{f"extract_{table.name}": _extract for table in DECLARED},
}
"""Every view by name. Metric views hold what was computed; the extract's hold what is published."""
