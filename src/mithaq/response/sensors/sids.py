"""Numbers of rules: one for an indicator and what its rule looks at, for life; a revision more when its text changes.

A number follows from the indicator, so that it is the same at every sensor; where two would collide, the later moves
to the next free one and keeps it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mithaq.response.sensors.settings import FIRST_SID, SIDS


@dataclass(frozen=True, slots=True)
class Numbered:
    """One number that was given. `match` and `text` are digests: of what the rule matches, and of the whole rule."""

    sid: int
    object_id: str
    slot: str
    match: str
    text: str
    rev: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule without its number: `match` is what it looks for, `text` everything of it."""

    object_id: str
    slot: str
    match: str
    text: str


def number(rules: Sequence[Rule], given: Iterable[Numbered]) -> list[Numbered]:
    """Return the number and revision of each rule, in their order.

    A rule that looks for the same keeps its number; one that an indicator now has instead of another takes over the
    number that is free; what has none gets a new one.
    """
    known = list(given)
    taken = {each.sid for each in known}
    free: dict[tuple[str, str], dict[str, Numbered]] = defaultdict(dict)
    for each in sorted(known, key=lambda each: each.sid):
        free[each.object_id, each.slot][each.match] = each
    kept = [free[rule.object_id, rule.slot].pop(digest(rule.match), None) for rule in rules]
    return [_numbered(rule, old, free, taken) for rule, old in zip(rules, kept, strict=True)]


def _numbered(
    rule: Rule, old: Numbered | None, free: dict[tuple[str, str], dict[str, Numbered]], taken: set[int]
) -> Numbered:
    others = free[rule.object_id, rule.slot]
    if old is None and others:
        old = others.pop(next(iter(others)))
    match, text = digest(rule.match), digest(rule.text)
    if old is None:
        return Numbered(_new(rule, taken), rule.object_id, rule.slot, match, text, 1)
    return old if old.text == text else replace(old, match=match, text=text, rev=old.rev + 1)


def _new(rule: Rule, taken: set[int]) -> int:
    seed = hashlib.sha256(f"{rule.object_id}\0{rule.slot}\0{rule.match}".encode()).digest()
    place = int.from_bytes(seed[:4], "big") % SIDS
    while FIRST_SID + place in taken:
        place = (place + 1) % SIDS
    taken.add(FIRST_SID + place)
    return FIRST_SID + place


def digest(text: str) -> str:
    """Return what is kept of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
