"""The step that turns verdicts into certificates, and says what state every week is in.

What belongs here: storing certificates; the state of each use case and week. What does not: the verdict itself
(`series`), what may be published (`release`), extracts (`publication`).

`certificates/<use case>/<week>.json` is the newest certificate that passed, with the values it vouches for, in one
file, so that neither is ever without the other. No time and no person stands in it: those are kept with published ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from nsm_pipeline.certification.certificates import Certificate, CertifiedGate, certify
from nsm_pipeline.lake import SeenFiles, note, once_per_file
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.sealed import BrokenSeal, read_sealed, write_sealed
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.release import Release
from nsm_pipeline.steps.series import Verdicts, evidence_key, load_verdicts, run_gates, without

CERTIFIED = ("usage_events", "account_weeks")
"""What a certificate names beside the tables of metrics whose values it holds. Colours per account are none of them."""


@dataclass(frozen=True)
class Issued:
    """A certificate and the document that it is stored in: `id`, `certificate`."""

    certificate: Certificate
    document: Mapping[str, Any]


# Certificates whose seal was checked, for as long as the file stays the same one: a run over a long history asks for
# each of them several times.
CHECKED: SeenFiles[Issued] = {}


@dataclass(frozen=True)
class WeekState:
    """Where a use case's week stands: missing, flash, withheld, held or certified; and its stage (`Open.stage`).

    `certificate_id` is of the values that are published, or will be next; `failed`: what withholds the week;
    `held`: why values that have passed are not published; `warnings`: what failed without withholding; `waiting`:
    metrics whose own window is still open, and until when (naive UTC): they are flash, and where the North Star is one
    of them so is the week.
    """

    use_case: str
    week: date
    state: str
    certificate_id: str | None
    stage: str = "flash"
    failed: tuple[str, ...] = ()
    held: str | None = None
    warnings: tuple[str, ...] = ()
    gates: int = 0
    waiting: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def is_superseded(self) -> bool:
        """Whether published values are those of a revoked certificate: what they were made of is another by now."""
        return self.certificate_id is not None and self.state in ("missing", "withheld", "held")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why its newest values are not published, where they are not."""
        return (*self.failed, *((self.held,) if self.held else ()))


def certificate_file(opened: Open, name: str, week: date) -> Path:
    # Composed as text: a run over years asks for thousands of them.
    return Path(f"{opened.home.lake}/certificates/{name}/{week}.json")


def run_certificates(opened: Open) -> list[WeekState]:
    """Certify what passed, under the publishing lock; judge first where verdicts are missing or out of date."""
    with opened.home.lock("certificates"):
        states: list[WeekState] = []
        release = Release.of(opened)
        for name in opened.plans:
            verdicts = run_gates(opened, name)
            for week in verdicts.weeks:
                if not verdicts.failed(week) and opened.playbook.use_cases[name].status != "proposed":
                    gates = [
                        CertifiedGate(gate=one.gate, severity=one.severity, passed=one.passed, found=one.found)
                        for one in verdicts.judged(week)
                    ]
                    _store(opened, name, week, gates)
            states.extend(week_states(opened, name, verdicts, release))
        return states


def _store(opened: Open, name: str, week: date, gates: list[CertifiedGate]) -> None:
    fingerprints, waiting = _fingerprints(opened, name, week), opened.waiting(name, week)
    stored = load_certificate(opened, name, week)
    if (
        stored is not None
        and (stored.fingerprints, stored.gates) == (fingerprints, gates)
        and stored.waiting == sorted(waiting)
    ):
        return
    rows: list[pa.Table] = []
    for role in opened.plans[name].roles:
        table = opened.lake.read_made_from(fingerprints[role], role, name, week)
        if table is None:
            return  # another run has just replaced it: that run certifies what it made
        rows.append(table)
    made_from = {table: opened.made_from(table, name, week) for table in fingerprints}
    values = without(pa.concat_tables(rows).cast(METRIC_ROWS), {week: waiting})
    certificate = certify(name, week, fingerprints, values, gates, made_from, sorted(waiting))
    document = {"id": certificate.id, "certificate": certificate.content}
    file = certificate_file(opened, name, week)
    signature = write_sealed(file, document)
    note(CHECKED, file, signature, Issued(Certificate.model_validate(certificate.content), document))


def _fingerprints(opened: Open, name: str, week: date) -> dict[str, str]:
    return {table: opened.fingerprint(table, name, week) for table in CERTIFIED + opened.plans[name].roles}


def load_issued(opened: Open, name: str, week: date) -> Issued | None:
    """A week's newest certificate; None where there is none, or where it is not what was sealed."""
    file = certificate_file(opened, name, week)
    return once_per_file(CHECKED, file, lambda path: _checked(path, name, week))


def load_certificate(opened: Open, name: str, week: date) -> Certificate | None:
    """As `load_issued`, without the document around it."""
    issued = load_issued(opened, name, week)
    return issued.certificate if issued else None


def _checked(file: Path, name: str, week: date) -> Issued | None:
    try:
        document = read_sealed(file)
        certificate = Certificate.model_validate(document["certificate"])
    except (FileNotFoundError, BrokenSeal, KeyError, ValueError):
        return None
    expected = f"{name}-{week}-"
    mine = (certificate.use_case, certificate.week) == (name, week) and str(document["id"]).startswith(expected)
    return Issued(certificate, document) if mine else None


def certificate_ids(opened: Open) -> list[str | None]:
    """Ids of the newest certificates of all use cases and complete weeks, in order."""
    return [
        str(issued.document["id"]) if (issued := load_issued(opened, name, week)) else None
        for name in opened.plans
        for week in opened.complete_weeks
    ]


def week_states(
    opened: Open, name: str, verdicts: Verdicts | None = None, release: Release | None = None
) -> Iterator[WeekState]:
    """The state of every week of a use case, from what is stored; verdicts that are out of date do not count."""
    release = release or Release.of(opened)
    if verdicts is None:
        stored = load_verdicts(opened, name)
        current = stored is not None and stored.key == evidence_key(opened, name, opened.judged_weeks(name))
        verdicts = stored if current else None
    for week in opened.weeks:
        yield _week_state(opened, name, week, verdicts, release)


def _week_state(opened: Open, name: str, week: date, verdicts: Verdicts | None, release: Release) -> WeekState:
    stage = opened.stage(week)
    published = release.published.get((name, week))
    if stage == "flash":
        return WeekState(name, week, "flash" if not opened.stale_tables(name, week) else "missing", None, stage)
    if verdicts is None or week not in verdicts.weeks:
        return WeekState(name, week, "missing", published, stage)
    failed = tuple(f"{one.gate}: {one.found}" for one in verdicts.failed(week))
    if opened.playbook.use_cases[name].status == "proposed":
        failed = ("the use case is proposed, not agreed", *failed)
    warnings = tuple(f"{one.gate}: {one.found}" for one in verdicts.failed(week, "warning"))
    candidate, waiting = load_issued(opened, name, week), opened.waiting(name, week)
    told: dict[str, Any] = {"warnings": warnings, "gates": len(verdicts.judged(week)), "waiting": waiting}
    if failed:
        return WeekState(name, week, "withheld", published, stage, failed, **told)
    if candidate is None or candidate.certificate.fingerprints != _fingerprints(opened, name, week):
        return WeekState(name, week, "missing", published, stage, **told)  # judged, but not yet certified
    if held := release.held(candidate.certificate, str(candidate.document["id"])):
        return WeekState(name, week, "held", published, stage, held=held, **told)
    state = "flash" if opened.plans[name].plans[0].metric in waiting else "certified"
    return WeekState(name, week, state, str(candidate.document["id"]), stage, **told)
