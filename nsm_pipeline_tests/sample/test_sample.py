"""The sample landing zone, read back from its files with plain readers."""

import csv
import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsm_pipeline.sample import SampleClash, SampleSpec, SampleSummary, write_sample

SPEC = SampleSpec(weeks=20, accounts=80, events=30_000, seed=11, end=date(2026, 3, 1))
CUT_OFF = "events_part2.parquet"
COLUMNS = {"event_id", "event_name", "occurred_at", "received_at", "account_id", "user_id", "properties"}
CI_OLD, CI_NEW = "ci_pipeline_done", "pipeline.finished"


class Row(NamedTuple):
    """One delivered row; times as ISO text whatever the file held."""

    delivery: int
    event_id: str
    name: str
    occurred: str
    received: str
    account: str
    user: str | None
    properties: str

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.occurred)

    @property
    def content(self) -> tuple[str | None, ...]:
        return self[2:]


class Sample(NamedTuple):
    home: Path
    summary: SampleSummary
    files: list[Path]
    rows: list[Row]
    bad: list[str]

    def incident(self, kind: str) -> date:
        (found,) = [incident.week for incident in self.summary.incidents if incident.kind == kind]
        return found


def read(home: Path, summary: SampleSummary) -> Sample:
    files = sorted((home / "landing/usage_events").glob("arrived=*/events.*"))
    rows: list[Row] = []
    bad: list[str] = []
    for number, path in enumerate(files):
        for record in records(path, bad):
            rows.append(Row(number, *record))
    return Sample(home, summary, files, rows, bad)


def records(path: Path, bad: list[str]) -> list[tuple[Any, ...]]:
    if path.suffix == ".parquet":
        return [values(record, json.loads(record["properties"])) for record in pq.read_table(path).to_pylist()]
    text = gzip.decompress(path.read_bytes()).decode()
    if path.name.endswith(".csv.gz"):
        return [values(record, json.loads(record["properties"])) for record in csv.DictReader(io.StringIO(text))]
    found = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
            datetime.fromisoformat(record["occurred_at"])
            assert record["event_id"] and isinstance(record["properties"], dict)
            found.append(values(record, record["properties"]))
        except (ValueError, KeyError, AssertionError):
            bad.append(line)
    return found


def values(record: dict[str, Any], properties: dict[str, Any]) -> tuple[Any, ...]:
    assert set(record) == COLUMNS
    times = iso(record["occurred_at"]), iso(record["received_at"])
    who = record["account_id"], record["user_id"] or None
    return record["event_id"], record["event_name"], *times, *who, canonical(properties)


def iso(value: str | datetime) -> str:
    return value if isinstance(value, str) else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(properties: dict[str, Any]) -> str:
    assert isinstance(properties, dict)
    return json.dumps(properties, sort_keys=True)


def tree_hash(home: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(home)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def start_of(path: Path) -> date:
    return date.fromisoformat(path.parent.name.removeprefix("arrived="))


def snapshots(home: Path) -> dict[date, dict[str, dict[str, str]]]:
    found = {}
    for path in sorted((home / "landing/accounts").glob("as_of=*/accounts.csv")):
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        found[date.fromisoformat(path.parent.name.removeprefix("as_of="))] = {r["account_id"]: r for r in rows}
        assert len(rows) == len({row["account_id"] for row in rows})
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    home = tmp_path_factory.mktemp("sample")
    return read(home, write_sample(home, SPEC))


def test_same_spec_same_bytes(sample: Sample, tmp_path: Path) -> None:
    assert write_sample(tmp_path / "again", SPEC) == sample.summary
    assert tree_hash(tmp_path / "again") == tree_hash(sample.home)
    other = SampleSpec(SPEC.weeks, SPEC.accounts, SPEC.events, seed=SPEC.seed + 1)
    write_sample(tmp_path / "other", other)
    assert tree_hash(tmp_path / "other") != tree_hash(sample.home)
    # Two writes within a second would hide the time and name that gzip puts into its header.
    headers = {path.read_bytes()[3:8] for path in sample.files if path.suffix == ".gz"}
    assert headers == {bytes(5)}


def test_rows_and_files_are_as_promised(sample: Sample) -> None:
    assert sample.summary.rows == len(sample.rows) + len(sample.bad)
    assert sample.summary.rows == pytest.approx(SPEC.events, rel=0.03)
    landed = [path for path in (sample.home / "landing/usage_events").rglob("*") if path.is_file()]
    assert sample.summary.files == len(landed) == len(sample.files) + 2
    assert not list(sample.home.rglob(".*")), "temporary files are left"
    last = SPEC.end - timedelta(days=SPEC.end.weekday())
    assert sample.summary.as_of == last + timedelta(days=3)
    assert sample.summary.first_week == last - timedelta(weeks=SPEC.weeks - 1)
    assert {monday(row.at) for row in sample.rows} == {
        sample.summary.first_week + timedelta(weeks=week) for week in range(SPEC.weeks)
    }


def test_layouts_follow_the_calendar(sample: Sample) -> None:
    layouts = Counter(path.name for path in sample.files)
    assert layouts == {"events.parquet": SPEC.weeks - 6, "events.csv.gz": 4, "events.jsonl.gz": 7 + 4}
    types = [pq.read_schema(path).field("occurred_at").type for path in sample.files if path.suffix == ".parquet"]
    half = SPEC.weeks // 2
    assert types == [pa.timestamp("us", tz="UTC")] * half + [pa.string()] * (SPEC.weeks - 6 - half)


def test_rows_lie_where_they_arrived_in_order(sample: Sample) -> None:
    """Only the second copy of a duplicate lies one delivery after its arrival."""
    starts = [start_of(path) for path in sample.files] + [sample.summary.as_of + timedelta(days=1)]
    seen: set[str] = set()
    repeated = 0
    for earlier, row in pairwise(sample.rows):
        if earlier.delivery == row.delivery:
            assert earlier.received <= row.received
    for row in sample.rows:
        arrived = date.fromisoformat(row.received[:10])
        assert row.occurred <= row.received
        if starts[row.delivery] <= arrived < starts[row.delivery + 1]:
            seen.add(row.event_id)
        else:
            assert starts[row.delivery - 1] <= arrived < starts[row.delivery]
            repeated += row.event_id in seen
    assert repeated == pytest.approx(0.01 * len(sample.rows), rel=0.25)


def test_duplicates_are_unchanged_rows_and_conflicts_are_not(sample: Sample) -> None:
    by_id: dict[str, list[Row]] = {}
    for row in sample.rows:
        by_id.setdefault(row.event_id, []).append(row)
        assert len(row.event_id) == 24 and set(row.event_id) <= set("0123456789abcdef")
    again = {key: rows for key, rows in by_id.items() if len({row.delivery for row in rows}) > 1}
    # A re-delivered row equals a row of the file before; ids in conflict have two contents in one file.
    for rows in again.values():
        first, second = sorted({row.delivery for row in rows})
        assert second == first + 1
        earlier = {row.content for row in rows if row.delivery == first}
        assert all(row.content in earlier for row in rows if row.delivery == second)
    contents = {key: {row.content for row in rows} for key, rows in by_id.items()}
    conflicts = {key for key, found in contents.items() if len(found) > 1}
    assert len(conflicts) == 5
    where = {start_of(sample.files[row.delivery]) for key in conflicts for row in by_id[key][:2]}
    assert where == {sample.incident("conflicting_ids")}


def test_late_rows(sample: Sample) -> None:
    delays = [datetime.fromisoformat(row.received) - row.at for row in sample.rows]
    late = [delay for delay in delays if delay >= timedelta(days=1)]
    assert len(late) / len(delays) == pytest.approx(0.04, abs=0.006)
    assert timedelta(weeks=3) < max(late) <= timedelta(weeks=5)


def test_rename_and_dual_run(sample: Sample) -> None:
    cut_over = datetime.combine(sample.incident("rename"), datetime.min.time(), UTC)
    until = cut_over + timedelta(days=14)
    old: dict[str, Row] = {}
    new: dict[str, Row] = {}
    for row in sample.rows:
        if row.name in (CI_OLD, CI_NEW):
            (old if row.name == CI_OLD else new)[json.loads(row.properties)["pipeline_id"]] = row
    assert max(row.at for row in old.values()) < until
    assert min(row.at for row in new.values()) >= cut_over
    both = {row.account for row in old.values() if row.at >= cut_over}
    during = [row for row in new.values() if row.at < until]
    pairs = [(old[key], new[key]) for key in old.keys() & new.keys()]
    assert len(pairs) == sum(row.account in both for row in during) > 100
    assert 0.3 < len(pairs) / len(during) < 0.7
    for before, after in pairs:
        assert before.event_id != after.event_id
        assert (before.account, before.user, before.occurred) == (after.account, after.user, after.occurred)
        was, now = json.loads(before.properties), json.loads(after.properties)
        assert was["duration_ms"] == pytest.approx(now["duration_s"] * 1000)
        assert (was["result"], was["ref"], was["is_bot"]) == (now["status"], now["ref"], now["is_bot"])


def test_outage_is_the_only_thin_week(sample: Sample) -> None:
    """In all rows against the trailing median, and in each use case against the weeks on both sides."""
    outage = sample.incident("outage")
    weeks = [sample.summary.first_week + timedelta(weeks=week) for week in range(SPEC.weeks - 1)]
    total = Counter(monday(row.at) for row in sample.rows)
    for place, week in enumerate(weeks[4:], start=4):
        share = total[week] / median(total[before] for before in weeks[max(0, place - 8) : place])
        assert share < 0.45 if week == outage else share > 0.6, (week, share)
    for prefixes in (
        ("build", "pipeline", "ci"),
        ("scan", "vuln"),
        ("merge", "audit", "branch", "framework"),
    ):
        volume = Counter(monday(row.at) for row in sample.rows if row.name.startswith(prefixes))
        for before, week, after in zip(weeks, weeks[1:], weeks[2:], strict=False):
            share = 2 * volume[week] / (volume[before] + volume[after])
            assert share < 0.45 if week == outage else share > 0.6, (week, prefixes, share)


def test_outage_spares_its_monday(sample: Sample) -> None:
    outage = sample.incident("outage")
    days = Counter((monday(row.at), row.at.weekday()) for row in sample.rows)
    before = outage - timedelta(weeks=1)
    assert days[outage, 0] > 0.75 * days[before, 0]
    assert all(days[outage, day] < 0.35 * days[before, day] for day in range(1, 5))


def test_damage_is_real(sample: Sample) -> None:
    landing = sample.home / "landing/usage_events"
    (cut_off,) = landing.rglob(CUT_OFF)
    assert start_of(cut_off) == sample.incident("bad_file")
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pq.read_table(cut_off)
    (copy,) = (landing / "redelivered").iterdir()
    original = landing / f"arrived={sample.incident('redelivered')}" / "events.parquet"
    assert copy.read_bytes() == original.read_bytes() and copy.name != original.name
    assert len(sample.bad) == 5
    with pytest.raises(json.JSONDecodeError):
        json.loads(sample.bad[0])
    no_account, no_id, no_time, no_object = (json.loads(line) for line in sample.bad[1:])
    assert "account_id" not in no_account
    assert no_id["event_id"] == ""
    assert no_time["occurred_at"].startswith("yesterday")
    assert no_object["properties"] == 7


BOOLEAN: Callable[[Any], bool] = lambda value: isinstance(value, bool)  # noqa: E731
NUMBER: Callable[[Any], bool] = lambda value: isinstance(value, int | float) and value >= 0  # noqa: E731
COUNT: Callable[[Any], bool] = lambda value: isinstance(value, int) and value >= 0  # noqa: E731


def one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


STATUS, REF, SCOPE = (
    one_of("success", "failed", "canceled"),
    one_of("main", "merge_request", "tag"),
    one_of("group", "project", "instance"),
)
PROPERTIES: dict[str, dict[str, Callable[[Any], bool]]] = {
    CI_OLD: {
        "pipeline_id": lambda value: value[0] == "p" and len(value) == 11,
        "result": STATUS,
        "duration_ms": lambda value: isinstance(value, int) and (value > 0 or value == -1000),
        "ref": REF,
        "source": lambda value: isinstance(value, str),
        "is_bot": BOOLEAN,
    },
    CI_NEW: {
        "pipeline_id": lambda value: value[0] == "p" and len(value) == 11,
        "status": STATUS,
        "duration_s": lambda value: value > 0 or value == -1,
        "ref": REF,
        "is_bot": BOOLEAN,
    },
    "build.finished": {
        "status": STATUS,
        "duration_s": NUMBER,
        "runner": one_of("shared", "group", "project"),
        "is_bot": BOOLEAN,
    },
    "scan.completed": {
        "scanner": one_of(
            *("secret_detection", "dependency_scanning", "container_scanning", "sast", "dast"),
            *("coverage_fuzzing", "api_fuzzing"),
        ),
        "status": one_of("success", "failed"),
        "findings_critical": COUNT,
        "duration_s": NUMBER,
        "is_bot": BOOLEAN,
    },
    "vulnerability.resolved": {
        "severity": one_of("critical", "high", "medium", "low"),
        "days_to_resolve": NUMBER,
        "dismissed": BOOLEAN,
        "is_bot": BOOLEAN,
    },
    "merge_request.merged": {
        "under_approval_rule": BOOLEAN,
        "self_approved": BOOLEAN,
        "hours_to_approve": NUMBER,
    },
    "audit_events.viewed": {"scope": SCOPE},
    "audit_events.exported": {"scope": SCOPE, "rows": COUNT},
    "branch.protected": {"level": one_of("developer", "maintainer")},
    "framework.label_applied": {"framework": one_of("soc2", "iso27001", "hipaa", "gdpr")},
    "web.heartbeat": {},
}
MAY_BE_ABSENT = {"is_bot", "hours_to_approve"}


def test_properties_keep_to_their_vocabulary(sample: Sample) -> None:
    seen: dict[str, set[str]] = {}
    for row in sample.rows:
        properties = json.loads(row.properties)
        declared = PROPERTIES[row.name]
        assert properties.keys() <= declared.keys(), row
        assert declared.keys() - properties.keys() <= MAY_BE_ABSENT, row
        assert all(declared[key](value) for key, value in properties.items()), row
        seen.setdefault(row.name, set()).update(properties)
        if row.name == "merge_request.merged":
            assert ("hours_to_approve" in properties) == properties["under_approval_rule"]
    assert {name: set(declared) for name, declared in PROPERTIES.items()} == seen


def test_bots_and_missing_measurements(sample: Sample) -> None:
    pipelines = [json.loads(row.properties) for row in sample.rows if row.name in (CI_OLD, CI_NEW)]
    unmeasured = [p for p in pipelines if p.get("duration_ms", 0) == -1000 or p.get("duration_s", 0) == -1]
    assert len(unmeasured) / len(pipelines) == pytest.approx(0.02, abs=0.007)
    assert sum(p["is_bot"] for p in pipelines) / len(pipelines) == pytest.approx(0.15, abs=0.02)
    bots = [row for row in sample.rows if row.name == CI_NEW and '"is_bot": true' in row.properties]
    assert {row.at.hour for row in bots} <= {1, 2, 3, 4}
    assert 1 < len({row.user for row in bots}) <= 6


def test_snapshots_grow_month_by_month(sample: Sample) -> None:
    found = snapshots(sample.home)
    days = list(found)
    assert all(day.day == 1 for day in days) and days[0] <= sample.summary.first_week
    assert (sample.summary.as_of - days[-1]).days < 31
    order = ["free", "premium", "ultimate"]
    upgrades = 0
    for earlier, later in pairwise(days):
        assert found[earlier].keys() <= found[later].keys()
        for account, row in found[earlier].items():
            now = found[later][account]
            upgrades += row["plan"] != now["plan"]
            assert order.index(row["plan"]) <= order.index(now["plan"])
            assert (row["created_on"], row["segment"]) == (now["created_on"], now["segment"])
    assert len(found[days[0]]) < len(found[days[-1]]) and upgrades > 0
    for day, rows in found.items():
        assert all(date.fromisoformat(row["created_on"]) <= day for row in rows.values())
        assert [row["is_internal"] for row in rows.values()].count("true") == 1


def test_accounts_are_listed_when_first_active(sample: Sample) -> None:
    """All but the few that start working within the month in which they were created."""
    listed: dict[str, date] = {}
    created: dict[str, date] = {}
    for day, rows in snapshots(sample.home).items():
        for account, attributes in rows.items():
            listed.setdefault(account, day)
            created[account] = date.fromisoformat(attributes["created_on"])
    first: dict[str, datetime] = {}
    for row in sample.rows:
        first[row.account] = min(first.get(row.account, row.at), row.at)
    unlisted = {a for a, at in first.items() if a not in listed or listed[a] > monday(at) + timedelta(days=6)}
    assert len(unlisted) <= 0.1 * len(first)
    assert all(created[account] <= at.date() for account, at in first.items() if account in created)


@pytest.mark.parametrize(
    ("weeks", "accounts", "events"),
    [
        (1, 3, 50),
        (1, 1, 1),
        (1, 1, 0),
        (2, 1, 40),
        (3, 5, 0),
        (6, 4, 500),
        (11, 3, 400),
        (12, 2, 900),
        (20, 2, 7),
    ],
)
def test_small_specs(tmp_path: Path, weeks: int, accounts: int, events: int) -> None:
    spec = SampleSpec(weeks=weeks, accounts=accounts, events=events, end=date(2026, 1, 1))
    calls: list[tuple[int, int]] = []
    small = read(tmp_path, write_sample(tmp_path, spec, lambda done, of: calls.append((done, of))))
    assert calls == [(week + 1, weeks) for week in range(weeks)]
    assert small.summary.rows == len(small.rows) + len(small.bad)
    assert abs(small.summary.rows - events) <= 0.1 * events + weeks
    assert bool(small.summary.incidents) == (weeks >= 12 and events >= 50 * weeks)
    assert small.summary.as_of == date(2026, 1, 1)
    assert (tmp_path / "landing/usage_events").is_dir() and snapshots(tmp_path)


@pytest.mark.parametrize("fields", [{"weeks": 0}, {"accounts": 0}, {"events": -1}, {"seed": -1}])
def test_impossible_specs_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"SampleSpec.{next(iter(fields))} is"):
        SampleSpec(**fields)  # type: ignore[arg-type]


def test_record_and_settings(sample: Sample, tmp_path: Path) -> None:
    told = json.loads((sample.home / "sample.json").read_text())
    assert told["spec"] == {"weeks": 20, "accounts": 80, "events": 30000, "seed": 11, "end": "2026-03-01"}
    assert [i["kind"] for i in told["incidents"]] == [i.kind for i in sample.summary.incidents]
    assert {i["kind"] for i in told["incidents"]} == {
        *("rename", "outage", "bad_file", "bad_rows", "redelivered", "conflicting_ids")
    }
    settings = sample.home / "playbook/settings.yaml"
    assert settings.read_text() == "company: Example Forge\nas_of: 2026-02-26\n"

    (tmp_path / "playbook").mkdir()
    (tmp_path / "playbook/settings.yaml").write_text("company: Ours\n")
    write_sample(tmp_path, SampleSpec(weeks=1, accounts=1, events=5))
    assert (tmp_path / "playbook/settings.yaml").read_text() == "company: Ours\n"


def test_a_home_with_other_data_is_refused(tmp_path: Path) -> None:
    spec = SampleSpec(weeks=2, accounts=3, events=60)
    write_sample(tmp_path, spec)
    before = tree_hash(tmp_path)
    write_sample(tmp_path, spec)
    assert tree_hash(tmp_path) == before
    with pytest.raises(SampleClash, match="another sample"):
        write_sample(tmp_path, SampleSpec(weeks=3, accounts=3, events=60))
    assert tree_hash(tmp_path) == before
    (tmp_path / "sample.json").unlink()
    with pytest.raises(SampleClash, match="data that is not a sample"):
        write_sample(tmp_path, spec)
