"""Every wrong `landing` entry is refused before a file is read: file, key path, what was found, what is accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from homes import here
from test_wrong_playbooks import refusal, write

from nsm_pipeline.events.senders.declared import PRESETS, Readings
from nsm_pipeline.playbook.loading import load_playbook
from nsm_pipeline.playbook.settings import Settings

CASES = yaml.safe_load((Path(__file__).parent / "wrong_landing.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["landing"]))
def test_wrong_entries(tmp_path: Path, case: dict[str, Any]) -> None:
    message = refusal(write(tmp_path, settings=yaml.safe_dump({"landing": case["landing"]}, sort_keys=False)))
    place, _, text = message.partition(": ")
    assert place == str(tmp_path / "settings.yaml")
    line, _, text = text.partition(": ")
    assert re.fullmatch(r"line \d+", line), message
    assert text.startswith(case["says"][0])
    for fragment in case["says"]:
        assert fragment in text, text


def test_the_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "senders.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    readings = Readings.of(load_playbook(write(tmp_path, settings=example)).settings.landing)
    assert set(readings.by_folder) == {"segment", "web/snowplow", "shop-db"}
    for preset, made in PRESETS.items():
        assert f"`{preset}`" in page
        for place in (made.fields.event_id, made.fields.event_name, made.fields.account_id, made.fields.user_id):
            for path in place.paths if place else ():
                assert path.removeprefix("properties.") in page, (preset, path)


def test_short_spellings_stand_in_the_schema() -> None:
    """Editors check settings.yaml by it: a path alone is as right as `from`."""
    schema = Settings.model_json_schema()
    event_id = schema["$defs"]["Fields"]["properties"]["event_id"]
    assert {"type": "string"} in event_id["anyOf"]


def test_one_folder_twice_in_the_same_words(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, settings="landing:\n  a: {zone: UTC}\n  a: {zone: UTC}\n"))
    assert "the key 'a' stands twice" in message


def test_nothing_is_read_under_wrong_settings(tmp_path: Path) -> None:
    """As the command line says it: exit code 2, one paragraph, and no lake."""
    (tmp_path / "playbook").mkdir()
    write(tmp_path / "playbook", settings="landing: {a: {preset: segmnt}}\n")
    (tmp_path / "landing" / "usage_events" / "a").mkdir(parents=True)
    (tmp_path / "landing" / "usage_events" / "a" / "f.jsonl").write_text("{}\n")
    said = here("run", "--home", tmp_path)
    assert said.code == 2
    assert "landing.a.preset" in said.err.replace("\n", "")
    assert not (tmp_path / "lake" / "ledger.json").exists()
