"""Read a TAXII 2.1 collection from where it was left: every page of it, in one run.

What is saved is always a place from which nothing is passed over. While pages follow on each other by `next`, the
filters of the first question stay with it; `safe` is where to ask from should the server have forgotten its `next`:
just before the newest date so far, for more objects may bear that very date. Only a page that says that there is no
more moves `added_after` to the newest date itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.envelope import (
    Envelope,
    date_of,
    date_text,
    dates_of,
    each_of,
    just_before,
    read_envelope,
    read_resource,
)
from mithaq.exchange.sources.errors import SourceBrokenOff, SourceCircles, SourceFailed, SourceTooLarge
from mithaq.exchange.sources.model import NEXT_ALONE, RESUME_BY_SERVER_DATE, Source
from mithaq.exchange.sources.taxii_server import Server
from mithaq.exchange.sources.web import Answer
from mithaq.standards.stix.bundle import likely_id

_MAX_ASKED_IDS: Final = 50
_FORGOTTEN: Final = frozenset({400, 404, 410, 422})
_TOO_MUCH: Final = frozenset({413, 414, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Place:
    """How far a collection has been read.

    `begun`: the date of the server's clock when the pages now being read began. `is_rising`: its dates have only grown
    since then.
    """

    objects: str = ""
    added_after: str = ""
    next: str = ""
    safe: str = ""
    newest: str = ""
    begun: str = ""
    limit: int = settings.PAGE_OBJECTS
    is_rising: bool = True

    @staticmethod
    def of(cursor: Mapping[str, Any], limit: int) -> Place:
        """Read a saved place; a page that had become smaller grows again."""
        kept = {key: cursor[key] for key in Place.__slots__ if key in cursor}
        place = Place(**kept)
        return replace(place, limit=min(limit, place.limit * 2) if "limit" in kept else limit)

    def as_json(self) -> dict[str, Any]:
        """Return what is saved."""
        return {key: getattr(self, key) for key in Place.__slots__}


class Reading:
    """One run over one collection."""

    def __init__(self, server: Server, source: Source, cursor: Mapping[str, Any]) -> None:
        self._server = server
        self._source = source
        size = source.options.get("page_size", settings.PAGE_OBJECTS)
        self._limit = size if isinstance(size, int) and size > 0 else settings.PAGE_OBJECTS
        self._place = Place.of(cursor, self._limit)
        self._before: frozenset[int] = frozenset()
        self._idle = 0
        self._seen_next: set[str] = set()

    def pages(self) -> Iterator[Batch]:
        """Yield every page with the place to be saved with it, until the server says that there is no more.

        Raises:
            SourceFailed, SourceRefused, SourceUnreachable, SourceUnreadable: what the server did instead.
            SourceCircles: it says that there is more and gives no way to it.
            Cut: the run is over before the collection is.
        """
        while True:
            answer = self._answer()
            page = read_envelope(answer.body)
            self._note(answer, page)
            is_over = not page.more
            self._place = self._over(page, answer) if is_over else self._onward(page, answer)
            yield Batch(page.bodies, page.unfit, self._place.as_json())
            if is_over:
                return

    def _answer(self) -> Answer:
        """Ask for a page: where it is too much for the server a smaller one, where it has forgotten `next` without."""
        if not self._place.objects:
            self._place = replace(self._place, objects=self._server.find(self._source))
        for tried in range(settings.TRIES):
            try:
                return self._server.page(self._place.objects, self._question())
            except (SourceTooLarge, SourceBrokenOff):
                if not self._can_shrink:
                    raise
                self._shrink()
            except SourceFailed as error:
                if self._place.next and error.status in _FORGOTTEN:
                    self._place = self._without_next()
                elif error.status in _FORGOTTEN and tried == 0:
                    self._place = replace(self._place, objects=self._server.find(self._source))
                elif error.status in _TOO_MUCH and error.retry_after_s is None and self._can_shrink:
                    self._shrink()
                else:
                    raise
        raise SourceCircles("its server fails however little is asked for")

    def _shrink(self) -> None:
        self._place = replace(self._place, limit=max(self._place.limit // 4, settings.FEWEST_PAGE_OBJECTS))

    @property
    def _can_shrink(self) -> bool:
        return self._place.limit > settings.FEWEST_PAGE_OBJECTS

    def _question(self) -> list[tuple[str, str]]:
        place = self._place
        asked = [("limit", str(place.limit))]
        if not (place.next and NEXT_ALONE in self._source.flags):
            asked += [("added_after", place.added_after)] if place.added_after else []
            types = self._source.options.get("types")
            asked += [("match[type]", ",".join(types))] if types else []
        return asked + ([("next", place.next)] if place.next else [])

    def _without_next(self) -> Place:
        place = self._place
        return replace(place, next="", safe="", added_after=place.safe or place.added_after)

    def _note(self, answer: Answer, page: Envelope) -> None:
        """Note the dates of a page, and whether it brought anything that the page before had not brought.

        Raises:
            SourceCircles: for too long none has.
        """
        place = self._place
        if not place.begun and not place.next:
            place = replace(place, begun=_server_date(answer))
        dates = dates_of(answer.headers)
        known = date_of(place.newest)
        if dates:
            earliest, latest = min(dates), max(dates)
            rising = place.is_rising and dates[0] <= dates[-1] and (known is None or known[0] <= earliest[0])
            newest = latest if known is None or latest[0] >= known[0] else known
            place = replace(place, newest=newest[1], is_rising=rising)
        self._place = place
        brought = frozenset(map(hash, page.bodies))
        self._idle = 0 if brought - self._before or page.unfit else self._idle + 1
        self._before = brought or self._before

    def _onward(self, page: Envelope, answer: Answer) -> Place:
        """Return where to ask next: by the server's own `next`, else from just before the newest date so far."""
        place, newest = self._place, date_of(self._place.newest)
        safe = just_before(newest[0]) if newest and place.is_rising else ""
        if page.next:
            if (page.next in self._seen_next and self._idle) or self._idle >= settings.MAX_IDLE_PAGES:
                raise SourceCircles("its server says that there is more and gives the same again")
            self._seen_next.add(page.next)
            return replace(place, next=page.next, safe=safe)
        if not dates_of(answer.headers):
            found = self._manifest_date(page)
            safe = just_before(found[0]) if found else ""
        if not safe or not place.is_rising:
            raise SourceCircles("its server says that there is more and gives no way to it")
        return self._stepped(replace(place, next="", safe=""), safe)

    def _stepped(self, place: Place, safe: str) -> Place:
        """Ask from a date on; where that brings nothing new, as many bear one date as a page holds: ask for more."""
        if self._idle == 0:
            return replace(place, added_after=safe)
        if place.limit >= settings.MOST_PAGE_OBJECTS or self._idle >= settings.MAX_IDLE_PAGES:
            raise SourceCircles("its server says that there is more and gives the same again")
        return replace(place, added_after=safe, limit=min(place.limit * 4, settings.MOST_PAGE_OBJECTS))

    def _over(self, page: Envelope, answer: Answer) -> Place:
        """Return where the next run begins: after the newest date; never from this machine's clock."""
        place = self._place
        after = place.newest
        if page.bodies and not dates_of(answer.headers):
            found = self._manifest_date(page)
            after = (found[1] if found else "") or after or self._undated()
        return Place(place.objects, added_after=after or place.safe or place.added_after, limit=self._place.limit)

    def _undated(self) -> str:
        """Return where to go on where a server gives no dates at all: where it was, so that everything comes again.

        A source may allow that the server's clock is believed instead: from when these pages began, and an hour before.
        """
        place = self._place
        if RESUME_BY_SERVER_DATE in self._source.flags and place.begun:
            begun = datetime.fromisoformat(place.begun)
            return date_text(begun - timedelta(seconds=settings.SERVER_DATE_OVERLAP_S))
        return place.added_after

    def _manifest_date(self, page: Envelope) -> tuple[datetime, str] | None:
        """Ask the manifest when the last objects of a page were added; None where it does not say."""
        ids = [found for found in map(likely_id, page.bodies[-_MAX_ASKED_IDS:]) if found]
        if not ids:
            return None
        address = self._place.objects.rstrip("/").removesuffix("/objects") + "/manifest/"
        asked = [("match[id]", ",".join(ids)), ("limit", str(len(ids)))]
        try:
            manifest = read_resource(self._server.page(address, asked).body)
        except SourceFailed:
            return None
        dates = [date_of(str(each.get("date_added", ""))) for each in each_of(manifest, "objects")]
        return max((each for each in dates if each is not None), default=None)


def _server_date(answer: Answer) -> str:
    """Return what the server's clock says (RFC 9110 §6.6.1), empty where it says nothing."""
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError):
        return ""
    return date_text(at.replace(tzinfo=UTC) if at.tzinfo is None else at)
