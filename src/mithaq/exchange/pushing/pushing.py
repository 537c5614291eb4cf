"""Push what is released to a constituent into its MISP, as another MISP would: events that are wanted, then sightings.

Every event is judged and built in the instant before it leaves, and the journal has its id before its bytes go. What
the server has already it does not want again, so a push that broke off goes on where it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import count as count_from
from typing import Any, Final

import msgspec

from mithaq.exchange.misp.errors import UnknownEvent
from mithaq.exchange.misp.model import Head, Reader
from mithaq.exchange.misp.serving import Serving, event_file
from mithaq.exchange.misp.sighting import Sightings
from mithaq.exchange.pushing import settings, store
from mithaq.exchange.pushing.errors import EventNotTaken, SightingsNotTaken, TargetGone, UnknownTarget
from mithaq.exchange.pushing.model import Last, Pushed, Sighted, Target, Went
from mithaq.exchange.sources.credentials import Vault
from mithaq.exchange.sources.errors import Cut, SourceRefused, SourceUnreachable, SourceUnreadable
from mithaq.exchange.sources.model import PRIVATE_NETWORK
from mithaq.exchange.sources.taxii_server import demand_ok
from mithaq.exchange.sources.web import Answer, Asking, Budget, Web
from mithaq.intelligence.imports.tally import reason_of
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.lane import ACTUAL

PUSHED = "exchange.misp.pushed"
"""What the journal says of each event before it leaves for a constituent's MISP."""

_JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_ENDS: Final = (Cut, SourceRefused, SourceUnreachable, TargetGone)
_WANTED: Final = msgspec.json.Decoder(list[str])
_log = logging.getLogger(__name__)


class Pushing:
    """Push to the targets of one node."""

    def __init__(
        self,
        db: Database,
        serving: Serving,
        sightings: Sightings,
        vault: Vault,
        clock: Clock,
        clock_s: Callable[[], float],
    ) -> None:
        self._db = db
        self._serving = serving
        self._sightings = sightings
        self._vault = vault
        self._clock = clock
        self._clock_s = clock_s

    def push(self, constituent: str, *, dry_run: bool = False, by: str) -> Pushed:
        """Push every event that is released to a constituent now and that its MISP wants; a dry run only asks.

        One event that is not taken does not end the rest.

        Raises:
            UnknownTarget: nothing is pushed to it.
            CredentialUnusable: its key cannot be opened.
        """
        with self._db.read() as connection:
            found = store.find(connection, constituent)
        if found is None:
            raise UnknownTarget("nothing is pushed to this constituent", subject=constituent[:80])
        target, sealed = found
        headers = self._vault.open(target.place, sealed).headers()
        budget = Budget(self._clock_s)
        private = PRIVATE_NETWORK in target.flags
        with Web(target.address, headers, budget, may_be_private=private) as web:
            run = _Run(target, web, self._db, self._serving, self._sightings, self._clock, by)
            done = run.run(dry_run=dry_run)
        if not dry_run:
            at = self._clock.now()
            with self._db.write(at) as tx:
                store.note_last(tx, target, Last.of(done, at))
        return done


class _Run:
    """One push to one target."""

    def __init__(
        self,
        target: Target,
        web: Asking,
        db: Database,
        serving: Serving,
        sightings: Sightings,
        clock: Clock,
        by: str,
    ) -> None:
        self._target = target
        self._reader = Reader(target.constituent)
        self._web = web
        self._db = db
        self._serving = serving
        self._sightings = sightings
        self._clock = clock
        self._by = by
        self._failed = 0
        self._dropped: set[str] = set()

    def run(self, *, dry_run: bool) -> Pushed:
        heads = self._serving.heads(self._reader, self._clock.now())
        released = {head.uuid for head in heads}
        events: list[Went] = []
        sighted = Sighted()
        try:
            for start in range(0, len(heads), settings.EVENTS_AT_ONCE):
                for head in self._wanted(heads[start : start + settings.EVENTS_AT_ONCE]):
                    events += [Went(head.uuid, "would")] if dry_run else self._tried(head)
            if not dry_run:
                missing = self._dropped | {each.uuid for each in events if each.outcome == "failed"}
                sighted = self._sight([head for head in heads if head.uuid not in missing])
            left = self._left(released - self._dropped, dry_run=dry_run)
        except Error as error:
            _log.warning("push to %s: %s (%s)", self._target.constituent, error, error.private)
            return Pushed(tuple(events), tuple(self._over(released - self._dropped)), sighted, reason_of(error))
        return Pushed(tuple(events), left, sighted)

    def _wanted(self, heads: Sequence[Head]) -> Iterator[Head]:
        """Ask which of these events the server has not, or not so new."""
        asked = [{"Event": {"uuid": head.uuid, "timestamp": str(head.timestamp)}} for head in heads]
        wanted = self._chosen(self._post("events/filterEventIdsForPush", msgspec.json.encode(asked)))
        return (head for head in heads if head.uuid.lower() in wanted)

    def _chosen(self, answer: Answer) -> set[str]:
        """Return the uuids that a server wants of those that it was asked about."""
        try:
            return {each.lower() for each in _WANTED.decode(demand_ok(answer, self._clock.now()).body)}
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise SourceUnreadable("it does not say what it wants", private=type(error).__name__) from error

    def _tried(self, head: Head) -> list[Went]:
        """Push one event; nothing where it is released no more.

        Raises:
            Error: the server is gone, or lets nobody in, or fails on one event after the other.
        """
        try:
            went = self._push(head.uuid)
        except _ENDS:
            raise
        except UnknownEvent:
            self._dropped.add(head.uuid)
            return []
        except Error as error:
            _log.warning("push of %s: %s (%s)", head.uuid, error, error.private)
            self._failed += 1
            if self._failed >= settings.MAX_FAILED_IN_A_ROW:
                raise
            return [Went(head.uuid, "failed", reason_of(error))]
        self._failed = 0
        return [went]

    def _push(self, uuid: str) -> Went:
        is_there = self._has(uuid)
        at = self._clock.now()
        stamped, event = self._serving.event(self._reader, uuid, at, "feed")
        body = event_file(event)
        with self._db.write(at) as tx:
            self._demand_target(tx)
            store.note(tx, self._target.constituent, uuid, stamped.timestamp)
            detail = {"to": self._target.constituent, "timestamp": stamped.timestamp}
            tx.append(PUSHED, subject=uuid, lane=ACTUAL, actor=self._by, detail=detail)
        add, edit = "events/add/metadata:1", f"events/edit/{uuid}/metadata:1"
        answer = self._post(edit if is_there else add, body)
        if not is_there and answer.status == 404 and "location" in answer.headers:
            answer = self._post(edit, body)  # it came there meanwhile by another way
        return self._read(uuid, answer)

    def _demand_target(self, tx: Transaction) -> None:
        """Let nothing leave for a target that was removed or replaced since the push began.

        Raises:
            TargetGone: it was.
        """
        found = store.find(tx.connection, self._target.constituent)
        if found is None or found[0].id != self._target.id:
            raise TargetGone("the target was removed or replaced while it was pushed to", subject=self._target.id)

    def _read(self, uuid: str, answer: Answer) -> Went:
        if answer.status == 403:
            if b"not newer" in answer.body.lower():
                return Went(uuid, "known")
            raise EventNotTaken("it does not take the event: status %(status)s", subject=uuid, status=answer.status)
        body = demand_ok(answer, self._clock.now()).body
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise SourceUnreadable("the answer is no JSON object", private=type(error).__name__) from error
        if not isinstance(found, dict) or "Event" not in found:
            raise EventNotTaken("it does not say that it took the event", subject=uuid)
        return Went(uuid, "taken")

    def _sight(self, heads: Sequence[Head]) -> Sighted:
        """Push the sightings that are released with these events and that the server has not.

        A server that takes none ends this part, and not the push: sightings may be closed to the key.
        """
        count = 0
        try:
            for uuid in self._serving.sighted(self._reader, heads, self._clock.now()):
                for page in self._sightings_of(uuid):
                    count += self._sight_event(uuid, page)
        except _ENDS:
            raise
        except Error as error:
            _log.warning("push of sightings to %s: %s (%s)", self._target.constituent, error, error.private)
            return Sighted(count, reason_of(error))
        return Sighted(count)

    def _sightings_of(self, uuid: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the sightings of an event, judged now, in pages."""
        for page in count_from(1):
            asked = {"uuid": uuid, "limit": settings.SIGHTINGS_AT_ONCE, "page": page}
            said = self._sightings.of(self._reader, asked, "event", self._clock.now())
            if said:
                yield [each["Sighting"] for each in said]
            if len(said) < settings.SIGHTINGS_AT_ONCE:
                return

    def _sight_event(self, uuid: str, said: Sequence[dict[str, Any]]) -> int:
        """Push those of an event's sightings that are wanted; return how many."""
        asked = [each["uuid"] for each in said]
        wanted = self._chosen(self._post_sightings(f"sightings/filterSightingUuidsForPush/{uuid}", asked))
        going = [each for each in said if each["uuid"] in wanted]
        if not going:
            return 0
        at = self._clock.now()
        with self._db.write(at) as tx:
            self._demand_target(tx)
            detail = {"to": self._target.constituent, "sightings": len(going)}
            tx.append(PUSHED, subject=uuid, lane=ACTUAL, actor=self._by, detail=detail)
        demand_ok(self._post_sightings(f"sightings/bulkSaveSightings/{uuid}", going), at)
        return len(going)

    def _post_sightings(self, place: str, value: Sequence[Any]) -> Answer:
        answer = self._post(place, msgspec.json.encode(value))
        if answer.status == 403:
            raise SightingsNotTaken("it takes no sightings from this key")
        return answer

    def _left(self, released: set[str], *, dry_run: bool) -> tuple[str, ...]:
        """Return the events that went, are released no more, and are still there; others are forgotten."""
        over = self._over(released)
        asked = {uuid: self._has(uuid) for uuid in over[: settings.MAX_LEFT]}
        gone = [uuid for uuid, is_there in asked.items() if not is_there]
        if gone and not dry_run:
            with self._db.write(self._clock.now()) as tx:
                store.forget(tx, self._target.constituent, gone)
        return tuple(uuid for uuid in over if uuid not in gone)

    def _over(self, released: set[str]) -> list[str]:
        with self._db.read() as connection:
            return [each for each in store.went(connection, self._target.constituent) if each not in released]

    def _has(self, uuid: str) -> bool:
        answer = self._web.get(
            f"{self._target.folder}events/view/{uuid}", max_bytes=settings.ANSWER_BYTES, headers=_JSON, head=True
        )
        return answer.status != 404 and demand_ok(answer, self._clock.now()).status == 200

    def _post(self, place: str, body: bytes) -> Answer:
        address = f"{self._target.folder}{place}"
        return self._web.get(address, max_bytes=settings.ANSWER_BYTES, headers=_JSON, question=body)
