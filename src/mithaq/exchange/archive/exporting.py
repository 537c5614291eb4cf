"""Write what is due to a partner into a file, judged at this instant, numbered, logged and sealed as on the channel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from mithaq.exchange.archive import store
from mithaq.exchange.archive.errors import NotExchanging
from mithaq.exchange.archive.format import INFO, MANIFEST_TYPE, Header, Manifest, Part, digest, joined, written
from mithaq.exchange.archive.settings import MAX_EXPORT_BYTES, MAX_FRAMES, MAX_RECEIPTS, ROOM_FOR_PAPERS_BYTES
from mithaq.exchange.context import Context
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.errors import NotProven
from mithaq.exchange.frame import split_frames
from mithaq.exchange.letters import Letters
from mithaq.exchange.owed import Owed
from mithaq.exchange.proving import Proving, must_wait
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.exchange.settings import MAX_FRAMES_PER_RESPONSE
from mithaq.kernel import sealing
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.tlog.errors import BadProof
from mithaq.nations.keys.authority import demand_authorised
from mithaq.nations.model import Partner
from mithaq.standards.tlp import Tlp


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into an archive.

    `more`: something waits still, for witnesses or for room. `seal_was_due`: when the sealing key on the partner's card
    gave way to another, if it did: the partner may have destroyed it, and a newer card is needed.
    """

    nation: NationId
    after: int
    last: int
    releases: int
    proofs: int
    receipts: int
    letters: int
    attestations: int
    more: bool
    seal_was_due: datetime | None


class Exporting:
    """The sender's half."""

    def __init__(self, context: Context, card: Callable[[], bytes]) -> None:
        self._context = context
        self._card = card
        self._sending = Sending(context)
        self._proving = Proving(context)
        self._receipts = Receipts(context)
        self._letters = Letters(context)
        self._attestations = Attestations(context)

    def archive(self, nation: NationId, at: datetime) -> tuple[bytes, Exported]:
        """Return the archive for a partner, and what is in it.

        It holds every release after the last that the partner confirmed, so that a lost archive costs nothing: the next
        one holds the same again.

        Raises:
            UnknownPartner: there is no card of that nation.
            NotExchanging: it is not trusted, or suspended.
            KeysExpired: its root officials do not authorise the key on its card, or no longer.
            OutOfSequence: the partner confirmed more than it was ever sent.
        """
        partner = trusted(self._context, nation, at)
        with self._context.db.read() as connection:
            after = store.confirmed(connection, nation)
            took, wanted = store.remembered(connection, nation)
            receipted = store.receipted(connection, nation)
        frames, last = self._frames(nation, after, at)
        proofs = list(self._proofs(nation, {*range(after + 1, last + 1), *wanted}, at))
        parts: list[Part] = [*((b"F", each) for each in frames), *((b"Q", each) for each in proofs)]
        papers = list(self._papers(nation, at))
        manifest = Manifest(
            sender=self._context.own,
            recipient=nation,
            at=at,
            taken=Receiving(self._context).cursor(nation),
            receipted=receipted,
            owed=tuple(Owed(self._context).due(nation)),
            took=took,
            parts=tuple(digest(kind + body) for kind, body in parts),
            papers=digest(joined(papers)),
        )
        file = self._sealed(partner, manifest, papers, parts)
        count = {kind: sum(each == kind for each, _ in papers) for kind in (b"R", b"L", b"A")}
        more = self._sending.waiting(nation, last, at)
        due = partner.card.seal_expires_at
        done = Exported(
            nation=nation,
            after=after,
            last=last,
            releases=len(frames),
            proofs=len(proofs),
            receipts=count[b"R"],
            letters=count[b"L"],
            attestations=count[b"A"],
            more=more,
            seal_was_due=due if at >= due else None,
        )
        with self._context.db.write(at) as tx:
            detail = {"direction": "out", "partner": nation, "after": after, "last": last}
            tx.append(
                "exchange.archive", subject=hashlib.sha256(file).hexdigest(), lane=ACTUAL, actor="node", detail=detail
            )
        return file, done

    def _frames(self, nation: NationId, after: int, at: datetime) -> tuple[list[bytes], int]:
        """Return the frames after a number, those that were sent before judged again, and the last one's number."""
        frames: list[bytes] = []
        size = 0
        while size < MAX_EXPORT_BYTES and len(frames) < MAX_FRAMES - MAX_FRAMES_PER_RESPONSE:
            got = [each for each in self._sending.frames(nation, after, at) if each]
            if not got:
                break
            frames += got
            size += sum(map(len, got))
            after = split_frames(got[-1])[-1].header.sequence
        return frames, after

    def _proofs(self, nation: NationId, sequences: set[int], at: datetime) -> Iterator[bytes]:
        """Return the proofs of releases that go without one, as far as there are any yet."""
        with self._context.db.read() as connection:
            rows = store.unproven(connection, nation, sequences)
        due = sorted(
            each for each, (action, label) in rows.items() if not must_wait(action, Tlp.parse(label) or Tlp.RED)
        )
        for start in range(0, len(due), MAX_FRAMES_PER_RESPONSE):
            some = due[start : start + MAX_FRAMES_PER_RESPONSE]
            try:
                frames = self._proving.later(nation, some[0], some[-1], at)
            except (NotProven, BadProof):
                continue
            yield from (each for each in frames if split_frames(each)[0].header.sequence in some)

    def _papers(self, nation: NationId, at: datetime) -> Iterator[Part]:
        """Return the card, and what would be posted, as far as there is room."""
        room = ROOM_FOR_PAPERS_BYTES
        for kind, body in self._to_post(nation, at):
            room -= len(body)
            if room < 0:
                return
            yield kind, body

    def _to_post(self, nation: NationId, at: datetime) -> Iterator[Part]:
        card = self._card()
        if card:
            yield b"C", card
        for receipt in self._receipts.due(nation, limit=MAX_RECEIPTS):
            yield b"R", self._receipts.signed(receipt)
        for letter in self._letters.due(nation, at):
            yield b"L", letter.envelope
        for _, envelope in self._attestations.due(nation):
            yield b"A", envelope

    def _sealed(self, partner: Partner, manifest: Manifest, papers: list[Part], parts: list[Part]) -> bytes:
        signed = self._context.signer.sign(MANIFEST_TYPE, manifest.encode())
        key = partner.card.seal_key
        header = Header(self._context.own, partner.nation, key.key_id)
        sealed = sealing.seal(joined([(b"M", signed), *papers]), key, INFO + header.encode())
        return written(header, sealed, parts)


def trusted(context: Context, nation: NationId, at: datetime) -> Partner:
    """Return a partner with whom something may be exchanged now.

    Raises:
        UnknownPartner, NotExchanging, KeysExpired: there is none of that name, or nothing may be.
    """
    with context.db.read() as connection:
        partner = context.partners.get(connection, nation)
    if not partner.is_trusted:
        raise NotExchanging("nothing is exchanged with %(nation)s: it is not trusted, or suspended", nation=nation)
    demand_authorised(partner, at)
    return partner
