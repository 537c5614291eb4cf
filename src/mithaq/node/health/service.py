"""Examine a node: every check that can be made, even where an earlier one failed."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

from sqlalchemy import Connection

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.node.composition import Node, compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import own_card
from mithaq.node.health import (
    fetching,
    files,
    hitting,
    keys,
    lake,
    membership,
    obligations,
    place,
    records,
    running,
    sensing,
)
from mithaq.node.health.model import Finding, Level, of_error
from mithaq.node.language import msgid
from mithaq.node.settings import BadSettings, read_settings


def examine(folder: DataFolder, passphrase: bytes | None, at: datetime) -> list[Finding]:
    """Return what every check has found, the worst first."""
    return sorted(_findings(folder, passphrase, at), key=lambda finding: finding.level)


def _findings(folder: DataFolder, passphrase: bytes | None, at: datetime) -> Iterator[Finding]:
    try:
        settings = read_settings(folder.settings)
    except BadSettings as error:
        yield of_error(
            "settings", error, "mend mithaq.toml as docs/settings.md says, or name the right folder with --data"
        )
        return
    yield Finding(Level.FINE, Reason("settings", "the settings can be read"))
    yield from place.permissions(folder)
    usage = shutil.disk_usage(folder.root)
    yield from place.disk(usage.free, usage.total)
    yield from place.file_system(place.file_system_of(folder.root), settings)
    try:
        card = own_card(folder)
    except (Error, OSError, KeyError) as error:
        named = error if isinstance(error, Error) else Error("the card is missing")
        yield of_error("card", named, msgid("restore card.json from the backup"))
        return
    yield from place.own_card(card, at)
    yield from place.keys(folder, card, passphrase)
    processes = running.processes(folder, settings, card)
    is_running = any(finding.level is Level.FINE for finding in processes)
    yield from processes if is_running else [running.stands_still()]
    with closing(compose(folder.root)) as node:
        yield from _of_records(node, at, is_running=is_running)


def _of_records(node: Node, at: datetime, *, is_running: bool) -> Iterator[Finding]:
    looked = list(records.database(node))
    yield from looked
    if any(finding.level is Level.WRONG for finding in looked):
        return
    with node.db.read() as connection:
        yield from _of_keys(node, connection, at)
        yield from records.clock(connection, at)
        if is_running:
            yield from records.readers(node, connection, at)
        yield from records.partners(node, connection, at)
        yield from membership.logs(connection, at)
        yield from records.agreements(node.agreements.all(connection), at)
        yield from obligations.duties(node, connection, at)
        yield from fetching.sources(connection, at)
        yield from sensing.sensors(connection, at)
        yield from hitting.breakers(connection)
        yield from lake.segments(connection, at)
    yield from records.sources(node, at)
    yield from files.files(node)


def _of_keys(node: Node, connection: Connection, at: datetime) -> Iterator[Finding]:
    row, known = node.own_keys.row(connection), node.partners.all(connection)
    if row:
        newest = row[-1].statement
        yield from keys.roots(node.folder, newest)
        yield from keys.statement(newest, own_card(node.folder), at)
    yield from keys.partners(known, at)
    yield from keys.compromised(node, connection, known)
