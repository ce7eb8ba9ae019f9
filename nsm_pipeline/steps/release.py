"""What is published, and whether a newer certificate may take its place.

What belongs here: the rule, and the store of certificates that were ever published (`records/certificates`). What does
not: judging a week (`series`), writing the extract (`publication`).

A certificate that has passed its gates is held back where it needs an approval that it has not, or where it would
restate a final week beyond the tolerance and nobody has given a reason. What was published before stays meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from nsm_pipeline.certification.certificates import Certificate
from nsm_pipeline.home import Home
from nsm_pipeline.lake import SeenFiles, note, once_per_file
from nsm_pipeline.publishing.changes import Change, ledger_of
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.publishing.recording import Shown
from nsm_pipeline.publishing.restatements import Why, restated
from nsm_pipeline.publishing.suppression import suppress
from nsm_pipeline.sealed import BrokenSeal, read_sealed, write_sealed
from nsm_pipeline.steps.approvals import Approval, load_approvals
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.reasons import About
from nsm_pipeline.steps.reasons import cause as causes

SHOWN = 3
PUBLISHED: SeenFiles[Certificate] = {}
DOCUMENTS: SeenFiles[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Restatement:
    """Somebody's word that final values may change."""

    reason: str
    by: str


@dataclass(frozen=True)
class Release:
    """What is published now, the approvals, and a reason for restating, if one was given."""

    opened: Open
    shown: Shown | None
    approvals: Mapping[str, tuple[Approval, ...]]
    restatement: Restatement | None = None

    @classmethod
    def of(cls, opened: Open, restatement: Restatement | None = None) -> Release:
        return cls(opened, last_shown(opened.home), load_approvals(opened.home), restatement)

    @cached_property
    def published(self) -> dict[tuple[str, date], str]:
        """Ids of the certificates of what is shown, by use case and week."""
        return published_ids(self.shown)

    def held(self, candidate: Certificate, candidate_id: str) -> str | None:
        """Why a certificate that has passed is not published; None where it is, or may be."""
        name, week = candidate.use_case, candidate.week
        if self.published.get((name, week)) == candidate_id:
            return None
        if self._approval_needed and candidate_id not in self.approvals:
            return f"awaits approval: nsm approve --use-case {name} --weeks {week} --by … --note …"
        if self.restatement is None and self.opened.stage(week) == "final":
            return self._restates(candidate)
        return None

    @cached_property
    def _approval_needed(self) -> bool:
        return self.opened.playbook.settings.certification.approval == "required"

    def why(self, name: str, week: date, candidate: Certificate | None) -> Why:
        """For the restatement ledger: what has changed below a week's values since they were published, and, for a
        final week, whose word it is that they may."""
        before = self.certificate(name, week)
        if candidate is None:
            return Why("the week is in progress" if self.opened.stage(week) == "flash" else "")
        cause = "the week is complete"
        if before is not None:
            about = About(self.opened.ledger, self.opened.definition_of, published=True)
            cause = "; ".join(one.text for one in causes(before.made_from, candidate.made_from, about))
        if self.restatement is None or self.opened.stage(week) != "final":
            return Why(cause)
        return Why(cause, self.restatement.reason, self.restatement.by)

    def certificate(self, name: str, week: date) -> Certificate | None:
        """The published certificate of a week; None where there is none or where it is not whole."""
        certificate_id = self.published.get((name, week))
        found = load_published(self.opened.home, certificate_id) if certificate_id else None
        return found if found is not None and (found.use_case, found.week) == (name, week) else None

    def _restates(self, candidate: Certificate) -> str | None:
        found = self.restated(candidate)
        if not found:
            return None
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        said = ", ".join(f"{_name(one)} {_number(one.old)} → {_number(one.new)}" for one in found[:SHOWN])
        return f'the week is final and {said}{more} would change beyond tolerance: nsm run --restate --reason "…"'

    def restated(self, candidate: Certificate) -> list[Change]:
        """Values of a final week that a certificate would change beyond tolerance, of those that are shown: not of
        small groups; totals first."""
        before = self.certificate(candidate.use_case, candidate.week)
        if self.shown is None or before is None:
            return []
        settings = self.opened.playbook.settings
        old, new = (suppress(one.rows, settings.publication.small_groups) for one in (before, candidate))
        found = restated(old, new, ledger_of(self.shown.tables), settings.certification.tolerance)
        return sorted(found, key=lambda one: one.slice != "all")


def published_ids(shown: Shown | None) -> dict[tuple[str, date], str]:
    """Ids of the certificates that what is shown rests on, by use case and week."""
    if shown is None:
        return {}
    rows = shown.tables["certificates"].select(["use_case", "week", "certificate_id"]).to_pylist()
    return {(row["use_case"], row["week"]): row["certificate_id"] for row in rows if row["certificate_id"]}


def _name(change: Change) -> str:
    return change.metric if change.slice == "all" else f"{change.metric} of {change.slice} {change.slice_value}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def published_file(home: Home, certificate_id: str) -> Path:
    return Path(f"{home.records}/certificates/{certificate_id}.json")


def load_published(home: Home, certificate_id: str) -> Certificate | None:
    """A certificate that was published once; None where it is missing or not what was sealed."""

    def read(file: Path) -> Certificate | None:
        try:
            document = _document(file) or {}
            return Certificate.model_validate(document["certificate"]) if document["id"] == certificate_id else None
        except (KeyError, ValueError):
            return None

    return once_per_file(PUBLISHED, published_file(home, certificate_id), read)


def _document(file: Path) -> Mapping[str, Any] | None:
    """What is kept of a certificate, its seal checked; None where it is missing or not what was sealed."""

    def read(file: Path) -> Mapping[str, Any] | None:
        try:
            return read_sealed(file)
        except (FileNotFoundError, BrokenSeal):
            return None

    return once_per_file(DOCUMENTS, file, read)


def keep_published(opened: Open, document: Mapping[str, object], approvals: Sequence[Approval]) -> None:
    """Keep a certificate's document for good, with who answers for its definitions, who approved it, and when it was
    first published; call it under the publishing lock."""
    file = published_file(opened.home, str(document["id"]))
    known = _document(file)
    if known is None:
        use_case = opened.playbook.use_cases[str(document["id"]).rsplit("-", 4)[0]]
        known = {
            **document,
            "owner": use_case.owner.model_dump(mode="json"),
            "published_at": opened.calendar.now().isoformat(),
        }
    whole = {**known, "approved": [asdict(one) for one in approvals]}
    if whole != known:
        note(DOCUMENTS, file, write_sealed(file, whole), whole)


def sign_published(opened: Open, certificate_ids: Iterable[str]) -> None:
    """Add who approved them to certificates that are published already; call it under the publishing lock."""
    approvals = load_approvals(opened.home)
    for certificate_id in certificate_ids:
        if load_published(opened.home, certificate_id) is not None:
            keep_published(opened, {"id": certificate_id}, approvals.get(certificate_id, ()))
