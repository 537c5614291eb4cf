"""Read a plain list or a CSV over HTTP: what is new or says something else is stored, what has gone is taken back.

A list that is empty, or from which too much has gone at once, is taken for half a file: nothing is taken back for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from mithaq.exchange.recalling import take_back_given
from mithaq.exchange.sources import settings, store
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.errors import SourceShrunk, SourceUnreadable
from mithaq.exchange.sources.listed import Version, indicator, indicator_id, next_version
from mithaq.exchange.sources.model import SHRINKING, Source, Unfit
from mithaq.exchange.sources.taxii_server import demand_ok
from mithaq.exchange.sources.web import Asking
from mithaq.intelligence.imports.lists import mapping as columns
from mithaq.intelligence.imports.lists.entries import BadLine, Entry
from mithaq.intelligence.imports.lists.reading import read_list
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS, Door
from mithaq.kernel.database import Transaction

_DOOR: Final = Door("source-list", settings.LIST_BYTES, 64 * 1024, 2 * settings.MAX_LISTED)
_GONE_AT_ONCE: Final = 200


def mapping_of(source: Source) -> columns.Mapping:
    """Return how a source's list is read; a plain list where nothing is said."""
    given = source.options.get("mapping")
    return msgspec.convert(given, columns.Mapping) if given else columns.Mapping(origin=source.name)


class PlainList:
    """One run over a list."""

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
        self._mapping = mapping_of(source)
        self._at = at

    def batches(self) -> Iterator[Batch]:
        """Yield what is new, then what has gone, then the list's mark.

        Raises:
            SourceFailed, SourceRefused, SourceUnreachable, SourceUnreadable: what the server did instead.
            SourceShrunk: it is empty, or too much of it has gone; what is new in it was stored.
            BadList, BadMapping, TooMuch: it cannot be read to its end, and nothing is taken back.
        """
        answer = self._web.get(self._source.address, max_bytes=settings.LIST_BYTES, headers=self._condition())
        if answer.status == 304:
            return
        body = demand_ok(answer, self._at).body
        if body.lstrip()[:1] == b"<":
            raise SourceUnreadable("the answer is a page for people, not data")
        listed: set[str] = set()
        yield from self._new(body, listed)
        gone = sorted(self._versions.keys() - listed)
        self._demand_whole(len(gone), len(listed))
        for start in range(0, len(gone), _GONE_AT_ONCE):
            yield Batch(note=self._taking_back(gone[start : start + _GONE_AT_ONCE]))
        headers, again = answer.headers, self._at + timedelta(days=self._mapping.valid_days / 2)
        mark = {"etag": headers.get("etag", "")[:200], "modified": headers.get("last-modified", "")[:100]}
        yield Batch(cursor=mark | {"until": again.isoformat()}, note=self._over)

    def _condition(self) -> dict[str, str]:
        """Ask for a list only if it has changed; but whole once what it says has to be said anew."""
        until = self._cursor.get("until")
        if until is None or self._at >= datetime.fromisoformat(until):
            return {}
        if etag := self._cursor.get("etag"):
            return {"If-None-Match": etag}
        modified = self._cursor.get("modified")
        return {"If-Modified-Since": modified} if modified else {}

    def _new(self, body: bytes, listed: set[str]) -> Iterator[Batch]:
        """Yield the lines that say something new, a thousand at a time; note every value that is listed."""
        bodies: list[bytes] = []
        unfit: list[Unfit] = []
        made: dict[str, str] = {}
        for item in read_list(io.BytesIO(body), self._mapping, _DOOR):
            if isinstance(item, BadLine):
                unfit.append(Unfit(f"line {item.line}", b"", item.reason, "line"))
            elif (stix_id := indicator_id(self._source, item.observable)) not in listed:
                listed.add(stix_id)
                if len(listed) > settings.MAX_LISTED:
                    raise SourceUnreadable("it lists more than %(max)s values", max=settings.MAX_LISTED)
                version = self._version(stix_id, item)
                if version is not None:
                    bodies.append(indicator(stix_id, item, self._mapping, self._source, version))
                    made[stix_id] = str(version)
            if len(bodies) >= CHUNK_OBJECTS or len(unfit) >= CHUNK_OBJECTS:
                yield Batch(bodies, unfit, note=self._noting(made))
                bodies, unfit, made = [], [], {}
        if bodies or unfit:
            yield Batch(bodies, unfit, note=self._noting(made))

    def _version(self, stix_id: str, entry: Entry) -> Version | None:
        """Return what is to be stored of a line; None where it is held, or was over before it was read."""
        if entry.valid_until is not None and entry.valid_until <= self._at:
            return None
        kept = self._versions.get(stix_id)
        held = Version.read(kept) if kept else None
        return next_version(entry, self._mapping, self._source, held, self._at)

    def _demand_whole(self, gone: int, listed: int) -> None:
        held = len(self._versions)
        if not listed and held:
            raise SourceShrunk("it lists nothing any more; nothing is taken back")
        if gone * 100 > held * settings.MAX_VANISHED_PERCENT and SHRINKING not in self._source.flags:
            raise SourceShrunk(
                "%(gone)s of the %(held)s values it gave are not on it any more; nothing is taken back",
                gone=gone,
                held=held,
            )

    def _over(self, tx: Transaction) -> int:
        store.release_lines(tx, self._source.id, self._at)
        return 0

    def _noting(self, made: Mapping[str, str]) -> Callable[[Transaction], int]:
        def note(tx: Transaction) -> int:
            store.note_versions(tx, self._source.id, made)
            return 0

        return note

    def _taking_back(self, ids: list[str]) -> Callable[[Transaction], int]:
        def note(tx: Transaction) -> int:
            lane, giver = self._source.terms.lane, self._source.giver
            count = take_back_given(tx, self._holdings, ids, lane, giver, "not on the list any more")
            store.forget_versions(tx, self._source.id, ids)
            return count

        return note
