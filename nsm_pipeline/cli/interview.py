"""The questions of a North Star workshop in the terminal, in the order of the workshop.

What belongs here: what is asked, and keeping a draft when somebody stops. What does not: asking (`dialogue`), one
metric's counting (`counting`), what follows from the answers (`workshop`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nsm_pipeline.cli.counting import Desk, Words, counted
from nsm_pipeline.cli.dialogue import Dialogue
from nsm_pipeline.cli.landed_table import event_table
from nsm_pipeline.cli.typed_answers import a_day, a_name, a_share, a_text, optional, some_points
from nsm_pipeline.errors import UserError
from nsm_pipeline.lake import write_text
from nsm_pipeline.playbook.words import ATTRIBUTES
from nsm_pipeline.workshop.answers import Answers, Candidate
from nsm_pipeline.workshop.blank import DIMENSIONS, GAMES
from nsm_pipeline.workshop.checklist import CRITERIA, MOST, POINTS, points, ranked, total
from nsm_pipeline.workshop.names import canonical
from nsm_pipeline.workshop.proposing import Proposals
from nsm_pipeline.workshop.spelling import spelled_event
from nsm_pipeline.workshop.yaml_text import Noted, yaml_text

UNFINISHED = (
    "Answers of a North Star workshop that was not finished. Fill in what is missing (docs/workshop.md), then",
    "  nsm init --answers THIS_FILE",
)


class Stopped(UserError):
    """The questions ended before the answers did; what was said is kept."""


class Interview:
    """One run of the questions; `answers` grows as in an answers file."""

    def __init__(
        self,
        dialogue: Dialogue,
        attributes: Mapping[str, str],
        proposed: Proposals | None,
        free: Callable[[str], str | None],
    ) -> None:
        self.dialogue, self.proposed, self.free = dialogue, proposed, free
        self.desk = Desk({**ATTRIBUTES, **attributes})
        self.answers: dict[str, Any] = {}

    def ask(self) -> Answers:
        self._frame()
        self._landed()
        self._candidates()
        self._inputs()
        self._counter_metrics()
        self._rest()
        return Answers.model_validate(self._whole())

    def _whole(self) -> dict[str, Any]:
        events = {"events": self.desk.events} if self.desk.events else {}
        order = ("use_case", "title", "owner", "review_by", "game", "vision", "value_moment")
        head = {key: self.answers[key] for key in order if key in self.answers}
        return {**head, **events, **{key: value for key, value in self.answers.items() if key not in head}}

    def draft(self) -> str:
        """What has been said so far, as an answers file."""
        return yaml_text({key: Noted(value, below=True) for key, value in self._whole().items()}, UNFINISHED)

    def _frame(self) -> None:
        ask, answers = self.dialogue, self.answers
        ask.say("[dim]< goes back to the previous question; Ctrl-C stops and keeps what was said.[/]\n")
        answers["use_case"] = ask.ask("The use case in one lower-case word, as in: ci", self._use_case)
        title = answers["use_case"].replace("_", " ").capitalize()
        answers["title"] = ask.ask("And as people call it", a_text, title)
        answers["owner"] = {"name": ask.text("Who answers for the definition", needed=True)}
        if contact := ask.text("How to reach them (nothing: not said)"):
            answers["owner"]["contact"] = contact
        ask.say("\nWhich game is it?")
        answers["game"] = ask.choice("Game", GAMES)
        answers["vision"] = ask.text("What is true for customers when we have succeeded (the vision)")
        answers["value_moment"] = ask.text("In which moment does a customer get the value")

    def _use_case(self, text: str) -> str:
        name = a_name(text)
        if taken := self.free(name):
            raise ValueError(taken)
        return name

    def _landed(self) -> None:
        if self.proposed is None or not self.proposed.events:
            return
        ask, events = self.dialogue, self.proposed.events
        ask.say("\nThis has landed:")
        ask.say(event_table(events, numbered=True))
        self.desk.offered = {one.name: copy.deepcopy(spelled_event(one.name, one.event)) for one in events}
        names = [one.name for one in events]
        for name in ask.choices("Which of them belong to the use case, as in 1, 3-5 or all", names):
            self.desk.events[name] = self.desk.offered[name]
            for key, declared in self.desk.events[name].get("properties", {}).items():
                if declared.get("missing") == [-1] and not ask.yes(
                    f"  {name}: -1 in '{key}' seems to mean \"not measured\". Does it"
                ):
                    del declared["missing"]

    def _candidates(self) -> None:
        ask = self.dialogue
        candidates: list[Words] = []
        self.answers["candidates"] = candidates
        ask.say("\n[bold]What could the North Star be?[/] Name several; each is scored on seven criteria.")
        while True:
            more = "Another candidate (nothing: no more)" if candidates else "A candidate, in words"
            title = ask.text(more, needed=not candidates)
            if not title:
                break
            row: Words = {"name": self._metric_name(title), "title": title}
            candidates.append(row)
            row["counted"] = counted(ask, self.desk, escape(title))
            self.desk.metrics[row["name"]] = row["counted"]
            row["scores"] = {name: self._score(question) for name, question in CRITERIA.items()}
        self._choose(candidates)

    def _score(self, question: str) -> Words:
        answer = self.dialogue.text(question)
        words = ", ".join(f"{score} {word}" for score, word in POINTS.items())
        return {"answer": answer, "score": self.dialogue.ask(f"  Points: {words}", some_points)}

    def _choose(self, rows: list[Words]) -> None:
        ask = self.dialogue
        order = ranked([Candidate.model_validate(row) for row in rows])
        ask.say(_score_table(order))
        names = [one.name for one in order]
        chosen = ask.choice("Which is the North Star", {one.name: one.title for one in order}, names[0])
        self.answers["north_star"] = chosen
        if chosen != names[0] and (why := ask.text(f"Why {chosen}, though {names[0]} has more points")):
            self.answers["why"] = why
        for row in rows:
            if row["name"] != chosen and (
                remark := ask.text(f"What speaks against '{row['title']}' (nothing: not said)")
            ):
                row["remark"] = remark
        self.answers["growth_per_week"] = ask.ask("By how much should it grow in a week", a_share, "7%")

    def _inputs(self) -> None:
        ask = self.dialogue
        inputs: list[Words] = []
        without: dict[str, str] = {}
        self.answers["inputs"], self.answers["without"] = inputs, without
        ask.say("\n[bold]What moves the North Star?[/] An input metric in each dimension, and who works on it.")
        for dimension, question in DIMENSIONS.items():
            ask.say(f"\n[bold]{dimension}[/]: {question}")
            before = len(inputs)
            while True:
                more = "Another input" if len(inputs) > before else "An input, in words"
                title = ask.text(f"{more} (nothing: none)")
                if not title:
                    break
                row: Words = {"name": self._metric_name(title), "title": title}
                row["counted"] = counted(ask, self.desk, escape(title))
                row |= {"dimension": dimension, "owner": ask.text("Who works on it", needed=True)}
                self.desk.metrics[row["name"]] = row["counted"]
                inputs.append(row)
            if len(inputs) == before:
                without[dimension] = ask.text(f"Why is there none for {dimension}", needed=True)

    def _counter_metrics(self) -> None:
        ask = self.dialogue
        rows: list[Words] = []
        self.answers["counter_metrics"] = rows
        ask.say("\n[bold]How could the North Star be gamed, or do harm?[/] Each danger gets a counter-metric.")
        while risk := ask.text("Another danger (nothing: no more)" if rows else "A danger, in words (nothing: none)"):
            title = ask.text("What would show it (the metric, in words)", needed=True)
            row: Words = {"name": self._metric_name(title), "title": title}
            row |= {"counted": counted(ask, self.desk, escape(title)), "risk": risk}
            row["better"] = ask.choice("Which way is better", {"lower": "", "higher": ""}, "lower")
            for key, question in (("warn", "From where on does it worry us"), ("breach", "Where is it too much")):
                value = ask.ask(f"{question}, as in 3% or 40 (nothing: not said)", optional(a_share))
                if value is not None:
                    row[key] = value
            self.desk.metrics[row["name"]] = row["counted"]
            rows.append(row)

    def _rest(self) -> None:
        ask = self.dialogue
        outcomes: list[Words] = []
        self.answers["outcomes"] = outcomes
        ask.say("\n[bold]What should follow from it later?[/] Renewals, revenue, … if it is sent.")
        while title := ask.text("Another outcome (nothing: no more)" if outcomes else "An outcome (nothing: none)"):
            row: Words = {"name": self._metric_name(title), "title": title}
            row["counted"] = counted(ask, self.desk, escape(title))
            self.desk.metrics[row["name"]] = row["counted"]
            outcomes.append(row)
        attributes = list(self.desk.attributes)
        ask.say("\nBy which account attributes is it looked at?")
        for number, name in enumerate(attributes, start=1):
            ask.say(f"  [dim]{number:>2}[/] {name}")
        self.answers["slices"] = ask.choices("Slices, as in 1, 2 (nothing: none)", attributes)
        question = "Until when is the definition looked at again, YYYY-MM-DD (nothing: not said)"
        if day := ask.ask(question, optional(a_day)):
            self.answers["review_by"] = day
        agreed = ask.yes("Does the group stand by it (else it is computed, never certified)", default=False)
        self.answers["status"] = "agreed" if agreed else "proposed"

    def _metric_name(self, title: str) -> str:
        """A metric's name, by default made of its title, that nothing else has."""

        def read(text: str) -> str:
            name = a_name(text)
            if name in self.desk.metrics:
                raise ValueError(f"Found '{name}', which is another metric's name already.")
            return name

        return self.dialogue.ask("  Its name", read, canonical(title, "metric"))


def interview(
    attributes: Mapping[str, str], proposed: Proposals | None, free: Callable[[str], str | None], folder: Path
) -> Answers:
    """Ask everything. `free` says why a use case's name cannot be taken; `folder`: where a draft is kept.

    Raises Stopped where the input ends early and KeyboardInterrupt on Ctrl-C, both after keeping a draft.
    """
    dialogue = Dialogue(Console(soft_wrap=True))
    runs: list[Interview] = []

    def questions() -> Answers:
        runs.append(Interview(dialogue, attributes, proposed, free))
        return runs[-1].ask()

    try:
        return dialogue.run(questions)
    except (EOFError, KeyboardInterrupt) as stop:
        kept = _keep(runs[-1], folder)
        if isinstance(stop, EOFError):
            raise Stopped(f"The answers ended before the questions did. {kept}") from None
        dialogue.console.print(f"\n{kept}", highlight=False, markup=False)
        raise


def keep_draft(text: str, folder: Path, name: str) -> Path:
    """Write a draft beside those that are there already."""
    number = 1
    while (file := folder / f"{name}{f'-{number}' if number > 1 else ''}.answers.yaml").exists():
        number += 1
    write_text(file, text, journal=False)
    return file


def _keep(run: Interview, folder: Path) -> str:
    if "use_case" not in run.answers:
        return "Nothing was said yet, and nothing is kept."
    file = keep_draft(run.draft(), folder, run.answers["use_case"])
    return f"What was said is kept in {file}; fill in the rest there, then `nsm init --answers {file}`."


def _score_table(order: Sequence[Candidate]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("candidate", overflow="fold")
    for name in CRITERIA:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column(f"of {MOST}", justify="right")
    for place, one in enumerate(order):
        best = " [green]proposed[/]" if place == 0 else ""
        scores = ["–" if given is None else str(given) for given in points(one).values()]
        table.add_row(escape(one.title or one.name) + best, *scores, f"[bold]{total(one)}[/]")
    return table
