"""What can be done with partners."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations import store
from mithaq.nations.errors import BadCard, UnknownPartner
from mithaq.nations.model import Partner, Standing
from mithaq.nations.rules import check_fingerprint, check_successor, read_card


class Partners:
    """The nations this node knows, and whether it trusts them."""

    def __init__(self, db: Database, own: NationId) -> None:
        self._db = db
        self._own = own

    def all(self, connection: Connection) -> list[Partner]:
        """Return every partner by code."""
        return store.all_partners(connection)

    def get(self, connection: Connection, nation: NationId) -> Partner:
        """Return one partner.

        Raises:
            UnknownPartner: there is no card of that nation here.
        """
        partner = store.find(connection, nation)
        if partner is None:
            raise UnknownPartner("no card of this nation is known here", subject=nation)
        return partner

    def add(self, card_bytes: bytes, *, at: datetime, actor: str) -> Partner:
        """Take a partner's card: a first card waits for its fingerprint, a newer one keeps the standing.

        Raises:
            BadCard: the card is broken, expired, older than the known one, or this nation's own.
            KeyChanged: the signing key is another than the known one.
        """
        card = read_card(card_bytes, at)
        if card.nation == self._own:
            raise BadCard("this is this nation's own card", subject=card.nation)
        with self._db.write(at) as tx:
            known = store.find(tx.connection, card.nation)
            if known:
                check_successor(known.card, card)
            partner = replace(known, card=card) if known else Partner(card, Standing.PENDING, at)
            store.save(tx, partner, card_bytes, is_new=known is None)
            tx.append("nations.card", subject=card.nation, lane=ACTUAL, actor=actor)
        return partner

    def confirm(self, nation: NationId, digits: str, *, at: datetime, actor: str) -> Partner:
        """Trust a partner whose fingerprint was compared by voice.

        Raises:
            UnknownPartner: there is no card of that nation here.
            FingerprintDiffers: the digits are not those of the card.
        """
        with self._db.read() as connection:
            partner = self.get(connection, nation)
        check_fingerprint(partner.card, digits)
        return self._set(partner, Standing.TRUSTED, at, actor)

    def suspend(self, nation: NationId, *, at: datetime, actor: str) -> Partner:
        """Stop every exchange with a partner at once."""
        with self._db.read() as connection:
            partner = self.get(connection, nation)
        return self._set(partner, Standing.SUSPENDED, at, actor)

    def remove(self, nation: NationId, *, at: datetime, actor: str) -> None:
        """Forget a partner's card, for instance before a new key is compared."""
        with self._db.write(at) as tx:
            self.get(tx.connection, nation)
            store.remove(tx, nation)
            tx.append("nations.removed", subject=nation, lane=ACTUAL, actor=actor)

    def _set(self, partner: Partner, standing: Standing, at: datetime, actor: str) -> Partner:
        with self._db.write(at) as tx:
            store.set_standing(tx, partner.nation, standing)
            tx.append(
                "nations.standing", subject=partner.nation, lane=ACTUAL, actor=actor, detail={"standing": str(standing)}
            )
        return replace(partner, standing=standing)
