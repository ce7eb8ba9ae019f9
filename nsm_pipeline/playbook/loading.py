"""Reading playbook files into a checked `Playbook`.

What belongs here: files, YAML, and saying which key of which file is wrong. What does not: the shape of a
single key (`models`), rules between keys (`checking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from nsm_pipeline.errors import PlaybookError, nearest
from nsm_pipeline.playbook.checking import Checker
from nsm_pipeline.playbook.metric_models import Ratio
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.settings import Settings
from nsm_pipeline.playbook.words import ATTRIBUTES, RESERVED
from nsm_pipeline.weeks import WEEKDAYS, Calendar

PACKAGED = Path(__file__).parent / "packaged"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Playbook:
    """A checked set of definitions: the company's settings and its use cases by name."""

    settings: Settings
    use_cases: Mapping[str, UseCase]

    @property
    def calendar(self) -> Calendar:
        settings = self.settings
        return Calendar(settings.time_zone, WEEKDAYS.index(settings.week_starts_on), settings.as_of)

    def attributes(self) -> dict[str, str]:
        """Account attributes by name and type: the standard ones and those the settings declare."""
        return {**ATTRIBUTES, **self.settings.account_attributes}


def load_playbook(folder: Path, packaged: Path = PACKAGED) -> Playbook:
    """Read `settings.yaml` and every other YAML file of a folder; the packaged use cases where it has none.

    Raises PlaybookError naming file, key path, what was found and the nearest accepted name.
    """
    settings_file = folder / "settings.yaml"
    settings = _model(settings_file, Settings, _yaml(settings_file)) if settings_file.is_file() else Settings()
    _check_settings(settings_file, settings)
    files = _use_case_files(folder) or _use_case_files(packaged)
    use_cases: dict[str, UseCase] = {}
    for file in files:
        use_case = _model(file, UseCase, _yaml(file))
        if use_case.use_case in use_cases:
            raise PlaybookError(f"{file}: use_case: found '{use_case.use_case}', which another file defines too.")
        Checker(file, use_case, {**ATTRIBUTES, **settings.account_attributes}).check()
        use_cases[use_case.use_case] = use_case
    return Playbook(settings, dict(sorted(use_cases.items())))


def _use_case_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return sorted(file for file in files if file.stem != "settings" and not file.name.startswith("."))


class _UniqueKeys(yaml.SafeLoader):
    """YAML without its silent habit of letting the last of two equal keys win."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key.start_mark)
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key '{key.value}' stands twice", key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    """Every step of a run opens the home anew; its playbook is the same text nearly always."""
    return yaml.load(text, _UniqueKeys)  # noqa: S506 (a SafeLoader)


def _yaml(file: Path) -> Any:
    try:
        content = _parsed(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlaybookError(f"{file}: not readable: {error.strerror}.") from None
    except RecursionError:
        raise PlaybookError(f"{file}: not readable as YAML: nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: bytes that are not UTF-8, dates such as 2026-02-30
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PlaybookError(f"{file}: {place}not readable as YAML: {problem}.") from None
    return {} if content is None else content


def _model(file: Path, model: type[M], content: Any) -> M:
    if not isinstance(content, dict):
        raise PlaybookError(f"{file}: found {type(content).__name__}; a mapping of keys is needed.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise PlaybookError(_explain(file, model, error)) from None


def _explain(file: Path, model: type[BaseModel], error: ValidationError) -> str:
    # A metric in a ratio may be a name or a mapping: for a mapping, that it is no name says nothing.
    found = error.errors()
    errors = [e for e in found if not (e["type"] == "string_type" and isinstance(e["input"], dict))] or found
    first = min(errors, key=lambda e: e["type"] != "extra_forbidden")
    path = [part for place, part in enumerate(first["loc"]) if not _ours(first["loc"], place)]
    key_path = ".".join(str(part) for part in path) or "(top level)"
    more = f" ({len(errors) - 1} more after this one.)" if len(errors) > 1 else ""
    if first["type"] == "extra_forbidden":
        accepted = _keys_at(model, path[:-1])
        text = f"found the unknown key '{path[-1]}'; {nearest(str(path[-1]), accepted)}"
    elif first["type"] == "missing":
        text = f"the key '{path[-1]}' is needed and missing."
    elif first["type"] == "literal_error":
        accepted = str(first["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        text = f"found '{first['input']}'; {nearest(str(first['input']), accepted)}"
    elif first["type"] == "value_error":
        text = f"{str(first['ctx']['error']).rstrip('.')}."
    else:
        text = f"found {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}."
    return f"{file}: {key_path}: {text}{more}"


def _ours(path: tuple[int | str, ...], place: int) -> bool:
    """Whether a part of an error's place names a branch of our models, and no key of the user's file."""
    part = str(path[place])
    return "[" in part or (part == "Metric" and place > 0 and path[place - 1] in Ratio.model_fields)


def _keys_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """Accepted keys of the model that a key path leads to."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = _inner_model(current.model_fields[str(part)].annotation)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _inner_model(annotation: Any) -> Any:
    """The model inside a container's annotation, as in `dict[Name, Event]` or `tuple[Source, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _inner_model(inner)) is not None:
            return found
    return None


def _check_settings(file: Path, settings: Settings) -> None:
    calendar = Playbook(settings, {}).calendar
    if settings.first_week and settings.first_week != calendar.week_of_day(settings.first_week):
        raise PlaybookError(
            f"{file}: first_week: found {settings.first_week}, which is no {settings.week_starts_on.capitalize()}; "
            f"nearest: {calendar.week_of_day(settings.first_week)} or {calendar.next_start(settings.first_week)}."
        )
    if settings.first_week and settings.as_of and settings.first_week > settings.as_of:
        raise PlaybookError(f"{file}: first_week: found {settings.first_week}, which is after as_of {settings.as_of}.")
    for name in settings.account_attributes:
        if name in RESERVED:
            raise PlaybookError(f"{file}: account_attributes.{name}: the name is already taken by the pipeline.")
