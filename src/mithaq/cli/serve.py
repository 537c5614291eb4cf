"""Found a node, and run it."""

import secrets
from pathlib import Path

import click

from mithaq.cli.files import unusable
from mithaq.cli.session import Session
from mithaq.node.data_folder import DataFolder
from mithaq.node.settings import Settings, read_settings


@click.command()
@click.option("--nation", required=True, help="Two capital letters (ISO 3166).")
@click.option("--name-en", required=True, help="The nation's name in English.")
@click.option("--name-ar", default="", help="… in Arabic.")
@click.option("--name-fr", default="", help="… in French.")
@click.option("--contact", required=True, help="Where the duty officer can be reached.")
@click.option("--port", default=8470, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--partner-address", default="", help="The address partners use, http(s)://host:port.")
@click.option("--database", default="", help="A PostgreSQL address; SQLite in the data folder by default.")
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path),
    help="Write a new random passphrase there (keep it apart from the data folder).",
)
@click.pass_obj
def init(
    session: Session,
    nation: str,
    name_en: str,
    name_ar: str,
    name_fr: str,
    contact: str,
    port: int,
    host: str,
    partner_address: str,
    database: str,
    new_passphrase_file: Path | None,
) -> None:
    """Found a node in a new data folder: settings, keys, card, empty database."""
    from mithaq.node.founding import found

    names = {language: name for language, name in (("en", name_en), ("ar", name_ar), ("fr", name_fr)) if name}
    settings = Settings(
        nation=nation,
        names=names,
        contact=contact,
        listen_host=host,
        listen_port=port,
        partner_address=partner_address,
        database=database,
    )
    passphrase = write_passphrase(new_passphrase_file) if new_passphrase_file else session.passphrase()
    card = found(DataFolder(session.data), settings, passphrase, session.now())
    session.emit(
        {"nation": nation, "fingerprint": card.fingerprint, "data": str(session.data)},
        lambda: session.words.gettext(
            "Founded the node of %(nation)s in %(data)s.\nFingerprint to read out to partners: %(digits)s",
            nation=nation,
            data=str(session.data),
            digits=card.fingerprint,
        ),
    )


def write_passphrase(path: Path) -> bytes:
    """Draw a passphrase, keep it in a file that only its owner may read, and return it.

    Raises:
        FileUnusable: there is such a file already, or it cannot be written.
    """
    passphrase = secrets.token_urlsafe(32).encode()
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(passphrase + b"\n")
    except OSError as error:
        raise unusable(str(path), error) from error
    return passphrase


@click.command()
@click.pass_obj
def serve(session: Session) -> None:
    """Run the node until Ctrl-C: web, worker, detector and signer, supervised."""
    from mithaq.cli.roles import preload, roles
    from mithaq.node.founding import database_url
    from mithaq.node.migrations import migrate
    from mithaq.node.supervisor import Supervisor, running_alone, setup_logging

    folder = DataFolder(session.data)
    settings = read_settings(folder.settings)
    folder.prepare()
    setup_logging(None)
    with running_alone(folder.run):
        migrate(database_url(folder, settings))
        preload()
        session.say("The node of %(nation)s answers at %(url)s", nation=settings.nation, url=settings.partner_url)
        Supervisor(roles(session.data, session.passphrase), folder.logs).run()
