"""`make docs`: the parts of docs/ that are generated from the code.

What belongs here: putting them between their markers. What does not: their words (`kinds`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from nsm_pipeline.playbook.kinds import kinds_table


def with_part(text: str, name: str, part: str) -> str:
    """A document with the part between `<!-- name -->` and `<!-- /name -->` replaced."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"the document has no part '{name}'")
    return marked.sub(lambda found: found[1] + part + found[2], text)


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "playbook.md"
    file.write_text(with_part(file.read_text(encoding="utf-8"), "kinds", kinds_table()), encoding="utf-8")
