"""What the whole world knows: ATT&CK and its like, held under the word of who publishes it.

A publisher's word is nobody's news: it starts no hunt and waits for no partner, and the gate lets nothing go that
stands by it alone. Because anybody can read what is published, an object may refer to it wherever it goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from mithaq.intelligence import reading
from mithaq.intelligence.finding import newest_with
from mithaq.intelligence.imports.bundle import Limited
from mithaq.intelligence.imports.tally import Tally, reason_of
from mithaq.intelligence.model import ImportReport, ImportTerms, StoredObject
from mithaq.intelligence.related import Related, related
from mithaq.intelligence.service import KNOWLEDGE, Holdings
from mithaq.intelligence.settings import KNOWLEDGE_FILE, MAX_SHARING
from mithaq.intelligence.tables import objects, provenance
from mithaq.intelligence.tokens import ATTACK_TYPES, attack_token
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.tlp import Tlp, tlp_of

LOADED = "intelligence.knowledge.loaded"
"""What the journal says when a publisher's bundle was loaded whole."""

MITRE: Final = "MITRE"
_SHOWN: Final = 200
_AT_ONCE: Final = 500
_NAMING: Final = ("x-mitre-collection", "x-mitre-matrix")
_NEWS: Final = frozenset(
    {"indicator", "observed-data", "sighting", "opinion", "note", "report", "grouping", "incident"}
)
_PUBLISHED: Final = (
    select(objects.c.stix_id)
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id.in_(bindparam("ids", expanding=True)),
        provenance.c.source == "publisher",
        provenance.c.standing == "stands",
    )
)


@dataclass(slots=True)
class _Names:
    """What a bundle calls itself, as far as it was read."""

    name: str = ""
    version: str = ""
    domains: dict[str, None] = field(default_factory=dict)

    def look_at(self, body: bytes, kind: str) -> None:
        if kind not in _NAMING and kind != "attack-pattern":
            return
        fields = stix.fields_of(body)
        domains = fields.get("x_mitre_domains")
        if kind == "attack-pattern" and isinstance(domains, list):
            self.domains.update(dict.fromkeys(str(each)[:80] for each in domains))
        elif kind == "x-mitre-collection":
            self.name, self.version = str(fields.get("name", ""))[:80], str(fields.get("x_mitre_version", ""))[:20]
        elif kind == "x-mitre-matrix" and not self.name:
            self.name = str(fields.get("name", ""))[:80]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle that was loaded; `version` is empty where it does not say."""

    name: str
    version: str
    publisher: str
    stored: int
    known: int
    refused: int
    loaded_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "version": self.version or None,
            "publisher": self.publisher,
            "stored": self.stored,
            "known": self.known,
            "refused": self.refused,
            "loaded": rfc3339(self.loaded_at),
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that ATT&CK knows, with what in the holdings refers to it."""

    stored: StoredObject
    fields: Mapping[str, Any]
    related: Related

    @property
    def deprecated(self) -> bool:
        """Tell whether its publisher advises against it."""
        return self.fields.get("x_mitre_deprecated") is True

    @property
    def tactics(self) -> tuple[str, ...]:
        """Return the tactics that it serves."""
        phases = self.fields.get("kill_chain_phases")
        found = (
            [each.get("phase_name") for each in phases if isinstance(each, dict)] if isinstance(phases, list) else []
        )
        return tuple(str(each) for each in found if each)


def load(
    holdings: Holdings, source: stix.Readable, *, publisher: str, version: str, at: datetime
) -> tuple[Bundle, ImportReport]:
    """Load a publisher's bundle over the one before, which it supersedes object by object.

    What the publisher revoked or deprecated stays and is found. Objects that say what somebody saw, and those that are
    not public, are refused by their id. `version`: where the bundle itself does not say.

    Raises:
        BadBundle: nothing in it could be read at all.
    """
    terms = ImportTerms(NationId(publisher), ACTUAL, Tlp.CLEAR, carried={"publisher": publisher}, source="publisher")
    tally, names, broken, read = Tally(holdings, terms, None, at), _Names(), None, 0
    try:
        limited = Limited(source, KNOWLEDGE_FILE)
        for piece in stix.split_bundle(limited, max_object_bytes=KNOWLEDGE_FILE.max_object_bytes):
            read += 1
            if isinstance(piece, stix.Refused):
                tally.refuse(piece.id or f"#{piece.index}", piece.reason)
            else:
                _take(tally, names, piece)
    except stix.BadBundle as error:
        if read == 0:
            raise
        broken = reason_of(error)
    report = tally.report(broken=broken)
    name = names.name or ", ".join(names.domains) or publisher
    found = Bundle(
        name, names.version or version, publisher, report.stored, report.duplicates, report.refused_count, at
    )
    detail = {key: value for key, value in found.as_json().items() if key != "loaded"}
    with holdings.db.write(at) as tx:
        tx.append(LOADED, subject=name, lane=ACTUAL, actor=f"publisher:{publisher}", detail=detail)
    return found, report


def _take(tally: Tally, names: _Names, piece: stix.Piece) -> None:
    try:
        parsed = stix.parse(piece.body)
    except stix.BadObject as error:
        tally.refuse(error.subject or f"#{piece.index}", reason_of(error))
        return
    if parsed.type in _NEWS or parsed.observables:
        tally.refuse(parsed.id, Reason("not-knowledge", "it says what somebody saw, which no publisher's bundle does"))
    elif (tlp_of(parsed.object_marking_refs) or Tlp.CLEAR) is not Tlp.CLEAR:
        tally.refuse(parsed.id, Reason("not-public", "its label says that it is not public"))
    else:
        names.look_at(piece.body, parsed.type)
        tally.take(piece.body, parsed)


def loaded(connection: Connection) -> list[Bundle]:
    """Return the bundles that are loaded, by name, each as it was loaded last."""
    found: dict[tuple[str, str], Bundle] = {}
    for entry in journal.newest(connection, before=None, limit=_SHOWN, kinds=frozenset({LOADED})):
        told = entry.detail
        bundle = Bundle(
            told["name"],
            told["version"] or "",
            told["publisher"],
            told["stored"],
            told["known"],
            told["refused"],
            entry.at,
        )
        found.setdefault((bundle.publisher, bundle.name), bundle)
    return sorted(found.values(), key=lambda each: (each.publisher, each.name))


def named(connection: Connection, text: str, lane: Lane = ACTUAL) -> list[Entry]:
    """Return what has an ATT&CK id such as T1059.001, or a name such as PowerShell, and what refers to it."""
    token = attack_token(text)
    rows = newest_with(connection, [token], lane, MAX_SHARING)[token]
    return list(_entries(connection, rows))


def _entries(connection: Connection, rows: list[int]) -> Iterator[Entry]:
    seen: set[str] = set()
    for stored in reversed(reading.by_rows(connection, sorted(rows))):
        if stored.stix.type in ATTACK_TYPES and stored.stix.id not in seen:
            seen.add(stored.stix.id)
            yield Entry(stored, stix.fields_of(stored.body), related(connection, stored))


def published(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Return which of these objects a publisher's word stands for, so that anybody may know of them."""
    ordered = sorted(ids)
    chunks = (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
    return frozenset(each for chunk in chunks for each in connection.scalars(_PUBLISHED, {"ids": chunk}))


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Return what ATT&CK knows of one thing as JSON values."""
    item = entry.stored
    return {
        "id": item.stix.id,
        "type": item.stix.type,
        "attack_ids": list(item.stix.attack_ids),
        "name": item.stix.name,
        "description": item.stix.description,
        "tactics": list(entry.tactics),
        "version": str(entry.fields.get("x_mitre_version", "")) or None,
        "modified": rfc3339(item.stix.modified) if item.stix.modified else None,
        "revoked": item.stix.revoked,
        "deprecated": entry.deprecated,
        "said_by": sorted({word.nation for word in item.provenance if word.standing == "stands"}),
        "referring": [
            each.brief.as_json()
            | ({"relation": each.relation, "other": each.other, "other_name": each.other_name} if each.other else {})
            for each in entry.related.referring
        ],
        "more_referring": entry.related.more_referring,
    }


__all__ = ["KNOWLEDGE", "LOADED", "MITRE", "Bundle", "Entry", "entry_as_json", "load", "loaded", "named", "published"]
