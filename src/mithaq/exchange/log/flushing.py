"""Have partners cosign this nation's log: on demand, many leaves under one checkpoint, all witnesses at once."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

from mithaq.exchange.errors import PartnerRefused
from mithaq.exchange.log.logs import Logs, Place
from mithaq.exchange.log.policy import Requirement, keys_of
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.log.store import log_of
from mithaq.exchange.log.witnessing import Answer
from mithaq.exchange.settings import WITNESS_PATIENCE_S, WITNESS_RETRY_S
from mithaq.exchange.store import set_channel
from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import decimal
from mithaq.kernel.tlog.note import Note, read_signatures
from mithaq.kernel.tlog.witness import Request
from mithaq.nations.model import Partner
from mithaq.nations.service import Partners

Ask = Callable[[Partner, bytes, datetime], Answer]
"""Give one partner a request for its cosignature."""

COSIGNED = "exchange.cosigned"
"""What wakes those who wait for a cosignature; no journal entry, for nothing has changed that a reader acts on."""

_log = logging.getLogger(__name__)
_OK, _CONFLICT, _NOT_CONSISTENT = 200, 409, 422


@dataclass(frozen=True, slots=True)
class Want:
    """A leaf that has to be covered by a checkpoint so many of these nations cosigned."""

    place: Place
    required: Requirement


class Flusher:
    """Get cosignatures for leaves that wait; one round at a time, shared by all who wait."""

    def __init__(self, db: Database, log: ReleaseLog, partners: Partners, ask: Ask) -> None:
        self.log = log
        self._db = db
        self._partners = partners
        self._ask = ask
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._wanted: Counter[NationId] = Counter()
        self._links: dict[NationId, _Link] = {}

    def flush(self, wants: Sequence[Want], at: datetime) -> None:
        """Return when all wants are met, or when this attempt can do no more; ask `covering` which are."""
        nations = [nation for want in wants for nation in want.required.nations]
        with self._guard:
            self._wanted.update(nations)
        try:
            with self._turn:
                for log in dict.fromkeys(want.place.log for want in wants):
                    self._round(log, [want for want in wants if want.place.log == log], at)
        finally:
            with self._guard:
                self._wanted.subtract(nations)

    def offer(self, log: int, nations: Iterable[NationId], at: datetime) -> list[Future[None]]:
        """Show a log to nations without haste: no release waits for this, and it takes no turn of theirs.

        A witness that is down, or does not know the log yet, is no trouble; it is shown the log again another time. One
        that has seen another log under this name is not: that is kept, and it is not shown this one again.
        """
        note = self.log.checkpoint(log)
        return [
            self._link(partner.nation).present(partner, log, note, at, is_offer=True)
            for partner in self._trusted(nations)
        ]

    def forget_failures(self) -> None:
        """Ask every witness again at the next flush, even one that failed a moment ago."""
        for link in self._links.values():
            link.forget_failure()

    def _round(self, log: int, wants: Sequence[Want], at: datetime) -> None:
        if self._all_met(wants):  # by the round of somebody who waited with us
            return
        note = self.log.checkpoint(log)
        with self._guard:
            nations = [nation for nation, count in self._wanted.items() if count > 0]
        asked = self._trusted(nations)
        open_: set[Future[None]] = {self._link(partner.nation).present(partner, log, note, at) for partner in asked}
        deadline = time.monotonic() + WITNESS_PATIENCE_S
        while open_ and (left := deadline - time.monotonic()) > 0:
            done, open_ = wait(open_, left, FIRST_COMPLETED)
            if done and self._all_met(wants):
                return

    def _all_met(self, wants: Iterable[Want]) -> bool:
        with self._db.read() as connection:
            return all(
                want.required.needed == 0
                or self.log.covering(connection, want.place, want.required.nations, want.required.needed) is not None
                for want in wants
            )

    def _trusted(self, nations: Iterable[NationId]) -> list[Partner]:
        with self._db.read() as connection:
            known = {partner.nation: partner for partner in self._partners.all(connection)}
        return [known[nation] for nation in nations if nation in known and known[nation].is_trusted]

    def _link(self, nation: NationId) -> "_Link":
        with self._guard:
            if nation not in self._links:
                self._links[nation] = _Link(self._db, self.log, self._ask)
            return self._links[nation]


@dataclass(slots=True)
class _Job:
    """One checkpoint to be presented; replaced by a newer one while it waits. Nobody waits for an offer."""

    partner: Partner
    log: int
    note: Note
    at: datetime
    is_offer: bool
    done: Future[None]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a witness answered to a checkpoint that was said to extend `old` leaves; `seen` is what it says it knows."""

    answer: Answer
    old: int
    seen: int

    def contradicts(self, here: int) -> bool:
        """Tell whether the witness has seen another log under this name, given how many leaves this one has now."""
        two_roots = self.answer.status == _CONFLICT and (self.seen > here or self.seen == self.old)
        return two_roots or self.answer.status == _NOT_CONSISTENT

    def refusal(self, job: _Job) -> PartnerRefused:
        """Return why there is no cosignature."""
        if self.answer.status == _CONFLICT and self.seen > Checkpoint.of(job.note).size:
            return PartnerRefused(
                "%(nation)s has cosigned more of this log than is here; was a backup restored?",
                nation=job.partner.nation,
            )
        return PartnerRefused(
            "%(nation)s does not cosign this nation's log: %(status)s",
            nation=job.partner.nation,
            status=self.answer.status,
        )


class _Link:
    """One witness: at most one request under way and one waiting; one that failed is left alone for a moment."""

    def __init__(self, db: Database, log: Logs, ask: Ask) -> None:
        self._db = db
        self._log = log
        self._ask = ask
        self._guard = threading.Lock()
        self._waiting: _Job | None = None
        self._thread = ThreadPoolExecutor(1, "witness")
        self._left_alone_until = 0.0
        self._trouble: str | None = ""

    def present(self, partner: Partner, log: int, note: Note, at: datetime, *, is_offer: bool = False) -> Future[None]:
        """Have a checkpoint cosigned; the future ends whether it was or not."""
        with self._guard:
            if self._waiting is not None and self._waiting.log == log:
                self._waiting.partner, self._waiting.note, self._waiting.at = partner, note, at
                return self._waiting.done
            job = self._waiting = _Job(partner, log, note, at, is_offer, Future())
        self._thread.submit(self._run, job)
        return job.done

    def forget_failure(self) -> None:
        """Ask again at once."""
        self._left_alone_until = 0.0

    def _run(self, job: _Job) -> None:
        with self._guard:
            if self._waiting is job:
                self._waiting = None
        try:
            if time.monotonic() >= self._left_alone_until:
                if job.is_offer:
                    self._offer(job)
                    return
                self._present(job)
                self._say(job, None)
                if self._db.waker:  # whoever gave up on this witness a moment ago need not wait any longer
                    self._db.waker.wake({COSIGNED})
        except Error as error:
            if job.is_offer:
                _log.info("witness %s: %s", job.partner.nation, error)
                return
            self._left_alone_until = time.monotonic() + WITNESS_RETRY_S
            self._say(job, error)
        except Exception:  # noqa: BLE001 - a thread's outermost frame: no odd answer ends a witness for good
            _log.exception("witness %s", job.partner.nation)
        finally:
            job.done.set_result(None)

    def _offer(self, job: _Job) -> None:
        """Show a log that nobody waits for; a contradiction is kept, everything else is tried again another time."""
        nation = job.partner.nation
        with self._db.read() as connection:
            if nation in self._log.refusals(connection, job.log):
                return
        shown = self._show(job)
        if shown.answer.status == _OK:
            self._keep(job, shown.answer)
            return
        with self._db.read() as connection:
            here = log_of(connection, job.log).edge.size
        if shown.contradicts(here):
            self._log.keep_refusal(job.log, nation, shown.refusal(job), job.at)

    def _present(self, job: _Job) -> None:
        shown = self._show(job)
        if shown.answer.status != _OK:
            raise shown.refusal(job)
        self._keep(job, shown.answer)

    def _show(self, job: _Job) -> "_Shown":
        size = Checkpoint.of(job.note).size
        with self._db.read() as connection:
            old = self._log.cosigned_size(connection, job.log, job.partner.nation)
        answer = self._ask(job.partner, self._request(job, old), job.at)
        if answer.status == _CONFLICT and (seen := _size_of(answer, job.partner.nation)) <= size:
            old = seen
            answer = self._ask(job.partner, self._request(job, old), job.at)
        return _Shown(answer, old, _size_of(answer, job.partner.nation) if answer.status == _CONFLICT else old)

    def _keep(self, job: _Job, answer: Answer) -> None:
        lines = answer.body.decode("utf-8", "replace")
        keys = keys_of(job.partner.card)
        found = verified(Note(job.note.text, read_signatures(lines)), keys)
        if set(found) != set(keys):
            raise BadNote("the signature of %(name)s does not hold", name=keys[0].name)
        self._log.keep_cosignature(job.log, job.note, job.partner.nation, lines, job.at)

    def _request(self, job: _Job, old: int) -> bytes:
        size = Checkpoint.of(job.note).size
        with self._db.read() as connection:
            proof = self._log.consistency(connection, job.log, min(old, size), size)
        return Request(min(old, size), tuple(proof), job.note).encode()

    def _say(self, job: _Job, error: Error | None) -> None:
        """Keep in the partner's channel what keeps it from witnessing, or that nothing does."""
        code = error.code if error else None
        if code == self._trouble:
            return
        trouble = {"code": error.code, "message": error.message, "params": error.params} if error else None
        with self._db.write(job.at) as tx:
            set_channel(tx, job.partner.nation, witness_trouble=trouble, witness_trouble_at=job.at)
        self._trouble = code


def _size_of(answer: Answer, nation: NationId) -> int:
    try:
        return decimal(answer.body.decode("ascii", "replace").removesuffix("\n"))
    except BadNote as error:
        raise PartnerRefused(
            "%(nation)s does not cosign this nation's log: %(status)s", nation=nation, status=answer.status
        ) from error
