"""Build this nation's own STIX objects: indicators, sightings, opinions, notes, and its identity."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from mithaq.intelligence.errors import NotAnObservable
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.standards.observable import Observable
from mithaq.standards.stix import StixObject
from mithaq.standards.stix.comment import PROPOSAL_EXTENSION, Agreement
from mithaq.standards.tlp import Tlp

_NAMESPACE: Final = uuid.UUID("6f1c4d5a-9b0e-5c43-8f5f-6d6974686171")
"""UUIDv5 namespace of this program's identities: the same nation has the same identity on every node."""

_HASH_NAMES: Final = {"md5": "MD5", "sha1": "'SHA-1'", "sha256": "'SHA-256'", "sha512": "'SHA-512'"}
_VALUE_PATHS: Final = {"domain": "domain-name:value", "url": "url:value", "email": "email-addr:value"}
_TICK: Final = timedelta(milliseconds=1)
_JA_PATH: Final = "network-traffic:extensions.'tls-ext'."


def identity_id(nation: NationId) -> str:
    """Return the STIX id of a nation's identity object."""
    return f"identity--{uuid.uuid5(_NAMESPACE, nation)}"


def identity(nation: NationId, *, name: str, at: datetime) -> bytes:
    """Return the identity SDO of a nation's CERT (STIX 2.1 §4.5)."""
    return canonical.dumps(
        {
            "type": "identity",
            "spec_version": "2.1",
            "id": identity_id(nation),
            "created": rfc3339(at),
            "modified": rfc3339(at),
            "name": name,
            "identity_class": "organization",
        }
    )


def pattern_of(observable: Observable) -> str:
    """Return the STIX pattern that is true when the observable is seen (STIX 2.1 §9).

    Raises:
        NotAnObservable: the observable's type has no pattern.

    >>> pattern_of(Observable("domain", "evil.example"))
    "[domain-name:value = 'evil.example']"
    """
    value = observable.value.replace("\\", "\\\\").replace("'", "\\'")
    match observable.type:
        case "ipv4":
            return f"[ipv4-addr:value = '{value}']"
        case "ipv6":
            return f"[ipv6-addr:value = '{value}']"
        case "cidr":
            family = "ipv6-addr" if ":" in value else "ipv4-addr"
            return f"[{family}:value ISSUBSET '{value}']"
        case "domain" | "url" | "email":
            return f"[{_VALUE_PATHS[observable.type]} = '{value}']"
        case "md5" | "sha1" | "sha256" | "sha512":
            return f"[file:hashes.{_HASH_NAMES[observable.type]} = '{value}']"
        case "ja3" | "ja4":
            return f"[{_JA_PATH}{observable.type} = '{value}']"
        case _:
            raise NotAnObservable("%(type)s has no pattern", subject=str(observable), type=observable.type)


def new_indicator(
    observable: Observable,
    *,
    name: str,
    tlp: Tlp,
    created_by: NationId,
    at: datetime,
    valid_until: datetime,
    description: str = "",
    labels: tuple[str, ...] = (),
) -> bytes:
    """Return a new indicator SDO (STIX 2.1 §4.7) of this nation, in canonical JSON."""
    fields: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": new_id("indicator"),
        "created_by_ref": identity_id(created_by),
        "created": rfc3339(at),
        "modified": rfc3339(at),
        "name": name or observable.value,
        "indicator_types": ["malicious-activity"],
        "pattern": pattern_of(observable),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": rfc3339(at),
        "valid_until": rfc3339(valid_until),
        "object_marking_refs": [tlp.marking_id],
    }
    if description:
        fields["description"] = description
    if labels:
        fields["labels"] = list(labels)
    return canonical.dumps(fields)


def new_sighting(
    indicator_id: str,
    *,
    tlp: Tlp,
    created_by: NationId,
    at: datetime,
    first_seen: datetime,
    last_seen: datetime,
    count: int,
) -> bytes:
    """Return a sighting SRO (STIX 2.1 §5.2): this nation has seen what the indicator describes, `count` times."""
    fields = {
        "type": "sighting",
        "spec_version": "2.1",
        "id": new_id("sighting"),
        "created_by_ref": identity_id(created_by),
        "created": rfc3339(at),
        "modified": rfc3339(at),
        "first_seen": rfc3339(first_seen),
        "last_seen": rfc3339(last_seen),
        "count": count,
        "sighting_of_ref": indicator_id,
        "where_sighted_refs": [identity_id(created_by)],
        "object_marking_refs": [tlp.marking_id],
    }
    return canonical.dumps(fields)


def new_opinion(
    indicator_id: str,
    *,
    tlp: Tlp,
    created_by: NationId,
    at: datetime,
    explanation: str,
    opinion: Agreement = "strongly-disagree",
    renews: StixObject | None = None,
) -> bytes:
    """Return an opinion SDO (STIX 2.1 §4.15): without another one, this nation holds that it is a false positive.

    A false positive is what the standard itself gives as the example of `strongly-disagree`. `renews`: the opinion of
    which this is the next version.
    """
    created, modified = at, at
    if renews is not None and renews.created is not None and renews.modified is not None:
        created, modified = renews.created, max(at, renews.modified + _TICK)
    fields = {
        "type": "opinion",
        "spec_version": "2.1",
        "id": renews.id if renews is not None else new_id("opinion"),
        "created_by_ref": identity_id(created_by),
        "created": rfc3339(created),
        "modified": rfc3339(modified),
        **({"explanation": explanation} if explanation else {}),
        "opinion": opinion,
        "object_refs": [indicator_id],
        "object_marking_refs": [tlp.marking_id],
    }
    return canonical.dumps(fields)


def new_note(
    about: Sequence[str],
    *,
    content: str,
    tlp: Tlp,
    created_by: NationId,
    at: datetime,
    says: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a note SDO (STIX 2.1 §4.14) on objects; `says`: what it proposes or answers, in the extension for that."""
    fields: dict[str, Any] = {
        "type": "note",
        "spec_version": "2.1",
        "id": new_id("note"),
        "created_by_ref": identity_id(created_by),
        "created": rfc3339(at),
        "modified": rfc3339(at),
        "content": content,
        "object_refs": list(about),
        "object_marking_refs": [tlp.marking_id],
    }
    if says is not None:
        fields["extensions"] = {PROPOSAL_EXTENSION: {"extension_type": "property-extension", **says}}
    return canonical.dumps(fields)
