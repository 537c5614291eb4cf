"""Deciding about a whole group of hits at once: one sighting with its count, one opinion, or nothing that leaves.

A decision covers what the person saw: the hits that were new up to the row shown. What comes later waits to be decided,
unless somebody has said for how long it is expected.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from mithaq.detection import store
from mithaq.detection.errors import HitDecided, UnknownGroup
from mithaq.detection.hits import groups
from mithaq.detection.hits.deciding import REOPENED, announce, own_opinion
from mithaq.detection.hits.feedback import opinion_of, sighting_of
from mithaq.detection.hits.groups import GroupCounts
from mithaq.detection.model import Dismissal, Expectation, Group, Hit, HitState, Span
from mithaq.detection.rules import check_days, check_reason
from mithaq.detection.store import Decision
from mithaq.intelligence.model import NewObject, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import EPOCH, Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane

_TICK: Final = timedelta(microseconds=1)
_MAX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One page of groups, the one with the newest match first; `next` continues it, None at the end."""

    groups: tuple[Group, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a decision about a group would cover: how much of it, up to and with its newest hit."""

    span: Span
    newest: Hit


@dataclass(frozen=True, slots=True)
class GroupStory:
    """A group with the object that matched, and what of it waits to be decided, if anything does."""

    group: Group
    seen: StoredObject | None
    waiting: Waiting | None


class Triage:
    """Groups of hits, and what people decide about each."""

    def __init__(self, db: Database, holdings: Holdings, nation: NationId) -> None:
        self._db = db
        self._holdings = holdings
        self._nation = nation

    def page(
        self,
        connection: Connection,
        lane: Lane = ACTUAL,
        *,
        state: HitState | None = None,
        level: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> GroupPage:
        """Return one page of a lane's groups; `after` is the page's `next` before.

        `level` leaves out rules of a lower level of Sigma's; what has none is never left out.
        """
        found = groups.list_groups(connection, lane, state=state, level=level, after=_place(after), limit=limit + 1)
        shown = tuple(found[:limit])
        return GroupPage(shown, _cursor(shown[-1]) if len(found) > limit else None)

    def counts(self, connection: Connection, lane: Lane = ACTUAL) -> GroupCounts:
        """Count a lane's groups and hits by what was decided about them."""
        return groups.count_groups(connection, lane)

    def newest_row(self, connection: Connection) -> int:
        """Return the row of the newest hit of all: a page shows what is there up to it."""
        return store.newest_row(connection)

    def story(self, connection: Connection, number: int, up_to: int | None = None) -> GroupStory:
        """Return a group with what a decision about it would cover, up to a hit's row.

        Raises:
            UnknownGroup: there is none of that number.
        """
        group = groups.get_group(connection, number)
        if group is None:
            raise UnknownGroup("there is no such group of hits", subject=str(number))
        rows = self._holdings.rows(connection, [group.object_row])
        new = store.undecided(connection, number, up_to)
        return GroupStory(group, rows[0] if rows else None, Waiting(*new) if new else None)

    def sighting(self, story: GroupStory, at: datetime) -> list[NewObject]:
        """Return what a confirmation would store, once for each release that it asks for; nothing is kept.

        Raises:
            HitDecided: nothing of the group waits, or the object that matched is gone.
        """
        waiting = _waiting(story)
        if story.seen is None:
            raise HitDecided("the object that matched is no longer held", subject=str(story.group.row))
        return sighting_of(waiting.newest, story.seen, self._nation, at, waiting.span)

    def opinion(self, connection: Connection, story: GroupStory, reason: str, at: datetime) -> list[NewObject]:
        """Return what a false positive would store: nothing for an own indicator, or one that is no longer held."""
        waiting = _waiting(story)
        if story.seen is None or waiting.newest.origin.is_own:
            return []
        renews = own_opinion(connection, self._holdings, waiting.newest)
        return opinion_of(waiting.newest, story.seen, self._nation, at, reason, renews)

    def confirm(self, number: int, by: str, at: datetime, up_to: int | None = None) -> str:
        """Confirm the new hits of a group: one sighting with their count goes back; return its id.

        Raises:
            UnknownGroup: there is none of that number.
            HitDecided: nothing of it waits, somebody was quicker, or the object that matched is gone.
        """
        with self._db.read() as connection:
            story = self.story(connection, number, up_to)
        sighting = self.sighting(story, at)
        decision = Decision(HitState.CONFIRMED, by, sighting[0].stix.id)
        with self._db.write(at) as tx:
            _decide(tx, story, decision)
            self._holdings.store(tx, sighting)
        return decision.sighting_id

    def dismiss(
        self,
        number: int,
        by: str,
        at: datetime,
        *,
        why: Dismissal,
        reason: str = "",
        up_to: int | None = None,
        days: int = 0,
    ) -> str:
        """Dismiss the new hits of a group; return the opinion that a false positive became, else nothing.

        What is benign may be expected for some days: hits of the group that are found until then are dismissed by the
        same word as they come, and tell nobody anything.

        Raises:
            UnknownGroup: there is none of that number.
            HitDecided: nothing of it waits, or somebody was quicker.
            UnusableReason: a false positive without a reason, or one that quotes the value or is too long.
            UnusablePeriod: days for a false positive, or more of them than anybody can foresee.
        """
        until = check_days(why, days, at)
        reason = reason.strip()
        with self._db.read() as connection:
            story = self.story(connection, number, up_to)
        check_reason(_waiting(story).newest, why, reason)
        with self._db.write(at) as tx:
            opinion = self.opinion(tx.connection, story, reason, at) if why is Dismissal.FALSE_POSITIVE else []
            opinion_id = opinion[0].stix.id if opinion else ""
            decision = Decision(HitState.DISMISSED, by, dismissed_as=why, reason=reason, opinion_id=opinion_id)
            _decide(tx, story, decision, until)
            self._holdings.store(tx, opinion)
        return opinion_id

    def reopen(self, number: int, by: str, at: datetime) -> int:
        """Take back that a group was expected here: its hits wait again; return how many.

        What left the house is not taken back by this: a sighting and an opinion are withdrawn like any object.

        Raises:
            UnknownGroup: there is none of that number.
            HitDecided: nothing of it was dismissed as expected here.
        """
        with self._db.write(at) as tx:
            group = groups.get_group(tx.connection, number)
            if group is None:
                raise UnknownGroup("there is no such group of hits", subject=str(number))
            count = store.reopen_group(tx, number)
            if not count:
                raise HitDecided("nothing of it was dismissed as expected here", subject=str(number))
            detail = {"indicator": group.indicator_id, "count": count}
            tx.append(REOPENED, subject=str(number), lane=group.lane, actor=by, detail=detail)
        return count


def _waiting(story: GroupStory) -> Waiting:
    if story.waiting is None:
        raise HitDecided("nothing of this group waits to be decided", subject=str(story.group.row))
    return story.waiting


def _decide(tx: Transaction, story: GroupStory, decision: Decision, expected_until: datetime | None = None) -> None:
    waiting, group = _waiting(story), story.group
    decided = store.decide_group(tx, group.row, waiting.newest.row, decision)
    if decided != waiting.span.count:
        raise HitDecided("somebody has decided about some of these hits meanwhile", subject=str(group.row))
    groups.expect(tx, group.row, Expectation(decision.by, expected_until) if expected_until is not None else None)
    until = {"expected_until": rfc3339(expected_until)} if expected_until is not None else {}
    announce(tx, waiting.newest, decision, group=group.row, count=decided, **until)


def _cursor(group: Group) -> str:
    return f"{(group.touched_at - EPOCH) // _TICK}-{group.row}"


def _place(after: str) -> tuple[datetime, int] | None:
    """Return where a page ended; a text that is no cursor begins anew."""
    instant, _, row = after.partition("-")
    if not (instant.isdecimal() and row.isdecimal() and max(len(instant), len(row)) < _MAX_DIGITS):
        return None
    return EPOCH + int(instant) * _TICK, int(row)
