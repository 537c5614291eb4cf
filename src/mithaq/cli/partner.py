"""`mithaq card` and `mithaq partner`: who this nation is, and whom it trusts."""

from datetime import timedelta
from typing import Any

import click

from mithaq.cli.archive import export_archive, import_archive
from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import Column, cell, labelled, name_in, plain, printable, show_rows, word
from mithaq.cli.partner_taxii import accounts, revoke, token, withheld
from mithaq.cli.session import Session
from mithaq.exchange import ledger
from mithaq.exchange.ledger import Channel
from mithaq.kernel.ids import NationId
from mithaq.nations.model import Card, Partner, Standing
from mithaq.nations.rules import MAX_CARD_FILE_BYTES, read_card
from mithaq.node.composition import Node
from mithaq.node.founding import own_card
from mithaq.node.key_care import settle
from mithaq.node.language import msgid


def _lag(session: Session, value: timedelta) -> str:
    return session.words.seconds(value.total_seconds()) if value else "-"


_COLUMNS = {
    "nation": Column(msgid("nation")),
    "name": Column(msgid("name")),
    "standing": Column(msgid("standing"), word),
    "channel": Column(msgid("channel"), word),
    "lag": Column(msgid("lag"), _lag),
    "waiting": Column(msgid("waiting to be fetched")),
    "unreceipted": Column(msgid("receipts missing")),
}


@click.group()
def card() -> None:
    """Show this nation's card and fingerprint."""


@card.command("show")
@click.pass_obj
def show_card(session: Session) -> None:
    """Show this nation's card, and the fingerprint to read out to partners."""
    own = own_card(session.node().folder)
    session.emit(plain(_card_json(own)), lambda: _card_text(session, own))


@card.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.pass_obj
def export_card(session: Session, file: str) -> None:
    """Write this nation's signed card to FILE (`-`: standard output), to be handed to partners."""
    write_output(file, session.node().card_bytes())
    session.say(
        "This is the card of %(nation)s. Partners compare the fingerprint by voice before they trust it.",
        nation=session.node().nation,
    )


@card.command("renew")
@click.option("--anyway", is_flag=True, help="Also where nothing changed and its end is far.")
@click.pass_obj
def renew_own(session: Session, anyway: bool) -> None:
    """Sign this nation's card anew where its names, address or contact changed, or its end is near.

    The keys stay the same, and so does the fingerprint. Partners take the new card with: mithaq partner add.
    """
    node = session.node()
    renewed = settle(node, session.now(), anyway=anyway)
    own = own_card(node.folder)
    session.emit(plain(_card_json(own)) | {"renewed": renewed}, lambda: _card_text(session, own))
    if renewed:
        session.say("Send the new card to your partners: mithaq card export FILE")
    else:
        session.say("The card holds; nothing was changed.")


@card.command("fetch")
@click.argument("url")
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@click.pass_obj
def fetch_card(session: Session, url: str, file: str | None) -> None:
    """Fetch a nation's card from its node at URL and show it; keep it in FILE where one is named."""
    from mithaq.exchange.channel import client

    data = client.fetch_card(url)
    found = read_card(data, session.now())
    if file:
        write_output(file, data)
    session.emit(plain(_card_json(found)), lambda: _card_text(session, found))
    session.say("Nothing was added. To take this card: mithaq partner add %(source)s", source=file or url)


@click.group()
def partner() -> None:
    """Add partners, compare fingerprints, suspend."""


partner.add_command(export_archive)
partner.add_command(import_archive)
partner.add_command(token)
partner.add_command(accounts)
partner.add_command(revoke)
partner.add_command(withheld)


@partner.command()
@click.argument("source", metavar="FILE|URL")
@click.pass_obj
def add(session: Session, source: str) -> None:
    """Take a partner's card from FILE (`-`: standard input), or from its node at URL."""
    node = session.node()
    added = node.partners.add(_card_bytes(source), at=session.now(), actor=session.actor)
    value = plain(_card_json(added.card)) | {"standing": str(added.standing)}
    session.emit(value, lambda: _card_text(session, added.card))
    if added.standing is Standing.PENDING:
        session.say(
            "Nothing is exchanged with %(nation)s yet. Call its duty officer on a number you already know, let the "
            "fingerprint be read out to you, and type what you hear:\n"
            "  mithaq partner confirm %(nation)s --fingerprint “…”",
            nation=added.nation,
        )


@partner.command()
@click.argument("nation")
@click.option("--fingerprint", default=None, help="The forty digits as they were read out; asked for where absent.")
@click.pass_obj
def confirm(session: Session, nation: str, fingerprint: str | None) -> None:
    """Trust NATION after its fingerprint was compared by voice; also ends a suspension."""
    node = session.node()
    with node.db.read() as connection:
        node.partners.get(connection, NationId(nation))
    digits = fingerprint or click.prompt(session.words.gettext("Fingerprint as you hear it"), err=True)
    trusted = node.partners.confirm(NationId(nation), digits, at=session.now(), actor=session.actor)
    _emit_standing(session, trusted)


@partner.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the nations whose card is here, and how the exchange with each goes."""
    node = session.node()
    rows = [_row(session, each, channel) for each, channel in _with_channels(node)]
    show_rows(session, rows, _COLUMNS, empty=msgid("No partner yet. Take one's card with: mithaq partner add FILE|URL"))


@partner.command()
@click.argument("nation")
@click.pass_obj
def show(session: Session, nation: str) -> None:
    """Show one partner: its card, its standing, and both directions of the channel."""
    node = session.node()
    with node.db.read() as connection:
        found = node.partners.get(connection, NationId(nation))
        (channel,) = ledger.channels(connection, [found.nation])
    value = _card_json(found.card) | _row(session, found, channel) | _channel(session, channel)
    session.emit(plain(value), lambda: _partner_text(session, found, channel))


@partner.command()
@click.argument("nation")
@click.pass_obj
def suspend(session: Session, nation: str) -> None:
    """Stop every exchange with NATION at once."""
    suspended = session.node().partners.suspend(NationId(nation), at=session.now(), actor=session.actor)
    _emit_standing(session, suspended)
    session.say("To trust it again: mithaq partner confirm %(nation)s --fingerprint “…”", nation=nation)


@partner.command()
@click.argument("nation")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(session: Session, nation: str, yes: bool) -> None:
    """Forget NATION's card, for instance before a new key is compared."""
    node = session.node()
    with node.db.read() as connection:
        node.partners.get(connection, NationId(nation))
    question = session.words.gettext(
        "Forget the card of %(nation)s? Its signatures no longer count here", nation=nation
    )
    if not yes:
        click.confirm(question, abort=True, err=True)
    node.partners.remove(NationId(nation), at=session.now(), actor=session.actor)
    session.emit({"nation": nation, "removed": True}, lambda: session.words.gettext("Forgotten."))


def _card_bytes(source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        from mithaq.exchange.channel import client

        return client.fetch_card(source)
    return read_input(source, MAX_CARD_FILE_BYTES)


def _with_channels(node: Node) -> list[tuple[Partner, Channel]]:
    with node.db.read() as connection:
        partners = node.partners.all(connection)
        channels = ledger.channels(connection, [each.nation for each in partners])
    return list(zip(partners, channels, strict=True))


def _emit_standing(session: Session, found: Partner) -> None:
    value = {"nation": found.nation, "standing": str(found.standing)}
    session.emit(value, lambda: f"{found.nation}: {word(session, str(found.standing))}")


def _card_json(found: Card) -> dict[str, Any]:
    return {
        "nation": found.nation,
        "names": found.names,
        "fingerprint": found.fingerprint,
        "addresses": list(found.addresses),
        "contact": found.contact,
        "issued": found.issued_at,
        "expires": found.expires_at,
    }


def _card_lines(session: Session, found: Card) -> list[tuple[str, str]]:
    words = session.words.gettext
    return [
        (words("nation"), f"{found.nation} ({name_in(session, found.names)})"),
        (words("fingerprint"), found.fingerprint),
        (words("addresses"), ", ".join(found.addresses)),
        (words("contact"), printable(found.contact)),
        (words("issued"), cell(session, found.issued_at)),
        (words("expires"), cell(session, found.expires_at)),
    ]


def _card_text(session: Session, found: Card) -> str:
    return labelled(_card_lines(session, found))


def _row(session: Session, found: Partner, channel: Channel) -> dict[str, Any]:
    at = session.now()
    return {
        "nation": found.nation,
        "name": name_in(session, found.card.names),
        "standing": str(found.standing),
        "channel": str(channel.state(at)) if found.is_trusted else None,
        "lag": channel.lag(at),
        "waiting": channel.waiting,
        "unreceipted": channel.unreceipted,
    }


def _channel(session: Session, channel: Channel) -> dict[str, Any]:
    trouble = channel.trouble
    return {
        "sent": channel.sent_sequence,
        "received": channel.received_sequence,
        "fetched": channel.fetched_at,
        "asked": channel.asked_at,
        "trouble": session.words.reason(trouble) if trouble else None,
        "trouble_code": trouble.code if trouble else None,
        "trouble_since": channel.trouble_at if trouble else None,
        "unwitnessed": channel.unwitnessed_first.release_id if channel.unwitnessed_first else None,
        "unwitnessed_label": channel.unwitnessed_first.label if channel.unwitnessed_first else None,
        "unwitnessed_since": channel.unwitnessed_since,
    }


def _partner_text(session: Session, found: Partner, channel: Channel) -> str:
    words, at = session.words.gettext, session.now()
    trouble = session.words.reason(channel.trouble) if channel.trouble else ""
    first = channel.unwitnessed_first
    holding = (
        f"{printable(first.release_id)}, {first.label}, {cell(session, channel.unwitnessed_since)}" if first else ""
    )
    return labelled(
        [
            *_card_lines(session, found.card),
            (words("standing"), word(session, str(found.standing))),
            (words("channel"), word(session, str(channel.state(at)))),
            (words("trouble"), printable(trouble)),
            (words("releases sent"), str(channel.sent_sequence)),
            (words(msgid("waits for witnesses, and holds back what follows")), holding),
            (words("waiting to be fetched"), str(channel.waiting)),
            (words("receipts missing"), str(channel.unreceipted)),
            (words("it last asked"), cell(session, channel.asked_at)),
            (words("releases received"), str(channel.received_sequence)),
            (words("last fetched"), cell(session, channel.fetched_at)),
        ]
    )
