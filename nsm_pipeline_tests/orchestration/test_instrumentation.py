"""What the Dagster UI shows about instrumentation, from a real run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from homes import copy, here

KEY = dg.AssetKey(["ci", "instrumentation"])


@pytest.fixture(scope="module")
def home(published_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: Dagster writes where it is asked."""
    return copy(published_home, tmp_path_factory.mktemp("shown") / "home")


def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], Any]:
    """Metadata of the newest materialisation as text, and the newest outcome of the check."""
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        materialization = instance.get_latest_materialization_event(KEY)
        assert materialization is not None
        assert materialization.asset_materialization is not None
        metadata = {name: str(value.value) for name, value in materialization.asset_materialization.metadata.items()}
        check = dg.AssetCheckKey(KEY, "no_drift")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
        event = record.event
        assert event is not None
        assert event.dagster_event is not None
        return metadata, event.dagster_event.asset_check_evaluation_data


def test_the_asset_shows_sources_alarms_and_lateness(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata, check = told(home, monkeypatch)
    assert "| pipeline_finished | ci_pipeline_done |  | 2026-01-19 |" in metadata["sources"]
    assert "**2026-06-08** (outage) All events:" in metadata["alarms"]
    assert metadata["explained"] == "none"
    assert "| pipeline.finished |" in metadata["lateness"]
    assert "settles in days" in metadata["lateness"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert not check.blocking
    assert "outage" in str(check.metadata["alarms"].value)


@pytest.mark.slow
def test_an_annotation_turns_the_check_green(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = copy(home, tmp_path / "home")
    for name in ("ci", "security", "compliance"):
        text = (Path(__file__).parents[2] / f"nsm_pipeline/playbook/packaged/{name}.yaml").read_text()
        (mine / "playbook" / f"{name}.yaml").write_text(text)
    document = yaml.safe_load((mine / "playbook" / "ci.yaml").read_text())
    document["annotations"] = [{"week": "2026-06-08", "text": "Collection was down."}]
    (mine / "playbook" / "ci.yaml").write_text(yaml.safe_dump(document))
    assert here("backfill", "--home", mine, "--weeks", "2026-06-15").code == 3
    metadata, check = told(mine, monkeypatch)
    assert check.passed
    assert metadata["alarms"] == "none"
    assert "*Explained: Collection was down.*" in metadata["explained"]
