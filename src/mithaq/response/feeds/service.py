"""Work out what one program of a constituent fetches: the blocklist or the bundle of one collection."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.model import PREFIX, STIX_TYPE, Asked, Shelf
from mithaq.exchange.taxii.reading import Reading, Served
from mithaq.exchange.taxii.store import shelves_of
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.nations.constituents.model import Account
from mithaq.response.feeds.errors import UnknownFeed
from mithaq.response.feeds.model import BUNDLE, FORMS, KINDS, Feed, whole
from mithaq.response.feeds.settings import PAGE_OBJECTS
from mithaq.response.model import ListFormat
from mithaq.response.sensors.bundle import MEDIA_TYPE
from mithaq.response.sensors.service import Sensors
from mithaq.response.service import BLOCKING, Blocklists

_MAX_DIGITS: Final = 9
_TEXT: Final = "text/plain; charset=utf-8"
_SUFFIX: Final = {ListFormat.PLAIN: "txt", ListFormat.RPZ: "zone", ListFormat.SURICATA: "rules"}


class Feeds:
    """The feeds of constituents; each is judged whole at the instant it is fetched."""

    def __init__(
        self, db: Database, own: NationId, blocklists: Blocklists, sensors: Sensors, now: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._own = own
        self._blocklists = blocklists
        self._sensors = sensors
        self._now = now

    def fetch(self, account: Account, alias: str, form: str, kind: str) -> Feed:
        """Return one collection in one form; `kind` is a key of `KINDS` for a plain list, else empty.

        Raises:
            UnknownFeed: the collection is not there for this account, or there is no such form or kind.
        """
        shelf = self._shelf(account, alias)
        if form not in FORMS or (kind and (kind not in KINDS or form != ListFormat.PLAIN)):
            raise UnknownFeed("there is no such feed here")
        if form == BUNDLE:
            digest, until = self._inside(shelf)
            return Feed(STIX_TYPE, f"{alias}.json", self._bundle(shelf, digest, until), digest)
        list_format = ListFormat(form)
        content = self._list(shelf, list_format, kind, account.id)
        name = f"{alias}-{kind}" if kind else alias
        return whole(_TEXT, f"{name}.{_SUFFIX[list_format]}", content)

    def bundle(self, account: Account, sensor: str, version: str) -> Feed:
        """Return a sensor's bundle, the newest or (`version`, a number) one that is kept.

        Raises:
            UnknownSensor: the account is not this sensor's, or the version is not kept.
            BundleOutdated: the version holds something that may not be given any more.
        """
        if version and (not version.isdecimal() or len(version) > _MAX_DIGITS):
            raise UnknownFeed("there is no such feed here")
        made = self._sensors.fetch(account, sensor, int(version) if version else None, self._now())
        return whole(MEDIA_TYPE, f"{sensor}-{made.number}.tar.gz", made.archive)

    def _shelf(self, account: Account, alias: str) -> Shelf:
        with self._db.read() as connection:
            for shelf in shelves_of(connection, account.constituent, account.collection):
                if alias in (shelf.collection.alias, shelf.collection.id) and shelf.collection.can_read:
                    return shelf
        raise UnknownFeed("there is no such feed here")

    def _list(self, shelf: Shelf, list_format: ListFormat, kind: str, by: str) -> bytes:
        at = self._now()
        blocking = replace(shelf, collection=replace(shelf.collection, action=max(shelf.collection.action, BLOCKING)))
        served = (
            each
            for page in self._pages(blocking, frozenset({"indicator"}), at)
            for each in page
            if not each.released.value.originator.startswith(PREFIX)  # what it posted itself blocks nothing
        )
        whose = f"{shelf.recipient}/{shelf.collection.alias}" + (f"/{kind}" if kind else "")
        built = self._blocklists.of_served(whose, served, at)
        if kind:
            built = replace(built, entries=tuple(e for e in built.entries if e.observable.type in KINDS[kind]))
        return self._blocklists.publish(built, list_format, by, at)

    def _inside(self, shelf: Shelf) -> tuple[bytes, int]:
        """Return what stands for everything in a bundle, and the newest date in it.

        Each object by its date on the shelf: no other object has it, and one that comes back has a new one.
        """
        digest, newest = hashlib.sha256(shelf.key), 0
        for page in self._pages(shelf, frozenset(), None):
            for each in page:
                newest = each.added_us
                digest.update(newest.to_bytes(8))
        return digest.digest(), newest

    def _bundle(self, shelf: Shelf, digest: bytes, until: int) -> Iterator[bytes]:
        """Give a bundle piece by piece: each page is judged when it is written, each object as the bytes it came in.

        `until`: what has come since the digest was worked out is for the next bundle.
        """
        named = uuid.UUID(bytes=digest[:16], version=4)  # the same bundle has the same id
        yield b'{"type":"bundle","id":"bundle--%s","objects":[' % str(named).encode()
        is_first = True
        for page in self._pages(shelf, frozenset(), None):
            bodies = [each.body for each in page if each.added_us <= until]
            if bodies:
                yield (b"" if is_first else b",") + b",".join(bodies)
            is_first = False
            if len(bodies) < len(page):
                break
        yield b"]}\n"

    def _pages(self, shelf: Shelf, types: frozenset[str], at: datetime | None) -> Iterator[tuple[Served, ...]]:
        """Read a shelf from its oldest object on; without `at` each page is judged at its own instant."""
        asked = Asked(limit=PAGE_OBJECTS, types=types, spec_versions=frozenset({"2.1"}))
        while True:
            with self._db.read() as connection:
                judge = Judge(connection, self._own, at or self._now())
                page = Reading(connection, shelf, judge).page(asked)
            if page.served:
                yield page.served
                asked = replace(asked, after=page.served[-1].date_added)
            if not page.more:
                return
