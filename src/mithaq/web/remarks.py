"""What people of this nation say of objects, and what they answer to whoever proposes a change."""

from typing import cast, get_args

from starlette.responses import Response

from mithaq.exchange.revising import revise
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.errors import BadProposal, NotHeld
from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.proposals import answer, listed
from mithaq.intelligence.remarks import (
    MAX_REMARK_CHARS,
    RemarkTerms,
    instructions_back,
    note_on,
    opinion_on,
    own_opinion,
    proposal_on,
)
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.standards.stix import fields_of
from mithaq.standards.stix.comment import Agreement, Answer
from mithaq.web.doors import Door, Visit


def proposals(visit: Visit) -> Response:
    """Show what others propose of own objects and still waits for an answer."""
    node, lane = visit.site.node, Lane.parse(visit.query("lane") or str(ACTUAL))
    with node.db.read() as connection:
        found = listed(connection, node.holdings, lane)
    return visit.page("proposals.html", proposals=found, lane=str(lane))


def decide(visit: Visit) -> Response:
    """Accept or decline a proposal; whoever proposed it is told, so it takes somebody who may release."""
    node, note_id, lane = visit.site.node, visit.request.path_params["note_id"], _lane(visit)
    node.people.demand(visit.person, Verb.INTELLIGENCE_WRITE, note_id[:120], visit.at)
    given: Answer = "accepted" if visit.field("answer") == "accepted" else "declined"
    answer(node.holdings, note_id, lane, given, _text(visit, required=False), RemarkTerms(node.nation, visit.at))
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=f"intelligence.{given}", subject=note_id)
    return visit.go("/intelligence/proposals" + (f"?lane={lane}" if lane != ACTUAL else ""))


def note(visit: Visit) -> Response:
    """Write a note on an object."""
    stored = _held(visit)
    return _done(visit, stored, note_on(stored, _text(visit), _terms(visit, stored)))


def opinion(visit: Visit) -> Response:
    """Give an opinion on an object."""
    stored, given = _held(visit), visit.field("opinion")
    if given not in get_args(Agreement):
        raise BadProposal("an opinion is one of: %(scale)s", scale=", ".join(get_args(Agreement)))
    with visit.site.node.db.read() as connection:
        before = own_opinion(said_of(connection, [stored.stix.id], stored.lane))
    text = _text(visit, required=False)
    return _done(visit, stored, opinion_on(stored, cast(Agreement, given), text, _terms(visit, stored), before))


def propose(visit: Visit) -> Response:
    """Propose to its owner how an object should be."""
    stored = _held(visit)
    proposed = fields_of(visit.field("proposed").encode("utf-8", "replace"))
    return _done(visit, stored, proposal_on(stored, proposed, _text(visit), _terms(visit, stored)))


def revised(visit: Visit) -> Response:
    """Give an own indicator another confidence, or revoke it; the new version is to go to all who got the old one."""
    node, stix_id, lane = visit.site.node, visit.request.path_params["stix_id"], _lane(visit)
    node.people.demand(visit.person, Verb.INTELLIGENCE_WRITE, stix_id[:120], visit.at)
    confidence = None if visit.field("change") == "revoke" else _percent(visit.field("confidence"))
    revise(node.channel, stix_id, lane, visit.at, visit.person.id, confidence=confidence)
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="intelligence.revise", subject=stix_id)
    return visit.go(f"/intelligence/{stix_id}" + (f"?lane={lane}" if lane != ACTUAL else ""))


def _percent(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 100):
        raise BadProposal("a confidence is a number from 0 to 100")
    return int(text)


def _held(visit: Visit) -> StoredObject:
    node, stix_id = visit.site.node, visit.request.path_params["stix_id"]
    with node.db.read() as connection:
        versions = node.holdings.get(connection, stix_id, _lane(visit))
    if not versions:
        raise NotHeld("this node holds no such object in this lane", subject=stix_id[:120])
    return versions[0]


def _lane(visit: Visit) -> Lane:
    return Lane.parse(visit.field("lane") or str(ACTUAL))


def _text(visit: Visit, *, required: bool = True) -> str:
    text = visit.field("text").strip()
    if len(text) > MAX_REMARK_CHARS or (required and not text):
        raise BadProposal("a remark has 1 to %(max)s characters", max=MAX_REMARK_CHARS)
    return text


def _terms(visit: Visit, stored: StoredObject) -> RemarkTerms:
    """Return the terms of a remark; who asks for its release must be allowed to."""
    node = visit.site.node
    if visit.field("tell") != "yes":
        return RemarkTerms(node.nation, visit.at)
    node.people.demand(visit.person, Verb.RELEASE_DECIDE, stored.stix.id, visit.at)
    return RemarkTerms(node.nation, visit.at, instructions=instructions_back(stored))


def _done(visit: Visit, stored: StoredObject, new: list[NewObject]) -> Response:
    node, made = visit.site.node, new[0]
    with node.db.write(visit.at) as tx:
        node.holdings.store(tx, new)
        audit(tx, actor=visit.person.id, action=f"intelligence.{made.stix.type}", subject=made.stix.id)
    return visit.go(f"/intelligence/{stored.stix.id}" + (f"?lane={stored.lane}" if stored.lane != ACTUAL else ""))


DOORS = (
    Door("/intelligence/proposals", proposals, Verb.INTELLIGENCE_READ),
    Door("/intelligence/proposals/{note_id}", decide, Verb.RELEASE_DECIDE, "POST"),
    Door("/intelligence/{stix_id}/revise", revised, Verb.RELEASE_DECIDE, "POST"),
    Door("/intelligence/{stix_id}/note", note, Verb.INTELLIGENCE_WRITE, "POST"),
    Door("/intelligence/{stix_id}/opinion", opinion, Verb.INTELLIGENCE_WRITE, "POST"),
    Door("/intelligence/{stix_id}/propose", propose, Verb.INTELLIGENCE_WRITE, "POST"),
)
