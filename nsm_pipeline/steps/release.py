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

from nsm_pipeline.certification.certificates import Certificate
from nsm_pipeline.home import Home
from nsm_pipeline.lake import SeenFiles, once_per_file
from nsm_pipeline.publishing.extracts import last_shown
from nsm_pipeline.publishing.recording import Shown
from nsm_pipeline.sealed import BrokenSeal, read_sealed, write_sealed
from nsm_pipeline.steps.approvals import Approval, load_approvals
from nsm_pipeline.steps.opening import Open

SHOWN = 3
PUBLISHED: SeenFiles[Certificate] = {}


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

    def certificate(self, name: str, week: date) -> Certificate | None:
        """The published certificate of a week; None where there is none or where it is not whole."""
        certificate_id = self.published.get((name, week))
        found = load_published(self.opened.home, certificate_id) if certificate_id else None
        return found if found is not None and (found.use_case, found.week) == (name, week) else None

    def _restates(self, candidate: Certificate) -> str | None:
        before = self.certificate(candidate.use_case, candidate.week)
        if before is None:
            return None
        changed = beyond_tolerance(before, candidate, self.opened.playbook.settings.certification.tolerance)
        if not changed:
            return None
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        return (
            f"the week is final, and {', '.join(changed[:SHOWN])}{more} would change beyond tolerance: "
            'nsm run --restate --reason "…"'
        )


def published_ids(shown: Shown | None) -> dict[tuple[str, date], str]:
    """Ids of the certificates that what is shown rests on, by use case and week."""
    if shown is None:
        return {}
    rows = shown.tables["certificates"].select(["use_case", "week", "certificate_id"]).to_pylist()
    return {(row["use_case"], row["week"]): row["certificate_id"] for row in rows if row["certificate_id"]}


def beyond_tolerance(before: Certificate, after: Certificate, tolerance: float) -> list[str]:
    """Values that two certificates of a week give differently, by more than a share of what they were."""
    return []


def published_file(home: Home, certificate_id: str) -> Path:
    return home.records / "certificates" / f"{certificate_id}.json"


def load_published(home: Home, certificate_id: str) -> Certificate | None:
    """A certificate that was published once; None where it is missing or not what was sealed."""

    def read(file: Path) -> Certificate | None:
        try:
            document = read_sealed(file)
            return Certificate.model_validate(document["certificate"]) if document["id"] == certificate_id else None
        except (BrokenSeal, KeyError, ValueError):
            return None

    return once_per_file(PUBLISHED, published_file(home, certificate_id), read)


def keep_published(opened: Open, document: Mapping[str, object], approvals: Sequence[Approval]) -> None:
    """Keep a certificate's document for good, with who answers for its definitions, who approved it, and when it was
    first published; call it under the publishing lock."""
    file = published_file(opened.home, str(document["id"]))
    try:
        known = read_sealed(file)
    except (FileNotFoundError, BrokenSeal):
        use_case = opened.playbook.use_cases[str(document["id"]).rsplit("-", 4)[0]]
        known = {
            **document,
            "owner": use_case.owner.model_dump(mode="json"),
            "published_at": opened.calendar.now().isoformat(),
        }
    whole = {**known, "approved": [asdict(one) for one in approvals]}
    if whole != known:
        write_sealed(file, whole)


def sign_published(opened: Open, certificate_ids: Iterable[str]) -> None:
    """Add who approved them to certificates that are published already; call it under the publishing lock."""
    approvals = load_approvals(opened.home)
    for certificate_id in certificate_ids:
        if load_published(opened.home, certificate_id) is not None:
            keep_published(opened, {"id": certificate_id}, approvals.get(certificate_id, ()))
