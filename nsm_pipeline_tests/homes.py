"""Whole homes for tests: built once, copied, run in this process or as a real `nsm`, compared byte by byte."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from nsm_pipeline.cli.app import State
from nsm_pipeline.cli.main import main
from nsm_pipeline.home import Home
from nsm_pipeline.publishing.tables import EXTRACT
from nsm_pipeline.reporting import painting
from nsm_pipeline.steps.certificates import WeekState, week_states
from nsm_pipeline.steps.opening import Open, open_playbook

if TYPE_CHECKING:
    from loaded import Loaded

NSM = str(Path(sys.executable).parent / "nsm")
TABLES = tuple(table.name for table in EXTRACT)
FILES = {*(f"{name}.parquet" for name in TABLES), "scorecard.csv"}
# What depends on when and where a home was filled, not on what it was filled with: file times, version numbers.
OF_THE_MOMENT = ("ledger.json", "publication.json")

DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")
"""A picture of one dot."""


class Dots:
    """Who paints every picture as a dot."""

    def __enter__(self) -> Dots:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def pngs(self, svgs: Sequence[str]) -> list[bytes]:
        return [DOT for _ in svgs]


@dataclass(frozen=True)
class Said:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without a home of its own."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("NSM_", "DAGSTER_"))}
    return {**mine, "DAGSTER_DISABLE_TELEMETRY": "1", "GX_ANALYTICS_ENABLED": "false", **more}


def here(*arguments: object, paints: bool = False, **environment: str) -> Said:
    """`nsm …` in this process: the same entry point, without the seconds of a new interpreter. `paints`: charts as PNG,
    too; otherwise each is a dot, which takes no time."""
    out, err = io.StringIO(), io.StringIO()
    State.home, State.as_of = None, None
    before = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith(("NSM_", "DAGSTER_"))}
    os.environ.update(environment)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            if not paints:
                patch.setattr(painting, "Painters", Dots)
            try:
                main([str(argument) for argument in arguments])
                code = 0
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        for key in [key for key in os.environ if key.startswith(("NSM_", "DAGSTER_"))]:
            del os.environ[key]
        os.environ.update(before)
    return Said(code, out.getvalue(), err.getvalue())


def start(*arguments: object, before: Callable[[], None] | None = None, **environment: str) -> subprocess.Popen[str]:
    """`nsm …` as a process of its own, in a group of its own."""
    return subprocess.Popen(
        [NSM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**environment),
        start_new_session=True,
        preexec_fn=before,
    )


def finish(process: subprocess.Popen[str] | Loaded, timeout: float = 240) -> Said:
    out, err = process.communicate(timeout=timeout)
    assert process.returncode is not None
    return Said(process.returncode, out, err)


def copy(home: Path, to: Path) -> Path:
    """A home as it is, file times included."""
    shutil.copytree(home, to, symlinks=True)
    return to


def opened(home: Path) -> Open:
    return Open.of(Home(home), open_playbook(Home(home)))


def states(home: Path) -> dict[tuple[str, str], WeekState]:
    """The state of every use case and week, by (use case, week)."""
    it = opened(home)
    return {(name, str(state.week)): state for name in it.plans for state in week_states(it, name)}


def extract(home: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a published table."""
    return pq.read_table(home / "extracts" / "current" / f"{name}.parquet").to_pylist()


def published(home: Path) -> dict[str, str]:
    """Digest of every file of the current extract."""
    folder = (home / "extracts" / "current").resolve()
    return {file.name: _digest(file) for file in sorted(folder.iterdir())}


def lake_files(home: Path) -> dict[str, str]:
    """Digest of every file of the lake that is made of landed rows and definitions alone; what is kept of them to be
    quick lies in hidden folders."""
    lake = home / "lake"
    found = [file.relative_to(lake) for file in sorted(lake.rglob("*")) if file.suffix in (".parquet", ".json")]
    return {
        file.as_posix(): _digest(lake / file)
        for file in found
        if file.name not in OF_THE_MOMENT and not file.parts[0].startswith(".")
    }


def everything(home: Path) -> dict[str, str]:
    """What two homes with equal landing files and playbooks must have in common, byte by byte: all but what was
    shown on the way there."""
    descriptor = json.loads((home / "extracts" / "current" / "datapackage.json").read_text(encoding="utf-8"))
    resources = [one for one in descriptor["resources"] if one["name"] != "restatements"]
    files = {name: value for name, value in published(home).items() if name.split(".")[0] in TABLES[:-1]}
    files["datapackage.json"] = json.dumps({**descriptor, "resources": resources})
    return {**lake_files(home), **{f"extracts/{name}": value for name, value in files.items()}}


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Files that are missing, extra or other than wanted; short enough for an assertion to show."""
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def broken_extract(home: Path) -> str | None:
    """What is wrong with the current extract as a reader finds it at this moment; None where it is whole."""
    link = home / "extracts" / "current"
    try:
        folder = link.resolve(strict=True)
        descriptor = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
        found = {resource["path"] for resource in descriptor["resources"]}
        if found != FILES:
            return f"{folder.name}: the descriptor lists {sorted(found)}"
        for resource in descriptor["resources"]:
            content = (folder / resource["path"]).read_bytes()
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != resource["hash"] or len(content) != resource["bytes"]:
                return f"{folder.name}/{resource['path']} is not what the descriptor says"
            if resource["path"].endswith(".csv"):
                continue
            if pq.read_metadata(io.BytesIO(content)).num_rows != resource["rows"]:
                return f"{folder.name}/{resource['path']} has other rows than the descriptor says"
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def hold_back(home: Path, files: Sequence[str], aside: Path) -> None:
    """Move some landing files out of a home, as if they had not come yet."""
    for name in files:
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(home / "landing" / name, target)


def deliver(home: Path, aside: Path) -> None:
    """Put files that were held back into a home's landing zone."""
    shutil.copytree(aside, home / "landing", dirs_exist_ok=True)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
