"""What a sensor's bundle holds, and what changed from one to the next: pure decisions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.release.model import Item
from mithaq.response.model import BlockEntry, Refusal
from mithaq.response.sensors.model import Change, Line, SensorKind, What, Why

_OTHERWISE: Final = frozenset({"expired", "no-expiry", "not-yet-valid", "revoked", "withdrawn", "not-an-indicator"})
_UNSAFE: Final = frozenset(
    {
        "special-address",
        "special-name",
        "documentation",
        "too-wide",
        "national-domain",
        "never-block",
        "public-suffix",
        "warning-list",
    }
)
_POSTED: Final = "constituent:"

Key = tuple[str, str]
Told = Callable[[Item], tuple[str, str]]
"""Which nation and which agreement the recipient is told of an item; empty where it is not."""


def lines_of(entries: Iterable[BlockEntry], kind: SensorKind, told: Told) -> tuple[Line, ...]:
    """Return what a sensor looks for, in a fixed order; what a constituent posted itself blocks nothing."""
    return tuple(
        sorted(
            Line(
                entry.observable.type,
                entry.observable.value,
                entry.object_id,
                entry.released.value.version,
                rfc3339(entry.expires_at),
                *told(entry.released.value),
            )
            for entry in kept(entries, kind)
        )
    )


def kept(entries: Iterable[BlockEntry], kind: SensorKind) -> Iterator[BlockEntry]:
    """Yield the entries that a kind of sensor takes: a resolver blocks, so nothing that a constituent posted itself."""
    for entry in entries:
        if kind is not SensorKind.RESOLVER or not entry.released.value.originator.startswith(_POSTED):
            yield entry


def changes(
    before: Sequence[Line], after: Sequence[Line], refused: Iterable[Refusal], at: datetime
) -> tuple[Change, ...]:
    """Return what was added, changed and removed, and why, in a fixed order."""
    old, new = ({(line.type, line.value): line for line in lines} for lines in (before, after))
    against: dict[Key, set[str]] = {}
    for each in refused:
        codes = against.setdefault((each.observable.type, each.observable.value), set())
        codes.update(reason.code for reason in each.reasons)
    return tuple(sorted([*_come(old, new), *_gone(old, new, against, at)]))


def _come(old: Mapping[Key, Line], new: Mapping[Key, Line]) -> Iterator[Change]:
    for key, line in new.items():
        known = old.get(key)
        if known is None:
            yield _change("added", line, "new")
        elif known != line:
            is_same = (known.object, known.modified) == (line.object, line.modified)
            yield _change("changed", line, "renewed" if is_same else "restated")


def _gone(
    old: Mapping[Key, Line], new: Mapping[Key, Line], against: Mapping[Key, set[str]], at: datetime
) -> Iterator[Change]:
    for key, line in old.items():
        if key not in new:
            yield _change("removed", line, _why_gone(line, against.get(key, set()), at))


def _why_gone(line: Line, codes: set[str], at: datetime) -> Why:
    """Say why a value is gone; nothing is said of an object that the sensor may not know."""
    if from_rfc3339(line.expires) <= at:
        return "expired"
    if codes & _UNSAFE:
        return "unsafe"
    return "not-permitted" if codes - _OTHERWISE else "withdrawn"


def _change(what: What, line: Line, why: Why) -> Change:
    return Change(what, line.type, line.value, line.object, why, line.nation, line.agreement)


def may_go_again(lines: Iterable[Line], present: Iterable[Line]) -> bool:
    """Tell whether a kept version may be given once more: the sensor may still have everything in it."""
    allowed = {(line.type, line.value, line.object) for line in present}
    return all((line.type, line.value, line.object) in allowed for line in lines)
