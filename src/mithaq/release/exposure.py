"""Which classes of protected fields an object shows: rules over STIX paths, and detectors over every text.

What is not understood counts as showing: a property of somebody's own shows whose it is, and bytes that cannot be
looked into show everything. A name that nobody listed, in a text that is not itself protected, is not found: an
agreement that has to be sure protects `free-text` too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from mithaq.agreements.terms import Terms
from mithaq.agreements.vocabulary import FieldClass, Operation
from mithaq.release import fields as stix_fields
from mithaq.release.values import MIN_NAME_CHARS, ValueKind, internal_network, values_in
from mithaq.standards.stix import fields_of

Path = tuple[str | int, ...]
Kind = Literal["text", "whole", "ref", "label"] | ValueKind

MAX_TRUNCATED_CHARS: Final = 80
"""What is left of a text that is truncated."""

_EVERY: Final[tuple[FieldClass, ...]] = (
    "source-identity", "victim-identity", "personal-data", "internal-address", "free-text",
)  # fmt: skip
_WHO: Final[tuple[FieldClass, ...]] = ("source-identity", "victim-identity")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+/-]{0,79}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:+/=-]{1,500}")
_ID: Final = re.compile(
    r"[a-z0-9_-]{1,250}--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-([0-9a-fA-F])[0-9a-fA-F]{3}-[0-9a-fA-F-]{17}"
)
_LABEL_OF: Final[dict[str, FieldClass]] = {
    "victim": "victim-identity", "target": "victim-identity", "affected": "victim-identity",
    "constituent": "victim-identity", "source": "source-identity", "originator": "source-identity",
    "org": "source-identity", "organisation": "source-identity", "organization": "source-identity",
    "reporter": "source-identity", "owner": "source-identity", "author": "source-identity",
}  # fmt: skip
_SELECTOR: Final = re.compile(r"[a-z0-9_]{1,250}(?:\.(?:\[\d{1,6}\]|[A-Za-z0-9_-]{1,250})){0,64}")  # STIX 2.1 §7.2.3.1
_CHECKED: Final = frozenset({"type", "id", "created", "modified"})
"""Held to a strict form by `standards.stix.parse`, so that nothing else stands in them."""

_PSEUDONYM: Final = re.compile(r"pseudonym-[a-z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Policy:
    """What an agreement protects and how, with the names by which a nation and its victims are known here."""

    operations: Mapping[FieldClass, Operation] = field(default_factory=dict)
    known: Mapping[FieldClass, frozenset[str]] = field(default_factory=dict)


STRICTEST: Final = Policy()
"""Nothing has been done to the object yet: only what is not there is not shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that shows a class: a whole value, or a part of a text from `start` on."""

    fields: FieldClass
    path: Path
    kind: Kind
    text: str = ""
    start: int = -1


@dataclass(frozen=True, slots=True)
class _Rule:
    """Every value below these properties, in these types (none named: in all), shows these classes."""

    classes: tuple[FieldClass, ...]
    keys: frozenset[str]
    types: frozenset[str] = frozenset()


_RULES: Final = (
    _Rule(("source-identity",), frozenset({"created_by_ref"})),
    _Rule(("source-identity", "personal-data"), frozenset({"authors"})),
    _Rule(("source-identity",), frozenset({"definition"}), frozenset({"marking-definition"})),
    _Rule(("victim-identity",), frozenset({"where_sighted_refs"}), frozenset({"sighting"})),
    _Rule(("victim-identity",), stix_fields.PLACE, frozenset({"location"})),
    _Rule(_WHO, frozenset({"name", "description", "aliases", "external_references"}), frozenset({"identity"})),
    _Rule((*_WHO, "personal-data"), frozenset({"contact_information"})),
    _Rule(("personal-data",), stix_fields.ACCOUNT),
    _Rule(("personal-data",), frozenset({"value"}), frozenset({"email-addr"})),
    _Rule(("internal-address",), frozenset({"value"}), frozenset({"mac-addr"})),
    _Rule(_EVERY, stix_fields.OPAQUE),
)


def policy_of(terms: Terms, known: Mapping[FieldClass, frozenset[str]] | None = None) -> Policy:
    """Return what is agreed to be done, the strictest of each class; `attribution: must-not` drops the source.

    A shortened name still names: `truncate` is `drop` for all but addresses and texts.
    """
    operations: dict[FieldClass, Operation] = {}
    rank = ("truncate", "generalise", "pseudonymise", "drop")
    for each in terms.transforms:
        fits = each.operation != "truncate" or each.fields in ("internal-address", "free-text")
        asked: Operation = each.operation if fits else "drop"
        operations[each.fields] = max(asked, operations.get(each.fields, asked), key=rank.index)
    if terms.attribution == "must-not":
        operations.setdefault("source-identity", "drop")
    return Policy(operations, known or {})


def exposed(stix: Mapping[str, Any] | bytes, policy: Policy = STRICTEST) -> frozenset[FieldClass]:
    """Return the classes that an object shows, given what was agreed to be done to each.

    Raises:
        BadObject: the bytes are no STIX object.

    >>> sorted(exposed({"type": "note", "id": "note--1", "content": "mail j.doe@grid.example"}))
    ['free-text', 'personal-data']
    """
    members = fields_of(stix) if isinstance(stix, bytes) else stix
    return frozenset(each.fields for each in findings(members, policy))


def findings(members: Mapping[str, Any], policy: Policy = STRICTEST) -> Iterator[Finding]:
    """Yield every place of an object that shows a class, unless it has the form its operation leaves."""
    general = generic_name(members)
    for each in _all(members, policy.known):
        if not _is_done(each, policy.operations.get(each.fields), general):
            yield each


def generic_name(members: Mapping[str, Any]) -> str:
    """Return what a generalised name says: the kind of object; of an identity its class and sectors."""
    if members.get("type") != "identity":
        return str(members.get("type"))
    sectors = members.get("sectors")
    words = [each for each in sectors if isinstance(each, str)] if isinstance(sectors, list) else []
    kind = members.get("identity_class")
    return f"{kind if isinstance(kind, str) else 'identity'}{': ' if words else ''}{', '.join(words)}"


def is_pseudonymous_id(text: str) -> bool:
    """Tell whether an id was made by a node for a protected version: a UUID of version 8 (RFC 9562 §5.8)."""
    match = _ID.fullmatch(text)
    return match is not None and match.group(1) == "8"


def _is_done(each: Finding, operation: Operation | None, general: str) -> bool:
    if each.kind == "ref":
        return operation in ("pseudonymise", "generalise") and is_pseudonymous_id(each.text)
    if each.kind == "address":
        network = internal_network(each.text)
        wide = network is not None and "/" in each.text and network.prefixlen <= (24 if network.version == 4 else 48)
        return wide and operation in ("generalise", "truncate")
    if each.kind == "host":
        return operation in ("generalise", "truncate") and each.text.startswith("host.") and each.text.count(".") == 1
    if operation == "pseudonymise":
        return _PSEUDONYM.fullmatch(each.text) is not None or each.text.endswith("@pseudonym.invalid")
    if each.kind != "text":
        return False
    if operation == "generalise":
        return each.path[-1] == "name" and each.text == general
    return operation == "truncate" and each.fields == "free-text" and len(each.text) <= MAX_TRUNCATED_CHARS


def _all(members: Mapping[str, Any], known: Mapping[FieldClass, frozenset[str]]) -> Iterator[Finding]:
    kind = str(members.get("type"))
    sources = known.get("source-identity")
    another = kind == "identity" and bool(sources) and members.get("id") not in (sources or ())
    individual = kind == "identity" and members.get("identity_class") == "individual"
    for key, value in members.items():
        classes = _ruled(kind, key)
        if individual and set(_WHO) <= set(classes):
            classes = (*classes, "personal-data")
        if another:  # where the source is known, every other identity is somebody it happened to
            classes = tuple(each for each in classes if each != "source-identity" or key == "created_by_ref")
        if key == "external_references" and isinstance(value, list):
            for place, element in enumerate(value):
                yield from _reference(element, (key, place))
        elif stix_fields.is_own(key):
            yield from (Finding(each, (key,), "whole") for each in (*_WHO, "free-text"))
        elif key == "extensions" and isinstance(value, dict):
            for name in value:
                if not name.endswith("-ext"):
                    yield from (Finding(each, (key, name), "whole") for each in (*_WHO, "free-text"))
        for path, leaf in _leaves(value, (key,)) if key not in _CHECKED else ():
            yield from _of_leaf(path, leaf, classes, known)


@lru_cache(maxsize=4096)
def _ruled(kind: str, key: str) -> tuple[FieldClass, ...]:
    found = [each for rule in _RULES if key in rule.keys and kind in (rule.types or {kind}) for each in rule.classes]
    return tuple(dict.fromkeys(found))


def _of_leaf(
    path: Path, leaf: Any, classes: tuple[FieldClass, ...], known: Mapping[FieldClass, frozenset[str]]
) -> Iterator[Finding]:
    if not isinstance(leaf, str):
        yield from (Finding(each, path, "whole") for each in classes if leaf is not None)
        return
    if _is_reference(path, leaf):
        yield from _of_reference(path, leaf, classes, known)
        return
    yield from (Finding(each, path, "text", leaf) for each in classes)
    if path[0] == "labels":
        yield from _of_label(path, leaf)
    elif _is_text(path, leaf):
        yield Finding("free-text", path, "text", leaf)
    for value in values_in(leaf):
        yield Finding(value.fields, path, value.kind, value.text, value.start)
    for fields, names in known.items():
        if (expression := _any_of(names)) is not None:
            for match in expression.finditer(leaf):
                yield Finding(fields, path, "known", match.group(), match.start())
    for depth, key in enumerate(path[1:], 2):
        if isinstance(key, str):
            yield from (Finding(value.fields, path[:depth], "whole") for value in values_in(key))


def _is_reference(path: Path, leaf: str) -> bool:
    names = [key for key in path if isinstance(key, str)]
    return names[-1].endswith(("_ref", "_refs")) and _ID.fullmatch(leaf) is not None


def _of_reference(
    path: Path, leaf: str, classes: tuple[FieldClass, ...], known: Mapping[FieldClass, frozenset[str]]
) -> Iterator[Finding]:
    found: set[FieldClass] = set(classes)
    if leaf.startswith("identity--") and path[0] != "created_by_ref":
        found.add("victim-identity")
    found |= {fields for fields, names in known.items() if leaf in names}
    yield from (Finding(each, path, "ref", leaf) for each in sorted(found))


def _of_label(path: Path, leaf: str) -> Iterator[Finding]:
    fields = _LABEL_OF.get(re.split(r"[:=]", leaf.lower(), maxsplit=1)[0].strip())
    if fields is not None:
        yield Finding(fields, path, "label", leaf)
    if not _WORD.fullmatch(leaf):
        yield Finding("free-text", path, "label", leaf)


def _is_text(path: Path, leaf: str) -> bool:
    """Tell whether people may have written freely here: everywhere but where a word of the standard stands."""
    names = [key for key in path if isinstance(key, str)]
    top, last = names[0], names[-1]
    if top == "external_references":
        return not (last in ("source_name", "external_id") and _WORD.fullmatch(leaf))
    if top in ("value", "pattern"):
        return False
    if top == "granular_markings" and last == "selectors":
        return _SELECTOR.fullmatch(leaf) is None
    if top in stix_fields.TEXT and top != "extensions":
        return leaf != ""
    if last in stix_fields.VOCABULARY or top in stix_fields.VOCABULARY:
        return _WORD.fullmatch(leaf) is None
    return not (top in stix_fields.PLAIN or last in stix_fields.PLAIN) or _TOKEN.fullmatch(leaf) is None


def _reference(element: Any, path: Path) -> Iterator[Finding]:
    """An external reference to a public catalogue tells nothing of its writer; anything else beside it may."""
    if not isinstance(element, dict) or element.get("source_name") not in stix_fields.PUBLIC_SOURCES:
        yield Finding("source-identity", path, "whole")
        return
    for key, value in element.items():
        if key not in ("source_name", "external_id") or not isinstance(value, str) or not _WORD.fullmatch(value):
            yield Finding("source-identity", (*path, key), "whole")


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, (*path, place))
    else:
        yield path, value


@lru_cache(maxsize=64)
def _any_of(names: frozenset[str]) -> re.Pattern[str] | None:
    """An expression for any of these names, the longest first."""
    long = sorted((name for name in names if len(name) >= MIN_NAME_CHARS), key=lambda name: (-len(name), name))
    return re.compile("|".join(map(re.escape, long)), re.IGNORECASE) if long else None
