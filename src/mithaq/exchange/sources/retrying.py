"""Try again what waits in a source's quarantine, after this program or the holdings have changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mithaq.exchange.event_versions import keep_event
from mithaq.exchange.sources import store
from mithaq.exchange.sources.admitting import Admitting
from mithaq.exchange.sources.model import Outcome, Quarantined, Source, Unfit
from mithaq.intelligence.errors import MispFailed, TooMuch
from mithaq.intelligence.imports.misp import MEDIA_TYPE, convert, foreign_event, terms_of_event
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.model import ImportTerms, NewEvent
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.store import name_of_original
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId


class Retrying:
    """Admit what is in quarantine, one thing at a time; what is still unfit stays, with its newest reason."""

    def __init__(self, db: Database, holdings: Holdings, own: NationId) -> None:
        self._db = db
        self._holdings = holdings
        self._admitting = Admitting(db, holdings, own)

    def retry(self, source: Source, waiting: list[Quarantined], at: datetime) -> Outcome:
        """Return what became of the things in quarantine; those whose bytes were not kept are left alone."""
        outcome = Outcome()
        for each in waiting:
            with self._db.read() as connection:
                body = store.kept_body(connection, each.row)
            if body is None or each.kind == "line":
                continue
            done = self._event(source, each, body, at) if each.kind == "event" else self._object(source, each, body, at)
            outcome = replace(
                outcome,
                stored=outcome.stored + done.stored,
                known=outcome.known + done.known,
                quarantined=outcome.quarantined + done.quarantined,
                withdrawn=outcome.withdrawn + done.withdrawn,
            )
        return outcome

    def _object(self, source: Source, each: Quarantined, body: bytes, at: datetime) -> Outcome:
        return self._admit(source, each, [body], source.import_terms(), None, at)

    def _event(self, source: Source, each: Quarantined, file: bytes, at: datetime) -> Outcome:
        try:
            found = convert(file)
        except (MispFailed, TooMuch) as error:
            return self._stays(source, Unfit(each.object_id, file, reason_of(error), "event"), at)
        for event in found:
            if event.name.lower() == each.object_id and not event.failure:
                terms = replace(terms_of_event(source.import_terms(), event), original=name_of_original(file))
                return self._admit(source, each, event.bodies, terms, file, at, foreign_event(event, 0, terms))
        return Outcome(quarantined=1)

    def _admit(
        self,
        source: Source,
        each: Quarantined,
        bodies: Sequence[bytes],
        terms: ImportTerms,
        file: bytes | None,
        at: datetime,
        kept: NewEvent | None = None,
    ) -> Outcome:
        found = self._admitting.look_at(bodies, terms, at)
        with self._db.write(at) as tx:
            stored, refused = self._admitting.store(tx, found.ready)
            unfit = [*found.unfit, *refused]
            if file is not None:
                self._holdings.keep_original(tx, MEDIA_TYPE, file)
            withdrawn = keep_event(tx, self._holdings, kept) if kept is not None else 0
            if file is not None or not unfit:
                store.release(tx, source.id, [each.row])
            store.put_aside(tx, source.id, unfit)
        return Outcome(stored=stored, known=found.known, quarantined=len(unfit), withdrawn=withdrawn)

    def _stays(self, source: Source, unfit: Unfit, at: datetime) -> Outcome:
        with self._db.write(at) as tx:
            store.put_aside(tx, source.id, [unfit])
        return Outcome(quarantined=1)
