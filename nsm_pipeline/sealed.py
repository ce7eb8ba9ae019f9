"""Documents under a seal: JSON whose last member is the SHA-256 of everything before it.

What belongs here: sealing and checking. What does not: what a document says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from nsm_pipeline.lake import write_text

SEAL = b',\n"sha256": "'
END = b'"\n}\n'


class BrokenSeal(ValueError):
    """A document that is not what was sealed."""


def write_sealed(path: Path, document: Mapping[str, object]) -> tuple[int, int, int]:
    """Write a document atomically, a member per line, sealed; returns the file's signature. It may not have a member
    `sha256` of its own."""
    body = "{\n" + ",\n".join(f"{json.dumps(key)}: {canonical(document[key])}" for key in sorted(document))
    seal = hashlib.sha256(body.encode()).hexdigest()
    return write_text(path, body + SEAL.decode() + seal + END.decode())


def read_sealed(path: Path) -> dict[str, Any]:
    """A sealed document without its seal. Raises FileNotFoundError and BrokenSeal."""
    content = path.read_bytes()
    body, found, tail = content.rpartition(SEAL)
    if not found or tail != hashlib.sha256(body).hexdigest().encode() + END:
        raise BrokenSeal(f"{path}: its content is not what its sha256 was made from")
    # A run over years reads a thousand of them: the standard library takes twice as long.
    document: dict[str, Any] = from_json(body + b"\n}")
    return document


def canonical(value: object) -> str:
    """JSON of plain data in the one spelling that is hashed."""
    return json.dumps(value, sort_keys=True, default=str)
