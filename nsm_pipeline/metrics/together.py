"""Queries over the same rows as one statement: what several of them read is computed once.

What belongs here: making the statement, taking its answer apart. What does not: the queries.

The rows are there for as long as the statement runs. Temporary tables of them take half as long again, for DuckDB
estimates how many different values there are in every column of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

QUERY = "_query"


class Together:
    """Queries by their place; each is in the answer under its place and with columns that are its alone."""

    def __init__(self, shared: Mapping[str, ir.Table], queries: Sequence[ir.Table]) -> None:
        """`shared`: rows that later ones and the queries read, under the names of the tables that these read."""
        self._columns = [list(query.columns) for query in queries]
        held = ", ".join(f"{name} AS MATERIALIZED ({to_sql(rows)})" for name, rows in shared.items())
        asked = [
            f"SELECT {place} AS {QUERY}, {self._renamed(place)} FROM ({to_sql(query)})"
            for place, query in enumerate(queries)
        ]
        self.sql = f"WITH {held} {' UNION ALL BY NAME '.join(asked)}"

    def ask(self, connection: duckdb.DuckDBPyConnection) -> list[pa.Table]:
        """The answers, in the order of the queries."""
        found = connection.execute(self.sql).to_arrow_table()
        return [
            found.select([_own(place, name) for name in names])
            .filter(pc.equal(found[QUERY], place))
            .rename_columns(names)
            for place, names in enumerate(self._columns)
        ]

    def _renamed(self, place: int) -> str:
        # Names of columns are ours or checked with the playbook: none has a quotation mark in it.
        return ", ".join(f'"{name}" AS "{_own(place, name)}"' for name in self._columns[place])


def _own(place: int, name: str) -> str:
    return f"{place} {name}"


def to_sql(expression: ir.Table) -> str:
    """SQL of a query."""
    return str(ibis.to_sql(expression, dialect="duckdb"))
