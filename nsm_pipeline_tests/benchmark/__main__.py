"""`make bench`: the pipeline against a plain DuckDB script; results go into docs/performance.md.

What belongs here: options and the order of scenarios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # plain.py and its kind run as scripts: all import alike

from report import DOCUMENT, conditions, table, write
from scenarios import Size, against_the_script, default_sample, many_metrics, one_more_week, orchestration


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nsm_pipeline_tests.benchmark", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--weeks", type=int, default=156)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=1, help="runs of pipeline and script, in turn")
    parser.add_argument("--work", type=Path, help="an empty or new folder for homes, kept; else a temporary one")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the file that gets the table")
    chosen = parser.parse_args()
    size = Size(chosen.events, chosen.weeks, chosen.accounts, chosen.pairs)
    if size.weeks <= size.few_weeks or size.pairs < 1:
        parser.error(f"--weeks above {size.few_weeks} and --pairs of 1 or more are needed")
    if chosen.work is None:
        with tempfile.TemporaryDirectory(prefix="nsm-benchmark-") as work:
            measured(Path(work), size, chosen.document)
        return
    if chosen.work.exists() and any(chosen.work.iterdir()):
        parser.error(f"--work: {chosen.work} is not empty")
    measured(chosen.work.resolve(), size, chosen.document)


def measured(work: Path, size: Size, document: Path) -> None:
    """All scenarios; then the table on standard output and in the document."""
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - started:7.0f} s  {text} …", file=sys.stderr, flush=True)

    figures = against_the_script(work, size, say)
    figures += orchestration(work, size, say)
    figures += many_metrics(work, size, say)
    figures += one_more_week(work, size, say)
    figures += default_sample(work, say)
    print(f"{conditions(size)}\n\n{table(figures)}")
    write(figures, size, document)


if __name__ == "__main__":
    main()
