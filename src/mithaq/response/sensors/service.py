"""The use cases of sensor content: name a sensor, make its bundle when its content has changed, hand it out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from mithaq.agreements.service import Agreements
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Signer
from mithaq.nations.constituents.errors import UnknownConstituent
from mithaq.nations.constituents.model import OWN, SENSOR_DOOR, Account
from mithaq.nations.constituents.rules import is_short_name
from mithaq.nations.constituents.service import Constituents
from mithaq.release.exposure import policy_of
from mithaq.release.model import Item
from mithaq.response.model import Blocklist
from mithaq.response.sensors import bundle, store
from mithaq.response.sensors.contents import Writer, files
from mithaq.response.sensors.errors import BadSensor, BundleOutdated, UnknownSensor
from mithaq.response.sensors.model import DETECTING, LOOKED_FOR, Archive, Line, Sensor, SensorKind, Version
from mithaq.response.sensors.rules import changes, lines_of, may_go_again
from mithaq.response.sensors.settings import PULL_NOTED_EVERY
from mithaq.response.sensors.sids import Numbered
from mithaq.response.service import BLOCKING, Blocklists

SENSOR_CHANGED = "response.sensor.changed"
SENSOR_VERSION = "response.sensor.version"
_ERASED = frozenset({"intelligence.erased"})
_TRIES = 3

Build = Callable[[Sensor], Blocklist]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sensor, and the journal's newest entry, before anything was judged for it."""

    sensor: Sensor
    seq: int


@dataclass(frozen=True, slots=True)
class _Draft:
    """The content of a sensor's bundle at an instant; `digest` is that of the files it makes."""

    sensor: Sensor
    built: Blocklist
    lines: tuple[Line, ...]
    digest: str


class Sensors:
    """The sensors that this node gives content to."""

    def __init__(
        self,
        db: Database,
        writer: Writer,
        blocklists: Blocklists,
        constituents: Constituents,
        agreements: Agreements,
        signer: Signer,
        names: Mapping[str, str],
    ) -> None:
        self._db = db
        self._writer = writer
        self._blocklists = blocklists
        self._constituents = constituents
        self._agreements = agreements
        self._signer = signer
        self._names = names
        self._written: dict[str, tuple[bytes, str]] = {}
        """Of each sensor, what was written out last: the digest of what it was made of, and of what came of it."""

    def add(
        self,
        name: str,
        kind: SensorKind,
        owner: str | None,
        lifetime: timedelta,
        at: datetime,
        *,
        by: str = "operator",
    ) -> tuple[Sensor, str]:
        """Name a sensor, a constituent's or (without `owner`) this CERT's own; return it and its secret, shown once.

        Raises:
            BadSensor: the name cannot be used, or was used.
            UnknownConstituent: there is no such constituent.
        """
        if not is_short_name(name):
            raise BadSensor(
                "an id has 3 to 63 small letters, digits and single hyphens, and begins with a letter",
                subject=name[:80],
            )
        with self._db.read() as connection:
            if store.find(connection, name):
                raise BadSensor("there is, or was, a sensor of this name", subject=name)
            if owner is not None:
                self._constituents.get(connection, owner)
        account, secret = self._account(name, owner, lifetime, at, by)
        made = Sensor(name, kind, owner, account.id, at)
        with self._db.write(at) as tx:
            store.add(tx, made)
            detail = {"event": "added", "kind": kind.value}
            tx.append(SENSOR_CHANGED, subject=name, lane=made.lane, actor=by, detail=detail)
        return made, secret

    def renew(self, name: str, lifetime: timedelta, at: datetime, *, by: str = "operator") -> str:
        """Give a sensor a new secret, and end the one before.

        Raises:
            UnknownSensor: there is none of this name, or it was revoked.
        """
        sensor = self._live(name)
        account, secret = self._account(name, sensor.owner, lifetime, at, by)
        with self._db.write(at) as tx:
            store.change(tx, name, account=account.id)
            tx.append(SENSOR_CHANGED, subject=name, lane=sensor.lane, actor=by, detail={"event": "renewed"})
        self._end(sensor.account, at, by)
        return secret

    def revoke(self, name: str, at: datetime, *, by: str = "operator") -> None:
        """Give a sensor nothing any more, and forget what it was given.

        Raises:
            UnknownSensor: there is none of this name, or it was revoked.
        """
        sensor = self._live(name)
        with self._db.write(at) as tx:
            store.change(tx, name, revoked_at=at)
            store.forget(tx, name)
            tx.append(SENSOR_CHANGED, subject=name, lane=sensor.lane, actor=by, detail={"event": "revoked"})
        self._end(sensor.account, at, by)

    def all(self) -> list[Sensor]:
        """Return every sensor, by name."""
        with self._db.read() as connection:
            return store.all_of(connection)

    def show(self, name: str) -> tuple[Sensor, list[Version]]:
        """Return a sensor and the versions that are kept of its bundle, newest first.

        Raises:
            UnknownSensor: there is none of this name.
        """
        with self._db.read() as connection:
            return self._get(connection, name), store.kept(connection, name)

    def refresh_all(self, at: datetime) -> int:
        """Make the bundle of every sensor whose content has changed; return how many.

        Cost: each owner's indicators are judged once for each use.
        """
        known: dict[tuple[str, SensorKind], Blocklist] = {}

        def build(sensor: Sensor) -> Blocklist:
            key = (str(sensor.recipient), sensor.kind)
            if key not in known:
                known[key] = self._build(sensor, at)
            return known[key]

        with self._db.read() as connection:
            seen = [_Seen(each, journal.last_seq(connection)) for each in store.all_of(connection)]
        return sum(self._refresh(each, at, build) for each in seen if each.sensor.revoked_at is None)

    def fetch(self, account: Account, name: str, number: int | None, at: datetime) -> Archive:
        """Return a sensor's bundle as it is judged at this instant, or an older version of which all may still go.

        Raises:
            UnknownSensor: the account is not this sensor's, or the version is not kept.
            BundleOutdated: the version holds something that may not be given any more.
        """
        with self._db.read() as connection:
            seq, sensor = journal.last_seq(connection), store.find(connection, name)
        if sensor is None or sensor.account != account.id or sensor.revoked_at is not None:
            raise UnknownSensor("there is no such feed here")
        self._refresh(_Seen(sensor, seq), at, lambda each: self._build(each, at))
        with self._db.read() as connection:
            sensor = self._get(connection, name)
            asked = store.archive(connection, name, sensor.version if number is None else number)
            if asked is None:
                raise UnknownSensor("this version is not kept")
            if asked.erased or not _may_go_again(connection, sensor, asked.number):
                raise BundleOutdated("this version holds what may not be given any more; take the newest")
        self._note_pull(sensor, asked.number, at)
        return asked

    def _account(self, name: str, owner: str | None, lifetime: timedelta, at: datetime, by: str) -> tuple[Account, str]:
        if owner is None and all(each.id != OWN for each in self._constituents.all()):
            self._constituents.add(OWN, self._names, [], str(self._writer.nation), at, by=by)
        return self._constituents.add_account(owner or OWN, name, lifetime, at, door=SENSOR_DOOR, by=by)

    def _end(self, account: str, at: datetime, by: str) -> None:
        try:
            self._constituents.revoke(account, at, by=by)
        except UnknownConstituent:
            return  # somebody has ended it before

    def _live(self, name: str) -> Sensor:
        with self._db.read() as connection:
            sensor = self._get(connection, name)
        if sensor.revoked_at is not None:
            raise UnknownSensor("this sensor was revoked", subject=name)
        return sensor

    def _get(self, connection: Connection, name: str) -> Sensor:
        found = store.find(connection, name)
        if found is None:
            raise UnknownSensor("no such sensor", subject=name[:80])
        return found

    def _build(self, sensor: Sensor, at: datetime) -> Blocklist:
        """Judge every indicator for a sensor's owner; a resolver blocks, every other kind only tells."""
        action = BLOCKING if sensor.kind is SensorKind.RESOLVER else DETECTING
        return self._blocklists.build(sensor.recipient, at, action=action, types=LOOKED_FOR[sensor.kind])

    def _refresh(self, seen: _Seen, at: datetime, build: Build) -> bool:
        """Make a sensor's next version if its content has changed; tell whether it had.

        Judging, writing and signing come before the transaction. Where another process was quicker, or something was
        erased meanwhile, what was judged is old, and all of it comes again.
        """
        name = seen.sensor.name
        for _ in range(_TRIES):
            draft = self._draft(seen.sensor, build)
            with self._db.read() as connection:
                if store.digest(connection, name, seen.sensor.version) == draft.digest:
                    return False
                newest = store.version(connection, name, seen.sensor.version)
                given = store.numbers(connection, name)
            made, numbers = self._made(draft, newest, given, at)
            with self._db.write(at) as tx:
                present = _Seen(self._get(tx.connection, name), journal.last_seq(tx.connection))
                if present.sensor.revoked_at is not None:
                    return False
                erased = journal.entries(tx.connection, seen.seq, limit=1, kinds=_ERASED)
                if present.sensor.version == seen.sensor.version and not erased:
                    store.add_version(tx, made)
                    store.note_numbers(tx, name, numbers)
                    tx.append(SENSOR_VERSION, subject=name, lane=ACTUAL, actor="node", detail=_counts(made))
                    return True
            seen, build = present, lambda each: self._build(each, at)
        return False

    def _draft(self, sensor: Sensor, build: Build) -> _Draft:
        built = build(sensor)
        with self._db.read() as connection:
            told = _Telling(connection, self._agreements, sensor, self._writer).told
            lines = lines_of(built.entries, sensor.kind, told)
        return _Draft(sensor, built, lines, self._digest(sensor, lines, built))

    def _digest(self, sensor: Sensor, lines: Sequence[Line], built: Blocklist) -> str:
        """Return the digest of what a bundle would hold, written out only where it was not for the same lines before.

        Beside the lines it follows from the never-block list, from the key that signs, and from the numbers of rules,
        which change with the version alone.
        """
        signed_by = self._signer.verify_key.key_id
        made_of = hashlib.sha256(msgspec.json.encode([signed_by, sensor.version, lines, list(map(repr, built.never))]))
        known, digest = self._written.get(sensor.name, (b"", ""))
        if known != made_of.digest():
            with self._db.read() as connection:
                given = store.numbers(connection, sensor.name)
            content, _ = files(self._writer, sensor.kind, lines, built, given, serial=0)
            digest = hashlib.sha256(signed_by.encode() + bundle.sums(content)).hexdigest()
            self._written[sensor.name] = (made_of.digest(), digest)
        return digest

    def _made(
        self, draft: _Draft, newest: Version | None, given: Sequence[Numbered], at: datetime
    ) -> tuple[Version, list[Numbered]]:
        """Return the next version, and the numbers of its rules that are new or changed."""
        sensor, number = draft.sensor, draft.sensor.version + 1
        changed = changes(newest.lines if newest else (), draft.lines, draft.built.refused, at)
        content, numbers = files(self._writer, sensor.kind, draft.lines, draft.built, given, serial=number)
        said: dict[str, Any] = {
            "nation": self._writer.nation,
            "sensor": sensor.name,
            "kind": sensor.kind.value,
            "lane": str(sensor.lane),
            "version": number,
            "previous": sensor.version or None,
            "made_at": rfc3339(at),
            "values": len(draft.lines),
            "changes": msgspec.to_builtins(changed),
        }
        archive = bundle.packed(bundle.with_manifest(content, said), self._signer, at)
        made = Version(sensor.name, number, at, draft.digest, len(draft.lines), archive, draft.lines, changed)
        known = set(given)
        return made, [each for each in numbers if each not in known]

    def _note_pull(self, sensor: Sensor, number: int, at: datetime) -> None:
        """Write down that a version was fetched; of an unchanged one, to a minute."""
        is_known = sensor.pulled_at is not None and at - sensor.pulled_at < PULL_NOTED_EVERY
        if not is_known or sensor.pulled_version != number:
            with self._db.write(at) as tx:
                store.change(tx, sensor.name, pulled_at=at, pulled_version=number)


def _may_go_again(connection: Connection, sensor: Sensor, number: int) -> bool:
    """Tell whether a sensor may still have all of a kept version: the newest was judged just now."""
    if number == sensor.version:
        return True
    asked, newest = (store.version(connection, sensor.name, each) for each in (number, sensor.version))
    return asked is not None and newest is not None and may_go_again(asked.lines, newest.lines)


class _Telling:
    """What a sensor's owner is told of who said something: this CERT all, a constituent what agreements let it know."""

    def __init__(self, connection: Connection, agreements: Agreements, sensor: Sensor, writer: Writer) -> None:
        self._connection = connection
        self._agreements = agreements
        self._is_own = sensor.owner is None
        self._own: NationId = writer.nation
        self._names: dict[str, bool] = {}

    def told(self, item: Item) -> tuple[str, str]:
        """Return nation and agreement, empty where the owner is not told them."""
        if not item.carried:
            return (self._own, "") if item.originator == self._own else ("", "")
        agreements = [terms.agreement.id for terms in item.carried]
        if self._is_own or all(map(self._may_name, agreements)):
            return item.originator, agreements[0]
        return "", ""

    def _may_name(self, agreement_id: str) -> bool:
        """Tell whether an agreement lets a source be named; one that is not known here does not."""
        if agreement_id not in self._names:
            found = self._agreements.find(self._connection, agreement_id)
            policy = policy_of(found.document.terms) if found else None
            self._names[agreement_id] = policy is not None and "source-identity" not in policy.operations
        return self._names[agreement_id]


def _counts(made: Version) -> dict[str, int]:
    counted = {what: sum(each.what == what for each in made.changes) for what in ("added", "changed", "removed")}
    return {"version": made.number, "values": made.values, **counted}
