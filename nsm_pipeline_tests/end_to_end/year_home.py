"""A home that lives through a year, and the reference beside it.

What belongs here: telling both the same, and comparing after every step. What does not: what happens in the year
(`test_a_year`), the comparison (`year_shown`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homes import Said, finish, here, start
from landing_zone import Zone
from ui_server import Server, range_of
from year_landing import NAMES, accounts, delivered, monday, sent_by
from year_ledger import Made, Word
from year_published import Reference
from year_rules import WEEK, Rules, Sent, Source
from year_shown import Beside

from nsm_pipeline.events.landing import arrivals
from nsm_pipeline.steps.opening import Open, open_playbook
from nsm_pipeline.steps.publication import is_published

SETTINGS = """company: Year
certification: {{tolerance: 5%, settling_days: 14, approval: {}}}
publication: {{small_groups: 0}}
"""


@dataclass
class Year(Beside):
    """A home to which things happen, and beside it the reference that is told the same."""

    @classmethod
    def begin(cls, root: Path) -> Year:
        rules = {name: Rules(name, (Source(sent),)) for name, sent in NAMES.items()}
        year = cls(Zone(root), Reference(rules))
        year.write_playbook()
        year.zone.put_accounts("2025-06-01", accounts())
        return year

    def write_playbook(self) -> None:
        folder = self.zone.home.playbook
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.yaml").write_text(SETTINGS.format("required" if self.reference.approval else "optional"))
        for name, rules in self.reference.rules.items():
            (folder / f"{name}.yaml").write_text(rules.yaml)

    def put(self, name: str, rows: Sequence[Sent]) -> None:
        """A file lands, or lands again with other content."""
        path = f"{name}.jsonl"
        self.zone.put(path, delivered(rows))
        self.reference.land(path, rows)

    def exports(self, number: int, *but: str) -> None:
        """The Monday of a number, with its exports except those of some senders."""
        self.reference.today = monday(number)
        for sender in NAMES:
            if sender not in but:
                self.put(f"{sender}/{monday(number)}", sent_by(sender, number))

    def nsm(self, command: str, *arguments: object) -> Said:
        return here("--as-of", self.reference.today, command, "--home", self.home, *arguments)

    def run(self, word: Word | None = None) -> None:
        """A run, by the program and in the reference; both must show the same."""
        said = self.nsm("run", *_told(word))
        self.reference.publish(word)
        shown = self.reference.shown
        assert shown is not None
        is_kept_back = any(state.state in ("withheld", "held") for state in shown.states.values())
        assert said.code == (3 if is_kept_back else 0), said
        self.check()

    def approve(self, use_case: str, *numbers: int, by: str, note: str) -> None:
        for number in numbers:
            made = self.reference.made(use_case, monday(number))
            self.reference.signed.setdefault(made, []).append(Word(note, by))
            told = ("--use-case", use_case, "--weeks", monday(number), "--by", by, "--note", note)
            assert self.nsm("approve", *told).code == 0

    def kinds(self, known: int = 0) -> set[tuple[str, int, str]]:
        """Kinds of this Monday's rows of the ledger, without those of the week that has just ended and of growth, which
        follows: use case, number of the week, kind. `known`: rows from the ledger's first on that are left out."""
        today = self.reference.today
        return {
            (row["use_case"], (row["week"] - monday(0)).days // 7, row["kind"])
            for row in self.reference.ledger.rows[known:]
            if row["at"] == today and row["table"] != "growth" and row["week"] < today - WEEK
        }

    def state(self, use_case: str, number: int) -> str:
        assert self.reference.shown is not None
        state = self.reference.shown.states[use_case, monday(number)]
        return f"{state.state}, {state.label}" if state.made or state.state == "flash" else state.state

    def held(self, use_case: str) -> set[int]:
        """Numbers of the weeks of which a new value waits while the old one stays."""
        weeks = range((self.reference.today - monday(0)).days // 7)
        return {number for number in weeks if self.state(use_case, number) == "held, superseded_pending"}

    def certificates(self, use_case: str, number: int) -> dict[Made, str]:
        """All that a week has ever had."""
        return {made: one for made, one in self.ids.items() if (made.use_case, made.week) == (use_case, monday(number))}

    def run_killed(self, word: Word) -> None:
        """A run that is killed as soon as it has built something, and then another one."""
        before = self._newest()
        process = start("--as-of", self.reference.today, "run", "--home", self.home, *_told(word))
        while process.poll() is None and self._newest() == before:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert finish(process).code == -signal.SIGKILL
        self.run(word)

    def _newest(self) -> int:
        return max(file.stat().st_mtime_ns for file in (self.home / "lake" / "usage_events").rglob("*.parquet"))

    def backfill(self, log: Path, weeks: int) -> None:
        """A backfill of the newest weeks from Dagster's UI; its sensor reads what has landed, and publishes."""
        server = Server(self.home, log, "--as-of", self.reference.today)
        try:
            server.wait("dagster dev", 120, server.loaded)
            nodes = server.ask("{ assetNodes { assetKey { path } isPartitioned partitionKeys } }")["assetNodes"]
            weekly = [node for node in nodes if node["isPartitioned"]]
            asked = weekly[0]["partitionKeys"][-weeks:]
            launched = server.launch([node["assetKey"]["path"] for node in weekly], asked)
            (run,) = server.wait("the backfill's run", 120, lambda: server.done(launched))
            assert range_of(run) == (asked[0], asked[-1])
            server.wait("publication", 120, lambda: self._is_published() and server.idle())
        finally:
            server.stop()
        self.reference.publish()
        self.check()

    def _is_published(self) -> bool:
        opened = Open.of(self.zone.home, open_playbook(self.zone.home, self.reference.today))
        landed = not arrivals(opened.home, opened.ledger, opened.playbook)
        return landed and not opened.stale_weeks() and is_published(opened)


def _told(word: Word | None) -> tuple[str, ...]:
    """Options that give a word for what a run changes."""
    return ("--restate", "--reason", word.text, "--by", word.by) if word else ()
