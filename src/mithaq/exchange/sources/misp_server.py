"""Pull from a partner's MISP as another MISP does: the small index, then each event that is newer than what was read.

Only published events are asked for. The rest is as with a feed: event by event, each a transaction with its bytes. Then
the sightings of the events whose index entry says that there are newer ones, oldest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.errors import SourceUnreadable
from mithaq.exchange.sources.misp_feed import Feed, Wanted, read_entries
from mithaq.exchange.sources.misp_sightings import NotGiven, Sighting
from mithaq.exchange.sources.model import Source, Unfit
from mithaq.exchange.sources.web import Answer, Asking
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MISP_MAX_BYTES
from mithaq.standards.stix import is_uuid

_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_QUESTION: Final = b'{"minimal":1,"published":1}'
_VIEW: Final = (
    "deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0"
    "/includeWarninglistHits:0/excludeLocalTags:1"
)
_INDEX: Final = msgspec.json.Decoder(list[dict[str, Any]])


def read_index(body: bytes) -> tuple[list[Wanted], list[Unfit], list[tuple[int, str]]]:
    """Return the events of a server's index, oldest first, and when which of them was sighted last.

    Raises:
        SourceUnreadable: it is no index, or names more events than a server may hold.
    """
    try:
        entries = _INDEX.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SourceUnreadable("its index of events is no JSON list", private=type(error).__name__) from error
    if len(entries) > settings.MAX_EVENTS:
        raise SourceUnreadable("its index names more than %(max)s events", max=settings.MAX_EVENTS)
    wanted, unfit = read_entries((str(each.get("uuid", "")), msgspec.json.encode(each)) for each in entries)
    stamped = ((str(each.get("sighting_timestamp") or ""), str(each.get("uuid", "")).lower()) for each in entries)
    sighted = [(int(stamp), uuid) for stamp, uuid in stamped if stamp.isdecimal() and len(stamp) < 12 and is_uuid(uuid)]
    return wanted, unfit, sorted(each for each in sighted if each[0])


class MispServer(Feed):
    """One run over a server."""

    def __init__(
        self,
        web: Asking,
        source: Source,
        cursor: Mapping[str, Any],
        versions: Mapping[str, str],
        holdings: Holdings,
        at: datetime,
    ) -> None:
        super().__init__(web, source, cursor, versions, holdings, at)
        self._sightings = Sighting(web, source, self._folder, holdings.db, at)
        self._sighted: list[tuple[int, str]] = []
        self._sighted_to = int(cursor.get("sighted", 0))

    def _index(self) -> Answer:
        headers = {**_JSON, **self._condition()}
        address = f"{self._folder}events/index"
        return self._web.get(address, max_bytes=settings.MANIFEST_BYTES, headers=headers, question=_QUESTION)

    def _read(self, body: bytes) -> tuple[list[Wanted], list[Unfit]]:
        wanted, unfit, self._sighted = read_index(body)
        return wanted, unfit

    def _beside(self) -> Iterator[Batch]:
        """Yield the sightings of events that were sighted since, and after each group how far that has come."""
        newer = [each for each in self._sighted if each[0] > self._sighted_to]
        for start in range(0, len(newer), settings.SIGHTING_EVENTS):
            group = newer[start : start + settings.SIGHTING_EVENTS]
            try:
                yield from self._sightings.of([uuid for _, uuid in group])
            except NotGiven as error:
                yield Batch(unfit=[Unfit("sightings", b"", error.reason, "event")])
                return
            # Of the last second there may be more to come; an event of that second is asked for once more.
            self._sighted_to = max(self._sighted_to, group[-1][0] - 1)
            yield Batch(cursor={**self._cursor, **self._reached()})

    def _reached(self) -> Mapping[str, Any]:
        return {"sighted": self._sighted_to}

    def _event(self, wanted: Wanted) -> Answer:
        address = f"{self._folder}events/view/{wanted.uuid}/{_VIEW}"
        return self._web.get(address, max_bytes=MISP_MAX_BYTES, headers=_JSON)
