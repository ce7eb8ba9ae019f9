"""JSON Schemas of a use case file and of settings.yaml, for editors: completion, descriptions, red underlines.

What belongs here: from models to schema. What does not: what a key may hold and its description, which the models
say. A schema sees single keys; rules between keys are the program's (`checking`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings

DIALECT = "http://json-schema.org/draft-07/schema#"  # what editors understand best
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
COMMITTED = Path(__file__).parent / "schemas"
KINDS: Mapping[str, tuple[type[BaseModel], str]] = {
    "use_case": (UseCase, "A use case of the North Star Metric pipeline"),
    "settings": (Settings, "Settings of the North Star Metric pipeline"),
}


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a `use_case` or of `settings`, as plain data in JSON Schema's draft 7."""
    model, title = KINDS[kind]
    schema: dict[str, Any] = _tidy(model.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, **schema, "title": title}


def schema_text(kind: str) -> str:
    """The schema as the text of its file."""
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def file_name(kind: str) -> str:
    return f"{kind}.schema.json"


def modeline(schema: Path) -> str:
    """The first line of a YAML file by which editors find its schema."""
    return f"# yaml-language-server: $schema={schema.as_posix()}"


def write_schemas(folder: Path) -> list[Path]:
    """Writes both schemas into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / file_name(kind): schema_text(kind) for kind in KINDS}
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return list(files)


def _tidy(node: Any, inside: str = "") -> Any:
    """What pydantic writes, as editors need it: no titles that repeat a key's name, no defaults that say nothing,
    limits and alternatives where they act, nothing beside a reference (draft 7 ignores it), only names that fit."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if inside in ("properties", "$defs"):
        return {key: _tidy(value) for key, value in node.items()}
    tidy = {key: _tidy(value, key) for key, value in node.items() if key != "title"}
    if isinstance(tidy.get("default"), dict) or tidy.get("default") in (None, "", []):
        tidy.pop("default", None)
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if "anyOf" in tidy:
        limits = {LIMITS[key]: tidy.pop(key) for key in LIMITS if key in tidy}
        tidy.pop("minLength", None)  # of a list that may be one name, whose own length the list says
        flat = [inner for one in tidy["anyOf"] for inner in (one["anyOf"] if set(one) == {"anyOf"} else [one])]
        tidy["anyOf"] = [{**one, **limits} if one.get("type") == "number" else one for one in flat]
    if "$ref" in tidy and len(tidy) > 1:
        tidy["allOf"] = [{"$ref": tidy.pop("$ref")}]
    return tidy
