"""Is a comparison of a STIX pattern true of one event (STIX 2.1 §9.6)? Exact, and without I/O.

A comparison is true if any value that the event has under its path makes it so, a negated one too: of what is not there
nothing is true. Observables are compared in canonical form, a name also with those below it, an address with networks;
texts by their characters, registry keys and serial numbers in any case.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mithaq.detection.model import Sight
from mithaq.detection.patterns.facts import Facts, full_key
from mithaq.standards.observable import Observable
from mithaq.standards.stix.grammar import Comparison
from mithaq.standards.stix.paths import REGISTRY_KEY, SERIAL, Shows, hex_digits, path_key, shows
from mithaq.standards.stix.pattern import fingerprint_kind, hash_kind_of, observable_of, value_kind
from mithaq.standards.stix.regex import Unmatchable, like, regular
from mithaq.standards.stix.tree import AllOf, AnyOf, Comparing, Observing, observations_of

MAX_SHOWN_CHARS: Final = 500
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_OWN_TYPES: Final = {"ipv4-addr": {"ipv4"}, "ipv6-addr": {"ipv6"}}
_ADDRESSES: Final = frozenset({"ipv4", "ipv6"})
_SENT: Final = frozenset({"from", "mailfrom", "sender", "from_address"})
_RECEIVED: Final = frozenset({"to", "rcptto", "recipient", "cc", "bcc", "to_address"})


def judged(tree: Observing, facts: Facts) -> dict[int, Sight]:
    """Return which observations of a pattern an event satisfies, each with what was seen of it."""
    found: dict[int, Sight] = {}
    for observation in observations_of(tree):
        sight = sight_of(observation.test, facts)
        if sight is not None:
            found[observation.number] = sight
    return found


def sight_of(test: Comparing, facts: Facts) -> Sight | None:
    """Return what makes a test true of an event, the first that does, or None."""
    match test:
        case AnyOf(parts):
            return next((sight for part in parts if (sight := sight_of(part, facts)) is not None), None)
        case AllOf(parts):
            first: Sight | None = None
            for part in parts:
                sight = sight_of(part, facts)
                if sight is None:
                    return None
                first = sight if first is None or _says_more(sight, first) else first
            return first
        case Comparison():
            return _compared(test, facts)


def _says_more(sight: Sight, other: Sight) -> bool:
    return other.seen.type == "text" and sight.seen.type != "text"


def _compared(test: Comparison, facts: Facts) -> Sight | None:
    if shows(test) is Shows.OBSERVABLE:
        for field, seen in _observables(test, facts):
            if _holds(test, seen) != test.negated:
                return Sight(field, seen, _wanted(test, seen))
        return None
    for field, text in facts.values(path_key(test)):
        if _text_holds(test, text) != test.negated:
            return Sight(field, _shown(text), _shown(", ".join(test.values)))
    return None


def _shown(text: str) -> Observable:
    return Observable("text", text[:MAX_SHOWN_CHARS])


def _wanted(test: Comparison, seen: Observable) -> Observable:
    if test.operator in {"=", "IN", "ISSUBSET"} and not test.negated:
        for value in test.values:
            named = observable_of(test, value)
            if named is not None and satisfies(seen, named):
                return named
    return _shown(", ".join(test.values))


# ---- observables


def _observables(test: Comparison, facts: Facts) -> Iterator[tuple[str, Observable]]:
    """Yield what an event has of the kind that a test compares."""
    kind = value_kind(test) or hash_kind_of(test) or fingerprint_kind(test)
    if test.object_type == "network-traffic" and test.path[-1:] == ("value",):
        yield from facts.peers(test.path[0], or_any=not test.negated)
        return
    types = {kind}
    if kind in _ADDRESSES:
        exact = test.operator in {"=", "IN", "ISSUBSET"} and not test.negated
        types = set(_ADDRESSES) if exact else set(_OWN_TYPES.get(test.object_type, _ADDRESSES))
    for field, seen in facts.observables:
        if seen.type in types and (test.object_type != "email-message" or _is_role(field, test.path[0])):
            yield field, seen


def _is_role(field: str, ref: str) -> bool:
    """Tell whether an e-mail address in this field may be the sender's, or a recipient's."""
    name = field.lower().rpartition(".")[2]
    if "." in field and name == "address":
        name = field.lower().split(".")[-2]
    return name not in (_RECEIVED if ref in {"from_ref", "sender_ref"} else _SENT)


def _holds(test: Comparison, seen: Observable) -> bool:
    match test.operator:
        case "=" | "IN":
            named = (observable_of(test, value) for value in test.values)
            return any(each is not None and satisfies(seen, each) for each in named)
        case "ISSUBSET" | "ISSUPERSET":
            return _within(test, seen)
        case "EXISTS":
            return True
        case "LIKE" | "MATCHES":
            return _expressed(test, seen.value, any_case=seen.type != "url")
    return _ORDERS[test.operator](seen.value, test.values[0])


def satisfies(seen: Observable, wanted: Observable) -> bool:
    """Tell whether what was seen is what is wanted, a name below it, or an address inside it."""
    if wanted.type == "cidr":
        if seen.type not in _ADDRESSES:
            return False
        address, network = ipaddress.ip_address(seen.value), ipaddress.ip_network(wanted.value)
        return address.version == network.version and address in network
    if wanted.type == seen.type == "domain":
        return f".{seen.value}".endswith(f".{wanted.value}")
    return seen == wanted


def _within(test: Comparison, seen: Observable) -> bool:
    if seen.type not in _ADDRESSES:
        return False
    try:
        network = ipaddress.ip_network(test.values[0].strip(), strict=False)
    except ValueError:
        return False
    address = ipaddress.ip_address(seen.value)
    if address.version != network.version or address not in network:
        return False
    return test.operator == "ISSUBSET" or network.num_addresses == 1


# ---- texts


def _text_holds(test: Comparison, text: str) -> bool:
    path, wanted = path_key(test), test.values
    if path == REGISTRY_KEY:
        text, wanted = text.casefold(), tuple(full_key(each).casefold() for each in wanted)
    elif path == SERIAL and test.operator in {"=", "IN"}:
        text, wanted = hex_digits(text), tuple(map(hex_digits, wanted))
    match test.operator:
        case "=" | "IN":
            return any(_equal(test, text, each) for each in wanted)
        case "EXISTS":
            return True
        case "LIKE" | "MATCHES":
            return _expressed(test, text, any_case=path == REGISTRY_KEY)
    return _ordered(test, text)


def _equal(test: Comparison, text: str, wanted: str) -> bool:
    if shows(test) is Shows.NUMBER:
        number, other = _number(text), _number(wanted)
        return number is not None and number == other
    return text == wanted


def _ordered(test: Comparison, text: str) -> bool:
    order = _ORDERS.get(test.operator)
    if order is None:
        return False
    if shows(test) is Shows.NUMBER:
        number, other = _number(text), _number(test.values[0])
        return number is not None and other is not None and order(number, other)
    return order(text, test.values[0])


def _number(text: str) -> float | None:
    try:
        return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except ValueError:
        return None


def _expressed(test: Comparison, text: str, *, any_case: bool) -> bool:
    make = like if test.operator == "LIKE" else regular
    try:
        expression = make(test.values[0], any_case=any_case)
    except Unmatchable:
        return False
    return expression.search(text) is not None
