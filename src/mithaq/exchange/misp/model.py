"""What MISP's programs are told of an event before they ask for it: frozen values, no I/O."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, Literal

from mithaq.intelligence.model import ForeignEvent
from mithaq.nations.constituents.model import Account
from mithaq.standards.misp.labels import pap_tag, tlp_tag
from mithaq.standards.misp.numbers import number_of
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

MAPPING: Final = "1"
"""The number of the mapping; another one makes every own event a new version."""

_FIRST_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who is served: a constituent, and the one collection (its id) to which its account is narrowed, None for all."""

    constituent: str
    collection: str | None = None

    @staticmethod
    def of(account: Account) -> "Reader":
        """Return who comes with an account."""
        return Reader(account.constituent, account.collection)

    @property
    def key(self) -> str:
        """Return under what its timestamps are kept; no constituent's id has a slash in it."""
        return self.constituent if self.collection is None else f"{self.constituent}/{self.collection}"


@dataclass(frozen=True, slots=True)
class Day:
    """What was made on one day under one label: the key of an event for objects without a report."""

    day: int
    tlp: Tlp
    pap: Pap

    @property
    def date(self) -> str:
        """Return the day as MISP writes it."""
        return (_FIRST_DAY + timedelta(days=self.day)).isoformat()

    def uuid(self, organisation: str) -> str:
        """Return the event's uuid: the same for whoever gets it, and on every day it is asked for."""
        return str(uuid.uuid5(uuid.UUID(organisation), f"misp-day\0{self.date}\0{self.tlp.label}\0{self.pap.label}"))


@dataclass(frozen=True, slots=True)
class Head:
    """An event as an index or a manifest names it; `source` is what it is built of, on which shelf.

    `fingerprint` changes with everything that the event holds; empty for foreign events, whose timestamp is their own.
    """

    uuid: str
    kind: Literal["day", "report", "foreign"]
    info: str
    date: str
    orgc: Mapping[str, str]
    tlp: Tlp
    pap: Pap
    tags: tuple[dict[str, str], ...]
    shelf: int
    source: Day | int | ForeignEvent
    fingerprint: str = ""
    timestamp: int = 0
    analysis: str = "2"
    threat_level_id: str = "4"

    @property
    def number(self) -> str:
        """Return the number by which scripts ask for the event."""
        return number_of(self.uuid)

    def at(self, timestamp: int) -> "Head":
        """Return the head with the timestamp that was given to its present content."""
        return replace(self, timestamp=timestamp)

    def as_json(self) -> dict[str, Any]:
        """Return what manifests say of it."""
        return {
            "uuid": self.uuid,
            "info": self.info,
            "date": self.date,
            "analysis": self.analysis,
            "threat_level_id": self.threat_level_id,
            "timestamp": str(self.timestamp),
            "Orgc": dict(self.orgc),
        }


def label_tags(tlp: Tlp, pap: Pap) -> tuple[dict[str, str], ...]:
    """Return the two tags that say how an event is labelled."""
    return tlp_tag(tlp), pap_tag(pap)
