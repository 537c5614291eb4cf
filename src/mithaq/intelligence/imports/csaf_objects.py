"""Make STIX objects of a CSAF advisory: a vulnerability for each CVE, and a report that is the advisory."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final

from mithaq.intelligence.indicators import identity_id
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.standards.csaf import Advisory, Reference, Vulnerability
from mithaq.standards.tlp import Tlp

_NAMESPACE: Final = uuid.UUID("2c5b1d0a-7f1e-5c7e-9f5d-637361662e20")
"""UUIDv5 namespace of reports made of advisories, and of vulnerabilities without a CVE number."""

_MAX_REFERENCES: Final = 100
_MAX_TEXT_CHARS: Final = 20_000
_MAX_PRODUCTS: Final = 200
_CVE_RECORD: Final = "https://www.cve.org/CVERecord?id="

Fields = dict[str, Any]


def vulnerability_id(cve: str) -> str:
    """Return the STIX id of a CVE: UUIDv5 of its record's address in the URL namespace of RFC 9562 §6.6.

    It is the same for everybody who reckons so, whoever speaks of it. The namespace of STIX 2.1 §2.9 is for
    cyber-observables alone.

    >>> vulnerability_id("CVE-2021-44228")
    'vulnerability--ac23cbcf-9f2b-5e36-af08-5fb265360b28'
    """
    return f"vulnerability--{uuid.uuid5(uuid.NAMESPACE_URL, _CVE_RECORD + cve)}"


def report_id(nation: NationId, advisory: Advisory) -> str:
    """Return the STIX id of a nation's report of an advisory, of whatever revision."""
    document = advisory.document
    return f"report--{_named(nation, document.publisher.namespace, document.tracking.id)}"


def id_of(nation: NationId, advisory: Advisory, vulnerability: Vulnerability) -> str:
    """Return the id of one of an advisory's vulnerabilities; without a CVE it is this advisory's alone."""
    if vulnerability.cve:
        return vulnerability_id(vulnerability.cve)
    document = advisory.document
    name = _named(nation, document.publisher.namespace, document.tracking.id, vulnerability.name)
    return f"vulnerability--{name}"


def vulnerability_fields(
    nation: NationId, advisory: Advisory, vulnerability: Vulnerability, tlp: Tlp, at: str
) -> Fields:
    """Return a vulnerability SDO (STIX 2.1 §4.18); its CVSS vectors and weakness stand in its external references."""
    fields = {
        "type": "vulnerability",
        "spec_version": "2.1",
        "id": id_of(nation, advisory, vulnerability),
        "created_by_ref": identity_id(nation),
        "created": at,
        "modified": at,
        "name": vulnerability.name[:500],
        "description": _cut(_said_of(vulnerability)),
        "external_references": list(_references(advisory, vulnerability))[:_MAX_REFERENCES],
        "object_marking_refs": [tlp.marking_id],
    }
    return {key: value for key, value in fields.items() if value not in ("", [])}


def report_fields(nation: NationId, advisory: Advisory, refs: Iterable[str], tlp: Tlp) -> Fields:
    """Return the report SDO (STIX 2.1 §4.16) of an advisory: its versions are the advisory's own releases."""
    document, tracking = advisory.document, advisory.document.tracking
    first, last = advisory.released
    labels = [f"csaf:{tracking.status}", document.category]
    fields = {
        "type": "report",
        "spec_version": "2.1",
        "id": report_id(nation, advisory),
        "created_by_ref": identity_id(nation),
        "created": rfc3339(first),
        "modified": rfc3339(last),
        "published": rfc3339(last),
        "name": f"{tracking.id}: {document.title}"[:500],
        "description": _cut(_text(advisory)),
        "report_types": ["vulnerability"],
        "labels": [label[:100] for label in labels],
        "lang": document.lang,
        "object_refs": list(dict.fromkeys(refs)) or [identity_id(nation)],
        "external_references": [
            {"source_name": document.publisher.name[:200], "external_id": tracking.id},
            *map(_reference, document.references),
        ][:_MAX_REFERENCES],
        "object_marking_refs": [tlp.marking_id],
    }
    return {key: value for key, value in fields.items() if value not in ("", [])}


def _named(*parts: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, "\n".join(parts))


def _said_of(vulnerability: Vulnerability) -> Iterator[str]:
    if vulnerability.title and vulnerability.title != vulnerability.name:
        yield vulnerability.title
    yield from (note.text for note in vulnerability.notes if note.category in ("summary", "description", "general"))


def _references(advisory: Advisory, vulnerability: Vulnerability) -> Iterator[Fields]:
    """Return a vulnerability's references: its names first, then what it was scored, then where more stands."""
    document = advisory.document
    if vulnerability.cve:
        yield {"source_name": "cve", "external_id": vulnerability.cve, "url": _CVE_RECORD + vulnerability.cve}
    for other in vulnerability.ids:
        yield {"source_name": other.system_name[:200] or "id", "external_id": other.text[:500]}
    if vulnerability.cwe is not None:
        yield {
            "source_name": "cwe",
            "external_id": vulnerability.cwe.id[:50],
            "description": vulnerability.cwe.name[:500],
        }
    scores = [found for each in vulnerability.scores for found in (each.cvss_v3, each.cvss_v2) if found is not None]
    for score in dict.fromkeys(scores):
        yield {
            "source_name": f"cvss-{score.version}"[:50],
            "external_id": score.vector_string[:500],
            "description": f"{score.base_score:g} {score.base_severity}".strip()[:100],
        }
    yield {"source_name": document.publisher.name[:200] or "csaf", "external_id": document.tracking.id}
    yield from map(_reference, vulnerability.references)


def _reference(reference: Reference) -> Fields:
    return {"source_name": reference.summary[:500] or reference.category, "url": reference.url[:2000]}


def _text(advisory: Advisory) -> Iterator[str]:
    """Return the advisory's own words: summaries, then for each vulnerability its products and what to do."""
    names = advisory.products()
    yield from (note.text for note in advisory.document.notes if note.category in ("summary", "description"))
    for each in advisory.vulnerabilities:
        yield "\n".join([each.name, *_products_of(each, names), *_remedies_of(each, names)])


def _products_of(vulnerability: Vulnerability, names: dict[str, str]) -> Iterator[str]:
    for status, products in vulnerability.product_status.items():
        shown = [names.get(product) or product for product in products[:_MAX_PRODUCTS]]
        yield f"{status[:50]}: {'; '.join(shown)}"


def _remedies_of(vulnerability: Vulnerability, names: dict[str, str]) -> Iterator[str]:
    for each in vulnerability.remediations:
        shown = "; ".join(names.get(product) or product for product in each.product_ids[:_MAX_PRODUCTS])
        about = f" ({shown})" if shown and len(names) > 1 else ""
        yield " ".join(part for part in (f"{each.category}{about}:", each.details, each.url) if part)


def _cut(pieces: Iterable[str]) -> str:
    """Join pieces until there is as much text as is kept; what comes after is never put together."""
    kept: list[str] = []
    room = _MAX_TEXT_CHARS
    for piece in pieces:
        if len(piece) > room:
            return "\n\n".join((*kept, piece[:room])) + "…"
        kept.append(piece)
        room -= len(piece) + 2
    return "\n\n".join(kept)
