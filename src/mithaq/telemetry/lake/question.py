"""A question to the lake, as a person builds it: no text of any query language, and no engine."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, canonical_observable, recognise
from mithaq.telemetry.errors import BadQuestion
from mithaq.telemetry.lake.columns import COLUMNS, Holds

MAX_CONDITIONS: Final = 20
MAX_VALUES: Final = 1_000
MAX_SOURCES: Final = 100
MAX_VALUE_CHARS: Final = 2_000
KIND: Final = "kind"
"""The field that says of which sensor and log an event is; the others have ECS names."""


class Operator(StrEnum):
    """What a condition asks of a field; texts are compared without regard to case."""

    IS = "is"
    IS_NOT = "is-not"
    CONTAINS = "contains"
    BEGINS = "begins"
    ENDS = "ends"
    IN_NETWORK = "in-network"
    AT_LEAST = "at-least"
    AT_MOST = "at-most"
    THERE = "there"
    ABSENT = "absent"


_ALWAYS: Final = (Operator.IS, Operator.IS_NOT, Operator.THERE, Operator.ABSENT)
_OF_TEXT: Final = (*_ALWAYS, Operator.CONTAINS, Operator.BEGINS, Operator.ENDS)
_OF_OTHERS: Final[Mapping[Holds, tuple[Operator, ...]]] = {
    Holds.ADDRESS: (*_ALWAYS, Operator.IN_NETWORK),
    Holds.ADDRESSES: _ALWAYS,
    Holds.NAMES: _ALWAYS,
    Holds.NUMBER: (*_ALWAYS, Operator.AT_LEAST, Operator.AT_MOST),
}
FIELDS: Final[Mapping[str, Holds]] = {KIND: Holds.TEXT, **COLUMNS}
"""Every field that a condition may name, and what it holds."""


def operators_of(field: str) -> tuple[Operator, ...]:
    """Return what may be asked of a field."""
    return _OF_OTHERS.get(FIELDS[field], _OF_TEXT)


class Condition(msgspec.Struct, frozen=True):
    """Something that must be true of a field; of one that an event does not have, only `absent` and `is-not` are."""

    field: str
    operator: Operator
    value: str = ""


class Question(msgspec.Struct, frozen=True):
    """Which events are sought: all conditions hold, and of the values one is somewhere in it.

    `values` are observables as people write them (addresses, networks, names, URLs, hashes, defanged too). `since` is
    of the event's own time, and so is `until`, which is excluded; `last_hours` counts back from when it is asked. No
    sources are all of them.
    """

    lane: str = str(ACTUAL)
    sources: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    last_hours: int | None = None

    def checked(self) -> "Question":
        """Return the question with its values in canonical form.

        Raises:
            BadQuestion: it asks for nothing, for too much at once, or for what no field can answer.
        """
        if not self.values and not self.conditions and not self.sources:
            raise BadQuestion("a question needs a value, a condition or a source")
        limits = ((self.values, MAX_VALUES), (self.conditions, MAX_CONDITIONS), (self.sources, MAX_SOURCES))
        for asked, limit in limits:
            if len(asked) > limit:
                raise BadQuestion("at most %(limit)d of these can be asked for at once", limit=limit)
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise BadQuestion("the time range ends before it begins")
        if self.last_hours is not None and not 1 <= self.last_hours <= 24 * 366 * 10:
            raise BadQuestion("the last hours are a number from 1 to %(limit)d", limit=24 * 366 * 10)
        Lane.parse(self.lane)
        values = tuple(dict.fromkeys(_written(_observable(each)) for each in self.values))
        return msgspec.structs.replace(self, values=values, conditions=tuple(map(_checked, self.conditions)))

    def observables(self) -> list[Observable]:
        """Return the values as observables.

        Raises:
            BadQuestion: one is none.
        """
        return [_observable(each) for each in self.values]

    def begins(self, asked_at: datetime) -> datetime | None:
        """Return from when on events are sought, None for always."""
        if self.last_hours is None:
            return self.since
        return asked_at - timedelta(hours=self.last_hours)


def _observable(text: str) -> Observable:
    bare = refang_value(text.strip())
    kind, _, rest = bare.partition(":")
    named = canonical_observable(kind, rest) if kind in {"ja3", "md5"} else None
    if named is None and "/" in bare and "://" not in bare:
        named = canonical_observable("cidr", bare)
    found = named or recognise(bare)
    if found is None:
        raise BadQuestion("not an address, network, name, URL, hash or e-mail address", subject=text[:80])
    return found


def _written(observable: Observable) -> str:
    return f"ja3:{observable.value}" if observable.type == "ja3" else observable.value


def _checked(condition: Condition) -> Condition:
    """Return a condition with its value in the form of its field's column."""
    if condition.field not in FIELDS:
        raise BadQuestion("there is no such field", subject=condition.field[:80])
    if condition.operator not in operators_of(condition.field):
        raise BadQuestion("this cannot be asked of the field", subject=condition.field)
    if condition.operator in {Operator.THERE, Operator.ABSENT}:
        return Condition(condition.field, condition.operator)
    value = condition.value.strip()
    if not value or len(value) > MAX_VALUE_CHARS or "\0" in value:
        raise BadQuestion("a condition needs a value of 1 to %(limit)d characters", subject=condition.field, limit=2000)
    return Condition(condition.field, condition.operator, _in_form(condition, value))


def _in_form(condition: Condition, value: str) -> str:
    holds = FIELDS[condition.field]
    if condition.operator is Operator.IN_NETWORK:
        network = canonical_observable("cidr", value)
        if network is None or network.type not in {"cidr", "ipv4", "ipv6"}:
            raise BadQuestion("not a network", subject=condition.field)
        return network.value
    if holds in {Holds.ADDRESS, Holds.ADDRESSES}:
        address = canonical_observable("ipv4", value)
        if address is None or address.type == "cidr":
            raise BadQuestion("not an address", subject=condition.field)
        return address.value
    if holds is Holds.NUMBER:
        if not value.isascii() or not value.isdecimal() or len(value) > 9:
            raise BadQuestion("not a number", subject=condition.field)
        return str(int(value))
    if holds in {Holds.NAME, Holds.NAMES} and condition.operator in {Operator.IS, Operator.IS_NOT}:
        return value.lower().removesuffix(".")
    return value


def range_of(network: str) -> tuple[str, str]:
    """Return the first and the last address of a network or address.

    >>> range_of("192.0.2.0/31")
    ('192.0.2.0', '192.0.2.1')
    """
    addresses = ipaddress.ip_network(network)
    return str(addresses[0]), str(addresses[-1])


def instant(text: str) -> datetime | None:
    """Read a time as people write it, in UTC where it names no zone; nothing is None.

    Raises:
        BadQuestion: it is none.
    """
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadQuestion("not a time", subject=text[:40]) from error
