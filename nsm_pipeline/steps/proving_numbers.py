"""Whether every published number is the one that its certificate vouches for.

What belongs here: rows of the current extract against sealed certificates, the whole extract against what would be
published of the lake now. What does not: growth (`proving_growth`), the bytes of files (`publishing.proving`,
`proving_lake`), computing values anew (`recomputing`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsm_pipeline.certification.certificates import Certificate
from nsm_pipeline.lake import signature_of
from nsm_pipeline.metrics.numbers import METRIC_ROWS
from nsm_pipeline.playbook.models import ROLES
from nsm_pipeline.publishing.proving import small_groups_of
from nsm_pipeline.publishing.rendering import CSV, IN_CSV, conform
from nsm_pipeline.publishing.suppression import NUMBERS, suppress
from nsm_pipeline.publishing.tables import DECLARED, RESTATEMENTS
from nsm_pipeline.steps.certificates import certificate_file, week_states
from nsm_pipeline.steps.opening import Open
from nsm_pipeline.steps.proof import ANEW, BACKUP, REPAIR, Finding, Proof, Row, listed
from nsm_pipeline.steps.proving_growth import FROM_VALUES, prove_growth
from nsm_pipeline.steps.proving_records import BrokenCertificate, read_certificate
from nsm_pipeline.steps.publication import derived, gather_tables, is_published
from nsm_pipeline.steps.release import Release, published_file

SHOWN = (*NUMBERS, "suppressed")
METRIC_COLUMNS = ("use_case", "week", "metric", "role", "slice", "slice_value", "state", "certificate_id", *NUMBERS)
GROWTH_COLUMNS = ("use_case", "week", "complete", "certificate_id", *FROM_VALUES)


def prove_numbers(opened: Open, folder: Path, damaged: Mapping[str, int], proof: Proof) -> None:
    """Prove or refute every row of a version of the extract. `damaged`: tables whose file is refuted, with their rows:
    whatever they say is not what was published."""
    rows: dict[str, list[Row]] = {}
    for table in (*ROLES, "growth"):
        if table in damaged:
            proof.numbers["refuted"] += damaged[table]
        elif (read := _published(folder, table, proof)) is not None:
            rows[table] = read
    limit = small_groups_of(folder)
    groups: dict[tuple[str, date], dict[str | None, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for table in ROLES:
        for row in rows.get(table, ()):
            groups[row["use_case"], row["week"]][row["certificate_id"]].append({**row, "table": table})
    for (name, week), by_certificate in sorted(groups.items()):
        for certificate_id, mine in by_certificate.items():
            if certificate_id is None:
                _flash(mine, limit, proof)
            else:
                certificate = _certificate(opened, name, week, certificate_id, mine, proof)
                if certificate is not None:
                    _prove_certificate(opened, certificate, proof)
                    _certified(certificate, mine, limit, frozenset(damaged), proof)
    if {"north_star", "growth"} <= rows.keys():
        prove_growth(opened, rows["north_star"], rows["growth"], proof)


def _published(folder: Path, table: str, proof: Proof) -> list[Row] | None:
    """Rows of a published table; None, and a refutation, where they are none that this program publishes."""
    needed = GROWTH_COLUMNS if table == "growth" else METRIC_COLUMNS
    try:
        found = pq.read_table(folder / f"{table}.parquet")
        if table != "growth" and "suppressed" not in found.column_names:  # of a version from before there was any
            found = found.append_column("suppressed", pa.array([False] * found.num_rows))
        if missing := [name for name in needed if name not in found.column_names]:
            raise ValueError(f"without the columns {', '.join(missing)}")
    except (pa.ArrowException, OSError, ValueError) as error:
        proof.numbers["refuted"] += 1
        proof.refute(f"extracts/current/{table}.parquet", f"a table {str(error).splitlines()[0]}", "numbers", ANEW)
        return None
    return list(found.to_pylist())


def _flash(rows: Sequence[Row], limit: int, proof: Proof) -> None:
    for row in rows:
        if row["state"] == "flash" and not _tells_of_few(row, limit):
            proof.numbers["flash"] += 1
            continue
        proof.numbers["refuted"] += 1
        if row["state"] == "flash":
            proof.refute(_named(row), _said(row), f"no numbers of fewer than {limit} accounts", ANEW)
        else:
            proof.refute(_named(row), f"state {row['state']} without a certificate", "a certificate", ANEW)


def _tells_of_few(row: Row, limit: int) -> bool:
    """Whether a row shows numbers although it is suppressed or, by itself, should be."""
    has_numbers = any(row[column] for column in NUMBERS)
    return has_numbers and (row["suppressed"] or (row["slice"] != "all" and (row["entities"] or 0) < limit))


def _certified(
    certificate: Certificate, rows: Sequence[Row], limit: int, damaged: frozenset[str], proof: Proof
) -> None:
    """Compare the rows of a use case and week that name a certificate with its values, small groups suppressed, both
    ways."""
    name, week, certificate_id = certificate.use_case, certificate.week, certificate.id
    values = suppress(certificate.rows.select(METRIC_ROWS.names).cast(METRIC_ROWS), limit).to_pylist()
    wanted = {_key(value): value for value in values if str(value["role"]) not in damaged}
    for row in rows:
        value = wanted.pop(_key(row), None)
        expected = f"no such row in {certificate_id}" if value is None else _said(value)
        if value is None or any(row[column] != value[column] for column in SHOWN):
            proof.numbers["refuted"] += 1
            proof.refute(_named(row), _said(row), f"{expected}, by certificate {certificate_id}", ANEW)
        elif row["state"] == "flash":
            proof.numbers["refuted"] += 1
            proof.refute(_named(row), "state flash beside a certificate", "certified", ANEW)
        else:
            proof.numbers["superseded" if row["state"] == "superseded_pending" else "proved"] += 1
    for value in wanted.values():
        proof.numbers["refuted"] += 1
        what = _named({**value, "use_case": name, "week": week, "table": value["role"]})
        proof.refute(what, "no such row", f"{_said(value)}, by certificate {certificate_id}", ANEW)


def _certificate(
    opened: Open, name: str, week: date, certificate_id: str, rows: Sequence[Row], proof: Proof
) -> Certificate | None:
    """The certificate that some rows name, if it is whole; else they are refuted."""
    file = published_file(opened.home, certificate_id)
    try:
        certificate = read_certificate(file).certificate
        if (certificate.use_case, certificate.week) == (name, week):
            return certificate
        found = f"the certificate of {certificate.use_case} {certificate.week}"
    except FileNotFoundError:
        found = "no such file"
    except BrokenCertificate as error:
        found = str(error)
    proof.numbers["refuted"] += len(rows)
    what = f"{len(rows)} numbers of {name} {week}, by {file.relative_to(opened.home.root)}"
    proof.refute(what, found, f"the sealed certificate {certificate_id}", BACKUP)
    return None


def _prove_certificate(opened: Open, certificate: Certificate, proof: Proof) -> None:
    """Compare a certificate's values with the tables that it was made from, where they are still those."""
    name, week = certificate.use_case, certificate.week
    for role in (one for one in ROLES if one in certificate.fingerprints):
        if opened.lake.file(role, name, week) in proof.damaged:
            continue
        table = opened.lake.read_made_from(certificate.fingerprints[role], role, name, week)
        if table is None:
            continue  # made anew since, from something else: the certificate alone knows what it was
        stored = {_key(row): row for row in table.to_pylist()}
        for value in certificate.values:
            row = stored.get(_key(value)) if value["role"] == role else value
            if row is None or any(row[column] != value[column] for column in NUMBERS):
                file = certificate_file(opened, name, week)
                what = f"certificate {certificate.id}: {value['metric']} {value['slice']} {value['slice_value']}"
                expected = f"{_said(row) if row else 'no such row'}, as in lake/{role}/{name}/{week}.parquet"
                proof.refute(what, _said(value), expected, REPAIR)
                proof.damaged.add(file)


def prove_rendering(opened: Open, folder: Path, proof: Proof) -> None:
    """Compare the whole extract with what would be published of the lake now, where nothing has changed since."""
    before = _moment(opened)
    if not is_published(opened):
        proof.notes.append(
            "Landed rows or definitions have changed since the extract was published: it was compared with its "
            "certificates, and not with what would be published now."
        )
        return
    release = Release.of(opened)
    states = {name: list(week_states(opened, name, release=release)) for name in opened.plans}
    tables = gather_tables(opened, states, release)
    ledger = pq.read_table(folder / f"{RESTATEMENTS.name}.parquet")
    tables |= derived(opened, {**conform(tables), RESTATEMENTS.name: ledger})
    findings: list[Finding] = []
    for declared in (one for one in DECLARED if one.name in tables):
        file = f"extracts/current/{declared.name}.parquet"
        wanted = tables[declared.name].select(declared.schema.names).cast(declared.schema)
        found = pq.read_table(folder / f"{declared.name}.parquet")
        for key, mine, anew in _differences(found, wanted, declared.key):
            findings.append(Finding(f"{file}: {key}", mine, f"{anew}, made anew from the lake", ANEW))
        if declared in IN_CSV and (folder / CSV.path(declared.name)).read_bytes() != CSV.content(found):
            what, wanted_text = f"extracts/current/{CSV.path(declared.name)}", f"what {declared.name}.parquet says"
            findings.append(Finding(what, "other text", wanted_text, ANEW))
    if findings and _moment(opened) != before:
        proof.notes.append("A run has changed the home meanwhile: the extract was not made anew from the lake.")
        return
    proof.refuted.extend(findings)
    proof.publications["made anew from the lake"] += not findings


def _moment(opened: Open) -> object:
    ledger = opened.home.lake / "ledger.json"
    return signature_of(ledger) if ledger.is_file() else None


def _differences(found: pa.Table, wanted: pa.Table, key: Sequence[str]) -> list[tuple[str, str, str]]:
    """Rows that differ: key, what is there, what would be."""
    if found.equals(wanted.sort_by([(name, "ascending") for name in key])):
        return []
    sides = [{tuple(row[name] for name in key): row for row in side.to_pylist()} for side in (found, wanted)]
    differing = []
    for one in sorted(sides[0].keys() | sides[1].keys()):
        mine, anew = (side.get(one) for side in sides)
        columns = [name for name in found.column_names if mine is None or anew is None or mine[name] != anew[name]]
        if mine != anew:
            before, after = ("no row" if row is None else listed(row, columns[:4]) for row in (mine, anew))
            differing.append((" ".join(map(str, one)), before, after))
    return differing


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["metric"], row["role"], row["slice"], row["slice_value"]


def _named(row: Mapping[str, Any]) -> str:
    cut = "" if row["slice"] == "all" else f", {row['slice']} = {row['slice_value']}"
    return f"extracts/current/{row['table']}.parquet: {row['metric']} of {row['use_case']} {row['week']}{cut}"


def _said(row: Mapping[str, Any]) -> str:
    has_none = all(row[column] is None for column in NUMBERS)
    return "no numbers, being of a small group" if row.get("suppressed") and has_none else listed(row, NUMBERS)
