"""Take a partner's archive: whole or not at all, then each release as the channel takes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mithaq.exchange.archive import store
from mithaq.exchange.archive.errors import BadArchive
from mithaq.exchange.archive.exporting import trusted
from mithaq.exchange.archive.format import (
    INFO,
    MANIFEST_TYPE,
    Manifest,
    Part,
    Split,
    digest,
    joined,
    read_manifest,
    split_archive,
    split_papers,
)
from mithaq.exchange.consents import Consents, takers
from mithaq.exchange.context import Context
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.frame import split_frames
from mithaq.exchange.letters import Letters
from mithaq.exchange.owed import Owed
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.exchange.settings import SIGNATURE_WINDOW_S
from mithaq.exchange.store import set_channel
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.kernel.signing import verify
from mithaq.nations.keys.card_file import card_tag, is_newer, split_card_file, tag_of_file
from mithaq.nations.rules import MAX_CARD_FILE_BYTES, read_card

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Imported:
    """What an archive came to.

    `again`: when this very file was imported before. `is_old`: a newer one was imported already, so that what it
    confirms is not believed any more. `outcomes`: number and outcome of each release, `known` for one that was taken
    before. `stopped`: why the releases after them could not be taken. `refused`: papers that were not taken, and why.
    """

    nation: NationId
    at: datetime
    again: datetime | None
    is_old: bool
    outcomes: list[tuple[int, str]] = field(default_factory=list)
    stopped: Reason | None = None
    refused: list[tuple[str, Reason]] = field(default_factory=list)
    proofs: int = 0
    receipts: int = 0
    letters: int = 0
    attestations: int = 0

    @property
    def taken(self) -> int:
        """Return how many releases were taken that were not known."""
        return sum(outcome != "known" for _, outcome in self.outcomes)


class Importing:
    """The recipient's half."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sending = Sending(context)
        self._receiving = Receiving(context)
        self._owed = Owed(context)
        self._receipts = Receipts(context)
        self._letters = Letters(context, takers(Consents(context)))
        self._attestations = Attestations(context)

    def take(self, file: bytes, at: datetime) -> Imported:
        """Verify an archive, and take what is in it.

        Nothing of it is taken unless the whole is as its sender signed it. Every release then passes what it would pass
        on the channel, in order; where a number is missing it ends, and the archive may be imported again once
        the one before it is there.

        Raises:
            BadArchive, BadJson, BadSeal, BadSignature: it is not what a partner sent to this nation.
            UnknownPartner, NotExchanging, KeysExpired: nothing is exchanged with its sender now.
        """
        split = split_archive(file)
        manifest, papers = self._verified(split, at)
        nation, name = manifest.sender, digest(file)
        with self._context.db.read() as connection:
            known = store.before(connection, nation, name)
        done = Imported(nation, manifest.at, known.imported_at, known.newest is not None and manifest.at < known.newest)
        self._take_releases(done, [body for kind, body in split.parts if kind == b"F"], at)
        self._take_proofs(done, [body for kind, body in split.parts if kind == b"Q"], at)
        took = self._take_papers(done, papers, at)
        if not done.is_old:
            self._confirm(done, manifest, at)
        with self._context.db.write(at) as tx:
            row = {"digest": name, "at": manifest.at, "imported_at": at, "took": took, "owed": list(manifest.owed)}
            store.keep(tx, nation, row)
            detail = {
                "direction": "in",
                "partner": nation,
                "taken": done.taken,
                "known": len(done.outcomes) - done.taken,
            }
            tx.append("exchange.archive", subject=name, lane=ACTUAL, actor=f"nation:{nation}", detail=detail)
        return done

    def _verified(self, split: Split, at: datetime) -> tuple[Manifest, list[Part]]:
        header, own = split.header, self._context.own
        if header.recipient != own:
            raise BadArchive("it is meant for %(recipient)s, not for this nation", recipient=header.recipient)
        with self._context.db.read() as connection:
            self._context.partners.get(connection, header.sender)
        plaintext = self._context.signer.open_sealed(split.papers, INFO + split.header_bytes)
        envelope, papers = split_papers(plaintext)
        self._take_card(header.sender, papers, at)
        partner = trusted(self._context, header.sender, at)
        subject = f"archive of {header.sender}"
        manifest = read_manifest(verify(envelope, partner.card.verify_key, MANIFEST_TYPE, subject=subject))
        if (manifest.sender, manifest.recipient) != (header.sender, own):
            raise BadArchive("its manifest names other parties than its header")
        if manifest.at > at + timedelta(seconds=SIGNATURE_WINDOW_S):
            skew = int((manifest.at - at).total_seconds())
            raise BadArchive("it is dated %(skew)s seconds ahead of this node's clock", skew=skew)
        if manifest.papers != digest(joined(papers)):
            raise BadArchive("its papers are not those that were signed")
        found = tuple(digest(kind + body) for kind, body in split.parts)
        if manifest.parts != found:
            at_part = next((n for n, (a, b) in enumerate(zip(manifest.parts, found, strict=False), 1) if a != b), 0)
            raise BadArchive("part %(part)s of %(count)s is missing, added or changed", part=at_part or len(found),
                             count=len(manifest.parts))  # fmt: skip
        return manifest, papers

    def _take_card(self, sender: NationId, papers: Sequence[Part], at: datetime) -> None:
        """Take a known partner's newer card: it proves itself, and the manifest may be signed with its key."""
        for kind, body in papers:
            if kind == b"C":
                try:
                    alone, _ = split_card_file(body, max_bytes=MAX_CARD_FILE_BYTES)
                    with self._context.db.read() as connection:
                        known = self._context.partners.get(connection, sender)
                    is_own = read_card(alone, at).nation == sender
                    if is_own and is_newer(tag_of_file(body), card_tag(known.card, known.statement_version)):
                        self._context.partners.add(body, at=at, actor=f"nation:{sender}")
                except Error as error:  # the card that is known stays, and the signature is held against that
                    _log.info("the card in an archive of %s: %s", sender, error)

    def _take_releases(self, done: Imported, bodies: Sequence[bytes], at: datetime) -> None:
        try:
            for body in bodies:
                for frame in split_frames(body):
                    outcome = self._receiving.take(done.nation, frame, at)
                    done.outcomes.append((frame.header.sequence, outcome or "known"))
        except Error as error:
            done.stopped = _reason(error)
            self._receiving.note_trouble(done.nation, error, at)
        else:
            self._receiving.note_trouble(done.nation, None, at)

    def _take_proofs(self, done: Imported, bodies: Sequence[bytes], at: datetime) -> None:
        due = set(self._owed.due(done.nation, limit=len(bodies) + 1))
        for body in bodies:
            try:
                for frame in split_frames(body):
                    if frame.header.sequence in due:
                        self._owed.take(done.nation, frame.header.sequence, frame, at)
                        done.proofs += 1
            except Error as error:
                done.refused.append(("proof", _reason(error)))

    def _take_papers(self, done: Imported, papers: Sequence[Part], at: datetime) -> list[str]:
        """Take receipts, letters and attestations; return the digests of what need not come again."""
        took: list[str] = []
        for kind, body in papers:
            try:
                match kind:
                    case b"R":
                        self._receipts.accept(done.nation, body, at)
                        done.receipts += 1
                    case b"L":
                        self._letters.take(done.nation, body, at)
                        done.letters += 1
                        took.append(digest(body))
                    case b"A":
                        self._attestations.accept(done.nation, body, at)
                        done.attestations += 1
                        took.append(digest(body))
            except Error as error:
                done.refused.append((_NAMES[kind], _reason(error)))
        return took

    def _confirm(self, done: Imported, manifest: Manifest, at: datetime) -> None:
        """Believe what the partner says that it has; a claim to more than it was sent is kept and told."""
        try:
            self._sending.waiting(done.nation, manifest.taken, at)
        except Error as error:
            done.refused.append(("confirmation", _reason(error)))
            return
        attested = set(manifest.took)
        for row, envelope in self._attestations.due(done.nation):
            if digest(envelope) in attested:
                self._attestations.delivered(row, at)
        with self._context.db.write(at) as tx:
            set_channel(tx, done.nation, asked_after=manifest.taken, asked_at=at)
            store.receipts_arrived(tx, done.nation, manifest.receipted)
            store.letters_arrived(tx, done.nation, manifest.took)


_NAMES = {b"R": "receipt", b"L": "letter", b"A": "attestation"}


def _reason(error: Error) -> Reason:
    params: dict[str, Any] = dict(error.params)
    return Reason(error.code, error.message, params)
