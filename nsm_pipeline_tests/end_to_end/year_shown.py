"""Everything that a home shows, held to what the slow reference says.

What belongs here: comparing. What does not: what happens to the home (`year_home`), what must be shown
(`year_published`).
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from homes import extract, here, lake_files, published
from landing_zone import Zone
from year_growth import NUMBERS
from year_landing import monday
from year_ledger import TABLES, Made, Publication
from year_published import Reference
from year_rules import Number

from nsm_pipeline.events.landing import load_ledger
from nsm_pipeline.sealed import read_sealed
from nsm_pipeline.steps.release import load_published, published_file

ROWS = "metric, week, slice, slice_value, value, numerator, denominator, entities, state, stage, certificate_id"
AS_PUBLISHED = " UNION ALL ".join(f"SELECT '{table}' AS t, use_case, {ROWS} FROM {table}" for table in TABLES[:-1])
DATA = ("north_star", "inputs", "counter_metrics", "growth", "metric_dictionary")


@dataclass
class Beside:
    """A home and the reference. `ids`: certificates by what they were made from; `values_on`, `files_on`: what was
    shown at the end of each day; `versions`: of the ledger's rows; `publications`: all that were looked at."""

    zone: Zone
    reference: Reference
    ids: dict[Made, str] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    values_on: dict[date, dict[Any, Any]] = field(default_factory=dict)
    files_on: dict[date, dict[str, str]] = field(default_factory=dict)
    publications: list[tuple[str, Publication]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.zone.root

    def check(self) -> None:
        shown = self.reference.shown
        assert shown is not None
        version = (self.home / "extracts" / "current").readlink().name
        self.publications.append((version, shown))
        self.check_states(shown)
        self.check_values(shown)
        self.check_growth(shown)
        self.check_certificates()
        self.check_ledger(version)
        self.files_on[self.reference.today] = published(self.home)
        days = sorted(self.values_on)
        self.check_as_published(days[len(days) // 2 if len(self.publications) % 2 else 0])

    def check_states(self, shown: Publication) -> None:
        rows = {(row["use_case"], row["week"]): row for row in extract(self.home, "certificates")}
        assert rows.keys() == shown.states.keys()
        for key, state in shown.states.items():
            row = rows[key]
            found = (row["state"], row["stage"], row["certificate_id"] is not None, row["superseded_pending"])
            assert found == (state.state, state.stage, state.made is not None, state.is_pending), (key, row)
            assert agrees(": ".join(filter(None, (row["state"], row["failed"], row["held"]))), state.why) or (
                not state.why and not row["failed"] and row["held"] is None
            ), (key, row, state)
            assert row["owner"] == f"{key[0].capitalize()} group"
            signed = self.reference.signed.get(state.made, []) if state.made else []
            assert row["approved_by"] == (", ".join(dict.fromkeys(word.by for word in signed)) or None)
            assert row["approval_note"] == ("; ".join(word.text for word in signed) or None)
            if state.made:
                self.learn(state.made, row["certificate_id"])

    def learn(self, made: Made, certificate_id: str) -> None:
        """A certificate's id is the same for as long as what it was made from is, and never again another's."""
        assert self.ids.setdefault(made, certificate_id) == certificate_id, made
        assert len(set(self.ids.values())) == len(self.ids), made

    def check_values(self, shown: Publication) -> None:
        found = {}
        for table in TABLES[:-1]:
            for row in extract(self.home, table):
                key = (table, *(row[name] for name in ("use_case", "metric", "week", "slice", "slice_value")))
                number = Number(row["value"], row["numerator"], row["denominator"], row["entities"])
                found[key] = (number, row["state"], row["stage"], row["certificate_id"])
        wanted = {
            key: (number, told.state, told.stage, self.ids[told.made] if told.made else None)
            for key, number in shown.numbers.items()
            for told in [shown.values[key]]
        }
        same(found, wanted)
        self.values_on[self.reference.today] = wanted

    def check_as_published(self, day: date) -> None:
        """What was shown on a day, whatever has happened to it since."""
        said = here("query", "--home", self.home, "--format", "json", "--as-published", day, AS_PUBLISHED)
        assert said.code == 0, said
        rows = [tuple(row.values()) for row in said.json]
        found = {(*row[:3], date.fromisoformat(row[3]), *row[4:6]): (Number(*row[6:10]), *row[10:]) for row in rows}
        same(found, self.values_on[day])

    def check_every_extract(self, folder: Path) -> None:
        """Byte for byte what was shown at the end of every Monday."""
        for day, files in self.files_on.items():
            assert here("extract", "--home", self.home, "--as-published", day, "--out", folder / str(day)).code == 0
            assert digests(folder / str(day)) == files, day

    def check_life(self, use_case: str, metric: str, number: int) -> None:
        """Every version in which a number was another than before, or worth something else."""
        told = ("--use-case", use_case, "--metric", metric, "--week", monday(number))
        said = here("history", "--home", self.home, "--json", *told)
        assert said.code == 0, said
        found = [tuple(one[name] for name in ("version", "value", "state", "stage", "certificate"))
                 for one in said.json["life"]]  # fmt: skip
        wanted = []
        for version, shown in self.publications:
            rows = [
                one for key, one in shown.values.items() if key[1:] == (use_case, metric, monday(number), "all", "all")
            ]
            wanted += [
                (version, one.value, one.state, one.stage, self.ids[one.made] if one.made else None) for one in rows
            ] or [(version, None, None, None, None)] * bool(wanted)
        assert found == [next(group) for _, group in groupby(wanted, key=lambda one: one[1:])]

    def check_growth(self, shown: Publication) -> None:
        found = {
            ("growth", row["use_case"], column, row["week"], "all", "all"): (
                row[column], row["state"], row["stage"], row["certificate_id"]
            )
            for row in extract(self.home, "growth")
            for column in NUMBERS
        }  # fmt: skip
        wanted = {
            key: (one.value, one.state, one.stage, self.ids[one.made] if one.made else None)
            for key, one in shown.values.items()
            if key[0] == "growth"
        }
        same(found, wanted)

    def check_certificates(self) -> None:
        """Every certificate that was ever shown is kept, with the approvals that it got; those that are shown now stand
        for the values that are shown."""
        for made, certificate_id in self.ids.items():
            kept = read_sealed(published_file(self.zone.home, certificate_id))
            signed = [(one["by"], one["note"]) for one in kept["approved"]]
            assert signed == [(word.by, word.text) for word in self.reference.signed.get(made, [])], made
            assert (kept["id"], kept["owner"]["name"]) == (certificate_id, f"{made.use_case.capitalize()} group")
        for (name, week), (made, cells) in self.reference.released.items():
            certificate = load_published(self.zone.home, self.ids[made])
            assert certificate is not None, made
            assert (certificate.use_case, certificate.week, certificate.id) == (name, week, self.ids[made])
            found = {
                (row["role"], row["metric"], row["slice"], row["slice_value"]): Number(
                    row["value"], row["numerator"], row["denominator"], row["entities"]
                )
                for row in certificate.values
            }
            same(found, cells)

    def check_ledger(self, version: str) -> None:
        """Its rows are those of the reference; those of before are as they were."""
        rows = extract(self.home, "restatements")
        wanted = self.reference.ledger.rows
        for row, told in zip(rows, wanted, strict=False):
            known = {**told, "cause": row["cause"], "version": row["version"], "at": f"{told['at']}T23:59:59.999999Z"}
            for side in ("old", "new"):
                made = known.pop(f"{side}_made")
                known[f"{side}_certificate"] = self.ids[made] if made else None
            assert row == known, (row, told)
            assert agrees(row["cause"], told["cause"]), (row, told)
        assert len(rows) == len(wanted), (rows[len(wanted) :][:3], wanted[len(rows) :][:3])
        new = rows[len(self.versions) :]
        last = max(self.versions, default="")
        assert all(last < row["version"] <= version.split("-")[0] for row in new)
        assert [row["version"] for row in rows[: len(self.versions)]] == self.versions
        self.versions = [row["version"] for row in rows]

    def check_against_a_fresh_build(self, fresh: Path) -> None:
        """Every file of a home that is built at once from all that has landed is one of this home's, byte for byte.
        This one has rows that were replaced besides, and definitions that hold no longer."""
        for folder in ("landing", "playbook"):
            shutil.copytree(self.home / folder, fresh / folder)
        assert here("--as-of", self.reference.today, "run", "--home", fresh).code == 0
        found, wanted = data_files(self.home), data_files(fresh)
        ledger = load_ledger(self.zone.home)
        replaced = {key for _, key in ledger.replaced} - ledger.active("events").keys()
        assert len(replaced) == 2
        left_over = {name for name in found if name.startswith("landed_events/") and Path(name).stem in replaced}
        assert found.keys() - wanted.keys() == left_over
        assert not [name for name in wanted if found.get(name) != wanted[name]]
        signatures = ("approved_by", "approval_note")
        rows = [{**row, **dict.fromkeys(signatures)} for row in extract(self.home, "certificates")]
        assert rows == extract(fresh, "certificates")


def data_files(home: Path) -> dict[str, str]:
    """Digest of every data file of the lake and of the extract: what is made of landed rows and definitions alone."""
    kept = {name: value for name, value in lake_files(home).items() if not name.startswith("definitions/")}
    shown = {f"extracts/{name}": value for name, value in published(home).items() if name.split(".")[0] in DATA}
    return {**kept, **shown}


def agrees(found: str, told: str) -> bool:
    """Whether a text is the one told, in which … stands for anything."""
    parts = told.split("…")
    place = 0
    for part in parts:
        place = found.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return found.startswith(parts[0]) and (found.endswith(parts[-1]))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def same(found: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    """Two tables are the same; if not, the first few rows that differ, short enough to be read."""
    differ = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    assert not differ, [(key, found.get(key), wanted.get(key)) for key in differ[:3]] + [len(differ)]
