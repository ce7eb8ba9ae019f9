"""The step that turns verdicts into certificates, and says what state every week is in.

What belongs here: storing certificates with their rows; the state of each use case and week. What does not: the
verdict itself (`series`), extracts (`publication`).

`certificates/<use case>/<week>.json` is the certificate, `certified_values/<use case>/<week>` its rows (METRIC_ROWS),
stamped with its id. A week that fails keeps both from the last time it passed: that is what stays published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from nsm_pipeline.certification.certificates import Certificate, CertifiedGate, certify
from nsm_pipeline.lake import write_text
from nsm_pipeline.metrics.measures import ROLES
from nsm_pipeline.metrics.weekly import METRIC_ROWS
from nsm_pipeline.steps.opening import WEEKLY_TABLES, Open
from nsm_pipeline.steps.series import Verdicts, evidence_key, judged_weeks, load_verdicts, run_gates


@dataclass(frozen=True)
class WeekState:
    """Where a use case's week stands: missing, flash, withheld or certified.

    `certificate_id` is of the published values, also where the newest ones are withheld; `failed`: what withholds
    it, `warnings`: what failed without withholding.
    """

    use_case: str
    week: date
    state: str
    certificate_id: str | None
    failed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gates: int = 0


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
    file = certificate_file(opened, name, week)
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    gate_list = [gate.model_dump() for gate in gates]
    same = stored.get("fingerprints") == fingerprints and stored.get("gates") == gate_list
    if same and opened.lake.fingerprint("certified_values", name, week) == stored["id"]:
        return
    tables: list[pa.Table] = []
    for role in ROLES:
        table = opened.lake.read_made_from(fingerprints[role], role, name, week)
        if table is None:
            return  # another run has just replaced it: that run certifies what it made
        tables.append(table.cast(METRIC_ROWS))
    rows = pa.concat_tables(tables)
    certificate = certify(name, week, fingerprints, rows, gates)
    # The rows go first: a kill between the two leaves a certificate whose id the rows do not carry, which
    # nobody publishes and the next run stores anew.
    opened.lake.write(rows, certificate.id, "certified_values", name, week)
    write_text(
        file, json.dumps({"id": certificate.id, **certificate.model_dump(mode="json")}, indent=1, sort_keys=True)
    )


def certificate_id(opened: Open, name: str, week: date) -> str | None:
    """Id of a week's certificate where its rows carry the same one, else None: nothing half-stored counts."""
    file = certificate_file(opened, name, week)
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    found = str(content.pop("id"))
    whole = Certificate.model_validate(content).id == found
    return found if whole and opened.lake.fingerprint("certified_values", name, week) == found else None


def week_states(opened: Open, name: str, verdicts: Verdicts | None = None) -> Iterator[WeekState]:
    """The state of every week of a use case, from what is stored; verdicts that are out of date do not count."""
    if verdicts is None:
        stored = load_verdicts(opened, name)
        current = stored is not None and stored.key == evidence_key(opened, name, judged_weeks(opened, name))
        verdicts = stored if current else None
    proposed = opened.playbook.use_cases[name].status == "proposed"
    for week in opened.weeks:
        known = certificate_id(opened, name, week)
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
            yield WeekState(name, week, state, known, failed, warnings, len(verdicts.weeks[week]))
