"""What changes from one document to another, for each direction: the difference of effective terms.

Source: nothing is compared as text; two documents that are written differently and let the same pass do not differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import permutations

from mithaq.agreements.effective import Effective, effective_terms
from mithaq.agreements.model import Document
from mithaq.kernel.ids import NationId

Direction = tuple[NationId, NationId]
"""Sender and recipient."""


@dataclass(frozen=True, slots=True)
class Change:
    """One effective term that changes alike in some directions; `wider`: something passes that did not before."""

    term: str
    before: Effective
    after: Effective
    directions: tuple[Direction, ...]
    wider: bool
    narrower: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes between two documents.

    `opened` and `closed`: directions that only the later or only the earlier document has.
    """

    changes: tuple[Change, ...]
    opened: tuple[Direction, ...]
    closed: tuple[Direction, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether exactly the same may pass, in every direction."""
        return not (self.changes or self.opened or self.closed)


def directions_of(document: Document) -> list[Direction]:
    """Return the directions in which objects may go at all: from who gives to who receives."""
    givers = {party.nation for party in document.parties if party.role == "party"}
    takers = {party.nation for party in document.parties if party.role != "observer"}
    nations = sorted(party.nation for party in document.parties)
    return [
        (NationId(sender), NationId(recipient))
        for sender, recipient in permutations(nations, 2)
        if sender in givers and recipient in takers
    ]


def difference(earlier: Document, later: Document) -> Difference:
    """Return what changes from the earlier document to the later one."""
    before, after = directions_of(earlier), directions_of(later)
    grouped: dict[tuple[str, object, object], list[tuple[Direction, Effective, Effective]]] = {}
    for direction in before:
        if direction in after:
            for name, old, new in _differing(earlier, later, direction):
                key = (name, getattr(old, name), getattr(new, name))
                grouped.setdefault(key, []).append((direction, old, new))
    changes = [_change(name, found) for (name, _, _), found in grouped.items()]
    order = [field.name for field in fields(Effective)]
    changes.sort(key=lambda each: (order.index(each.term), each.directions))
    return Difference(
        tuple(changes),
        tuple(each for each in after if each not in before),
        tuple(each for each in before if each not in after),
    )


def _differing(earlier: Document, later: Document, direction: Direction) -> Iterator[tuple[str, Effective, Effective]]:
    old, new = effective_terms(earlier, *direction), effective_terms(later, *direction)
    for field in fields(Effective):
        if getattr(old, field.name) != getattr(new, field.name):
            yield field.name, old, new


def _change(name: str, found: list[tuple[Direction, Effective, Effective]]) -> Change:
    _, old, new = found[0]
    return Change(
        name,
        old,
        new,
        tuple(direction for direction, _, _ in found),
        wider=name in new.wider_than(old),
        narrower=name in old.wider_than(new),
    )
