"""The pool of connections: order kept, whatever lies around the rows."""

from __future__ import annotations

from pathlib import Path

import duckdb

from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.playbook.settings import Engine as EngineSettings


def test_rare_rows_keep_their_order_through_a_join(tmp_path: Path) -> None:
    """Rows of which few stand in some vectors of 2,048 and many in others, wherever those vectors begin."""

    def rare(connection: duckdb.DuckDBPyConnection, first: int) -> list[int]:
        found = connection.execute(
            """SELECT place, account IN (SELECT range FROM range(10)) AS is_internal
            FROM (SELECT range AS place, range % 1000 AS account FROM range($first::BIGINT, 200000))
            WHERE hash(place) % 40 = 0 OR place % 30000 < 2000""",
            {"first": first},
        ).fetchall()
        return [place for place, _ in found if place >= 100_000]

    engine = Engine.of(EngineSettings(threads=1), tmp_path)
    alone, beside = engine.map(rare, [100_000, 777])
    assert len(alone) > 5_000
    assert alone == sorted(alone)
    assert beside == alone
