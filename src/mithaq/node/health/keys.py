"""How this nation's keys stand, and how its partners' do: statements that age, roots that lie beside the node."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mithaq.exchange.impact import received_since
from mithaq.kernel.reason import Reason
from mithaq.nations.keys.model import Statement
from mithaq.nations.keys.settings import STATEMENT_WARNING, STATUS_MAX_AGE_DAYS
from mithaq.nations.model import Card, Partner
from mithaq.node.composition import Node
from mithaq.node.data_folder import DataFolder
from mithaq.node.health.model import Finding, Level
from mithaq.node.language import msgid

_MAX_AGE = timedelta(days=STATUS_MAX_AGE_DAYS)
Params = dict[str, str | int]


def roots(folder: DataFolder, newest: Statement) -> Iterator[Finding]:
    """No root key lies beside the node, and no single person can speak for the nation."""
    if folder.first_root.exists():
        sentence = msgid("the root key lies in the data folder: who takes the node takes the nation's name")
        remedy = msgid("move %(path)s and its backup to a medium that is kept offline")
        yield Finding(Level.WARNING, Reason("root-key", sentence, {"path": str(folder.first_root)}, remedy))
    if newest.threshold < 2:
        sentence = msgid("one official alone speaks for the nation's keys; the loss of that key needs new voice calls")
        remedy = msgid("let several officials make keys: mithaq key root new; then draft with --root and --threshold 2")
        yield Finding(Level.WARNING, Reason("root-threshold", sentence, {}, remedy))
    else:
        params: Params = {"threshold": newest.threshold, "count": len(newest.roots)}
        sentence = msgid("%(threshold)s of %(count)s root officials speak for the nation's keys")
        yield Finding(Level.FINE, Reason("root-threshold", sentence, params))


def statement(newest: Statement, card: Card, at: datetime) -> Iterator[Finding]:
    """The officials have spoken recently, and the card shows what they said."""
    left = min(newest.issued_at + _MAX_AGE, newest.expires_at) - at
    params: Params = {"days": max(0, left.days), "max_age": STATUS_MAX_AGE_DAYS}
    remedy = msgid("run: mithaq key statement draft FILE, let the officials sign it, then publish it")
    if left <= timedelta():
        sentence = msgid("the key statement is older than %(max_age)s days: partners hold back TLP:AMBER and above")
        yield Finding(Level.WRONG, Reason("key-statement", sentence, params, remedy))
    elif left <= STATEMENT_WARNING:
        sentence = msgid("the key statement gets stale in %(days)s days")
        yield Finding(Level.WARNING, Reason("key-statement", sentence, params, remedy))
    else:
        sentence = msgid("partners rely on the key statement for %(days)s days more")
        yield Finding(Level.FINE, Reason("key-statement", sentence, params))
    if card.online_keys != newest.online or at >= card.seal_expires_at:
        sentence = msgid("the card does not show the keys of this week")
        yield Finding(Level.WRONG, Reason("card-keys", sentence, {}, "run: mithaq card renew"))


def partners(known: Iterable[Partner], at: datetime) -> Iterator[Finding]:
    """Every trusted partner's officials have spoken recently enough."""
    for partner in known:
        params: Params = {"nation": partner.nation, "max_age": STATUS_MAX_AGE_DAYS}
        remedy = msgid("ask for its new card: mithaq partner add FILE|URL")
        if not partner.is_trusted:
            continue
        if not partner.may_sign(at):
            sentence = msgid(
                "the officials of %(nation)s do not authorise the key on its card: nothing it signs counts"
            )
            yield Finding(Level.WRONG, Reason("partner-keys", sentence, params, remedy))
        elif partner.is_stale(at, _MAX_AGE):
            sentence = msgid("the officials of %(nation)s have not spoken for more than %(max_age)s days")
            yield Finding(Level.WARNING, Reason("partner-keys", sentence, params, remedy))


def compromised(node: Node, connection: Connection, known: Iterable[Partner]) -> Iterator[Finding]:
    """What came from a partner since a key of it was compromised is named until it was withdrawn by people."""
    for partner in known:
        dates = [each.compromised_at for each in node.partners.keys(connection, partner.nation) if each.compromised_at]
        count = len(received_since(connection, partner.nation, min(dates))) if dates else 0
        if count:
            params: Params = {"nation": partner.nation, "count": count}
            sentence = msgid("%(count)s releases of %(nation)s came after a key of it was compromised")
            remedy = msgid("look at them with its people: mithaq key impact %(nation)s")
            yield Finding(Level.WARNING, Reason("partner-compromise", sentence, params, remedy))
