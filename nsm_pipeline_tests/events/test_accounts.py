"""Account snapshots: formats, rows and files set aside, repeated accounts."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_zone import Zone

DAY = date(2026, 1, 1)


def snapshot(zone: Zone) -> list[dict[str, object]]:
    ledger = zone.ledger
    return zone.lake.read("accounts", DAY, ledger.snapshots[DAY]).to_pylist()


def test_csv_and_parquet_say_the_same(zone: Zone) -> None:
    text = "account_id,plan,seats,is_internal,created_on,region\na1,free,3,true,2025-05-01,eu\na2,,,,,\n"
    zone.put("as_of=2026-01-01/a.csv", text, "accounts")
    table = pa.table(
        {
            "account_id": ["a3"],
            "plan": ["free"],
            "seats": pa.array([3], pa.int32()),
            "is_internal": [True],
            "created_on": pa.array([datetime(2025, 5, 1)], pa.timestamp("us")),
            "region": ["eu"],
        }
    )
    pq.write_table(table, zone.put("as_of=2026-01-01/b.parquet", b"", "accounts"))
    zone.ingest()
    first, second, third = snapshot(zone)
    assert first == {"account_id": "a1", "plan": "free", "segment": None, "seats": 3, "is_internal": True,
                     "created_on": date(2025, 5, 1), "region": "eu"}  # fmt: skip
    assert third == {**first, "account_id": "a3"}
    assert second == {**dict.fromkeys(first), "account_id": "a2", "is_internal": False}


def test_unreadable_rows_are_set_aside(zone: Zone) -> None:
    text = "account_id,seats,is_internal,created_on\na1,1,no,\n,1,no,\na2,few,no,\na3,1,maybe,\na4,1,no,soon\na5,1\n"
    zone.put("as_of=2026-01-01/a.csv", text, "accounts")
    zone.ingest()
    found = zone.quarantine("as_of=2026-01-01/a.csv", "accounts")
    assert [number for number, _, _ in found] == [2, 3, 4, 5, 6]
    reasons = ["account_id is missing", "few", "maybe", "soon", "has 2 fields where the header has 4"]
    for (_, reason, raw), part, value in zip(found, reasons, ["", "few", "maybe", "soon", "a5"], strict=True):
        assert part in reason
        assert value in raw
    line = zone.row("as_of=2026-01-01/a.csv", "accounts")
    assert (line.rows, line.accepted, line.quarantined, line.reconciles) == (6, 1, 5, True)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("as_of=2026-01-01/a.csv", b"", "the file is empty"),
        ("as_of=2026-01-01/a.csv", b"id,plan\n1,free\n", "has no column 'account_id'"),
        ("as_of=2026-01-01/a.csv", b"account_id,plan,plan\n1,x,y\n", "has the column 'plan' twice"),
        ("as_of=2026-01-01/a.csv", b"account_id,plan\na1,free\na2", "truncated"),
        ("as_of=2026-01-01/a.csv", b'account_id,plan\na1,"fr', "truncated"),
        ("as_of=2026-01-01/a.xlsx", b"PK", "unknown format 'a.xlsx'"),
        ("as_of=2026-01-01/a.parquet", b"PAR1 PAR1", "unreadable"),
        ("as_of=2026-01-01/a.parquet", b"PAR1 cut", "truncated"),
        ("as_of=january/a.csv", b"account_id\na1\n", "found the folder 'as_of=january'"),
        ("a.csv", b"account_id\na1\n", "lies in no folder as_of=YYYY-MM-DD"),
    ],
)
def test_a_snapshot_that_cannot_be_used(zone: Zone, name: str, content: bytes, reason: str) -> None:
    zone.put(name, content, "accounts")
    zone.ingest()
    line = zone.row(name, "accounts")
    assert (line.kind, line.state) == ("accounts", "quarantined")
    assert reason in str(line.reason)
    assert zone.ledger.snapshots == {}


def test_the_first_row_of_the_first_path_stays(zone: Zone) -> None:
    zone.put_accounts("2026-01-01", [{"account_id": "a1", "plan": "second path"}], name="b.csv")
    zone.ingest()
    zone.put_accounts(
        "2026-01-01", [{"account_id": "a1", "plan": "first"}, {"account_id": "a1", "plan": "again"}], name="a.csv"
    )
    zone.ingest()
    assert [(row["account_id"], row["plan"]) for row in snapshot(zone)] == [("a1", "first")]
    found = {row.path[-5:]: (row.rows, row.accepted, row.duplicate) for row in zone.ledger.rows()}
    assert found == {"a.csv": (2, 1, 1), "b.csv": (1, 0, 1)}
