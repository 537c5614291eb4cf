"""`mithaq key`: root officials, the statements they sign, and what the node signs with; all of it by files."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import read_input, unusable, write_output
from mithaq.cli.layout import Column, cell, labelled, plain, printable, show_rows
from mithaq.cli.session import MAX_PASSPHRASE_BYTES, Session
from mithaq.exchange.impact import Touched, received_since, sent_since
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import read_envelope
from mithaq.nations.errors import UnknownPartner
from mithaq.nations.keys import root_file
from mithaq.nations.keys.errors import BadStatement
from mithaq.nations.keys.keyring import USES
from mithaq.nations.keys.model import Revocation, Root, Signed, Statement
from mithaq.nations.keys.rules import (
    hash_of,
    payload_of,
    read_root_public,
    read_statement,
    root_public,
    signers,
    unsigned,
)
from mithaq.nations.keys.settings import (
    MAX_ROOT_FILE_BYTES,
    MAX_STATEMENT_BYTES,
    STATEMENT_VALID_DAYS,
    STATUS_MAX_AGE_DAYS,
)
from mithaq.node.composition import Node
from mithaq.node.key_care import keyring_of
from mithaq.node.key_care import publish as let_node_follow
from mithaq.node.language import msgid

_FILE = click.Path(path_type=Path, dir_okay=False)
_ROOT_PASSPHRASE = click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MITHAQ_ROOT_PASSPHRASE_FILE",
    help="Where the passphrase of the root key is kept; asked for where absent.",
)
_HISTORY = {
    "version": Column(msgid("number")),
    "issued": Column(msgid("issued")),
    "expires": Column(msgid("expires")),
    "officials": Column(msgid("officials")),
    "threshold": Column(msgid("needed")),
    "signing_key": Column(msgid("signing key")),
    "revoked": Column(msgid("revoked")),
}
_TOUCHED = {
    "direction": Column(msgid("direction")),
    "nation": Column(msgid("nation")),
    "sequence": Column(msgid("number")),
    "at": Column(msgid("when")),
    "release": Column(msgid("release")),
    "objects": Column(msgid("objects")),
}


@click.group()
def key() -> None:
    """Root officials, key statements, rotation and revocation."""


@key.group()
def root() -> None:
    """Make an official's root key; no node is needed."""


@root.command()
@click.argument("file", type=_FILE)
@click.option("--name", required=True, help="The official's name, for people.")
@_ROOT_PASSPHRASE
@click.pass_obj
def new(session: Session, file: Path, name: str, root_passphrase_file: Path | None) -> None:
    """Draw a root key into FILE, under its own passphrase, and its public part into FILE.pub.

    Do this on a machine that is not connected. FILE stays with the official; only FILE.pub goes to the node's operator.
    """
    public = file.with_name(file.name + ".pub")
    for each in (file, public):
        if each.exists():
            raise unusable(str(each), FileExistsError())
    made = root_file.draw(name)
    root_file.write(file, made, _root_passphrase(session, root_passphrase_file))
    write_output(str(public), root_public(made.root))
    value = {"name": name, "key_id": made.root.key.key_id, "file": str(file), "public": str(public)}
    session.emit(value, lambda: f"{printable(name)}  {made.root.key.key_id[:16]}")
    session.say(
        "Keep %(file)s and its passphrase offline; hand over only %(public)s.", file=str(file), public=str(public)
    )


@key.group()
def statement() -> None:
    """Draft, sign and publish what the root officials say of this nation's keys."""


@statement.command("draft")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--root", "roots", multiple=True, help="A public root key (FILE.pub); all of them, where they change.")
@click.option("--threshold", type=click.IntRange(1, 20), help="How many officials must sign from then on.")
@click.option("--valid-days", type=click.IntRange(1, 400), default=STATEMENT_VALID_DAYS, show_default=True)
@click.pass_obj
def draft_(session: Session, file: str, roots: tuple[str, ...], threshold: int | None, valid_days: int) -> None:
    """Write the next statement to FILE, unsigned, to be carried to the officials.

    Keys that `mithaq key rotate` has prepared are in it.
    """
    node = session.node()
    keyring = keyring_of(node)
    made = node.own_keys.draft(
        keyring.prepared() or keyring.current(),
        at=session.now(),
        roots=[read_root_public(read_input(each, MAX_ROOT_FILE_BYTES)) for each in roots],
        threshold=threshold,
        valid_days=valid_days,
    )
    _hand_out(session, file, made)


@statement.command("show")
@click.argument("file")
@click.pass_obj
def show_file(session: Session, file: str) -> None:
    """Show what the statement in FILE says, and which of its roots have signed it; no node is needed."""
    data = read_input(file, MAX_STATEMENT_BYTES)
    _emit_statement(session, data)


@statement.command("sign")
@click.argument("file", type=_FILE)
@click.option("--root-key", "root_key", required=True, type=_FILE, help="The official's root key file.")
@_ROOT_PASSPHRASE
@click.pass_obj
def sign_(session: Session, file: Path, root_key: Path, root_passphrase_file: Path | None) -> None:
    """Add an official's signature to the statement in FILE; no node is needed.

    Look at it before: mithaq key statement show FILE
    """
    data = read_input(str(file), MAX_STATEMENT_BYTES)
    official = root_file.read(
        read_input(str(root_key), MAX_ROOT_FILE_BYTES), _root_passphrase(session, root_passphrase_file)
    )
    signed = root_file.sign(data, official)
    fresh = file.with_name(file.name + ".new")
    try:
        fresh.write_bytes(signed)
        fresh.replace(file)
    except OSError as error:
        raise unusable(str(file), error) from error
    _emit_statement(session, signed)


@statement.command("publish")
@click.argument("file")
@click.pass_obj
def publish_(session: Session, file: str) -> None:
    """Let this node follow the statement in FILE: its keys, its card, and through it all partners."""
    node = session.node()
    data = read_input(file, MAX_STATEMENT_BYTES)
    signed = let_node_follow(node, data, at=session.now(), actor=session.actor)
    _emit_statement(session, signed.envelope)
    session.say(
        "Partners that are connected learn it by themselves. For others: mithaq card export FILE, and theirs: "
        "mithaq partner add FILE"
    )


@statement.command("take")
@click.argument("file")
@click.pass_obj
def take(session: Session, file: str) -> None:
    """Take a partner's statement from FILE, for instance a revocation that came without its card."""
    node = session.node()
    data = read_input(file, MAX_STATEMENT_BYTES)
    nation = read_statement(read_envelope(data, subject="statement", max_bytes=MAX_STATEMENT_BYTES)).nation
    node.partners.take_statements(nation, [data], at=session.now(), actor=session.actor)
    _emit_statement(session, data)


@key.command()
@click.pass_obj
def show(session: Session) -> None:
    """Show this nation's newest statement and how long partners will rely on it."""
    node, at = session.node(), session.now()
    newest = _row(node, node.nation)[-1].statement
    left = STATUS_MAX_AGE_DAYS - (at - newest.issued_at).days
    sealing = node.keyring.sealing().made_at if node.keyring else None
    value = _statement_json(newest, newest.roots) | {"days_until_stale": left, "sealing_since": sealing}
    session.emit(plain(value), lambda: labelled(_lines(session, value)))


@key.command()
@click.argument("partner", required=False)
@click.pass_obj
def history(session: Session, partner: str | None) -> None:
    """List every statement of this nation, or of PARTNER, that is known here."""
    node = session.node()
    row = _row(node, NationId(partner) if partner else node.nation)
    show_rows(session, [_history_row(each) for each in row], _HISTORY, empty=msgid("There is no statement."))


@key.command()
@click.option("--use", "uses", multiple=True, type=click.Choice(USES), default=("signing",), show_default=True)
@click.pass_obj
def rotate(session: Session, uses: tuple[str, ...]) -> None:
    """Prepare new keys for the running node; it signs with them once the officials have said so."""
    online = keyring_of(session.node()).prepare(uses)
    value = {"uses": list(uses), "signing_key": online.verify_key.key_id}
    session.emit(value, lambda: f"{', '.join(uses)}  {online.verify_key.key_id[:16]}")
    session.say("Now: mithaq key statement draft FILE, let the officials sign it, then publish it.")


@key.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--compromised-at", required=True, help="Since when the key may be in other hands (RFC 3339).")
@click.option("--key", "key_id", help="An earlier signing key's whole id; the present one by default.")
@click.pass_obj
def revoke(session: Session, file: str, compromised_at: str, key_id: str | None) -> None:
    """Draft into FILE a statement that revokes a signing key, and list what the thief may have touched.

    All keys of the running node are drawn anew. Partners refuse the key as soon as they know the statement.
    """
    node, at = session.node(), session.now()
    since = _instant(compromised_at)
    keyring = keyring_of(node)
    revoked = key_id or keyring.current().verify_key.key_id
    online = keyring.prepare(USES) if revoked == keyring.current().verify_key.key_id else keyring.current()
    made = node.own_keys.draft(online, at=at, revoked=[Revocation(revoked, since)])
    write_output(file, unsigned(made))
    with node.db.read() as connection:
        touched = sent_since(connection, since)
    show_rows(session, map(_touched_row, touched), _TOUCHED, empty=msgid("Nothing was released since."))
    session.say(
        "Signed by %(count)s officials, it is published with: mithaq key statement publish FILE. Do it now.",
        count=made.threshold,
    )


@key.command()
@click.argument("partner")
@click.pass_obj
def impact(session: Session, partner: str) -> None:
    """List what came from PARTNER since a key of it was compromised, for people to look at."""
    node = session.node()
    with node.db.read() as connection:
        known = node.partners.get(connection, NationId(partner))
        dates = [each.compromised_at for each in node.partners.keys(connection, known.nation) if each.compromised_at]
        touched = received_since(connection, known.nation, min(dates)) if dates else []
    show_rows(session, map(_touched_row, touched), _TOUCHED, empty=msgid("Nothing came from it since a compromise."))


def _root_passphrase(session: Session, file: Path | None) -> bytes:
    if file is not None:
        return read_input(str(file), MAX_PASSPHRASE_BYTES).strip()
    answer: str = click.prompt(session.words.gettext("Passphrase of the root key"), hide_input=True, err=True)
    return answer.encode()


def _instant(text: str) -> datetime:
    try:
        return from_rfc3339(text)
    except ValueError as error:
        raise BadStatement("no such date: %(detail)s", detail=str(error)[:80]) from error


def _row(node: Node, nation: NationId) -> list[Signed]:
    with node.db.read() as connection:
        row = node.partners.statements(connection, nation)
    if not row:
        raise UnknownPartner("no card of this nation is known here", subject=nation)
    return row


def _hand_out(session: Session, file: str, made: Statement) -> None:
    data = unsigned(made)
    write_output(file, data)
    if file != "-":
        _emit_statement(session, data)
    session.say(
        "Each official: mithaq key statement sign FILE --root-key FILE. Then: mithaq key statement publish FILE"
    )


def _emit_statement(session: Session, data: bytes) -> None:
    envelope = read_envelope(data, subject="statement", max_bytes=MAX_STATEMENT_BYTES)
    made = read_statement(envelope)
    value = _statement_json(made, signers(envelope, made.roots))
    session.emit(plain(value), lambda: labelled(_lines(session, value)))


def _statement_json(made: Statement, signed_by: Sequence[Root]) -> dict[str, Any]:
    return {
        "nation": made.nation,
        "version": made.version,
        "hash": hash_of(payload_of(made)),
        "issued": made.issued_at,
        "expires": made.expires_at,
        "officials": [each.name for each in made.roots],
        "threshold": made.threshold,
        "signed_by": [each.name for each in signed_by],
        "signing_key": made.online.verify_key.key_id,
        "revoked": [each.key_id for each in made.revoked],
    }


def _lines(session: Session, value: dict[str, Any]) -> list[tuple[str, str]]:
    words = session.words.gettext
    labels = {
        "nation": words("nation"),
        "version": words("number"),
        "issued": words("issued"),
        "expires": words("expires"),
        "officials": words("officials"),
        "threshold": words("needed"),
        "signed_by": words("signed by"),
        "signing_key": words("signing key"),
        "revoked": words("revoked"),
        "hash": "SHA-256",
        "days_until_stale": words("days until partners find it stale"),
        "sealing_since": words("sealing key since"),
    }
    return [(label, cell(session, value[name])) for name, label in labels.items() if value.get(name) is not None]


def _history_row(each: Signed) -> dict[str, Any]:
    made = each.statement
    row = _statement_json(made, made.roots)
    return {name: row[name] for name in ("version", "issued", "expires", "officials", "threshold")} | {
        "signing_key": made.online.verify_key.key_id[:16],
        "revoked": [revoked.key_id[:16] for revoked in made.revoked],
    }


def _touched_row(each: Touched) -> dict[str, Any]:
    return {
        "direction": each.direction,
        "nation": each.nation,
        "sequence": each.sequence,
        "at": each.at,
        "release": each.release_id,
        "objects": list(each.objects),
    }
