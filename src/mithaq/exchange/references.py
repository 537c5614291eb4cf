"""What objects refer to, as far as a nation may not know of it already; each is read once in a view of the database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange import columns, store
from mithaq.exchange.columns import COLUMNS
from mithaq.exchange.items import Subject
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane

_AT_ONCE: Final = 500
_MAX_AHEAD: Final = 20_000
"""Objects read ahead at most, one referring to the next; further ones are read when they are asked for."""

_VERSIONS: Final = (
    select(*COLUMNS)
    .where(objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == bindparam("lane"))
    .order_by(objects.c.stix_id, objects.c.modified.desc(), objects.c.row.desc())
)
_SAID: Final = select(provenance.c.object, provenance.c.source, provenance.c.nation, provenance.c.standing).where(
    provenance.c.object.in_(bindparam("rows", expanding=True))
)
_SENT: Final = select(store.sent_objects.c.object_id).where(
    store.sent_objects.c.object_id.in_(bindparam("ids", expanding=True)),
    store.sent_objects.c.recipient == bindparam("recipient"),
)

_Place = tuple[str, Lane]


class References:
    """The held objects that others refer to, for one nation, in one view of the database; lives for one question."""

    def __init__(self, connection: Connection, own: NationId, recipient: NationId) -> None:
        self._connection = connection
        self._own = own
        self._recipient = recipient
        self._identity = identity_id(own)
        self._unknown: dict[_Place, Subject | None] = {}

    def of(self, subject: Subject) -> Iterator[str]:
        """Yield what an object refers to, its markings and this nation left out."""
        return (ref for ref in subject.refs if ref != self._identity and not ref.startswith("marking-definition--"))

    def read_ahead(self, subjects: Iterable[Subject]) -> None:
        """Read what these objects, and all that they refer to, refer to: a few statements instead of some for each."""
        waiting: list[Subject] = [each for each in subjects if each.refs]
        while waiting and len(self._unknown) < _MAX_AHEAD:
            wanted = {(ref, each.item.lane) for each in waiting for ref in self.of(each)} - self._unknown.keys()
            for lane in {lane for _, lane in wanted}:
                self._read(sorted(ref for ref, of in wanted if of == lane), lane)
            waiting = [found for place in wanted if (found := self._unknown[place]) is not None]

    def unknown(self, reference: str, lane: Lane) -> Subject | None:
        """Return the newest held version of what is referred to; None where none is held, or it may be known anyway.

        Anybody may know of what a publisher's word stands for, and a nation of what it sent or was sent.
        """
        if (reference, lane) not in self._unknown:
            self._read([reference], lane)
        return self._unknown[reference, lane]

    def was_sent(self, object_id: str) -> bool:
        """Tell whether the nation was sent an object."""
        return bool(self._sent([object_id]))

    def _read(self, ids: Sequence[str], lane: Lane) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            chunk = ids[start : start + _AT_ONCE]
            rows = self._connection.execute(_VERSIONS, {"ids": list(chunk), "lane": str(lane)}).all()
            newest: dict[str, Any] = {}
            for row in rows:
                newest.setdefault(row.stix_id, row)
            known = self._sent(list(newest)) | self._said({row.row: row.stix_id for row in rows}, newest)
            asked = [row for name, row in newest.items() if name not in known]
            self._unknown.update({(each, lane): None for each in chunk})
            self._unknown.update(
                {(each.item.id, lane): each for each in columns.subjects(self._connection, self._own, asked)}
            )

    def _said(self, named: Mapping[int, str], newest: Mapping[str, Any]) -> set[str]:
        """Return the ids of what is published, and of those whose newest version the nation itself gave."""
        numbers = list(named)
        return {
            named[number]
            for start in range(0, len(numbers), _AT_ONCE)
            for number, source, nation, standing in self._connection.execute(
                _SAID, {"rows": numbers[start : start + _AT_ONCE]}
            )
            if (source == "publisher" and standing == "stands")
            or (source == "partner" and nation == self._recipient and newest[named[number]].row == number)
        }

    def _sent(self, ids: Sequence[str]) -> set[str]:
        """Return which of these, at most some hundreds, the nation was sent."""
        return set(self._connection.scalars(_SENT, {"ids": list(ids), "recipient": self._recipient})) if ids else set()
