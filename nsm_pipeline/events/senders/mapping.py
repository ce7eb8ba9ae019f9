"""`records` → the view `source`, in the columns of the landing contract: one statement, whatever the sender.

What belongs here: picking values out of records, and why a row lacks one. What does not: formats (`records`), what
else makes a row valid (`events.landed`).

Paths and names from settings.yaml are bound as parameters; they never become SQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from nsm_pipeline.events.files import UnusableFile
from nsm_pipeline.events.senders.declared import Reading
from nsm_pipeline.events.senders.instants import by_rules_sql, local_sql, rules_by_year, zoned_sql
from nsm_pipeline.events.senders.records import open_records
from nsm_pipeline.playbook.senders import Added, Place, TimePlace, pointer

REQUIRED = ("event_id", "event_name", "account_id")
NO_ZONE = "{0} has no zone, and 'zone' says none for its folder (looked at {1})"
NO_TIME = "{0} is not a time (looked at {1}, read as {2})"


def open_sent(connection: duckdb.DuckDBPyConnection, path: Path, exact: bool, reading: Reading) -> None:
    """Create the view `source` over one file, as `events.reading` does. Raises UnusableFile."""
    try:
        open_records(connection, path, reading, exact)
        connection.execute(*_statement(reading))
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise UnusableFile(f"unreadable: {str(error).splitlines()[0][:300]}") from None
    connection.execute("CREATE OR REPLACE TEMP VIEW source AS FROM mapped")


def _own_zone(place: TimePlace) -> bool:
    """Whether a zone's rules are asked for."""
    return place.zone not in (None, "UTC") and not str(place.times).startswith("epoch_")


class _Parameters:
    """Values by the name under which a statement has them."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def bind(self, value: object) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"


def _statement(reading: Reading) -> tuple[str, dict[str, object]]:
    """SQL and parameters of the table `mapped` from `records`. Row order is kept."""
    bound = _Parameters()
    place_of = {path: number for number, path in enumerate(reading.paths, start=1)}
    texts = {name: _text(place, place_of, bound) for name, place in reading.texts.items()}
    times = {name: place for name, place in reading.times.items() if place is not None}
    said = {name: _first(place.source, place_of) for name, place in times.items()}
    objects = reading.fields.properties.source if reading.fields.properties else ()
    pointers = bound.bind([pointer(path) for path in reading.paths])
    # A record is parsed anew at every call: whole values only where some are asked for.
    whole = f", json_extract(record, {pointers}) AS j" if reading.add else ""
    sql = f"""CREATE OR REPLACE TEMP TABLE mapped AS
        WITH looked AS (SELECT row_number, record, problem, raw, json_extract_string(record, {pointers}) AS s,
            json_type(record, {pointers}) AS t{whole} FROM records),
        texts AS (SELECT *,
            {", ".join(f"{text} AS {name}" for name, text in texts.items())},
            {", ".join(f"trim({text}) AS said_{name}" for name, text in said.items())} FROM looked),
        instants AS (SELECT *,
            {", ".join(_instants(name, place) for name, place in times.items())} FROM texts),
        known AS (SELECT row_number, problem, raw, {", ".join(texts)},
            {", ".join(_known(name, times.get(name), bound) for name in reading.times)},
            {_properties(objects, reading, place_of, bound)} AS properties,
            {_wrong_objects(objects, place_of, bound)} AS wrong_object,
            {", ".join(f"said_{name}" for name in times)}, {", ".join(f"local_{name}" for name in times)}
            FROM instants)
        SELECT row_number, event_id, event_name, occurred_at, received_at, account_id, user_id,
            CASE WHEN problem IS NULL AND wrong_object IS NULL THEN properties END AS properties,
            {_problem(reading, times, bound)} AS problem, raw FROM known"""
    return sql, bound.values


def _first(paths: Sequence[str], place_of: dict[str, int]) -> str:
    """SQL of the first text or number, other than an empty one, that stands at one of the paths."""
    found = [
        f"CASE WHEN t[{place_of[path]}] NOT IN ('OBJECT', 'ARRAY') AND trim(s[{place_of[path]}]) <> '' "
        f"THEN s[{place_of[path]}] END"
        for path in paths
    ]
    return f"coalesce({', '.join(found)})"


def _text(place: Place | None, place_of: dict[str, int], bound: _Parameters) -> str:
    if place is None:
        return "NULL::VARCHAR"
    if place.always is not None:
        return f"CASE WHEN problem IS NULL THEN {bound.bind(place.always)}::VARCHAR END"
    if place.source:
        return _first(place.source, place_of)
    parts = [_first([path], place_of) for path in place.join]
    # As a list in JSON: 'a|b' and 'c' are another id than 'a' and 'b|c'.
    whole = " AND ".join(f"{part} IS NOT NULL" for part in parts)
    return f"CASE WHEN {whole} THEN to_json([{', '.join(parts)}])::VARCHAR END"


def _instants(name: str, place: TimePlace) -> str:
    how = str(place.times)
    return f"{zoned_sql(f'said_{name}', how)} AS zoned_{name}, {local_sql(f'said_{name}', how)} AS local_{name}"


def _known(name: str, place: TimePlace | None, bound: _Parameters) -> str:
    """SQL of an instant from what is said with a zone, and what is said on a local clock by its rules."""
    if place is None:
        return f"NULL::TIMESTAMP AS {name}"
    local = "NULL::TIMESTAMP"
    if place.zone is not None:
        local = f"local_{name}"
        if _own_zone(place):
            local = by_rules_sql(local, f"{bound.bind(rules_by_year(place.zone))}::BIGINT[][][]")
    return f"coalesce(zoned_{name}, {local}) AS {name}"


def _properties(objects: Sequence[str], reading: Reading, place_of: dict[str, int], bound: _Parameters) -> str:
    """SQL of the properties: the rest of the record where it is kept, then what is added, then each object: what
    the event itself says wins, as in the landing contract."""
    parts = ["'{}'::JSON"]
    if reading.keep:
        parts = [f"json_merge_patch(record::JSON, {bound.bind(json.dumps(dict.fromkeys(reading.mapped)))}::JSON)"]
    if reading.add:
        names = bound.bind(list(reading.add))
        values = ", ".join(_added(one, place_of, bound) for one in reading.add.values())
        parts.append(f"to_json(map({names}::VARCHAR[], [{values}]))")
    parts += [_object(place_of[path]) for path in objects]
    merged = parts[0] if len(parts) == 1 else f"json_merge_patch({', '.join(parts)})"
    return f"CASE WHEN record IS NOT NULL THEN {merged}::VARCHAR END"


def _object(place: int) -> str:
    """SQL of an object at a path, also where it is written as text; an empty one where it is anything else."""
    as_text = f"t[{place}] = 'VARCHAR' AND json_valid(s[{place}]) AND ltrim(s[{place}])[1] = '{{'"
    return f"CASE WHEN t[{place}] = 'OBJECT' OR ({as_text}) THEN s[{place}]::JSON ELSE '{{}}'::JSON END"


def _wrong_objects(objects: Sequence[str], place_of: dict[str, int], bound: _Parameters) -> str:
    """SQL of why the properties can't be read, null where they can or are not there."""
    cases = []
    for path in objects:
        place = place_of[path]
        here = f"coalesce(t[{place}], 'NULL') NOT IN ('OBJECT', 'NULL') AND trim(s[{place}]) <> ''"
        text = f"t[{place}] = 'VARCHAR' AND ltrim(s[{place}])[1] = '{{'"
        cases.append(f"WHEN {text} AND NOT json_valid(s[{place}]) THEN 'properties are not readable as JSON'")
        wrong = bound.bind(f"properties are not an object (looked at {path})")
        cases.append(f"WHEN {here} AND NOT ({text}) THEN {wrong}")
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"


def _added(added: Added, place_of: dict[str, int], bound: _Parameters) -> str:
    """SQL of a further property as JSON, null where it is not there or is a number that means so."""
    found = ", ".join(f"CASE WHEN t[{place_of[path]}] <> 'NULL' THEN j[{place_of[path]}] END" for path in added.source)
    if not added.missing:
        return f"coalesce({found})"
    missing = bound.bind(list(added.missing))
    texts = _first(added.source, place_of)
    means_so = f"list_contains({missing}::DOUBLE[], try_cast({texts} AS DOUBLE))"
    return f"CASE WHEN {means_so} THEN NULL ELSE coalesce({found}) END"


def _problem(reading: Reading, times: dict[str, TimePlace], bound: _Parameters) -> str:
    """SQL of why a row can't be used, naming the places that were looked at; null where nothing is wrong so far."""
    cases = ["WHEN problem IS NOT NULL THEN problem"]
    for name in REQUIRED:
        place = reading.texts[name]
        paths = place.paths if place else ()
        together = " and ".join(paths) if place and place.join else " or ".join(paths)
        cases.append(f"WHEN {name} IS NULL THEN {bound.bind(f'{name} is missing (looked at {together})')}")
    for name, time in times.items():
        looked = " or ".join(time.source)
        if name == "occurred_at":
            cases.append(f"WHEN said_{name} IS NULL THEN {bound.bind(f'{name} is missing (looked at {looked})')}")
        none = f"said_{name} IS NOT NULL AND {name} IS NULL"
        cases.append(f"WHEN {none} AND local_{name} IS NOT NULL THEN {bound.bind(NO_ZONE.format(name, looked))}")
        cases.append(f"WHEN {none} THEN {bound.bind(NO_TIME.format(name, looked, time.times))}")
    cases.append("ELSE wrong_object")
    return f"CASE {' '.join(cases)} END"
