"""`nsm playbook build` and `nsm playbook diff`: the metric handbook, and what changed in definitions.

What belongs here: arguments, what is said. What does not: making pages (`steps.handbook`), comparing
(`reporting.handbook_changes`); both are loaded when they are asked for.
"""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from nsm_pipeline.cli.app import AsOfOption, HomeOption, JsonOption, app, day_of, home_of
from nsm_pipeline.errors import UserError, nearest

pages = typer.Typer(help="The metric handbook: what is measured, exactly, by whom and what for.", no_args_is_help=True)
app.add_typer(pages, name="playbook")
PlaybookOption = Annotated[
    Path | None, typer.Option("--playbook", help="A folder of definitions by itself, without a home's data.")
]
SHAPES = ("table", "markdown", "json")


@pages.command()
def build(
    home: HomeOption = None,
    as_of: AsOfOption = None,
    playbook: PlaybookOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write.", show_default="HOME/pages/playbook")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write the handbook as Markdown and HTML: a page per use case and an index."""
    from nsm_pipeline.steps.handbook import build_folder, build_handbook

    if playbook is None:
        done = build_handbook(home_of(home), day_of(as_of), out)
    elif home is not None:
        raise UserError("--playbook: definitions are shown by themselves; leave out --home, or leave out this.")
    elif out is None:
        raise UserError("--out: a folder is needed for the pages of --playbook, which have no home to lie in.")
    else:
        done = build_folder(playbook, out, day_of(as_of))
    if json:
        said = {"folder": str(done.folder), "written": done.written, "same": done.same, "removed": done.removed}
        print(json_text.dumps(said, indent=1))
        return
    for name in done.written:
        print(f"wrote {done.folder / name}")
    for name in done.removed:
        print(f"removed {done.folder / name}, whose use case is gone")
    print(f"{len(done.written)} written, {len(done.same)} as they were. Begin with {done.folder / 'index.html'}")


@pages.command()
def diff(
    against: Annotated[
        Path, typer.Option("--against", help="The folder of definitions as they were, such as of the main branch.")
    ],
    home: HomeOption = None,
    playbook: PlaybookOption = None,
    format: Annotated[str, typer.Option("--format", help="table, markdown (for a pull request) or json.")] = "table",
    json: JsonOption = False,
) -> None:
    """What changed in the definitions, use case by use case, one line per key. 0 whether anything did or not."""
    from nsm_pipeline.cli.playbook_diff import show_diff
    from nsm_pipeline.steps.handbook import definitions_in
    from nsm_pipeline.steps.opening import open_playbook

    shape = "json" if json else format
    if shape not in SHAPES:
        raise UserError(f"--format: found '{shape}'; {nearest(shape, SHAPES)}")
    if playbook is not None and home is not None:
        raise UserError("--playbook: one of the two is compared; leave out --home, or leave out this.")
    new = open_playbook(home_of(home)) if playbook is None else definitions_in(playbook, "--playbook")
    show_diff(definitions_in(against, "--against"), new, shape)
