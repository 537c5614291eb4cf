"""Read one STIX 2.1 object, known type or not; its bytes stay the record and unknown fields survive in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from mithaq.kernel import canonical
from mithaq.standards.errors import BadObject
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.standards.stix.bundle import likely_id, nesting_exceeds
from mithaq.standards.stix.fields import Fields, json_name
from mithaq.standards.stix.pattern import hash_kind, read_pattern
from mithaq.standards.stix.plan import Plan, plan_of

MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 64
_REMEMBERED_BYTES: Final = 4096
_REMEMBERED_OBJECTS: Final = 6000
_NO_DEPTH_CHECK: Final = MAX_OBJECT_BYTES  # counted before, in one pass

_VALUE_TYPES: Final = {
    "ipv4-addr": "ipv4",
    "ipv6-addr": "ipv6",
    "domain-name": "domain",
    "url": "url",
    "email-addr": "email",
}
# MISP attribute types without a STIX object of their own, as misp-stix writes them.
_MISP_TYPES: Final = {
    "ja3-fingerprint-md5": "ja3",
    "ja4-fingerprint": "ja4",
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha512": "sha512",
    "domain": "domain",
    "hostname": "domain",
    "ip-src": "ipv4",
    "ip-dst": "ipv4",
    "url": "url",
    "email-src": "email",
    "email-dst": "email",
}


class StixObject(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Hold the fields of an object that this node reads; everything else stays in the bytes.

    `observables`: for an indicator, those of which any one makes its pattern true; for a cyber-observable object,
    what it is. `anchors`: where a pattern says more than single observables can, what lines that may satisfy it are
    found by. `mentions`: every observable the object names, for search. `attack_ids`: what it is in ATT&CK (T1059),
    or what of ATT&CK its labels name.
    """

    id: str
    type: str
    spec_version: str
    created: datetime | None = None
    modified: datetime | None = None
    revoked: bool = False
    name: str = ""
    description: str = ""
    pattern: str = ""
    pattern_type: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    confidence: int | None = None
    labels: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    object_marking_refs: tuple[str, ...] = ()
    created_by_ref: str | None = None
    observables: tuple[Observable, ...] = ()
    anchors: tuple[Observable, ...] = ()
    mentions: tuple[Observable, ...] = ()
    refs: tuple[str, ...] = ()
    attack_ids: tuple[str, ...] = ()


def parse(body: bytes) -> StixObject:
    """Read one STIX object from its bytes.

    The same bytes always read the same, so small objects that were read lately in this process are not read again: one
    object is looked at for every partner, by the gate, the planner and the detector.

    Raises:
        BadObject: names the object (by its id where one can be seen) and what is wrong with it.
    """
    return _parse_small(body) if len(body) <= _REMEMBERED_BYTES else parse_fields(fields_of(body))


@lru_cache(maxsize=_REMEMBERED_OBJECTS)
def _parse_small(body: bytes) -> StixObject:
    return parse_fields(fields_of(body))


def fields_of(body: bytes) -> dict[str, Any]:
    """Return an object's members, read strictly.

    Raises:
        BadObject: not one JSON object, too large, too deep, a key twice, or not UTF-8.
    """
    if len(body) > MAX_OBJECT_BYTES:
        raise BadObject("larger than the limit of %(max)s bytes", subject=likely_id(body), max=MAX_OBJECT_BYTES)
    if nesting_exceeds(body, MAX_DEPTH):
        raise BadObject("nested deeper than %(max)s levels", subject=likely_id(body), max=MAX_DEPTH)
    try:
        fields = canonical.loads(body, max_bytes=MAX_OBJECT_BYTES, max_depth=_NO_DEPTH_CHECK)
    except canonical.BadJson as error:
        raise BadObject(error.message, subject=likely_id(body), private=error.private, **error.params) from error
    if not isinstance(fields, dict):
        found = json_name(fields)
        raise BadObject("a STIX object is a JSON object, not %(found)s", subject=likely_id(body), found=found)
    return fields


def parse_fields(fields: Mapping[str, Any]) -> StixObject:
    """Read one STIX object from its members.

    Raises:
        BadObject: no id or type, they disagree, or a field of the standard has a wrong kind of value.
    """
    reader = Fields(fields)
    object_type, object_id = reader.identity()
    pattern, pattern_type = reader.text("pattern"), reader.text("pattern_type")
    sufficient, anchors, mentions = _observables(reader, object_type, pattern, pattern_type)
    valid_from, valid_until = reader.instant("valid_from"), reader.instant("valid_until")
    if valid_from and valid_until and valid_until <= valid_from:
        raise reader.bad("valid_until is not after valid_from")
    return StixObject(
        id=object_id,
        type=object_type,
        spec_version=reader.text("spec_version"),
        created=reader.instant("created"),
        modified=reader.instant("modified"),
        revoked=reader.flag("revoked"),
        name=reader.text("name"),
        description=reader.text("description"),
        pattern=pattern,
        pattern_type=pattern_type,
        valid_from=valid_from,
        valid_until=valid_until,
        confidence=reader.percentage("confidence"),
        labels=reader.texts("labels"),
        sectors=reader.texts("sectors"),
        object_marking_refs=reader.texts("object_marking_refs"),
        created_by_ref=reader.text("created_by_ref") or None,
        observables=sufficient,
        anchors=anchors,
        mentions=mentions,
        refs=reader.refs(),
        attack_ids=reader.attack_ids(),
    )


_Found = tuple[tuple[Observable, ...], tuple[Observable, ...], tuple[Observable, ...]]


def _observables(reader: Fields, object_type: str, pattern: str, pattern_type: str) -> _Found:
    if object_type == "indicator":
        if not pattern:
            raise reader.bad("an indicator without a pattern")
        if pattern_type not in {"", "stix"}:
            return (), (), ()
        read = read_pattern(pattern)
        plan = None if read.reason is None else plan_of(pattern)
        return read.sufficient, plan.anchors if isinstance(plan, Plan) else (), read.mentioned
    found = tuple(dict.fromkeys(_own_observables(reader.fields, object_type)))
    return found, (), found


def _own_observables(fields: Mapping[str, Any], object_type: str) -> list[Observable]:
    """Return what a cyber-observable object (STIX 2.1 §6) is itself."""
    candidates: list[tuple[str, Any]] = []
    if object_type in _VALUE_TYPES:
        candidates.append((_VALUE_TYPES[object_type], fields.get("value")))
    elif object_type == "x-misp-attribute":
        candidates.append((_MISP_TYPES.get(str(fields.get("x_misp_type")), ""), fields.get("x_misp_value")))
    elif object_type in {"file", "artifact"} and isinstance(fields.get("hashes"), dict):
        candidates += [(hash_kind(algorithm) or "", value) for algorithm, value in fields["hashes"].items()]
    found = [canonical_observable(kind, value) for kind, value in candidates if isinstance(value, str)]
    return [item for item in found if item is not None]
