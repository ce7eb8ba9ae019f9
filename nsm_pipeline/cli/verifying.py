"""`nsm verify`: what was proved, what was refuted and what to do about it, for a person; the same as JSON.

What belongs here: arguments and words. What does not: the proofs (`steps.verification`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from rich.console import Console

from nsm_pipeline.cli.exits import REFUTED
from nsm_pipeline.cli.progress import bar
from nsm_pipeline.cli.ranges import week_range, weeks_within
from nsm_pipeline.errors import UserError
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.home import Home
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.proof import Finding, Proof
from nsm_pipeline.steps.recomputing import SAMPLE
from nsm_pipeline.steps.repairing import Repaired, repair
from nsm_pipeline.steps.verification import verify

SHOWN = 20
LABELS = {
    "files": "files against their checksums",
    "publications": "kept versions of the extract, and the records",
    "numbers": "published numbers",
    "restatements": "rows of the restatement ledger",
    "weeks": "weeks of use cases, computed anew",
}


@dataclass(frozen=True)
class Order:
    """What to verify: `weeks` (A..B), `sample` or `every` week is computed anew; without any, the usual sample."""

    home: Home
    as_of: date | None
    weeks: str | None
    sample: int | None
    every: bool
    repair: bool
    as_json: bool


def verify_home(order: Order) -> int:
    """Verify a home, print the report and return the exit code."""
    if sum((order.weeks is not None, order.sample is not None, order.every)) > 1:
        raise UserError("nsm verify: --weeks, --sample and --all exclude each other; give one of them, or none.")
    opened = _opened(order)
    chosen = set(opened.weeks) if order.every else _chosen(opened, order.weeks)
    with bar("verify") as advance:
        proof = verify(opened, advance, SAMPLE if order.sample is None else order.sample, chosen)
    repaired = repair(opened, proof.damaged) if order.repair and not proof.holds else None
    if order.as_json:
        print(json.dumps(_document(opened, proof, repaired), indent=1, default=str))
    else:
        _print(opened, proof, repaired)
    return 0 if proof.holds else REFUTED


def _opened(order: Order) -> Open:
    """The home; where its ledger can't be read, as if nothing had landed: files and published numbers are still
    proved or refuted, and the ledger is one of the files."""
    playbook = open_playbook(order.home, order.as_of)
    try:
        return Open.of(order.home, playbook)
    except ValueError:
        return Open.of(order.home, playbook, ledger=Ledger())


def _chosen(opened: Open, weeks: str | None) -> set[date] | None:
    if weeks is None:
        return None
    return set(weeks_within(opened, week_range(weeks, opened.calendar)))


def _document(opened: Open, proof: Proof, repaired: Repaired | None) -> dict[str, Any]:
    found = {"home": str(opened.home.root), **proof.document()}
    return found if repaired is None else {**found, "repaired": asdict(repaired)}


def _print(opened: Open, proof: Proof, repaired: Repaired | None) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{opened.home.root}: version {proof.version or 'none yet'}; sample of {proof.seed}")
    for name, label in LABELS.items():
        counts: Mapping[str, int] = getattr(proof, name)
        said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items()) if count)
        console.print(f"  {label}: {said or 'none'}")
    for note in proof.notes:
        console.print(f"  note: {note}")
    _print_findings(console, "REFUTED", proof.refuted)
    _print_findings(console, "NOT PROVED", proof.unproven)
    if repaired is not None:
        _print_repaired(console, repaired)
    if proof.holds:
        console.print("Everything holds: each published number is the one that was computed, certified and published.")
    else:
        console.print(f"{len(proof.refuted):,} refuted, {len(proof.unproven):,} not proved.")


def _print_findings(console: Console, title: str, findings: list[Finding]) -> None:
    for finding in findings[:SHOWN]:
        console.print(f"{title} {finding.what}")
        console.print(f"    found:    {finding.found}\n    expected: {finding.expected}\n    to do:    {finding.mend}")
    if len(findings) > SHOWN:
        console.print(f"… and {len(findings) - SHOWN:,} more: nsm verify --json lists all of them.")


def _print_repaired(console: Console, repaired: Repaired) -> None:
    console.print(f"Removed {len(repaired.removed):,} files, which the next nsm run builds anew.")
    for name in repaired.given_back:
        console.print(f"  {name} is again as the log of publications has it.")
    for name in repaired.landed_anew:
        console.print(f"  landing/{name} is read again.")
    for name in repaired.left:
        console.print(f"  {name} was left: only a backup can put it right.")
