"""Admit what a source gave, as its word and nobody else's, or put it aside with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select

from mithaq.exchange.sources.model import Unfit
from mithaq.intelligence.imports.said import Said
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import ImportTerms, NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.standards import stix

_IN_OUR_NAME: Final = Reason("name-of-the-nation", "only this nation itself says something in its name")
_HELD: Final = (
    select(
        objects.c.row,
        objects.c.stix_id,
        objects.c.digest,
        objects.c.modified,
        provenance.c.source,
        provenance.c.nation,
        provenance.c.standing,
        provenance.c.tlp,
        provenance.c.pap,
    )
    .join(provenance, provenance.c.object == objects.c.row)
    .where(objects.c.lane == bindparam("lane"), objects.c.stix_id.in_(bindparam("ids", expanding=True)))
)
_BODY: Final = select(objects.c.body).where(objects.c.row == bindparam("row"))


@dataclass(slots=True)
class Admitted:
    """What is ready to be stored, what is held already, and what is put aside."""

    ready: list[NewObject] = field(default_factory=list)
    known: int = 0
    unfit: list[Unfit] = field(default_factory=list)


class Admitting:
    """Judge what a source gave; everything that costs is done before a transaction is open."""

    def __init__(self, db: Database, holdings: Holdings, own: NationId) -> None:
        self._db = db
        self._holdings = holdings
        self._identity = identity_id(own)

    def look_at(self, bodies: Iterable[bytes], terms: ImportTerms, at: datetime) -> Admitted:
        """Read objects and part them; the labels of each are the stricter of its own and the source's."""
        found = Admitted()
        said = Said(terms, at)
        read: list[NewObject] = []
        for place, body in enumerate(bodies):
            try:
                parsed = stix.parse(body)
            except stix.BadObject as error:
                found.unfit.append(Unfit(error.subject or f"#{place}", body, reason_of(error)))
                continue
            read.append(NewObject(body, parsed, terms.lane, said.of(parsed)))
        for start in range(0, len(read), CHUNK_OBJECTS):
            self._part(read[start : start + CHUNK_OBJECTS], terms, found)
        return found

    def store(self, tx: Transaction, ready: Sequence[NewObject]) -> tuple[int, list[Unfit]]:
        """Store what is ready; return how many are new here, and what the holdings refuse."""
        if not ready:
            return 0, []
        report = self._holdings.store(tx, ready)
        if not report.refused:
            return report.stored, []
        reasons = dict(report.refused)
        by_id = {each.stix.id: each for each in ready if each.stix.id in reasons}
        return report.stored, [Unfit(name, by_id[name].body, reason) for name, reason in report.refused]

    def _part(self, chunk: Sequence[NewObject], terms: ImportTerms, found: Admitted) -> None:
        """Leave out what somebody here has said already, and what nobody but this nation may say."""
        held = self._held(chunk, terms)
        for new in chunk:
            versions = held.get(new.stix.id, ())
            if any(_needs_no_word(version, new, terms) for version in versions):
                found.known += 1
            elif new.stix.created_by_ref == self._identity:
                found.unfit.append(Unfit(new.stix.id, new.body, _IN_OUR_NAME))
            elif self._is_same_in_other_bytes(versions, new, terms):
                found.known += 1
            else:
                found.ready.append(new)

    def _held(self, chunk: Sequence[NewObject], terms: ImportTerms) -> Mapping[str, list[Any]]:
        asked = {"lane": str(terms.lane), "ids": list({each.stix.id for each in chunk})}
        held: dict[str, list[Any]] = {}
        with self._db.read() as connection:
            for row in connection.execute(_HELD, asked):
                held.setdefault(row.stix_id, []).append(row)
        return held

    def _is_same_in_other_bytes(self, versions: Iterable[Any], new: NewObject, terms: ImportTerms) -> bool:
        """Tell whether this source gave this version before, written otherwise: many servers write an object anew."""
        if new.stix.modified is None:
            return False
        for version in versions:
            is_given = version.nation == terms.nation and version.modified == new.stix.modified
            if is_given and bytes(version.digest) != new.digest:
                with self._db.read() as connection:
                    body = connection.scalar(_BODY, {"row": version.row})
                if body is not None and version.standing != "withdrawn" and _same(bytes(body), new.body):
                    return True
        return False


def _needs_no_word(version: Any, new: NewObject, terms: ImportTerms) -> bool:
    """Tell whether these very bytes are held as this source's own word, this nation's, or a partner's.

    What a partner gave stays under the partner's terms: a copy from elsewhere does not make it this nation's. A source
    that says the same under another label has something to say; the holdings know what it is worth.
    """
    if bytes(version.digest) != new.digest or version.standing == "withdrawn":
        return False
    return version.source in {"own", "partner"} or (
        version.nation == terms.nation and _is_said_alike(version, new.provenance)
    )


def _is_said_alike(version: Any, said: Provenance) -> bool:
    """Tell whether a word has these labels; of an event's words the one that stands counts, others were corrected."""
    is_current = version.standing == "stands" or "misp" not in said.carried
    return is_current and (version.tlp, version.pap) == (said.tlp, said.pap)


def _same(left: bytes, right: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(left) == msgspec.json.decode(right))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
