"""`nsm verify`: an untouched home holds, any damage is found and named, and nothing is changed by looking."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flipping import damaged, files, findings, flip, named, verify
from homes import copy, here
from landing_zone import event
from two_use_cases import SETTLING

from nsm_pipeline.lake import Lake, replacing, stored_fingerprint

pytestmark = pytest.mark.slow

# Every kind of file that a home holds, and how to find one.
KINDS = {
    "landed events": "lake/landed_events/*/*.parquet",
    "landed accounts": "lake/landed_accounts/*.parquet",
    "accounts": "lake/accounts/*/*.parquet",
    "rows set aside": "lake/quarantined_events/*.parquet",
    "duplicates": "lake/duplicates/*/*.parquet",
    "usage events": "lake/usage_events/*/*.parquet",
    "event quality": "lake/event_quality/*/*.parquet",
    "evidence": "lake/week_evidence/*.parquet",
    "unmapped names": "lake/unmapped_events/*.parquet",
    "account weeks": "lake/account_weeks/*/*.parquet",
    "North Stars": "lake/north_star/*/*.parquet",
    "inputs": "lake/inputs/*/*.parquet",
    "counter-metrics": "lake/counter_metrics/*/*.parquet",
    "growth": "lake/growth/*.parquet",
    "verdicts": "lake/verdicts/*.json",
    "validations": "lake/validations/*/*.json",
    "certificates": "lake/certificates/*/*.json",
    "definitions": "lake/definitions/*.json",
    "ledger": "lake/ledger.json",
    "publication": "lake/publication.json",
    "gathered rows": "lake/.gathered/*/*.arrow",
    "fingerprints": "lake/.gathered/fingerprints",
    "ids": "lake/.ids/*.arrow",
    "published certificates": "records/certificates/*.json",
    "log of publications": "records/publications/*.parquet",
    "descriptors on record": "records/publications/descriptors/*.json",
    "extract tables": "extracts/versions/*/*.parquet",
    "extract as CSV": "extracts/versions/*/*.csv",
    "descriptor": "extracts/versions/*/datapackage.json",
    "checksums": "lake/*/*/.checksums",
    "checksums of records": "records/*/.checksums",
}


@pytest.fixture(scope="module")
def home(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this module's own, put back after every change."""
    return copy(small_home, tmp_path_factory.mktemp("verified") / "home")


@pytest.fixture(scope="module")
def sample(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A larger one, likewise: three use cases over sixteen weeks."""
    return copy(published_home, tmp_path_factory.mktemp("verified") / "sample")


def everything_there(home: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file of a home but for those of locks."""
    return {
        path.relative_to(home).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files(home, "**/*")
    }


def test_an_untouched_home_holds_and_is_left_as_it_was(sample: Path) -> None:
    before = everything_there(sample)
    said = verify(sample, "--json")
    assert said.code == 0, said.json["refuted"]
    assert everything_there(sample) == before
    document = said.json
    assert document["holds"] is True
    assert document["refuted"] == document["unproven"] == document["notes"] == []
    assert set(document["files"]) == {"proved"}
    assert document["weeks"] == {"proved": 9}
    assert document["publications"] == {"proved": 1, "given back from the log": 1, "made anew from the lake": 1}
    tables = [pq.read_table(sample / "extracts" / "current" / f"{name}.parquet") for name in
              ("north_star", "inputs", "counter_metrics", "outcomes", "growth")]  # fmt: skip
    rows = [row for table in tables for row in table.to_pylist()]
    flash = [row for row in rows if row["state"] == "flash"]
    assert document["numbers"] == {"proved": len(rows) - len(flash), "flash": len(flash)}


def test_the_report_for_a_person(sample: Path) -> None:
    said = verify(sample, "--sample", 1)
    assert said.code == 0
    assert "Everything holds" in said.out
    assert "3 proved" in said.out
    assert said.err == ""


# What decides how the rest is read, or lies beyond the lake: damaged one at a time.
ALONE = (
    "ledger", "publication", "extract tables", "extract as CSV", "descriptor", "published certificates",
    "log of publications",
)  # fmt: skip
CACHES = ("gathered rows", "fingerprints", "ids")
JOURNALS = ("checksums", "checksums of records")
TOGETHER = [kind for kind in KINDS if kind not in (*ALONE, *JOURNALS)]


def some(home: Path, kind: str, chance: random.Random, count: int = 1) -> list[Path]:
    found = files(home, KINDS[kind])
    assert found, f"no file of this kind: {KINDS[kind]}"
    return chance.sample(found, min(count, len(found)))


def names(home: Path, paths: list[Path]) -> set[str]:
    return {path.relative_to(home).as_posix() for path in paths}


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_all_over_a_home_are_found_and_named(sample: Path, seed: int) -> None:
    chance = random.Random(f"flips {seed}")
    chosen = [file for kind in TOGETHER for file in some(sample, kind, chance, 2)]
    with damaged(*chosen):
        done = [flip(file, chance) for file in chosen]
        found = named(sample)
    missed = names(sample, chosen) - found
    assert not missed, [said for said in done if any(name in said for name in missed)]
    assert named(sample) == set()


def test_cut_off_files_all_over_a_home_are_found_and_named(sample: Path) -> None:
    chance = random.Random("cuts")
    chosen = [file for kind in TOGETHER for file in some(sample, kind, chance)]
    with damaged(*chosen):
        for file in chosen:
            os.truncate(file, chance.randrange(file.stat().st_size))
        assert names(sample, chosen) <= named(sample)


def test_missing_files_all_over_a_home_are_found_and_named(sample: Path) -> None:
    chance = random.Random("gone")
    chosen = [file for kind in TOGETHER if kind not in CACHES for file in some(sample, kind, chance)]
    with damaged(*chosen):
        for file in chosen:
            file.unlink()
        assert names(sample, chosen) <= named(sample)


def test_caches_may_be_deleted(home: Path) -> None:
    chosen = [file for kind in CACHES for file in files(home, KINDS[kind])]
    with damaged(*chosen):
        for file in chosen:
            file.unlink()
        assert named(home) == set()


@pytest.mark.parametrize("harm", ["cut", "delete"])
@pytest.mark.parametrize("kind", ALONE)
def test_one_file_alone(home: Path, kind: str, harm: str) -> None:
    chance = random.Random(f"{kind} {harm}")
    (file,) = some(home, kind, chance)
    with damaged(file):
        if harm == "cut":
            os.truncate(file, chance.randrange(file.stat().st_size))
        else:
            file.unlink()
        assert names(home, [file]) <= named(home)


def each_flipped_alone(home: Path, kind: str, count: int) -> None:
    """Flip a byte of so many files of a kind, one file at a time: each is named."""
    chance = random.Random(f"alone {kind}")
    for file in some(home, kind, chance, count):
        with damaged(file):
            done = flip(file, chance)
            assert names(home, [file]) <= named(home), done


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_byte_alone(home: Path, kind: str) -> None:
    each_flipped_alone(home, kind, 2)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_byte_alone_in_the_sample(sample: Path, kind: str) -> None:
    each_flipped_alone(sample, kind, 4)
    assert named(sample) == set()


def test_flipped_bytes_of_journals(home: Path) -> None:
    chance = random.Random("journals")
    chosen = [file for kind in JOURNALS for file in some(home, kind, chance, 5)]
    with damaged(*chosen):
        for file in chosen:
            flip(file, chance)
        assert names(home, chosen) <= named(home)


def test_a_journal_that_was_cut_off(home: Path) -> None:
    """Whatever line is lost, its file is without proof, and is not called good."""
    journal = files(home, "lake/north_star/shop/.checksums")[0]
    with damaged(journal):
        os.truncate(journal, 0)
        (one,) = findings(home)
        assert one["what"] == "lake/north_star"
        assert one["found"].startswith("7 files without a checksum")


@pytest.mark.parametrize("table", ["usage_events", "north_star", "landed_events"])
def test_two_weeks_that_changed_places(home: Path, table: str) -> None:
    place = table if table == "landed_events" else f"{table}/shop"
    one, other = files(home, f"lake/{place}/**/*.parquet")[2:4]
    with damaged(one), damaged(other):
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        assert {path.relative_to(home).as_posix() for path in (one, other)} <= named(home)


def test_a_finding_says_what_was_found_and_what_to_do(home: Path) -> None:
    file = files(home, "lake/north_star/shop/*.parquet")[3]
    with damaged(file):
        file.write_bytes(b"PAR1")
        (one,) = findings(home)
        said = verify(home, "--sample", 0)
    assert one["found"].startswith("4 bytes, crc32 ")
    assert "crc32" in one["expected"]
    assert one["mend"] == f"nsm backfill --use-case shop --weeks {file.stem}..{file.stem}"
    assert said.code == 3
    assert f"REFUTED lake/north_star/shop/{file.stem}.parquet" in said.out


def forge(home: Path, table: str, column: str, value: float, certificate: str = "certificate_id") -> str:
    """Publish another value in the first row with a certificate: file, descriptor, version name and link all agree."""
    link = home / "extracts" / "current"
    folder = link.resolve()
    rows = pq.read_table(folder / f"{table}.parquet")
    place = next(n for n, row in enumerate(rows.to_pylist()) if row[certificate] and row[column] is not None)
    column_values = rows[column].to_pylist()
    column_values[place] = value
    index = rows.schema.get_field_index(column)
    forged = rows.set_column(index, rows.schema.field(index), pa.array(column_values, rows.schema.field(index).type))
    pq.write_table(forged, folder / f"{table}.parquet")
    content = (folder / f"{table}.parquet").read_bytes()
    descriptor = json.loads((folder / "datapackage.json").read_text())
    for resource in descriptor["resources"]:
        if resource["name"] == table:
            sha256 = hashlib.sha256(content).hexdigest()
            resource |= {"bytes": len(content), "sha256": sha256, "hash": f"sha256:{sha256}"}
    text = json.dumps(descriptor, indent=1, ensure_ascii=False)
    (folder / "datapackage.json").write_text(text)
    version = f"{folder.name.split('-')[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder.rename(folder.with_name(version))
    link.unlink()
    link.symlink_to(Path("versions") / version)
    row = rows.to_pylist()[place]
    return f"{row['use_case']} {row['week']}"


@pytest.mark.parametrize(
    ("table", "column"), [("north_star", "value"), ("inputs", "entities"), ("growth", "growth"), ("growth", "goal")]
)
def test_a_forged_number_is_refuted_by_its_certificate(
    small_home: Path, tmp_path: Path, table: str, column: str
) -> None:
    home = copy(small_home, tmp_path / "home")
    whose = forge(home, table, column, 12345)
    shutil.rmtree(home / "records" / "publications")  # nor does the log know better
    found = findings(home)
    (number,) = [one for one in found if f"{table}.parquet: " in one["what"] and column in one["found"]]
    assert whose in number["what"]
    assert "12345" in number["found"]
    assert "12345" not in number["expected"]


def test_a_forged_version_is_not_on_record(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    forge(home, "north_star", "value", 7)
    version = (home / "extracts" / "current").readlink().name
    assert f"extracts/versions/{version}" in named(home)


def test_a_row_that_vanished(small_home: Path, tmp_path: Path) -> None:
    """Rows are compared with their certificate both ways."""
    home = copy(small_home, tmp_path / "home")
    folder = (home / "extracts" / "current").resolve()
    rows = pq.read_table(folder / "inputs.parquet")
    last = next(n for n, row in enumerate(rows.to_pylist()) if row["certificate_id"] and row["slice"] != "all")
    pq.write_table(pa.concat_tables([rows.slice(0, last), rows.slice(last + 1)]), folder / "inputs.parquet")
    forge(home, "inputs", "value", -1)  # another row, and descriptor, name and link that agree
    gone = rows.to_pylist()[last]
    wanted = f"{gone['metric']} of {gone['use_case']} {gone['week']}, {gone['slice']} = {gone['slice_value']}"
    found = [one for one in findings(home) if wanted in one["what"]]
    assert [one["found"] for one in found] == ["no such row"]


def test_a_table_that_is_not_what_its_events_say(small_home: Path, tmp_path: Path) -> None:
    """Written with a checksum and the right fingerprint, and wrong: only computing it anew shows it."""
    home = copy(small_home, tmp_path / "home")
    lake = Lake(home / "lake")
    week = files(home, "lake/account_weeks/shop/*.parquet")[5].stem
    file = lake.file("account_weeks", "shop", week)
    rows = pq.read_table(file)
    fingerprint = stored_fingerprint(file)
    assert fingerprint
    lake.write(rows.slice(1), fingerprint, "account_weeks", "shop", week)
    assert named(home) == set()
    (one,) = findings(home, "--weeks", week)
    assert one["what"] == f"lake/account_weeks/shop/{week}.parquet"
    assert one["found"] == f"{rows.num_rows - 1} rows"
    assert one["expected"].startswith(f"{rows.num_rows} rows")
    assert one["mend"] == f"nsm backfill --use-case shop --weeks {week}..{week}"


def test_equal_rows_in_other_bytes_are_noted_and_hold(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    file = files(home, "lake/usage_events/shop/*.parquet")[5]
    rows = pq.read_table(file)
    with replacing(file) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
    said = verify(home, "--json", "--weeks", file.stem)
    assert said.code == 0, said.json
    (note,) = said.json["notes"]
    assert f"lake/usage_events/shop/{file.stem}.parquet" in note
    assert "parquet-cpp-arrow" in note
    assert "DuckDB" in note


def test_a_home_from_before_checksums_is_not_called_good(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    for file in files(home, "lake/**/.checksums"):
        file.unlink()
    said = verify(home, "--json", "--sample", 0)
    assert said.code == 3
    document = said.json
    assert document["refuted"] == []
    assert {one["what"] for one in document["unproven"]} >= {"lake/north_star", "lake/landed_events"}
    assert all("without a checksum" in one["found"] for one in document["unproven"])
    assert document["numbers"]["proved"] > 0


def test_before_anything_has_landed(tmp_path: Path) -> None:
    said = verify(tmp_path, "--json")
    assert said.code == 0
    assert said.json["version"] is None
    assert said.json["numbers"] == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--weeks", "2026-03-09", "--all"), "exclude each other"),
        (("--weeks", "2026-03-10"), "no week starts"),
        (("--weeks", "2020-01-06"), "outside this home's weeks"),
        (("--sample", "x"), "sample"),
    ],
)
def test_misuse(home: Path, arguments: tuple[str, ...], words: str) -> None:
    said = here("verify", "--home", home, *arguments)
    assert said.code == 2
    assert words in " ".join((said.err + said.out).split())


def test_a_restated_number_is_proved_by_its_certificate_and_its_life(small_home: Path, tmp_path: Path) -> None:
    """Late rows change a week: the ledger's rows are proved, and a forged one is refuted."""
    home = copy(small_home, tmp_path / "home")
    late = [event(f"late-{number}", f"{SETTLING}T08:00:00Z", "a1") for number in range(3)]
    (home / "landing" / "usage_events" / "late.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in late))
    assert here("run", "--home", home).code == 3
    said = verify(home, "--json").json
    assert said["holds"], said["refuted"]
    ledger = pq.read_table(home / "extracts" / "current" / "restatements.parquet")
    assert said["restatements"] == ({"proved": ledger.num_rows} if ledger.num_rows else {})
    assert ledger.num_rows
    assert said["publications"]["given back from the log"] == 2
    forge(home, "restatements", "new", 98765, certificate="new_certificate")
    assert [one for one in findings(home) if "restatements.parquet: number" in one["what"] and "98765" in one["found"]]
