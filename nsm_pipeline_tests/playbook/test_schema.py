"""The JSON Schemas: as the code says, good for editors, and of one mind with the program on what they can see."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from homes import here
from test_wrong_playbooks import BASE, CASES, SETTINGS, change

from nsm_pipeline.playbook.loading import PACKAGED
from nsm_pipeline.playbook.metric_models import NEEDS
from nsm_pipeline.playbook.schema import COMMITTED, KINDS, file_name, modeline, schema_of, schema_text

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted([*PACKAGED.glob("*.yaml"), *(ROOT / "examples").glob("*/playbook/*.yaml")])


def kind_of(file: Path) -> str:
    return "settings" if file.stem == "settings" else "use_case"


def plain(value: Any) -> Any:
    """As an editor sees it, to whom a date is text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def problems(document: Any, kind: str = "use_case") -> list[str]:
    return [error.message for error in validator(kind).iter_errors(plain(document))]


@cache
def validator(kind: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_what_the_code_says(kind: str) -> None:
    """Where this fails: `nsm schema --out nsm_pipeline/playbook/schemas`."""
    assert (COMMITTED / file_name(kind)).read_text(encoding="utf-8") == schema_text(kind)
    jsonschema.Draft7Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(ROOT)))
def test_shipped_files_name_their_schema_and_keep_to_it(file: Path) -> None:
    first, *_ = file.read_text(encoding="utf-8").splitlines()
    prefix = modeline(Path())[:-1]
    assert first.startswith(prefix), f"{file} does not begin with {prefix}…"
    assert (file.parent / first.removeprefix(prefix)).resolve() == COMMITTED / file_name(kind_of(file))
    assert problems(yaml.safe_load(file.read_text(encoding="utf-8")), kind_of(file)) == []


def mappings(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a mapping with declared keys."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            yield path, node
        for key, value in node.items():
            yield from mappings(value, f"{path}/{key}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from mappings(value, f"{path}/{place}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_described_and_no_other_is_accepted(kind: str) -> None:
    for path, mapping in mappings(schema_of(kind)):
        assert mapping["additionalProperties"] is False, path
        for key, schema in mapping["properties"].items():
            assert schema["description"].endswith("."), f"{path}: {key}"


RIGHT = [
    ("activity", "viewed"), ("activity", ["viewed"]), ("activity", {"of": "viewed", "where": "gift"}),
    ("slices", []), ("north_star", {"metric": "buyers", "target": {"growth_per_week": "7%"}}),
    ("north_star", {"metric": "buyers", "target": {"growth_per_week": 0.07}}),
    ("metrics/orders", {"count": ["order_placed", "viewed"], "window": "28 days"}),
    ("metrics/orders", {"quantile": "amount", "of": "order_placed", "q": "90%"}),
    ("metrics/orders", {"conversion": "user", "from": "viewed", "to": {"events": ["order_placed"], "where": "gift"},
                        "within": "2 weeks"}),
    ("metrics/orders", {"count_entities": "account", "of": "viewed", "having": ">= 40 per seat"}),
    ("events/order_placed/sources", [{"name": "a", "since": "2026-01-01", "properties": {"amount": "cents"}}]),
    ("events/order_placed/sources", [{"name": "a", "properties": {"amount": {"from": "cents", "divide_by": 100}}}]),
    ("gates", [{"table": "week", "expect_column_values_to_be_between": {"column": "growth", "min_value": 0}}]),
    ("gates", [{"table": "north_star", "metric": "buyers", "severity": "warning", "expect_x": None}]),
    ("tolerances", {"late": "60%", "volume_high": 4}), ("counter_metrics", [
        {"metric": "share", "protects": "buyers", "risk": "r", "warn": "3%", "breach": 0.05}]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), RIGHT, ids=str)
def test_what_the_program_reads_is_right_in_the_schema_too(path: str, value: Any) -> None:
    document = change(yaml.safe_load(BASE), {"change": {path: value}})
    KINDS["use_case"][0].model_validate(document)
    assert problems(document) == []


WRONG = [
    ("metrics/orders/cuont", "viewed"), ("metrics/Orders", {"count": "viewed"}), ("metrics/orders", {"title": "x"}),
    ("metrics/orders", {"count": "viewed", "sum": "amount"}), ("metrics/turnover", {"sum": "amount"}),
    ("metrics/orders/of", "viewed"), ("metrics/orders/window", "4 weekz"), ("metrics/orders/count", []),
    ("metrics/orders", {"quantile": "amount", "of": "viewed", "q": 1.5}), ("metrics/share/where", "gift"),
    ("metrics/orders", {"count_entities": "account", "of": "viewed", "having": "many"}),
    ("inputs", [{"metric": "orders", "dimension": "width"}]), ("status", "agred"), ("use_case", "../shop"),
    ("tolerances", {"late": "lots"}), ("owner", {"nmae": "x"}), ("owner", {}),
    ("events/order_placed/properties/amount/type", "numbr"), ("events/order_placed/sources", []),
    ("gates", [{"expect_x": {}}]), ("gates", [{"table": "week"}]), ("gates", [{"table": "weak", "expect_x": {}}]),
    ("gates", [{"table": "week", "expectation": "expect_x", "arguments": {}}]), ("checklist", {"fun": "yes"}),
    ("without", {"width": "no"}), ("review_by", 5), ("visoin", "x"), ("events", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), WRONG, ids=str)
def test_what_a_schema_can_see_it_refuses(path: str, value: Any) -> None:
    document = change(yaml.safe_load(BASE), {"change": {path: value}})
    with pytest.raises(ValueError, match="validation error"):
        KINDS["use_case"][0].model_validate(copy.deepcopy(document))
    assert problems(document) != []


def test_the_schema_never_refuses_what_the_program_reads() -> None:
    """Over all wrong playbooks: what the models themselves accept (rules between keys are others') is right."""
    bases = {"shop.yaml": yaml.safe_load(BASE), "settings.yaml": yaml.safe_load(SETTINGS)}
    seen = 0
    for case in CASES:
        name = case.get("file", "shop.yaml")
        document = change(bases[name], case)
        kind = kind_of(Path(name))
        try:
            KINDS[kind][0].model_validate(copy.deepcopy(document))
        except ValueError:
            seen += bool(problems(document, kind))
        else:
            assert problems(document, kind) == []
    assert seen >= 50


@pytest.mark.parametrize("kind", NEEDS)
def test_every_metric_kind_has_a_shape(kind: str) -> None:
    shapes = schema_of("use_case")["$defs"]["Metric"]["oneOf"]
    (shape,) = [one for one in shapes if one["required"][0] == kind]
    assert set(shape["required"]) == {kind, *NEEDS[kind]}
    assert kind not in shape["properties"]


def test_nsm_schema(tmp_path: Path) -> None:
    said = here("schema", "--home", tmp_path)
    assert said.code == 0, said.err
    folder = tmp_path / "playbook" / ".schema"
    assert {file.name for file in folder.iterdir()} == {file_name(kind) for kind in KINDS}
    assert "# yaml-language-server: $schema=.schema/use_case.schema.json" in said.out
    for kind in KINDS:
        assert (folder / file_name(kind)).read_text(encoding="utf-8") == schema_text(kind)
        assert json.loads(here("schema", kind).out) == schema_of(kind)
    assert here("schema", "--out", tmp_path / "there").code == 0
    assert (tmp_path / "there" / file_name("settings")).is_file()
    said = here("schema", "usecase")
    assert said.code == 2
    assert "did you mean 'use_case'?" in said.err
    (tmp_path / "file").write_text("")
    said = here("schema", "--out", tmp_path / "file")
    assert said.code == 2
    assert "not writable" in said.err
