"""Questions in a terminal: one at a time, asked again with a hint, and taken back with `<`.

What belongs here: asking. What does not: what is asked (`interview`, `counting`).

What was typed is kept on a tape. `<` takes the last answer off it and runs the questions anew over what is left, so
that no question has to know how to undo what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.markup import escape

from nsm_pipeline.errors import nearest

T = TypeVar("T")
BACK = ("<", "back")


class _Back(Exception):
    """The person wants the previous question again."""


class Dialogue:
    """A conversation; `run` holds it, the other methods ask. Text that is not asked for stays silent on a replay."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._tape: list[str] = []
        self._at = 0

    def run(self, questions: Callable[[], T]) -> T:
        """The outcome of questions that ask by this dialogue; they start anew after every step back."""
        while True:
            self._at = 0
            try:
                return questions()
            except _Back:
                self._tape.pop()

    def say(self, what: RenderableType = "") -> None:
        if self._at >= len(self._tape):
            self.console.print(what, highlight=False)

    def ask(self, question: str, read: Callable[[str], T], default: str | None = None) -> T:
        """What `read` makes of an answer; a ValueError that it raises is the hint with which it is asked again."""
        if self._at < len(self._tape):
            self._at += 1
            return read(self._tape[self._at - 1])
        shown = f" [dim]({escape(default)})[/]" if default else ""
        while True:
            typed = self.console.input(f"[bold]{escape(question)}[/]{shown}: ").strip()
            if typed in BACK:
                if self._tape:
                    raise _Back
                self.console.print("  This is the first question.")
                continue
            text = default if not typed and default is not None else typed
            try:
                value = read(text)
            except ValueError as error:
                self.console.print(f"  {escape(str(error))}", highlight=False)
                continue
            self._tape.append(text)
            self._at += 1
            return value

    def text(self, question: str, needed: bool = False) -> str:
        def read(text: str) -> str:
            if needed and not text:
                raise ValueError("An answer is needed here.")
            return text

        return self.ask(question, read)

    def yes(self, question: str, default: bool = True) -> bool:
        def read(text: str) -> bool:
            word = text.lower()
            if word not in ("y", "yes", "n", "no"):
                raise ValueError(f"Found '{text}'; y or n is needed.")
            return word.startswith("y")

        return self.ask(f"{question} y/n", read, "y" if default else "n")

    def choice(self, question: str, options: Mapping[str, str], default: str | None = None) -> str:
        """One of some options, by number or name, each explained in a line."""
        for number, (name, meaning) in enumerate(options.items(), start=1):
            self.say(f"  [dim]{number:>2}[/] {escape(name)}[dim]{escape(f' – {meaning}' if meaning else '')}[/]")
        return self.ask(question, lambda text: _one_of(text, list(options)), default)

    def choices(self, question: str, names: Sequence[str], default: str | None = None) -> list[str]:
        """Some of a numbered list: `1, 3-5`, names, or `all`; nothing typed is none."""
        return self.ask(question, lambda text: _some_of(text, names), default)


def _one_of(text: str, names: Sequence[str]) -> str:
    if text in names:
        return text
    if text.isascii() and text.isdigit() and 1 <= int(text) <= len(names):
        return names[int(text) - 1]
    hint = "A number or a name of the list is needed." if not text else f"Found '{text}'; {nearest(text, names)}"
    raise ValueError(hint)


def _some_of(text: str, names: Sequence[str]) -> list[str]:
    if text == "all":
        return list(names)
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if part not in names and dash and first.strip().isdecimal() and last.strip().isdecimal():
            span = range(int(first), int(last) + 1)
            if len(span) == 0 or len(span) > len(names):
                raise ValueError(f"Found '{part}'; the list goes from 1 to {len(names)}.")
            found += [_one_of(str(number), names) for number in span]
        else:
            found.append(_one_of(part, names))
    return list(dict.fromkeys(found))
