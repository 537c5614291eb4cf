"""Import YARA rules: each becomes an indicator whose pattern is the rule's own text, shared like any object.

Rules that name each other are one indicator. The id follows from the rule's name, so that a newer text is a new
version. The text is kept as it is: author, licence and references travel in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from mithaq.intelligence.imports.tally import Tally, reason_of
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import ImportReport, ImportTerms, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.standards.tlp import Tlp
from mithaq.standards.yara import BadYara, YaraUnit, read_units

PATTERN_TYPE: Final = "yara"
"""STIX 2.1 §10.19, pattern-type-ov."""

Check = Callable[[YaraUnit], Reason | None]
"""Says why rules cannot be followed here, or nothing."""

_NAMESPACE: Final = uuid.UUID("0a4f6f3e-51c2-5d0b-8a55-796172612020")
_TICK: Final = timedelta(milliseconds=1)
_MAX_REFERENCES: Final = 50
_MAX_DESCRIPTION_CHARS: Final = 5_000
_WITHDRAWN: Final = Reason("withdrawn-here", "this nation has withdrawn it, and an import does not bring it back")


def indicator_id(nation: NationId, rule: str) -> str:
    """Return the id of a nation's indicator for a rule, by the rule's name."""
    return f"indicator--{uuid.uuid5(_NAMESPACE, f'{nation}{chr(10)}{rule}')}"


def import_yara(
    holdings: Holdings, files: Iterable[tuple[str, bytes]], *, terms: ImportTerms, at: datetime, check: Check
) -> ImportReport:
    """Store the rules of files (name and bytes); one that cannot be read or followed is refused, and the rest goes on.

    The same text is known already; another text of a rule of the same name becomes its next version.
    """
    tally = Tally(holdings, terms, None, at)
    seen: dict[str, str] = {}
    for name, body in files:
        for unit in read_units(body, name):
            if isinstance(unit, BadYara):
                tally.refuse(unit.subject or name, reason_of(unit))
            elif seen.setdefault(unit.name, unit.text) != unit.text:
                tally.refuse(unit.name, Reason("yara-name-twice", "two rules with one name"))
            elif (objection := check(unit)) is not None:
                tally.refuse(unit.name, objection)
            else:
                _take(tally, holdings, unit, terms, at)
    return tally.report()


def _take(tally: Tally, holdings: Holdings, unit: YaraUnit, terms: ImportTerms, at: datetime) -> None:
    with holdings.db.read() as connection:
        versions = holdings.get(connection, indicator_id(terms.nation, unit.name), terms.lane)
    held = next((each for each in versions if any(word.nation == terms.nation for word in each.provenance)), None)
    if held is not None and _is_withdrawn(held, terms):
        tally.refuse(unit.name, _WITHDRAWN)
    elif held is not None and held.stix.pattern == unit.text:
        if terms.instruction is None:
            tally.repeat()
        else:
            tally.add(held.body, 0)
    else:
        tally.add(_indicator(unit, held, terms, at), 0)


def _is_withdrawn(held: StoredObject, terms: ImportTerms) -> bool:
    return all(word.standing == "withdrawn" for word in held.provenance if word.nation == terms.nation)


def _indicator(unit: YaraUnit, held: StoredObject | None, terms: ImportTerms, at: datetime) -> bytes:
    """Return an indicator SDO (STIX 2.1 §4.7) in canonical JSON."""
    created = held.stix.created if held is not None and held.stix.created is not None else at
    before = held.stix.modified if held is not None else None
    fields: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": indicator_id(terms.nation, unit.name),
        "created_by_ref": identity_id(terms.nation),
        "created": rfc3339(created),
        "modified": rfc3339(at if before is None else max(at, before + _TICK)),
        "name": unit.name,
        "description": unit.main.meta.get("description", "")[:_MAX_DESCRIPTION_CHARS],
        "indicator_types": ["malicious-activity"],
        "pattern": unit.text,
        "pattern_type": PATTERN_TYPE,
        "valid_from": rfc3339(created),
        "labels": [*([terms.pap.label] if terms.pap is not None else []), *unit.tags],
        "external_references": _references(unit),
        "object_marking_refs": [(Tlp.RED if terms.tlp is None else terms.tlp).marking_id],
    }
    return canonical.dumps({key: value for key, value in fields.items() if value})


def _references(unit: YaraUnit) -> list[dict[str, str]]:
    found = [{"source_name": "mitre-attack", "external_id": technique} for technique in unit.techniques]
    addresses = dict.fromkeys(
        value
        for rule in unit.rules
        for key, value in rule.meta.items()
        if key.lower().startswith(("ref", "url")) and value.startswith(("http://", "https://"))
    )
    found += [{"source_name": "reference", "url": url} for url in addresses]
    return found[:_MAX_REFERENCES]
