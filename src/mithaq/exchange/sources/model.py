"""The words of what is fetched: sources, their terms, how far each has come, and what could not be admitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

PREFIX: Final = "source:"
UNLISTED: Final = "unlisted"
"""Under which name the place of a MISP says how many events that it gave it lists no more."""

Kind = Literal["taxii", "misp", "misp-feed", "list"]
Auth = Literal["none", "basic", "bearer", "token", "header"]
Standing = Literal["active", "paused", "stopped"]

NEXT_ALONE: Final = "next-alone"
RESUME_BY_SERVER_DATE: Final = "resume-by-server-date"
CREDENTIAL_OVER_HTTP: Final = "credential-over-http"
PRIVATE_NETWORK: Final = "private-network"
SHRINKING: Final = "shrinking-list"
FLAGS: Final = (NEXT_ALONE, RESUME_BY_SERVER_DATE, CREDENTIAL_OVER_HTTP, PRIVATE_NETWORK, SHRINKING)
"""What is let pass of one source: it takes no filters beside `next`; it gives no dates, so its clock is believed; its
credential travels without TLS; it lies in a private network; its list may lose more than half of its values at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for everything that a source gives; as those of an import."""

    tlp: Tlp | None = None
    pap: Pap | None = None
    labels: tuple[str, ...] = ()
    purpose: str | None = None
    lane: Lane = ACTUAL


@dataclass(frozen=True, slots=True)
class Source:
    """One place in the world, and how it is asked.

    `collection` is a TAXII collection's id, alias or title. `options` belong to the kind: `page_size` and `types` of a
    TAXII server, the `mapping` of a list.
    """

    id: str
    name: str
    kind: Kind
    address: str
    every_s: int
    created_at: datetime
    terms: Terms = field(default_factory=Terms)
    collection: str = ""
    flags: frozenset[str] = frozenset()
    options: Mapping[str, Any] = field(default_factory=dict)
    auth: Auth = "none"

    @property
    def giver(self) -> NationId:
        """Return the name under which its words are kept."""
        return NationId(PREFIX + self.name)

    def import_terms(self, original: str | None = None) -> ImportTerms:
        """Return its terms as those of an import."""
        terms = self.terms
        carried: dict[str, Any] = {"source": self.id}
        if terms.labels:
            carried["labels"] = list(terms.labels)
        return ImportTerms(
            self.giver, terms.lane, terms.tlp, terms.pap, terms.purpose, carried=carried, original=original
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has come.

    `turn` counts the changes of this record: who saves what it did under an earlier turn has been overtaken.
    """

    turn: int
    standing: Standing
    cursor: Mapping[str, Any]
    due_at: datetime
    tried_at: datetime | None
    succeeded_at: datetime | None
    failures: int
    reason: Reason | None
    stored: int
    unkept: int

    @property
    def unlisted(self) -> int | None:
        """Return how many events that it gave a MISP lists no more; None where none were counted."""
        return self.cursor.get(UNLISTED)


@dataclass(frozen=True, slots=True)
class Followed:
    """A source and how far it has come; `quarantined` is how much of it waits in quarantine."""

    source: Source
    progress: Progress
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Unfit:
    """What a source gave and could not be admitted: one object, one event file, one line."""

    object_id: str
    body: bytes
    reason: Reason
    kind: Literal["object", "event", "line"] = "object"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What waits in a source's quarantine; `size` in bytes, `is_kept` where its bytes are there to be tried again."""

    row: int
    object_id: str
    kind: str
    size: int
    is_kept: bool
    reason: Reason
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to.

    `known` were held already, in these bytes or with the same meaning. `is_cut`: there is more, and its turn comes
    again. `reason`: why it failed, None where it did not.
    """

    stored: int = 0
    known: int = 0
    quarantined: int = 0
    withdrawn: int = 0
    requests: int = 0
    is_cut: bool = False
    reason: Reason | None = None
