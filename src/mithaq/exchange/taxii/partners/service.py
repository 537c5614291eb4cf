"""Give a nation's programs accounts, one agreement each, and let them in while that agreement holds."""

from datetime import datetime, timedelta
from typing import Final

from mithaq.exchange.context import Context
from mithaq.exchange.taxii.partners import store
from mithaq.exchange.taxii.partners.errors import NotServed
from mithaq.exchange.taxii.partners.judging import PartnerJudge
from mithaq.exchange.taxii.partners.model import PartnerAccount, PartnerShelf
from mithaq.exchange.taxii.service import CHANGED
from mithaq.kernel.database import Transaction
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.model import MAX_ACCOUNT_DAYS, QUIET, REFUSAL_PAUSE
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import raised
from mithaq.nations.people.model import Outcome
from mithaq.nations.people.rules import usable_name
from mithaq.nations.people.store import new_token

_STEP: Final = timedelta(minutes=1)


class PartnerAccounts:
    """Use cases about the accounts with which partners' programs read over TAXII."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._db = context.db

    def add(
        self, nation: NationId, agreement_id: str, name: str, lifetime: timedelta, at: datetime, *, by: str = "operator"
    ) -> tuple[PartnerShelf, PartnerAccount, str]:
        """Return a new account of a nation for one agreement, with its collection, and its secret, shown this once.

        Raises:
            UnknownPartner, UnknownAgreement: there is none of that name.
            NotServed: nothing may go to the nation under the agreement, or nothing over TAXII, or for so long.
            BadPerson: the name cannot be used.
        """
        if reason := usable_name(name):
            raise raised(NotServed, reason, name[:80])
        if not timedelta(0) < lifetime <= timedelta(days=MAX_ACCOUNT_DAYS):
            raise NotServed("an account is valid for 1 to %(limit)s days", limit=MAX_ACCOUNT_DAYS)
        with self._db.read() as connection:
            self._context.partners.get(connection, nation)
            titles = self._context.agreements.get(connection, agreement_id).document.title
            against = PartnerJudge(self._context, connection, at).against_all(nation, agreement_id)
        if against:
            raise raised(NotServed, against[0], nation)
        secret = new_token()
        with self._db.write(at) as tx:
            shelf = store.find_shelf(tx.connection, nation, agreement_id)
            if shelf is None:
                title = titles.get("en") or next(iter(titles.values()))
                shelf = store.add_shelf(tx, nation, agreement_id, title)
                detail = {"change": "allow", "nation": nation, "agreement": agreement_id}
                tx.append(CHANGED, subject=shelf.collection.id, lane=ACTUAL, actor=by, detail=detail)
            account = PartnerAccount(new_id("account"), shelf.id, name, by, at, at + lifetime)
            store.add_account(tx, account, secret)
            audit(tx, actor=by, action="partner.account", subject=account.id)
        return shelf, account, secret

    def revoke(self, account_id: str, at: datetime, *, by: str = "operator") -> None:
        """End an account.

        Raises:
            NotServed: there is no such account in use.
        """
        with self._db.write(at) as tx:
            if not store.end_account(tx, account_id):
                raise NotServed("no such account in use", subject=account_id[:80])
            audit(tx, actor=by, action="partner.account-ended", subject=account_id)

    def sign_in(self, secret: str, user: str | None, at: datetime) -> tuple[PartnerShelf, PartnerAccount] | None:
        """Return who comes with a secret, or None where nobody is let in; `user` as HTTP Basic named it: the nation.

        The agreement and the partner are looked at in this very request. An account that is over by them is ended.
        """
        with self._db.read() as connection:
            account = store.account_of(connection, secret)
            shelf = store.shelf(connection, account.shelf) if account else None
            if account is None or shelf is None:
                return None
            over = PartnerJudge(self._context, connection, at).ending(shelf.nation, shelf.agreement_id)
        code = _refusal(account, shelf, user, at) or (over[0].code if over else "")
        if code:
            if account.refused_at is None or at - account.refused_at >= REFUSAL_PAUSE:
                with self._db.write(at) as tx:
                    store.change_account(tx, account.id, refused_at=at)
                    if over:
                        store.end_account(tx, account.id, over)
                    _audit(tx, account, shelf, Outcome.REFUSED, code)
            return None
        if account.used_at is None or at - account.used_at >= _STEP:
            with self._db.write(at) as tx:
                store.change_account(tx, account.id, used_at=at)
                if account.used_at is None or at - account.used_at >= QUIET:
                    _audit(tx, account, shelf, Outcome.DONE)
        return shelf, account


def _refusal(account: PartnerAccount, shelf: PartnerShelf, user: str | None, at: datetime) -> str:
    if user is not None and user != shelf.nation:
        return "account-of-another"
    if account.revoked_at is not None:
        return "account-revoked"
    return "account-expired" if at >= account.expires_at else ""


def _audit(tx: Transaction, account: PartnerAccount, shelf: PartnerShelf, outcome: Outcome, reason: str = "") -> None:
    named = f"{shelf.nation} {shelf.agreement_id}"
    audit(tx, actor=account.id, action="partner.account-sign-in", subject=named, outcome=outcome, reason=reason)
