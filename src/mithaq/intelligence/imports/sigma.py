"""Import Sigma rules: each becomes an indicator whose pattern is the rule's own text, shared like any object.

The id follows from the rule's, so that a newer text is a new version. The text is kept byte for byte: author, licence
and references travel in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
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
from mithaq.standards.sigma import BadRule, SigmaRule, read_rules
from mithaq.standards.tlp import Tlp

PATTERN_TYPE: Final = "sigma"
"""STIX 2.1 §10.19, pattern-type-ov."""

_PATTERN_VERSION: Final = "2.1"
_NAMESPACE: Final = uuid.UUID("5b7d2c44-8d0e-5f3a-9a41-7369676d6120")
_TICK: Final = timedelta(milliseconds=1)
_MAX_REFERENCES: Final = 50
_MAX_DESCRIPTION_CHARS: Final = 5_000
_WITHDRAWN: Final = Reason("withdrawn-here", "this nation has withdrawn it, and an import does not bring it back")
_NOT_TEXT: Final = Reason("sigma-not-utf8", "the rule is not UTF-8", {}, "save the file as UTF-8")


def indicator_id(nation: NationId, rule_id: str) -> str:
    """Return the id of a nation's indicator for a rule."""
    return f"indicator--{uuid.uuid5(_NAMESPACE, f'{nation}{chr(10)}{rule_id}')}"


def import_sigma(
    holdings: Holdings, files: Iterable[tuple[str, bytes]], *, terms: ImportTerms, at: datetime
) -> ImportReport:
    """Store the rules of files (name and bytes); one that cannot be read is refused by its id, and the rest goes on.

    A file with a correlation is one indicator, because its rules belong together. A rule whose own date is older than
    that of the held one is refused; the same text is known already.
    """
    tally = Tally(holdings, terms, None, at)
    for name, body in files:
        found = list(read_rules(body, name))
        for each in found:
            if isinstance(each, BadRule):
                tally.refuse(each.subject or name, reason_of(each))
        rules = [each for each in found if isinstance(each, SigmaRule)]
        if not found:
            tally.refuse(name, Reason("sigma-no-rule", "there is no rule in it"))
        for unit in _units(rules, whole=len(rules) == len(found)):
            _take(tally, holdings, unit, terms, at)
    return tally.report()


def _units(rules: Sequence[SigmaRule], *, whole: bool) -> Iterator[list[SigmaRule]]:
    """Yield what belongs together; of a correlation, only where everything beside it could be read."""
    correlated = [rule for rule in rules if rule.correlation]
    if not correlated:
        yield from ([rule] for rule in rules)
    elif whole:
        yield [*(rule for rule in rules if rule is not correlated[-1]), correlated[-1]]


def _take(tally: Tally, holdings: Holdings, unit: list[SigmaRule], terms: ImportTerms, at: datetime) -> None:
    rule = unit[-1]
    with holdings.db.read() as connection:
        versions = holdings.get(connection, indicator_id(terms.nation, rule.id), terms.lane)
    held = next((each for each in versions if any(word.nation == terms.nation for word in each.provenance)), None)
    try:
        pattern = "---\n".join(each.text.decode() for each in unit)
    except UnicodeDecodeError:
        tally.refuse(rule.id, _NOT_TEXT)
        return
    if held is not None and _is_withdrawn(held, terms):
        tally.refuse(rule.id, _WITHDRAWN)
    elif held is not None and held.stix.pattern == pattern and terms.instruction is None:
        tally.repeat()
    elif held is not None and (older := _older(rule, held)) is not None:
        tally.refuse(rule.id, older)
    elif held is not None and held.stix.pattern == pattern:
        tally.add(held.body, 0)
    else:
        tally.add(_indicator(unit, pattern, held, terms, at), 0)


def _is_withdrawn(held: StoredObject, terms: ImportTerms) -> bool:
    return all(word.standing == "withdrawn" for word in held.provenance if word.nation == terms.nation)


def _older(rule: SigmaRule, held: StoredObject) -> Reason | None:
    before = [each for each in read_rules(held.stix.pattern.encode()) if isinstance(each, SigmaRule)]
    was = before[-1].modified or before[-1].date if before else None
    now = rule.modified or rule.date
    if was is None or now is None or now >= was:
        return None
    params: dict[str, str | int] = {"date": now.isoformat(), "held": was.isoformat()}
    return Reason("sigma-older-rule", "this rule is of %(date)s, and the held one of %(held)s", params)


def _indicator(
    unit: Sequence[SigmaRule], pattern: str, held: StoredObject | None, terms: ImportTerms, at: datetime
) -> bytes:
    """Return an indicator SDO (STIX 2.1 §4.7) in canonical JSON."""
    rule = unit[-1]
    created = held.stix.created if held is not None and held.stix.created is not None else at
    before = held.stix.modified if held is not None else None
    tags = dict.fromkeys(tag for each in unit for tag in each.tags)
    fields: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": indicator_id(terms.nation, rule.id),
        "created_by_ref": identity_id(terms.nation),
        "created": rfc3339(created),
        "modified": rfc3339(at if before is None else max(at, before + _TICK)),
        "name": rule.title,
        "description": rule.description[:_MAX_DESCRIPTION_CHARS],
        "indicator_types": ["malicious-activity"],
        "pattern": pattern,
        "pattern_type": PATTERN_TYPE,
        "pattern_version": _PATTERN_VERSION,
        "valid_from": rfc3339(created),
        "labels": [*([terms.pap.label] if terms.pap is not None else []), *tags],
        "external_references": _references(unit),
        "object_marking_refs": [(Tlp.RED if terms.tlp is None else terms.tlp).marking_id],
    }
    return canonical.dumps({key: value for key, value in fields.items() if value})


def _references(unit: Sequence[SigmaRule]) -> list[dict[str, str]]:
    found = [{"source_name": "sigma", "external_id": rule.id} for rule in reversed(unit)]
    techniques = dict.fromkeys(technique for rule in unit for technique in rule.techniques)
    found += [{"source_name": "mitre-attack", "external_id": technique} for technique in techniques]
    addresses = dict.fromkeys(
        url for rule in unit for url in rule.references if url.startswith(("http://", "https://"))
    )
    found += [{"source_name": "reference", "url": url} for url in addresses]
    return found[:_MAX_REFERENCES]
