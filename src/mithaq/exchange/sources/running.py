"""Run one source once: fetch, admit, save how far it has come; whatever happens, say so in its record.

The objects of a page, what was put aside of it, and the place after it are one transaction. A run that was killed
begins where its last page ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, assert_never

from mithaq.exchange.sources import store
from mithaq.exchange.sources.admitting import Admitting
from mithaq.exchange.sources.batch import Batch
from mithaq.exchange.sources.credentials import Vault
from mithaq.exchange.sources.errors import CredentialUnusable, Cut, Overtaken, SourceRefused
from mithaq.exchange.sources.misp_feed import Feed
from mithaq.exchange.sources.misp_server import MispServer
from mithaq.exchange.sources.model import PRIVATE_NETWORK, Followed, Outcome, Source, Unfit
from mithaq.exchange.sources.plain_list import PlainList
from mithaq.exchange.sources.rules import due_after_failure
from mithaq.exchange.sources.taxii import Reading
from mithaq.exchange.sources.taxii_server import Server
from mithaq.exchange.sources.web import Asking, Budget, Web
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS
from mithaq.kernel.clock import Clock
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId

FETCHED = "exchange.fetched"
FETCH_FAILED = "exchange.fetch-failed"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What a run needs of the world besides the network.

    `draw` gives numbers from 0 to 1, `clock_s` seconds that only grow, `budget` what one run may take.
    """

    clock: Clock
    draw: Callable[[], float]
    clock_s: Callable[[], float]
    budget: Callable[[Callable[[], float]], Budget] = Budget


class Running:
    """Run sources of one node."""

    def __init__(self, db: Database, holdings: Holdings, own: NationId, vault: Vault, means: Means) -> None:
        self._db = db
        self._admitting = Admitting(db, holdings, own)
        self._holdings = holdings
        self._vault = vault
        self._means = means

    def run(self, followed: Followed) -> Outcome:
        """Fetch what a source has that is not here yet, and say in its record what came of it.

        Raises:
            DatabaseFailed: nothing could be saved; the source is as it was.
        """
        run = _Run(followed, self._db, self._holdings, self._admitting, self._means)
        try:
            with self._web(followed.source, run.budget) as web:
                for batch in self._batches(followed, web):
                    run.take(batch)
            outcome = run.outcome
        except Overtaken:
            return replace(run.outcome, requests=run.budget.requests)
        except Cut:
            outcome = replace(run.outcome, is_cut=True)
        except Error as error:
            _log.warning("source %s: %s (%s)", followed.source.name, error, error.private)
            outcome = self._failed(run, error)
        outcome = replace(outcome, requests=run.budget.requests)
        if outcome.reason is None:
            self._succeeded(run, outcome)
        return outcome

    def broken(self, followed: Followed) -> Outcome:
        """Note that a run ended by a fault of this program, so that it is not begun again at once."""
        with self._db.read() as connection:
            now = store.find(connection, followed.source.id)
        error = _Fault("this program failed on it; the log of the worker says how")
        return self._failed(_Run(now or followed, self._db, self._holdings, self._admitting, self._means), error)

    def _web(self, source: Source, budget: Budget) -> Web:
        headers: dict[str, str] = {}
        if source.auth != "none":
            with self._db.read() as connection:
                sealed = store.credential_of(connection, source.id)
            headers = self._vault.open(source, sealed or b"").headers()
        return Web(source.address, headers, budget, may_be_private=PRIVATE_NETWORK in source.flags)

    def _batches(self, followed: Followed, web: Asking) -> Iterator[Batch]:
        source, cursor = followed.source, followed.progress.cursor
        at = self._means.clock.now()
        match source.kind:
            case "taxii":
                return Reading(Server(web, at), source, cursor).pages()
            case "misp-feed" | "misp":
                with self._db.read() as connection:
                    versions = store.versions_of(connection, source.id)
                if source.kind == "misp":
                    return MispServer(web, source, cursor, versions, self._holdings, at).events()
                return Feed(web, source, cursor, versions, self._holdings, at).events()
            case "list":
                with self._db.read() as connection:
                    versions = store.versions_of(connection, source.id)
                return PlainList(web, source, cursor, versions, self._holdings, at).batches()
        assert_never(source.kind)

    def _succeeded(self, run: _Run, outcome: Outcome) -> None:
        source, progress = run.source, run.followed.progress
        at = self._means.clock.now()
        goes_on = outcome.is_cut and outcome.stored > 0
        values: dict[str, Any] = {
            "due_at": at if goes_on else at + timedelta(seconds=source.every_s),
            "tried_at": at,
            "succeeded_at": at,
            "failures": 0,
            "reason": None,
        }
        with self._db.write(at) as tx:
            if not store.advance(tx, source.id, run.turn, **values):
                return
            if outcome.stored or outcome.quarantined or outcome.withdrawn or progress.failures:
                detail = {
                    "stored": outcome.stored,
                    "known": outcome.known,
                    "quarantined": outcome.quarantined,
                    "withdrawn": outcome.withdrawn,
                    "cut": outcome.is_cut,
                }
                tx.append(FETCHED, subject=source.name, lane=source.terms.lane, actor="node", detail=detail)

    def _failed(self, run: _Run, error: Error) -> Outcome:
        """Note a failure: when to try again, or that nobody tries until a person has looked."""
        source, reason = run.source, reason_of(error)
        at = self._means.clock.now()
        failures = run.followed.progress.failures + 1
        is_over = isinstance(error, SourceRefused | CredentialUnusable)
        asked = getattr(error, "retry_after_s", None)
        values: dict[str, Any] = {
            "due_at": due_after_failure(at, failures, self._means.draw(), asked),
            "tried_at": at,
            "failures": failures,
            "reason": reason.as_json(),
        }
        if is_over:
            values["standing"] = "stopped"
        with self._db.write(at) as tx:
            if store.advance(tx, source.id, run.turn, **values):
                detail = {"code": reason.code, "failures": failures, "stopped": is_over}
                tx.append(FETCH_FAILED, subject=source.name, lane=source.terms.lane, actor="node", detail=detail)
        return replace(run.outcome, reason=reason)


class _Fault(Error):
    """A fault of this program."""

    code = "source-fault"


class _Run:
    """One run: what it has stored so far, and under which turn of the record."""

    def __init__(
        self, followed: Followed, db: Database, holdings: Holdings, admitting: Admitting, means: Means
    ) -> None:
        self.followed = followed
        self.source = followed.source
        self.turn = followed.progress.turn
        self.budget = means.budget(means.clock_s)
        self.outcome = Outcome()
        self._db = db
        self._holdings = holdings
        self._admitting = admitting
        self._clock = means.clock

    def take(self, batch: Batch) -> None:
        """Store a batch: all parts but the last for themselves, the last with everything that is noted.

        Raises:
            Overtaken: somebody else has changed the source's record meanwhile.
        """
        at = self._clock.now()
        self.budget.objects -= len(batch.bodies) + len(batch.unfit)
        found = self._admitting.look_at(batch.bodies, batch.terms or self.source.import_terms(), at)
        unfit = [*batch.unfit, *found.unfit]
        parts = [found.ready[start : start + CHUNK_OBJECTS] for start in range(0, len(found.ready), CHUNK_OBJECTS)]
        for part in parts[:-1]:
            with self._db.write(at) as tx:
                self._hold(tx)
                stored, refused = self._admitting.store(tx, part)
                self._keep(tx, refused, stored)
            self._count(stored, len(part), len(refused))
        last = parts[-1] if parts else []
        with self._db.write(at) as tx:
            self._hold(tx, batch.cursor)
            stored, refused = self._admitting.store(tx, last)
            if batch.original:
                self._holdings.keep_original(tx, *batch.original)
            withdrawn = batch.note(tx) if batch.note else 0
            self._keep(tx, [*unfit, *refused], stored)
        self._count(stored, len(last), len(refused))
        self.outcome = replace(
            self.outcome,
            known=self.outcome.known + found.known,
            quarantined=self.outcome.quarantined + len(unfit),
            withdrawn=self.outcome.withdrawn + withdrawn,
        )

    def _hold(self, tx: Transaction, cursor: Mapping[str, Any] | None = None) -> None:
        """Save the place, first of all: where the record was changed meanwhile nothing of the transaction stays.

        Raises:
            Overtaken: it was.
        """
        values = {} if cursor is None else {"cursor": dict(cursor)}
        if not store.advance(tx, self.source.id, self.turn, **values):
            raise Overtaken("the source was paused, changed or run by somebody else meanwhile")
        self.turn += 1

    def _keep(self, tx: Transaction, unfit: Sequence[Unfit], stored: int) -> None:
        """Keep what belongs to the transaction beside the objects."""
        store.count(tx, self.source.id, stored=stored, unkept=store.put_aside(tx, self.source.id, unfit))

    def _count(self, stored: int, tried: int, refused: int) -> None:
        done = self.outcome
        self.outcome = replace(
            done,
            stored=done.stored + stored,
            known=done.known + tried - stored - refused,
            quarantined=done.quarantined + refused,
        )
