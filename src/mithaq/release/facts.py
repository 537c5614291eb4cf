"""The flat typed record that clauses look at."""

from datetime import UTC, datetime

import msgspec

from mithaq.kernel.ids import NationId
from mithaq.release.model import Request
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_NOBODY: frozenset[str] = frozenset()


class Facts(msgspec.Struct, frozen=True, gc=False):
    """Everything a clause may look at; a label that is missing is its strictest value."""

    at: datetime
    holder: str
    recipient: str
    recipient_trusted: bool
    purpose: str
    agreement_known: bool
    agreement_signed: bool
    agreement_suspended: bool
    not_before: datetime
    not_after: datetime
    parties: frozenset[NationId]
    kinds: frozenset[str]
    tlp_ceiling: Tlp
    pap_ceiling: Pap
    purposes: frozenset[str]
    lanes: frozenset[str]
    kind: str
    labelled: bool
    tlp: Tlp
    pap: Pap
    lane_kind: str
    originator: str
    onward_allowed: bool
    local_allowed: bool
    carried_tlp: Tlp
    carried_purposes: frozenset[str]
    delete_after: datetime
    named_recipients: frozenset[NationId]
    withdrawn: bool
    withheld_refs: int
    vetoed: bool
    tlp_red: Tlp = Tlp.RED
    pap_green: Pap = Pap.GREEN
    local_ceiling: Tlp = Tlp.AMBER
    lane_actual: str = "actual"
    zero: int = 0


class AgreementFacts(msgspec.Struct, frozen=True, gc=False):
    """The part of the facts that one agreement gives."""

    signed: bool
    suspended: bool
    not_before: datetime
    not_after: datetime
    parties: frozenset[NationId]
    kinds: frozenset[str]
    tlp_ceiling: Tlp
    pap_ceiling: Pap
    purposes: frozenset[str]
    lanes: frozenset[str]


_NO_AGREEMENT = AgreementFacts(
    signed=False, suspended=True, not_before=_NEVER, not_after=datetime(1970, 1, 1, tzinfo=UTC), parties=frozenset(),
    kinds=_NOBODY, tlp_ceiling=Tlp.CLEAR, pap_ceiling=Pap.CLEAR, purposes=_NOBODY, lanes=_NOBODY,
)  # fmt: skip


def agreement_facts(request: Request) -> AgreementFacts:
    """Return what the named agreement says, or the strictest facts where none is known."""
    agreement = request.agreement
    if agreement is None:
        return _NO_AGREEMENT
    terms = agreement.document.terms
    return AgreementFacts(
        signed=not agreement.missing,
        suspended=agreement.suspended,
        not_before=agreement.not_before,
        not_after=agreement.not_after,
        parties=agreement.parties,
        kinds=frozenset(terms.kinds),
        tlp_ceiling=Tlp.parse(terms.tlp_ceiling) or Tlp.CLEAR,
        pap_ceiling=Pap.parse(terms.pap_ceiling) or Pap.CLEAR,
        purposes=frozenset(terms.purposes),
        lanes=frozenset(terms.lanes),
    )


def facts_of(request: Request, at: datetime, agreed: AgreementFacts | None = None) -> Facts:
    """Flatten a request; `agreed` saves rebuilding one agreement's facts for many recipients.

    Where several originators' terms apply to an item, the strictest of each counts.
    """
    agreed = agreed or agreement_facts(request)
    item, carried = request.item, request.item.carried
    recipient = request.recipient.id
    pap = Pap.RED if item.pap is None else item.pap
    return Facts(
        at=at,
        holder=request.holder,
        recipient=recipient,
        recipient_trusted=request.recipient_trusted,
        purpose=request.purpose,
        agreement_known=request.agreement is not None,
        agreement_signed=agreed.signed,
        agreement_suspended=agreed.suspended,
        not_before=agreed.not_before,
        not_after=agreed.not_after,
        parties=agreed.parties,
        kinds=agreed.kinds,
        tlp_ceiling=agreed.tlp_ceiling,
        pap_ceiling=agreed.pap_ceiling,
        purposes=agreed.purposes,
        lanes=agreed.lanes,
        kind=item.kind,
        labelled=item.tlp is not None,
        tlp=Tlp.RED if item.tlp is None else item.tlp,
        pap=max(pap, *(terms.pap for terms in carried)) if carried else pap,
        lane_kind="exercise" if item.lane.is_exercise else item.lane.value,
        originator=item.originator,
        onward_allowed=bool(carried) and all(recipient in terms.onward_parties for terms in carried),
        local_allowed=bool(carried) and all(terms.constituents for terms in carried),
        carried_tlp=max(terms.tlp for terms in carried) if carried else Tlp.CLEAR,
        carried_purposes=frozenset.intersection(*(terms.purposes for terms in carried)) if carried else _NOBODY,
        delete_after=min(terms.delete_after for terms in carried) if carried else _NEVER,
        named_recipients=item.named_recipients,
        withdrawn=item.is_withdrawn,
        withheld_refs=request.withheld_refs,
        vetoed=request.vetoed,
    )
