"""Jinja templates and style sheets of all pages.

What belongs here: how they are read, and what holds for every page: what a text says never becomes HTML, and a name
that a template does not know is an error. What does not: any page.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

PACKAGE = "nsm_pipeline.reporting"


def environment() -> Environment:
    """A fresh environment over the package's templates, to be given a page's own filters."""
    return Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def sheet(name: str) -> str:
    """A style sheet of the templates."""
    return files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
