"""`nsm extract`: an extract in a folder of one's own.

What belongs here: the folder. What does not: which version it is (`steps.as_published`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.record import Record
from nsm_pipeline.publishing.rendering import DESCRIPTOR
from nsm_pipeline.publishing.tableau import write_hyper
from nsm_pipeline.steps.as_published import current_files, publication_of
from nsm_pipeline.steps.opening import open_playbook

console = Console(stderr=True, soft_wrap=True)
OURS = (".parquet", ".csv")


def write_to(home: Home, out: Path | None, as_published: str | None, *, force: bool, hyper: Path | None = None) -> None:
    """Write the extract as it is, or as it was published on a date, to a folder, a file for Tableau, or both, and say
    which version it is."""
    if out is None and hyper is None:
        raise UserError("nsm extract: where to? --out FOLDER for Parquet files and CSV, --hyper FILE for Tableau.")
    out, hyper = (path.expanduser().absolute() if path is not None else None for path in (out, hyper))
    if out is not None:
        _check(home, out, force)
    if hyper is not None:
        _check_hyper(home, hyper, force)
    if as_published is None:
        given, said = current_files(home), "The current extract"
    else:
        publication = publication_of(home, open_playbook(home).calendar, as_published)
        given = Record.of(home).give_back(publication.version)
        said = f"Version {publication.version}, published {publication.at:%Y-%m-%d %H:%M:%S} UTC,"
    if hyper is not None:
        write_hyper(given.files, hyper)
        console.print(f"{said} is in {hyper}", highlight=False, markup=False)
    if out is None:
        return
    _replace(out, given.files)
    console.print(f"{said} is in {out}", highlight=False, markup=False)
    if given.rewritten:
        console.print(
            f"The rows of {', '.join(given.rewritten)} are those that were published; the bytes are not, since this "
            f"version of the Parquet library writes them differently. The hashes in {DESCRIPTOR} are of the bytes "
            "published then.",
            highlight=False,
        )


def _check_hyper(home: Home, out: Path, force: bool) -> None:
    if out.suffix != ".hyper":
        raise UserError(f"--hyper: found '{out}'; a file whose name ends in .hyper is needed.")
    if home.root in out.resolve().parents:
        raise UserError(f"--hyper: found '{out}', which belongs to the home; choose a file outside {home.root}.")
    if out.is_dir():
        raise UserError(f"--hyper: found '{out}', which is a folder; a file is needed.")
    if out.exists() and not force:
        raise UserError(f"--hyper: found '{out}', which is there already; --force replaces it.")


def _check(home: Home, out: Path, force: bool) -> None:
    resolved = out.resolve()
    if home.root in (resolved, *resolved.parents) or resolved in home.root.parents:
        raise UserError(f"--out: found '{out}', which belongs to the home; choose a folder outside {home.root}.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise UserError(f"--out: found '{out}', which is a file; a folder is needed.")
    others = [file.name for file in sorted(out.iterdir()) if file.suffix not in OURS and file.name != DESCRIPTOR]
    if others or not (out / DESCRIPTOR).is_file():
        raise UserError(
            f"--out: found '{out}', which holds {others[0] if others else 'files'} and so is not just an extract; "
            "choose a folder that is new, empty or holds an extract alone."
        )
    if not force:
        raise UserError(f"--out: found '{out}', which holds an extract already; --force replaces it.")


def _replace(out: Path, files: Mapping[str, bytes]) -> None:
    """The folder is whole before it has its name, and what was there before goes last."""
    out.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    fresh, old = out.with_name(f".{out.name}.{mark}.tmp"), out.with_name(f".{out.name}.{mark}.old")
    fresh.mkdir()
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
