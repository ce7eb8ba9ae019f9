"""What has changed between two definitions in words (`wording`), one clause per change.

What belongs here: pure comparison of definitions. What does not: which tables they decide (`reasons`), making or
storing them (`wording`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsm_pipeline.lake import Document

UNKNOWN = "another definition than the one it was made by, which is not kept any more"
OTHERWISE = "its definition, though it reads the same"


def of_table(old: Document | None, new: Document | None) -> list[str]:
    """What has changed in what decides a weekly table: metrics, activity, account attributes."""
    if old is None or new is None:
        return [UNKNOWN]
    found = list(_metrics(old["metrics"], new["metrics"]))
    if old["activity"]["normal"] != new["activity"]["normal"]:
        found.append(f"activity changed from {old['activity']['text']} to {new['activity']['text']}")
    for name, one, other in _differing(old["attributes"], new["attributes"]):
        found.append(_presence(f"account attribute {name}", one, other))
    return found or [OTHERWISE]


def _metrics(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, one, other in _differing(old, new):
        if one is None or other is None:
            yield f"metric {name} is new: {other['text']}" if one is None else f"metric {name} is gone"
            continue
        if one["normal"] == other["normal"]:
            continue  # another spelling of the same
        said = False
        if one["text"] != other["text"]:
            said = True
            yield f"metric {name} changed from {one['text']} to {other['text']}"
        for below, was, now in _differing(one.get("of", {}), other.get("of", {})):
            if was is not None and now is not None:
                said = True
                yield f"metric {below}, of which {name} is made, changed from {was} to {now}"
        if one["slices"] != other["slices"]:
            said = True
            yield f"metric {name} is sliced by {_list(other['slices'])} instead of {_list(one['slices'])}"
        if not said:
            yield f"metric {name} changed in what it refers to"


def of_mapping(old: Document | None, new: Document | None) -> list[str]:
    """What has changed in how canonical events come out of landed rows: sources, copies, properties."""
    if old is None or new is None:
        return [UNKNOWN]
    found: list[str] = []
    for event, one, other in _differing(old["events"], new["events"]):
        if one is None or other is None:
            sources = (one or other)["sources"]
            said = "is gone" if other is None else "is new"
            found.append(f"source of event {event} changed: {_names(sources)} {said}")
            continue
        found += _sources(event, _by_name(one["sources"]), _by_name(other["sources"]))
        if one["same"] != other["same"]:
            found.append(f"event {event}: copies are told by {_list(other['same'])} instead of {_list(one['same'])}")
        for name, was, now in _differing(one["properties"], other["properties"]):
            found.append(_presence(f"property {name} of event {event}", was and was[0], now and now[0]))
    return found or ["the properties of its events changed" if old["columns"] != new["columns"] else OTHERWISE]


def names_sent(mapping: Document | None) -> frozenset[str] | None:
    """Event names that a mapping's sources know; None where the mapping is not known."""
    if mapping is None:
        return None
    return frozenset(source["name"] for event in mapping["events"].values() for source in event["sources"])


def _sources(event: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    about = f"source of event {event} changed"
    for name, one, other in _differing(old, new):
        if one is None or other is None:
            here = one or other
            yield f"{about}: {name}{_dates(here['declared'])} {'is gone' if other is None else 'is new'}"
            continue
        if one["declared"] != other["declared"]:
            since, until = _dates(other["declared"]), _dates(one["declared"])
            yield f"{about}: {name} counts{since or ' always'} instead of{until or ' always'}"
        elif (one["since"], one["until"]) != (other["since"], other["until"]):
            yield f"{about}: days begin at another time"
        for key, was, now in _differing(one["properties"], other["properties"]):
            yield f"{about}: {name} gives {key} as {_spelled(key, now)} instead of {_spelled(key, was)}"
        if one["place"] != other["place"] and one["declared"] == other["declared"]:
            yield f"{about}: another copy of a fact wins over that of {name}"


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Keys whose values differ, with both; None where there is none."""
    for key in sorted({**old, **new}):
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _presence(what: str, old: object, new: object) -> str:
    if old is None or new is None:
        return f"{what} is {'new' if old is None else 'gone'}"
    return f"{what} is {new} instead of {old}" if old != new else f"{what} has other values that mean missing"


def _by_name(sources: list[Document]) -> dict[str, Document]:
    """Sources by name; of a name that stands twice, each with its dates."""
    names = [one["name"] for one in sources]
    return {
        one["name"] if names.count(one["name"]) == 1 else f"{one['name']}{_dates(one['declared'])}": one
        for one in sources
    }


def _names(sources: list[Document]) -> str:
    return " and ".join(f"{one['name']}{_dates(one['declared'])}" for one in sources)


def _dates(declared: Mapping[str, str | None]) -> str:
    since, until = declared["since"], declared["until"]
    return (f" since {since}" if since else "") + (f" until {until}" if until else "")


def _spelled(name: str, mapping: Mapping[str, Any] | None) -> str:
    if mapping is None:
        return name
    factor = [f" {sign} {mapping[key]:g}" for key, sign in (("divide_by", "÷"), ("multiply_by", "×")) if key in mapping]
    return f"{mapping['from']}{''.join(factor)}"


def _list(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
