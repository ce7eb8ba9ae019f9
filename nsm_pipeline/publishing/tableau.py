"""An extract as one Tableau `.hyper` file, written by Tableau's own engine from the Parquet files.

What belongs here: the engine, which is an extra, and the file. What does not: which version it is of (`cli`). The
engine writes other bytes every time, so that a `.hyper` is no part of a version: it is made where it is wanted.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from nsm_pipeline.errors import UserError

READABLE = 0o644
"""The engine leaves its files to their owner alone; Tableau's server is another user."""


def write_hyper(files: Mapping[str, bytes], out: Path) -> None:
    """Write the Parquet files of an extract, by name, as tables of one file; it has its name when it is whole. Raises
    UserError where the engine is not installed."""
    try:
        from tableauhyperapi import Connection, CreateMode, HyperProcess, TableName, Telemetry, escape_string_literal
    except ImportError:
        raise UserError(
            f"--hyper: found '{out}', and Tableau's engine, which writes it, is not installed. It is an extra of this "
            "program: pip install 'nsm-pipeline[tableau]'. The Parquet files of --out need no extra, and Tableau reads "
            "them, too."
        ) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    folder.mkdir()
    try:
        whole = folder / "whole.hyper"
        # Nothing is told to anybody, and no log is left behind.
        parameters = {"log_config": ""}
        with (
            HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=parameters) as engine,
            Connection(engine.endpoint, whole, CreateMode.CREATE_AND_REPLACE) as connection,
        ):
            for name in sorted(name for name in files if name.endswith(".parquet")):
                (folder / name).write_bytes(files[name])
                rows = f"external({escape_string_literal(str(folder / name))}, FORMAT => 'parquet')"
                connection.execute_command(f"CREATE TABLE {TableName(Path(name).stem)} AS SELECT * FROM {rows}")
        whole.chmod(READABLE)
        whole.replace(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
