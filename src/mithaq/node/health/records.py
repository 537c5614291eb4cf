"""What the database says: its revision, readers that lag, partners, agreements."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from mithaq.agreements.model import Agreement, State
from mithaq.detection.readers import News
from mithaq.detection.rulebook.missing_fields import MissingField
from mithaq.detection.yara.readers import News as FileNews
from mithaq.exchange import ledger
from mithaq.exchange.duties.readers import Bookkeeping
from mithaq.exchange.ledger import Channel, ChannelState
from mithaq.exchange.log.store import membership_logs
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.planning import Planning
from mithaq.exchange.taxii.partners.shelving import PartnerShelving
from mithaq.exchange.taxii.shelving import Shelving
from mithaq.kernel.database import DatabaseFailed, cursors, journal
from mithaq.kernel.journal import Reader
from mithaq.kernel.reason import Reason
from mithaq.nations.model import Partner, Standing
from mithaq.node.composition import Node
from mithaq.node.health.model import Finding, Level
from mithaq.node.health.settings import (
    AGREEMENT_WARNING,
    CARD_WARNING,
    CLOCK_BACK,
    PARTNER_WRONG,
    READER_WARNING,
    READER_WRONG,
    TROUBLE_WRONG,
)
from mithaq.node.language import msgid
from mithaq.node.migrations import known_revisions, newest_revision, revision_of
from mithaq.response.sensors.readers import reader as erasing
from mithaq.telemetry.service import Reading

Params = dict[str, str | int]
_FIELDS_NAMED = 8


def database(node: Node) -> Iterator[Finding]:
    """The database answers and is at the program's revision."""
    try:
        with node.db.read() as connection:
            present = revision_of(connection)
    except DatabaseFailed as error:
        detail = error.private[:200]
        remedy = msgid("start the database, or put its right address into mithaq.toml")
        yield Finding(
            Level.WRONG, Reason("database", "the database does not answer: %(detail)s", {"detail": detail}, remedy)
        )
        return
    params: Params = {"found": present or "-", "known": newest_revision()}
    if present == newest_revision():
        yield Finding(Level.FINE, Reason("database", "the database answers and is at revision %(found)s", params))
    elif present is None or present in known_revisions():
        remedy = msgid("run: mithaq serve brings it up to date")
        sentence = msgid("the database is at revision %(found)s, the program at %(known)s")
        yield Finding(Level.WRONG, Reason("database", sentence, params, remedy))
    else:
        remedy = msgid("run the newer program, or restore a backup")
        sentence = msgid("a newer program has migrated the database to %(found)s; this one knows none after %(known)s")
        yield Finding(Level.WRONG, Reason("database", sentence, params, remedy))


def clock(connection: Connection, at: datetime) -> Iterator[Finding]:
    """The machine's clock does not stand before what was written already."""
    last: datetime | None = connection.scalar(select(journal.c.at).order_by(journal.c.seq.desc()).limit(1))
    if last is not None and last - at > CLOCK_BACK:
        params: Params = {"seconds": int((last - at).total_seconds())}
        sentence = msgid("this machine's clock stands %(seconds)s seconds before its newest journal entry")
        yield Finding(Level.WRONG, Reason("clock", sentence, params, "set the clock: timedatectl, chronyc tracking"))
    else:
        yield Finding(Level.FINE, Reason("clock", "this machine's clock goes on from the journal"))


def readers(node: Node, connection: Connection, at: datetime) -> Iterator[Finding]:
    """No reader leaves news lying that it should act on."""
    shelving = Shelving(node.db, node.nation, node.clock.now)
    abroad = PartnerShelving(node.channel, node.clock.now)
    followed = (
        Planning(node.channel).reader(),
        News().reader,
        FileNews().reader,
        Bookkeeping(node.channel).reader(),
        shelving.reader(),
    )
    for reader in (*followed, abroad.reader(), Membership(node.channel).reader, erasing()):
        count, since = _unread(connection, reader)
        waiting = at - since if since else timedelta()
        params: Params = {"reader": reader.name, "count": count, "seconds": int(waiting.total_seconds())}
        if waiting <= READER_WARNING:
            yield Finding(Level.FINE, Reason("reader", "the reader %(reader)s is up to date", params))
            continue
        level = Level.WRONG if waiting > READER_WRONG else Level.WARNING
        sentence = msgid("what the reader %(reader)s has not read yet: %(count)s, the oldest for %(seconds)s seconds")
        yield Finding(level, Reason("reader", sentence, params, "see whether its process runs, and its log"))


def _unread(connection: Connection, reader: Reader) -> tuple[int, datetime | None]:
    cursor = connection.scalar(select(cursors.c.seq).where(cursors.c.reader == reader.name)) or 0
    query = select(func.count(), func.min(journal.c.at)).where(
        journal.c.seq > cursor, journal.c.kind.in_(sorted(reader.kinds))
    )
    count, since = connection.execute(query).one()
    return count, since


def partners(node: Node, connection: Connection, at: datetime) -> Iterator[Finding]:
    """Every partner is compared, its card valid, its channel in step, its clock near."""
    known = node.partners.all(connection)
    channels = ledger.channels(connection, [partner.nation for partner in known])
    if not known:
        remedy = msgid("take a partner's card: mithaq partner add FILE|URL")
        yield Finding(Level.WARNING, Reason("partner", "this node knows no partner yet", {}, remedy))
    for partner, channel in zip(known, channels, strict=True):
        yield from _partner(partner, channel, at)
    yield from _contradicted(node, connection)


def _contradicted(node: Node, connection: Connection) -> Iterator[Finding]:
    """Say which partner has seen another membership log of this nation than the one that is here."""
    for row in membership_logs(connection):
        for nation, reason in node.channel.log.refusals(connection, row.log).items():
            params: Params = {"nation": nation, "log": row.origin, "detail": reason.sentence()[:200]}
            sentence = msgid("%(nation)s has seen another log %(log)s than the one here: %(detail)s")
            remedy = msgid("after the restore of a backup: mithaq audit begin-anew; else call its duty officer")
            yield Finding(Level.WRONG, Reason("witness", sentence, params, remedy))


def _partner(partner: Partner, channel: Channel, at: datetime) -> Iterator[Finding]:
    params: Params = {"nation": partner.nation}
    if partner.standing is Standing.PENDING:
        remedy = msgid("call its duty officer, then: mithaq partner confirm %(nation)s")
        sentence = msgid("the fingerprint of %(nation)s was not compared: nothing is exchanged with it")
        yield Finding(Level.WARNING, Reason("partner", sentence, params, remedy))
        return
    if partner.standing is Standing.SUSPENDED:
        remedy = msgid("to trust it again: mithaq partner confirm %(nation)s")
        yield Finding(Level.WARNING, Reason("partner", "%(nation)s is suspended", params, remedy))
        return
    yield from _partner_card(partner, at)
    yield _channel(channel, at, params)
    yield from _witness(channel, at, params)


def _partner_card(partner: Partner, at: datetime) -> Iterator[Finding]:
    left = partner.card.expires_at - at
    if left < CARD_WARNING:
        params: Params = {"nation": partner.nation, "days": max(0, left.days)}
        remedy = msgid("ask for its new card: mithaq partner add FILE|URL")
        level = Level.WARNING if left.total_seconds() > 0 else Level.WRONG
        yield Finding(level, Reason("partner-card", "the card of %(nation)s expires in %(days)s days", params, remedy))


def _channel(channel: Channel, at: datetime, params: Params) -> Finding:
    state = channel.state(at)
    lag = channel.lag(at)
    if channel.trouble is not None:
        return _trouble(channel.trouble, at - (channel.trouble_at or at), params)
    if state is ChannelState.NO_CONTACT:
        remedy = msgid("see whether its node runs and its address can be reached from here")
        return Finding(Level.WARNING, Reason("channel", "no contact with %(nation)s yet", params, remedy))
    if state is ChannelState.BEHIND:
        waits = params | {"seconds": int(lag.total_seconds())}
        level = Level.WRONG if lag > PARTNER_WRONG else Level.WARNING
        sentence = msgid("%(nation)s is behind: the oldest news has waited for %(seconds)s seconds")
        return Finding(level, Reason("channel", sentence, waits, "call its duty officer; nothing is lost meanwhile"))
    return Finding(Level.FINE, Reason("channel", "the exchange with %(nation)s is in step", params))


def _witness(channel: Channel, at: datetime, params: Params) -> Iterator[Finding]:
    """Say which partner does not witness this nation's log, what waits for that, and which proofs are overdue."""
    if channel.witness_trouble is not None:
        lasting = at - (channel.witness_trouble_at or at)
        detail = params | {"detail": channel.witness_trouble.sentence()[:200], "seconds": int(lasting.total_seconds())}
        sentence = msgid("%(nation)s has not witnessed this nation's log for %(seconds)s seconds: %(detail)s")
        remedy = msgid("see whether its address can be reached; what is TLP:AMBER or stricter may have to wait for it")
        yield Finding(Level.WARNING, Reason("witness", sentence, detail, remedy))
    since, first = channel.unwitnessed_since, channel.unwitnessed_first
    if since is not None and first is not None and at - since > ledger.BEHIND_AFTER:
        waits = params | {
            "release": first.release_id,
            "label": first.label,
            "seconds": int((at - since).total_seconds()),
            "count": channel.waiting,
        }
        sentence = msgid(
            "%(release)s (%(label)s) to %(nation)s has waited for witnesses for %(seconds)s seconds; "
            "held back behind it: %(count)s objects"
        )
        remedy = msgid("mend the witnesses; where lives are at stake: mithaq release emergency RELEASE --reason “…”")
        yield Finding(Level.WRONG, Reason("witness", sentence, waits, remedy))
    if channel.proofs_overdue_since is not None and at > channel.proofs_overdue_since:
        overdue = params | {"count": channel.proofs_owed}
        sentence = msgid("%(nation)s owes the proof of %(count)s releases beyond its time")
        remedy = msgid("ask its duty officer why its log does not show what it released")
        yield Finding(Level.WARNING, Reason("proofs", sentence, overdue, remedy))


def _trouble(trouble: Reason, lasting: timedelta, params: Params) -> Finding:
    """Say what stands in a channel's way; the partner's own refusal may tell of a clock."""
    told = trouble.sentence()
    if trouble.code == "clock-skew" or "clock-skew" in told:
        sentence = msgid("the clocks of this node and of %(nation)s are too far apart")
        remedy = msgid("compare both nodes' time sources: timedatectl, chronyc tracking")
        return Finding(Level.WRONG, Reason("clock-skew", sentence, params, remedy))
    detail = params | {"detail": told[:200], "seconds": int(lasting.total_seconds())}
    sentence = msgid("trouble with %(nation)s for %(seconds)s seconds: %(detail)s")
    remedy = msgid("see whether the address of %(nation)s can be reached; else call its duty officer")
    level = Level.WRONG if lasting > TROUBLE_WRONG else Level.WARNING
    return Finding(level, Reason("channel", sentence, detail, remedy))


def agreements(known: Iterable[Agreement], at: datetime) -> Iterator[Finding]:
    """No agreement in force is about to end unnoticed."""
    newest: dict[str, Agreement] = {}
    for agreement in known:
        if agreement.state(at) is State.IN_FORCE:
            newest.setdefault(agreement.document.id, agreement)
    for agreement in newest.values():
        left = agreement.not_after - at
        if left < AGREEMENT_WARNING:
            params: Params = {"agreement": agreement.document.id, "days": left.days}
            remedy = msgid("draft its next version: mithaq agreement draft --amends %(agreement)s")
            yield Finding(Level.WARNING, Reason("agreement", "%(agreement)s ends in %(days)s days", params, remedy))
    if not newest:
        remedy = msgid("see what is missing: mithaq agreement list")
        yield Finding(
            Level.WARNING, Reason("agreement", "no agreement is in force: nothing leaves this node", {}, remedy)
        )
    else:
        yield Finding(Level.FINE, Reason("agreement", "agreements in force: %(count)s", {"count": len(newest)}))


def sources(node: Node, at: datetime) -> Iterator[Finding]:
    """Every source of telemetry can be read and does as usual."""
    readings = node.telemetry.readings(at)
    with node.db.read() as connection:
        missing = node.detection.missing_fields(connection)
    for reading in readings:
        yield from _source_of_telemetry(reading)
        yield from _fields_for_rules(reading.status.source.name, missing.get(reading.status.source.name, ()))
    if not readings:
        remedy = msgid("add one: mithaq telemetry source add")
        yield Finding(Level.WARNING, Reason("telemetry", "no source of telemetry: nothing can be detected", {}, remedy))


def _fields_for_rules(source: str, missing: Sequence[MissingField]) -> Iterator[Finding]:
    if missing:
        named = ", ".join(f"{each.kind}: {each.field}" for each in missing[:_FIELDS_NAMED])
        params: Params = {"source": source, "count": len(missing), "fields": named[:300]}
        sentence = msgid("Sigma rules ask fields that %(source)s does not have: %(count)s (%(fields)s)")
        remedy = msgid("let its sensor log these fields, or see for which rules: mithaq telemetry status --json")
        yield Finding(Level.WARNING, Reason("telemetry-rules", sentence, params, remedy))


def _source_of_telemetry(reading: Reading) -> Iterator[Finding]:
    params: Params = {"source": reading.status.source.name}
    vitals = reading.vitals
    if reading.trouble:
        remedy = msgid("see whether the file is there and may be read: mithaq telemetry status")
        sentence = msgid("the source %(source)s cannot be read: %(detail)s")
        yield Finding(Level.WARNING, Reason("telemetry", sentence, params | {"detail": reading.trouble[:200]}, remedy))
    if vitals.is_silent:
        silent = params | {"minutes": int(vitals.silent_s or 0) // 60, "usual": int(vitals.usual_gap_s or 0) // 60}
        sentence = msgid(
            "nothing has come from %(source)s for %(minutes)s minutes; more than %(usual)s is not usual for it"
        )
        remedy = msgid("see whether its sensor runs and can reach this node")
        yield Finding(Level.WARNING, Reason("telemetry-silent", sentence, silent, remedy))
    if vitals.gone:
        named = ", ".join(f"{kind}: {field}" for kind, field in vitals.gone[:_FIELDS_NAMED])
        changed = params | {"count": len(vitals.gone), "fields": named[:300]}
        sentence = msgid("%(source)s has changed; fields that do not come any more: %(count)s (%(fields)s)")
        remedy = msgid("see what was changed at its sensor; rules that need these fields find nothing")
        yield Finding(Level.WARNING, Reason("telemetry-fields", sentence, changed, remedy))
