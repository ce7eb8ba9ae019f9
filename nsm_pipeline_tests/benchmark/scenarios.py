"""What is compared with what: five scenarios, each with the figures it gives.

What belongs here: the order of work. What does not: how a process is measured (`measuring`), the table (`report`).
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from measuring import (
    HERE,
    MIB,
    NSM,
    Measured,
    deliver,
    fresh,
    last_monday,
    last_week,
    measure,
    run,
    sample,
    saved,
    today,
    withhold,
)

REPEATS = 2
SCRIPT_MEMORY = "1GB"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    events: int
    weeks: int
    accounts: int
    pairs: int

    @property
    def few_weeks(self) -> int:
        """The short history that a long one is compared with."""
        return 13 if self.weeks > 26 else 4


@dataclass(frozen=True)
class Figure:
    """One line of the table; `good` is None where there is no target."""

    what: str
    found: str
    target: str = ""
    good: bool | None = None


Say = Callable[[str], None]


def against_the_script(work: Path, size: Size, say: Say) -> list[Figure]:
    """The whole pipeline and the plain script on equal fresh homes, in turn. Leaves the built home in work/pipeline."""
    source, home, output = work / "source", work / "pipeline", work / "script"
    say(f"writing a sample of {size.events:,} events")
    sample(source, size.events, size.weeks, size.accounts)
    pipeline: list[Measured] = []
    script: list[Measured] = []
    for number in range(size.pairs):
        for it in ("pipeline", "script") if number % 2 == 0 else ("script", "pipeline"):
            say(f"pair {number + 1} of {size.pairs}: the {it}")
            if it == "pipeline":
                pipeline.append(run(fresh(source, home)))
            else:
                shutil.rmtree(output, ignore_errors=True)
                script.append(measure(sys.executable, HERE / "plain.py", source, output, SCRIPT_MEMORY))
    say("comparing their numbers")
    same = measure(sys.executable, HERE / "compare.py", home, output, accept=(0, 1))
    if same.code:
        raise RuntimeError(f"The two are not comparable, their numbers differ:\n{same.out}")
    ours, theirs = (min(found, key=lambda one: one.wall) for found in (pipeline, script))
    ratio, cpu = ours.wall / theirs.wall, ours.cpu / theirs.cpu
    peak, script_peak = (max(one.peak for one in found) for found in (pipeline, script))
    return [
        Figure("Pipeline: wall, CPU", f"{ours.wall:.1f} s, {ours.cpu:.1f} s"),
        Figure("Script: wall, CPU", f"{theirs.wall:.1f} s, {theirs.cpu:.1f} s"),
        Figure("Pipeline ÷ script: wall", f"{ratio:.2f}", "≤ 2", ratio <= 2),
        Figure("Pipeline ÷ script: CPU", f"{cpu:.2f}"),
        Figure("Pipeline: peak memory", f"{peak / MIB:,.0f} MiB", "≤ 1.5 GB", peak <= 1.5e9),
        Figure("Script: peak memory", f"{script_peak / MIB:,.0f} MiB"),
        Figure("Numbers that differ between the two", "none", "none", True),
    ]


def one_more_week(work: Path, size: Size, say: Say) -> list[Figure]:
    """The week that comes after few weeks and after many: equal events in it, how many weeks lie before it?"""
    many, few = size.weeks, size.few_weeks
    long, short = work / "long", work / "short"
    per_week = size.events / size.weeks
    say(f"writing samples of {many} and {few} weeks and one more")
    sample(long, round(per_week * (many + 1)), many + 1, size.accounts)
    wanted = _rows_of_last_week(long)
    sample(short, round(per_week * (few + 1)), few + 1, size.accounts)
    # The sample's company grows, so a short history's last week is another share of it: write it again, to measure.
    events = round(per_week * (few + 1) * wanted / max(1, _rows_of_last_week(short)))
    shutil.rmtree(short)
    sample(short, events, few + 1, size.accounts)
    rows = {home: _rows_of_last_week(home) for home in (long, short)}
    seconds = {long: _seconds_of_last_week(long, work, many, say), short: _seconds_of_last_week(short, work, few, say)}
    ratio = seconds[long] / seconds[short]
    return [
        Figure(f"One more week after {few} weeks ({rows[short]:,} rows)", f"{seconds[short]:.1f} s"),
        Figure(f"One more week after {many} weeks ({rows[long]:,} rows)", f"{seconds[long]:.1f} s"),
        Figure(f"One more week: after {many} ÷ after {few}", f"{ratio:.2f}", "≤ 1.2", ratio <= 1.2),
    ]


def _rows_of_last_week(home: Path) -> int:
    """Lines in the last week's deliveries, which are JSON lines, one file a day."""
    rows = 0
    for file in (file for folder in last_week(home) for file in folder.glob("*.jsonl.gz")):
        with gzip.open(file, "rb") as lines:
            rows += sum(1 for _ in lines)
    return rows


def _seconds_of_last_week(home: Path, work: Path, weeks: int, say: Say) -> float:
    """Build everything up to the Sunday before, then time the run that finds the last week; the best of two."""
    aside, again, day = work / "aside", work / "again", today(home)
    sunday = last_monday(home) - timedelta(days=1)
    withhold(home, aside)
    say(f"building {weeks} weeks")
    run(home, sunday)
    times = []
    for number in range(REPEATS):
        say(f"one week after {weeks}: {number + 1} of {REPEATS}")
        saved(home, again)
        run(again, sunday)  # a copy's files are new to the ledger by their times: it has to know them as they are
        deliver(aside, again)
        times.append(run(again, day).wall)
        if not (again / "lake" / "north_star" / "ci" / f"{last_monday(again)}.parquet").is_file():
            raise RuntimeError("The week that was to be timed has not been built.")
        shutil.rmtree(again)
    shutil.rmtree(aside)
    shutil.rmtree(home)
    return min(times)


def orchestration(work: Path, size: Size, say: Say) -> list[Figure]:
    """One run over all weeks of the built home, with nothing left to ingest or to compute."""
    say(f"orchestration of {size.weeks} weeks")
    home = work / "pipeline"
    found = min(float(measure(sys.executable, HERE / "up_to_date.py", home).out.split()[-1]) for _ in range(REPEATS))
    return [Figure(f"Orchestration of {size.weeks} weeks, three use cases", f"{found:.1f} s", "< 20 s", found < 20)]


def many_metrics(work: Path, size: Size, say: Say) -> list[Figure]:
    """All events in one use case with 4 metrics, with 40, and the 40 in SQL by hand: one query per grain."""
    home, results = saved(work / "pipeline", work / "many"), work / "many-results"
    command = (sys.executable, HERE / "many_metrics.py", home)
    say("one use case over all events: building its usage events")
    measure(*command, "few")
    few, many, plain = [], [], []
    for number in range(REPEATS):
        say(f"4 metrics, 40 metrics, SQL by hand: {number + 1} of {REPEATS}")
        few.append(_step(*command, "few"))
        many.append(_step(*command, "many", results))
        plain.append(_step(sys.executable, HERE / "plain_many.py", home, results))
    same = measure(sys.executable, HERE / "compare_many.py", results, accept=(0, 1))
    if same.code:
        raise RuntimeError(f"The two are not comparable, their numbers differ:\n{same.out}")
    shutil.rmtree(home)
    shutil.rmtree(results)
    (four, _), (forty, _), (by_hand, _) = min(few), min(many), min(plain)
    rows = f"{size.events:,} events"
    return [
        Figure(f"One use case over {rows}: 4 metrics, 40 metrics", f"{four:.1f} s, {forty:.1f} s"),
        Figure("40 metrics in SQL by hand, a query per grain", f"{by_hand:.1f} s"),
        Figure("40 metrics ÷ 4 metrics", f"{forty / four:.2f}", "≤ 3", forty <= 3 * four),
        Figure("40 metrics ÷ SQL by hand", f"{forty / by_hand:.2f}", "≤ 1.5", forty <= 1.5 * by_hand),
        Figure("Numbers that differ between the two", same.out.splitlines()[-1].split(", ")[1], "0 differ", True),
    ]


def _step(*command: object) -> tuple[float, float]:
    """Seconds that a command says its work took, and its CPU seconds."""
    found = measure(*command)
    return float(found.out.split()[-1]), found.cpu


def default_sample(work: Path, say: Say) -> list[Figure]:
    """What `make run` does on a fresh home."""
    say("the default sample")
    home = work / "default"
    written = measure(NSM, "sample", "--home", home)
    built = run(home)
    shutil.rmtree(home)
    wall, peak = written.wall + built.wall, max(written.peak, built.peak)
    return [
        Figure("Default sample (1 million events, 60 weeks): `nsm sample`", f"{written.wall:.1f} s"),
        Figure("Default sample: `nsm run`", f"{built.wall:.1f} s"),
        Figure("Default sample: both", f"{wall:.1f} s", "< 60 s", wall < 60),
        Figure("Default sample: peak memory", f"{peak / MIB:,.0f} MiB", "< 1 GB", peak < 1e9),
    ]
