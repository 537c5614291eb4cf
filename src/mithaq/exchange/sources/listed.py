"""Make indicators of a list's lines; pure. The same line makes the same indicator, whenever it is read."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mithaq.exchange.sources.model import Source
from mithaq.intelligence.imports.lists.entries import Entry
from mithaq.intelligence.imports.lists.mapping import Mapping
from mithaq.intelligence.indicators import pattern_of
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.standards.observable import Observable
from mithaq.standards.tlp import Tlp

_NAMESPACE: Final = uuid.UUID("3d1f7d52-6f0c-5a4e-9a57-736f75726365")
"""UUIDv5 namespace of indicators made from the lists of sources."""

_TICK: Final = timedelta(milliseconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Version:
    """What was made of a line last: the digest of what it says, and three instants."""

    said: str
    created: datetime
    modified: datetime
    until: datetime

    @staticmethod
    def read(text: str) -> Version:
        """Read a version from the text it is kept as."""
        said, *times = text.split()
        created, modified, until = (_EPOCH + int(each) * _MILLISECOND for each in times)
        return Version(said, created, modified, until)

    def __str__(self) -> str:
        times = (self.created, self.modified, self.until)
        return " ".join((self.said, *(str((each - _EPOCH) // _MILLISECOND) for each in times)))


def indicator_id(source: Source, observable: Observable) -> str:
    """Return the id of a source's indicator of one value: UUIDv5 of both."""
    return f"indicator--{uuid.uuid5(_NAMESPACE, chr(10).join((source.name, str(observable))))}"


def next_version(entry: Entry, mapping: Mapping, source: Source, held: Version | None, at: datetime) -> Version | None:
    """Return the version to be made of a line, None where the one that is held still says it.

    A value whose line gives no end is valid for the mapping's days, and said anew once half of them have passed.
    """
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    said = _digest(entry, mapping, source)
    until = entry.valid_until or at + timedelta(days=mapping.valid_days)
    if held is None:
        return Version(said, at, at, until)
    is_renewed = entry.valid_until is None and at >= held.modified + (held.until - held.modified) / 2
    if held.said == said and not is_renewed:
        return None
    return Version(said, held.created, max(at, held.modified + _TICK), until)


def indicator(stix_id: str, entry: Entry, mapping: Mapping, source: Source, version: Version) -> bytes:
    """Return the indicator of a line (STIX 2.1 §4.7)."""
    begins = min(entry.first_seen or version.created, version.until - _TICK)
    tlp, labels = _labels(entry, mapping, source)
    fields: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stix_id,
        "created": rfc3339(version.created),
        "modified": rfc3339(version.modified),
        "name": entry.name or entry.observable.value,
        "description": entry.description,
        "indicator_types": list(mapping.indicator_types),
        "pattern": pattern_of(entry.observable),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": rfc3339(begins),
        "valid_until": rfc3339(version.until),
        "confidence": entry.confidence if entry.confidence is not None else mapping.confidence,
        "labels": labels,
        "external_references": [{"source_name": source.name}],
        "object_marking_refs": [tlp.marking_id],
    }
    return canonical.dumps({key: value for key, value in fields.items() if value not in ("", None, [])})


def _digest(entry: Entry, mapping: Mapping, source: Source) -> str:
    tlp, labels = _labels(entry, mapping, source)
    told = [
        str(entry.observable), entry.name, entry.description, entry.confidence, labels, tlp.label,
        *(rfc3339(each) if each else "" for each in (entry.first_seen, entry.valid_until)),
        mapping.confidence, list(mapping.indicator_types), mapping.valid_days,
    ]  # fmt: skip
    return hashlib.sha256(canonical.dumps(told)).hexdigest()[:32]


def _labels(entry: Entry, mapping: Mapping, source: Source) -> tuple[Tlp, list[str]]:
    """Return the stricter of the source's TLP and the line's, and the other labels."""
    said = [*source.terms.labels, *mapping.labels, *entry.labels]
    if source.terms.pap is not None:
        said.append(source.terms.pap.label)
    marks = [label for label in said if label.strip().lower().startswith("tlp:")]
    tlps = [Tlp.parse(label) for label in marks]
    # A TLP label that nobody knows is the strictest.
    line = max((Tlp.RED if tlp is None else tlp for tlp in tlps), default=Tlp.CLEAR)
    given = Tlp.RED if source.terms.tlp is None else source.terms.tlp
    return max(line, given), list(dict.fromkeys(label for label in said if label not in marks))
