"""The gate itself: judge, and release."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import attrgetter

from mithaq.agreements.effective import effective_terms, later, lower
from mithaq.agreements.model import Agreement
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from mithaq.release.evaluate import compile_clauses
from mithaq.release.facts import NO_AGREEMENT, AgreementFacts, facts_of
from mithaq.release.model import _GATE, Carried, Item, Recipient, Released, Request, Retraction, Verdict, Withheld
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_JUDGE_NATION = compile_clauses(NATION_CLAUSES)
_JUDGE_LOCAL = compile_clauses(LOCAL_CLAUSES)
_of_request = attrgetter(*[name for name in Request.__struct_fields__ if name != "item"])
_of_item = attrgetter(*[name for name in Item.__struct_fields__ if name not in {"id", "version", "digest"}])


def judge(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Verdict:
    """Evaluate every clause and return all reasons against the release.

    Cost: about 5 µs between nations.
    """
    facts = facts_of(request, at, agreed)
    return Verdict((_JUDGE_NATION if request.recipient.kind == "nation" else _JUDGE_LOCAL)(facts))


def decide(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Released[Item] | Withheld:
    """Judge, and hand out what may leave."""
    return _decided(request, judge(request, at, agreed))


class Gate:
    """The gate at one instant, asked one request after the other.

    One that differs from the request before in nothing but which object and version it names has the same verdict, and
    is not judged anew: no clause looks at these.

    Cost: about 1 µs for a verdict that stands already.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._asked: tuple[object, ...] | None = None
        self._verdict = Verdict(())

    def judge(self, request: Request, agreed: AgreementFacts | None = None) -> Verdict:
        """Answer as `judge` does."""
        asked = (agreed, *_of_request(request), *_of_item(request.item))
        if asked != self._asked:  # of what is the same values, which most are, this compares no more than identities
            self._verdict, self._asked = judge(request, self._at, agreed), asked
        return self._verdict

    def decide(self, request: Request, agreed: AgreementFacts | None = None) -> Released[Item] | Withheld:
        """Answer as `decide` does."""
        return _decided(request, self.judge(request, agreed))


def decide_inside(requests: Iterable[Request], at: datetime) -> list[Released[Item] | Withheld]:
    """Judge many requests inside the nation, each as `decide` does; those that no clause tells apart are judged once.

    Cost: one evaluation of the clauses for all that are alike, and a hash and a digest for each.
    """
    verdicts: dict[tuple[object, ...], Verdict] = {}
    decided = []
    for request in requests:
        key = _told_apart(request)
        verdict = verdicts.get(key)
        if verdict is None:
            verdict = verdicts[key] = judge(request, at, NO_AGREEMENT)
        decided.append(_decided(request, verdict))
    return decided


def _told_apart(request: Request) -> tuple[object, ...]:
    """Return all that the clauses inside the nation look at, beside the instant: equal where no clause tells two apart.

    Raises:
        TypeError: the request is between nations.
    """
    item, recipient = request.item, request.recipient
    if recipient.kind == "nation":
        raise TypeError("a request between nations is judged by itself")
    return (
        recipient.kind,
        recipient.id,
        request.holder,
        request.purpose,
        request.action,
        request.vetoed,
        request.withheld_refs,
        item.tlp,
        item.pap,
        item.lane.value,
        item.originator,
        item.carried,
        item.is_withdrawn,
    )


def _decided(request: Request, verdict: Verdict) -> Released[Item] | Withheld:
    if not verdict.allowed:
        return Withheld(request.item, request.recipient, verdict.reasons)
    reference = request.agreement.reference if request.agreement else None
    return Released(
        request.item,
        request.recipient,
        reference,
        request.purpose,
        verdict.digest(request.item, request.recipient, reference),
        _GATE,
    )


def retract(object_id: str, lane: Lane, recipient: NationId, *, was_released: bool) -> Released[Retraction] | None:
    """Allow word of a withdrawal to whom the object was released before, and to nobody else.

    It may go even when the agreement has ended: it repeats only an id the recipient has.
    """
    if not was_released:
        return None
    return Released(Retraction(object_id, lane), Recipient("nation", recipient), None, "withdrawal", "0" * 64, _GATE)


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
    return Released(Retraction(object_id, lane), recipient, None, "withdrawal", "0" * 64, _GATE)


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
