"""What somebody typed as an answer, read into a value; a ValueError is the hint with which it is asked again.

What belongs here: single answers. What does not: asking (`dialogue`), what is asked (`interview`, `counting`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nsm_pipeline.playbook.words import NAME, Share
from nsm_pipeline.workshop.checklist import POINTS
from nsm_pipeline.workshop.names import canonical


def a_text(text: str) -> str:
    if not text:
        raise ValueError("An answer is needed here.")
    return text


def a_name(text: str) -> str:
    if not NAME.fullmatch(text):
        hint = canonical(text, "metric") if text else "order_placed"
        raise ValueError(
            f"Found '{text}'; a name is lower-case letters, digits and _, starting with a letter, as in {hint}."
        )
    return text


def some_points(text: str) -> int:
    scores = {str(score): score for score in POINTS} | {word: score for score, word in POINTS.items()}
    if text not in scores:
        raise ValueError(f"Found '{text}'; 0, 1 or 2 is needed.")
    return scores[text]


def a_share(text: str) -> str | float:
    try:
        TypeAdapter(Share).validate_python(text)
    except ValidationError:
        raise ValueError(f"Found '{text}'; a share as 3%, or a number, is needed.") from None
    return text if "%" in text else float(text)


def a_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"Found '{text}'; a day as YYYY-MM-DD is needed.") from None


def optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text else None
