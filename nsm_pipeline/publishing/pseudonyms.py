"""Pseudonyms of accounts: stable over weeks and tables, and nobody's without the home's own secret.

What belongs here: the secret and the names made with it. What does not: which tables hold accounts (`tables`).

A pseudonym is the HMAC-SHA256 of the account's id under `records/pseudonyms.key`, which is never published. Whoever
has the key can tell which account is meant; without it, trying ids leads nowhere. Without the file a new one is made,
and every account has another pseudonym from then on.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path

from nsm_pipeline.checksums import checksum_of, record
from nsm_pipeline.errors import UserError
from nsm_pipeline.home import Home

DIGITS = 24
"""Hex digits of a pseudonym: 96 bits, so that no two of a billion accounts share one."""
KEY = re.compile("[0-9a-f]{64}")


def pseudonyms(home: Home) -> Callable[[str], str]:
    """A home's pseudonym of an account id. Makes the secret where there is none yet. Raises UserError where it is not
    what was made."""
    secret = _secret(home.records / "pseudonyms.key")
    return lambda account: hmac.digest(secret, account.encode(), "sha256").hex()[:DIGITS]


def _secret(file: Path) -> bytes:
    if not file.is_file():
        _make(file)
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    if not KEY.fullmatch(text):
        raise UserError(
            f"{file}: found {len(text)} characters that are no key; 64 hex digits are needed. Restore the file from a "
            "backup, or delete it: then every account gets another pseudonym."
        )
    return bytes.fromhex(text)


def _make(file: Path) -> None:
    """Once, whoever comes first: whole and on disk before it has its name, and for its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(opened, f"{secrets.token_hex(32)}\n".encode())
        os.fsync(opened)
        record(file, checksum_of(temporary))
        os.link(temporary, file)  # refuses where there is one: a rename would not
    except FileExistsError:
        return
    finally:
        os.close(opened)
        temporary.unlink()
