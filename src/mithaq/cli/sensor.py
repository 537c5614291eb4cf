"""`mithaq sensor`: what looks for something in this nation's networks, and what each was given."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import click

from mithaq.cli.files import read_input
from mithaq.cli.layout import Column, show_rows, word
from mithaq.cli.session import Session
from mithaq.nations.constituents.model import MAX_ACCOUNT_DAYS
from mithaq.node.founding import own_card
from mithaq.node.language import msgid
from mithaq.response.sensors.bundle import MANIFEST, MAX_BUNDLE_BYTES, opened, pem
from mithaq.response.sensors.model import Change, Sensor, SensorKind, Version

_DAYS = click.option(
    "--days",
    default=90,
    show_default=True,
    type=click.IntRange(1, MAX_ACCOUNT_DAYS),
    help="For how long its token is valid.",
)


def _prefixed(prefix: str) -> Callable[[Session, Any], str]:
    return lambda session, value: word(session, f"{prefix}-{value}")


_COLUMNS = {
    "name": Column(msgid("name")),
    "kind": Column(msgid("kind"), _prefixed("sensor")),
    "owner": Column(msgid("owner")),
    "state": Column(msgid("state"), _prefixed("sensor")),
    "version": Column(msgid("version")),
    "pulled_version": Column(msgid("fetched")),
    "pulled_at": Column(msgid("last fetched")),
}
_VERSIONS = {
    "version": Column(msgid("version")),
    "made_at": Column(msgid("made")),
    "values": Column(msgid("values")),
    "added": Column(msgid("added")),
    "changed": Column(msgid("changed")),
    "removed": Column(msgid("removed")),
    "state": Column(msgid("state"), _prefixed("version")),
}
_CHANGES = {
    "version": Column(msgid("version")),
    "what": Column(msgid("what"), _prefixed("change")),
    "value": Column(msgid("value")),
    "nation": Column(msgid("said by")),
    "why": Column(msgid("why"), _prefixed("why")),
    "object": Column(msgid("object")),
}


@click.group()
def sensor() -> None:
    """Name sensors, and see what each was given, what changed and why."""


@sensor.command()
@click.argument("name")
@click.option("--kind", type=click.Choice([each.value for each in SensorKind]), required=True, help="What reads it.")
@click.option("--for", "owner", metavar="CONSTITUENT", help="Whose it is.  [default: this CERT's own]")
@_DAYS
@click.pass_obj
def add(session: Session, name: str, kind: str, owner: str | None, days: int) -> None:
    """Name a sensor, and print the secret with which it fetches its bundle; it is shown this once."""
    sensors = session.node().sensors
    made, secret = sensors.add(name, SensorKind(kind), owner, timedelta(days=days), session.now(), by=session.actor)
    session.emit({**_row(made), "token": secret}, lambda: secret)


@sensor.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the sensors, with the newest version of each bundle and the one that was fetched."""
    rows = (_row(each) for each in session.node().sensors.all())
    show_rows(session, rows, _COLUMNS, empty=msgid("No sensor: nothing fetches what this node knows."))


@sensor.command()
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show the versions that are kept of the bundle of NAME."""
    _, versions = session.node().sensors.show(name)
    show_rows(session, map(_version, versions), _VERSIONS, empty=msgid("No version of its bundle was made yet."))


@sensor.command()
@click.argument("name")
@click.option("--version", "number", type=int, help="What this version changed.  [default: all that are kept]")
@click.pass_obj
def diff(session: Session, name: str, number: int | None) -> None:
    """Show what was added, changed and removed in the bundle of NAME, and why, the newest version first."""
    _, versions = session.node().sensors.show(name)
    rows = (row for each in versions if number in (None, each.number) for row in _changes(each))
    show_rows(session, rows, _CHANGES, empty=msgid("Nothing has changed in what is kept."))


@sensor.command()
@click.argument("name")
@_DAYS
@click.pass_obj
def token(session: Session, name: str, days: int) -> None:
    """Give NAME a new secret, and end the one before."""
    secret = session.node().sensors.renew(name, timedelta(days=days), session.now(), by=session.actor)
    session.emit({"name": name, "token": secret}, lambda: secret)


@sensor.command()
@click.argument("name")
@click.pass_obj
def revoke(session: Session, name: str) -> None:
    """Give NAME nothing any more; its name is not used again."""
    session.node().sensors.revoke(name, session.now(), by=session.actor)
    session.emit({"name": name, "state": "revoked"}, lambda: name)


@sensor.command()
@click.argument("file")
@click.pass_obj
def check(session: Session, file: str) -> None:
    """Check the bundle in FILE against both halves of this nation's key, and print its manifest."""
    files = opened(read_input(file, MAX_BUNDLE_BYTES), own_card(session.node().folder).verify_key)
    session.emit(json.loads(files[MANIFEST]))


@sensor.command()
@click.pass_obj
def key(session: Session) -> None:
    """Print the public key (Ed25519, PEM) with which sensors check their bundles."""
    text = pem(own_card(session.node().folder).verify_key)
    session.emit({"pem": text}, lambda: text.rstrip("\n"))


def _row(each: Sensor) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind.value,
        "owner": each.owner,
        "state": "revoked" if each.revoked_at else "in-use",
        "version": each.version or None,
        "pulled_version": each.pulled_version or None,
        "pulled_at": each.pulled_at,
    }


def _version(each: Version) -> dict[str, Any]:
    counted = {what: sum(change.what == what for change in each.changes) for what in ("added", "changed", "removed")}
    state = "erased" if each.erased else "kept"
    return {"version": each.number, "made_at": each.made_at, "values": each.values, **counted, "state": state}


def _changes(each: Version) -> Iterator[dict[str, Any]]:
    yield from (_change(each.number, change) for change in each.changes)


def _change(number: int, change: Change) -> dict[str, Any]:
    return {
        "version": number,
        "what": change.what,
        "value": f"{change.type}:{change.value}",
        "nation": change.nation or None,
        "agreement": change.agreement or None,
        "why": change.why,
        "object": change.object,
    }
