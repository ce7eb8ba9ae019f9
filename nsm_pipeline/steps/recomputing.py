"""A sample of weeks, computed anew from landed rows in a scratch home and compared with what is stored.

What belongs here: which weeks, what is taken out of the scratch home, comparing. What does not: the computation, which
is that of every run (`weekly`, `series`).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.events.inputs import EVIDENCE
from nsm_pipeline.lake import digest
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.overlay import overlay
from nsm_pipeline.steps.proof import REPAIR, Advance, Proof
from nsm_pipeline.steps.series import run_growth
from nsm_pipeline.steps.weekly import run_weeks

SAMPLE = 3
# What a library raises over damaged inputs.
STUMBLES = (duckdb.Error, pa.ArrowException, OSError, ValueError, KeyError)
Wanted = Mapping[str, Sequence[date]]
"""Weeks to compute anew, by use case."""
Key = tuple[str, ...]
"""A table and its key as text: what `Lake.file` takes."""


def sampled(weeks: Sequence[date], count: int, seed: str) -> list[date]:
    """Some of a use case's complete weeks: always the newest, the others spread over the history, one at random from
    each of as many equal spans."""
    if len(weeks) <= count or count < 1:
        return list(weeks) if count >= 1 else []
    chance, older, spans = random.Random(seed), weeks[:-1], count - 1  # noqa: S311 (a sample, not a secret)
    bounds = [len(older) * number // spans for number in range(spans + 1)] if spans else [0]
    return [older[chance.randrange(low, high)] for low, high in pairwise(bounds)] + [weeks[-1]]


def seed_of(opened: Open) -> str:
    """Another one every day, so that in time every week has its turn."""
    return str(opened.calendar.today())


def weeks_wanted(opened: Open, sample: int = SAMPLE, chosen: Collection[date] | None = None) -> dict[str, list[date]]:
    """A sample of each use case's complete weeks, or those that were chosen."""
    complete = opened.complete_weeks
    if chosen is not None:
        return {name: [week for week in opened.weeks if week in chosen] for name in opened.plans}
    return {name: sampled(complete, sample, digest(seed_of(opened), name)) for name in opened.plans}


def recompute(opened: Open, wanted: Wanted, proof: Proof, advance: Advance) -> None:
    """Compute weeks anew and compare each of their tables with the stored one: bytes first, then rows."""
    total, done = sum(len(weeks) for weeks in wanted.values()), 0
    if not total:
        return
    with overlay(opened.home) as scratch:
        again = Open.of(scratch, opened.playbook, opened.engine)
        shutil.rmtree(scratch.lake / ".gathered", ignore_errors=True)
        kept: dict[Key, Path] = {}
        for name, weeks in wanted.items():
            fresh = [week for week in weeks if _is_fresh(again, name, week, proof)]
            tables = again.plans[name].tables
            keys = [key for week in fresh for key in _keys(name, week, tables)]
            kept |= {key: _take_out(again, key) for key in keys if key not in kept}
            try:
                for _ in run_weeks(again, fresh, [name], [(name, table) for table in tables]):
                    done += 1
                    advance("weeks computed anew", done, total)
            except STUMBLES as error:
                _stumbled(name, fresh, error, proof)
                continue
            for week in fresh:
                mine = _keys(name, week, tables)
                equal = [_compare(again, key, kept[key], opened.lake.file(*key), proof) for key in mine]
                proof.weeks["proved" if all(equal) else "refuted"] += 1
            if again.lake.fingerprint("growth", name) == again.growth_fingerprint(name):
                stored = _take_out(again, ("growth", name))
                run_growth(again, name)
                _compare(again, ("growth", name), stored, opened.lake.file("growth", name), proof)


def _is_fresh(again: Open, name: str, week: date, proof: Proof) -> bool:
    if not again.usage.is_stale(EVIDENCE, week) and not again.stale_tables(name, week):
        return True
    proof.weeks["not up to date"] += 1
    proof.notes.append(f"{name} {week} is not up to date and was not computed anew: nsm run builds it.")
    return False


def _stumbled(name: str, weeks: Sequence[date], error: Exception, proof: Proof) -> None:
    proof.weeks["refuted"] += len(weeks)
    span = f"{weeks[0]}..{weeks[-1]}" if len(weeks) > 1 else f"{weeks[0]}"
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    mend = "see to the files that are refuted beside this; where there are none, report it"
    proof.refute(f"{name} {span}, computed anew", f"a computation that fails ({said})", "equal tables", mend)


def _keys(name: str, week: date, tables: Sequence[str]) -> Iterator[Key]:
    """Everything of a use case's week that is computed from landed rows."""
    for table in ("usage_events", "event_quality", *tables):
        yield table, name, str(week)
    for table in ("week_evidence", "unmapped_events"):
        yield table, str(week)


def _take_out(again: Open, key: Key) -> Path:
    """Move a table's file out of the scratch home, which then has to make it; returns where it lies now."""
    target = again.home.root.joinpath("aside", *key).with_suffix(".parquet")
    target.parent.mkdir(parents=True, exist_ok=True)
    return again.lake.file(*key).rename(target)


def _compare(again: Open, key: Key, stored: Path, real: Path, proof: Proof) -> bool:
    """Whether a table computed anew is the stored one; what differs is noted or refuted."""
    made = again.lake.file(*key)
    if made.read_bytes() == stored.read_bytes():
        return True
    what = f"lake/{'/'.join(key)}.parquet"
    try:
        found, wanted = (_rows(file) for file in (stored, made))
        if found.equals(wanted):
            by = f"{_writer(stored)} wrote it, {_writer(made)} computed it anew"
            proof.notes.append(f"{what}: its rows are those computed anew, its bytes are not: {by}.")
            return True
        said = _first_difference(found, wanted)
    except STUMBLES as error:
        said = (f"a file that cannot be read ({str(error).splitlines()[0]})", "the rows computed anew")
    proof.refute(what, *said, _mend(key))
    proof.damaged.add(real)
    return False


def _mend(key: Key) -> str:
    if len(key) < 3:
        return REPAIR if key[0] == "growth" else f"nsm backfill --weeks {key[1]}..{key[1]}"
    return f"nsm backfill --use-case {key[1]} --weeks {key[2]}..{key[2]}"


def _rows(file: Path) -> pa.Table:
    """A file's rows in an order that depends on them alone."""
    table = pq.ParquetFile(file).read(use_threads=False).replace_schema_metadata(None).combine_chunks()
    return table.sort_by([(name, "ascending") for name in table.column_names])


def _writer(file: Path) -> str:
    return str(pq.read_metadata(file).created_by)


def _first_difference(found: pa.Table, wanted: pa.Table) -> tuple[str, str]:
    if found.schema != wanted.schema:
        return f"columns {', '.join(found.column_names)}", ", ".join(wanted.column_names)
    if found.num_rows != wanted.num_rows:
        return f"{found.num_rows:,} rows", f"{wanted.num_rows:,} rows, computed anew"
    for mine, anew in zip(found.to_pylist(), wanted.to_pylist(), strict=True):
        if differing := [name for name in mine if mine[name] != anew[name]]:
            of = " ".join(str(mine[name]) for name in ("metric", "slice_value", "account_id", "week") if name in mine)
            said = [", ".join(f"{name} {row[name]}" for name in differing[:4]) for row in (mine, anew)]
            return f"{of}: {said[0]}", f"{said[1]}, computed anew"
    return "rows in another form", "the rows computed anew"
