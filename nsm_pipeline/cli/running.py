"""`nsm run`, `nsm backfill` and `nsm ui`: one Dagster run in this process, or Dagster's own server.

What belongs here: deciding whether a run is needed, starting it, what it returns. What does not: the steps.
"""

from __future__ import annotations

import getpass
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from datetime import date
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from nsm_pipeline.cli.exits import WITHHELD
from nsm_pipeline.cli.progress import Advance, bar
from nsm_pipeline.cli.ranges import known_use_case, week_range, weeks_within
from nsm_pipeline.cli.summary import print_json, print_summary
from nsm_pipeline.errors import UserError
from nsm_pipeline.events.landing import FOLDERS, ingest, load_ledger
from nsm_pipeline.home import Home
from nsm_pipeline.lake import write_text
from nsm_pipeline.orchestration.ahead import load_ahead, wait_for_loading
from nsm_pipeline.steps.anew import ask_anew
from nsm_pipeline.steps.certificates import WeekState, week_states
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.publication import is_published
from nsm_pipeline.steps.release import Restatement

ATTEMPTS = 3


def run_home(home: Home, as_of: date | None, as_json: bool, restatement: Restatement | None = None) -> int:
    """Bring a home up to date; prints the summary and returns the exit code. `restatement`: with it final values may
    change."""
    with bar("run") as advance:
        opened = _ingested(home, as_of, advance)
        for _ in range(ATTEMPTS):
            stale = opened.stale_weeks()
            if not stale and is_published(opened) and not (restatement and _is_held(opened)):
                break
            last = [opened.calendar.current()]
            _dagster_run(opened, as_of, (stale or last)[0], (stale or last)[-1], advance, restatement)
            # Another run on this home may have landed files meanwhile: what it made stale is ours to finish.
            opened = _reopened(opened)
    return _finish(opened, as_json)


def backfill_home(
    home: Home,
    as_of: date | None,
    weeks: str,
    use_cases: Sequence[str],
    as_json: bool,
    restatement: Restatement | None = None,
) -> int:
    """Rebuild weeks of some use cases (all by default) whatever their state; prints the summary. Killed, the next run
    goes on with the weeks that are left."""
    playbook = open_playbook(home, as_of)
    for name in use_cases:
        known_use_case(name, playbook.use_cases)
    first, last = ends = week_range(weeks, playbook.calendar)
    with bar("backfill") as advance:
        opened = _ingested(home, as_of, advance)
        ask_anew(home, names := list(use_cases) or list(opened.plans), weeks_within(opened, ends))
        _dagster_run(opened, as_of, first, last, advance, restatement, names)
    return _finish(_reopened(opened), as_json)


def restatement_of(restate: bool, reason: str | None, by: str | None) -> Restatement | None:
    """Somebody's word for changing final values, from the command line. Raises UserError where half of it is given."""
    if not restate:
        if reason or by:
            raise UserError("--reason, --by: found without --restate, which says that final values may change.")
        return None
    if not (reason or "").strip():
        raise UserError('--restate: a reason is needed, for the restatement ledger: --reason "…".')
    return Restatement(str(reason).strip(), (by or "").strip() or getpass.getuser())


def _is_held(opened: Open) -> bool:
    return any(state.state == "held" for name in opened.plans for state in week_states(opened, name))


def _ingested(home: Home, as_of: date | None, advance: Advance) -> Open:
    playbook = open_playbook(home, as_of)
    if not any((home.landing / folder).is_dir() for folder in FOLDERS) and not load_ledger(home).deliveries:
        raise UserError(
            f"{home.landing}: nothing has landed there. Put files under usage_events/ and accounts/, or write a "
            "sample with `nsm sample`."
        )
    opened = Open.of(home, playbook)

    def on_file(done: int, of: int, _: str) -> None:
        load_ahead(then=partial(_make_databases, home))  # new files: there will be weeks to build and to judge
        advance("landing files", done, of)

    ledger = ingest(home, opened.engine, playbook, on_file)
    return Open.of(home, playbook, opened.engine, ledger)


def _reopened(opened: Open) -> Open:
    return Open.of(opened.home, opened.playbook, opened.engine)


def _finish(opened: Open, as_json: bool) -> int:
    states = [state for name in opened.plans for state in week_states(opened, name)]
    (print_json if as_json else print_summary)(opened, states)
    return _exit_code(states)


def _exit_code(states: Sequence[WeekState]) -> int:
    return WITHHELD if any(state.state in ("withheld", "held") for state in states) else 0


def prepare(home: Home) -> Path:
    """Make the home's dagster/ folder, with our dagster.yaml where there is none."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    file = home.dagster / "dagster.yaml"
    if not file.is_file():
        template = resources.files("nsm_pipeline.orchestration").joinpath("dagster.yaml")
        write_text(file, template.read_text(encoding="utf-8"), journal=False)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return home.dagster


def _make_databases(home: Home) -> None:
    """Let Dagster make its databases, which takes it a second."""
    import dagster as dg

    if not (folder := prepare(home)).joinpath("history").exists():
        # Whatever is wrong here is wrong in a moment, when the run opens them: it says so.
        with suppress(Exception), dg.DagsterInstance.from_config(str(folder)):
            pass


def _dagster_run(
    opened: Open,
    as_of: date | None,
    first: date,
    last: date,
    advance: Advance,
    restatement: Restatement | None = None,
    only: Sequence[str] = (),
) -> None:
    """One run over a range of weeks, in this process. `only`: use cases to build and no others."""
    folder = prepare(opened.home)
    warnings.simplefilter("ignore")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    wait_for_loading()
    import dagster as dg

    from nsm_pipeline.definitions import build_definitions
    from nsm_pipeline.orchestration.assets import PROGRESS
    from nsm_pipeline.orchestration.jobs import PIPELINE
    from nsm_pipeline.orchestration.partitions import range_tags

    definitions = build_definitions(opened.home, as_of)
    job = definitions.resolve_job_def(PIPELINE)
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    selection: list[dg.AssetKey] | None = None
    ops: dict[str, Any] = {}
    if only:
        selection = _selection(job, only)
        ops["weekly"] = {"config": {"use_cases": list(only)}}
    if restatement is not None:
        ops["extracts"] = {"config": {"restate_reason": restatement.reason, "restate_by": restatement.by}}
    config["ops"] = ops
    PROGRESS["report"] = advance
    try:
        # Dagster tells standard error of failures that it raises as well; a person gets one paragraph.
        with redirect_stderr(io.StringIO()), dg.DagsterInstance.from_config(str(folder)) as instance:
            job.execute_in_process(
                instance=instance,
                tags=range_tags(first, last),
                run_config=config,
                asset_selection=selection,
                raise_on_error=True,
            )
    finally:
        del PROGRESS["report"]


def _selection(job: Any, use_cases: Sequence[str]) -> list[Any]:
    """Assets of some use cases and what they share; other use cases' tables are left alone."""
    keys = job.asset_layer.selected_asset_keys
    return [key for key in keys if len(key.path) == 1 or key.path[0] in use_cases]


def serve(home: Home, as_of: date | None, port: int) -> None:
    """Become `dagster dev` on this home."""
    playbook = open_playbook(home, as_of)  # a wrong playbook is said here, in one paragraph
    if load_ledger(home).first_week is None:
        # Partitions begin with the first landed row: read what is there before Dagster fixes them.
        ingest(home, Open.of(home, playbook).engine, playbook)
    prepare(home)
    os.environ["NSM_HOME"] = str(home.root)
    if as_of:
        os.environ["NSM_AS_OF"] = as_of.isoformat()
    command = [
        "dagster",
        "dev",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "-m",
        "nsm_pipeline.definitions",
        "-a",
        "defs",
    ]
    os.execvp(_beside_python("dagster"), command)  # noqa: S606


def _beside_python(name: str) -> str:
    return str(Path(sys.executable).parent / name)
