"""What of a pattern can be looked for in logs, and by which values its lines are found (STIX 2.1 §9).

Every event that a pattern needs must have something in it by which a line is found among millions: an *anchor*. A
part without one, or that compares what no log shows, is left out where another part makes the pattern true (OR); where
it is needed (AND, FOLLOWEDBY) the whole is refused. What is found by its anchors is then judged by the whole pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.standards.stix.grammar import Comparison, Unreadable
from mithaq.standards.stix.paths import REGISTRY_KEY, SERIAL, Shows, hex_digits, path_key, shows
from mithaq.standards.stix.pattern import MAX_PATTERN_CHARS, observable_of, read_pattern, value_kind
from mithaq.standards.stix.regex import Unmatchable, like, regular
from mithaq.standards.stix.tree import (
    AllOf,
    AnyOf,
    Between,
    Comparing,
    Either,
    Followed,
    Observation,
    Observing,
    Repeats,
    Together,
    Within,
    observations_of,
    read_tree,
)

MIN_TEXT_CHARS: Final = 4
"""A shorter text is in too many lines."""
MAX_TEXT_CHARS: Final = 100
"""Of a longer one its beginning is looked for; the whole is compared."""
MAX_EVENTS: Final = 100
"""A pattern that needs more events is not looked for: they would have to be kept until the last one comes."""
_REMEMBERED: Final = 4_000

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_GAPS: Final = re.compile(r"[%_]+")
_HIVE: Final = re.compile(r"(?i)(?:HKEY_[A-Z_]+|HK(?:LM|CU|U|CR|CC))\\")
_FIRST_OCTETS: Final = re.compile(r"((?:[0-9]{1,3}\.){1,3})%")
_LABELS_BELOW: Final = re.compile(r"%\.((?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9_-]+)")
_ESCAPED: Final = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~-]+")
"""What a canonical URL may write in another way than a log does, or a log in two fields."""
_REGEX_PIECE: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{[^}]*\}|.", re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9 _/:;=@,<>\"'&%~!#-]")

_ADVICE: Final = "write a pattern of which every part has an exact value, or a text of four characters or more"


@dataclass(frozen=True, slots=True)
class Plan:
    """A pattern as far as it can be looked for.

    `anchors`: of every event that the pattern needs a line has one of these; a `text` stands in it as it is, in any
    case. `left_out`: why alternatives of the pattern are not looked for. `is_one`: one event makes it true.
    """

    tree: Observing
    anchors: tuple[Observable, ...]
    left_out: tuple[Reason, ...]
    is_one: bool


class _Left(Exception):
    """A part cannot be looked for."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


@lru_cache(maxsize=_REMEMBERED)
def plan_of(pattern: str) -> Plan | Reason | None:
    """Return how to look for a pattern, why it cannot be, or None where single observables say all of it."""
    reason = read_pattern(pattern).reason
    if reason is None or reason.code == "pattern-unreadable" or len(pattern) > MAX_PATTERN_CHARS:
        return reason
    planner = _Planner()
    try:
        tree = planner.observing(read_tree(pattern))
    except Unreadable as error:
        return _refused("pattern-unreadable", "the pattern does not follow STIX patterning: %(detail)s",
                        detail=str(error))  # fmt: skip
    except _Left as left:
        return left.reason
    numbered = _numbered(tree)
    return Plan(numbered, tuple(dict.fromkeys(planner.anchors)), tuple(planner.left_out), _is_one(numbered))


def _refused(code: str, message: str, **params: str | int) -> Reason:
    return Reason(code, message, params, _ADVICE)


class _Planner:
    """Go through a pattern once; `anchors` and `left_out` are what was found on the way."""

    def __init__(self) -> None:
        self.anchors: list[Observable] = []
        self.left_out: list[Reason] = []

    def observing(self, tree: Observing) -> Observing:
        match tree:
            case Observation():
                test, anchors = self._anchored(tree.test)
                self.anchors += anchors
                return replace(tree, test=test)
            case Together(parts):
                return Together(tuple(map(self.observing, parts)))
            case Followed(parts):
                return Followed(tuple(map(self.observing, parts)))
            case Either(parts):
                kept = self._alternatives(parts)
                return kept[0] if len(kept) == 1 else Either(tuple(kept))
            case Repeats(times, part):
                if times * _needed(part) > MAX_EVENTS:
                    raise _Left(_refused("pattern-repeats", "the pattern needs more than %(max)s events together",
                                         max=MAX_EVENTS))  # fmt: skip
                return replace(tree, part=self.observing(part))
            case Within() | Between():
                return replace(tree, part=self.observing(tree.part))

    def _alternatives(self, parts: Iterable[Observing]) -> list[Observing]:
        kept: list[Observing] = []
        first: _Left | None = None
        for part in parts:
            before = len(self.anchors)
            try:
                kept.append(self.observing(part))
            except _Left as left:
                first = first or left
                del self.anchors[before:]
                self.left_out.append(left.reason)
        if not kept and first is not None:
            raise first
        return kept

    def _anchored(self, test: Comparing) -> tuple[Comparing, list[Observable]]:
        """Return the test without the alternatives that cannot be looked for, and its anchors."""
        if not isinstance(test, AnyOf):
            test = self._shown(test)
            return test, _anchors_of(test)
        kept, anchors, first = [], [], None
        for part in test.parts:
            try:
                found, own = self._anchored(part)
            except _Left as left:
                first = first or left
                self.left_out.append(left.reason)
            else:
                kept.append(found)
                anchors += own
        if first is not None and not kept:
            raise first
        return (kept[0] if len(kept) == 1 else AnyOf(tuple(kept))), anchors

    def _shown(self, test: Comparing) -> Comparing:
        """Return the test without the alternatives that no log shows; what is needed must be shown."""
        match test:
            case Comparison():
                _demand_shown(test)
                return test
            case AllOf(parts):
                return AllOf(tuple(map(self._shown, parts)))
            case AnyOf(parts):
                kept, first = [], None
                for part in parts:
                    try:
                        kept.append(self._shown(part))
                    except _Left as left:
                        first = first or left
                        self.left_out.append(left.reason)
                if first is not None and not kept:
                    raise first
                return kept[0] if len(kept) == 1 else AnyOf(tuple(kept))


def _demand_shown(test: Comparison) -> None:
    if shows(test) is None:
        raise _Left(_refused("pattern-not-shown", "the pattern compares %(path)s, which no log here shows",
                             path=_path_text(test)))  # fmt: skip
    if test.operator in {"ISSUBSET", "ISSUPERSET"} and value_kind(test) not in {"ipv4", "ipv6"}:
        raise _Left(_refused("pattern-operator", "the pattern compares with %(operator)s, which only addresses have",
                             operator=test.operator))  # fmt: skip
    try:
        if test.operator == "LIKE":
            like(test.values[0], any_case=False)
        elif test.operator == "MATCHES":
            regular(test.values[0], any_case=False)
    except Unmatchable as error:
        raise _Left(_refused("pattern-regex", "%(operator)s cannot be compared in bounded time: %(detail)s",
                             operator=test.operator, detail=str(error))) from error  # fmt: skip


def _anchors_of(test: Comparing) -> list[Observable]:
    """Return what a line has one of wherever the test is true.

    Raises:
        _Left: there is nothing of the kind.
    """
    match test:
        case Comparison():
            return _anchors_of_test(test)
        case AnyOf(parts):
            return [anchor for part in parts for anchor in _anchors_of(part)]
        case AllOf(parts):
            found: list[list[Observable]] = []
            first: _Left | None = None
            for part in parts:
                try:
                    found.append(_anchors_of(part))
                except _Left as left:
                    first = first or left
            if not found:
                raise first or AssertionError("AND joins nothing")
            return min(found, key=_cost)


def _cost(anchors: list[Observable]) -> tuple[float, int]:
    """Rank anchors: exact values before networks before texts, long texts before short ones, few before many."""
    ranks = {"text": 2.0, "cidr": 1.0}
    worst = max(ranks.get(each.type, 0.0) + (1 / len(each.value) if each.type == "text" else 0.0) for each in anchors)
    return worst, len(anchors)


def _anchors_of_test(test: Comparison) -> list[Observable]:
    found: list[Observable] = []
    for value in test.values or ("",):
        anchors = [] if test.negated else _anchors_of_value(test, value)
        if not anchors:
            raise _Left(_unanchored(test))
        found += anchors
    return found


def _unanchored(test: Comparison) -> Reason:
    operator = f"NOT {test.operator}" if test.negated else test.operator
    return _refused(
        "pattern-unanchored",
        "%(path)s %(operator)s names nothing by which a line is found among all others",
        path=_path_text(test),
        operator=operator,
    )


def _anchors_of_value(test: Comparison, value: str) -> list[Observable]:
    shown = shows(test)
    if test.operator in {"=", "IN", "ISSUBSET"} and shown is Shows.OBSERVABLE:
        found = observable_of(test, value)
        if found is None:
            raise _Left(_refused("pattern-not-observable", "%(path)s is compared with what no one value there can be",
                                 path=_path_text(test)))  # fmt: skip
        return [found]
    if shown not in {Shows.TEXT, Shows.OBSERVABLE}:
        return []
    match test.operator:
        case "=" | "IN":
            return _texts(test, [value])
        case "LIKE":
            return _like(test, value)
        case "MATCHES":
            return _texts(test, _literals(value))
    return []


def _like(test: Comparison, value: str) -> list[Observable]:
    if shows(test) is Shows.OBSERVABLE:
        kind = value_kind(test)
        if kind == "ipv4":
            found = _network_like(value)
            return [] if found is None else [found]
        below = _LABELS_BELOW.fullmatch(value) if kind == "domain" else None
        if kind == "email" and value.startswith("%@"):
            below = _LABELS_BELOW.fullmatch("%." + value[2:])
        if below is not None:
            named = canonical_observable("domain", below[1])
            return [] if named is None else [named]
        if kind not in {"domain", "url", "email"}:
            return []
    return _texts(test, _GAPS.split(value))


def _network_like(value: str) -> Observable | None:
    """Read `198.51.100.%` as the network that it means."""
    match = _FIRST_OCTETS.fullmatch(value)
    if match is None:
        return None
    octets = match[1].count(".")
    return canonical_observable("cidr", f"{match[1]}{'.'.join('0' * (4 - octets))}/{8 * octets}")


def _texts(test: Comparison, pieces: Iterable[str]) -> list[Observable]:
    """Return the longest piece that stands in a line as it is written in a pattern, where one is long enough."""
    path = path_key(test)
    if path == SERIAL:
        return _serial(test, next(iter(pieces), ""))
    if path == REGISTRY_KEY:
        pieces = [_HIVE.sub("", piece) for piece in pieces]
    splitter = _ESCAPED if shows(test) is Shows.OBSERVABLE else _CONTROLS
    longest = max((part.strip() for piece in pieces for part in splitter.split(piece)), key=len, default="")
    return [Observable("text", _lowered(longest[:MAX_TEXT_CHARS].rstrip()))] if len(longest) >= MIN_TEXT_CHARS else []


def _lowered(text: str) -> str:
    """Lower only what a scan finds in any case."""
    return "".join(each.lower() if each.isascii() else each for each in text)


def _serial(test: Comparison, value: str) -> list[Observable]:
    """A serial number is written with colons and without, from its first digit that is no zero."""
    digits = hex_digits(value)
    if test.operator not in {"=", "IN"} or len(digits) < MIN_TEXT_CHARS:
        return []
    padded = digits if len(digits) % 2 == 0 else f"0{digits}"
    pairs = [padded[at : at + 2] for at in range(0, len(padded), 2)]
    spelled = (digits, ":".join(pairs)[len(padded) - len(digits) :])
    return [Observable("text", each[:MAX_TEXT_CHARS]) for each in spelled]


def _literals(regex: str) -> list[str]:
    """Return texts that stand in whatever a regular expression matches; fewer than there are, never one too many."""
    if "|" in regex or "(?" in regex:
        return []
    found, current, depth = [], "", 0
    for piece in _REGEX_PIECE.findall(regex):
        plain = _plain(piece)
        if depth == 0 and plain:
            current += plain
            continue
        if piece in {"*", "?"} or piece.startswith("{"):
            current = current[:-1]
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and piece in {"^", "$"}:
            continue
        found.append(current)
        current = ""
    return [*found, current]


def _plain(piece: str) -> str:
    if len(piece) == 2 and piece[0] == "\\" and not piece[1].isalnum():
        return piece[1]
    return piece if len(piece) == 1 and _PLAIN.fullmatch(piece) else ""


def _numbered(tree: Observing) -> Observing:
    """Number the observations that are left from 0."""
    numbers = {each.number: place for place, each in enumerate(observations_of(tree))}

    def walk(part: Observing) -> Observing:
        match part:
            case Observation():
                return replace(part, number=numbers[part.number])
            case Together(parts):
                return Together(tuple(map(walk, parts)))
            case Followed(parts):
                return Followed(tuple(map(walk, parts)))
            case Either(parts):
                return Either(tuple(map(walk, parts)))
            case Within() | Repeats() | Between():
                return replace(part, part=walk(part.part))

    return walk(tree)


def _needed(tree: Observing) -> int:
    """Return how many events a pattern needs at most."""
    match tree:
        case Observation():
            return 1
        case Together(parts) | Followed(parts):
            return sum(map(_needed, parts))
        case Either(parts):
            return max(map(_needed, parts))
        case Repeats(times, part):
            return times * _needed(part)
        case Within(part=part) | Between(part=part):
            return _needed(part)


def _is_one(tree: Observing) -> bool:
    match tree:
        case Observation():
            return True
        case Either(parts):
            return all(map(_is_one, parts))
        case Together() | Followed():
            return False
        case Repeats(times, part):
            return times == 1 and _is_one(part)
        case Within(part=part) | Between(part=part):
            return _is_one(part)


def _path_text(test: Comparison) -> str:
    return f"{test.object_type}:{'.'.join(test.path)}"[:120]
