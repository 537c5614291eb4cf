"""Constituents and their accounts: frozen values, no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MAX_ACCOUNT_DAYS: Final = 366
DOORS: Final = ("taxii", "misp", "plain", "rpz", "suricata", "stix")
"""Through which door a program comes: two protocols, three kinds of blocklist, and a download."""

SENSOR_DOOR: Final = "sensor"
"""The door of bundles: an account for it is made with its sensor, and opens nothing else."""

OWN: Final = "own-sensors"
"""As which constituent this CERT's own sensors have their accounts; it is written down with the first of them."""

QUIET: Final = timedelta(hours=1)
"""After so long without a request, the next one is written down as a sign-in."""

REFUSAL_PAUSE: Final = timedelta(minutes=1)
"""How often a refused sign-in of the same account is written down."""


@dataclass(frozen=True, slots=True)
class Constituent:
    """An organisation that this CERT serves; `names` by language, `sectors` in the words of agreements."""

    id: str
    names: Mapping[str, str]
    sectors: frozenset[str]
    contact: str
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What one program of a constituent signs in with; its secret is not kept.

    `door` and `collection` (its id) narrow what it opens; None is every door, every collection of the constituent.
    `misp_version`: the version of MISP that the node says it speaks to it, None for the present one.
    """

    id: str
    constituent: str
    name: str
    may_write: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    refused_at: datetime | None = None
    door: str | None = None
    collection: str | None = None
    misp_version: str | None = None
