"""What `landing` in settings.yaml comes to: for every file of the landing zone how it is read, and by what name.

What belongs here: presets and settings as one, which folder's entry counts for a file, the meaning that the ledger
remembers. What does not: reading (`records`, `mapping`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from nsm_pipeline.events.files import UnusableFile
from nsm_pipeline.events.senders.amplitude import AMPLITUDE
from nsm_pipeline.events.senders.instants import offsets
from nsm_pipeline.events.senders.mixpanel import MIXPANEL
from nsm_pipeline.events.senders.posthog import POSTHOG
from nsm_pipeline.events.senders.preset import CONTRACT, Format, Preset
from nsm_pipeline.events.senders.segment import SEGMENT
from nsm_pipeline.events.senders.service_ping import SERVICE_PING
from nsm_pipeline.events.senders.snowplow import SNOWPLOW
from nsm_pipeline.lake import digest
from nsm_pipeline.playbook.senders import Added, Fields, Place, Sender, TimePlace, parents, steps

# Goes up with every change of this code that lands rows in another way.
SENDERS_VERSION = 1
PRESETS: dict[str, Preset] = {
    "amplitude": AMPLITUDE,
    "mixpanel": MIXPANEL,
    "posthog": POSTHOG,
    "segment": SEGMENT,
    "service_ping": SERVICE_PING,
    "snowplow": SNOWPLOW,
}
EVENTS = "usage_events"


@dataclass(frozen=True)
class Reading:
    """How the files of a folder are read: the preset (or the contract) with what the settings say otherwise."""

    endings: Mapping[str, Format]
    fields: Fields
    add: Mapping[str, Added]
    keep: bool

    @classmethod
    def of(cls, sender: Sender) -> Reading:
        preset = PRESETS[sender.preset] if sender.preset else CONTRACT
        given = {name: getattr(sender.fields, name) for name in Fields.model_fields}
        fields = {name: given[name] or getattr(preset.fields, name) for name in Fields.model_fields}
        times = sender.times or preset.times
        for name in ("occurred_at", "received_at"):
            place: TimePlace | None = fields[name]
            if place is not None:
                how = place.times or times
                zone = place.zone or sender.zone or preset.zone
                zone = None if how.startswith("epoch_") else zone
                fields[name] = place.model_copy(update={"times": how, "zone": zone})
        keep = preset.keep if sender.rest is None else sender.rest == "keep"
        return cls(preset.endings, Fields.model_construct(**fields), {**preset.add, **sender.add}, keep)

    @property
    def texts(self) -> dict[str, Place | None]:
        return {name: getattr(self.fields, name) for name in ("event_id", "event_name", "account_id", "user_id")}

    @property
    def times(self) -> dict[str, TimePlace | None]:
        return {"occurred_at": self.fields.occurred_at, "received_at": self.fields.received_at}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Every path that is looked at, once, in order."""
        places = [*self.texts.values(), *self.times.values(), self.fields.properties]
        found = [
            path for place in places if place for path in (place.paths if isinstance(place, Place) else place.source)
        ]
        return tuple(dict.fromkeys([*found, *(path for added in self.add.values() for path in added.source)]))

    @cached_property
    def mapped(self) -> tuple[str, ...]:
        """Columns that are mapped as a whole: no property is made of them besides."""
        return tuple(sorted({steps(path)[0] for path in self.paths if len(steps(path)) == 1}))

    @cached_property
    def nested(self) -> frozenset[str]:
        """Columns that are looked into: where such a one is text, it is read as JSON."""
        within = {steps(path)[0] for path in self.paths if len(steps(path)) > 1}
        properties = self.fields.properties.source if self.fields.properties else ()
        return frozenset(within | {steps(path)[0] for path in properties})

    @cached_property
    def meaning(self) -> str:
        """Digest of everything that decides which rows come of a file, the rules of its time zones among it."""
        zones = sorted({place.zone for place in self.times.values() if place and place.zone})
        added = {name: place.model_dump() for name, place in self.add.items()}
        rules = {zone: offsets(zone) for zone in zones}
        return digest(SENDERS_VERSION, dict(self.endings), self.fields.model_dump(), added, self.keep, rules)

    def format_of(self, file: Path) -> Format:
        """How a file is read. Raises UnusableFile for a name that the folder's entry does not take."""
        for ending in sorted(self.endings, key=len, reverse=True):
            if file.name.endswith(ending) if ending else "." not in file.name:
                return self.endings[ending]
        known = ", ".join(ending or "(none)" for ending in self.endings)
        raise UnusableFile(f"unknown format '{file.name}'; accepted endings in this folder: {known}")


@dataclass(frozen=True)
class Readings:
    """The readings of an installation by folder below usage_events."""

    by_folder: Mapping[str, Reading]

    @classmethod
    def of(cls, landing: Mapping[str, Sender]) -> Readings:
        return cls({folder: _reading(sender.model_dump_json(by_alias=True)) for folder, sender in landing.items()})

    def of_file(self, path: str) -> Reading | None:
        """How a file is read, by its path in the landing zone: as the nearest folder above it is declared; None where
        none is, and the file is one of the landing contract."""
        folder, _, rest = path.partition("/")
        if folder != EVENTS or not self.by_folder:
            return None
        for parent in parents(str(PurePosixPath(rest).parent)):
            if parent in self.by_folder:
                return self.by_folder[parent]
        return None


@lru_cache(maxsize=256)
def _reading(sender: str) -> Reading:
    """By the sender's text: every step of a run asks anew, and a zone's rules take a while to find."""
    return Reading.of(Sender.model_validate_json(sender))
