"""The use cases of response: build a blocklist, say why a value is or is not on it, keep the never-block list."""

from collections.abc import Iterable, Iterator, Set
from datetime import datetime
from functools import cached_property

from publicsuffixlist import PublicSuffixList

from mithaq.exchange.inside import Inside
from mithaq.exchange.items import item_of
from mithaq.exchange.taxii.reading import Served
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database, Transaction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import PERMITTED_ACTIONS, Item, Recipient, Released, Withheld
from mithaq.response import store
from mithaq.response.active import Naming, active_pages, naming_of
from mithaq.response.errors import NotBlockable, UnknownNeverBlock
from mithaq.response.formats import plain, rpz, suricata
from mithaq.response.model import BlockEntry, Blocklist, Candidate, ListFormat, NeverBlock, Refusal
from mithaq.response.rules import BLOCKABLE, sort_out
from mithaq.response.settings import BlocklistSettings
from mithaq.standards.observable import Observable, canonical_observable, recognise
from mithaq.standards.stix import parse

PUBLISHED = "response.blocklist"
NEVER_CHANGED = "response.never-block.changed"
_PURPOSE = "defence"
BLOCKING = PERMITTED_ACTIONS.index("externally-visible-indirect-actions")
"""What a blocklist does with an object, in the words of IEP 2.0: a blocked adversary can notice it."""


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
            never, gate = store.list_never(connection), Inside(connection, self._nation, at)
            candidates = [
                candidate
                for page in active_pages(connection, self._nation, at)
                for each, decision in zip(
                    page, gate.decide([each.item for each in page], recipient, _PURPOSE, action), strict=True
                )
                for candidate in self._candidates(each, decision)
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
            for candidate in self._candidates(naming_of(each.released.value, parse(each.body)), each.released)
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
            never, gate = store.list_never(connection), Inside(connection, self._nation, at)
            rows = self._holdings.known(connection, [observable], ACTUAL).get(observable, [])
            found = self._holdings.rows(connection, rows)
        items = [item_of(stored, self._nation) for stored in found]
        candidates = [
            candidate
            for stored, item, decision in zip(
                found, items, gate.decide(items, recipient, _PURPOSE, BLOCKING), strict=True
            )
            for candidate in self._candidates(naming_of(item, stored.stix), decision)
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

    def _candidates(self, naming: Naming, decision: Released[Item] | Withheld) -> Iterator[Candidate]:
        item = naming.item
        for observable in naming.observables:
            yield Candidate(
                object_id=item.id,
                kind=item.kind,
                observable=observable,
                lane=item.lane,
                stands=not item.is_withdrawn,
                revoked=naming.revoked,
                valid_from=naming.valid_from,
                valid_until=naming.valid_until,
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
