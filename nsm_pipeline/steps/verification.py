"""The step that proves or refutes what a home holds and has published; it changes nothing.

What belongs here: the order of the proofs, and what is held still meanwhile. What does not: each proof
(`proving_lake`, `publishing.proving`, `proving_numbers`, `recomputing`), putting things right (`repairing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import date
from pathlib import Path

from nsm_pipeline.playbook.models import ROLES
from nsm_pipeline.publishing.proving import VersionProof, prove_version
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proof import REPAIR, RUN, Advance, Proof
from nsm_pipeline.steps.proving_lake import prove_files
from nsm_pipeline.steps.proving_numbers import prove_numbers, prove_rendering
from nsm_pipeline.steps.proving_records import kept_versions, prove_records
from nsm_pipeline.steps.proving_restatements import prove_restatements
from nsm_pipeline.steps.recomputing import SAMPLE, recompute, seed_of, weeks_wanted


def verify(opened: Open, advance: Advance, sample: int = SAMPLE, chosen: Set[date] | None = None) -> Proof:
    """Prove or refute all files, all kept versions, every published number, and a sample of weeks (or those chosen).

    Publishing waits while versions and numbers are looked at; other runs go on.
    """
    proof = Proof(seed=seed_of(opened))
    prove_files(opened, proof, advance)
    if opened.home.extracts.is_dir():
        with opened.home.lock("certificates"):
            _prove_extracts(opened, proof, advance, whole=proof.holds)
    with opened.home.lock("certificates"):
        prove_records(opened, proof, advance, every=chosen is not None and chosen >= set(opened.weeks))
    recompute(opened, weeks_wanted(opened, sample, chosen), proof, advance)
    return proof


def _prove_extracts(opened: Open, proof: Proof, advance: Advance, whole: bool) -> None:
    """Prove every kept version, and the numbers of the current one. `whole`: nothing of the lake is refuted."""
    folders = list(kept_versions(opened.home.extracts).values())
    link = opened.home.extracts / "current"
    current = link.readlink().name if link.is_symlink() else None
    proof.version = current
    if folders and current not in [folder.name for folder in folders]:
        proof.refute("extracts/current", f"a link to {current}" if current else "no link", "a kept version", RUN)
    for number, folder in enumerate(folders, start=1):
        found = prove_version(folder)
        advance("versions", number, len(folders))
        _note(folder, found, folder.name == current, proof)
        if folder.name == current:
            damaged = _damaged(found)
            prove_numbers(opened, folder, damaged, proof)
            if not found.faults:
                prove_restatements(folder, proof)
            if whole and not found.faults:
                prove_rendering(opened, folder, proof)


def _note(folder: Path, found: VersionProof, is_current: bool, proof: Proof) -> None:
    proof.files["proved"] += len(found.whole)
    proof.publications["refuted" if found.faults else "proved"] += 1
    for fault in found.faults:
        proof.files["refuted"] += 1
        mend = f"{REPAIR}: the log of publications gives it back" if is_current else "nsm verify --repair"
        proof.refute(f"extracts/versions/{folder.name}/{fault.file}", fault.found, fault.expected, mend)


def _damaged(found: VersionProof) -> Mapping[str, int]:
    """Tables of a version that are not what was published, with the rows they should have; all of them where the
    descriptor itself is not."""
    wrong = {fault.file for fault in found.faults}
    every = {name.removesuffix(".parquet"): rows for name, rows in found.rows.items()}
    tables = (*ROLES, "growth")
    if "datapackage.json" in wrong:
        return {name: every.get(name, 0) for name in tables}
    return {name: every.get(name, 0) for name in tables if f"{name}.parquet" in wrong or name not in every}
