"""The step that makes the metric handbook: of a home with what its data say, or of a folder of definitions by itself.

What belongs here: gathering what the pages are made of, writing them. What does not: what they say (`reporting`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.lake import write_text
from nsm_pipeline.linting.report import lint
from nsm_pipeline.linting.seen import Seen
from nsm_pipeline.metrics.statements import statements_of
from nsm_pipeline.playbook.loading import Playbook
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.reporting.handbook import Handbook, page_of, settings_part
from nsm_pipeline.reporting.handbook_html import html_files
from nsm_pipeline.reporting.handbook_markdown import markdown_files
from nsm_pipeline.reporting.handbook_now import drawn, now_parts, standing
from nsm_pipeline.steps.opening import Open, open_folder, open_playbook
from nsm_pipeline.steps.sightings import sightings

FILES = "files.json"
"""In the handbook's folder: the names of the files that were written into it, so that the next build may remove those
of a use case that is gone, and nothing else."""


@dataclass(frozen=True)
class Written:
    """What building a handbook did to its folder, by file name: `same` had these bytes already."""

    folder: Path
    written: tuple[str, ...]
    same: tuple[str, ...]
    removed: tuple[str, ...]


def build_handbook(home: Home, as_of: date | None = None, out: Path | None = None) -> Written:
    """Write a home's handbook, with what its data and its published extract say, to `out`, else `pages/playbook`."""
    playbook = open_playbook(home, as_of)
    shown = last_shown(home)
    handbook = handbook_of(playbook, sightings(Open.of(home, playbook)), shown.tables if shown else {})
    return write_handbook(out or home.pages / "playbook", handbook)


def build_folder(folder: Path, out: Path, as_of: date | None = None) -> Written:
    """Write the handbook of a folder of definitions by itself. Raises UserError where it has none."""
    return write_handbook(out, handbook_of(definitions_in(folder, "--playbook", as_of), None, {}))


def definitions_in(folder: Path, option: str, as_of: date | None = None) -> Playbook:
    """The playbook of a folder that has use cases. Raises UserError naming the option, or PlaybookError."""
    files = (*folder.glob("*.yaml"), *folder.glob("*.yml")) if folder.is_dir() else ()
    if all(file.stem == "settings" for file in files):
        raise UserError(f"{option}: found '{folder}', in which there is no use case; a folder of YAML files is needed.")
    return open_folder(folder, as_of)


def handbook_of(playbook: Playbook, seen: Seen | None, tables: Mapping[str, pa.Table]) -> Handbook:
    """The handbook of a playbook. `seen`: what the data show, for the grades; `tables`: of the extract, by name."""
    cards = {card.use_case: card for card in lint(playbook, seen, playbook.calendar.today()).cards}
    pages = []
    for name, use_case in playbook.use_cases.items():
        attributes = playbook.attributes()
        sql = {metric: statements_of(use_case, metric, attributes).text() for metric in use_case.metrics}
        nodes, edges = drawn(use_case, tables)
        pages.append(
            replace(
                page_of(use_case, sql),
                now=now_parts(use_case, tables, cards[name]),
                standing=standing(use_case, tables, cards[name]),
                nodes=nodes,
                edges=edges,
            )
        )
    return Handbook(playbook.settings.company, settings_part(playbook.settings), tuple(pages))


def write_handbook(folder: Path, handbook: Handbook) -> Written:
    """Write Markdown and HTML, each file at once; remove those of an earlier build that have no successor. Raises
    UserError where the folder cannot be one."""
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out: found '{folder}', which is a file; a folder is needed.")
    files = {**markdown_files(handbook), **html_files(handbook)}
    written, same = [], []
    for name, text in files.items():
        if _reads(folder / name) == text:
            same.append(name)
            continue
        write_text(folder / name, text, journal=False)
        written.append(name)
    removed = [name for name in _listed(folder) if name not in files and (folder / name).is_file()]
    for name in removed:
        (folder / name).unlink()
    write_text(folder / FILES, json.dumps(sorted(files), indent=1) + "\n", journal=False)
    return Written(folder, tuple(written), tuple(same), tuple(removed))


def _reads(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _listed(folder: Path) -> list[str]:
    """Names that an earlier build wrote, of this folder itself alone."""
    try:
        names = json.loads(_reads(folder / FILES) or "[]")
    except ValueError:
        return []
    return [
        name for name in names if isinstance(name, str) and name == Path(name).name and name.endswith((".md", ".html"))
    ]
