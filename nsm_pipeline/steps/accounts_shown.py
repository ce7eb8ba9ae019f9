"""Which colours per account are published, and under which names.

What belongs here: the weeks whose rows go out, their state, names of accounts. What does not: computing colours
(`adoption`), composites and calls to action (`scoring.adoption`).

As with every table, what is published of a week is what passed with it: rows of certified weeks, flash rows of the week
in progress, and of a week whose newest values are withheld or held those that are shown already. It fails closed: rows
of accounts that are not known any more, or that were shown under another kind of name, are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from nsm_pipeline.metrics.adoption import ADOPTION_ROWS
from nsm_pipeline.metrics.plans import ADOPTION
from nsm_pipeline.playbook.adoption import COMPOSITE
from nsm_pipeline.publishing.dictionary import title_of
from nsm_pipeline.publishing.pseudonyms import pseudonyms
from nsm_pipeline.publishing.score_tables import ACCOUNT_ADOPTION
from nsm_pipeline.steps.certificates import WeekState
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.release import Release, load_published

NameOf = Callable[[str], str]


def account_tables(opened: Open, states: Mapping[str, Sequence[WeekState]], release: Release) -> dict[str, pa.Table]:
    """The extract's table of colours per account; nothing where the settings do not ask for it."""
    from nsm_pipeline.scoring.adoption import MEASURED, adoption_table

    how = opened.playbook.settings.publication.account_adoption
    if how == "not_published":
        return {}
    name_of: NameOf = pseudonyms(opened.home) if how == "pseudonymous" else str
    tables = [ACCOUNT_ADOPTION.schema.empty_table()]
    for name, plan in opened.plans.items():
        if ADOPTION not in plan.tables:
            continue
        parts = [
            part.select(MEASURED.names).cast(MEASURED) for part in _measured(opened, states[name], release, name_of)
        ]
        titles = {one.metric: title_of(one.metric, plan.use_case.metrics[one.metric]) for one in plan.adoption}
        tables.append(adoption_table(plan.use_case, titles, pa.concat_tables([MEASURED.empty_table(), *parts])))
    return {ACCOUNT_ADOPTION.name: pa.concat_tables(tables)}


def accounts_key(opened: Open) -> list[object]:
    """What the table rests on beside verdicts and settings, from fingerprints alone."""
    if opened.playbook.settings.publication.account_adoption == "not_published":
        return []
    adopting = [name for name, plan in opened.plans.items() if ADOPTION in plan.tables]
    made = [[name, opened.fingerprint(ADOPTION, name, week)] for name in adopting for week in opened.weeks]
    return [ACCOUNT_ADOPTION, made]


def _measured(opened: Open, states: Sequence[WeekState], release: Release, name_of: NameOf) -> Iterator[pa.Table]:
    """Rows of a use case's weeks, by the state that each is shown in."""
    known: set[str] = set()
    pending: list[WeekState] = []
    for state in states:
        fingerprint = opened.fingerprint(ADOPTION, state.use_case, state.week)
        stored = opened.lake.read_made_from(fingerprint, ADOPTION, state.use_case, state.week)
        if stored is not None:
            rows = _named(stored, name_of)
            known.update(pc.unique(rows["account"]).to_pylist())
        if state.is_superseded:
            pending.append(state)
        elif stored is not None and (label := _label(opened, state)) is not None:
            yield _stated(rows, state, label)
    if pending:
        yield from _kept(pending, release, known)


def _label(opened: Open, state: WeekState) -> str | None:
    """What rows made now are worth; None where they may not be shown."""
    if state.certificate_id is not None:
        return "certified" if load_published(opened.home, state.certificate_id) is not None else None
    return "flash" if state.state == "flash" else None


def _named(stored: pa.Table, name_of: NameOf) -> pa.Table:
    """Rows with the accounts' names instead of their ids."""
    encoded = stored.cast(ADOPTION_ROWS)["account_id"].combine_chunks().dictionary_encode()
    names = pa.array([name_of(account) for account in encoded.dictionary.to_pylist()], pa.string())
    return stored.drop_columns(["account_id"]).append_column("account", names.take(encoded.indices))


def _stated(rows: pa.Table, state: WeekState, label: str) -> pa.Table:
    count = rows.num_rows
    rows = rows.append_column("week", pa.array([state.week] * count, pa.date32()))
    rows = rows.append_column("state", pa.array([label] * count, pa.string()))
    return rows.append_column("certificate_id", pa.array([state.certificate_id] * count, pa.string()))


def _kept(pending: Sequence[WeekState], release: Release, known: set[str]) -> Iterator[pa.Table]:
    """What is shown already of weeks whose newest values have not passed or are held."""
    shown = release.shown.tables.get(ACCOUNT_ADOPTION.name) if release.shown is not None else None
    if shown is None:
        return
    rows = shown.filter(pc.equal(shown["use_case"], pending[0].use_case))
    rows = rows.filter(pc.is_in(rows["week"], pa.array([state.week for state in pending], pa.date32())))
    rows = rows.filter(pc.is_in(rows["account"], pa.array(sorted(known), pa.string())))
    rows = rows.filter(pc.and_(pc.is_valid(rows["certificate_id"]), pc.not_equal(rows["measure"], COMPOSITE)))
    place = rows.schema.get_field_index("state")
    yield rows.set_column(place, "state", pa.array(["superseded_pending"] * rows.num_rows, pa.string()))
