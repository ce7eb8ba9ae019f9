"""The entry point of `nsm`: every command, exit codes, errors as one readable paragraph.

What belongs here: what becomes of an error. What does not: commands (`pipeline_commands`, `trust_commands`,
`playbook_pages`).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import datetime

from rich.console import Console

from nsm_pipeline.cli import pipeline_commands, playbook_pages, report_commands, trust_commands  # noqa: F401 (they register commands)
from nsm_pipeline.cli.app import State, app
from nsm_pipeline.cli.exits import FAILED, UNUSABLE
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home

errors = Console(stderr=True, soft_wrap=True)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a command and turns every error into one paragraph and an exit code."""
    sys.exit(_guarded(lambda: app(args=arguments, standalone_mode=True)))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except UserError as error:
        errors.print(f"[bold red]Error[/] {_plain(str(error))}", highlight=False)
        return UNUSABLE
    except KeyboardInterrupt:
        errors.print("Stopped. The last good state is in place; run it again to go on.")
        return 130
    except Exception as error:  # noqa: BLE001 (the last resort: nobody should have to read a traceback)
        errors.print(f"[bold red]Error[/] {_plain(_cause(error))}{_kept(error)}", highlight=False)
        return FAILED
    return 0


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _cause(error: BaseException) -> str:
    """The innermost reason, without the wrapping of the libraries in between."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0] if said else 'no further word'}."


def _kept(error: BaseException) -> str:
    """Where the traceback lies, for whoever wants to report it."""
    try:
        folder = Home.at(State.home).root
        if not folder.is_dir():
            return ""
        file = folder / "last_error.txt"
        text = "".join(traceback.format_exception(error))
        file.write_text(f"{datetime.now().isoformat()}\n{text}", encoding="utf-8")
    except OSError:
        return " What was published before is still in place."
    return f" What was published before is still in place. Details: {file}"
