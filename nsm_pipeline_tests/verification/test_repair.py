"""`nsm verify --repair`: what is damaged goes, the next run builds it anew, and the home is what it was."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from flipping import files, flip, named, verify
from homes import copy, differences, everything, here

REPAIRED_BY_A_RUN = (
    "lake/landed_events/*/*.parquet",
    "lake/landed_accounts/*.parquet",
    "lake/accounts/*/*.parquet",
    "lake/quarantined_events/*.parquet",
    "lake/duplicates/*/*.parquet",
    "lake/usage_events/*/*.parquet",
    "lake/event_quality/*/*.parquet",
    "lake/week_evidence/*.parquet",
    "lake/unmapped_events/*.parquet",
    "lake/account_weeks/*/*.parquet",
    "lake/north_star/*/*.parquet",
    "lake/growth/*.parquet",
    "lake/verdicts/*.json",
    "lake/validations/*/*.json",
    "lake/certificates/*/*.json",
    "lake/definitions/*.json",
    "lake/publication.json",
    "lake/.gathered/*/*.arrow",
    "lake/.gathered/fingerprints",
    "lake/.ids/*.arrow",
    "extracts/versions/*/*.parquet",
    "extracts/versions/*/datapackage.json",
)


def repaired(home: Path) -> None:
    """Repair a home, run it, and hold it to what it was."""
    assert verify(home, "--repair", "--sample", 0).code == 3
    assert here("run", "--home", home).code == 3  # the outage of the sample is withheld
    assert named(home, "--sample", 1) == set()


def test_damage_of_every_kind_at_once(published_home: Path, tmp_path: Path) -> None:
    home, chance = copy(published_home, tmp_path / "home"), random.Random("repair")
    wanted = everything(home)
    for pattern in REPAIRED_BY_A_RUN:
        flip(chance.choice(files(home, pattern)), chance)
    for file in chance.sample(files(home, "lake/*/**/.checksums"), 3):
        flip(file, chance)
    repaired(home)
    assert not differences(everything(home), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", REPAIRED_BY_A_RUN)
def test_damage_of_one_kind(published_home: Path, tmp_path: Path, pattern: str) -> None:
    home, chance = copy(published_home, tmp_path / "home"), random.Random(pattern)
    wanted = everything(home)
    flip(chance.choice(files(home, pattern)), chance)
    repaired(home)
    assert not differences(everything(home), wanted)


def test_a_landed_file_whose_source_is_gone_is_left(published_home: Path, tmp_path: Path) -> None:
    home = copy(published_home, tmp_path / "home")
    shutil.rmtree(home / "landing" / "usage_events")
    file = files(home, "lake/landed_events/*/*.parquet")[7]
    flip(file, random.Random(7))
    said = verify(home, "--repair", "--json", "--sample", 0)
    name = file.relative_to(home).as_posix()
    assert said.json["repaired"]["left"] == [name]
    assert file.is_file()
    assert name in named(home)


def test_records_are_left_alone(published_home: Path, tmp_path: Path) -> None:
    home = copy(published_home, tmp_path / "home")
    file = files(home, "records/certificates/*.json")[3]
    flip(file, random.Random(3))
    said = verify(home, "--repair", "--json", "--sample", 0)
    assert file.relative_to(home).as_posix() in said.json["repaired"]["left"]
    assert file.is_file()


def test_a_home_that_holds_is_not_touched(published_home: Path, tmp_path: Path) -> None:
    home = copy(published_home, tmp_path / "home")
    before = everything(home)
    assert verify(home, "--repair", "--sample", 0).code == 0
    assert not differences(everything(home), before)
    assert (home / "lake" / "publication.json").is_file()
