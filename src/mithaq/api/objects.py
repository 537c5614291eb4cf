"""One object over the API: as everyone said it, what is related, and what this nation says of it; proposals; ATT&CK.

Proposals are answered on the page or at the console: an answer tells a partner something, which no program decides.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from mithaq.api.access import bearer
from mithaq.exchange.ledger.viewing import view_of
from mithaq.intelligence import related as relating
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.errors import NotAnObservable, NotHeld
from mithaq.intelligence.knowledge import entry_as_json, loaded, named
from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.proposals import as_json, listed
from mithaq.intelligence.remarks import (
    MAX_REMARK_CHARS,
    RemarkTerms,
    note_on,
    opinion_on,
    own_opinion,
    proposal_on,
)
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node
from mithaq.standards.pap import Pap
from mithaq.standards.stix.comment import Agreement
from mithaq.standards.tlp import Tlp

_Text = Annotated[str, Field(min_length=1, max_length=MAX_REMARK_CHARS)]


class Remark(BaseModel):
    """What every remark takes. None leaves by itself, and no program may ask for its release: that is a person's."""

    model_config = ConfigDict(extra="forbid")

    tlp: str = "TLP:CLEAR"
    pap: str | None = None
    lane: str = "actual"


class NewNote(Remark):
    """A note on an object."""

    text: _Text


class NewOpinion(Remark):
    """How far this nation agrees with an object."""

    opinion: Agreement
    why: Annotated[str, Field(max_length=MAX_REMARK_CHARS)] = ""


class NewProposal(Remark):
    """The whole object as it should be, and why."""

    proposed: dict[str, Any]
    why: _Text


class Said(BaseModel):
    """The object that was made of a remark, with its label."""

    id: str
    tlp: str


def router(node: Node) -> APIRouter:
    """Return the routes of single objects."""
    routes = APIRouter(tags=["intelligence"])
    _reading(routes, node)
    _saying(routes, node)
    return routes


def _reading(routes: APIRouter, node: Node) -> None:
    reads = Depends(bearer(node, Verb.INTELLIGENCE_READ))

    @routes.get("/objects/{object_id}", dependencies=[reads])
    def one(object_id: str, lane: str = "actual") -> dict[str, Any]:
        """Return an object as everyone said it: versions, words, differences, what was found of it, its score."""
        with node.db.read() as connection:
            return view_of(connection, _versions(node, object_id, lane), node.clock.now()).as_json()

    @routes.get("/objects/{object_id}/related", dependencies=[reads])
    def related(object_id: str, lane: str = "actual") -> dict[str, Any]:
        """Return what else names the same values or refers to the same objects, and what refers to this one."""
        with node.db.read() as connection:
            return relating.as_json(relating.related(connection, _versions(node, object_id, lane)[0]))

    @routes.get("/proposals", dependencies=[reads])
    def proposals(lane: str = "actual", answered: bool = False) -> dict[str, Any]:
        """Return what others propose of this nation's objects, newest first."""
        with node.db.read() as connection:
            found = listed(connection, node.holdings, Lane.parse(lane), answered=answered)
        return {"proposals": [as_json(each) for each in found]}

    @routes.get("/knowledge", dependencies=[reads])
    def knowledge(name: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        """Return the bundles that are loaded; with `name` what has that ATT&CK id or name, and what refers to it."""
        with node.db.read() as connection:
            found = named(connection, name, ACTUAL) if name else []
            bundles = loaded(connection)
        return {"bundles": [each.as_json() for each in bundles], "found": [entry_as_json(each) for each in found]}


def _saying(routes: APIRouter, node: Node) -> None:
    writes = bearer(node, Verb.INTELLIGENCE_WRITE)

    @routes.post("/objects/{object_id}/notes", status_code=201)
    def note(object_id: str, new: NewNote, actor: Annotated[Actor, Depends(writes)]) -> Said:
        """Write a note on any object; it stays here until a person asks for its release."""
        stored = _versions(node, object_id, new.lane)[0]
        return _store(node, actor, note_on(stored, new.text, _terms(node, new)))

    @routes.post("/objects/{object_id}/opinions", status_code=201)
    def opinion(object_id: str, new: NewOpinion, actor: Annotated[Actor, Depends(writes)]) -> Said:
        """Say how far this nation agrees; a second opinion is the next version of the first."""
        stored = _versions(node, object_id, new.lane)[0]
        with node.db.read() as connection:
            before = own_opinion(said_of(connection, [object_id], stored.lane))
        return _store(node, actor, opinion_on(stored, new.opinion, new.why, _terms(node, new), before))

    @routes.post("/objects/{object_id}/proposals", status_code=201)
    def propose(object_id: str, new: NewProposal, actor: Annotated[Actor, Depends(writes)]) -> Said:
        """Propose to an object's owner how it should be."""
        stored = _versions(node, object_id, new.lane)[0]
        return _store(node, actor, proposal_on(stored, new.proposed, new.why, _terms(node, new)))


def _versions(node: Node, object_id: str, lane: str) -> list[StoredObject]:
    with node.db.read() as connection:
        versions = node.holdings.get(connection, object_id, Lane.parse(lane))
    if not versions:
        raise NotHeld("this node holds no such object in this lane", subject=object_id[:120])
    return versions


def _terms(node: Node, new: Remark) -> RemarkTerms:
    tlp, pap = Tlp.parse(new.tlp), Pap.parse(new.pap) if new.pap else None
    if tlp is None or (new.pap and pap is None):
        raise NotAnObservable("no such label: %(label)s", label=(new.tlp if tlp is None else str(new.pap))[:40])
    return RemarkTerms(node.nation, node.clock.now(), tlp, pap)


def _store(node: Node, actor: Actor, new: list[NewObject]) -> Said:
    made = new[0]
    with node.db.write(made.provenance.received_at) as tx:
        node.holdings.store(tx, new)
        audit(tx, actor=actor.id, action=f"intelligence.{made.stix.type}", subject=made.stix.id)
    return Said(id=made.stix.id, tlp=made.provenance.tlp.label)
