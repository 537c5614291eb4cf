"""Read STIX patterns (STIX 2.1 §9) as far as single observables can stand for them.

A pattern that needs two things at once, an order, a repetition or a negation is not true because one observable was
seen: it is refused with a reason instead of matched too widely.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable, canonical_observable, recognise
from mithaq.standards.stix.grammar import Comparison, Conjunction, Reader, Unreadable, refusal

MAX_PATTERN_CHARS: Final = 100_000
# By far most patterns are one equality; the tokens of those need not be told apart. Without escapes, so unambiguous.
ONE_EQUALITY: Final = re.compile(r"\[([a-z0-9-]++):(value) ?= ?'([^'\\]*+)'\]")
_ADDRESS_TYPES: Final = frozenset({"ipv4-addr", "ipv6-addr", "domain-name", "email-addr"})
_VALUE_KINDS: Final = {
    "ipv4-addr": "ipv4",
    "ipv6-addr": "ipv6",
    "domain-name": "domain",
    "hostname": "domain",
    "x-opencti-hostname": "domain",
    "url": "url",
    "email-addr": "email",
}
_HASHED: Final = frozenset({"file", "artifact", "x509-certificate"})
_HASH_KINDS: Final = {
    "md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512",
}  # fmt: skip
_EMAIL_REFS: Final = frozenset({"from_ref", "sender_ref", "to_refs", "cc_refs", "bcc_refs"})
_TRAFFIC_REFS: Final = frozenset({"dst_ref", "src_ref"})
_JA_KINDS: Final = {"ja3": "ja3", "ja3_hash": "ja3", "ja3-hash": "ja3", "ja3-fingerprint-md5": "ja3", "ja4": "ja4"}


@dataclass(frozen=True, slots=True)
class ReadPattern:
    """Hold what a pattern says about observables.

    `sufficient`: seeing any one of them makes the pattern true. `mentioned`: everything the pattern names, for
    search only. `reason`: why some part of the pattern, or all of it, cannot be matched by single observables.
    """

    sufficient: tuple[Observable, ...]
    mentioned: tuple[Observable, ...]
    reason: Reason | None


def read_pattern(pattern: str) -> ReadPattern:
    """Read a STIX pattern; a pattern that cannot be read has no observables and says why."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return ReadPattern(
            (), (), refusal("pattern-too-long", "the pattern is longer than %(max)s characters", max=MAX_PATTERN_CHARS)
        )
    single = ONE_EQUALITY.fullmatch(pattern)
    if single is not None:
        test = Comparison(single.group(1), (single.group(2),), "=", (single.group(3),), negated=False)
        return _judge([(test,)], [test], None)
    try:
        reader = Reader(pattern)
        conjunctions = reader.pattern()
    except Unreadable as error:
        return ReadPattern(
            (),
            (),
            refusal("pattern-unreadable", "the pattern does not follow STIX patterning: %(detail)s", detail=str(error)),
        )
    return _judge(conjunctions, reader.tests, reader.reason)


def matchable(pattern: str) -> tuple[Observable, ...] | Reason:
    """Return the observables of which any one makes the pattern true, or the reason why there are none."""
    read = read_pattern(pattern)
    if read.sufficient or read.reason is None:
        return read.sufficient
    return read.reason


def _judge(conjunctions: Sequence[Conjunction], tests: Sequence[Comparison], reason: Reason | None) -> ReadPattern:
    sufficient: list[Observable] = []
    for conjunction in conjunctions if reason is None else ():
        found = _alternatives(conjunction)
        if isinstance(found, Reason):
            reason = reason or found
        else:
            sufficient.extend(found)
    mentioned = [item for test in tests if not test.negated for item in _observables(test)]
    return ReadPattern(tuple(dict.fromkeys(sufficient)), tuple(dict.fromkeys(mentioned)), reason)


def _alternatives(conjunction: Conjunction) -> tuple[Observable, ...] | Reason:
    """Return the observables that each imply the whole conjunction, or why none does."""
    for test in conjunction:
        if test.negated:
            return refusal("pattern-negation", "the pattern excludes a value, which no single observation can show")
        if test.operator not in {"=", "IN", "ISSUBSET"}:
            return refusal(
                "pattern-operator",
                "the pattern compares with %(operator)s, which is not an exact value",
                operator=test.operator,
            )
    tests = _without_type_guards(conjunction)
    if len(tests) > 1 and not _are_hashes_of_one_file(tests):
        return refusal("pattern-and", "the pattern needs several things at once (AND)")
    found = [_observables(test) for test in tests]
    if not all(found):
        return refusal(
            "pattern-no-observable",
            "the pattern compares %(path)s, which is no observable of this node",
            path=_path_text(tests[[bool(item) for item in found].index(False)]),
        )
    return tuple(item for group in found for item in group)


def _without_type_guards(tests: Conjunction) -> Conjunction:
    """Drop `dst_ref.type = 'ipv4-addr'` beside `dst_ref.value = '…'`: the value says its own type."""
    valued = {test.key for test in tests if test.path[-1:] == ("value",)}
    kept = tuple(
        test
        for test in tests
        if not (test.path[-1:] == ("type",) and test.key in valued and set(test.values) <= _ADDRESS_TYPES)
    )
    return kept or tests


def _are_hashes_of_one_file(tests: Conjunction) -> bool:
    """Tell whether all tests are different hashes of one file: then each hash alone identifies it."""
    kinds = [hash_kind_of(test) for test in tests]
    same_file = len({test.key for test in tests}) == 1
    return (
        same_file
        and None not in kinds
        and len(set(kinds)) == len(kinds)
        and all(test.operator == "=" for test in tests)
    )


def hash_kind_of(test: Comparison) -> str | None:
    """Return the observable type of the hash that a test compares, or None; a certificate's is that of its DER form."""
    if test.object_type not in _HASHED or len(test.path) != 2 or test.path[0] != "hashes":
        return None
    return hash_kind(test.path[1])


def fingerprint_kind(test: Comparison) -> str | None:
    """Return the observable type of the TLS fingerprint that a test compares, or None."""
    return _JA_KINDS.get(test.path[-1].lower()) if test.path else None


def value_kind(test: Comparison) -> str | None:
    """Return what the values of an object's `value`, or of what a message or a connection refers to, are, or None.

    A connection refers to an address or a name: then it is `ipv4` here.
    """
    path = test.path
    if path == ("value",):
        return _VALUE_KINDS.get(test.object_type)
    if len(path) == 2 and path[1] == "value":
        if test.object_type == "email-message" and path[0] in _EMAIL_REFS:
            return "email"
        if test.object_type == "network-traffic" and path[0] in _TRAFFIC_REFS:
            return "ipv4"
    return None


def hash_kind(algorithm: str) -> str | None:
    """Return the observable type of a hash algorithm as STIX or a sloppy producer writes it, or None."""
    return _HASH_KINDS.get(algorithm.lower().replace("-", "").replace("_", ""))


def _observables(test: Comparison) -> tuple[Observable, ...]:
    """Return the observables a test names, or nothing if one of its values is none."""
    if test.operator not in {"=", "IN", "ISSUBSET"}:
        return ()
    found = tuple(observable_of(test, value) for value in test.values)
    return () if None in found else tuple(item for item in found if item is not None)


def observable_of(test: Comparison, value: str) -> Observable | None:
    """Return the observable that one value of a test is, or None."""
    if test.object_type == "network-traffic" and test.path[0] in _TRAFFIC_REFS and test.path[1:] == ("value",):
        found = recognise(value)
        return found if found is not None and found.type in {"ipv4", "ipv6", "cidr", "domain"} else None
    kind = value_kind(test) or hash_kind_of(test) or fingerprint_kind(test)
    return None if kind is None else canonical_observable(kind, value)


def _path_text(test: Comparison) -> str:
    return f"{test.object_type}:{'.'.join(test.path)}"[:120]
