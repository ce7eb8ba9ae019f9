"""Approvals: who signed off which certificate, when, with which note.

What belongs here: the record and signing. What does not: whether an approval is needed (`release`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from nsm_pipeline.home import Home
from nsm_pipeline.sealed import read_sealed, write_sealed


@dataclass(frozen=True)
class Approval:
    """A person's word for one certificate. `at`: ISO instant, UTC."""

    certificate: str
    use_case: str
    week: str
    by: str
    note: str
    at: str


def approvals_file(home: Home) -> Path:
    return home.records / "approvals.json"


def load_approvals(home: Home) -> Mapping[str, tuple[Approval, ...]]:
    """All approvals by certificate id, in order. Raises BrokenSeal where the record was altered."""
    try:
        rows = read_sealed(approvals_file(home))["approvals"]
    except FileNotFoundError:
        return {}
    found: dict[str, tuple[Approval, ...]] = {}
    for row in rows:
        one = Approval(**row)
        found[one.certificate] = (*found.get(one.certificate, ()), one)
    return found


def add_approvals(home: Home, new: Iterable[Approval]) -> None:
    """Add to the record; call it under the publishing lock."""
    known = [one for several in load_approvals(home).values() for one in several]
    write_sealed(approvals_file(home), {"approvals": [asdict(one) for one in (*known, *new)]})
