"""Reading playbook files into a checked `Playbook`.

What belongs here: files, and saying which key of which file is wrong. What does not: YAML (`places`), the shape
of a single key (`models`), rules between keys (`checking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nsm_pipeline.errors import PlaybookError, WrongKey, nearest, printable
from nsm_pipeline.playbook.checking import Checker
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.places import Document, Unreadable, read
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

    @cached_property
    def calendar(self) -> Calendar:
        settings = self.settings
        return Calendar(settings.time_zone, WEEKDAYS.index(settings.week_starts_on), settings.as_of)

    def attributes(self) -> dict[str, str]:
        """Account attributes by name and type: the standard ones and those the settings declare."""
        return {**ATTRIBUTES, **self.settings.account_attributes}


def load_playbook(
    folder: Path, packaged: Path = PACKAGED, further: Callable[[UseCase], None] | None = None
) -> Playbook:
    """Read `settings.yaml` and every other YAML file of a folder; the packaged use cases where it has none.

    `further` holds a use case to rules that this room does not know and raises WrongKey. Raises PlaybookError naming
    file, line, key path, what was found and the nearest accepted name.
    """
    settings = load_settings(folder)
    files = _use_case_files(folder) or _use_case_files(packaged)
    use_cases: dict[str, UseCase] = {}
    defined_in: dict[str, Path] = {}
    for file in files:
        document = _read(file)
        with _placed(file, document):
            use_case = checked_model(UseCase, document.content)
            name = use_case.use_case
            if name in defined_in:
                raise WrongKey("use_case", f"found '{name}', which {defined_in[name].name} defines too.")
            Checker(file, use_case, {**ATTRIBUTES, **settings.account_attributes}).check()
            if further is not None:
                further(use_case)
        use_cases[name], defined_in[name] = use_case, file
    return Playbook(settings, dict(sorted(use_cases.items())))


def load_settings(folder: Path) -> Settings:
    """A folder's `settings.yaml`, the defaults where it has none. Raises PlaybookError."""
    file = folder / "settings.yaml"
    if not file.is_file():
        return Settings()
    with reading(file, Settings) as settings:
        _check_settings(settings)
    return settings


def defining_documents(folder: Path, packaged: Path = PACKAGED) -> dict[str, tuple[Path, Document]]:
    """Per use case the file that defines it and its lines, of a folder that loads."""
    found = {file: _read(file) for file in _use_case_files(folder) or _use_case_files(packaged)}
    return {str(document.content["use_case"]): (file, document) for file, document in found.items()}


@contextmanager
def reading(file: Path, model: type[M]) -> Iterator[M]:
    """What a file holds, as a model; a WrongKey that is raised within is told with the file and the line.

    Raises PlaybookError where the file cannot be read or holds anything else.
    """
    document = _read(file)
    with _placed(file, document):
        yield checked_model(model, document.content)


def _use_case_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return sorted(file for file in files if file.stem != "settings" and not file.name.startswith("."))


def _read(file: Path) -> Document:
    try:
        document = read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlaybookError(f"{file}: not readable: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PlaybookError(f"{file}: line {line}: not readable as UTF-8: {error.reason}.") from None
    except Unreadable as error:
        place = "" if error.line is None else f"line {error.line}: "
        raise PlaybookError(f"{file}: {place}not readable as YAML: {printable(error.problem)}.") from None
    if not isinstance(document.content, dict):
        found = type(document.content).__name__
        raise PlaybookError(f"{file}: line {document.line('')}: found {found}; a mapping of keys is needed.")
    return document


@contextmanager
def _placed(file: Path, document: Document) -> Iterator[None]:
    """Adds file and line to a refusal that names a key path."""
    try:
        yield
    except WrongKey as wrong:
        line = document.line(wrong.path)
        path = printable(wrong.path) or "(top level)"
        raise PlaybookError(f"{file}: line {line}: {path}: {printable(wrong.text)}") from None


def checked_model(model: type[M], content: Any) -> M:
    """Plain content as a model. Raises WrongKey with the key path and the nearest accepted name."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explained(model, content, error) from None


def _explained(model: type[BaseModel], content: Any, error: ValidationError) -> WrongKey:
    # A metric in a ratio may be a name or a mapping: for a mapping, that it is no name says nothing.
    found = error.errors()
    errors = [e for e in found if not (e["type"] == "string_type" and isinstance(e["input"], dict))] or found
    first = min(errors, key=lambda e: e["type"] != "extra_forbidden")
    path = _in_file(content, first["loc"], missing=first["type"] == "missing")
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
    return WrongKey(".".join(path), f"{text}{more}")


def _in_file(content: Any, path: Sequence[str | int], missing: bool) -> list[str]:
    """The parts of an error's place that are keys of the user's file; the rest name branches of our models. Of a
    missing key the last part is one that the file should have."""
    found: list[str] = []
    for part in path[:-1] if missing else path:
        if isinstance(content, dict):
            keys = {str(key): key for key in content}
            if str(part) not in keys:
                continue
            content = content[keys[str(part)]]
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            continue
        found.append(str(part))
    return [*found, str(path[-1])] if missing else found


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


def _check_settings(settings: Settings) -> None:
    calendar = Playbook(settings, {}).calendar
    if settings.first_week and settings.first_week != calendar.week_of_day(settings.first_week):
        raise WrongKey(
            "first_week",
            f"found {settings.first_week}, which is no {settings.week_starts_on.capitalize()}; "
            f"nearest: {calendar.week_of_day(settings.first_week)} or {calendar.next_start(settings.first_week)}.",
        )
    if settings.first_week and settings.as_of and settings.first_week > settings.as_of:
        raise WrongKey("first_week", f"found {settings.first_week}, which is after as_of {settings.as_of}.")
    for name in settings.account_attributes:
        if name in RESERVED:
            raise WrongKey(f"account_attributes.{name}", "the name is already taken by the pipeline.")
