"""The text that Dagster stores of an event, made quickly where thousands of events have most of it in common.

What belongs here: making that text. What does not: where it is stored (`event_log`), what it says: it is Dagster's own,
letter by letter.
"""

import json

from dagster import EventLogEntry
from dagster._serdes import serialize_value

HERE = "\0{}"
"""What stands in a pattern for that which differs between events; no name or id has a NUL in it."""
ORDER = ("data", "message", "timestamp", "user_message")


class EventTexts:
    """`serialize_value` of events, one after another: of events that are alike, which come in a row, the run, job, step
    and tags are made into text once."""

    def __init__(self) -> None:
        self._last: tuple[EventLogEntry, list[str]] | None = None

    def of(self, event: EventLogEntry) -> str:
        """An event's text."""
        pattern, last = _pattern(event), self._last
        if pattern is not None and last is not None and pattern == last[0]:
            return _filled(last[1], event)
        text = serialize_value(event)
        if pattern is not None:
            parts = _parts(serialize_value(pattern))
            # Kept only where it gives what Dagster gives, whatever Dagster comes to write.
            self._last = (pattern, parts) if _filled(parts, event) == text else None
        return text


def _pattern(event: EventLogEntry) -> EventLogEntry | None:
    """An event without what differs between events that are alike; None of a line of a log."""
    if event.dagster_event is None:
        return None
    data, message, timestamp, user_message = map(HERE.format, ORDER)
    told = event.dagster_event._replace(event_specific_data=data, message=message)  # type: ignore[arg-type]
    return event._replace(dagster_event=told, timestamp=timestamp, user_message=user_message)  # type: ignore[arg-type]


def _parts(text: str) -> list[str]:
    """A pattern's text around that which differs; fewer or more parts than there should be never fit an event."""
    parts = [text]
    for name in ORDER:
        parts[-1:] = parts[-1].split(json.dumps(HERE.format(name)), 1)
    return parts


def _filled(parts: list[str], event: EventLogEntry) -> str:
    told = event.get_dagster_event()
    values = (
        serialize_value(told.event_specific_data),
        json.dumps(told.message),
        json.dumps(event.timestamp),
        json.dumps(event.user_message),
        "",
    )
    return "".join(text for pair in zip(parts, values, strict=False) for text in pair)
