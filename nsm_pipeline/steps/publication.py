"""The step that gathers what may be published and hands it to the extract's writer.

What belongs here: which rows go out, in which state. What does not: files (`publishing`).

Out go the values of every week that has a certificate that may be published (`release`), those of the one published
before where the newest values are withheld or held, and the flash values of the week in progress; each marked so. It
fails closed: no certificate, no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.certification.certificates import Certificate, rows_of
from nsm_pipeline.lake import digest, remember, write_text
from nsm_pipeline.metrics.growth import LIFECYCLE, growth_series
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.playbook.models import ROLES, UseCase
from nsm_pipeline.publishing.dictionary import dictionary, title_of
from nsm_pipeline.publishing.extracts import current_version, write_extract
from nsm_pipeline.publishing.rendering import CONTRACT
from nsm_pipeline.publishing.restatements import Explain, Why
from nsm_pipeline.publishing.star import data_dictionary, star, use_case_rows
from nsm_pipeline.publishing.suppression import suppress
from nsm_pipeline.publishing.tables import CERTIFICATES, EXTRACT, GROWTH, NORTH_STAR
from nsm_pipeline.steps.accounts_shown import account_tables, accounts_key
from nsm_pipeline.steps.approvals import Approval, load_approvals
from nsm_pipeline.steps.certificates import WeekState, certificate_ids, load_issued, week_states
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.release import Release, Restatement, keep_published, load_published
from nsm_pipeline.steps.scoring import scored, scores_key
from nsm_pipeline.steps.series import evidence_key

ACCOUNTS = ("active", "new", "retained", "resurrected", "churned", "new_by_creation", "retained_by_creation",
            "unknown_creation")  # fmt: skip


def run_publication(opened: Open, restatement: Restatement | None = None) -> str:
    """Publish the home's extract, under the publishing lock; returns the version's id.

    `restatement`: somebody's reason for which final values may change in this publication.
    """
    with opened.home.lock("certificates"):
        release = Release.of(opened, restatement)
        states, tables = to_be_shown(opened, release)
        settings, now = opened.playbook.settings, opened.calendar.now()
        why = _why(opened, states, release)
        tolerance = settings.certification.tolerance
        derive, limit = partial(derived, opened), settings.publication.small_groups
        version = write_extract(opened.home, tables, settings.company, now, why, tolerance, derive, limit)
        write_text(_record(opened), json.dumps({**rests_on(opened), "version": version}))
        remember(opened.home.lake)
        return version


def derived(opened: Open, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """What follows from the extract's other tables and the playbook: scores, dimensions, the data dictionary."""
    scores = scored(opened, tables)
    use_cases, current = opened.playbook.use_cases, opened.calendar.current()
    return {**scores, **star(use_cases, {**tables, **scores}, opened.weeks, current, opened.stage)}


def to_be_shown(opened: Open, release: Release) -> tuple[dict[str, list[WeekState]], dict[str, pa.Table]]:
    """States and the extract's tables under a release; the certificates behind them are kept first. Call it under the
    publishing lock."""
    states = {name: list(week_states(opened, name, release=release)) for name in opened.plans}
    _keep_certificates(opened, states, release)
    return states, gather_tables(opened, states, release)


def _keep_certificates(opened: Open, states: Mapping[str, Sequence[WeekState]], release: Release) -> None:
    """Before anything of it is shown: what a published row names must be there for good."""
    for name, weeks in states.items():
        for state in weeks:
            issued = load_issued(opened, name, state.week)
            if issued is not None and state.certificate_id == (certificate_id := str(issued.document["id"])):
                keep_published(opened, issued.document, release.approvals.get(certificate_id, ()))


def _why(opened: Open, states: Mapping[str, Sequence[WeekState]], release: Release) -> Explain:
    """Why a week's published values are not those that were shown before: asked of the weeks where they are not."""
    known = {(state.use_case, state.week): state for weeks in states.values() for state in weeks}

    def why(name: str, week: date) -> Why:
        state = known.get((name, week))
        if state is None or (state.certificate_id is None and state.reasons):
            return Why(f"{state.state}: {'; '.join(state.reasons)}" if state else "the week is no longer computed")
        certificate_id = state.certificate_id
        return release.why(name, week, load_published(opened.home, certificate_id) if certificate_id else None)

    return why


def rests_on(opened: Open) -> dict[str, str]:
    """What an extract of the home as it is now rests on, from fingerprints alone."""
    return {"key": publication_key(opened), "certificates": digest(certificate_ids(opened))}


def publication_key(opened: Open) -> str:
    """What the extract rests on, from fingerprints alone: verdicts, the week in progress, the dictionary."""
    verdicts = [evidence_key(opened, name, opened.judged_weeks(name)) for name in opened.plans]
    current = opened.calendar.current()
    flash: list[object] = [
        opened.fingerprint(table, name, current) for name, plan in opened.plans.items() for table in plan.roles
    ]
    flash += [
        [opened.fingerprint(table, name, week), sorted(waiting)]
        for name, plan in opened.plans.items()
        for week in opened.complete_weeks
        if (waiting := opened.waiting(name, week))
        for table in plan.roles
    ]
    stages = [opened.stage(week) for week in opened.weeks]
    approvals = sorted(load_approvals(opened.home))
    settings = opened.playbook.settings
    use_cases = opened.playbook.use_cases.values()
    described = data_dictionary([table.name for table in EXTRACT])
    words = [table.to_pylist() for table in (dictionary(use_cases), use_case_rows(use_cases), described)]
    rules = [settings.certification.model_dump(), settings.publication.model_dump(), scores_key(opened)]
    accounts = accounts_key(opened)
    return digest(CONTRACT, verdicts, flash, words, EXTRACT, settings.company, stages, approvals, rules, accounts)


def is_published(opened: Open) -> bool:
    """Whether the current extract was made from the home as it is now."""
    file = _record(opened)
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    version = current_version(opened.home.extracts)
    return version is not None and stored == {**rests_on(opened), "version": version}


def _record(opened: Open) -> Path:
    return opened.home.lake / "publication.json"


def gather_tables(opened: Open, states: Mapping[str, Sequence[WeekState]], release: Release) -> dict[str, pa.Table]:
    """The extract's tables by name, from stored certificates, what is shown already, and the week in progress."""
    metric_rows: dict[str, list[pa.Table]] = {role: [] for role in ROLES}
    growth: list[pa.Table] = []
    for name, weeks in states.items():
        published = [state for state in weeks if state.certificate_id is not None or state.state == "flash"]
        rows = _metric_rows(opened, name, published)
        for role in ROLES:
            metric_rows[role].append(rows.filter(pc.equal(rows["role"], role)))
        growth.append(_growth_rows(opened, name, published, rows, _accounts_shown(release, name)))
    tables = {role: pa.concat_tables([NORTH_STAR.schema.empty_table(), *parts]) for role, parts in metric_rows.items()}
    every = [state for weeks in states.values() for state in weeks]
    return {
        **tables,
        "growth": pa.concat_tables([GROWTH.schema.empty_table(), *growth]),
        "certificates": pa.Table.from_pylist(certificate_rows(opened, every), CERTIFICATES.schema),
        "metric_dictionary": dictionary(opened.playbook.use_cases.values()),
        **account_tables(opened, states, release),
    }


def _metric_rows(opened: Open, name: str, published: Sequence[WeekState]) -> pa.Table:
    limit = opened.playbook.settings.publication.small_groups
    certified: list[tuple[_Worth, Certificate]] = []
    for state in published:
        certificate = load_published(opened.home, state.certificate_id) if state.certificate_id is not None else None
        if certificate is not None:  # else it fails closed: what cannot be vouched for any more is not published
            worth = _Worth(_label(state), state.stage, state.certificate_id, len(certificate.values))
            certified.append((worth, certificate))
    provisional = [rows for state in published for rows in _provisional(opened, name, state)]
    # Of all weeks in one piece: hundreds of them are as many pieces, and every question is asked of each. But apart,
    # since a certificate's rows alone must prove which of them are of small groups.
    vouched_for = rows_of([certificate for _, certificate in certified]).select(METRIC_ROWS.names).cast(METRIC_ROWS)
    others = pa.concat_tables([METRIC_ROWS.empty_table(), *provisional]).combine_chunks()
    rows = pa.concat_tables([suppress(vouched_for, limit), suppress(others, limit)])
    parts = [worth for worth, _ in certified]
    parts += [_Worth("flash", "flash", None, some.num_rows) for some in provisional]
    return _extract_rows(opened.playbook.use_cases[name], rows, parts)


@dataclass(frozen=True)
class _Worth:
    """What so many metric rows of a week are worth."""

    label: str
    stage: str
    certificate_id: str | None
    rows: int


def _provisional(opened: Open, name: str, state: WeekState) -> Iterator[pa.Table]:
    """A week's rows of metrics that are still flash."""
    in_progress = state.certificate_id is None
    if in_progress or (state.waiting and state.state in ("certified", "flash")):
        stored = [opened.lake.read(role, name, state.week) for role in opened.plans[name].roles]
        rows = pa.concat_tables(stored).cast(METRIC_ROWS)
        if not in_progress:
            rows = rows.filter(pc.is_in(rows["metric"], pa.array(sorted(state.waiting), pa.string())))
        yield rows


def _label(state: WeekState) -> str:
    """What a certificate's values are worth: those of a revoked one stay until the new ones pass."""
    return "superseded_pending" if state.is_superseded else "certified"


def _extract_rows(use_case: UseCase, rows: pa.Table, parts: Sequence[_Worth]) -> pa.Table:
    """Metric rows of all weeks as the extract has them; `parts`: what they are worth, in their order."""
    names = rows["metric"].to_pylist()
    metrics = {key: use_case.metrics.get(key) for key in dict.fromkeys(names)}
    titles = {key: title_of(key, metric) for key, metric in metrics.items()}
    units = {key: metric.unit if metric else "" for key, metric in metrics.items()}

    def of_part(values: Sequence[str | None]) -> pa.Array:
        repeated = (value for part, value in zip(parts, values, strict=True) for _ in range(part.rows))
        return pa.array(repeated, pa.string())

    columns = {column: rows[column] for column in rows.column_names}
    columns["title"] = pa.array([titles[key] for key in names], pa.string())
    columns["unit"] = pa.array([units[key] for key in names], pa.string())
    columns["state"] = of_part([part.label for part in parts])
    columns["stage"] = of_part([part.stage for part in parts])
    columns["certificate_id"] = of_part([part.certificate_id for part in parts])
    return pa.table(columns).select(NORTH_STAR.schema.names).cast(NORTH_STAR.schema)


def _accounts_shown(release: Release, name: str) -> dict[date, dict[str, int | None]]:
    """Accounts by week as they are shown now: active, new, retained, …"""
    if release.shown is None:
        return {}
    growth = release.shown.tables["growth"].select(["use_case", "week", *ACCOUNTS])
    rows = growth.filter(pc.equal(growth["use_case"], name)).to_pylist()
    return {row["week"]: {column: row[column] for column in ACCOUNTS} for row in rows}


def _growth_rows(
    opened: Open,
    name: str,
    published: Sequence[WeekState],
    rows: pa.Table,
    accounts_shown: Mapping[date, Mapping[str, int | None]],
) -> pa.Table:
    """Growth over published values alone: a week of which nothing is published is a gap, not a wrong neighbour.

    Where an earlier certified value stays published, growth is measured by it, and the week keeps the accounts that
    were published with it. So do final weeks after it: who is new or resurrected there follows from what is not
    published yet.
    """
    pending = min((state.week for state in published if state.is_superseded), default=None)
    states = {state.week: state for state in published}
    totals = rows.filter(pc.and_(pc.equal(rows["role"], "north_star"), pc.equal(rows["slice"], "all")))
    pairs = zip(totals["week"].to_pylist(), totals["value"].to_pylist(), strict=True)
    values = {week: value for week, value in pairs if week in states}
    if not opened.lake.exists("growth", name) or not values:
        return GROWTH.schema.empty_table()
    stored = {row["week"]: row for row in opened.lake.read("growth", name).to_pylist()}
    lifecycle = {week: {key: int(row[key] or 0) for key in LIFECYCLE} for week, row in stored.items()}
    target = opened.plans[name].use_case.growth_target
    series = growth_series(name, sorted(values.items()), lifecycle, opened.open_from(name), target)
    labelled = []
    for row in series.to_pylist():
        state = states[row["week"]]
        kept = accounts_shown.get(row["week"]) if state.is_superseded or state.stage == "final" else None
        if pending is not None and row["week"] >= pending and kept is not None:
            accounts = dict(kept)
        elif state.state in ("certified", "flash"):
            # Churned needs the week before's activity, which is known whether or not that week is published.
            accounts = {"churned": stored[row["week"]]["churned"] if row["week"] in stored else None}
        else:
            accounts = dict.fromkeys(ACCOUNTS)
        is_flash = state.certificate_id is None or not row["complete"]
        label, certificate_id = ("flash", None) if is_flash else (_label(state), state.certificate_id)
        stage = "flash" if is_flash else state.stage
        labelled.append({**row, **accounts, "state": label, "stage": stage, "certificate_id": certificate_id})
    return pa.Table.from_pylist(labelled, GROWTH.schema)


def certificate_rows(opened: Open, states: Iterable[WeekState]) -> list[dict[str, object]]:
    """Rows of `certificates`: one per use case and week."""
    approvals = load_approvals(opened.home)
    return [_certificate_row(opened, state, approvals.get(state.certificate_id or "", ())) for state in states]


def _certificate_row(opened: Open, state: WeekState, approved: Sequence[Approval]) -> dict[str, object]:
    return {
        "use_case": state.use_case,
        "week": state.week,
        "state": state.state,
        "stage": state.stage,
        "certificate_id": state.certificate_id,
        "superseded_pending": state.is_superseded,
        "gates": state.gates,
        "failed_gates": len(state.failed),
        "failed": "; ".join(state.failed),
        "warnings": "; ".join(state.warnings),
        "held": state.held,
        "owner": opened.playbook.use_cases[state.use_case].owner.name,
        "approved_by": ", ".join(dict.fromkeys(one.by for one in approved)) or None,
        "approval_note": "; ".join(one.note for one in approved if one.note) or None,
    }
