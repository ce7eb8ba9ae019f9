"""The step that turns verdicts into certificates, and says what state every week is in.

What belongs here: storing certificates; the state of each use case and week. What does not: the verdict itself
(`series`), extracts (`publication`).

`certificates/<use case>/<week>.json` is the certificate with the values it vouches for, in one file, so that neither
is ever without the other. A week that fails keeps it from the last time it passed: that is what stays published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.certification.certificates import Certificate, CertifiedGate, certify
from nsm_pipeline.lake import SeenFiles, json_text, once_per_file, write_text
from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.steps.opening import WEEKLY_TABLES, Open
from nsm_pipeline.steps.series import Verdicts, evidence_key, load_verdicts, run_gates, without

# Certificates that were hashed and found whole, for as long as the file stays the same one: a run over a long
# history asks for each of them several times.
CHECKED: SeenFiles[Certificate] = {}


@dataclass(frozen=True)
class WeekState:
    """Where a use case's week stands: missing, flash, withheld or certified.

    `certificate_id` is of the published values, also where the newest ones are withheld; `failed`: what withholds
    it, `warnings`: what failed without withholding; `waiting`: metrics whose own window is still open, and until when
    (naive UTC): they are flash, and where the North Star is one of them so is the week.
    """

    use_case: str
    week: date
    state: str
    certificate_id: str | None
    failed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gates: int = 0
    waiting: Mapping[str, datetime] = field(default_factory=dict)


def certificate_file(opened: Open, name: str, week: date) -> Path:
    return opened.home.lake / "certificates" / name / f"{week}.json"


def run_certificates(opened: Open) -> list[WeekState]:
    """Certify what passed, under the publishing lock; judge first where verdicts are missing or out of date."""
    with opened.home.lock("certificates"):
        states: list[WeekState] = []
        for name in opened.plans:
            verdicts = run_gates(opened, name)
            for week, outcome in verdicts.weeks.items():
                if not verdicts.failed(week) and opened.playbook.use_cases[name].status != "proposed":
                    gates = [CertifiedGate(gate=one.gate, severity=one.severity, passed=one.passed) for one in outcome]
                    _store(opened, name, week, gates)
            states.extend(week_states(opened, name, verdicts))
        return states


def _store(opened: Open, name: str, week: date, gates: list[CertifiedGate]) -> None:
    use_case = opened.playbook.use_cases[name]
    fingerprints = {table: opened.fingerprint(table, name, week) for table in WEEKLY_TABLES}
    fingerprints["usage_events"] = opened.usage.fingerprint(use_case, week)
    waiting = opened.waiting(name, week)
    if waiting:
        fingerprints["windows_open"] = ", ".join(sorted(waiting))
    stored = load_certificate(opened, name, week)
    if stored is not None and stored.fingerprints == fingerprints and stored.gates == gates:
        return
    tables: list[pa.Table] = []
    for role in ROLES:
        table = opened.lake.read_made_from(fingerprints[role], role, name, week)
        if table is None:
            return  # another run has just replaced it: that run certifies what it made
        tables.append(table.cast(METRIC_ROWS))
    rows = without(pa.concat_tables(tables), {week: waiting})
    certificate = certify(name, week, fingerprints, rows, gates)
    content = {"id": certificate.id, **certificate.model_dump(mode="json")}
    write_text(certificate_file(opened, name, week), json_text(content))


def load_certificate(opened: Open, name: str, week: date) -> Certificate | None:
    """A week's certificate; None where there is none, or where it is not what its id was made from."""
    file = certificate_file(opened, name, week)
    return once_per_file(CHECKED, file, lambda path: _checked(path, name, week))


def _checked(file: Path, name: str, week: date) -> Certificate | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        claimed = content.pop("id")
        certificate = Certificate.model_validate(content)
    except (FileNotFoundError, KeyError, ValueError):
        return None
    return certificate if (certificate.id, certificate.use_case, certificate.week) == (claimed, name, week) else None


def certificate_ids(opened: Open) -> list[str | None]:
    """Ids of the certificates of all use cases and complete weeks, in order."""
    return [
        certificate.id if (certificate := load_certificate(opened, name, week)) else None
        for name in opened.plans
        for week in opened.complete_weeks
    ]


def week_states(opened: Open, name: str, verdicts: Verdicts | None = None) -> Iterator[WeekState]:
    """The state of every week of a use case, from what is stored; verdicts that are out of date do not count."""
    if verdicts is None:
        stored = load_verdicts(opened, name)
        current = stored is not None and stored.key == evidence_key(opened, name, opened.judged_weeks(name))
        verdicts = stored if current else None
    proposed = opened.playbook.use_cases[name].status == "proposed"
    north_star = opened.plans[name].plans[0].metric
    for week in opened.weeks:
        certificate = load_certificate(opened, name, week)
        known = certificate.id if certificate else None
        if week >= opened.calendar.current():
            state = "flash" if not opened.stale_tables(name, week) else "missing"
            yield WeekState(name, week, state, None)
        elif verdicts is None or week not in verdicts.weeks:
            yield WeekState(name, week, "missing", known)
        else:
            failed = tuple(f"{one.gate}: {one.found}" for one in verdicts.failed(week))
            failed = ("the use case is proposed, not agreed", *failed) if proposed else failed
            warnings = tuple(f"{one.gate}: {one.found}" for one in verdicts.failed(week, "warning"))
            state = "withheld" if failed or known is None else "certified"
            waiting = opened.waiting(name, week)
            if state == "certified" and north_star in waiting:
                state = "flash"
            yield WeekState(name, week, state, known, failed, warnings, len(verdicts.weeks[week]), waiting)
