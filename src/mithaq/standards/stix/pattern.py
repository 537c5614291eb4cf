"""Read STIX patterns (STIX 2.1 §9) as far as single observables can stand for them.

A pattern that needs two things at once, an order, a repetition or a negation is not true because one observable was
seen: it is refused with a reason instead of matched too widely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable, canonical_observable, recognise

MAX_PATTERN_CHARS: Final = 100_000
_MAX_NESTING: Final = 32

# Possessive throughout: one pass, whatever the input.
_TOKEN: Final = re.compile(
    r"\s++"
    r"|(?P<string>[hbt]?'(?>[^'\\]++|\\.)*+')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_-]*+)"
    r"|(?P<number>[+-]?[0-9]++(?:\.[0-9]++)?+)"
    r"|(?P<sign>!=|<>|==|<=|>=|[=<>\[\]().:,*])",
    re.DOTALL,
)
# By far most patterns are one equality; the tokens of those need not be told apart. Without escapes, so unambiguous.
_ONE_EQUALITY: Final = re.compile(r"\[([a-z0-9-]++):(value) ?= ?'([^'\\]*+)'\]")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
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
_HASH_KINDS: Final = {
    "md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha512": "sha512",
}  # fmt: skip
_EMAIL_REFS: Final = frozenset({"from_ref", "sender_ref", "to_refs", "cc_refs", "bcc_refs"})
_TRAFFIC_REFS: Final = frozenset({"dst_ref", "src_ref"})
_JA_KINDS: Final = {"ja3": "ja3", "ja3_hash": "ja3", "ja3-hash": "ja3", "ja3-fingerprint-md5": "ja3", "ja4": "ja4"}


class _Unreadable(Exception):
    """The pattern does not follow the grammar; the text says where."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class _Test:
    """One comparison: object type, path, operator, values; `negated` for NOT and !=."""

    object_type: str
    path: tuple[str, ...]
    operator: str
    values: tuple[str, ...]
    negated: bool

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return (self.object_type, self.path[:-1])


# A pattern in disjunctive form: any of the conjunctions makes it true.
_Conjunction = tuple[_Test, ...]


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
            (), (), _reason("pattern-too-long", "the pattern is longer than %(max)s characters", max=MAX_PATTERN_CHARS)
        )
    single = _ONE_EQUALITY.fullmatch(pattern)
    if single is not None:
        test = _Test(single.group(1), (single.group(2),), "=", (single.group(3),), negated=False)
        return _judge([(test,)], [test], None)
    try:
        reader = _Reader(list(_tokens(pattern)))
        conjunctions = reader.pattern()
    except _Unreadable as error:
        return ReadPattern(
            (),
            (),
            _reason("pattern-unreadable", "the pattern does not follow STIX patterning: %(detail)s", detail=str(error)),
        )
    return _judge(conjunctions, reader.tests, reader.reason)


def matchable(pattern: str) -> tuple[Observable, ...] | Reason:
    """Return the observables of which any one makes the pattern true, or the reason why there are none."""
    read = read_pattern(pattern)
    if read.sufficient or read.reason is None:
        return read.sufficient
    return read.reason


def _judge(conjunctions: Sequence[_Conjunction], tests: Sequence[_Test], reason: Reason | None) -> ReadPattern:
    sufficient: list[Observable] = []
    for conjunction in conjunctions if reason is None else ():
        found = _alternatives(conjunction)
        if isinstance(found, Reason):
            reason = reason or found
        else:
            sufficient.extend(found)
    mentioned = [item for test in tests if not test.negated for item in _observables(test)]
    return ReadPattern(tuple(dict.fromkeys(sufficient)), tuple(dict.fromkeys(mentioned)), reason)


def _alternatives(conjunction: _Conjunction) -> tuple[Observable, ...] | Reason:
    """Return the observables that each imply the whole conjunction, or why none does."""
    for test in conjunction:
        if test.negated:
            return _reason("pattern-negation", "the pattern excludes a value, which no single observation can show")
        if test.operator not in {"=", "IN", "ISSUBSET"}:
            return _reason(
                "pattern-operator",
                "the pattern compares with %(operator)s, which is not an exact value",
                operator=test.operator,
            )
    tests = _without_type_guards(conjunction)
    if len(tests) > 1 and not _are_hashes_of_one_file(tests):
        return _reason("pattern-and", "the pattern needs several things at once (AND)")
    found = [_observables(test) for test in tests]
    if not all(found):
        return _reason(
            "pattern-no-observable",
            "the pattern compares %(path)s, which is no observable of this node",
            path=_path_text(tests[[bool(item) for item in found].index(False)]),
        )
    return tuple(item for group in found for item in group)


def _without_type_guards(tests: _Conjunction) -> _Conjunction:
    """Drop `dst_ref.type = 'ipv4-addr'` beside `dst_ref.value = '…'`: the value says its own type."""
    valued = {test.key for test in tests if test.path[-1:] == ("value",)}
    kept = tuple(
        test
        for test in tests
        if not (test.path[-1:] == ("type",) and test.key in valued and set(test.values) <= _ADDRESS_TYPES)
    )
    return kept or tests


def _are_hashes_of_one_file(tests: _Conjunction) -> bool:
    """Tell whether all tests are different hashes of one file: then each hash alone identifies it."""
    kinds = [_hash_kind(test) for test in tests]
    same_file = len({test.key for test in tests}) == 1
    return (
        same_file
        and None not in kinds
        and len(set(kinds)) == len(kinds)
        and all(test.operator == "=" for test in tests)
    )


def _hash_kind(test: _Test) -> str | None:
    if test.object_type not in {"file", "artifact"} or len(test.path) != 2 or test.path[0] != "hashes":
        return None
    return hash_kind(test.path[1])


def hash_kind(algorithm: str) -> str | None:
    """Return the observable type of a hash algorithm as STIX or a sloppy producer writes it, or None."""
    return _HASH_KINDS.get(algorithm.lower().replace("-", "").replace("_", ""))


def _observables(test: _Test) -> tuple[Observable, ...]:
    """Return the observables a test names, or nothing if one of its values is none."""
    if test.operator not in {"=", "IN", "ISSUBSET"}:
        return ()
    found = tuple(_observable(test, value) for value in test.values)
    return () if None in found else tuple(item for item in found if item is not None)


def _observable(test: _Test, value: str) -> Observable | None:
    path = test.path
    if path == ("value",) and test.object_type in _VALUE_KINDS:
        return canonical_observable(_VALUE_KINDS[test.object_type], value)
    if len(path) == 2 and path[1] == "value":
        if test.object_type == "email-message" and path[0] in _EMAIL_REFS:
            return canonical_observable("email", value)
        if test.object_type == "network-traffic" and path[0] in _TRAFFIC_REFS:
            found = recognise(value)
            return found if found is not None and found.type in {"ipv4", "ipv6", "cidr", "domain"} else None
    file_hash = _hash_kind(test)
    if file_hash is not None:
        return canonical_observable(file_hash, value)
    fingerprint = _JA_KINDS.get(path[-1].lower()) if path else None
    return None if fingerprint is None else canonical_observable(fingerprint, value)


def _path_text(test: _Test) -> str:
    return f"{test.object_type}:{'.'.join(test.path)}"[:120]


def _reason(code: str, message: str, **params: str | int) -> Reason:
    return Reason(code, message, params, "write one indicator for each value that is dangerous by itself")


def _tokens(pattern: str) -> Iterator[_Token]:
    position = 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise _Unreadable(f"character {position + 1}")
        if match.lastgroup is not None:
            yield _Token(match.lastgroup, match.group(), position)
        position = match.end()
    yield _Token("end", "", position)


class _Reader:
    """Read the token list once, left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._nesting = 0
        self.tests: list[_Test] = []
        self.reason: Reason | None = None

    def pattern(self) -> list[_Conjunction]:
        found = self._observations()
        self._expect("")
        return found

    def _observations(self) -> list[_Conjunction]:
        found = self._observation()
        while self._peek() in {"OR", "AND", "FOLLOWEDBY"}:
            word = self._take().text
            if word != "OR":
                self._refuse(
                    "pattern-several-observations",
                    "the pattern needs several observations together (%(word)s)",
                    word=word,
                )
            found += self._observation()
        return found

    def _observation(self) -> list[_Conjunction]:
        opening = self._take()
        if opening.text == "[":
            found = self._any_of()
            self._expect("]")
        elif opening.text == "(":
            self._enter()
            found = self._observations()
            self._expect(")")
            self._nesting -= 1
        else:
            raise _Unreadable(f"[ or ( expected at character {opening.position + 1}")
        self._qualifiers()
        return found

    def _qualifiers(self) -> None:
        while self._peek() in {"WITHIN", "REPEATS", "START"}:
            word = self._take().text
            self._refuse("pattern-qualifier", "the pattern limits time or number (%(word)s)", word=word)
            self._take()
            self._take_if({"SECONDS", "TIMES"})
            if word == "START":
                self._expect("STOP")
                self._take()

    def _any_of(self) -> list[_Conjunction]:
        """OR binds weaker than AND (STIX 2.1 §9.6.1)."""
        found = self._all_of()
        while self._take_if({"OR"}):
            found += self._all_of()
        return found

    def _all_of(self) -> list[_Conjunction]:
        groups = [self._comparison()]
        while self._take_if({"AND"}):
            groups.append(self._comparison())
        if len(groups) == 1:
            return groups[0]
        if any(len(group) > 1 for group in groups):
            self._refuse("pattern-and", "the pattern needs several things at once (AND)")
        return [tuple(test for group in groups for test in group[0])]

    def _comparison(self) -> list[_Conjunction]:
        if self._take_if({"("}):
            self._enter()
            found = self._any_of()
            self._expect(")")
            self._nesting -= 1
            return found
        test = self._test()
        self.tests.append(test)
        return [(test,)]

    def _test(self) -> _Test:
        if self._take_if({"EXISTS"}):
            object_type, path = self._object_path()
            return _Test(object_type, path, "EXISTS", (), False)
        object_type, path = self._object_path()
        negated = self._take_if({"NOT"})
        operator = self._take().text
        if operator in {"!=", "<>"}:
            return _Test(object_type, path, "=", (self._value(),), True)
        if operator == "IN":
            return _Test(object_type, path, "IN", self._value_set(), negated)
        if operator in {"=", "==", "<", ">", "<=", ">=", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"}:
            return _Test(object_type, path, "=" if operator == "==" else operator, (self._value(),), negated)
        raise _Unreadable(f"unknown operator {operator[:20]!r}")

    def _object_path(self) -> tuple[str, tuple[str, ...]]:
        object_type = self._name()
        self._expect(":")
        path = [self._name()]
        while True:
            if self._take_if({"."}):
                path.append(self._name())
            elif self._take_if({"["}):
                if self._take().kind not in {"number", "sign"}:
                    raise _Unreadable("a list index is a number or *")
                self._expect("]")
            else:
                return object_type, tuple(path)

    def _name(self) -> str:
        token = self._take()
        if token.kind == "word":
            return token.text
        if token.kind == "string":
            return _text_of(token)
        raise _Unreadable(f"a name expected at character {token.position + 1}")

    def _value(self) -> str:
        token = self._take()
        if token.kind == "string":
            return _text_of(token)
        if token.kind in {"number", "word"}:
            return token.text
        raise _Unreadable(f"a value expected at character {token.position + 1}")

    def _value_set(self) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value()]
        while self._take_if({","}):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _refuse(self, code: str, message: str, **params: str | int) -> None:
        self.reason = self.reason or _reason(code, message, **params)

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise _Unreadable(f"more than {_MAX_NESTING} parentheses deep")

    def _peek(self) -> str:
        token = self._tokens[self._next]
        return "" if token.kind == "string" else token.text

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind == "end":
            raise _Unreadable("it ends too early")
        self._next += 1
        return token

    def _take_if(self, texts: set[str]) -> bool:
        if self._peek() in texts:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        token = self._tokens[self._next]
        if token.text != text or token.kind == "string":
            raise _Unreadable(f"{text or 'the end'!r} expected at character {token.position + 1}")
        self._next += 1


def _text_of(token: _Token) -> str:
    return _ESCAPE.sub(r"\1", token.text[token.text.index("'") + 1 : -1])
