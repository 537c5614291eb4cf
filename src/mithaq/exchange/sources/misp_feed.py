"""Read a MISP feed: its manifest, then each event file that is newer than what was read of it, oldest first.

An event is done when its objects, its file and its timestamp are saved, in one transaction; so a feed of any size goes
on event by event. The manifest's ETag is saved only when every event of it is done.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.exchange.event_versions import keep_event
from mithaq.exchange.sources import settings, store
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.errors import SourceFailed, SourceTooLarge, SourceUnreadable
from mithaq.exchange.sources.model import UNLISTED, Source, Unfit
from mithaq.exchange.sources.taxii_server import demand_ok
from mithaq.exchange.sources.web import Answer, Asking
from mithaq.intelligence.errors import MispFailed, TooMuch
from mithaq.intelligence.imports.misp import (
    MEDIA_TYPE,
    ConvertedEvent,
    convert,
    failure_of,
    foreign_event,
    terms_of_event,
)
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.model import NewEvent
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MISP_MAX_BYTES
from mithaq.intelligence.store import name_of_original
from mithaq.kernel.database import Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.standards import stix

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GROUP_EVENTS: Final = 50
_GROUP_BYTES: Final = 8 * settings.MIB
_MAX_LOST: Final = 20
_MISSING: Final = Reason("misp-event-missing", "the manifest names the event, and there is no file of it")
_OTHER: Final = Reason("misp-event-other", "the file holds another event than its name says")
_OTHER_DIGEST: Final = Reason("misp-event-changed", "the event's file is not the one whose digest the manifest gives")
_NO_JSON: Final = Reason("misp-event-broken", "the file is no JSON object, or half of one")
_MANIFEST: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Entry(msgspec.Struct):
    timestamp: int | str | float
    sha256: str | None = msgspec.field(default=None, name="integrity:sha256")


_ENTRY: Final = msgspec.json.Decoder(_Entry)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One event of a manifest: its uuid, its time (seconds since 1970), the digest of its file where one is given."""

    uuid: str
    timestamp: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class _Fetched:
    wanted: Wanted
    file: bytes


def read_manifest(body: bytes) -> tuple[list[Wanted], list[Unfit]]:
    """Return the events of a manifest, oldest first, and what of it names no event.

    Raises:
        SourceUnreadable: it is no manifest, or names more events than a feed may hold.
    """
    try:
        entries = _MANIFEST.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SourceUnreadable("its manifest is no JSON object", private=type(error).__name__) from error
    if len(entries) > settings.MAX_EVENTS:
        raise SourceUnreadable("its manifest names more than %(max)s events", max=settings.MAX_EVENTS)
    return read_entries((name, bytes(raw)) for name, raw in entries.items())


def read_entries(entries: Iterable[tuple[str, bytes]]) -> tuple[list[Wanted], list[Unfit]]:
    """Return what names an event and its time, oldest first, and what does not; an entry is a name and its JSON."""
    wanted: list[Wanted] = []
    unfit: list[Unfit] = []
    for name, raw in entries:
        entry = _entry(name, raw)
        if entry is None:
            reason = Reason("misp-manifest-entry", "an entry of the manifest names no event, or no time")
            unfit.append(Unfit(name[:80], b"", reason, "event"))
        else:
            wanted.append(entry)
    return sorted(wanted, key=lambda each: (each.timestamp, each.uuid)), unfit


def _entry(name: str, raw: bytes) -> Wanted | None:
    if not stix.is_uuid(name.lower()):
        return None
    try:
        entry = _ENTRY.decode(raw)
        at = int(entry.timestamp)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return None
    digest = (entry.sha256 or "").lower()
    return Wanted(name, at, digest if _SHA256.fullmatch(digest) else "") if 0 <= at < 2**53 else None


class Feed:
    """One run over a feed."""

    def __init__(
        self,
        web: Asking,
        source: Source,
        cursor: Mapping[str, Any],
        versions: Mapping[str, str],
        holdings: Holdings,
        at: datetime,
    ) -> None:
        self._web = web
        self._source = source
        self._cursor = cursor
        self._versions = versions
        self._holdings = holdings
        self._at = at
        self._folder = source.address.partition("?")[0].removesuffix("manifest.json").rstrip("/") + "/"
        self._lost = 0
        self._is_whole = True

    def events(self) -> Iterator[Batch]:
        """Yield each event that is newer than what was read of it, and at the end the manifest's mark.

        Raises:
            SourceFailed, SourceRefused, SourceUnreachable, SourceUnreadable: what the server did instead.
            Cut: the run is over before the manifest is.
        """
        answer = self._index()
        if answer.status == 304:
            return
        wanted, unfit = self._read(demand_ok(answer, self._at).body)
        if unfit:
            yield Batch(unfit=unfit)
        unlisted = len(self._versions.keys() - {each.uuid.lower() for each in wanted})
        changed = [each for each in wanted if each.timestamp > int(self._versions.get(each.uuid.lower(), "-1"))]
        del wanted
        for group in self._groups(changed):
            yield from self._converted(group)
        yield from self._beside()
        if self._is_whole:
            headers = answer.headers
            mark = {"etag": headers.get("etag", "")[:200], "modified": headers.get("last-modified", "")[:100]}
            yield Batch(cursor={**mark, UNLISTED: unlisted, **self._reached()})

    def _beside(self) -> Iterator[Batch]:
        """Yield what there is beside events."""
        return iter(())

    def _reached(self) -> Mapping[str, Any]:
        """Return how far that has been read."""
        return {}

    def _index(self) -> Answer:
        """Ask which events there are, if that has changed."""
        address = f"{self._folder}manifest.json"
        return self._web.get(address, max_bytes=settings.MANIFEST_BYTES, headers=self._condition())

    def _read(self, body: bytes) -> tuple[list[Wanted], list[Unfit]]:
        return read_manifest(body)

    def _event(self, wanted: Wanted) -> Answer:
        """Ask for one event's file."""
        return self._web.get(f"{self._folder}{wanted.uuid}.json", max_bytes=MISP_MAX_BYTES)

    def _condition(self) -> dict[str, str]:
        if etag := self._cursor.get("etag"):
            return {"If-None-Match": etag}
        modified = self._cursor.get("modified")
        return {"If-Modified-Since": modified} if modified else {}

    def _groups(self, changed: Sequence[Wanted]) -> Iterator[list[_Fetched] | list[Batch]]:
        """Fetch event files and gather them, for a converter that starts once for many."""
        group: list[_Fetched] = []
        size = 0
        for wanted in changed:
            try:
                found = self._fetch(wanted)
            except Error:
                if group:
                    yield group  # what was fetched before the server failed, or the run was over, is not lost
                raise
            if isinstance(found, Batch):
                yield [found]
                continue
            if group and size + len(found.file) > _GROUP_BYTES:
                yield group
                group, size = [], 0
            group.append(found)
            size += len(found.file)
            if len(group) >= _GROUP_EVENTS:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _fetch(self, wanted: Wanted) -> _Fetched | Batch:
        """Fetch one event's file; what cannot be had now is asked for again in the next run.

        Raises:
            SourceFailed: too many in a row cannot be had.
        """
        try:
            answer = demand_ok(self._event(wanted), self._at)
        except SourceTooLarge as error:
            return self._aside(wanted, b"", reason_of(error))
        except SourceFailed as error:
            self._lost += 1
            if error.status != 404 or self._lost > _MAX_LOST:
                raise
            return self._later(wanted, _MISSING)
        self._lost = 0
        if wanted.sha256 and hashlib.sha256(answer.body).hexdigest() != wanted.sha256:
            return self._later(wanted, _OTHER_DIGEST)
        if stix.nesting_exceeds(answer.body, stix.MAX_DEPTH):
            reason = Reason("too-deep", "nested deeper than %(max)s levels", {"max": stix.MAX_DEPTH})
            return self._aside(wanted, answer.body, reason)
        uuid = _uuid_in(answer.body)
        if uuid is None:
            return self._later(wanted, _NO_JSON, answer.body)
        return (
            _Fetched(wanted, answer.body) if uuid == wanted.uuid.lower() else self._aside(wanted, answer.body, _OTHER)
        )

    def _converted(self, group: list[_Fetched] | list[Batch]) -> Iterator[Batch]:
        """Convert a group at once; where that fails as a whole, each by itself, to find the one that fails."""
        events = [each for each in group if isinstance(each, _Fetched)]
        yield from (each for each in group if isinstance(each, Batch))
        if not events:
            return
        file = b"[" + b",".join(each.file for each in events) + b"]" if len(events) > 1 else events[0].file
        try:
            found = convert(file)
        except (MispFailed, TooMuch) as error:
            if len(events) > 1:
                for each in events:
                    yield from self._converted([each])
                return
            yield self._aside(events[0].wanted, events[0].file, reason_of(error))
            return
        by_uuid = {each.name.lower(): each for each in found}
        for each in events:
            yield self._batch(each, by_uuid.get(each.wanted.uuid.lower()))

    def _batch(self, fetched: _Fetched, event: ConvertedEvent | None) -> Batch:
        wanted, file = fetched.wanted, fetched.file
        if event is None:
            return self._aside(wanted, file, _OTHER)
        if event.failure:
            return self._aside(wanted, file, failure_of(event))
        terms = replace(terms_of_event(self._source.import_terms(), event), original=name_of_original(file))
        kept = foreign_event(event, 0, terms)
        return Batch(event.bodies, terms=terms, original=(MEDIA_TYPE, file), note=self._done(wanted, kept))

    def _aside(self, wanted: Wanted, file: bytes, reason: Reason) -> Batch:
        """Put an event aside for good: it is not fetched again until it changes."""
        versions = {wanted.uuid.lower(): str(wanted.timestamp)}

        def note(tx: Transaction) -> int:
            store.note_versions(tx, self._source.id, versions)
            return 0

        return Batch(unfit=[Unfit(wanted.uuid.lower(), file, reason, "event")], note=note)

    def _later(self, wanted: Wanted, reason: Reason, file: bytes = b"") -> Batch:
        """Put an event aside until the next run asks for it again."""
        self._is_whole = False
        return Batch(unfit=[Unfit(wanted.uuid.lower(), file, reason, "event")])

    def _done(self, wanted: Wanted, kept: NewEvent | None) -> Callable[[Transaction], int]:
        def note(tx: Transaction) -> int:
            withdrawn = 0
            if kept is not None:
                withdrawn = keep_event(tx, self._holdings, kept)
            store.note_versions(tx, self._source.id, {wanted.uuid.lower(): str(wanted.timestamp)})
            store.release_event(tx, self._source.id, wanted.uuid.lower())
            return withdrawn

        return note


class _Named(msgspec.Struct):
    uuid: str = ""


class _File(msgspec.Struct):
    event: _Named | None = msgspec.field(default=None, name="Event")
    uuid: str = ""


_FILE: Final = msgspec.json.Decoder(_File)


def _uuid_in(file: bytes) -> str | None:
    """Return the uuid of the event in a file, empty where it has none; None where it is no JSON, or half of it."""
    try:
        found = _FILE.decode(file.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.ValidationError:
        return ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return (found.event.uuid if found.event else found.uuid).lower()
