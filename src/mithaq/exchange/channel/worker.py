"""Keep the channel to every trusted partner open: fetch, take, post; each partner in threads of its own."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mithaq.exchange.channel.acquaintance import Acquaintance
from mithaq.exchange.channel.client import PartnerClient
from mithaq.exchange.context import Context
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.errors import PartnerRefused, PartnerUnreachable
from mithaq.exchange.frame import Unverified
from mithaq.exchange.letters import Letters
from mithaq.exchange.owed import Owed
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.settings import FIRST_RETRY_S, LONGEST_RETRY_S, MAX_FRAMES_PER_RESPONSE, WAIT_S
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.wake import WakeListener

_log = logging.getLogger(__name__)
_RECOVERY_S = 5.0
_PROOF_RETRY_S = 30.0
_PROOF_REST_S = 2.0
"""How long proofs gather after a receipt: one checkpoint, cosigned once, then covers all of them."""

_PARTNERS_CHANGED = ("nations.card", "nations.standing", "nations.removed")
_TO_POST = ("exchange.admitted", "exchange.quarantined", "exchange.letter", "exchange.duty")


@dataclass(frozen=True, slots=True)
class _Link:
    """One partner at one address."""

    nation: NationId
    address: str


class ChannelWorker:
    """Run one channel for each trusted partner that publishes an address."""

    def __init__(
        self,
        context: Context,
        clock: Clock,
        run_dir: Path,
        stop: threading.Event,
        card: Callable[[], bytes] | None = None,
    ) -> None:
        self._context = context
        self._card = card
        self._clock = clock
        self._run_dir = run_dir
        self._stop = stop
        self._channels: dict[_Link, _Channel] = {}

    def run(self) -> None:
        """Start and stop channels as partners come and go, until stopped."""
        with WakeListener(self._run_dir, "channels", _PARTNERS_CHANGED) as listener:
            while not self._stop.is_set():
                try:
                    self._adjust()
                except (Error, SQLAlchemyError) as error:
                    _log.error("the channels cannot be looked up: %s", error)
                listener.wait(_RECOVERY_S)
        for channel in self._channels.values():
            channel.stop.set()

    def _adjust(self) -> None:
        with self._context.db.read() as connection:
            partners = self._context.partners.all(connection)
        wanted = {
            _Link(partner.nation, partner.card.addresses[0])
            for partner in partners
            if partner.is_trusted and partner.card.addresses
        }
        for link in self._channels.keys() - wanted:
            self._channels.pop(link).stop.set()
        for link in wanted - self._channels.keys():
            self._channels[link] = _Channel(self._context, self._clock, self._run_dir, link, self._card)
            self._channels[link].start()


class _Channel:
    """The two loops of one partner: fetching its releases, and posting receipts and letters to it."""

    def __init__(
        self, context: Context, clock: Clock, run_dir: Path, link: _Link, card: Callable[[], bytes] | None
    ) -> None:
        self._context = context
        self._acquaintance = Acquaintance(context, clock, link.nation, card)
        self._clock = clock
        self._run_dir = run_dir
        self._link = link
        self._receiving = Receiving(context)
        self._receipts = Receipts(context)
        self._owed = Owed(context)
        self._letters = Letters(context)
        self._unproven: dict[int, float] = {}
        self._proofs_at = 0.0
        self._attestations = Attestations(context)
        self.stop = threading.Event()

    def start(self) -> None:
        """Start both loops."""
        for loop in (self._fetch_loop, self._post_loop):
            threading.Thread(target=loop, name=f"{loop.__name__}-{self._link.nation}", daemon=True).start()

    def _client(self) -> PartnerClient:
        return PartnerClient(
            self._context.own, self._link.nation, self._link.address, self._context.signer, self._clock
        )

    def _fetch_loop(self) -> None:
        self._again_and_again(self._fetch_once, self._say)

    def _again_and_again(self, step: Callable[[PartnerClient], None], say: Callable[[Error], None]) -> None:
        """Repeat a step until stopped; after a failure wait, longer each time."""
        client, retry_s = self._client(), FIRST_RETRY_S
        while not self.stop.is_set():
            try:
                step(client)
                retry_s = FIRST_RETRY_S
                continue
            except Error as error:
                say(error)
            except Exception:  # noqa: BLE001 - a thread's outermost frame: no odd answer ends a channel for good
                _log.exception("channel %s", self._link.nation)
            self.stop.wait(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)
        client.close()

    def _fetch_once(self, client: PartnerClient) -> None:
        frames = self._acquaintance.fetch(client, self._receiving.cursor(self._link.nation), WAIT_S)
        for frame in frames:
            self._receiving.take(self._link.nation, frame, self._clock.now())
        self._receiving.note_trouble(self._link.nation, None, self._clock.now())

    def _say(self, error: Error) -> None:
        level = logging.INFO if isinstance(error, PartnerUnreachable) else logging.WARNING
        _log.log(level, "channel %s: %s %s", self._link.nation, error, error.private)
        try:
            self._receiving.note_trouble(self._link.nation, error, self._clock.now())
        except Error as second:
            _log.warning("channel %s: %s", self._link.nation, second)

    def _post_loop(self) -> None:
        with WakeListener(self._run_dir, f"receipts-{self._link.nation}", _TO_POST) as listener:

            def step(client: PartnerClient) -> None:
                now = time.monotonic()
                if self._deliver(client):
                    self._proofs_at = self._proofs_at if self._proofs_at > now else now + _PROOF_REST_S
                elif now < self._proofs_at:
                    listener.wait(self._proofs_at - now)
                elif not self._ask_for_proofs(client):
                    listener.wait(_RECOVERY_S)

            self._again_and_again(step, lambda error: _log.info("post to %s: %s", self._link.nation, error))

    def _ask_for_proofs(self, client: PartnerClient) -> int:
        """Ask for what the partner still owes, many numbers at once; return how many proofs came and hold.

        A number without a proof is asked for again later: who proves nothing delays no receipt.
        """
        now = time.monotonic()
        due = [each for each in self._owed.due(self._link.nation) if self._unproven.get(each, now) <= now]
        if not due:
            return 0
        due = [each for each in due if each < due[0] + MAX_FRAMES_PER_RESPONSE]
        self._unproven.update(dict.fromkeys(due, now + _PROOF_RETRY_S))
        try:
            frames = client.fetch_proofs(due[0], due[-1])
        except Error as error:  # they stay owed, and the ledger says so
            _log.info("proofs of %s %s: %s", self._link.nation, due, error)
            return 0
        return sum(self._take_proof(frame) for frame in frames if frame.header.sequence in due)

    def _take_proof(self, frame: Unverified) -> bool:
        sequence = frame.header.sequence
        try:
            self._owed.take(self._link.nation, sequence, frame, self._clock.now())
        except Error as error:
            _log.info("proof of %s %s: %s", self._link.nation, sequence, error)
            return False
        self._unproven.pop(sequence, None)
        return True

    def _deliver(self, client: PartnerClient) -> int:
        due = self._receipts.due(self._link.nation)
        for receipt in due:
            client.send_receipt(self._receipts.signed(receipt))
            self._receipts.delivered(receipt, self._clock.now())
        return len(due) + self._post(client) + self._attest(client)

    def _attest(self, client: PartnerClient) -> int:
        """Post attestations; one that is refused waits for the next round and holds up no receipt."""
        taken = 0
        for row, envelope in self._attestations.due(self._link.nation):
            try:
                client.send_attestation(envelope)
            except PartnerRefused as error:
                _log.warning("attestation to %s: %s", self._link.nation, error)
                break
            self._attestations.delivered(row, self._clock.now())
            taken += 1
        return taken

    def _post(self, client: PartnerClient) -> int:
        """Post what waits; a refusal holds up that letter alone."""
        due = self._letters.due(self._link.nation, self._clock.now())
        for letter in due:
            try:
                client.send_letter(letter.envelope)
            except PartnerRefused as error:
                self._letters.refused(letter, error, self._clock.now())
                _log.warning("letter to %s: %s", self._link.nation, error)
            else:
                self._letters.delivered(letter, self._clock.now())
        return len(due)
