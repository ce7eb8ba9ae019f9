"""`nsm approve`: somebody signs off the newest certificates of some weeks.

What belongs here: which certificates, and what is said. What does not: the record (`steps.approvals`), the rule
(`steps.release`).
"""

from __future__ import annotations

from datetime import date

from rich.console import Console

from nsm_pipeline.cli.ranges import known_use_case, week_range, weeks_within
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.steps.approvals import Approval, add_approvals
from nsm_pipeline.steps.certificates import WeekState, load_issued, week_states
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.publication import is_published
from nsm_pipeline.steps.release import sign_published

console = Console(soft_wrap=True)


def approve_weeks(home: Home, as_of: date | None, use_case: str, weeks: str, by: str, note: str) -> None:
    """Approve the newest certificate of every week in a range. Raises UserError where one has none: a week that does
    not pass its gates can't be approved."""
    opened = Open.of(home, open_playbook(home, as_of))
    known_use_case(use_case, opened.plans)
    if not by.strip():
        raise UserError("--by: found nothing; the name of whoever approves is needed.")
    chosen = weeks_within(opened, week_range(weeks, opened.calendar))
    with home.lock("certificates"):
        states = {state.week: state for state in week_states(opened, use_case)}
        ids = {week: _certificate(opened, states[week]) for week in chosen}
        at = opened.calendar.now().isoformat()
        new = [Approval(found, use_case, str(week), by.strip(), note.strip(), at) for week, found in ids.items()]
        add_approvals(home, new)
        sign_published(opened, ids.values())
    for week, certificate_id in ids.items():
        console.print(f"[green]✔[/] {use_case} {week}: {by.strip()} has approved {certificate_id}", highlight=False)
    if not is_published(opened):
        console.print("`nsm run` publishes it; a running `nsm ui` does so by itself.")


def _certificate(opened: Open, state: WeekState) -> str:
    issued = load_issued(opened, state.use_case, state.week)
    if issued is None or state.state not in ("certified", "held", "flash"):
        why = "; ".join(state.failed) or ("it is out of date: nsm run" if state.state == "missing" else state.state)
        raise UserError(f"--weeks: {state.use_case} {state.week} has no certificate that could be approved: {why}.")
    return str(issued.document["id"])
