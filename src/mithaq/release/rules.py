"""The gate itself: judge, and release."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from mithaq.agreements.effective import effective_terms, later, lower
from mithaq.agreements.model import Agreement
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.evaluate import compile_clauses
from mithaq.release.facts import AgreementFacts, Told, facts_of, told_of
from mithaq.release.model import _GATE, Carried, Item, Recipient, Released, Request, Retraction, Verdict, Withheld
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_JUDGE_NATION = compile_clauses(NATION_CLAUSES)
_JUDGE_LOCAL = compile_clauses(LOCAL_CLAUSES)


def judge(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Verdict:
    """Evaluate every clause and return all reasons against the release.

    Cost: about 5 µs between nations.
    """
    facts = facts_of(request, at, agreed)
    return Verdict((_JUDGE_NATION if request.recipient.kind == "nation" else _JUDGE_LOCAL)(facts))


def decide(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Released[Item] | Withheld:
    """Judge, and hand out what may leave."""
    return _decided(request, judge(request, at, agreed))


def decide_many(
    requests: Iterable[Request], at: datetime, agreed: AgreementFacts | None = None
) -> list[Released[Item] | Withheld]:
    """Judge many requests under one agreement, or under none, each as `decide` does.

    Those that no clause tells apart are judged once. Nothing is kept for another instant, or for the next call.

    Cost: one evaluation of the clauses for all that are alike, and a comparison for each.

    Raises:
        TypeError: the requests name different agreements.
    """
    verdicts: dict[Told, Verdict] = {}
    decided: list[Released[Item] | Withheld] = []
    first: Request | None = None
    before: tuple[Told, Verdict] | None = None
    for request in requests:
        first = first or request
        if request.agreement is not first.agreement:
            raise TypeError("requests under different agreements are not judged together")
        told = told_of(request)
        if before is None or told != before[0]:  # neighbours are mostly alike, and quicker compared than looked up
            known = verdicts.get(told)
            before = (told, judge(request, at, agreed) if known is None else known)
            verdicts[told] = before[1]
        decided.append(_decided(request, before[1]))
    return decided


def _decided(request: Request, verdict: Verdict) -> Released[Item] | Withheld:
    if not verdict.allowed:
        return Withheld(request.item, request.recipient, verdict.reasons)
    reference = request.agreement.reference if request.agreement else None
    return Released(request.item, request.recipient, reference, request.purpose, _GATE)


def retract(object_id: str, lane: Lane, recipient: NationId, *, was_released: bool) -> Released[Retraction] | None:
    """Allow word of a withdrawal to whom the object was released before, and to nobody else.

    It may go even when the agreement has ended: it repeats only an id the recipient has.
    """
    if not was_released:
        return None
    return Released(Retraction(object_id, lane), Recipient("nation", recipient), None, "withdrawal", _GATE)


def retract_inside(
    object_id: str, lane: Lane, recipient: Recipient, *, was_released: bool
) -> Released[Retraction] | None:
    """Allow word of a withdrawal to a constituent to whom the object was released before, and to nobody else.

    Raises:
        TypeError: the recipient is a nation.
    """
    if recipient.kind == "nation":
        raise TypeError("a nation is told in its own channel")
    if not was_released:
        return None
    return Released(Retraction(object_id, lane), recipient, None, "withdrawal", _GATE)


def carried_terms(item: Item, agreement: Agreement, sender: NationId, recipient: NationId, at: datetime) -> Carried:
    """Return the terms under which a recipient gets an item; for a foreign item the stricter of both count.

    They are the effective terms of this direction, so that a reservation travels with the object too.
    """
    terms = effective_terms(agreement.document, sender, recipient)
    own = Carried(
        originator=item.originator,
        agreement=agreement.reference,
        tlp=Tlp.RED if item.tlp is None else item.tlp,
        pap=Pap.RED if item.pap is None else item.pap,
        purposes=terms.purposes,
        onward=agreement.document.terms.onward.mode,
        onward_parties=terms.onward_parties - terms.excluded_recipients,
        constituents_tlp=terms.constituents_tlp,
        delete_after=at + timedelta(days=terms.retention_days),
        excluded=terms.excluded_recipients,
        public_after=at + timedelta(days=terms.public_after_days) if terms.public_after_days else None,
        hops=1,
        max_hops=terms.max_hops,
        permitted_action=terms.permitted_action,
    )
    for earlier in item.carried:
        own = _stricter(own, earlier)
    return own


def _stricter(ours: Carried, theirs: Carried) -> Carried:
    return Carried(
        originator=theirs.originator,
        agreement=theirs.agreement,
        tlp=max(ours.tlp, theirs.tlp),
        pap=max(ours.pap, theirs.pap),
        purposes=ours.purposes & theirs.purposes,
        onward=theirs.onward,
        onward_parties=ours.onward_parties & theirs.onward_parties,
        constituents_tlp=lower(ours.constituents_tlp, theirs.constituents_tlp),
        delete_after=min(ours.delete_after, theirs.delete_after),
        excluded=ours.excluded | theirs.excluded,
        public_after=later(ours.public_after, theirs.public_after),
        hops=max(ours.hops, theirs.hops + 1),
        max_hops=theirs.max_hops,
        permitted_action=min(ours.permitted_action, theirs.permitted_action),
    )
