"""`mithaq agreement official`, `sign-offline`: officials who sign with a key of their own, away from the node."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import click
import msgspec

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import AGREEMENT_TYPE, Official, Passkey
from mithaq.agreements.rules import read_document
from mithaq.agreements.signatures import Signatory, hybrid_key, signatories
from mithaq.cli.agreement.shown import digest_of, sentence_lines
from mithaq.cli.files import FileUnusable, read_input, write_output
from mithaq.cli.session import Session
from mithaq.kernel import canonical
from mithaq.kernel.signing import Envelope, SigningKey, read_envelope, sign_with
from mithaq.nations.keys import root_file
from mithaq.nations.keys.settings import MAX_ROOT_FILE_BYTES


@click.group()
def official() -> None:
    """Make the key of an official, or name an official's passkey."""


@official.command()
@click.argument("keyfile", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The official's name, as the agreement states it.")
@click.option("--office", required=True, help="The office, for instance Minister of Digital Affairs.")
@click.pass_obj
def new(session: Session, keyfile: Path, name: str, office: str) -> None:
    """Draw a key into KEYFILE under a passphrase of its own; print what an agreement names of it."""
    if keyfile.exists():
        raise FileUnusable("it is there already; nothing was overwritten", subject=str(keyfile))
    secret = session.passphrase_or_none()
    if secret is None:
        asked = session.words.gettext("Passphrase of the key file")
        secret = click.prompt(asked, hide_input=True, confirmation_prompt=True, err=True).encode()
    key = root_file.draw(name)
    root_file.write(keyfile, key, secret)
    _print(session, Official(id_of(name), name, office, hybrid_key(key.root.key)))
    session.say("The key stays in its file. Name the official in a draft: mithaq agreement draft --official FILE")


@official.command()
@click.argument("person")
@click.option("--name", required=True, help="The official's name, as the agreement states it.")
@click.option("--office", required=True, help="The office, for instance Minister of Digital Affairs.")
@click.option("--relying-party", default="localhost", show_default=True, help="The host name of this node's pages.")
@click.pass_obj
def passkey(session: Session, person: str, name: str, office: str, relying_party: str) -> None:
    """Print what an agreement names of the newest passkey of PERSON."""
    known = session.node().people.passkeys.of_person(person)
    if not known:
        raise BadAgreement("this person has no passkey here", subject=person)
    cose = base64.b64encode(known[-1].public_key).decode()
    _print(session, Official(id_of(name), name, office, Passkey(cose, relying_party)))


@click.command("sign-offline")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--key", "keyfile", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The key file.")
@click.option(
    "--out", default="-", type=click.Path(dir_okay=False, allow_dash=True), help="Where the signed copy goes."
)
@click.option("--yes", is_flag=True, help="Sign without being asked.")
@click.pass_obj
def sign_offline(session: Session, file: str, keyfile: Path, out: str, yes: bool) -> None:
    """Sign an exported agreement in FILE as an official; needs no node and no network."""
    envelope = read_envelope(read_input(file, canonical.MAX_SIGNED_BYTES), subject=file)
    if envelope.payload_type != AGREEMENT_TYPE:
        raise BadAgreement("this is no agreement", subject=file)
    document = read_document(envelope.payload)
    if not keyfile.exists():
        raise FileUnusable("there is no such file or folder", subject=str(keyfile))
    key = root_file.read(read_input(str(keyfile), MAX_ROOT_FILE_BYTES), session.passphrase()).signing
    signatory = _named(envelope, key)
    for line in sentence_lines(session, document):
        click.echo(line, err=True)
    session.say("SHA-256 of this text: %(hash)s", hash=digest_of(envelope.payload))
    name, office = signatory.official.name, signatory.official.office
    asked = session.words.gettext(
        "Sign this for %(nation)s as %(name)s (%(office)s)?", nation=signatory.nation, name=name, office=office
    )
    if not yes and not click.confirm(asked, err=True):
        raise click.Abort
    signed = envelope.joined(read_envelope(sign_with(key, AGREEMENT_TYPE, envelope.payload)))
    write_output(out, signed.encode())
    session.say("The node takes the signed copy with: mithaq agreement import FILE")


def id_of(name: str) -> str:
    """Return an id for a person's name: small Latin letters, digits and hyphens; never empty.

    >>> id_of("Amina Ould-Baba"), id_of("أمينة")
    ('amina-ould-baba', 'official-da806712')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64]
    return plain or f"official-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_official(data: bytes, subject: str) -> Official:
    """Read what `official new` printed.

    Raises:
        BadAgreement: it names no official.
    """
    value: Any = canonical.loads(data, max_bytes=canonical.MAX_SIGNED_BYTES, subject=subject)
    try:
        return msgspec.convert(value, Official)
    except msgspec.ValidationError as error:
        raise BadAgreement(
            "not in the agreement's vocabulary: %(detail)s", subject=subject, detail=str(error)[:200]
        ) from error


def _named(envelope: Envelope, key: SigningKey) -> Signatory:
    for each in signatories(read_document(envelope.payload)):
        if each.key_id == key.verify_key.key_id:
            return each
    raise BadAgreement("the agreement names no official with this key")


def _print(session: Session, named: Official) -> None:
    session.emit(msgspec.to_builtins(named))
