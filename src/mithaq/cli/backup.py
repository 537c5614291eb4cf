"""`mithaq backup` and `mithaq restore`."""

from pathlib import Path

import click

from mithaq.cli.files import FileUnusable, unusable
from mithaq.cli.layout import cell, labelled
from mithaq.cli.session import Session
from mithaq.kernel.clock import rfc3339

_PASSPHRASE = click.option(
    "--backup-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MITHAQ_BACKUP_PASSPHRASE_FILE",
    help="Where the passphrase of the backup is kept; asked for where absent.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_PASSPHRASE
@click.pass_obj
def backup(session: Session, file: Path, backup_passphrase_file: Path | None) -> None:
    """Write this node, running or not, into FILE, sealed with a passphrase of its own.

    Everything is in it: settings, card, the key file (still under its own passphrase), the database, the lake of
    telemetry and the lines that wait. Keep FILE and its passphrase apart from the node, and rehearse the way back:
    mithaq restore FILE --rehearse
    """
    from mithaq.node.backup.service import backup as write

    node = session.node()
    passphrase = _passphrase(session, backup_passphrase_file, is_new=True)
    manifest = write(node.folder, node.db, node.nation, file, passphrase, session.now())
    size = file.stat().st_size
    session.emit(
        {
            "file": str(file),
            "bytes": size,
            "files": len(manifest.members),
            "rows": sum(manifest.rows.values()),
            "journal": manifest.journal,
        },
        lambda: session.words.gettext(
            "%(file)s: %(size)s bytes, %(files)s files, %(rows)s rows, the journal up to %(journal)s.",
            file=str(file),
            size=size,
            files=len(manifest.members),
            rows=sum(manifest.rows.values()),
            journal=manifest.journal,
        ),
    )
    session.say("Rehearse it: mithaq restore %(file)s --rehearse", file=str(file))


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--data", "root", type=click.Path(path_type=Path, file_okay=False), help="The new data folder.")
@click.option("--database", default="", help="An empty PostgreSQL database to restore into; SQLite by default.")
@click.option("--rehearse", is_flag=True, help="Restore into a passing folder, look at everything, remove it.")
@_PASSPHRASE
@click.pass_obj
def restore(
    session: Session, file: Path, root: Path | None, database: str, rehearse: bool, backup_passphrase_file: Path | None
) -> None:
    """Found a node anew from the backup FILE, in a folder that does not exist yet.

    Stop the old node first: two nodes with one key would contradict each other before the partners.
    """
    if rehearse == (root is not None):
        raise click.UsageError(session.words.gettext("Name a new folder with --data, or rehearse with --rehearse."))
    passphrase = _passphrase(session, backup_passphrase_file, is_new=False)
    if root is None:
        _rehearse(session, file, passphrase)
        return
    from mithaq.node.backup.service import restore as read

    restored = read(file, root, passphrase, database=database)
    head = restored.head
    session.emit(
        {
            "data": str(root),
            "nation": head.nation,
            "made": rfc3339(head.made_at),
            "journal": restored.manifest.journal,
        },
        lambda: session.words.gettext(
            "The node of %(nation)s is in %(data)s, as it was on %(when)s.",
            nation=head.nation,
            data=str(root),
            when=session.words.moment(head.made_at),
        ),
    )
    session.say("Run it: mithaq --data %(data)s serve", data=str(root))


def _rehearse(session: Session, file: Path, passphrase: bytes) -> None:
    from mithaq.node.backup.rehearsal import examine
    from mithaq.node.backup.service import rehearsed

    with rehearsed(file, passphrase) as restored:
        report = examine(restored)
    words = session.words
    value = {
        "file": str(file),
        "nation": report.nation,
        "made": rfc3339(report.made_at),
        "rows": report.rows,
        "journal": report.journal,
        "events": report.events,
        "files": report.files,
    }
    lines = [
        (words.gettext("nation"), report.nation),
        (words.gettext("made"), cell(session, report.made_at)),
        (words.gettext("rows"), words.number(report.rows)),
        (words.gettext("journal up to"), words.number(report.journal)),
        (words.gettext("events in the lake"), words.number(report.events)),
        (words.gettext("files"), words.number(report.files)),
    ]
    session.emit(value, lambda: labelled(lines))
    session.say("This backup restores. Nothing of the rehearsal was kept.")


def _passphrase(session: Session, file: Path | None, *, is_new: bool) -> bytes:
    if file is not None:
        try:
            return file.read_bytes().strip()
        except OSError as error:
            raise unusable(str(file), error) from error
    answer: str = click.prompt(
        session.words.gettext("Passphrase of the backup"), hide_input=True, confirmation_prompt=is_new, err=True
    )
    if not answer:
        raise FileUnusable("the passphrase is empty")
    return answer.encode()
