"""Say STIX objects as MISP attributes and tags, with everything that is lost on the way.

A stated mapping, made to be read: an indicator whose pattern is an alternative of single comparisons becomes one
attribute for each; a file's name with one hash becomes their composite; rules of other languages become `sigma`,
`yara`, `snort`; every other pattern goes out whole as `stix2-pattern`, without `to_ids`.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.reason import Reason
from mithaq.standards.stix.grammar import Comparison, Reader, Unreadable

Found = tuple[str, str]
"""An attribute's type and its value."""

_HASHES: Final = {
    "MD5": "md5", "SHA-1": "sha1", "SHA1": "sha1", "SHA-224": "sha224", "SHA-256": "sha256", "SHA256": "sha256",
    "SHA-384": "sha384", "SHA-512": "sha512", "SHA512": "sha512", "SHA3-256": "sha3-256", "SSDEEP": "ssdeep",
    "TLSH": "tlsh",
}  # fmt: skip
_PATHS: Final = {
    ("ipv4-addr", "value"): "ip-dst",
    ("ipv6-addr", "value"): "ip-dst",
    ("domain-name", "value"): "domain",
    ("url", "value"): "url",
    ("email-addr", "value"): "email",
    ("file", "name"): "filename",
    ("mutex", "name"): "mutex",
    ("mac-addr", "value"): "mac-address",
    ("windows-registry-key", "key"): "regkey",
    ("autonomous-system", "number"): "AS",
    ("email-message", "subject"): "email-subject",
    ("network-traffic", "dst_ref.value"): "ip-dst",
    ("network-traffic", "src_ref.value"): "ip-src",
    ("network-traffic", "extensions.tls-ext.ja3"): "ja3-fingerprint-md5",
}
_FINGERPRINTS: Final = {"MD5", "SHA-1", "SHA-256"}
_CATEGORIES: Final = {
    **dict.fromkeys(("ip-dst", "ip-src", "domain", "url", "AS"), "Network activity"),
    **dict.fromkeys(("ja3-fingerprint-md5", "mac-address"), "Network activity"),
    "email": "Payload delivery", "mutex": "Artifacts dropped", "regkey": "Persistence mechanism",
    "vulnerability": "External analysis", "link": "External analysis", "snort": "Network activity",
    "sigma": "Payload installation", "yara": "Payload installation", "stix2-pattern": "Payload installation",
    "comment": "Other",
}  # fmt: skip
_LANGUAGES: Final = {"sigma": "sigma", "yara": "yara", "snort": "snort", "suricata": "snort"}
_WITHOUT_IDS: Final = frozenset({"AS", "email-subject", "mac-address", "stix2-pattern", "vulnerability", "link"})
_GALAXIES: Final = {
    "attack-pattern": "mitre-attack-pattern",
    "intrusion-set": "mitre-intrusion-set",
    "malware": "mitre-malware",
    "tool": "mitre-tool",
    "course-of-action": "mitre-course-of-action",
}
_ANALYSTS: Final = frozenset({"note", "opinion", "relationship"})
_SAID_ELSEWHERE: Final = frozenset(
    {"type", "spec_version", "id", "created", "modified", "created_by_ref", "object_marking_refs", "labels", "lang"}
)
_SAID: Final[Mapping[str, frozenset[str]]] = {
    "indicator": frozenset(
        {"name", "description", "pattern", "pattern_type", "pattern_version", "valid_from", "valid_until", "revoked"}
    ),
    "vulnerability": frozenset({"name", "description", "revoked"}),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of an object that its MISP form does not say, and why."""

    object_id: str
    reason: Reason


@dataclass(slots=True)
class Said:
    """What becomes of an object in MISP: attributes, tags for the event, and what is lost."""

    attributes: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def said(fields: Mapping[str, Any], at: datetime | None = None) -> Said:
    """Return what becomes of one STIX object; one that is over `at` this instant is no more to be looked for."""
    made = Said()
    kind = str(fields["type"])
    if kind in _GALAXIES or kind == "threat-actor":
        _galaxy(fields, made)
    elif found := _values(fields, made):
        made.attributes = [_attribute(fields, place, *each) for place, each in enumerate(found)]
        if at is not None and (ends := _ends(fields)) is not None and ends <= at:
            made.attributes = [_over(each, ends) for each in made.attributes]
        _missing(fields, made)
    elif kind in _ANALYSTS:
        _lose(
            made,
            fields,
            Reason(
                "misp-analyst-data",
                "a %(type)s of this nation goes into no event; those that came with a MISP event go out with it",
                {"type": kind},
                "share it by TAXII",
            ),
        )
    elif not made.losses:
        _lose(
            made,
            fields,
            Reason("misp-no-form", "objects of the type %(type)s have no form in MISP here", {"type": kind}),
        )
    return made


def can_be_said(object_type: str) -> bool:
    """Tell whether objects of a type become attributes, so that they go out without a report around them."""
    return object_type in {"indicator", "vulnerability", "file"} or (object_type, "value") in _PATHS


def seconds(text: str) -> int:
    """Return a STIX timestamp as MISP writes one: whole seconds since 1970."""
    return int(from_rfc3339(text).timestamp())


def derived(base: str, *parts: str) -> str:
    """Return the uuid of something that follows from an object; the same parts always give the same."""
    return str(uuid.uuid5(uuid.UUID(base), "\0".join(parts)))


def uuid_of(object_id: str) -> str:
    """Return the uuid in a STIX id."""
    return object_id.partition("--")[2].lower()


def _values(fields: Mapping[str, Any], made: Said) -> list[Found]:
    kind = str(fields["type"])
    match kind:
        case "indicator":
            return _of_indicator(fields, made)
        case "vulnerability":
            return [("vulnerability", str(fields.get("name", "")))] if fields.get("name") else []
        case "file":
            return _of_file(fields)
    name = _PATHS.get((kind, "value")) or _PATHS.get((kind, "name")) or _PATHS.get((kind, "key"))
    value = fields.get("value") or fields.get("name") or fields.get("key")
    return [(name, str(value))] if name and isinstance(value, str) else []


def _of_file(fields: Mapping[str, Any]) -> list[Found]:
    raw = fields.get("hashes")
    hashes = raw if isinstance(raw, dict) else {}
    found = [(_HASHES[name], str(value)) for name, value in hashes.items() if name in _HASHES]
    named = fields.get("name")
    if not isinstance(named, str) or not named:
        return found
    if not found or "|" in named:
        return [("filename", named), *found]
    return [(f"filename|{kind}", f"{named}|{value}") for kind, value in found]


def _of_indicator(fields: Mapping[str, Any], made: Said) -> list[Found]:
    pattern, language = str(fields.get("pattern", "")), str(fields.get("pattern_type", "stix"))
    if language in _LANGUAGES:
        return [(_LANGUAGES[language], pattern)]
    if language not in ("stix", ""):
        _lose(
            made,
            fields,
            Reason("misp-pattern-language", "MISP has no attribute for patterns in %(type)s", {"type": language[:40]}),
        )
        return []
    try:
        reader = Reader(pattern)
        alternatives = reader.pattern()
    except Unreadable:
        alternatives, whole = [], True
    else:
        whole = reader.reason is not None
    found = [_alternative(each) for each in alternatives]
    if whole or None in found or not found:
        _lose(made, fields, Reason("misp-pattern-whole", "the pattern goes out as text; no MISP matches it by itself"))
        return [("stix2-pattern", pattern)]
    return list(dict.fromkeys(value for each in found if each for value in each))


def _alternative(tests: Sequence[Comparison]) -> list[Found] | None:
    """Return the attributes that say one alternative, None where none says exactly that."""
    singles = [_single(test) for test in tests]
    if any(single is None for single in singles):
        return None
    found = [single for single in singles if single is not None]
    if len(found) == 1:
        return found[0]
    if len(found) == 2 and all(len(each) == 1 for each in found) and all(test.object_type == "file" for test in tests):
        pair = sorted((each[0] for each in found), key=lambda one: one[0] != "filename")
        if pair[0][0] == "filename" and pair[1][0] in _HASHES.values() and "|" not in pair[0][1]:
            return [(f"filename|{pair[1][0]}", f"{pair[0][1]}|{pair[1][1]}")]
    return None


def _single(test: Comparison) -> list[Found] | None:
    if test.negated or test.operator not in ("=", "IN"):
        return None
    kind, path = test.object_type, test.path
    name: str | None
    if kind in ("file", "artifact") and len(path) == 2 and path[0] == "hashes":
        name = _HASHES.get(path[1])
    elif kind == "x509-certificate" and len(path) == 2 and path[1] in _FINGERPRINTS:
        name = f"x509-fingerprint-{path[1].replace('-', '').lower()}"
    else:
        name = _PATHS.get((kind, ".".join(path)))
    return [(name, value) for value in test.values] if name else None


def _attribute(fields: Mapping[str, Any], place: int, kind: str, value: str) -> dict[str, Any]:
    """Return one attribute; the first has the object's uuid, each further one a uuid that follows from it."""
    own = uuid_of(str(fields["id"]))
    is_revoked = fields.get("revoked") is True
    said_of = [str(fields[key]) for key in ("name", "description") if isinstance(fields.get(key), str)]
    stamp = fields.get("modified") or fields.get("created") or fields.get("valid_from")
    made: dict[str, Any] = {
        "uuid": own if not place else derived(own, kind, value),
        "type": kind,
        "category": _CATEGORIES.get(kind, "Payload delivery"),
        "value": value,
        "to_ids": fields["type"] == "indicator" and kind not in _WITHOUT_IDS and not is_revoked,
        "timestamp": str(seconds(str(stamp))) if stamp else "0",
        "comment": "\n".join(text for text in said_of if text != value),
        "distribution": "5",
        "sharing_group_id": "0",
        "disable_correlation": False,
        "deleted": is_revoked,
        "object_relation": None,
        "Tag": [{"name": name} for name in _labels(fields)],
    }
    if fields["type"] == "indicator":
        made |= {
            key: str(fields[name])
            for key, name in (("first_seen", "valid_from"), ("last_seen", "valid_until"))
            if fields.get(name)
        }
    return made


def _ends(fields: Mapping[str, Any]) -> datetime | None:
    text = fields.get("valid_until")
    return from_rfc3339(text) if fields["type"] == "indicator" and isinstance(text, str) else None


def _over(attribute: dict[str, Any], ends: datetime) -> dict[str, Any]:
    """Return an attribute as it is since its end: a version of its own, so that whoever has it takes the change."""
    stamp = max(int(attribute["timestamp"]), int(ends.timestamp()))
    return attribute | {"to_ids": False, "timestamp": str(stamp)}


def _labels(fields: Mapping[str, Any]) -> list[str]:
    """Return an object's labels without TLP and PAP, which the event says for all it holds."""
    found = fields.get("labels")
    texts = [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
    return [each for each in texts if not each.lower().startswith(("tlp:", "pap:"))]


def _galaxy(fields: Mapping[str, Any], made: Said) -> None:
    kind, name = str(fields["type"]), str(fields.get("name", "")).replace('"', "")
    galaxy, number = _GALAXIES.get(kind, "threat-actor"), _mitre_id(fields)
    if kind == "intrusion-set" and not number:
        galaxy = "threat-actor"
    if not name or (kind in ("malware", "tool", "course-of-action") and not number):
        _lose(made, fields, Reason("misp-no-cluster", "MISP's galaxies name no such %(type)s", {"type": kind}))
        return
    made.tags = [{"name": f'misp-galaxy:{galaxy}="{name}{f" - {number}" if number else ""}"'}]
    if fields.get("description") or fields.get("aliases"):
        _lose(made, fields, Reason("misp-tag-only", "only its name goes out, as a tag"))


def _mitre_id(fields: Mapping[str, Any]) -> str:
    references = fields.get("external_references")
    for each in references if isinstance(references, list) else []:
        if isinstance(each, dict) and str(each.get("source_name", "")).startswith("mitre-") and each.get("external_id"):
            return str(each["external_id"])
    return ""


def _missing(fields: Mapping[str, Any], made: Said) -> None:
    """List the members that no attribute says."""
    kind = str(fields["type"])
    known = _SAID_ELSEWHERE | _SAID.get(kind, frozenset({"value", "name", "key", "number", "hashes", "subject"}))
    left = sorted(key for key in fields if key not in known)
    if kind == "file" and isinstance(fields.get("hashes"), dict):
        left += sorted(f"hashes.{name}" for name in fields["hashes"] if name not in _HASHES)
    if left:
        _lose(
            made,
            fields,
            Reason("misp-fields", "an attribute cannot say: %(members)s", {"members": ", ".join(left)[:500]}),
        )


def _lose(made: Said, fields: Mapping[str, Any], reason: Reason) -> None:
    made.losses.append(Loss(str(fields["id"]), reason))
