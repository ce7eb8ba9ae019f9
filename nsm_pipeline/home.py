"""One installation's directory: where each room's files lie, and the locks between runs.

What belongs here: paths and locks. What does not: what the files hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from nsm_pipeline.errors import UserError

DEFAULT_HOME = Path(__file__).resolve().parent.parent / "data"


@dataclass(frozen=True)
class Home:
    root: Path

    @classmethod
    def at(cls, path: Path | str | None = None) -> Home:
        """The home at a path, else at NSM_HOME, else the project's `data/`."""
        chosen = Path(path or os.environ.get("NSM_HOME") or DEFAULT_HOME).expanduser().resolve()
        if chosen.exists() and not chosen.is_dir():
            raise UserError(f"--home: found '{chosen}', which is a file; a directory is needed.")
        return cls(chosen)

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def playbook(self) -> Path:
        return self.root / "playbook"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def records(self) -> Path:
        """What cannot be built again: publications, their certificates, approvals."""
        return self.root / "records"

    @property
    def extracts(self) -> Path:
        return self.root / "extracts"

    @property
    def pages(self) -> Path:
        """Pages for people: made from what is published, at any time again."""
        return self.root / "pages"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def spill(self) -> Path:
        return self.lake / ".spill"

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold one of the home's locks; the operating system frees it when the process dies."""
        folder = self.root / "lake" / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            yield
