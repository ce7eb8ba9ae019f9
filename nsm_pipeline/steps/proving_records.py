"""Whether what cannot be made anew is whole: the log of publications, certificates and approvals.

What belongs here: seals, ids, giving back what was published. What does not: checksums of the files (`proving_lake`),
numbers of the current extract (`proving_numbers`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from nsm_pipeline.certification.certificates import Certificate
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home
from nsm_pipeline.lake import digest
from nsm_pipeline.publishing.proving import VERSION
from nsm_pipeline.publishing.record import Record, number_of
from nsm_pipeline.publishing.rendering import DESCRIPTOR, sha256
from nsm_pipeline.sealed import BrokenSeal, canonical, read_sealed
from nsm_pipeline.steps.approvals import approvals_file
from nsm_pipeline.steps.certificates import Issued
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proof import BACKUP, REPAIR, Advance, Proof

SAMPLE = 12


class BrokenCertificate(ValueError):
    """A certificate that is not what was sealed, or not what its id was made from."""


def read_certificate(file: Path) -> Issued:
    """A stored certificate, read from disk, whose seal and id hold. Raises FileNotFoundError, BrokenCertificate."""
    try:
        document = read_sealed(file)
        certificate = Certificate.model_validate(document["certificate"])
        # From the stored text: a certificate of an earlier time may have had fewer members.
        content = hashlib.sha256(canonical(document["certificate"]).encode()).hexdigest()[:16]
        expected = f"{certificate.use_case}-{certificate.week}-{content}"
    except BrokenSeal:
        raise BrokenCertificate("a document that is not what its seal was made from") from None
    except (KeyError, ValueError) as error:
        raise BrokenCertificate(f"a document that is no certificate ({str(error).splitlines()[0]})") from None
    if document["id"] != expected:
        raise BrokenCertificate(f"the id {document['id']} over a certificate whose id is {expected}")
    return Issued(certificate, document)


def prove_records(opened: Open, proof: Proof, advance: Advance, every: bool) -> None:
    """Check seals and ids of all certificates and approvals, and that publications can be given back: the newest, those
    whose version is still kept, and some older ones (or `every` one)."""
    home = opened.home
    for file in [*_sorted(home.records / "certificates", "*.json"), *_sorted(home.lake / "certificates", "*/*.json")]:
        _prove_certificate_file(opened, file, proof)
    try:
        read_sealed(approvals_file(home))
    except FileNotFoundError:
        pass
    except BrokenSeal:
        name = approvals_file(home).relative_to(home.root).as_posix()
        proof.refute(name, "a document that is not what its seal was made from", "a sealed one", BACKUP)
    record = Record.of(home)
    versions = record.versions()
    chosen = _chosen(versions, proof.seed, None if every else SAMPLE)
    for number, version in enumerate(chosen, start=1):
        advance("publications given back", number, len(chosen))
        _give_back(record, version, proof)
    for version in sorted(kept_versions(home.extracts).keys() - set(versions)):
        if not versions or number_of(version) < number_of(versions[0]):
            proof.notes.append(f"{version} was published before there was a log of publications.")
            continue
        found, expected = "a version that is not in the log of publications", "only what was published"
        proof.refute(f"extracts/versions/{version}", found, expected, f"{REPAIR}, which shows what was published last")


def kept_versions(extracts: Path) -> dict[str, Path]:
    """Folders of the versions that are kept, by name."""
    return {path.name: path for path in sorted((extracts / "versions").glob("*")) if VERSION.fullmatch(path.name)}


def vouches_for_itself(home: Home, path: Path) -> bool:
    """Whether a file of the records is whole by a seal or digest that it carries."""
    publications = home.records / "publications"
    try:
        if path.parent == home.records / "certificates":
            read_certificate(path)
        elif path == approvals_file(home):
            read_sealed(path)
        elif path.parent == publications:
            Record.of(home).give_back(path.stem)
        elif path.parent == publications / "descriptors":
            return digest(path.read_text(encoding="utf-8")) == path.stem
        else:
            return False
    except (FileNotFoundError, ValueError, UserError):
        return False
    return True


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _prove_certificate_file(opened: Open, file: Path, proof: Proof) -> None:
    try:
        issued = read_certificate(file)
    except FileNotFoundError:
        return
    except BrokenCertificate as error:
        found = str(error)
    else:
        name, week = issued.certificate.use_case, str(issued.certificate.week)
        if file.stem == issued.document["id"] or (file.parent.name, file.stem) == (name, week):
            return
        found = f"the certificate {issued.document['id']}"
    mine = file.is_relative_to(opened.home.lake)
    proof.damaged.add(file)
    name = file.relative_to(opened.home.root).as_posix()
    proof.refute(name, found, "the sealed certificate of that name", REPAIR if mine else BACKUP)


def _chosen(versions: Sequence[str], seed: str, count: int | None) -> list[str]:
    if count is None or len(versions) <= count:
        return list(versions)
    chance = random.Random(seed)  # noqa: S311 (a sample, not a secret)
    return [*sorted(chance.sample(versions[:-1], count - 1)), versions[-1]]


def _give_back(record: Record, version: str, proof: Proof) -> None:
    what = f"records/publications/{version}.parquet"
    try:
        given = record.give_back(version)
    except UserError as error:
        proof.publications["refuted"] += 1
        proof.refute(what, str(error), "what was published, given back", BACKUP)
        return
    found = sha256(given.files[DESCRIPTOR])[:12]
    if found != version.rpartition("-")[2]:
        proof.publications["refuted"] += 1
        proof.refute(what, f"a descriptor of sha256 {found}…", "that of the version's name", BACKUP)
        return
    if given.rewritten:
        proof.notes.append(
            f"{version}: the rows of {', '.join(given.rewritten)} are those published; another version of the Parquet "
            "library wrote their bytes."
        )
    proof.publications["given back from the log"] += 1
