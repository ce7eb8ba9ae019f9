"""`nsm schema`: JSON Schemas onto the disk or the terminal.

What belongs here: where they go. What does not: what they say (`playbook.schema`).
"""

from __future__ import annotations

from pathlib import Path

import typer

from nsm_pipeline.errors import UserError, nearest
from nsm_pipeline.playbook.schema import KINDS, file_name, modeline, schema_text, write_schemas


def print_schema(kind: str) -> None:
    """One schema on standard output. Raises UserError for an unknown kind."""
    if kind not in KINDS:
        raise UserError(f"found '{kind}'; {nearest(kind, KINDS)}")
    typer.echo(schema_text(kind), nl=False)


def write_to(folder: Path) -> None:
    """Both schemas into a folder, and how a playbook file beside it names them. Raises UserError."""
    try:
        files = write_schemas(folder)
    except OSError as error:
        raise UserError(f"{folder}: not writable: {error.strerror}.") from None
    for file in files:
        typer.echo(f"Wrote {file}")
    typer.echo("The first line of a use case file in the folder above:")
    typer.echo(modeline(Path(folder.name) / file_name("use_case")))
