"""Names as sent → names of the playbook: lower case, digits and _, each once.

What belongs here: spelling. What does not: what a name stands for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from nsm_pipeline.playbook.words import NAME

LONGEST = 63
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def canonical(sent: str, stem: str) -> str:
    """A valid name that reads like the one sent; `stem` begins it where nothing valid would."""
    if NAME.fullmatch(sent):
        return sent
    plain = unicodedata.normalize("NFKD", sent).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", HUMP.sub("_", plain).lower()).strip("_")
    if not words or not words[0].isalpha():
        words = f"{stem}_{words}".rstrip("_")
    return words[:LONGEST].rstrip("_")


def canonical_names(sent: Iterable[str], stem: str, taken: Collection[str]) -> dict[str, str]:
    """Canonical names by name as sent, each once and none of those `taken`; a name that is valid as it is keeps it."""
    names = list(sent)
    found: dict[str, str] = {}
    used = set(taken)
    for valid in (True, False):
        for name in names:
            if bool(NAME.fullmatch(name)) == valid:
                found[name] = _free(canonical(name, stem), stem, used)
                used.add(found[name])
    return {name: found[name] for name in names}


def _free(name: str, stem: str, used: Collection[str]) -> str:
    """The name itself, else one that says what it is, else one with a number."""
    if name not in used:
        return name
    other = f"{stem}_{name}"[:LONGEST]
    number = 2
    while other in used:
        other = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
        number += 1
    return other
