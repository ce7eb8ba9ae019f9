"""Answers → a playbook file's text that is known to load.

What belongs here: holding a draft to the playbook's rules, telling what is wrong by the answers' own keys. What does
not: which answer goes where (`document`), files (`cli.init`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsm_pipeline.errors import WrongKey
from nsm_pipeline.playbook.checking import Checker
from nsm_pipeline.playbook.loading import checked_model
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.words import ATTRIBUTES
from nsm_pipeline.workshop.answers import Answers
from nsm_pipeline.workshop.document import Notes, draft
from nsm_pipeline.workshop.yaml_text import plain, yaml_text


@dataclass(frozen=True)
class Composed:
    """A use case and the text of its file."""

    use_case: UseCase
    text: str


def composed(
    answers: Answers, attributes: Mapping[str, str], notes: Notes | None = None, head: Sequence[str] = ()
) -> Composed:
    """The playbook file that follows from the answers. `attributes`: those that the settings declare, with types;
    `head`: comments at its top.

    Raises WrongKey with the answers' key path where they do not make a playbook.
    """
    made = draft(answers, notes)
    try:
        use_case = checked_model(UseCase, plain(made.document))
        Checker(Path(), use_case, {**ATTRIBUTES, **attributes}).check()
    except WrongKey as wrong:
        raise WrongKey(made.answered(wrong.path), wrong.text) from None
    return Composed(use_case, yaml_text(made.document, head))
