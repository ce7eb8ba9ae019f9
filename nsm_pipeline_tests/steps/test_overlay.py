"""What is tried in a scratch home leaves nothing behind, and starts from everything the real one knows."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from homes import copy, everything, here, opened
from landing_zone import SHOP, Row, Zone, event

from nsm_pipeline import gathered, lake
from nsm_pipeline.errors import UserError
from nsm_pipeline.events import landing
from nsm_pipeline.events.landing import ingest
from nsm_pipeline.home import Home
from nsm_pipeline.lake import FOOTERS, RECALLED
from nsm_pipeline.steps import certificates, series
from nsm_pipeline.steps.certificates import run_certificates, week_states
from nsm_pipeline.steps.opening import OPENED, Open, open_playbook
from nsm_pipeline.steps.overlay import FOLDER, overlay
from nsm_pipeline.steps.publication import gather_tables, run_publication
from nsm_pipeline.steps.release import Release
from nsm_pipeline.steps.series import run_growth
from nsm_pipeline.steps.weekly import run_weeks

pytestmark = pytest.mark.slow

WEEKS = [date(2026, 3, 2) + timedelta(weeks=number) for number in range(6)]
KNOWN = (FOOTERS, landing.LEDGERS, series.LOADED, certificates.CHECKED)


def rows_of(number: int) -> list[Row]:
    return [event(f"o-{number}-{place}", f"{WEEKS[number]}T10:00:00Z", f"a{place}") for place in range(4)]


# No week is final: what is rebuilt is looked at here, not what may be published.
SETTINGS = "company: Test\nas_of: 2026-04-08\ncertification: {settling_days: 3650}\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = Zone(tmp_path_factory.mktemp("base") / "home", SHOP, SETTINGS)
    zone.playbook  # noqa: B018 (writes it)
    for number in range(6):
        zone.put(f"week-{number}.jsonl", rows_of(number))
    assert here("run", "--home", zone.root).code == 0
    return zone.root


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Home:
    return Home(copy(base, tmp_path / "home"))


def seen(home: Home) -> dict[str, tuple[str, int]]:
    """Bytes and time of every file of a home, but for its empty lock files; links as what they point to."""
    found = {}
    for file in sorted(home.root.rglob("*")):
        name = file.relative_to(home.root).as_posix()
        if file.is_symlink():
            found[name] = (str(file.readlink()), 0)
        elif file.is_file() and not name.startswith("lake/.locks/"):
            found[name] = (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
    return found


def whole_run(home: Home) -> Open:
    """Everything that `nsm run` does, without Dagster."""
    playbook = open_playbook(home)
    ledger = ingest(home, Open.of(home, playbook).engine, playbook)
    opened = Open.of(home, playbook, ledger=ledger)
    tables = [(name, table) for name, plan in opened.plans.items() for table in plan.tables]
    list(run_weeks(opened, opened.stale_weeks(), list(opened.plans), tables))
    for name in opened.plans:
        run_growth(opened, name)
    run_certificates(opened)
    run_publication(opened)
    return opened


def change(home: Home) -> None:
    """A late row, another content of a file, a further file: what an ingest has to read."""
    zone = Zone(home.root)
    zone.put("late.jsonl", [event("late", f"{WEEKS[1]}T12:00:00Z", "a9")])
    zone.put("week-3.jsonl", rows_of(3)[:3])
    zone.put_accounts("2026-03-20", [{"account_id": "a1", "plan": "free"}])


def test_a_whole_run_in_it_changes_nothing_of_the_home(home: Home, tmp_path: Path) -> None:
    change(home)
    before = seen(home)
    there = Home(copy(home.root, tmp_path / "there"))
    assert here("run", "--home", there.root).code == 0
    with overlay(home) as scratch:
        whole_run(scratch)
        assert everything(scratch.root) == everything(there.root), "it ends as a run on a home of its own does"
        assert {name: one for name, one in seen(home).items() if FOLDER not in name} == before
    assert seen(home) == before
    assert not (home.lake / FOLDER).exists()


def test_it_opens_as_warm_as_the_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("read anew")

    whole_run(home)  # a copy is made of other files than those that its original remembers
    lake.forget(home.root)  # as in a new process
    monkeypatch.setattr(lake, "stored_fingerprint", refuse)  # reads a footer
    monkeypatch.setattr(gathered, "_save", refuse)  # keeps what had to be read anew
    with overlay(home) as scratch:
        it = Open.of(scratch, open_playbook(scratch))
        assert it.stale_weeks() == []
        run_growth(it, "shop")
        assert [state.state for state in week_states(it, "shop")] == ["certified"] * 5 + ["flash"]
        assert gather_tables(it, {"shop": list(week_states(it, "shop"))}, Release.of(it))["north_star"].num_rows > 0


def test_nothing_stays_known_of_it(home: Home) -> None:
    change(home)
    with overlay(home) as scratch:
        whole_run(scratch)
        assert any(Path(path).is_relative_to(scratch.root) for path in FOOTERS)
    for known in KNOWN:
        assert not [path for path in known if Path(path).is_relative_to(home.lake / FOLDER)]
    assert scratch not in OPENED
    assert scratch.lake not in RECALLED
    lake.remember(home.lake)
    assert FOLDER not in (home.lake / lake.REMEMBERED).read_text()


def test_fingerprints_of_an_open_one_are_not_remembered_as_the_homes(home: Home) -> None:
    with overlay(home) as scratch:
        whole_run(scratch)
        lake.remember(home.lake)
        assert FOLDER not in (home.lake / lake.REMEMBERED).read_text()


def test_another_folder_of_definitions(home: Home, tmp_path: Path) -> None:
    other = copy(home.playbook, tmp_path / "other")
    file = other / "use_case.yaml"
    file.write_text(file.read_text().replace("orders: {count", "orders: {where: 'gift', count"))
    with overlay(home, other) as scratch:
        it = Open.of(scratch, open_playbook(scratch))
        assert {table for week in WEEKS for table in it.stale_tables("shop", week)} == {"account_weeks", "inputs"}
        file.write_text(file.read_text() + "surprise: 1\n")
        with pytest.raises(UserError, match=str(file)):
            open_playbook(scratch)
    assert opened(home.root).stale_weeks() == []


def test_a_folder_of_definitions_that_is_none(home: Home, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"--playbook: found '.*nowhere'; a folder"),
        overlay(home, tmp_path / "nowhere"),
    ):
        pass


def test_an_error_in_it_removes_it(home: Home) -> None:
    with pytest.raises(RuntimeError), overlay(home):
        raise RuntimeError
    assert not (home.lake / FOLDER).exists()


def test_no_table_is_found_in_it(home: Home) -> None:
    sql = "SELECT (SELECT count(*) FROM usage_events) AS events, (SELECT count(*) FROM north_star) AS north_star"
    before = here("query", "--home", home.root, "--format", "json", sql).json
    files = lake.Lake(home.lake).files("usage_events")
    with overlay(home):
        assert here("query", "--home", home.root, "--format", "json", sql).json == before
        assert lake.Lake(home.lake).files("usage_events") == files


HOLD = """import sys, time
from nsm_pipeline.home import Home
from nsm_pipeline.steps.overlay import overlay
with overlay(Home.at(sys.argv[1])) as scratch:
    print(scratch.root, flush=True)
    time.sleep(600)
"""


def held(home: Home) -> tuple[subprocess.Popen[str], Path]:
    """A process with an overlay, and where that lies."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, home.root], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_is_swept_and_a_living_one_is_not(home: Home) -> None:
    processes: Sequence[subprocess.Popen[str]] = ()
    try:
        processes, roots = zip(*(held(home) for _ in range(2)), strict=True)
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        assert all((root / "lake" / "ledger.json").is_file() for root in roots)
        with overlay(home):
            assert not roots[0].exists()
            assert (roots[1] / "lake" / "ledger.json").is_file()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    with overlay(home):
        assert not roots[1].exists()
    assert not (home.lake / FOLDER).exists()


def test_several_at_once(home: Home) -> None:
    change(home)
    before, results = seen(home), []

    def work() -> None:
        with overlay(home) as scratch:
            whole_run(scratch)
            results.append(everything(scratch.root))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert results[0] == results[1] == results[2]
    assert seen(home) == before


def test_a_lake_on_a_disk_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system makes no hard links."""

    def refuse(source: str, target: str) -> None:
        raise OSError(18, "Invalid cross-device link", source)

    monkeypatch.setattr(os, "link", refuse)
    change(home)
    before = seen(home)
    with overlay(home) as scratch:
        whole_run(scratch)
    assert seen(home) == before
