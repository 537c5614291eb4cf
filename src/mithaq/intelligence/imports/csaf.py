"""Import a CSAF advisory: vulnerabilities and a report of it, the document itself kept beside them byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from mithaq.intelligence.imports.csaf_objects import Fields, id_of, report_fields, report_id, vulnerability_fields
from mithaq.intelligence.imports.tally import Tally
from mithaq.intelligence.model import ImportReport, ImportTerms, Provenance, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.store import name_of_original
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.reason import Reason
from mithaq.standards.csaf import Advisory, read_advisory, revision, version_order
from mithaq.standards.tlp import Tlp

MEDIA_TYPE: Final = "application/csaf+json"
_TICK: Final = timedelta(milliseconds=1)
_WITHDRAWN: Final = Reason("withdrawn-here", "this nation has withdrawn it, and an advisory does not bring it back")
_NAMELESS: Final = Reason("csaf-vulnerability-nameless", "it has no CVE number, no other id and no title")


def import_csaf(
    holdings: Holdings, file: bytes, *, terms: ImportTerms, warning_lists: WarningLists | None, at: datetime
) -> ImportReport:
    """Store the vulnerabilities of a CSAF 2.0 document and a report that refers to them.

    A newer revision takes the place of the one that is held; an older one, or another document under the same
    revision, is refused. A draft is held as TLP:RED whatever it says. What is held of a CVE gets the new references; a
    stricter advisory adds nothing to a vulnerability that is held for a wider audience: it stands in its report.

    Raises:
        BadJson: it is no strict JSON, or too large.
        BadAdvisory: it is no CSAF 2.0.
    """
    advisory = read_advisory(file)
    ids = [id_of(terms.nation, advisory, each) for each in advisory.vulnerabilities]
    own = report_id(terms.nation, advisory)
    with holdings.db.read() as connection:
        known = {
            stix_id: found
            for stix_id in dict.fromkeys((own, *ids))
            if (found := _held(holdings.get(connection, stix_id, terms.lane), terms)) is not None
        }
    original = name_of_original(file)
    tlp = _label(advisory, terms)
    given = replace(terms, tlp=tlp, original=original, carried={**terms.carried, "csaf": _carried(advisory)})
    tally = Tally(holdings, given, warning_lists, at)
    refused = _refusal(advisory, known.get(own), given)
    if refused is not None:
        tally.refuse(advisory.document.tracking.id[:200], refused)
    elif own in known and _last_word(known[own], given).original == original:
        _again(tally, known.values(), given)
    else:
        with holdings.db.write(at) as tx:
            holdings.keep_original(tx, MEDIA_TYPE, file)
        _take(tally, advisory, given, known, at)
    return tally.report()


def _again(tally: Tally, known: Iterable[StoredObject], terms: ImportTerms) -> None:
    """Leave what is held as it is; a release that is asked for now is asked for it."""
    for number, each in enumerate(known):
        if terms.instruction is None:
            tally.repeat()
        else:
            tally.add(each.body, number)


def _take(
    tally: Tally, advisory: Advisory, terms: ImportTerms, known: Mapping[str, StoredObject], at: datetime
) -> None:
    tlp = Tlp.RED if terms.tlp is None else terms.tlp
    made: dict[str, Fields] = {}
    for number, each in enumerate(advisory.vulnerabilities):
        if not each.name.strip():
            tally.refuse(f"#{number}", _NAMELESS)
            continue
        fields = vulnerability_fields(terms.nation, advisory, each, tlp, rfc3339(at))
        made.setdefault(fields["id"], fields)
    for number, (stix_id, fields) in enumerate(made.items()):
        held = known.get(stix_id)
        merged = fields if held is None else _next_version(held, fields, tlp, at)
        if held is not None and _is_withdrawn(held, terms):
            tally.refuse(fields["name"], _WITHDRAWN)
        elif merged is None:
            tally.repeat()
        else:
            tally.add(canonical.dumps(merged), number)
    tally.add(canonical.dumps(report_fields(terms.nation, advisory, made, tlp)), len(made))


def _label(advisory: Advisory, terms: ImportTerms) -> Tlp:
    """Return the stricter of the document's label and the importer's; RED for a draft and where nobody gave one."""
    if advisory.document.tracking.status == "draft":
        return Tlp.RED
    return max((tlp for tlp in (advisory.tlp, terms.tlp) if tlp is not None), default=Tlp.RED)


def _held(versions: list[StoredObject], terms: ImportTerms) -> StoredObject | None:
    """Return the newest version that is this nation's own word; other nations' words are left as they are."""
    own = (each for each in versions if any(word.nation == terms.nation for word in each.provenance))
    return next(own, None)


def _last_word(held: StoredObject, terms: ImportTerms) -> Provenance:
    return [word for word in held.provenance if word.nation == terms.nation][-1]


def _is_withdrawn(held: StoredObject, terms: ImportTerms) -> bool:
    return all(word.standing == "withdrawn" for word in held.provenance if word.nation == terms.nation)


def _refusal(advisory: Advisory, held: StoredObject | None, terms: ImportTerms) -> Reason | None:
    if held is None:
        return None
    if _is_withdrawn(held, terms):
        return _WITHDRAWN
    word = _last_word(held, terms)
    before = word.carried.get("csaf")
    if before is None:
        return None
    was = (from_rfc3339(before["current_release_date"]), version_order(before["version"]))
    now = revision(advisory)
    params: dict[str, str | int] = {
        "version": advisory.document.tracking.version[:80],
        "date": rfc3339(now[0]),
        "held": before["version"][:80],
        "held_date": rfc3339(was[0]),
    }
    if now == was and word.original != terms.original:
        return Reason("csaf-same-revision", "revision %(version)s of %(date)s is held already with other contents",
                      params, "ask the publisher which of the two is right")  # fmt: skip
    if now[0] < was[0] or now[1] < was[1]:
        return Reason("csaf-older-revision",
                      "revision %(version)s of %(date)s is older than what is held: %(held)s of %(held_date)s",
                      params)  # fmt: skip
    return None


def _carried(advisory: Advisory) -> dict[str, Any]:
    tracking = advisory.document.tracking
    return {
        "id": tracking.id,
        "version": tracking.version,
        "current_release_date": tracking.current_release_date,
        "status": tracking.status,
        "publisher": advisory.document.publisher.name[:200],
        "namespace": advisory.document.publisher.namespace[:500],
    }


def _next_version(held: StoredObject, fields: Fields, tlp: Tlp, at: datetime) -> Fields | None:
    """Return a vulnerability's next version with what this advisory adds, or None where that is nothing.

    What was held for a narrower audience does not come along, and what is held for a wider one stays as it is.
    """
    if held.tlp < tlp:
        return None
    before = canonical.loads(held.body)
    merged = dict(fields)
    if held.tlp == tlp:
        references = [*before.get("external_references", ()), *fields["external_references"]]
        merged["external_references"] = _each_once(references)[:100]
        merged.setdefault("description", before.get("description", ""))
    when = ("created", "modified")
    if {k: v for k, v in merged.items() if k not in when and v} == {k: v for k, v in before.items() if k not in when}:
        return None
    created, modified = held.stix.created or at, held.stix.modified
    merged["created"] = rfc3339(created)
    merged["modified"] = rfc3339(at if modified is None else max(at, modified + _TICK))
    return {key: value for key, value in merged.items() if value}


def _each_once(references: list[Fields]) -> list[Fields]:
    return list({tuple(sorted(each.items())): each for each in references}.values())
