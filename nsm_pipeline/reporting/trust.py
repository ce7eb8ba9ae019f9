"""May I rely on it: what the rows of `certificates` say of a week, in words.

What belongs here: states, gates and restatements as words and colours. What does not: any word that no row stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nsm_pipeline.reporting.wording import counted, day, listed

Row = Mapping[str, Any]
COLOURS = {"certified": "green", "flash": "no_colour", "superseded": "yellow", "held": "yellow", "missing": "yellow"}
WORDS = {
    "certified": "Certified",
    "flash": "Flash",
    "superseded": "Superseded",
    "withheld": "Withheld",
    "held": "Held",
    "missing": "Missing",
}


@dataclass(frozen=True)
class Trust:
    """What one certificate row says. `kind`: a key of WORDS; `why`: what it gives as the reason, else empty; `row`: the
    row itself."""

    kind: str
    why: str
    row: Row

    @property
    def colour(self) -> str:
        return COLOURS.get(self.kind, "red")

    @property
    def word(self) -> str:
        return WORDS[self.kind]

    @property
    def week(self) -> date:
        week: date = self.row["week"]
        return week

    @property
    def gates(self) -> str:
        """How many gates were judged and passed; a warning has not passed, though it withholds nothing."""
        judged, failed = self.row["gates"], self.row["failed_gates"]
        if not judged:
            return "no gate judged"
        if failed or not self.row["warnings"]:
            return f"{judged - failed} of {counted(judged, 'gate')} passed"
        return f"{counted(judged, 'gate')} judged, none withholds the week; warning: {self.row['warnings']}"

    @property
    def sentence(self) -> str:
        """Word and reason in one."""
        stage = {"settling": ", late rows may still change it", "final": ", final"}.get(self.row["stage"], "")
        if self.kind == "certified":
            return f"{self.word}{stage}"
        if self.kind == "superseded":
            return f"Superseded: shown is the last certified value, newer ones are {self.row['state']}" + (
                f" ({self.why})" if self.why else ""
            )
        if self.kind == "flash":
            return "Flash: still in progress, no certificate"
        return f"{self.word}: {self.why}" if self.why else self.word


def trust_of(row: Row) -> Trust:
    """The words for a row of `certificates`."""
    why = "; ".join(part for part in (row["failed"], row["held"]) if part)
    return Trust("superseded" if row["superseded_pending"] else row["state"], why, row)


@dataclass(frozen=True)
class Seal:
    """All use cases' newest complete week in one: what stands at the top of the page."""

    kind: str
    title: str
    lines: tuple[str, ...]

    @property
    def colour(self) -> str:
        return COLOURS.get(self.kind, "red")


def seal_of(newest: Sequence[tuple[str, Trust]], restated: str) -> Seal:
    """From the trust of every use case's newest complete week, with its title; `restated`: of the last restatement."""
    if not newest:
        return Seal("missing", "Nothing is published yet", ("No complete week has been judged.",))
    good = [title for title, trust in newest if trust.kind == "certified"]
    others = [(title, trust) for title, trust in newest if trust.kind != "certified"]
    judged = sum(trust.row["gates"] for _, trust in newest)
    failed = sum(trust.row["failed_gates"] for _, trust in newest)
    warned = [title for title, trust in newest if trust.row["warnings"]]
    gates = f"{judged - failed:,} of {counted(judged, 'gate')} passed" if not warned else (
        f"{counted(judged, 'gate')} judged, {failed:,} failed; warnings in {listed(warned)}"
    )  # fmt: skip
    settling = [title for title, trust in newest if trust.kind == "certified" and trust.row["stage"] == "settling"]
    stage = () if not good else ("Late rows may still change the week",) if settling else ("The week is final",)
    if not others:
        return Seal("certified", "Certified numbers", (gates, *stage, restated))
    worst = next((trust.kind for _, trust in others if trust.kind == "withheld"), others[0][1].kind)
    title = f"{len(good)} of {counted(len(newest), 'use case')} certified" if good else f"{WORDS[worst]}: not certified"
    told = tuple(f"{name}: {trust.sentence}" for name, trust in others[:2])
    more = (f"and {len(others) - 2} more, below",) if len(others) > 2 else ()
    return Seal(worst, title, (*told, *more, gates, restated))


def last_restatement(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """The last of the rows of `restatements` that changed a final value beyond tolerance, in words."""
    if not rows:
        return "No final value was ever restated"
    row = max(rows, key=lambda row: row["number"])
    title = titles.get(row["use_case"], row["use_case"])
    return f"Last restatement {day(date.fromisoformat(row['at'][:10]))}: {title}, {row['reason'] or row['cause']}"
