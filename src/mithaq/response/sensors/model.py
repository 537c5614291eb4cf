"""The words of sensor content: who gets it, what is in it, what changed and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.model import PERMITTED_ACTIONS, Recipient

DETECTING: Final = PERMITTED_ACTIONS.index("internally-visible-actions")
"""What an alert does with an object, in the words of IEP 2.0: nobody outside can notice it."""


class SensorKind(StrEnum):
    """What reads a bundle."""

    SURICATA = "suricata"
    ZEEK = "zeek"
    RESOLVER = "resolver"
    OSQUERY = "osquery"


LOOKED_FOR: Final[Mapping[SensorKind, frozenset[str]]] = {
    SensorKind.SURICATA: frozenset({"ipv4", "ipv6", "cidr", "domain", "url", "ja3", "ja4", "md5", "sha1", "sha256"}),
    SensorKind.ZEEK: frozenset({"ipv4", "ipv6", "cidr", "domain", "url", "email", "md5", "sha1", "sha256"}),
    SensorKind.RESOLVER: frozenset({"ipv4", "ipv6", "cidr", "domain"}),
    SensorKind.OSQUERY: frozenset({"ipv4", "ipv6", "domain", "md5", "sha1", "sha256"}),
}
"""Which types of values a kind of sensor can see."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor: a recipient with an account of its own.

    `owner`: the constituent whose it is, None for one of this CERT's own. `account`: the only one that opens it.
    `version`: the newest that was made, 0 for none. `pulled_version`: the newest that it has fetched.
    """

    name: str
    kind: SensorKind
    owner: str | None
    account: str
    made_at: datetime
    lane: Lane = ACTUAL
    revoked_at: datetime | None = None
    version: int = 0
    pulled_at: datetime | None = None
    pulled_version: int = 0

    @property
    def recipient(self) -> Recipient:
        """Return for whom the gate is asked: the constituent whose sensor it is, or this very sensor."""
        return Recipient("sensor", self.name) if self.owner is None else Recipient("constituent", self.owner)


class Line(msgspec.Struct, frozen=True, order=True, gc=False):
    """One value that a bundle looks for, and who says so.

    `modified` and `expires` are RFC 3339. `nation` and `agreement` are empty where the recipient is not told them.
    """

    type: str
    value: str
    object: str
    modified: str
    expires: str
    nation: str = ""
    agreement: str = ""


What = Literal["added", "changed", "removed"]
Why = Literal["new", "renewed", "restated", "expired", "withdrawn", "not-permitted", "unsafe"]
"""Why a value is in a list of changes; `docs/sensors.md` says what each means."""


class Change(msgspec.Struct, frozen=True, order=True, gc=False):
    """One difference between a version and the one before; `why` is a code."""

    what: What
    type: str
    value: str
    object: str
    why: Why
    nation: str = ""
    agreement: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a sensor's bundle as it is kept; `erased` where its values had to be deleted.

    `digest`: of the content without numbers and times, so that equal content is no new version.
    """

    sensor: str
    number: int
    made_at: datetime
    digest: str
    values: int
    archive: bytes
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Archive:
    """One kept version as it is handed out."""

    number: int
    archive: bytes
    erased: bool
