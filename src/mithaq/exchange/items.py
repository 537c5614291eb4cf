"""One held object as the gate sees it: whose it is, under which terms it came, and what it refers to."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from mithaq.intelligence.model import ReleaseInstruction, StoredObject
from mithaq.intelligence.rules import NOT_OURS
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.release.model import Carried, Item
from mithaq.release.scope import scope_of
from mithaq.standards.tlp import Tlp, tlp_of


class Subject(msgspec.Struct, frozen=True, gc=False):
    """What may be released: an item, and what is looked at beside it to put the question to the gate."""

    row: int
    item: Item
    refs: tuple[str, ...]
    body: bytes
    instructions: tuple[ReleaseInstruction, ...]


def subject_of(stored: StoredObject, own: NationId) -> Subject:
    """Return a held object as something that may be released."""
    return Subject(stored.row, item_of(stored, own), stored.stix.refs, stored.body, stored.instructions)


def item_of(stored: StoredObject, own: NationId) -> Item:
    """Return a held object as the gate sees it.

    Where this nation itself stands behind the object, it is the originator. Else the standing word of every partner
    counts, and terms that cannot be read are terms that allow nothing. A version for which nobody stands any more
    stays whose it was, under the terms that it came with. What only a constituent said is the constituent's, until a
    person instructs its release and so makes it this nation's word. What only a publisher said goes to nobody: who
    wants it reads it where it is published.
    """
    is_instructed = any(asked.by for asked in stored.instructions)
    originator, carried = whose(stored.provenance, own, is_instructed=is_instructed)
    unlabelled = tlp_of(stored.stix.object_marking_refs) is None and stored.tlp is Tlp.RED
    return Item(
        id=stored.stix.id,
        version=version_of(stored),
        kind=stored.stix.type,
        digest=digest_of(stored),
        tlp=None if unlabelled else stored.tlp,
        pap=stored.pap,
        lane=stored.lane,
        originator=originator,
        carried=carried,
        is_withdrawn=not stored.stands,
        scope=scope_of(stored.stix),
    )


class SaidBy(Protocol):
    """What of a word says whose an object is."""

    @property
    def source(self) -> str:
        """Return `own`, `import`, `partner`, `constituent` or `publisher`."""
        ...

    @property
    def nation(self) -> NationId:
        """Return who said it."""
        ...

    @property
    def standing(self) -> str:
        """Return whether it still holds."""
        ...

    @property
    def carried(self) -> Any:
        """Return the terms that came with it."""
        ...


S = TypeVar("S", bound=SaidBy)


def whose(
    words: Sequence[S],
    own: NationId,
    *,
    is_instructed: bool,
    read: Callable[[S], Carried] = lambda word: Carried.of_json(dict(word.carried)),
) -> tuple[NationId, tuple[Carried, ...]]:
    """Return the originator of a version with these words, and the terms under which it came; see `item_of`."""
    counting = _counting(words)
    foreign = [each for each in counting if each.source == "partner"]
    given = [each for each in counting if each.source in NOT_OURS]
    if len(foreign) + len(given) < len(counting) or not counting or (is_instructed and not foreign):
        return own, ()
    return _carried(foreign or given, read)


def _counting(words: Sequence[S]) -> Sequence[S]:
    """Return the words that say whose a version is: those that stand, else superseded ones, else partners' first."""
    for standing in ("stands", "superseded"):
        if found := [each for each in words if each.standing == standing]:
            return found
    return [each for each in words if each.source == "partner"] or words


def version_of(stored: StoredObject) -> str:
    """Return the text that names a version of an object: `modified`, or its digest where it has none."""
    return rfc3339(stored.stix.modified) if stored.stix.modified else digest_of(stored)[:16]


def digest_of(stored: StoredObject) -> str:
    """Return the SHA-256 of an object's original bytes."""
    return hashlib.sha256(stored.body).hexdigest()


def _carried(foreign: Sequence[S], read: Callable[[S], Carried]) -> tuple[NationId, tuple[Carried, ...]]:
    try:
        terms = tuple(map(read, foreign))
    except (KeyError, TypeError, ValueError):
        return foreign[0].nation, ()
    return terms[0].originator, terms
