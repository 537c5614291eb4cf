"""All predicates on one field: exact texts in dictionaries, patterns in one Hyperscan database."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import hyperscan

from mithaq.detection.sigma import patterns, settings
from mithaq.detection.sigma.fields import instant, text_of
from mithaq.detection.sigma.model import Predicate

Numbered = tuple[int, Predicate]
_SCANNED: Final = frozenset({"like", "like-cased", "re"})
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "neq": lambda value, bound: value != bound,
}
_Test = Callable[[str], bool]


class FieldIndex:
    """Answer which predicates a value makes true.

    `databases`: those that `serialised` gave for the same predicates; compiled anew where there are none. An index
    is scanned by one thread at a time.
    """

    def __init__(
        self,
        predicates: Sequence[Numbered],
        databases: Sequence[bytes] | None = None,
    ) -> None:
        self._exact: dict[str, list[int]] = {}
        self._cased: dict[str, list[int]] = {}
        self._networks: dict[tuple[int, int], dict[int, list[int]]] = {}
        self._tests: list[tuple[int, _Test]] = []
        self._always: list[int] = []
        self._empty = [each for each in predicates if each[1].operator in ("re", "re-slow")]
        for number, predicate in predicates:
            self._add(number, predicate)
        scanned = [each for each in predicates if each[1].operator in _SCANNED]
        if databases is None:
            self._databases, slow = _compile(scanned)
        else:
            self._databases, slow = [_loaded(each) for each in databases], []
        self._tests += [(number, _re2_test(_as_re2(predicate))) for number, predicate in slow]
        self.may_be_kept = not slow

    def serialised(self) -> list[bytes]:
        """Return the databases, to be kept."""
        return [bytes(hyperscan.dumpb(each)) for each in self._databases]

    def numbers(self, value: object) -> list[int]:
        """Return which predicates a value of an event makes true; of a list, which each item does.

        Null makes nothing true, an empty list or a mapping only that the field is there.
        """
        if isinstance(value, list):
            items = [number for each in value[: settings.MAX_LIST_ITEMS] for number in self.numbers(each)]
            return list(dict.fromkeys([*self._always, *items]))
        text = text_of(value)
        if text is not None:
            return self.of_text(text)
        return [] if value is None else list(self._always)

    def of_text(self, text: str) -> list[int]:
        """Return which predicates a single value makes true."""
        found = list(self._always)
        found += self._exact.get(text.lower(), ())
        found += self._cased.get(text, ())
        if text:
            data = text.encode("utf-8", "replace")
            for database in self._databases:
                database.scan(data, match_event_handler=_take, context=found)
            found += [number for number, test in self._tests if test(text)]
            if self._networks:
                found += self._containing(text)
        else:
            found += [number for number, each in self._empty if patterns.re2_of(each.value).search("") is not None]
        return found

    def scan(self, line: bytes) -> list[int]:
        """Return which predicates a raw line makes true."""
        if not line.isascii():
            line = line.decode("utf-8", "replace").encode()
        found: list[int] = []
        for database in self._databases:
            database.scan(line, match_event_handler=_take, context=found)
        if self._tests:
            text = line.decode()
            found += [number for number, test in self._tests if test(text)]
        return found

    def _add(self, number: int, predicate: Predicate) -> None:
        value = predicate.value
        match predicate.operator:
            case "is":
                self._exact.setdefault(value, []).append(number)
            case "is-cased":
                self._cased.setdefault(value, []).append(number)
            case "exists":
                self._always.append(number)
            case "cidr":
                network = ipaddress.ip_network(value)
                same = self._networks.setdefault((network.version, network.max_prefixlen - network.prefixlen), {})
                same.setdefault(int(network.network_address), []).append(number)
            case "re-slow":
                self._tests.append((number, _re2_test(value)))
            case "time":
                self._tests.append((number, _time_test(value)))
            case "lt" | "lte" | "gt" | "gte" | "neq":
                self._tests.append((number, _number_test(predicate)))
            case "like" | "like-cased" | "re":
                pass

    def _containing(self, text: str) -> list[int]:
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            return []
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        value, version = int(address), address.version
        found: list[int] = []
        for (each, bits), networks in self._networks.items():
            if each == version:
                found += networks.get(value >> bits << bits, ())
        return found


def _take(number: int, start: int, end: int, flags: int, found: Any) -> None:
    del start, end, flags
    found.append(number)


def _compile(predicates: Sequence[Numbered]) -> tuple[list[hyperscan.Database], list[Numbered]]:
    """Return databases of all patterns, and the patterns that Hyperscan does not take after all."""
    if not predicates:
        return [], []
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[predicate.value.encode() for _, predicate in predicates],
            ids=[number for number, _ in predicates],
            elements=len(predicates),
            flags=[patterns.flags_of(predicate) for _, predicate in predicates],
        )
    except hyperscan.error:
        if len(predicates) == 1:
            return [], list(predicates)
        half = len(predicates) // 2
        first, slow = _compile(predicates[:half])
        second, slower = _compile(predicates[half:])
        return first + second, slow + slower
    return [database], []


def _loaded(data: bytes) -> hyperscan.Database:
    database = hyperscan.loadb(data, mode=hyperscan.HS_MODE_BLOCK)
    database.scratch = hyperscan.Scratch(database)
    return database


def _as_re2(predicate: Predicate) -> str:
    return {"like": "(?is)", "like-cased": "(?s)"}.get(predicate.operator, "") + predicate.value


def _re2_test(pattern: str) -> _Test:
    compiled = patterns.re2_of(pattern)
    return lambda text: compiled.search(text) is not None


def _number_test(predicate: Predicate) -> _Test:
    bound, compare = float(predicate.value), _COMPARE[predicate.operator]

    def test(text: str) -> bool:
        try:
            value = float(text)
        except ValueError:
            return False
        return "_" not in text and math.isfinite(value) and compare(value, bound)

    return test


def _time_test(wanted: str) -> _Test:
    unit, _, number = wanted.partition(" ")

    def test(text: str) -> bool:
        at = instant(text)
        if at is None:
            return False
        part = at.isocalendar().week if unit == "week" else int(getattr(at, unit))
        return part == int(number)

    return test
