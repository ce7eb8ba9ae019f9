"""The one family of errors that a user can cause, and the nearest-name hint that all of them share.

What belongs here: `UserError`, its kinds, and the parts of their messages. What does not: faults of the
program, which stay ordinary exceptions with a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 1_200


class UserError(Exception):
    """Something the user can mend: bad usage, playbook or configuration. Shown without a traceback."""


class PlaybookError(UserError):
    """A playbook or settings file that cannot be used; the message names file, line, key path and nearest name."""


class WrongKey(PlaybookError):
    """A key that breaks a rule, named by its path, such as `metrics.orders.of.0`, by code that knows no file.
    Whoever has read the file adds it and the line."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path, self.text = path, text


def nearest(found: str, accepted: Iterable[str]) -> str:
    """Sentence part naming the closest accepted value, and all of them where they are few."""
    names = sorted(set(accepted))
    close = difflib.get_close_matches(found, names, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    listing = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"{hint}Accepted: {listing or 'none declared'}."


def printable(text: str) -> str:
    """Text from a file as one readable paragraph: control characters written out, the middle of very long text left
    out. What stands in a playbook must not steer the terminal that shows it."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
