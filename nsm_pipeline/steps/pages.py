"""The step that writes what people read on Monday: the dashboard with its charts, and the digest.

What belongs here: from a publication to files under `pages/`. What does not: how a page looks (`reporting`).

Pages are made from the tables of one publication alone, so that everything on them is as published, and can be made
again of any earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_pipeline.lake import replacing
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.publishing.record import Publication, Record
from nsm_pipeline.steps.opening import Open

if TYPE_CHECKING:
    from nsm_pipeline.reporting.monday import Monday

PAGE, DIGEST, CHARTS = "dashboard.html", "digest.md", "charts"


@dataclass(frozen=True)
class Made:
    """Files of one dashboard, the version of the extract that they are of, and both in small: the digest, a preview."""

    version: str
    page: Path
    digest: str
    preview: str
    pictures: tuple[Path, ...]


def run_dashboard(opened: Open) -> Made | None:
    """Write the dashboard of what is published now, each file at once; None where nothing is."""
    with opened.home.lock("pages"):
        monday = monday_of(opened)
        if monday is None:
            return None
        from nsm_pipeline.reporting.dashboard import dashboard_html
        from nsm_pipeline.reporting.digest import digest_markdown
        from nsm_pipeline.reporting.painting import Painters
        from nsm_pipeline.reporting.pictures import drawings
        from nsm_pipeline.reporting.preview import preview_markdown

        folder = opened.home.pages
        with Painters() as painters:
            digest = digest_markdown(monday)
            page = folder / PAGE
            write(page, dashboard_html(monday).encode())
            write(folder / DIGEST, digest.encode())
            charts = write_pictures(folder / CHARTS, drawings(monday), painters.pngs)
        return Made(monday.version, page, digest, preview_markdown(monday), charts)


def write_pictures(
    folder: Path, drawings: Mapping[str, str], pngs: Callable[[Sequence[str]], Sequence[bytes]]
) -> tuple[Path, ...]:
    """Write each drawing as SVG and PNG, where it is not there as it is; remove files that belong to none of them."""
    files = {name: (folder / f"{name}.svg", folder / f"{name}.png") for name in drawings}
    new = [name for name, (svg, png) in files.items() if not (png.is_file() and _holds(svg, drawings[name]))]
    for name, picture in zip(new, pngs([drawings[name] for name in new]), strict=True):
        svg, png = files[name]
        # The PNG first: where a drawing is there as it is, its picture was finished.
        write(png, picture)
        write(svg, drawings[name].encode())
    every = [file for both in files.values() for file in both]
    for file in sorted(folder.glob("*")):
        if file not in every:
            file.unlink()
    return tuple(every)


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_bytes() == text.encode()


def monday_of(opened: Open, publication: Publication | None = None) -> Monday | None:
    """What the pages show: of a publication on record, or else of the one that readers see now; None without one."""
    from nsm_pipeline.reporting.monday import Monday

    company = opened.playbook.settings.company
    if publication is not None:
        tables = Record.of(opened.home).tables(publication.version)
        return Monday.of(tables, company, publication.version, publication.at)
    shown = last_shown(opened.home)
    if shown is None or shown.publication is None:
        return None
    return Monday.of(shown.tables, company, shown.publication.version, shown.publication.at)


def write(file: Path, content: bytes) -> None:
    """A page's file, replaced in one step: a reader sees the old one or the new one."""
    with replacing(file, journal=False) as temporary:
        temporary.write_bytes(content)
