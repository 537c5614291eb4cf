"""What can be done with partners."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations import store
from mithaq.nations.errors import BadCard, UnknownPartner
from mithaq.nations.keys import rules as keys_rules
from mithaq.nations.keys import store as keys_store
from mithaq.nations.keys.card_file import split_card_file
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.model import Accepted, KnownKey, Signed
from mithaq.nations.model import Card, Partner, Standing
from mithaq.nations.rules import MAX_CARD_FILE_BYTES, check_fingerprint, check_successor, keys_changed, read_card


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
        """Take a partner's card with the statements beside it: a first card waits for its fingerprint, a newer one
        keeps the standing.

        Raises:
            BadCard: the card is broken, expired, older than the known one, or this nation's own.
            BadStatement: the key statements beside it are not acceptable.
            KeyChanged: no statement of the known root officials authorises its keys.
        """
        alone, row = split_card_file(card_bytes, max_bytes=MAX_CARD_FILE_BYTES)
        card = read_card(alone, at)
        if card.nation == self._own:
            raise BadCard("this is this nation's own card", subject=card.nation)
        known_row = self._row(card.nation)
        with self._db.read() as connection:
            known = store.find(connection, card.nation)
        if known:
            check_successor(known.card, card)
        new = keys_rules.accept_row(row, known_row, card.nation, at)
        with self._db.write(at) as tx:
            known = store.find(tx.connection, card.nation)
            if known:
                check_successor(known.card, card)
            _keep_statements(tx, card.nation, known_row, new, actor)
            _check_authorised(tx.connection, card, at)
            partner = replace(known, card=card) if known else Partner(card, Standing.PENDING, at)
            store.save(tx, partner, alone, is_new=known is None)
            tx.append("nations.card", subject=card.nation, lane=ACTUAL, actor=actor)
            return self.get(tx.connection, card.nation)

    def take_statements(self, nation: NationId, row: Sequence[bytes], *, at: datetime, actor: str) -> Partner:
        """Take newer key statements of a known partner; they prove themselves, whoever brings them.

        Until a card with the newly authorised keys comes, nothing counts that the earlier ones sign.

        Raises:
            UnknownPartner: there is no card of that nation here.
            BadJson, BadSignature, BadStatement: nothing was changed.
        """
        known_row = self._row(nation)
        new = keys_rules.accept_row(row, known_row, nation, at)
        with self._db.write(at) as tx:
            self.get(tx.connection, nation)
            _keep_statements(tx, nation, known_row, new, actor)
            return self.get(tx.connection, nation)

    def statements(self, connection: Connection, nation: NationId, after: int = 0) -> list[Signed]:
        """Return the accepted key statements of this nation or a partner after a version, oldest first."""
        return keys_store.row_of(connection, nation, after)

    def statement_history(self, connection: Connection, nation: NationId) -> list[Accepted]:
        """Return the statements of this nation or a partner with their acceptance and signers, newest first."""
        return keys_store.history_of(connection, nation)

    def keys(self, connection: Connection, nation: NationId) -> list[KnownKey]:
        """Return every signing key that this nation or a partner ever authorised, with what became of it."""
        return keys_store.keys_of(connection, nation)

    def key_in_use_since(self, connection: Connection) -> datetime | None:
        """Return when this node was told to sign with its present key."""
        return keys_store.in_use_since(connection, self._own)

    def keys_by_id(self, connection: Connection, key_ids: Iterable[str]) -> list[KnownKey]:
        """Return the signing keys with these ids that any nation here ever authorised."""
        return keys_store.keys_by_id(connection, key_ids)

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
            keys_store.forget(tx, nation)
            tx.append("nations.removed", subject=nation, lane=ACTUAL, actor=actor)

    def _row(self, nation: NationId) -> list[Signed]:
        with self._db.read() as connection:
            return keys_store.row_of(connection, nation)

    def _set(self, partner: Partner, standing: Standing, at: datetime, actor: str) -> Partner:
        with self._db.write(at) as tx:
            store.set_standing(tx, partner.nation, standing)
            tx.append(
                "nations.standing", subject=partner.nation, lane=ACTUAL, actor=actor, detail={"standing": str(standing)}
            )
        return replace(partner, standing=standing)


def _keep_statements(
    tx: Transaction, nation: NationId, known: Sequence[Signed], new: Sequence[Signed], actor: str
) -> None:
    """Keep statements that were verified against a row, before the transaction, if that row is still the whole one."""
    newest = keys_store.newest(tx.connection, nation)
    if (newest.hash if newest else None) != (known[-1].hash if known else None):
        raise BadStatement("another statement was accepted at the same moment; try again", subject=nation)
    if new:
        keys_rules.check_current(new[-1].statement, tx.at)
        keys_store.append(tx, nation, new)
        detail = {"version": new[-1].statement.version, "revoked": len(new[-1].statement.revoked)}
        tx.append("nations.statement", subject=nation, lane=ACTUAL, actor=actor, detail=detail)


def _check_authorised(connection: Connection, card: Card, at: datetime) -> None:
    row = keys_store.row_of(connection, card.nation)
    if not row:
        raise BadCard("the card comes without its root officials' key statements", subject=card.nation)
    keys_rules.check_current(row[-1].statement, at)
    if not keys_rules.authorises(row[-1].statement, row[0].statement, card):
        raise keys_changed(card.nation)
