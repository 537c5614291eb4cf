"""Tables of sensor content: sensors, the versions that are kept of their bundles, the numbers of their rules."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    select,
    update,
)

from mithaq.kernel.database import Timestamp, Transaction, metadata, upsert
from mithaq.kernel.lane import Lane
from mithaq.response.sensors.model import Archive, Change, Line, Sensor, SensorKind, Version
from mithaq.response.sensors.settings import KEPT_VERSIONS
from mithaq.response.sensors.sids import Numbered

sensors = Table(
    "sensors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text),
    Column("account", Text, nullable=False, unique=True),
    Column("lane", Text, nullable=False),
    Column("made_at", Timestamp, nullable=False),
    Column("revoked_at", Timestamp),
    Column("version", Integer, nullable=False),
    Column("pulled_at", Timestamp),
    Column("pulled_version", Integer, nullable=False),
)
versions = Table(
    "sensor_versions",
    metadata,
    Column("sensor", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("made_at", Timestamp, nullable=False),
    Column("digest", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("archive", LargeBinary, nullable=False),
    # JSON packed with zlib. When something in a version is erased, it goes from both, and the archive altogether.
    Column("lines", LargeBinary, nullable=False),
    Column("changes", LargeBinary, nullable=False),
    Column("erased", Boolean, nullable=False),
)
sids = Table(
    "sensor_sids",
    metadata,
    Column("sensor", Text, primary_key=True),
    Column("sid", BigInteger, primary_key=True, autoincrement=False),
    Column("object_id", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("match", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("rev", Integer, nullable=False),
)
_BY_NAME = select(sensors).where(sensors.c.name == bindparam("name"))
_VERSION = select(versions).where(versions.c.sensor == bindparam("sensor"), versions.c.number == bindparam("number"))
_DIGEST = _VERSION.with_only_columns(versions.c.digest)
_ARCHIVE = _VERSION.with_only_columns(versions.c.number, versions.c.archive, versions.c.erased)
_LATER = select(versions).where(versions.c.sensor == bindparam("sensor")).order_by(versions.c.number.desc())
_SIDS = select(sids).where(sids.c.sensor == bindparam("sensor"))
_lines = msgspec.json.Decoder(tuple[Line, ...])
_changes = msgspec.json.Decoder(tuple[Change, ...])


def add(tx: Transaction, sensor: Sensor) -> None:
    """Insert a sensor."""
    row = {
        "name": sensor.name,
        "kind": sensor.kind.value,
        "owner": sensor.owner,
        "account": sensor.account,
        "lane": str(sensor.lane),
        "made_at": sensor.made_at,
        "version": 0,
        "pulled_version": 0,
    }
    tx.execute(sensors.insert().values(row))


def find(connection: Connection, name: str) -> Sensor | None:
    """Return a sensor by its name."""
    row = connection.execute(_BY_NAME, {"name": name}).first()
    return _sensor(row) if row else None


def all_of(connection: Connection) -> list[Sensor]:
    """Return every sensor, by name."""
    return [_sensor(row) for row in connection.execute(select(sensors).order_by(sensors.c.name))]


def change(tx: Transaction, name: str, **fields: Any) -> None:
    """Write fields of a sensor."""
    tx.execute(update(sensors).where(sensors.c.name == name).values(**fields))


def version(connection: Connection, sensor: str, number: int) -> Version | None:
    """Return one kept version."""
    row = connection.execute(_VERSION, {"sensor": sensor, "number": number}).first()
    return _version(row) if row else None


def digest(connection: Connection, sensor: str, number: int) -> str | None:
    """Return the digest of one kept version's content."""
    return connection.scalar(_DIGEST, {"sensor": sensor, "number": number})


def archive(connection: Connection, sensor: str, number: int) -> Archive | None:
    """Return one kept version as it is handed out: what is in it is not read."""
    row = connection.execute(_ARCHIVE, {"sensor": sensor, "number": number}).first()
    return Archive(row.number, bytes(row.archive), bool(row.erased)) if row else None


def kept(connection: Connection, sensor: str) -> list[Version]:
    """Return the versions that are kept, newest first."""
    return [_version(row) for row in connection.execute(_LATER, {"sensor": sensor})]


def add_version(tx: Transaction, made: Version) -> None:
    """Insert the newest version of a sensor, and forget the oldest beyond what is kept."""
    row = {
        "sensor": made.sensor,
        "number": made.number,
        "made_at": made.made_at,
        "digest": made.digest,
        "count": made.values,
        "archive": made.archive,
        "lines": _packed(made.lines),
        "changes": _packed(made.changes),
        "erased": False,
    }
    tx.execute(versions.insert().values(row))
    old = (versions.c.sensor == made.sensor, versions.c.number <= made.number - KEPT_VERSIONS)
    tx.execute(versions.delete().where(*old))
    change(tx, made.sensor, version=made.number)


def forget(tx: Transaction, sensor: str) -> None:
    """Delete every version of a sensor, and the numbers of its rules."""
    tx.execute(versions.delete().where(versions.c.sensor == sensor))
    tx.execute(sids.delete().where(sids.c.sensor == sensor))


def erase(tx: Transaction, objects: Iterable[str]) -> int:
    """Delete what versions, and the numbers of rules, say of these objects; return how many versions had something.

    A version keeps that it was there, and loses its archive: what is signed cannot be changed.
    """
    gone = frozenset(objects)
    emptied = 0
    for row in tx.connection.execute(select(versions)).all():
        found = _version(row)
        named = {each.object for each in found.lines} | {each.object for each in found.changes}
        if gone.isdisjoint(named):
            continue
        where = (versions.c.sensor == found.sensor, versions.c.number == found.number)
        rest = {
            "lines": _packed([each for each in found.lines if each.object not in gone]),
            "changes": _packed([each for each in found.changes if each.object not in gone]),
        }
        tx.execute(update(versions).where(*where).values(archive=b"", digest="", erased=True, **rest))
        emptied += 1
    for object_id in sorted(gone):
        tx.execute(update(sids).where(sids.c.object_id == object_id).values(match="", text="", object_id=""))
    return emptied


def numbers(connection: Connection, sensor: str) -> list[Numbered]:
    """Return the numbers that were given to a sensor's rules."""
    return [
        Numbered(row.sid, row.object_id, row.slot, row.match, row.text, row.rev)
        for row in connection.execute(_SIDS, {"sensor": sensor})
    ]


def note_numbers(tx: Transaction, sensor: str, given: Sequence[Numbered]) -> None:
    """Write numbers that are new or changed."""
    rows = [
        {
            "sensor": sensor,
            "sid": each.sid,
            "object_id": each.object_id,
            "slot": each.slot,
            "match": each.match,
            "text": each.text,
            "rev": each.rev,
        }
        for each in given
    ]
    if rows:
        upsert(tx, sids, rows, keys=["sensor", "sid"], changed=["object_id", "slot", "match", "text", "rev"])


def _packed(values: Sequence[Line] | Sequence[Change]) -> bytes:
    return zlib.compress(msgspec.json.encode(values))


def _sensor(row: Any) -> Sensor:
    return Sensor(
        row.name,
        SensorKind(row.kind),
        row.owner,
        row.account,
        row.made_at,
        Lane(row.lane),
        row.revoked_at,
        row.version,
        row.pulled_at,
        row.pulled_version,
    )


def _version(row: Any) -> Version:
    return Version(
        row.sensor,
        row.number,
        row.made_at,
        row.digest,
        row.count,
        bytes(row.archive),
        _lines.decode(zlib.decompress(row.lines)),
        _changes.decode(zlib.decompress(row.changes)),
        bool(row.erased),
    )
