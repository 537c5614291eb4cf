"""Put questions to the gate about one recipient inside the nation: a constituent, or a sensor; many at a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import repeat

from sqlalchemy import Connection

from mithaq.exchange.store import Vetoes
from mithaq.kernel.ids import NationId
from mithaq.release.facts import NO_AGREEMENT
from mithaq.release.model import Item, Recipient, Released, Request, Withheld
from mithaq.release.rules import decide_many


class Inside:
    """The gate inside the nation, at one instant over one view of the database; short-lived."""

    def __init__(self, connection: Connection, own: NationId, at: datetime) -> None:
        self._own = own
        self._at = at
        self.vetoes = Vetoes(connection)

    def decide(
        self,
        items: Sequence[Item],
        recipient: Recipient,
        purpose: str,
        action: int,
        withheld_refs: Iterable[int] = repeat(0),
    ) -> list[Released[Item] | Withheld]:
        """Decide about each item, in their order.

        `action`: what the recipient will do with it, a rank of IEP 2.0; `withheld_refs`: to how many objects each
        refers that the recipient may not know of.
        """
        named, own, holds = str(recipient), self._own, self.vetoes.holds
        requests = (
            Request(item, own, recipient, True, None, purpose, hidden, holds(item.id, named), action=action)
            for item, hidden in zip(items, withheld_refs, strict=False)
        )
        return decide_many(requests, self._at, NO_AGREEMENT)
