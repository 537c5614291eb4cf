"""A nation whose partners' logs contradict: a key was swapped, a log shows two histories, another was not continued."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from mithaq.exchange.errors import PartnerUnreachable
from mithaq.exchange.membership.record import KeyRecord, encode
from mithaq.exchange.membership.shown import Source
from mithaq.exchange.membership.watching import Watching
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, sign_checkpoint
from mithaq.kernel.tlog.tiles import Tile
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from mithaq.kernel.tlog.witness import Request
from mithaq.nations.model import Partner
from mithaq.nations.names import LogName
from tests.country import Country
from tests.unit.exchange.membership.parties import Lying, entries_of, publish_first, treaty_of
from tests.world import XA, XB, XC, keys_of

OLD_LOG = LogName(XB, 2025)


def key_record(at: datetime, nation: str, number: int, digit: str) -> bytes:
    """A leaf about a key statement whose text is like no other."""
    said = "2026-11-20T12:00:00.000Z"
    return encode(KeyRecord(1, treaty_of(at).agreement_id, digit * 64, said, nation, number, "a" * 64, [], [], said))


class Unreachable:
    """A node that does not answer."""

    def __init__(self, nation: NationId) -> None:
        self._nation = nation

    def checkpoint(self) -> bytes:
        raise PartnerUnreachable("the node of %(nation)s does not answer", nation=self._nation)

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        raise AssertionError((origin, bundle))


def contradict(countries: list[Country], at: datetime) -> None:
    """Let the first of three nations find out about the other two."""
    a, b, c = countries
    with a.db.read() as connection:
        spoken = a.context.partners.statement_history(connection, a.nation)
    if not spoken:
        publish_first(a, at)
    for country in 2 * countries:  # whose log began first is shown it again
        country.log_membership(at)
    swapped = (*entries_of(b, at), key_record(at, XA, 1, "f"), key_record(at, XC, 2, "e"))
    ahead = (*entries_of(c, at), key_record(at, XC, 2, "d"))
    shown = {XB: Lying(at, swapped), XC: Lying(at, ahead, nation=XC, signer=XC)}

    def opened(partner: Partner, agreement_id: str) -> AbstractContextManager[Source]:
        answers = agreement_id == treaty_of(at).agreement_id
        return nullcontext(shown[partner.nation] if answers else Unreachable(partner.nation))

    Watching(a.context, opened).step(at)
    two_histories(a, at)


def two_histories(a: Country, at: datetime) -> None:
    """XB shows two roots of one size, then a longer log that does not continue the first."""
    key = NoteKey(OLD_LOG.origin, KeyType.ED25519, keys_of(XB).log_ed25519)
    for size, digit in ((3, 1), (3, 2), (5, 3)):
        note = sign_checkpoint(Checkpoint(OLD_LOG.origin, size, bytes([digit]) * 32), key)
        a.witness.add_checkpoint(Request(0 if digit == 1 else 3, (), note).encode(), at, XB)
