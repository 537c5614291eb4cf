"""Changes that others propose of this nation's own objects: which wait for an answer, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from mithaq.intelligence import comments
from mithaq.intelligence.comments import Said, said_of
from mithaq.intelligence.errors import BadProposal, NotHeld
from mithaq.intelligence.merging import Difference, between
from mithaq.intelligence.model import NewObject, StoredObject, StoreReport
from mithaq.intelligence.remarks import RemarkTerms, accepted, answer_to
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MAX_SEARCH_LIMIT
from mithaq.intelligence.tables import objects, provenance
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import fields_of
from mithaq.standards.stix.comment import Answer

_NEWEST: Final = (
    select(func.max(objects.c.row))
    .join(provenance, provenance.c.object == objects.c.row)
    .where(
        objects.c.stix_id == bindparam("stix_id"),
        objects.c.lane == bindparam("lane"),
        provenance.c.source == "own",
        provenance.c.standing == "stands",
    )
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal with the own object it would change, field by field; `answer` is this nation's, None while it waits.

    `outdated`: the object has changed since; it can only be declined.
    """

    said: Said
    own: StoredObject
    differences: tuple[Difference, ...]
    answer: Answer | None
    outdated: bool


def listed(
    connection: Connection, holdings: Holdings, lane: Lane, *, answered: bool = False, limit: int = MAX_SEARCH_LIMIT
) -> list[Proposal]:
    """Return the proposals of others for own objects that wait for an answer, newest first; or all of them."""
    found = comments.proposals(connection, lane, limit)
    answers = _answers(connection, [each.stored.stix.id for each in found], lane)
    shown = [each for each in found if answered or each.stored.stix.id not in answers]
    proposals = (_proposal(connection, holdings, each, answers.get(each.stored.stix.id)) for each in shown)
    return [each for each in proposals if each is not None]


def of_object(connection: Connection, holdings: Holdings, said: Sequence[Said]) -> list[Proposal]:
    """Return the proposals that wait among what was said of an own object."""
    found = [each for each in said if each.comment.proposed is not None and not _is_own(each)]
    if not found:
        return []
    answers = _answers(connection, [each.stored.stix.id for each in found], found[0].stored.lane)
    proposals = (_proposal(connection, holdings, each, None) for each in found if each.stored.stix.id not in answers)
    return [each for each in proposals if each is not None]


def answer(holdings: Holdings, note_id: str, lane: Lane, given: Answer, text: str, terms: RemarkTerms) -> StoreReport:
    """Accept or decline a proposal: a new version of the own object where accepted, and word back to who proposed it.

    Raises:
        NotHeld: there is no such proposal for an own object.
        BadProposal: it was answered already, or the object has changed since it was proposed.
    """
    with holdings.db.read() as connection:
        proposal = _one(connection, holdings, note_id, lane)
    if proposal.answer is not None:
        raise BadProposal("this proposal was answered already", subject=note_id)
    new: list[NewObject] = [accepted(proposal.own, proposal.said, terms.at)] if given == "accepted" else []
    new += answer_to(proposal.said, proposal.own, given, text, terms)
    with holdings.db.write(terms.at) as tx:
        newest = tx.connection.scalar(_NEWEST, {"stix_id": proposal.own.stix.id, "lane": str(lane)})
        if newest != proposal.own.row or _answers(tx.connection, [note_id], lane):
            raise BadProposal("the object has changed since this was proposed", subject=note_id)
        return holdings.store(tx, new)


def _one(connection: Connection, holdings: Holdings, note_id: str, lane: Lane) -> Proposal:
    versions = holdings.get(connection, note_id, lane)
    if versions and versions[0].stands:
        said = comments.said(versions[0])
        found = None if said.comment.proposed is None or _is_own(said) else _proposal(
            connection, holdings, said, _answers(connection, [note_id], lane).get(note_id)
        )  # fmt: skip
        if found is not None:
            return found
    raise NotHeld("there is no such proposal for an object of this nation", subject=note_id[:120])


def _proposal(connection: Connection, holdings: Holdings, said: Said, given: Answer | None) -> Proposal | None:
    """Return a proposal beside this nation's own newest version of the object, None where there is none that stands.

    What others say of it under the same id, however new, is not what the owner answers for.
    """
    versions = holdings.get(connection, said.comment.about[0], said.stored.lane)
    own = next((each for each in versions if _stands_by(each)), None)
    if own is None:
        return None
    version = rfc3339(own.stix.modified) if own.stix.modified else ""
    differences = between(fields_of(own.body), dict(said.comment.proposed or {}))
    return Proposal(said, own, differences, given, said.comment.based_on != version)


def _answers(connection: Connection, note_ids: list[str], lane: Lane) -> dict[str, Answer]:
    """Return this nation's answers to proposals."""
    if not note_ids:
        return {}
    return {
        each.comment.answers: each.comment.answer
        for each in said_of(connection, note_ids, lane)
        if each.comment.answer is not None and _is_own(each)
    }


def _stands_by(stored: StoredObject) -> bool:
    return any(word.source == "own" and word.standing == "stands" for word in stored.provenance)


def _is_own(said: Said) -> bool:
    return any(word.source == "own" for word in said.stored.provenance)


def as_json(proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as JSON values, for `--json` and the API."""
    return {
        "id": proposal.said.stored.stix.id,
        "object": proposal.own.stix.id,
        "by": list(proposal.said.by),
        "why": proposal.said.comment.explanation,
        "answer": proposal.answer,
        "outdated": proposal.outdated,
        "changes": [
            {
                "field": each.path,
                **{
                    name: value.value
                    for name, value in zip(("is", "proposed"), each.values, strict=True)
                    if not value.is_absent
                },
            }
            for each in proposal.differences
        ],
    }
