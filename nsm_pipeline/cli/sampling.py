"""`nsm sample`: the generator with a progress bar.

What belongs here: talking about it. What does not: the sample (`nsm_pipeline.sample`).
"""

from __future__ import annotations

import json
from datetime import date

from rich.console import Console

from nsm_pipeline.cli.exits import WITHHELD
from nsm_pipeline.cli.progress import bar
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.sample import SampleClash, SampleSpec, write_sample
from nsm_pipeline.steps.certificates import week_states
from nsm_pipeline.steps.opening import Open, open_playbook

console = Console(soft_wrap=True)


def write(home: Home, weeks: int, accounts: int, events: int, seed: int, end: str | None, if_empty: bool) -> None:
    """Write the sample and say what is in it. Raises UserError where other data has landed."""
    if if_empty and home.landing.is_dir() and any(home.landing.iterdir()):
        return
    try:
        last = date.fromisoformat(end) if end else SampleSpec().end
    except ValueError:
        raise UserError(f"--end: found '{end}'; a day as YYYY-MM-DD is needed.") from None
    spec = SampleSpec(weeks=weeks, accounts=accounts, events=events, seed=seed, end=last)
    try:
        with bar("sample") as advance:
            summary = write_sample(home.root, spec, lambda done, of: advance("weeks written", done, of))
    except SampleClash as error:
        raise UserError(str(error)) from None
    console.print(
        f"[bold]Sample[/] in {home.root}: {summary.rows:,} rows in {summary.files} files, {summary.accounts} accounts, "
        f"weeks {summary.first_week} to {summary.as_of} (which stands for today).",
        highlight=False,
    )
    for incident in summary.incidents:
        console.print(f"  [dim]{incident.week}[/] {incident.text}", highlight=False)


def explain_withheld(home: Home) -> int:
    """Which withheld weeks the sample broke on purpose; 0 where that is all of them, else 3."""
    opened = Open.of(home, open_playbook(home))
    told = json.loads(file.read_text(encoding="utf-8")) if (file := home.root / "sample.json").is_file() else {}
    broken = {one["week"]: one["text"] for one in told.get("incidents", []) if one["kind"] == "outage"}
    withheld = {s.week.isoformat() for name in opened.plans for s in week_states(opened, name) if s.state == "withheld"}
    for week in sorted(withheld & set(broken)):
        console.print(f"Week {week} is withheld as it should be: {broken[week]}", highlight=False)
    return 0 if withheld <= set(broken) else WITHHELD
