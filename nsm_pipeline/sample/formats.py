"""Files of a landing zone: how a delivery is spelled as Parquet, CSV or JSON lines.

Belongs here: columns, compression and the atomic write. A file appears under its name only when whole.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from nsm_pipeline.sample.arrow_text import iso_times, joined, labels, timestamps
from nsm_pipeline.sample.timeline import Period
from nsm_pipeline.sample.volume import NAMES

FILE_NAMES = {"parquet": "events.parquet", "csv": "events.csv.gz", "jsonl": "events.jsonl.gz"}
REPEATED_COLUMNS = ["event_name", "account_id", "user_id"]
GZIP_LEVEL = 3
ROW_GROUP = 131_072


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, moved onto it at the end; removed if the body fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def landing_columns(
    rows: pa.Table, account_ids: pa.StringArray, user_ids: pa.StringArray, typed_times: bool
) -> pa.Table:
    """The columns of the landing contract, from the codes of ``delivery``."""
    rows = rows.combine_chunks()
    times = timestamps if typed_times else iso_times
    return pa.table(
        {
            "event_id": rows["event_id"],
            "event_name": labels(NAMES, rows["name"].to_numpy()),
            "occurred_at": times(rows["occurred"].to_numpy()),
            "received_at": times(rows["received"].to_numpy()),
            "account_id": labels(account_ids, rows["account"].to_numpy()),
            "user_id": labels(user_ids, rows["user"].to_numpy()),
            "properties": rows["properties"],
        }
    )


def write_parquet(rows: pa.Table, path: Path) -> None:
    """One zstd Parquet file; properties as JSON text."""
    with replacing(path) as temporary:
        pq.write_table(rows, temporary, row_group_size=ROW_GROUP, compression="zstd", use_dictionary=REPEATED_COLUMNS)


def write_csv(rows: pa.Table, path: Path) -> None:
    """One gzipped CSV file with a header; properties as JSON text, a missing user as an empty field."""
    with _gzipped(path) as out:
        pyarrow.csv.write_csv(rows, out)


def json_lines(rows: pa.Table) -> bytes:
    """One JSON object per line, properties nested."""
    rows = rows.combine_chunks()
    user = joined('"', rows["user_id"], '"').fill_null("null")
    lines = joined(
        '{"event_id":"', rows["event_id"], '","event_name":"', rows["event_name"], '","occurred_at":"',
        rows["occurred_at"], '","received_at":"', rows["received_at"], '","account_id":"', rows["account_id"],
        '","user_id":', user, ',"properties":', rows["properties"], "}\n",
    )  # fmt: skip
    chunks = (chunk.buffers()[2].to_pybytes() for chunk in lines.chunks if len(chunk))
    return b"".join(chunks)


def write_jsonl(text: bytes, path: Path) -> None:
    """One gzipped file of JSON lines."""
    with _gzipped(path) as out:
        out.write(text)


def write_text(text: str, path: Path) -> None:
    """A small text file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def delivery_path(landing: Path, period: Period) -> Path:
    """``landing/arrived=YYYY-MM-DD/events.…``, named by the first day of the period."""
    return landing / f"arrived={period.start.isoformat()}" / FILE_NAMES[period.layout]


@contextmanager
def _gzipped(path: Path) -> Iterator[gzip.GzipFile]:
    """A gzip file without name and time in its header, so that equal rows give equal bytes."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as out,
    ):
        yield out
