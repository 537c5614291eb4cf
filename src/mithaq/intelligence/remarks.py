"""What this nation says of any object, its own or another's: notes, opinions, and changes that it proposes.

Each is an object of this nation's own, at least as strictly labelled as what it speaks of, and leaves only as any
object does: where somebody asked for its release. A proposal is a note that carries the object as it should be; the
owner accepts it, which makes a new version of the owner's own object, or declines it, and answers either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mithaq.intelligence.comments import Said
from mithaq.intelligence.errors import BadProposal
from mithaq.intelligence.indicators import new_note, new_opinion
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.stix import BadObject, StixObject, fields_of, parse, parse_fields
from mithaq.standards.stix.comment import Agreement, Answer
from mithaq.standards.tlp import Tlp, tlp_of

DEFENCE: Final = "defence"
MAX_REMARK_CHARS: Final = 10_000
MAX_PROPOSED_BYTES: Final = 256 * 1024
PROPOSABLE: Final = frozenset({
    "attack-pattern", "campaign", "course-of-action", "grouping", "indicator", "infrastructure", "intrusion-set",
    "malware", "relationship", "report", "threat-actor", "tool", "vulnerability",
})  # fmt: skip
"""Types of which a change can be proposed: of others the gate could not see, inside a note, whom they name."""

_OWNERS: Final = ("type", "spec_version", "id", "created", "created_by_ref", "object_marking_refs", "granular_markings")
"""What only the owner says of an object; a proposal leaves it as it is."""

_TICK: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class RemarkTerms:
    """What holds for one remark: who says it, its least strict labels, to whom it is to go (to nobody by itself)."""

    nation: NationId
    at: datetime
    tlp: Tlp = Tlp.CLEAR
    pap: Pap | None = None
    instructions: tuple[ReleaseInstruction, ...] = ()


def note_on(stored: StoredObject, text: str, terms: RemarkTerms) -> list[NewObject]:
    """Return a note on an object, once for each release that is asked for."""
    tlp = max(stored.tlp, terms.tlp)
    body = new_note([stored.stix.id], content=text, tlp=tlp, created_by=terms.nation, at=terms.at)
    return _own(body, stored, tlp, terms)


def opinion_on(
    stored: StoredObject, opinion: Agreement, explanation: str, terms: RemarkTerms, renews: StixObject | None
) -> list[NewObject]:
    """Return this nation's opinion on an object, the next version of the one it `renews`."""
    tlp = max(stored.tlp, terms.tlp)
    body = new_opinion(
        stored.stix.id,
        tlp=tlp,
        created_by=terms.nation,
        at=terms.at,
        explanation=explanation,
        opinion=opinion,
        renews=renews,
    )
    return _own(body, stored, tlp, terms)


def own_opinion(said: Sequence[Said]) -> StixObject | None:
    """Return this nation's standing opinion among what was said of an object."""
    for each in said:
        if each.comment.opinion is not None and any(
            word.source == "own" and word.standing == "stands" for word in each.stored.provenance
        ):
            return each.stored.stix
    return None


def proposal_on(stored: StoredObject, proposed: Mapping[str, Any], text: str, terms: RemarkTerms) -> list[NewObject]:
    """Return a note that proposes how somebody else's object should be.

    What it refers to beyond the object itself is named by the note too, so that the gate sees it.

    Raises:
        BadProposal: it is of another type or id, not of a type that can be proposed, too large, or changes nothing.
        BadObject: it is no STIX object.
    """
    was, stix = fields_of(stored.body), parse_fields(proposed)
    if (stix.id, stix.type) != (stored.stix.id, stored.stix.type) or stix.type not in PROPOSABLE:
        raise BadProposal("a change of this object cannot be proposed by that one", subject=stored.stix.id)
    change = _as_owner(proposed, was)
    if change | {"modified": None} == was | {"modified": None}:
        raise BadProposal("the proposal changes nothing", subject=stored.stix.id)
    if len(canonical.dumps(change)) > MAX_PROPOSED_BYTES:
        raise BadProposal("larger than the limit of %(max)s bytes", subject=stored.stix.id, max=MAX_PROPOSED_BYTES)
    tlp = max(stored.tlp, terms.tlp, tlp_of(stix.object_marking_refs) or Tlp.CLEAR)
    about = [stored.stix.id, *(ref for ref in stix.refs if ref not in stored.stix.refs)]
    says = {"proposed": change, "version": rfc3339(stored.stix.modified) if stored.stix.modified else ""}
    body = new_note(about, content=text, tlp=tlp, created_by=terms.nation, at=terms.at, says=says)
    return _own(body, stored, tlp, terms)


def answer_to(proposal: Said, own: StoredObject, answer: Answer, text: str, terms: RemarkTerms) -> list[NewObject]:
    """Return the note that tells whoever proposed a change what became of it, under the agreement it came under."""
    stored = proposal.stored
    tlp = max(stored.tlp, own.tlp)
    body = new_note(
        [stored.stix.id, own.stix.id],
        content=text or answer,
        tlp=tlp,
        created_by=terms.nation,
        at=terms.at,
        says={"answers": stored.stix.id, "answer": answer},
    )
    back = RemarkTerms(terms.nation, terms.at, tlp, stored.pap, instructions_back(stored))
    return _own(body, own, tlp, back)


def accepted(own: StoredObject, proposal: Said, at: datetime) -> NewObject:
    """Return the next version of an own object, as a proposal would have it.

    It keeps the owner's labels, and its own word's terms; that the new version is released is decided as for any.

    Raises:
        BadProposal: the object has changed since, or what is proposed is no object of its kind.
    """
    comment = proposal.comment
    if comment.based_on != (rfc3339(own.stix.modified) if own.stix.modified else ""):
        raise BadProposal("the object has changed since this was proposed", subject=own.stix.id)
    fields = _as_owner(comment.proposed or {}, fields_of(own.body))
    fields["modified"] = rfc3339(max(at, own.stix.modified + _TICK) if own.stix.modified else at)
    body = canonical.dumps(fields)
    try:
        stix = parse(body)
    except BadObject as error:
        detail = str(error)
        raise BadProposal("this is no such object: %(detail)s", subject=own.stix.id, detail=detail) from error
    mine = next(word for word in own.provenance if word.source == "own")
    word = Provenance.own(mine.nation, at, own.tlp, max_pap(own.pap, pap_of(stix.labels)), purpose=mine.purpose)
    return NewObject(body, stix, own.lane, word)


def _as_owner(proposed: Mapping[str, Any], was: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is proposed, with what only the owner says of the object as the owner says it."""
    change = {name: value for name, value in proposed.items() if name not in _OWNERS}
    return change | {name: was[name] for name in _OWNERS if name in was}


def instructions_back(stored: StoredObject) -> tuple[ReleaseInstruction, ...]:
    """Return the release to each partner whose word an object stands by, under the agreement it came under."""
    return tuple(
        dict.fromkeys(
            ReleaseInstruction(word.agreement_id, (word.nation,), word.purpose or DEFENCE)
            for word in stored.provenance
            if word.source == "partner" and word.standing == "stands" and word.agreement_id is not None
        )
    )


def max_pap(*labels: Pap | None) -> Pap | None:
    """Return the strictest of some labels, None where there is none."""
    return max((each for each in labels if each is not None), default=None)


def _own(body: bytes, stored: StoredObject, tlp: Tlp, terms: RemarkTerms) -> list[NewObject]:
    stix = parse(body)
    purpose = terms.instructions[0].purpose if terms.instructions else None
    word = Provenance.own(terms.nation, terms.at, tlp, max_pap(stored.pap, terms.pap), purpose=purpose)
    asked: Sequence[ReleaseInstruction | None] = terms.instructions or (None,)
    return [NewObject(body, stix, stored.lane, word, each) for each in asked]
