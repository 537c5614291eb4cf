"""Put Sigma rules into the engines beside the detector's work, in a thread of its own: matching never waits for it.

Compiling is Hyperscan's, which lets other threads go on meanwhile. What was put is taken by the detector, which then
knows that the rule is live.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from mithaq.detection.rulebook.held import Change, Outcome
from mithaq.kernel.lane import Lane

if TYPE_CHECKING:
    from mithaq.detection.sigma.engine import SigmaEngine

_log = logging.getLogger(__name__)
AT_ONCE: Final = 64
"""Rules that become live together, so that the first of thousands need not wait for the last."""

MERGE_FROM: Final = 100
"""So many rules beside the large index are worth making it anew."""


class RuleKeeper:
    """Apply changes to engines one after the other; the thread begins with the first of them, or when told to.

    `engine_of` gives a lane's engine; `news` is called from the thread when there is something to take.
    """

    def __init__(self, engine_of: Callable[[Lane], SigmaEngine], news: Callable[[], None]) -> None:
        self._engine_of = engine_of
        self._news = news
        self._changed = threading.Condition()
        self._waiting: deque[Change] = deque()
        self._merging: dict[Lane, None] = {}
        self._done: list[Outcome] = []
        self._working = False
        self._making = False
        self._importing = False
        self._stopping = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Import the engine before the first rule comes: half a second of a core, and 13 MB."""
        if self._thread is None:
            with self._changed:
                self._begin()

    def ask(self, changes: Sequence[Change]) -> None:
        """Apply these changes as soon as those before them are."""
        if changes:
            with self._changed:
                self._waiting.extend(changes)
                self._begin()

    def merge(self, lane: Lane) -> None:
        """Make one index of a lane's rules, and keep it for the next process, once nothing else waits."""
        with self._changed:
            self._merging[lane] = None
            self._begin()

    def take(self) -> list[Outcome]:
        """Return what has come into force since the last call, in order.

        Raises:
            Exception: the thread ended with it; no rule comes into force any more.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            done, self._done = self._done, []
            return done

    def is_busy(self) -> bool:
        """Tell whether a change is not in force yet, or was not taken."""
        with self._changed:
            return self._failure is not None or bool(self._waiting or self._done) or self._working

    def wait(self, timeout_s: float) -> bool:
        """Wait until every change is in force and every index is made; False where it takes longer."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout_s)

    def _is_idle(self) -> bool:
        return not (self._waiting or self._working or self._merging or self._making or self._importing)

    def close(self) -> None:
        """Begin nothing more; an index that is being made is left unfinished when the process ends."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _begin(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            self._importing = True
            self._thread = threading.Thread(target=self._run, name="sigma rules", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            from mithaq.detection.rulebook.engines import put  # in this thread, since it takes half a second

            self._imported()
            while (work := self._next()) is not None:
                if isinstance(work, Lane):
                    self._merge(work)
                else:
                    self._tell([each for lane, part in work for each in put(self._engine_of(lane), part)])
        except Exception as error:  # noqa: BLE001 - whatever it is: `take` raises it, so that no rule waits for ever
            with self._changed:
                self._failure = error
                self._working = self._making = self._importing = False
                self._changed.notify_all()
            self._news()

    def _imported(self) -> None:
        with self._changed:
            self._importing = False
            self._changed.notify_all()

    def _next(self) -> list[tuple[Lane, list[Change]]] | Lane | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._stopping or self._waiting or self._merging))
            if self._stopping:
                return None
            if not self._waiting:
                lane = next(iter(self._merging))
                del self._merging[lane]
                self._making = True
                return lane
            self._working = True
            part = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            return [(lane, list(each)) for lane, each in groupby(part, lambda change: change.lane)]

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        with self._changed:
            self._done += outcomes
            self._working = False
            for lane in {each.change.lane for each in outcomes}:
                if self._engine_of(lane).beside >= MERGE_FROM:
                    self._merging[lane] = None
            self._changed.notify_all()
        self._news()

    def _merge(self, lane: Lane) -> None:
        try:
            self._engine_of(lane).merge()
        except OSError as error:  # a full disk: matching goes on, and the next process compiles anew
            _log.warning("the index of Sigma rules cannot be kept: %s", error)
        with self._changed:
            self._making = False
            self._changed.notify_all()
