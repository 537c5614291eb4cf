"""Every resource of the TAXII server, worked out for one account: no HTTP in it but the status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from mithaq.exchange.context import Context
from mithaq.exchange.taxii import documents
from mithaq.exchange.taxii.answers import Answer, Refused, unknown
from mithaq.exchange.taxii.earlier import Earlier
from mithaq.exchange.taxii.filters import OF_DELETE, OF_OBJECT, OF_OBJECTS, OF_VERSIONS, Question
from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.model import API_ROOT, Asked, Shelf
from mithaq.exchange.taxii.partners.judging import PartnerJudge
from mithaq.exchange.taxii.partners.model import PartnerAccount, PartnerShelf
from mithaq.exchange.taxii.partners.store import shelved as partners_shelved
from mithaq.exchange.taxii.posting import Posting
from mithaq.exchange.taxii.reading import Page, Reading, pages_of
from mithaq.exchange.taxii.store import shelves_of
from mithaq.nations.constituents.model import Account, Constituent

_READ: Final = ("GET",)
_COLLECTION_DEPTH: Final = 3
_OF_PARTNERS: Final = pages_of(partners_shelved)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one account: who asks, where (the parts of the path), with which parameters.

    A nation's program comes with the one shelf that its account opens.
    """

    asker: Constituent | PartnerShelf
    account: Account | PartnerAccount
    method: str
    place: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


def methods_of(place: tuple[str, ...]) -> tuple[str, ...]:
    """Return which methods a resource knows, none where there is no such resource."""
    match place:
        case ():
            return _READ
        case (root, *_) if root != API_ROOT:
            return ()
        case (_,) | (_, "status", _) | (_, "collections") | (_, "collections", _):
            return _READ
        case (_, "collections", _, "manifest") | (_, "collections", _, "objects", _, "versions"):
            return _READ
        case (_, "collections", _, "objects"):
            return ("GET", "POST")
        case (_, "collections", _, "objects", _):
            return ("GET", "DELETE")
        case _:
            return ()


class Resources:
    """Answer visits from one database."""

    def __init__(self, context: Context, posting: Posting, *, title: str, contact: str) -> None:
        self._context = context
        self._db = context.db
        self._posting = posting
        self._own = context.own
        self._title, self._contact = title, contact

    def demand_writable(self, visit: Visit) -> None:
        """Let a post pass before its body is read.

        Raises:
            Refused: the collection is not there for the asker, or takes no posts of this account.
        """
        with self._db.read() as connection:
            _demanded(visit, self._shelf(connection, visit))

    def read(self, visit: Visit, at: datetime) -> Answer:
        """Answer a GET.

        Raises:
            Refused, BadFilter, UnknownOnShelf: there is no such resource for the asker, or not with these filters.
        """
        if not visit.place:
            return Answer(200, documents.discovery(self._title, self._contact))
        with self._db.read() as connection:
            match visit.place[1:]:
                case ():
                    return Answer(200, documents.api_root(self._title))
                case ("status", status_id):
                    return Answer(200, self._status(connection, status_id, visit))
                case ("collections",):
                    shelves = _shelves(connection, visit)
                    return Answer(200, documents.collections([_seen(visit, shelf) for shelf in shelves]))
                case _:
                    return self._of_collection(connection, visit, at)

    def post(self, visit: Visit, body: bytes, at: datetime) -> Answer:
        """Take a post.

        Raises:
            Refused, NotTaken: it is not to be posted here, or is no envelope.
        """
        with self._db.read() as connection:
            shelf = self._shelf(connection, visit)
        own, account = _demanded(visit, shelf)
        return Answer(202, self._posting.post(own, account, body, at))

    def delete(self, visit: Visit, at: datetime) -> Answer:
        """Take back the asker's own word for the versions asked for, all by default; what others said stays.

        Raises:
            Refused, BadFilter: no such version is there, none is the asker's word, or it may not take it back here.
        """
        object_id = visit.place[-1]
        question = Question(visit.parameters, OF_DELETE)
        with self._db.read() as connection:
            shelf, _ = _demanded(visit, self._shelf(connection, visit))
            if not shelf.collection.can_read:
                raise Refused(403, "forbidden", "taking back needs a collection that is read and written")
            every = not any(name == "match[version]" and value for name, value in visit.parameters)
            asked = _about(question.asked("", shelf.key), object_id, every=every)
            is_seen = bool(self._reading(connection, shelf, at).page(replace(asked, limit=1)).served)
        if not self._posting.take_back(shelf, object_id, asked, at):
            raise Refused(403, "forbidden", "it is not this constituent's word") if is_seen else unknown()
        return Answer(200, b"")

    def _status(self, connection: Connection, status_id: str, visit: Visit) -> bytes:
        if not isinstance(visit.account, Account):
            raise unknown()
        return self._posting.status(connection, status_id, visit.account)

    def _shelf(self, connection: Connection, visit: Visit) -> Shelf | PartnerShelf:
        """Return the asker's own shelf of a collection: whatever else there is does not exist for it."""
        name = visit.place[2]
        for shelf in _shelves(connection, visit):
            if name in (shelf.collection.id, shelf.collection.alias):
                return shelf
        raise unknown()

    def _of_collection(self, connection: Connection, visit: Visit, at: datetime) -> Answer:
        shelf = self._shelf(connection, visit)
        rest = visit.place[_COLLECTION_DEPTH:]
        if not rest:
            return Answer(200, documents.one(_seen(visit, shelf)))
        if not shelf.collection.can_read:
            raise Refused(403, "forbidden", "this collection is not to be read")
        reading = self._reading(connection, shelf, at)
        match rest:
            case ("manifest",):
                return _paged(visit, shelf, reading, OF_OBJECTS, documents.manifest)
            case ("objects",):
                return _paged(visit, shelf, reading, OF_OBJECTS, documents.envelope)
            case ("objects", _):
                return _paged(visit, shelf, reading, OF_OBJECT, documents.envelope)
            case _:
                return _paged(visit, shelf, reading, OF_VERSIONS, documents.versions)

    def _reading(
        self, connection: Connection, shelf: Shelf | PartnerShelf, at: datetime
    ) -> Reading[Shelf] | Reading[PartnerShelf]:
        if isinstance(shelf, Shelf):
            judge = Judge(connection, self._own, at)
            return Reading(connection, shelf, judge, earlier=Earlier(connection, judge))
        return Reading(connection, shelf, PartnerJudge(self._context, connection, at), _OF_PARTNERS)


def _shelves(connection: Connection, visit: Visit) -> Sequence[Shelf | PartnerShelf]:
    """Return all that there is for the asker."""
    if isinstance(visit.asker, PartnerShelf):
        return [visit.asker]
    narrowed = visit.account.collection if isinstance(visit.account, Account) else None
    return shelves_of(connection, visit.asker.id, narrowed)


def _may_write(visit: Visit) -> bool:
    return isinstance(visit.account, Account) and visit.account.may_write


def _seen(visit: Visit, shelf: Shelf | PartnerShelf) -> dict[str, object]:
    return documents.collection(shelf.collection, may_write=_may_write(visit))


def _demanded(visit: Visit, shelf: Shelf | PartnerShelf) -> tuple[Shelf, Account]:
    """Return the shelf and the account of somebody who may write; a nation's word comes in its own channel.

    Raises:
        Refused: the asker may not.
    """
    account = visit.account
    if isinstance(shelf, Shelf) and isinstance(account, Account) and shelf.collection.can_write and account.may_write:
        return shelf, account
    raise Refused(403, "forbidden", "this account may not write to this collection")


def _paged(
    visit: Visit,
    shelf: Shelf | PartnerShelf,
    reading: Reading[Shelf] | Reading[PartnerShelf],
    known: frozenset[str],
    write: Callable[[Page, str], bytes],
) -> Answer:
    """Answer one page of a list: of a collection, of one object, or of its versions."""
    question = Question(visit.parameters, known)
    place = " ".join(visit.place[_COLLECTION_DEPTH:])
    asked = question.asked(place, shelf.key)
    object_id = visit.place[4] if len(visit.place) > 4 else ""
    if object_id:
        asked = _about(asked, object_id, every=known is OF_VERSIONS)
    page = reading.page(asked)
    if object_id and not page.served and not reading.has(object_id):
        raise unknown()
    following = question.next(place, shelf.key, page.served[-1].date_added) if page.more else ""
    return Answer(200, write(page, following), documents.added(page.served), is_empty=not page.served)


def _about(asked: Asked, object_id: str, *, every: bool) -> Asked:
    words = frozenset({"all"}) if every else asked.words
    return replace(asked, ids=frozenset({object_id}), words=words)
