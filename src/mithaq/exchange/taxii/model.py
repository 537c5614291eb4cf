"""Collections, shelves and what is asked of them: frozen values, no I/O, no clock."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from mithaq.release.model import Recipient
from mithaq.standards.tlp import Tlp

API_ROOT: Final = "mithaq"
TAXII_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPE: Final = "application/stix+json;version=2.1"
SPEC_VERSION: Final = "2.1"
PREFIX: Final = "constituent:"
"""What stands before a constituent's id where a giver of objects is named."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What one audience may read, or write.

    `action`: the rank (IEP 2.0) of what its readers do with an object; `types` and `labels` narrow what it carries,
    empty for everything. `floor`: the least strict label of what is posted.
    """

    id: str
    alias: str
    title: str
    description: str
    purpose: str
    action: int
    types: frozenset[str]
    labels: frozenset[str]
    can_read: bool
    can_write: bool
    floor: Tlp
    created_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """One constituent's part of one collection: what was released to it, each object with its `date_added`.

    `last_added`: the newest `date_added` given out. `filled_to` and `fill_to`: up to which row what was held when the
    shelf was made has been judged, and how far there is to go. `key` signs its cursors.
    """

    id: int
    collection: Collection
    constituent: str
    last_added: datetime
    filled_to: int
    fill_to: int
    key: bytes

    @property
    def recipient(self) -> Recipient:
        """Return for whom the gate is asked."""
        return Recipient("constituent", self.constituent)


VersionWord = Literal["first", "last", "all"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a TAXII request asks for (TAXII 2.1 §3.4), all parts of it understood.

    `versions`: instants; `words`: `first`, `last`, `all`; with neither, `last` is meant. `after` is where a cursor
    stands.
    """

    added_after: datetime | None = None
    after: datetime | None = None
    limit: int = 0
    ids: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    spec_versions: frozenset[str] = frozenset()
    versions: frozenset[datetime] = frozenset()
    words: frozenset[str] = field(default=frozenset({"last"}))

    @property
    def asks_for_earlier(self) -> bool:
        """Tell whether versions may be meant that another one has superseded."""
        return bool(self.versions) or not self.words.isdisjoint({"first", "all"})
