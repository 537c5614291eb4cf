"""What a draft would let pass: last month's objects, judged by the gate as if the draft were concluded and in force.

Nothing is stored, and nothing here can be sent: a supposition gives verdicts and never a `Released`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mithaq.agreements.model import Agreement, Document, State
from mithaq.exchange.context import Context
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.release.model import Verdict

PAGE = 200
EXAMPLES = 5


@dataclass(slots=True)
class Outlook:
    """What one nation would get: counts, the reasons of what is withheld, and a few objects as examples.

    `more` would go and does not today; `less` goes today and would not; the others stay as they are.
    """

    more: int = 0
    less: int = 0
    same_released: int = 0
    same_withheld: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    said: dict[str, Reason] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def count(self, object_id: str, draft: Verdict, today: bool) -> None:
        """Count one object."""
        kind = _kind(draft.allowed, today)
        setattr(self, kind, getattr(self, kind) + 1)
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(object_id)
        for reason in draft.reasons:
            self.reasons[reason.code] += 1
            self.said.setdefault(reason.code, reason)


def _kind(draft: bool, today: bool) -> str:
    if draft == today:
        return "same_released" if draft else "same_withheld"
    return "more" if draft else "less"


def simulate(context: Context, document: Document, *, since: datetime, at: datetime) -> dict[NationId, Outlook]:
    """Judge every standing object that came in since an instant for every other party of a draft.

    Cost: one page of objects in memory; a judgement for each object, party and purpose, under the draft and under each
    agreement in force.
    """
    others = [NationId(party.nation) for party in document.parties if party.nation != context.own]
    found = {nation: Outlook() for nation in others}
    with context.db.read() as connection:
        gate = context.gatekeeper(connection, at)
        supposed = gate.as_if_in_force(document)
        current = [
            each for each in context.agreements.current(connection, at) if each.document.id != document.id
        ] + _today(gate, document, at)
        after = 0
        while page := context.holdings.since(connection, since, after, PAGE):
            for stored in page:
                for nation in others:
                    if stored.stands and not _is_from(stored, nation):
                        draft = _best(partial(supposed, stored, nation), document.terms.purposes)
                        found[nation].count(stored.stix.id, draft, _goes_today(gate, stored, nation, current))
            after = page[-1].row
    return found


def _today(gate: Gatekeeper, document: Document, at: datetime) -> list[Agreement]:
    """Return the version of the draft's own agreement that is in force today, where it is an amendment."""
    known = gate.agreement(document.id)
    return [known] if known and known.state(at) is State.IN_FORCE else []


def _best(judge: Callable[[str], Verdict], purposes: Sequence[str]) -> Verdict:
    """Return the verdict for the purpose against which the least stands."""
    best = judge(purposes[0])
    for purpose in purposes[1:]:
        if best.allowed:
            return best
        best = min(best, judge(purpose), key=lambda verdict: len(verdict.reasons))
    return best


def _goes_today(gate: Gatekeeper, stored: StoredObject, nation: NationId, current: Sequence[Agreement]) -> bool:
    return any(
        gate.judge(stored, nation, each.document.id, purpose).allowed
        for each in current
        if nation in each.parties
        for purpose in each.document.terms.purposes
    )


def _is_from(stored: StoredObject, nation: NationId) -> bool:
    return any(each.source == "partner" and each.nation == nation for each in stored.provenance)
