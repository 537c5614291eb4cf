"""The use cases of response: build a blocklist, say why a value is or is not on it, keep the never-block list."""

from collections.abc import Iterable, Iterator, Set
from datetime import datetime
from functools import cached_property

from publicsuffixlist import PublicSuffixList
from sqlalchemy import Connection

from mithaq.exchange.items import item_of
from mithaq.exchange.store import Vetoes
from mithaq.exchange.taxii.reading import Served
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.facts import NO_AGREEMENT
from mithaq.release.model import PERMITTED_ACTIONS, Item, Recipient, Released, Request, Withheld
from mithaq.release.rules import decide
from mithaq.response import store
from mithaq.response.errors import NotBlockable, UnknownNeverBlock
from mithaq.response.formats import plain, rpz, suricata
from mithaq.response.model import BlockEntry, Blocklist, Candidate, ListFormat, NeverBlock, Refusal
from mithaq.response.rules import BLOCKABLE, sort_out
from mithaq.response.settings import BlocklistSettings
from mithaq.standards.observable import Observable, canonical_observable, recognise
from mithaq.standards.stix import StixObject, parse

PUBLISHED = "response.blocklist"
NEVER_CHANGED = "response.never-block.changed"
_PURPOSE = "defence"
BLOCKING = PERMITTED_ACTIONS.index("externally-visible-indirect-actions")
"""What a blocklist does with an object, in the words of IEP 2.0: a blocked adversary can notice it."""
_PAGE = 1_000


class Blocklists:
    """What this nation's sensors, resolvers and firewalls are to block."""

    def __init__(
        self,
        db: Database,
        holdings: Holdings,
        nation: NationId,
        warning_lists: WarningLists,
        settings: BlocklistSettings | None = None,
    ) -> None:
        self._db = db
        self._holdings = holdings
        self._nation = nation
        self._warning_lists = warning_lists
        self._settings = settings or BlocklistSettings()

    def build(
        self, recipient: Recipient, at: datetime, *, action: int = BLOCKING, types: Set[str] = BLOCKABLE
    ) -> Blocklist:
        """Decide about every active indicator for one recipient; the gate is asked about each.

        `action`: what the recipient will do with it, a rank of IEP 2.0; `types`: of which types its list holds values.
        """
        with self._db.read() as connection:
            never, vetoes = store.list_never(connection), Vetoes(connection)
            candidates = [
                candidate
                for stored in self._active(connection, at)
                for candidate in self._candidates(stored, recipient, vetoes, at, action)
            ]
        entries, refused = sort_out(candidates, never, self._settings, at, types)
        return Blocklist(str(recipient), at, entries, refused, never)

    def of_served(self, recipient: str, served: Iterable[Served], at: datetime) -> Blocklist:
        """Decide about indicators that a shelf's reader has released to a constituent at this instant.

        `recipient` names the list; no object that was withheld appears in it, as an entry or as a refusal.
        """
        with self._db.read() as connection:
            never = store.list_never(connection)
        candidates = (
            candidate
            for each in served
            for candidate in self._candidates_of(parse(each.body), ACTUAL, each.released, stands=True)
        )
        entries, refused = sort_out(candidates, never, self._settings, at)
        return Blocklist(recipient, at, entries, refused, never)

    @property
    def settings(self) -> BlocklistSettings:
        """Return the limits of these lists."""
        return self._settings

    def publish(self, blocklist: Blocklist, list_format: ListFormat, by: str, at: datetime) -> bytes:
        """Write a blocklist in a format; the serial grows when, and only when, the content changed."""
        draft = self._render(blocklist, list_format, serial=0)
        with self._db.write(at) as tx:
            serial, is_new = store.next_serial(tx, blocklist.recipient, list_format.value, draft)
            if is_new:
                detail = {"format": list_format.value, "serial": serial, "entries": len(blocklist.entries)}
                tx.append(PUBLISHED, subject=blocklist.recipient, lane=ACTUAL, actor=by, detail=detail)
        return self._render(blocklist, list_format, serial)

    def why(self, value: str, recipient: Recipient, at: datetime) -> list[BlockEntry | Refusal]:
        """Say for each object that names a value whether it is blocked because of it, or all reasons why not.

        Raises:
            NotBlockable: the value is nothing that an indicator could name.
        """
        observable = _blockable(value)
        with self._db.read() as connection:
            never, vetoes = store.list_never(connection), Vetoes(connection)
            rows = self._holdings.known(connection, [observable], ACTUAL).get(observable, [])
            found = self._holdings.rows(connection, rows)
        candidates = [
            candidate
            for stored in found
            for candidate in self._candidates(stored, recipient, vetoes, at)
            if candidate.observable == observable
        ]
        entries, refused = sort_out(candidates, never, self._settings, at)
        return [*entries, *refused]

    def never_list(self) -> tuple[NeverBlock, ...]:
        """Return what this nation never blocks."""
        with self._db.read() as connection:
            return store.list_never(connection)

    def never_add(self, value: str, note: str, by: str, at: datetime) -> NeverBlock:
        """Never block a value, nor anything below or inside it.

        Raises:
            NotBlockable: the value is no address, network, domain or URL.
        """
        entry = NeverBlock(_blockable(value), note, by, at)
        with self._db.write(at) as tx:
            store.add_never(tx, entry)
            _announce(tx, by)
        return entry

    def never_remove(self, value: str, by: str, at: datetime) -> None:
        """Take a value off the never-block list.

        Raises:
            NotBlockable: the value is no address, network, domain or URL.
            UnknownNeverBlock: it is not on the list.
        """
        with self._db.write(at) as tx:
            if not store.remove_never(tx, _blockable(value)):
                raise UnknownNeverBlock("it is not on the never-block list", subject=value[:80])
            _announce(tx, by)

    def _render(self, blocklist: Blocklist, list_format: ListFormat, serial: int) -> bytes:
        settings = self._settings
        match list_format:
            case ListFormat.PLAIN:
                return plain.render(blocklist.entries)
            case ListFormat.RPZ:
                return rpz.render(
                    blocklist.entries,
                    blocklist.never,
                    origin=settings.rpz_origin,
                    serial=serial,
                    ttl_s=settings.rpz_ttl_s,
                )
            case ListFormat.SURICATA:
                return suricata.render(
                    blocklist.entries,
                    action=settings.suricata_action,
                    first_sid=settings.suricata_first_sid,
                )

    def _active(self, connection: Connection, at: datetime) -> Iterator[StoredObject]:
        """Yield what is active; a protected version is for a partner, and here its original counts."""
        page = self._holdings.active_indicators(connection, at, 0, _PAGE)
        while page:
            yield from (stored for stored in page if stored.lane.is_operational and stored.made_for is None)
            page = self._holdings.active_indicators(connection, at, page[-1].row, _PAGE)

    def _candidates(
        self, stored: StoredObject, recipient: Recipient, vetoes: Vetoes, at: datetime, action: int = BLOCKING
    ) -> Iterator[Candidate]:
        request = Request(
            item_of(stored, self._nation),
            self._nation,
            recipient,
            True,
            None,
            _PURPOSE,
            vetoed=vetoes.holds(stored.stix.id, str(recipient)),
            action=action,
        )
        decision = decide(request, at, NO_AGREEMENT)
        yield from self._candidates_of(stored.stix, stored.lane, decision, stands=stored.stands)

    def _candidates_of(
        self, stix: StixObject, lane: Lane, decision: Released[Item] | Withheld, *, stands: bool
    ) -> Iterator[Candidate]:
        for observable in stix.observables:
            yield Candidate(
                object_id=stix.id,
                kind=stix.type,
                observable=observable,
                lane=lane,
                stands=stands,
                revoked=stix.revoked,
                valid_from=stix.valid_from,
                valid_until=stix.valid_until,
                decision=decision,
                warned=self._warning_lists.warned(observable),
                is_public_suffix=observable.type == "domain" and self._suffixes.is_public(observable.value),
            )

    @cached_property
    def _suffixes(self) -> PublicSuffixList:
        return PublicSuffixList()


def _blockable(value: str) -> Observable:
    network = canonical_observable("cidr", value) if "/" in value and "://" not in value else None
    observable = network or recognise(value)
    if observable is None:
        raise NotBlockable("this is no address, network, domain or URL", subject=value[:80])
    return observable


def _announce(tx: Transaction, by: str) -> None:
    tx.append(NEVER_CHANGED, subject="never-block", lane=ACTUAL, actor=by, detail={})
