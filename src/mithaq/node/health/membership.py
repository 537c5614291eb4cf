"""What comparing membership logs has found: contradictions, logs that do not hold, papers that stay away."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from mithaq.exchange.ledger.conflicts import conflicts
from mithaq.exchange.membership.model import Outcome
from mithaq.exchange.membership.outcome import outcomes
from mithaq.kernel.reason import Reason
from mithaq.node.health.model import Finding, Level
from mithaq.node.health.settings import LOG_BEHIND, LOG_UNREAD, LOG_WATCHED
from mithaq.node.language import msgid

Params = dict[str, str | int]


def logs(connection: Connection, at: datetime) -> Iterator[Finding]:
    """No party's log contradicts what is held here, and each could be read of late."""
    known = [each for each in outcomes(connection) if at - each.tried_at <= LOG_WATCHED]
    found = [finding for each in known for finding in _of_log(each, at)]
    graver = {each.origin for each in known if each.state in ("contradicts", "refused")}
    found += [_kept(each.nation, each.origin) for each in conflicts(connection) if each.origin not in graver]
    yield from found
    if known and not found:
        yield Finding(Level.FINE, Reason("membership", "the parties’ membership logs say the same"))


def _of_log(log: Outcome, at: datetime) -> Iterator[Finding]:
    params: Params = {"nation": log.nation, "agreement": log.agreement_id, "count": len(log.contradictions)}
    compare = msgid("call its duty officer; see: mithaq audit membership %(agreement)s")
    if log.refused:
        params |= {"seen": log.refused.seen, "shown": log.refused.shown}
        sentence = msgid(
            "the membership log of %(nation)s under %(agreement)s does not continue what was seen of it: "
            "size %(seen)s then, %(shown)s now"
        )
        yield Finding(Level.WRONG, Reason("membership", sentence, params, compare))
    elif log.contradictions:
        sentence = msgid(
            "the membership log of %(nation)s under %(agreement)s contradicts this nation’s; places: %(count)s"
        )
        yield Finding(Level.WRONG, Reason("membership", sentence, params, compare))
    elif log.differs_since and at - log.differs_since > LOG_BEHIND:
        params |= {"seconds": int((at - log.differs_since).total_seconds())}
        sentence = msgid(
            "the membership log of %(nation)s under %(agreement)s has said something else for %(seconds)s seconds"
        )
        yield Finding(Level.WARNING, Reason("membership", sentence, params, compare))
    since = log.read_at
    if log.trouble and (since is None or at - since > LOG_UNREAD):
        detail = params | {"detail": log.trouble.sentence()[:200]}
        sentence = msgid("the membership log of %(nation)s under %(agreement)s cannot be read: %(detail)s")
        remedy = msgid("see whether the address of %(nation)s can be reached; else call its duty officer")
        yield Finding(Level.WARNING, Reason("membership", sentence, detail, remedy))


def _kept(nation: str, origin: str) -> Finding:
    params: Params = {"nation": nation, "log": origin}
    sentence = msgid("a contradiction of the log %(log)s of %(nation)s is kept, with its proof")
    remedy = msgid("call its duty officer; see the page of the release log")
    return Finding(Level.WARNING, Reason("contradiction", sentence, params, remedy))
