"""The hunter: a short-lived process that answers the hunts that are waiting and seals segments as Parquet.

It runs at a low priority and ends when nothing is left to do; when it dies, the hunts it had not finished are still
asked for, and what it found before is not found twice. DuckDB, Ibis and Arrow are imported only once a sealed
segment must be opened or written: the newest events lie in segments that are read as they are.
"""

import ctypes
import fcntl
import gc
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mithaq.detection import store
from mithaq.detection.hits.record import record_hits
from mithaq.detection.hunts.keeping import Keeper
from mithaq.detection.hunts.launch import HunterOrder
from mithaq.detection.hunts.retro import TextFinder, matches_in
from mithaq.detection.model import Indicator, Match, Sight
from mithaq.detection.origins import Origins
from mithaq.detection.patterns.matching import judged_by_pattern
from mithaq.detection.questions.answering import Answering
from mithaq.detection.rulebook.held import HeldRule, rule_of
from mithaq.detection.settings import DetectionLimits
from mithaq.detection.watchlist import indicator_of
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.intelligence.watching import newest_standing
from mithaq.kernel.clock import Clock, SystemClock
from mithaq.kernel.database import Database
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.errors import LakeBroken
from mithaq.telemetry.lake.index import SealedIndex, Sought
from mithaq.telemetry.lake.open_segment import readable_blocks, segment_path
from mithaq.telemetry.store import CLOSED, OPEN, SEALED, Segment

if TYPE_CHECKING:
    from mithaq.telemetry.lake.finding import Found, Wanted

_log = logging.getLogger(__name__)
_NICENESS = 10
_COLLECT_EVERY = 200_000
_PR_SET_PDEATHSIG = 1


class Hunter:
    """One run of the hunter over a data folder."""

    def __init__(
        self,
        db: Database,
        holdings: Holdings,
        data: Path,
        limits: DetectionLimits,
        warning_lists: WarningLists | None = None,
    ) -> None:
        self._db = db
        self._warning_lists = warning_lists
        self._holdings = holdings
        self._data = data
        self._limits = limits
        self._keeper = Keeper(db, data, limits)
        self._answering = Answering(db, data, limits)

    def run(self, clock: Clock) -> int:
        """Work until nothing waits; return how many new hits were found, 0 if another hunter is at work.

        Raises:
            LakeBroken: the disk is full or fails; everything that only reads was done before.
        """
        found = 0
        with _alone(self._data) as alone:
            if not alone:
                return 0
            self._keeper.tidy(clock.now())
            self._keeper.mend(clock.now())
            while asked := self._asked():
                found += self._answer(asked, clock.now())
            try:
                self._keeper.seal(clock.now())
            finally:
                self._answering.run(clock)
        return found

    def _asked(self) -> dict[int, int]:
        with self._db.read() as connection:
            return store.pending_hunts(connection, limit=self._limits.hunts_at_once)

    def _answer(self, asked: dict[int, int], at: datetime) -> int:
        """Hunt for everything that was asked, all of it together, and keep the hits in short transactions."""
        with self._db.read() as connection:
            stored = self._holdings.rows(connection, sorted(set(asked.values())))
        indicators = [each for each in map(indicator_of, stored) if each is not None and each.is_valid(at)]
        found = self._record(self._in_unsealed(indicators, at), at)
        found += self._record(self._in_sealed(indicators, at), at)
        found += self._record(self._texts_in_sealed(indicators, at), at)
        rules = self._rules(stored, at)
        of_rules = {rule.row for rule in rules}
        self._finish([hunt for hunt, row in asked.items() if row not in of_rules], at)
        if rules:
            left = sorted(hunt for hunt, row in asked.items() if row in of_rules)
            found += self._record(self._of_rules(rules, left, at), at)
            self._finish(left, at)
        _log.info("%d hunts gave %d new hits", len(asked), found)
        return found

    def _finish(self, hunts: Sequence[int], at: datetime) -> None:
        with self._db.write(at) as tx:
            store.finish_hunts(tx, sorted(hunts))

    def _rules(self, stored: Sequence[StoredObject], at: datetime) -> list[HeldRule]:
        """Return the Sigma rules among what was asked for, as far as they are the newest standing versions."""
        rules = [rule for rule in (rule_of(each, at) for each in stored) if rule is not None]
        with self._db.read() as connection:
            newest = {
                row
                for lane in {rule.lane for rule in rules}
                for row in newest_standing(connection, [each.indicator_id for each in rules if each.lane == lane], lane)
            }
        return [rule for rule in rules if rule.row in newest and rule.is_valid(at)]

    def _of_rules(self, rules: Sequence[HeldRule], hunts: Sequence[int], at: datetime) -> Iterator[Match]:
        from mithaq.detection.rulebook.hunts import RuleHunt

        def progress(done: int, parts: int) -> None:
            with self._db.write(at) as tx:
                store.save_progress(tx, hunts, done, parts)

        def broken(segment: Segment, error: LakeBroken) -> None:
            self._keeper.tell(segment, error, at)

        hunt = RuleHunt(self._data, rules, most=self._limits.hits_a_rule)
        yield from hunt.matches(self._segments(OPEN, CLOSED, SEALED), at, progress, broken)

    def _in_unsealed(self, indicators: Sequence[Indicator], at: datetime) -> Iterator[Match]:
        """Match the lines that are not Parquet yet, the newest segment first."""
        newest_first = reversed(self._segments(OPEN, CLOSED))
        paths = ((segment_path(self._data, each.segment), each.bytes) for each in newest_first)
        blocks = (block for path, size in paths for block in readable_blocks(path, size))
        return matches_in(blocks, indicators, at) if indicators else iter(())

    def _in_sealed(self, indicators: Sequence[Indicator], at: datetime) -> Iterator[Match]:
        """Ask the segments whose fingerprints do not rule everything out, the newest first."""
        pairs = [(each, anchor) for each in indicators for anchor in each.anchors if anchor.type != "text"]
        sought = [Sought.of(indicator.lane, observable) for indicator, observable in pairs]
        held = [(segment, self._held(segment.path, sought)) for segment in reversed(self._segments(SEALED))]
        left = [(segment, keys) for segment, keys in held if keys]
        if not left:
            return
        from mithaq.telemetry.lake.finding import Wanted

        taken: Counter[int] = Counter()
        for place, (segment, keys) in enumerate(left):
            if place % self._limits.segments_a_hunt == 0:
                taken.clear()
            wanted = [Wanted(key, pairs[key][0].lane, pairs[key][1]) for key in keys]
            here: Counter[int] = Counter()
            for found in self._hunted(segment, wanted, taken, at):
                here[found.key] += 1
                indicator, matched = pairs[found.key]
                if indicator.plan is None or matched in indicator.observables:
                    yield Match(found.event, Sight(found.field, found.seen, matched), indicator)
                else:
                    yield from judged_by_pattern(found.event, [indicator])
            taken += here

    def _texts_in_sealed(self, indicators: Sequence[Indicator], at: datetime) -> Iterator[Match]:
        """Read every sealed line for the texts that no index has, the newest segment first."""
        wanted = [each for each in indicators if any(anchor.type == "text" for anchor in each.anchors)]
        if not wanted:
            return
        from mithaq.telemetry.lake.kept_lines import sealed_events

        finder = TextFinder(wanted)
        for segment in reversed(self._segments(SEALED)):
            try:
                for events in sealed_events(self._data, segment.path):
                    yield from finder.matches(events, at)
            except LakeBroken as error:
                self._keeper.tell(segment, error, at)

    def _hunted(
        self, segment: Segment, wanted: Sequence["Wanted"], taken: Mapping[int, int], at: datetime
    ) -> Iterator["Found"]:
        """Hunt in a segment; what cannot be read of it is told, and the rest is answered."""
        from mithaq.telemetry.lake.finding import find

        try:
            yield from find(self._data, segment.path, self._keeper.index_of(segment), wanted, taken)
        except LakeBroken as error:
            _log.warning("%s: %s (%s)", segment.path, error, error.private)
            try:  # the index may be what is damaged
                index = self._keeper.indexed_anew(segment)
                yield from find(self._data, segment.path, index, wanted, taken)
            except LakeBroken as broken:
                self._keeper.tell(segment, broken, at)

    def _held(self, stem: str, sought: Sequence[Sought]) -> list[int]:
        try:
            index = SealedIndex.open(self._data, stem)
        except LakeBroken:  # it could not be mended: everything may be there
            return list(range(len(sought)))
        return [key for key, each in enumerate(sought) if index.may_hold(each)]

    def _record(self, matches: Iterable[Match], at: datetime) -> int:
        origins, found = Origins(self._holdings, self._warning_lists), 0
        left = iter(matches)
        while part := list(islice(left, self._limits.hits_a_transaction)):
            with self._db.read() as connection:
                hits = origins.hits(connection, part, at, retro=True)
            with self._db.write(at) as tx:
                found += record_hits(tx, hits, self._limits.breaker)
        return found

    def _segments(self, *states: str) -> list[Segment]:
        with self._db.read() as connection:
            return telemetry_store.list_segments(connection, states)


@contextmanager
def _alone(data: Path) -> Iterator[bool]:
    """Hold the lake's sealed part; say whether nobody else does."""
    (data / "lake").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "lake" / ".hunter", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def main() -> None:
    """Run one hunter as it was ordered on standard input; it ends with the process that started it."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    order = HunterOrder.read(sys.stdin.buffer)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="hunter: %(message)s")
    db = Database.open(order.database, run_dir=Path(order.run_dir))
    gc.set_threshold(_COLLECT_EVERY)  # what it makes of lines has no cycles, and is much
    try:
        lists = WarningLists(Path(order.cache))
        Hunter(db, Holdings(db), Path(order.data), DetectionLimits(), lists).run(SystemClock())
    except LakeBroken as error:
        _log.error("%s (%s)", error, error.private)
        raise SystemExit(1) from error
    finally:
        db.close()


if __name__ == "__main__":
    main()
