"""`make docs`: the table of rules in docs/lint.md.

What belongs here: putting it between its markers. What does not: its words (each rule's own).
"""

from __future__ import annotations

import sys
from pathlib import Path

from nsm_pipeline.linting.rules import rules_table
from nsm_pipeline.playbook.documenting import with_part

if __name__ == "__main__":
    file = Path(sys.argv[1]) / "lint.md"
    file.write_text(with_part(file.read_text(encoding="utf-8"), "rules", rules_table()), encoding="utf-8")
