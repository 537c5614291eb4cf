"""Make indicators of a list's entries and store them; the same list again stores nothing new.

An indicator's id follows from the nation, the list's origin and the value. A value that is held already is compared:
where its line says the same, nothing is stored until half its validity has passed; then, or where the line says
something else, a new version is.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from mithaq.intelligence import store
from mithaq.intelligence.errors import BadList, TooMuch
from mithaq.intelligence.imports.lists.entries import BadLine, Entry
from mithaq.intelligence.imports.lists.mapping import Mapping
from mithaq.intelligence.imports.lists.reading import read_list
from mithaq.intelligence.imports.tally import Tally, reason_of
from mithaq.intelligence.indicators import identity_id, pattern_of
from mithaq.intelligence.model import ImportReport, ImportTerms, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS, LIST_FILE, Door
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.memory import seldom_collected
from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable
from mithaq.standards.stix import Readable
from mithaq.standards.tlp import Tlp

_NAMESPACE: Final = uuid.UUID("7a0d2c1e-54b3-5d0f-9c1a-6c6973747320")
"""UUIDv5 namespace of indicators made from lists."""

_TICK: Final = timedelta(milliseconds=1)
_OF_VERSION: Final = frozenset({"created", "modified", "valid_from", "valid_until"})
_WITHDRAWN: Final = Reason(
    "withdrawn-here", "%(value)s: this nation has withdrawn it, and a list does not bring it back"
)


def import_list(
    holdings: Holdings,
    source: Readable,
    *,
    mapping: Mapping,
    terms: ImportTerms,
    warning_lists: WarningLists | None,
    at: datetime,
    door: Door = LIST_FILE,
) -> ImportReport:
    """Store an indicator for every entry of a list, a thousand a transaction, under bounded memory.

    A bad line is refused by its number and the rest goes on. Where the list cannot be read further, what came before
    stays stored and `broken` says why.

    Raises:
        BadMapping: a column that the mapping names is not in the header.
    """
    with seldom_collected():
        return _Import(holdings, mapping, terms, warning_lists, at).run(source, door)


def indicator_id(nation: NationId, origin: str, observable: Observable) -> str:
    """Return the id of the indicator that a nation makes of one value on one list."""
    return f"indicator--{uuid.uuid5(_NAMESPACE, chr(10).join((nation, origin, str(observable))))}"


class _Import:
    def __init__(
        self,
        holdings: Holdings,
        mapping: Mapping,
        terms: ImportTerms,
        warning_lists: WarningLists | None,
        at: datetime,
    ) -> None:
        self._holdings = holdings
        self._mapping = mapping
        self._terms = terms
        self._at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        self._tally = Tally(holdings, terms, warning_lists, at)

    def run(self, source: Readable, door: Door) -> ImportReport:
        chunk: dict[str, Entry] = {}
        try:
            for item in read_list(source, self._mapping, door):
                if isinstance(item, BadLine):
                    self._tally.refuse(f"line {item.line}", item.reason)
                    continue
                stix_id = indicator_id(self._terms.nation, self._mapping.origin, item.observable)
                if stix_id in chunk:
                    self._tally.repeat()
                    continue
                chunk[stix_id] = item
                if len(chunk) >= CHUNK_OBJECTS:
                    self._take(chunk)
                    chunk = {}
        except (BadList, TooMuch) as error:
            self._take(chunk)
            return self._tally.report(broken=reason_of(error))
        self._take(chunk)
        return self._tally.report()

    def _take(self, chunk: dict[str, Entry]) -> None:
        """Compare one chunk with what is held, and store what is new of it."""
        held = self._held(list(chunk))
        for stix_id, entry in chunk.items():
            known = held.get(stix_id)
            if known is not None and self._is_withdrawn(known):
                said = Reason(_WITHDRAWN.code, _WITHDRAWN.message, {"value": entry.observable.value})
                self._tally.refuse(f"line {entry.line}", said)
                continue
            fields = self._fields(stix_id, entry, known)
            if isinstance(fields, Reason):
                self._tally.refuse(f"line {entry.line}", fields)
            elif known is not None and self._says_the_same(known, entry, fields):
                self._again(known, entry)
            else:
                self._tally.add(canonical.dumps(fields), entry.line)
        self._tally.flush()

    def _again(self, known: StoredObject, entry: Entry) -> None:
        """Leave a held version as it is; a release that is asked for now is asked for it."""
        if self._terms.instruction is None:
            self._tally.repeat()
        else:
            self._tally.add(known.body, entry.line)

    def _held(self, ids: Sequence[str]) -> dict[str, StoredObject]:
        """Return the newest version of each that is held by this nation's word."""
        lane = str(self._terms.lane)
        with self._holdings.db.read() as connection:
            versions = store.held_versions(connection, ((lane, stix_id) for stix_id in ids))
            own = [
                max(mine, key=lambda version: (version.modified is not None, version.modified, version.row)).row
                for each in versions.values()
                if (mine := [version for version in each if any(w.nation == self._terms.nation for w in version.words)])
            ]
            return {item.stix.id: item for item in self._holdings.rows(connection, own)}

    def _is_withdrawn(self, known: StoredObject) -> bool:
        own = [word.standing for word in known.provenance if word.nation == self._terms.nation]
        return known.stix.revoked or all(standing == "withdrawn" for standing in own)

    def _fields(self, stix_id: str, entry: Entry, known: StoredObject | None) -> dict[str, Any] | Reason:
        """Return the indicator of an entry (STIX 2.1 §4.7), as the next version where one is held."""
        created, modified = self._at, self._at
        if known is not None and known.stix.created is not None and known.stix.modified is not None:
            created, modified = known.stix.created, max(self._at, known.stix.modified + _TICK)
        begins = entry.first_seen or created
        ends = entry.valid_until or (entry.last_seen or self._at) + timedelta(days=self._mapping.valid_days)
        if ends <= self._at or ends <= begins:
            return Reason("line-expired", "%(value)s was valid until %(until)s only",
                          {"value": entry.observable.value, "until": rfc3339(ends)})  # fmt: skip
        tlp, labels = self._labels(entry)
        fields = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": stix_id,
            "created_by_ref": identity_id(self._terms.nation),
            "created": rfc3339(created),
            "modified": rfc3339(modified),
            "name": entry.name or entry.observable.value,
            "description": entry.description,
            "indicator_types": list(self._mapping.indicator_types),
            "pattern": pattern_of(entry.observable),
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "valid_from": rfc3339(begins),
            "valid_until": rfc3339(ends),
            "confidence": entry.confidence if entry.confidence is not None else self._mapping.confidence,
            "labels": labels,
            "external_references": [{"source_name": self._mapping.origin}],
            "object_marking_refs": [tlp.marking_id],
        }
        return {key: value for key, value in fields.items() if value not in ("", None, [])}

    def _labels(self, entry: Entry) -> tuple[Tlp, list[str]]:
        """Return the stricter of the importer's TLP and the line's, and the other labels."""
        said = [*self._mapping.labels, *entry.labels]
        if self._terms.pap is not None:
            said.append(self._terms.pap.label)
        tlps = [Tlp.parse(label) for label in said if _is_tlp(label)]
        # A TLP label that nobody knows is the strictest.
        line = max((Tlp.RED if tlp is None else tlp for tlp in tlps), default=Tlp.CLEAR)
        given = Tlp.RED if self._terms.tlp is None else self._terms.tlp
        return max(line, given), list(dict.fromkeys(label for label in said if not _is_tlp(label)))

    def _says_the_same(self, known: StoredObject, entry: Entry, fields: dict[str, Any]) -> bool:
        if known.stix.modified is not None and known.stix.modified >= self._at:
            return True  # further up in this very list: the first line holds
        held = canonical.loads(known.body)
        left_out = _OF_VERSION - _said_by(entry)
        if any(held.get(key) != fields.get(key) for key in held.keys() | fields.keys() if key not in left_out):
            return False
        return entry.valid_until is not None or not self._is_due(known)

    def _is_due(self, known: StoredObject) -> bool:
        """Tell whether so much of a validity has passed that being listed still is worth a new version."""
        ends, said = known.stix.valid_until, known.stix.modified
        return ends is None or said is None or self._at >= said + (ends - said) / 2


def _said_by(entry: Entry) -> set[str]:
    """Return the times that the line itself gives, which count as what it says."""
    given = {"valid_from": entry.first_seen, "valid_until": entry.valid_until}
    return {key for key, at in given.items() if at is not None}


def _is_tlp(label: str) -> bool:
    return label.strip().lower().startswith("tlp:")
