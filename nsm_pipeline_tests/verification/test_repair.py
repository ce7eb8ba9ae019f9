"""`nsm verify --repair`: what is damaged goes, the next run builds it anew, and the home is what it was."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from flipping import files, flip, named, verify
from homes import copy, differences, everything, here, opened
from two_use_cases import WEEKS

# Kinds of files that a run builds anew, and of each a file of the small home, or a landing file for what was read
# from it. In a group none is made from another, or of the same week and use case: no damage hides another.
APART = {
    "landed": {
        "lake/landed_events/*/*.parquet": "lake/landed_events/2026-03-02/*.parquet",
        "lake/landed_accounts/*.parquet": "landing/accounts/as_of=2026-03-23/accounts.csv",
        "lake/accounts/*/*.parquet": "lake/accounts/2026-04-06/*.parquet",
        "lake/quarantined_events/*.parquet": "landing/usage_events/week-6.jsonl",
        "lake/duplicates/*/*.parquet": "lake/duplicates/2026-04-06/*.parquet",
    },
    "built": {
        "lake/usage_events/*/*.parquet": "lake/usage_events/help/2026-03-02.parquet",
        "lake/event_quality/*/*.parquet": "lake/event_quality/shop/2026-03-09.parquet",
        "lake/week_evidence/*.parquet": "lake/week_evidence/2026-03-16.parquet",
        "lake/unmapped_events/*.parquet": "lake/unmapped_events/2026-03-23.parquet",
        "lake/account_weeks/*/*.parquet": "lake/account_weeks/help/2026-03-30.parquet",
        "lake/north_star/*/*.parquet": "lake/north_star/shop/2026-04-06.parquet",
        "lake/inputs/*/*.parquet": "lake/inputs/shop/2026-04-13.parquet",
        "lake/counter_metrics/*/*.parquet": "lake/counter_metrics/help/2026-03-09.parquet",
        "lake/certificates/*/*.json": "lake/certificates/shop/2026-03-02.json",
        "lake/.ids/*.arrow": "lake/.ids/*.arrow",
    },
    "judged": {
        "lake/growth/*.parquet": "lake/growth/help.parquet",
        "lake/verdicts/*.json": "lake/verdicts/shop.json",
        "lake/validations/*/*.json": "lake/validations/help/2026-03-09.json",
        "lake/definitions/*.json": "lake/definitions/*.json",
        "lake/.gathered/*/*.arrow": "lake/.gathered/from_accounts/shop.arrow",
        "extracts/versions/*/*.parquet": "extracts/versions/*/growth.parquet",
    },
    "kept": {
        "lake/publication.json": "lake/publication.json",
        "lake/.gathered/fingerprints": "lake/.gathered/fingerprints",
        "extracts/versions/*/datapackage.json": "extracts/versions/*/datapackage.json",
    },
}
STALE = {
    "landed": ["2026-03-02", "2026-03-16", "2026-03-30", "2026-04-06"],
    "built": [str(week) for week in WEEKS],
    "judged": [],
    "kept": [],
}
REPAIRED_BY_A_RUN = [kind for group in APART.values() for kind in group]


def repaired(home: Path) -> None:
    """Repair a home, run it, and hold it to what it was."""
    assert verify(home, "--repair", "--sample", 0).code == 3
    assert here("run", "--home", home).code == 3  # a week of each home is withheld
    assert named(home, "--sample", 1) == set()


def damaged_all_over(home: Path) -> None:
    """Repair damage of every kind at once."""
    wanted, chance = everything(home), random.Random("repair")
    for pattern in REPAIRED_BY_A_RUN:
        flip(chance.choice(files(home, pattern)), chance)
    for file in chance.sample(files(home, "lake/*/**/.checksums"), 3):
        flip(file, chance)
    repaired(home)
    assert not differences(everything(home), wanted)


@pytest.mark.slow
def test_damage_of_every_kind_at_once(small_home: Path, tmp_path: Path) -> None:
    damaged_all_over(copy(small_home, tmp_path / "home"))


@pytest.mark.soak
def test_damage_of_every_kind_at_once_in_the_sample(published_home: Path, tmp_path: Path) -> None:
    damaged_all_over(copy(published_home, tmp_path / "home"))


def chosen(home: Path, place: str, chance: random.Random) -> Path:
    """A file at a place of a home; where that is a landing file, what was read from it."""
    folder, _, name = place.partition("/")
    sent = opened(home).ledger.deliveries[name] if folder == "landing" else None
    return chance.choice(files(home, f"lake/*/{sent.content}.parquet" if sent else place))


@pytest.mark.slow
@pytest.mark.parametrize("group", APART)
def test_damage_apart(small_home: Path, tmp_path: Path, group: str) -> None:
    """Each kind as if it were damaged alone, without the runs that this would take."""
    home, chance = copy(small_home, tmp_path / "home"), random.Random(group)
    wanted = everything(home)
    damaged = [chosen(home, place, chance) for place in APART[group].values()]
    assert all(file.match(kind) for file, kind in zip(damaged, APART[group], strict=True))
    for file in damaged:
        flip(file, chance)
    said = verify(home, "--repair", "--json", "--sample", 0).json["repaired"]
    names = {file.relative_to(home).as_posix() for file in damaged}
    assert names <= {*said["removed"], *said["given_back"]}
    assert [str(week) for week in opened(home).stale_weeks()] == STALE[group]
    assert here("run", "--home", home).code == 3  # a week that fails its gate is withheld
    assert named(home, "--sample", 1) == set()
    assert not differences(everything(home), wanted)


@pytest.mark.soak
@pytest.mark.parametrize("pattern", REPAIRED_BY_A_RUN)
def test_damage_of_one_kind(published_home: Path, tmp_path: Path, pattern: str) -> None:
    home, chance = copy(published_home, tmp_path / "home"), random.Random(pattern)
    wanted = everything(home)
    flip(chance.choice(files(home, pattern)), chance)
    repaired(home)
    assert not differences(everything(home), wanted)


def test_a_landed_file_whose_source_is_gone_is_left(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    shutil.rmtree(home / "landing" / "usage_events")
    file = files(home, "lake/landed_events/*/*.parquet")[7]
    flip(file, random.Random(7))
    said = verify(home, "--repair", "--json", "--sample", 0)
    name = file.relative_to(home).as_posix()
    assert said.json["repaired"]["left"] == [name]
    assert file.is_file()
    assert name in named(home)


def test_records_are_left_alone(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    file = files(home, "records/certificates/*.json")[3]
    flip(file, random.Random(3))
    said = verify(home, "--repair", "--json", "--sample", 0)
    assert file.relative_to(home).as_posix() in said.json["repaired"]["left"]
    assert file.is_file()


def test_a_home_that_holds_is_not_touched(small_home: Path, tmp_path: Path) -> None:
    home = copy(small_home, tmp_path / "home")
    before = everything(home)
    assert verify(home, "--repair", "--sample", 0).code == 0
    assert not differences(everything(home), before)
    assert (home / "lake" / "publication.json").is_file()
