"""Text in SQL's spelling as one syntax tree: where filters and formulas alike come in.

What belongs here: reading text with a real parser, within limits. What does not: which trees are accepted (`filters`,
`formulas`).
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

LONGEST = 10_000


def read_tree(text: str, what: str, refusal: type[ValueError]) -> exp.Expression:
    """The tree of one expression. Raises `refusal` for anything else; `what` names in its words what was wanted."""
    if len(text) > LONGEST:
        raise refusal(f"found {len(text):,} characters; at most {LONGEST:,} are accepted")
    if "\0" in text:
        raise refusal("found the character U+0000, which no database's text can hold")
    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except SqlglotError as error:
        raise refusal(f"found '{text}', which does not parse: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise refusal("found an expression with brackets that are nested too deeply") from None
    tree = statements[0] if len(statements) == 1 else None
    if tree is None:
        raise refusal(f"found '{text}'; one {what} is accepted")
    return tree
