"""Take a report in: chosen values become indicators, and a STIX report refers to them; the file itself is kept."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from mithaq.intelligence.imports.documents import MEDIA_TYPES, ReadDocument
from mithaq.intelligence.imports.text import IndicatorTerms, own_indicators
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.store import name_of_original
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.standards.observable import Observable

_NAMESPACE: Final = uuid.UUID("4b8f9e30-6a6d-5d7b-a0a4-7265706f7274")
"""UUIDv5 namespace of reports made of files: the same file is the same report."""

_TICK: Final = timedelta(milliseconds=1)
_MAX_NAME_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class TakenReport:
    """What the taking of a report came to: the report's id, and its indicators, new and held before."""

    id: str
    created: tuple[str, ...]
    referred: tuple[str, ...]
    is_new: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, for `--json`."""
        return {
            "report": self.id,
            "created": list(self.created),
            "referred": list(self.referred),
            "new_version": self.is_new,
        }


def report_id(nation: NationId, file: bytes) -> str:
    """Return the STIX id of the report that a nation makes of one file."""
    return f"report--{uuid.uuid5(_NAMESPACE, nation + name_of_original(file))}"


def take_report(
    holdings: Holdings,
    file: bytes,
    document: ReadDocument,
    chosen: Sequence[Observable],
    terms: IndicatorTerms,
    at: datetime,
) -> TakenReport:
    """Store a report of this nation that refers to indicators of the chosen values, in one transaction.

    A value for which this nation has an indicator that stands gets no second one. The same file taken again adds to
    the report it is already.
    """
    stix_id = report_id(terms.nation, file)
    with holdings.db.read() as connection:
        own = _own(holdings, connection, chosen, terms)
        before = next((each for each in holdings.get(connection, stix_id, terms.lane) if each.stands), None)
    missing = [each for each in dict.fromkeys(chosen) if each not in own]
    new = own_indicators(missing, terms, at)
    refs = [*dict.fromkeys((*(own[each] for each in chosen if each in own), *(each.stix.id for each in new)))]
    with holdings.db.write(at) as tx:
        original = holdings.keep_original(tx, MEDIA_TYPES[document.kind], file)
        body = _report(stix_id, document, refs, before, terms, original, at)
        reports = [] if body is None else [terms.stated(body, at, original)]
        holdings.store(tx, [*new, *reports])
    return TakenReport(stix_id, tuple(each.stix.id for each in new), tuple(refs), body is not None)


def _own(
    holdings: Holdings, connection: Connection, chosen: Sequence[Observable], terms: IndicatorTerms
) -> dict[Observable, str]:
    """Return this nation's own indicators of the chosen values."""
    known = holdings.known(connection, chosen, terms.lane)
    rows = sorted({row for found in known.values() for row in found})
    stored = {each.row: each for each in holdings.rows(connection, rows) if _is_own(each, terms.nation)}
    return {
        observable: stored[found[-1]].stix.id
        for observable, rows_of in known.items()
        if (found := [row for row in rows_of if row in stored and stored[row].stix.observables == (observable,)])
    }


def _is_own(stored: StoredObject, nation: NationId) -> bool:
    return stored.stix.type == "indicator" and any(
        word.source == "own" and word.nation == nation and word.standing == "stands" for word in stored.provenance
    )


def _report(
    stix_id: str,
    document: ReadDocument,
    refs: Sequence[str],
    before: StoredObject | None,
    terms: IndicatorTerms,
    original: str,
    at: datetime,
) -> bytes | None:
    """Return the report SDO (STIX 2.1 §4.16), or None where it is held and says nothing new."""
    created, modified, held = at, at, []
    if before is not None:
        held = list(canonical.loads(before.body).get("object_refs", ()))
        created = before.stix.created or at
        modified = max(at, before.stix.modified + _TICK) if before.stix.modified else at
    every = list(dict.fromkeys((*held, *refs)))
    if before is not None and every == held:
        return None
    name = terms.name or (before.stix.name if before else "") or document.head.get("subject", "") or original
    fields: dict[str, Any] = {
        "type": "report",
        "spec_version": "2.1",
        "id": stix_id,
        "created_by_ref": identity_id(terms.nation),
        "created": rfc3339(created),
        "modified": rfc3339(modified),
        "published": rfc3339(created),
        "name": name[:_MAX_NAME_CHARS],
        "description": terms.description,
        "report_types": ["threat-report"],
        "labels": [terms.pap.label] if terms.pap is not None else [],
        "object_refs": every or [identity_id(terms.nation)],
        "external_references": [{"source_name": MEDIA_TYPES[document.kind], "external_id": original}],
        "object_marking_refs": [terms.tlp.marking_id],
    }
    return canonical.dumps({key: value for key, value in fields.items() if value not in ("", [])})
