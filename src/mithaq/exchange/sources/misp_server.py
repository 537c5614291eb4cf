"""Pull from a partner's MISP as another MISP does: the small index, then each event that is newer than what was read.

Only published events are asked for. The rest is as with a feed: event by event, each a transaction with its bytes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.errors import SourceUnreadable
from mithaq.exchange.sources.misp_feed import Feed, Wanted, read_entries
from mithaq.exchange.sources.model import Unfit
from mithaq.exchange.sources.web import Answer
from mithaq.intelligence.settings import MISP_MAX_BYTES

_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_QUESTION: Final = b'{"minimal":1,"published":1}'
_VIEW: Final = (
    "deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0"
    "/includeWarninglistHits:0/excludeLocalTags:1"
)
_INDEX: Final = msgspec.json.Decoder(list[dict[str, Any]])


def read_index(body: bytes) -> tuple[list[Wanted], list[Unfit]]:
    """Return the events of a server's index, oldest first.

    Raises:
        SourceUnreadable: it is no index, or names more events than a server may hold.
    """
    try:
        entries = _INDEX.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SourceUnreadable("its index of events is no JSON list", private=type(error).__name__) from error
    if len(entries) > settings.MAX_EVENTS:
        raise SourceUnreadable("its manifest names more than %(max)s events", max=settings.MAX_EVENTS)
    return read_entries((str(each.get("uuid", "")), msgspec.json.encode(each)) for each in entries)


class MispServer(Feed):
    """One run over a server."""

    def _index(self) -> Answer:
        headers = {**_JSON, **self._condition()}
        address = f"{self._folder}events/index"
        return self._web.get(address, max_bytes=settings.MANIFEST_BYTES, headers=headers, question=_QUESTION)

    def _read(self, body: bytes) -> tuple[list[Wanted], list[Unfit]]:
        return read_index(body)

    def _event(self, wanted: Wanted) -> Answer:
        address = f"{self._folder}events/view/{wanted.uuid}/{_VIEW}"
        return self._web.get(address, max_bytes=MISP_MAX_BYTES, headers=_JSON)
