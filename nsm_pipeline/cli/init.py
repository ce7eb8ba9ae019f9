"""`nsm init`: from a workshop's answers, or from what has landed, to a playbook file.

What belongs here: which of the ways was asked for, writing files that were not there, what is said about it. What does
not: the questions (`interview`), what follows from answers (`workshop`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nsm_pipeline.cli.interview import interview
from nsm_pipeline.cli.landed_table import landing_document, print_landed
from nsm_pipeline.cli.progress import bar
from nsm_pipeline.engines.duckdb import Engine
from nsm_pipeline.errors import PlaybookError, UserError, nearest
from nsm_pipeline.events.landing import FOLDERS, ingest, load_ledger
from nsm_pipeline.events.ledger import Ledger
from nsm_pipeline.home import Home
from nsm_pipeline.lake import Lake, write_text
from nsm_pipeline.playbook.loading import Playbook, load_playbook, load_settings, reading
from nsm_pipeline.playbook.models import UseCase
from nsm_pipeline.playbook.schema import file_name, modeline, write_schemas
from nsm_pipeline.playbook.settings import Settings
from nsm_pipeline.playbook.words import PropertyType
from nsm_pipeline.workshop.answers import Answers
from nsm_pipeline.workshop.blank import blank_text
from nsm_pipeline.workshop.checklist import ranked, total
from nsm_pipeline.workshop.combining import completed, stand_in
from nsm_pipeline.workshop.composing import Composed, composed
from nsm_pipeline.workshop.observed import landed
from nsm_pipeline.workshop.proposing import Proposals, proposals
from nsm_pipeline.workshop.yaml_text import Noted, yaml_text

SCHEMAS = Path(".schema")  # beside the playbook files, whose first line names it


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    home: Home
    answers: Path | None
    blank: Path | None
    from_landing: bool
    events: Sequence[str]
    use_case: str | None
    output: Path | None
    force: bool
    as_json: bool


@dataclass(frozen=True)
class Found:
    """What the landing zone shows, with the ledger it was read into."""

    proposed: Proposals
    ledger: Ledger


def init(order: Order) -> None:
    """Make a playbook, or an empty answers file. Raises UserError; nothing is written then."""
    settings = load_settings(order.home.playbook)
    if order.events and not order.from_landing:
        raise UserError("--event: it goes with --from-landing, and names an event as it is sent.")
    if order.blank is not None:
        return _blank(order, settings, order.blank)
    if order.answers is not None:
        found = _found(order, settings) if order.from_landing else None
        with reading(order.answers, Answers) as answers:
            answers = answers if found is None else completed(answers, found.proposed)
            made = _composed(order, answers, settings, found)
    elif order.from_landing:
        found = _found(order, settings)
        answers = stand_in(_name(order.use_case or "product"), found.proposed.events)
        made = _composed(order, answers, settings, found)
    elif order.as_json:
        raise UserError("--json: it goes with --answers, --from-landing or --blank; the questions are for people.")
    else:
        found = _found(order, settings) if _has_landed(order.home) else None
        answers, made = _interviewed(order, settings, found)
    return _write(order, settings, answers, made, found)


def _interviewed(order: Order, settings: Settings, found: Found | None) -> tuple[Answers, Composed]:
    """Answers of somebody at the terminal, and the playbook they make."""

    def free(name: str) -> str | None:
        target = order.output or order.home.playbook / f"{name}.yaml"
        try:
            _refuse_existing(target, order.force)
            _refuse_second(target, name)
        except UserError as error:
            return str(error)
        return None

    there = list(order.home.playbook.glob("*.y*ml"))
    attributes = {**settings.account_attributes, **(found.proposed.attributes if found and not there else {})}
    drafts = order.home.root / "workshop"
    answers = interview(attributes, found.proposed if found else None, free, drafts)
    return answers, _composed(order, answers, settings, found)


def _name(text: str) -> str:
    try:
        return Answers.model_validate({"use_case": text, "title": text, "owner": {"name": text}}).use_case
    except ValueError:
        raise UserError(
            f"--use-case: found '{text}'; a name is lower-case letters, digits and _, starting with a letter."
        ) from None


def _has_landed(home: Home) -> bool:
    return any((home.landing / folder).is_dir() for folder in FOLDERS) or bool(load_ledger(home).deliveries)


def _found(order: Order, settings: Settings) -> Found:
    """What has landed, read as `nsm run` reads it: it finds all files read already."""
    home = order.home
    if not _has_landed(home):
        raise UserError(f"{home.landing}: nothing has landed there. Put files under usage_events/ and accounts/.")
    engine = Engine.of(settings.engine, home.spill)
    with bar("init") as advance:
        ledger = ingest(home, engine, Playbook(settings, {}), lambda done, of, _: advance("landing files", done, of))
        seen = landed(Lake(home.lake), ledger, engine, order.events)
    names = [event.name for event in seen.events]
    if order.from_landing and not seen.events and not order.events:
        raise UserError(f"{home.landing}: no row of a usage event could be read there; `nsm status` says why.")
    for name in order.events:
        if name not in names:
            everything = landed_names(home, ledger, engine)
            raise UserError(f"--event: found '{name}', which has not landed; {nearest(name, everything)}")
    return Found(proposals(seen, settings.account_attributes), ledger)


def landed_names(home: Home, ledger: Ledger, engine: Engine) -> list[str]:
    return [event.name for event in landed(Lake(home.lake), ledger, engine).events]


def _composed(order: Order, answers: Answers, settings: Settings, found: Found | None) -> Composed:
    attributes = {**settings.account_attributes, **_to_declare(order, answers, found)}
    notes = found.proposed.notes(list(answers.events)) if found else None
    schema = modeline(SCHEMAS / file_name("use_case")).removeprefix("# ")
    return composed(answers, attributes, notes, (schema,) if order.output is None else ())


def _target(order: Order, answers: Answers) -> Path:
    return order.output or order.home.playbook / f"{answers.use_case}.yaml"


def _to_declare(order: Order, answers: Answers, found: Found | None) -> Mapping[str, PropertyType]:
    """Account attributes that go into new settings: where neither settings nor other use cases are there already,
    which they might not suit."""
    target = _target(order, answers)
    there = [file for file in order.home.playbook.glob("*.y*ml") if file.resolve() != target.resolve()]
    return found.proposed.attributes if found and not there else {}


def _write(order: Order, settings: Settings, answers: Answers, made: Composed, found: Found | None) -> None:
    folder = order.home.playbook
    target = _target(order, answers)
    _refuse_existing(target, order.force)
    _refuse_second(target, answers.use_case)
    new_settings = _settings_text(found.proposed) if found and _to_declare(order, answers, found) else None
    _prove(made, new_settings or yaml_text({"account_attributes": dict(settings.account_attributes)}))
    if order.output is None:
        write_schemas(folder / SCHEMAS)
    write_text(target, made.text, journal=False)
    if new_settings is not None:
        write_text(folder / "settings.yaml", new_settings, journal=False)
    report = {
        "use_case": answers.use_case,
        "file": str(target),
        "settings": str(folder / "settings.yaml") if new_settings else None,
        "north_star": made.use_case.north_star.metric,
        "events": list(made.use_case.events),
        "metrics": list(made.use_case.metrics),
        "candidates": [{"name": one.name, "points": total(one)} for one in ranked(answers.contenders)],
        "account_attributes": dict(found.proposed.attributes) if found else {},
        "left_out": list(found.proposed.left_out) if found else [],
        "landing": landing_document(found.proposed, found.ledger) if found else None,
    }
    if order.as_json:
        print(json.dumps(report, indent=1, default=str))
    else:
        _tell(order, report, found)


def _refuse_existing(file: Path, force: bool) -> None:
    if file.exists() and not force:
        raise UserError(
            f"{file}: exists already and is left as it is. Choose another name, or overwrite it with --force."
        )


def _refuse_second(target: Path, use_case: str) -> None:
    """Refuse a use case that another file of the folder defines: the folder would not load any more."""
    for file in sorted(target.parent.glob("*.y*ml")):
        if file.stem == "settings" or file.resolve() == target.resolve():
            continue
        try:
            with reading(file, UseCase) as other:
                name = other.use_case
        except PlaybookError:
            continue  # `nsm run` says what is wrong with it; it is not in the way here
        if name == use_case:
            raise UserError(f"{file}: defines the use case '{use_case}' already; choose another name for this one.")


def _settings_text(proposed: Proposals) -> str:
    attributes = {
        name: Noted(kind, beside=proposed.attribute_notes[name]) for name, kind in proposed.attributes.items()
    }
    return yaml_text(
        {"account_attributes": Noted(attributes, ("Further columns of the account snapshots.",), below=True)}
    )


def _prove(made: Composed, settings: str) -> None:
    """Load the file as `nsm run` will, before it is written: what is written can be used."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder)
        (trial / "use_case.yaml").write_text(made.text, encoding="utf-8")
        (trial / "settings.yaml").write_text(settings, encoding="utf-8")
        if load_playbook(trial, trial).use_cases[made.use_case.use_case] != made.use_case:
            raise RuntimeError(f"the file for '{made.use_case.use_case}' reads back as something else")


def _blank(order: Order, settings: Settings, file: Path) -> None:
    if order.answers is not None:
        raise UserError("--blank and --answers: one writes an empty answers file, the other reads one; choose one.")
    found = _found(order, settings) if order.from_landing else None
    _refuse_existing(file, order.force)
    write_text(file, blank_text(found.proposed if found else None), journal=False)
    if order.as_json:
        landing = landing_document(found.proposed, found.ledger) if found else None
        print(json.dumps({"answers": str(file), "landing": landing}, indent=1, default=str))
    else:
        Console(soft_wrap=True).print(
            f"Wrote {file}: print it or fill it in, then `nsm init --answers {file}`.", highlight=False, markup=False
        )


def _tell(order: Order, report: dict[str, Any], found: Found | None) -> None:
    console = Console(soft_wrap=True)
    if found:
        print_landed(console, found.proposed, found.ledger)
        if found.proposed.attributes and not report["settings"]:
            settings = yaml_text({"account_attributes": dict(found.proposed.attributes)})
            console.print(f"To be added to {order.home.playbook / 'settings.yaml'}:\n{settings}", markup=False)
    for file in filter(None, (report["settings"], report["file"])):
        console.print(f"Wrote {file}", highlight=False, markup=False)
    console.print(
        f"North Star of '{report['use_case']}': {report['north_star']}; {len(report['events'])} events, "
        f"{len(report['metrics'])} metrics. Read it, then `nsm run`.",
        highlight=False,
        markup=False,
    )
