"""Take what a constituent posts, and take back what it takes back: always as its own word and nobody else's."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, get_args

from sqlalchemy import Connection, bindparam, delete, select

from mithaq.agreements.model import Reference
from mithaq.agreements.vocabulary import Purpose
from mithaq.exchange.recalling import take_back
from mithaq.exchange.taxii import documents
from mithaq.exchange.taxii.errors import NotTaken, UnknownOnShelf
from mithaq.exchange.taxii.filters import version_text
from mithaq.exchange.taxii.model import PREFIX, SPEC_VERSION, Asked, Shelf
from mithaq.exchange.taxii.settings import KEPT_DAYS, STATUS_KEPT_DAYS
from mithaq.exchange.taxii.store import posts
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import ImportTerms, NewObject, Provenance
from mithaq.intelligence.rules import labels
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS, TAXII_POST
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.database import EPOCH, Database, Transaction
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.nations.constituents.model import Account
from mithaq.release.model import PERMITTED_ACTIONS, Carried
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

POSTED = "exchange.posted"
_LEAST_PAP: Final = Pap.AMBER
_IN_OUR_NAME: Final = Reason("name-of-the-nation", "only this nation itself says something in its name")
_SPOKEN: Final = frozenset({"", SPEC_VERSION})
"""What an object may say of its version: cyber-observable objects, and programs of old, say nothing."""

_NO_AGREEMENT: Final = Reference("", 0, "")
_THEIRS: Final = (
    select(objects.c.row, objects.c.body, provenance.c.carried)
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id == bindparam("stix_id"),
        objects.c.lane == str(ACTUAL),
        provenance.c.nation == bindparam("name"),
        provenance.c.source == "constituent",
        provenance.c.standing != "withdrawn",
    )
)


def giver(constituent: str) -> NationId:
    """Return the name under which a constituent's words are kept."""
    return NationId(PREFIX + constituent)


def least_terms(shelf: Shelf) -> ImportTerms:
    """Return what holds at least for all that is posted into a collection."""
    return ImportTerms(giver(shelf.constituent), ACTUAL, shelf.collection.floor, _LEAST_PAP)


@dataclass(slots=True)
class _Outcome:
    """What becomes of an envelope, object by object."""

    successes: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)


class Posting:
    """Use cases of constituents that write."""

    def __init__(self, db: Database, holdings: Holdings, own: NationId) -> None:
        self._db = db
        self._holdings = holdings
        self._own = own

    def post(self, shelf: Shelf, account: Account, body: bytes, at: datetime) -> bytes:
        """Store what is acceptable of an envelope or a bundle; return the status resource, which says all.

        Raises:
            NotTaken: it is neither, or it is broken, or holds more than the door lets in.
        """
        outcome = _Outcome()
        pieces = _pieces(body)  # whole, before anything is stored: a broken envelope is refused as one
        for chunk in _without_repeats(_read(pieces, outcome, at)):
            self._store(shelf, account, chunk, outcome, at)
        status_id = new_id("status").partition("--")[2]
        kept = {"successes": outcome.successes, "failures": outcome.failures}
        with self._db.write(at) as tx:
            tx.execute(delete(posts).where(posts.c.at < at - timedelta(days=STATUS_KEPT_DAYS)))
            tx.execute(posts.insert().values(id=status_id, shelf=shelf.id, account=account.id, at=at, outcome=kept))
            counts = {"taken": len(outcome.successes), "refused": len(outcome.failures)}
            tx.append(POSTED, subject=status_id, lane=ACTUAL, actor=account.id, detail=counts)
        return documents.status(status_id, at, outcome.successes, outcome.failures)

    def take_converted(
        self, tx: Transaction, shelf: Shelf, account: Account, read: "ReadObjects", terms: ImportTerms
    ) -> dict[str, str]:
        """Store what was converted from a foreign file, in the caller's transaction; return why what was refused.

        `read`: what `read_converted` made of its bodies. `terms`: the file's own labels beside the collection's floor,
        and which original it is.
        """
        outcome = _Outcome(failures=list(read.failures))
        for chunk in read.chunks:
            self._store_in(tx, shelf, account, chunk, outcome, terms)
        counts = {"taken": len(outcome.successes), "refused": len(outcome.failures)}
        tx.append(POSTED, subject=terms.original or "", lane=ACTUAL, actor=account.id, detail=counts)
        return {each["id"]: each.get("message", "") for each in outcome.failures}

    def status(self, connection: Connection, status_id: str, account: Account) -> bytes:
        """Return what became of a post, to the account that sent it.

        Raises:
            UnknownOnShelf: there is no such post of this account.
        """
        query = select(posts).where(posts.c.id == status_id, posts.c.account == account.id)
        row = connection.execute(query).first()
        if row is None:
            raise UnknownOnShelf("no such status")
        return documents.status(row.id, row.at, row.outcome["successes"], row.outcome["failures"])

    def take_back(self, shelf: Shelf, object_id: str, asked: Asked, at: datetime) -> int:
        """Take back a constituent's word for the versions asked for; return for how many it had one.

        Other words for the same versions stay, and `first` and `last` are meant among its own. What only a version that
        is taken back had superseded stands again.
        """
        name = giver(shelf.constituent)
        with self._db.write(at) as tx:
            rows = tx.connection.execute(_THEIRS, {"stix_id": object_id, "name": name}).all()
            mine = [row for row in rows if row.carried.get("collection") == shelf.collection.id]
            versions = {row.row: _version(row.body) for row in mine}
            chosen = _chosen(versions, asked) if SPEC_VERSION in asked.spec_versions else []
            if chosen:
                reason = "taken back over TAXII"
                take_back(tx, self._holdings, object_id, ACTUAL, name, reason, only=chosen, back_to_older=True)
        return len(chosen)

    def _store(
        self, shelf: Shelf, account: Account, chunk: Sequence["_Posted"], outcome: _Outcome, at: datetime
    ) -> None:
        """Store a chunk in which no object stands twice."""
        with self._db.write(at) as tx:
            self._store_in(tx, shelf, account, chunk, outcome, None)

    def _store_in(
        self,
        tx: Transaction,
        shelf: Shelf,
        account: Account,
        chunk: Sequence["_Posted"],
        outcome: _Outcome,
        terms: ImportTerms | None,
    ) -> None:
        known = _held(tx.connection, [each.stix.id for each in chunk])
        fresh = []
        for each in chunk:
            if each.body in known.get(each.stix.id, ()):
                outcome.successes.append(_told(each))  # said by somebody else already: nothing to add
            elif each.stix.created_by_ref == identity_id(self._own):
                outcome.failures.append(_told(each, _IN_OUR_NAME))
            else:
                fresh.append(each)
        words = [self._word(shelf, account, each, tx.at, terms) for each in fresh]
        refused = dict(self._holdings.store(tx, words).refused)
        for each in fresh:
            reason = refused.get(each.stix.id)
            (outcome.failures if reason else outcome.successes).append(_told(each, reason))

    def _word(
        self, shelf: Shelf, account: Account, posted: "_Posted", at: datetime, terms: ImportTerms | None
    ) -> NewObject:
        """Return an object as the word of who posted it: under the collection's floor, and not to be passed on."""
        collection, name = shelf.collection, giver(shelf.constituent)
        terms = terms or least_terms(shelf)
        tlp, pap, labelled = labels(posted.stix, terms)
        carried = _terms(name, tlp, pap or _LEAST_PAP, at).as_json()
        said = Provenance(
            source="constituent",
            nation=name,
            agreement_id=None,
            agreement_version=None,
            release_id=None,
            purpose=collection.purpose,
            tlp=tlp,
            pap=pap,
            carried={**terms.carried, **carried, "collection": collection.id, "account": account.id},
            received_at=at,
            original=terms.original,
            labelled=labelled,
        )
        return NewObject(posted.body, posted.stix, ACTUAL, said)


@dataclass(frozen=True, slots=True)
class _Posted:
    body: bytes
    stix: stix.StixObject
    version: str


@dataclass(frozen=True, slots=True)
class ReadObjects:
    """Objects that were read before they are stored: in chunks in none of which one stands twice, and the failures."""

    chunks: tuple[Sequence[_Posted], ...]
    failures: tuple[dict[str, str], ...]


def read_converted(bodies: Sequence[bytes], at: datetime) -> ReadObjects:
    """Read what was converted from a foreign file; it is stored with `Posting.take_converted`."""
    outcome = _Outcome()
    pieces = [stix.Piece(place, body) for place, body in enumerate(bodies)]
    chunks = tuple(_without_repeats(_read(pieces, outcome, at)))
    return ReadObjects(chunks, tuple(outcome.failures))


def _version(body: bytes) -> datetime | None:
    parsed = stix.parse(bytes(body))
    return parsed.modified or parsed.created


def _chosen(versions: Mapping[int, datetime | None], asked: Asked) -> list[int]:
    """Return the rows of the versions asked for; what has no version of its own is known by its row alone."""
    if not versions or "all" in asked.words:
        return list(versions)
    ordered = sorted(versions, key=lambda row: (versions[row] or EPOCH, row))
    ends = ({ordered[0]} if "first" in asked.words else set()) | ({ordered[-1]} if "last" in asked.words else set())
    return [row for row in ordered if row in ends or versions[row] in asked.versions]


def _terms(name: NationId, tlp: Tlp, pap: Pap, at: datetime) -> Carried:
    """Return the terms of a constituent's word: for this nation's own use, for any purpose, for a year."""
    return Carried(
        originator=name,
        agreement=_NO_AGREEMENT,
        tlp=tlp,
        pap=pap,
        purposes=frozenset(get_args(Purpose)),
        onward="none",
        onward_parties=frozenset(),
        constituents_tlp=None,
        delete_after=at + timedelta(days=KEPT_DAYS),
        permitted_action=len(PERMITTED_ACTIONS) - 1,
    )


def _pieces(body: bytes) -> list[stix.Piece | stix.Refused]:
    """Part an envelope, or a bundle; what is a list or a single object is neither."""
    refused = NotTaken("this is no envelope of STIX objects that can be read")
    whole = body.strip()
    if not whole.startswith(b"{"):
        raise refused
    try:
        found = list(stix.split_bundle(io.BytesIO(body), max_object_bytes=TAXII_POST.max_object_bytes))
    except stix.BadBundle as error:
        raise refused from error
    if any(isinstance(piece, stix.Piece) and len(piece.body) == len(whole) for piece in found):
        raise refused
    if len(found) > TAXII_POST.max_objects:
        raise NotTaken("more than the %(max)s objects that one envelope may hold", max=TAXII_POST.max_objects)
    return found


def _read(pieces: Sequence[stix.Piece | stix.Refused], outcome: _Outcome, at: datetime) -> Iterator[_Posted]:
    """Yield the objects that can be read; say of the others why they cannot."""
    for piece in pieces:
        if isinstance(piece, stix.Refused):
            outcome.failures.append(_failed(piece.id or f"#{piece.index}", at, piece.reason.sentence()))
            continue
        try:
            parsed = stix.parse(piece.body)
        except stix.BadObject as error:
            outcome.failures.append(_failed(error.subject or f"#{piece.index}", at, error.message % error.params))
            continue
        posted = _Posted(piece.body, parsed, version_text(parsed.modified or parsed.created or at))
        if parsed.spec_version in _SPOKEN:
            yield posted
        else:
            outcome.failures.append(_told(posted, _other_version(parsed.spec_version)))


def _without_repeats(found: Iterator[_Posted]) -> Iterator[list[_Posted]]:
    """Part objects into chunks in none of which an object stands twice, so that each outcome is its own."""
    chunk: dict[str, _Posted] = {}
    for each in found:
        if each.stix.id in chunk or len(chunk) >= CHUNK_OBJECTS:
            yield list(chunk.values())
            chunk = {}
        chunk[each.stix.id] = each
    if chunk:
        yield list(chunk.values())


def _held(connection: Connection, ids: Sequence[str]) -> Mapping[str, set[bytes]]:
    """Return the versions of these objects that somebody other than a constituent has said."""
    query = (
        select(objects.c.stix_id, objects.c.body)
        .join(provenance, provenance.c.object == objects.c.row)
        .where(
            objects.c.stix_id.in_(list(ids)),
            objects.c.lane == str(ACTUAL),
            provenance.c.source != "constituent",
        )
    )
    found: dict[str, set[bytes]] = {}
    for stix_id, body in connection.execute(query):
        found.setdefault(stix_id, set()).add(bytes(body))
    return found


def _told(each: _Posted, reason: Reason | None = None) -> dict[str, str]:
    told = {"id": each.stix.id, "version": each.version}
    return told | {"message": reason.sentence()} if reason else told


def _other_version(said: str) -> Reason:
    return Reason(
        "spec-version",
        "the object says that it is STIX %(version)s, and this server takes STIX 2.1",
        {"version": said[:40]},
        "convert it to STIX 2.1",
    )


def _failed(name: str, at: datetime, message: str) -> dict[str, str]:
    return {"id": name[:300], "version": version_text(at), "message": message}
