"""By what a line is found that may satisfy a comparison of a pattern: exact values, else a text that stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.standards.stix.grammar import Comparison
from mithaq.standards.stix.paths import REGISTRY_KEY, SERIAL, Shows, hex_digits, path_key, shows
from mithaq.standards.stix.pattern import observable_of, value_kind
from mithaq.standards.stix.tree import AllOf, AnyOf, Comparing

MIN_TEXT_CHARS: Final = 4
"""A shorter text is in too many lines."""
MAX_TEXT_CHARS: Final = 100
"""Of a longer one its beginning is looked for; the whole is compared."""
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


class Left(Exception):
    """A part of a pattern cannot be looked for; the reason says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def unusable(code: str, message: str, **params: str | int) -> Reason:
    """Return why a pattern, or a part of it, is not looked for."""
    return Reason(code, message, params, _ADVICE)


def anchors_of(test: Comparing) -> list[Observable]:
    """Return what a line has one of wherever the test is true.

    Raises:
        Left: there is nothing of the kind.
    """
    match test:
        case Comparison():
            return _anchors_of_test(test)
        case AnyOf(parts):
            return [anchor for part in parts for anchor in anchors_of(part)]
        case AllOf(parts):
            found: list[list[Observable]] = []
            first: Left | None = None
            for part in parts:
                try:
                    found.append(anchors_of(part))
                except Left as left:
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
            raise Left(_unanchored(test))
        found += anchors
    return found


def _unanchored(test: Comparison) -> Reason:
    operator = f"NOT {test.operator}" if test.negated else test.operator
    return unusable(
        "pattern-unanchored",
        "%(path)s %(operator)s names nothing by which a line is found among all others",
        path=path_text(test),
        operator=operator,
    )


def _anchors_of_value(test: Comparison, value: str) -> list[Observable]:
    shown = shows(test)
    if test.operator in {"=", "IN", "ISSUBSET"} and shown is Shows.OBSERVABLE:
        found = observable_of(test, value)
        if found is None:
            raise Left(unusable("pattern-not-observable", "%(path)s is compared with what no one value there can be",
                                 path=path_text(test)))  # fmt: skip
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


def path_text(test: Comparison) -> str:
    """Return the path of a test as a reason names it."""
    return f"{test.object_type}:{'.'.join(test.path)}"[:120]
