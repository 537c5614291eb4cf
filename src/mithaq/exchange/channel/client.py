"""Ask a partner's node: the only place in a node from which a request goes out."""

import time
from collections.abc import Sequence
from datetime import datetime

import httpx

from mithaq.exchange.authorities import trusted
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.errors import BadFrame, PartnerRefused, PartnerUnreachable
from mithaq.exchange.frame import FRAMES_TYPE, Unverified, split_frames
from mithaq.exchange.log.witnessing import Answer
from mithaq.exchange.settings import (
    CARD_HEADER,
    MAX_RESPONSE_BYTES,
    MAX_TAG,
    MIN_BYTES_PER_S,
    PATIENCE_S,
    WITNESS_PATIENCE_S,
)
from mithaq.kernel import canonical
from mithaq.kernel.clock import Clock
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Signer
from mithaq.kernel.tlog.tiles import Tile
from mithaq.nations.model import Partner
from mithaq.nations.rules import MAX_CARD_BYTES, MAX_CARD_FILE_BYTES

_CONNECT_S = 5.0
_AT_ONCE_S = 0.5
_PROBLEM = "application/problem+json"
_MAX_SHOWN = 300


class PartnerClient:
    """Speak to one partner as this nation; holds one connection."""

    def __init__(
        self,
        own: NationId,
        partner: NationId,
        address: str,
        signer: Signer,
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._own = own
        self._partner = partner
        self._address = address
        self._signer = signer
        self._clock = clock
        self._patience_s = patience_s
        self.shown_card = ""
        self._http = _client(_CONNECT_S)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def fetch(self, after: int, wait_s: int, card: str = "") -> Sequence[Unverified]:
        """Return what the partner releases after a sequence number, waiting for news at most `wait_s` seconds.

        `card` names this nation's newest card; `shown_card` is then what the partner says of its own.

        Raises:
            PartnerUnreachable: no answer, or one that breaks off.
            PartnerRefused: the partner's node refused, with its reason.
            BadFrame, BadJson: the answer is no row of frames.
        """
        target = f"/partner/v1/releases?after={after}&wait={wait_s}" + (f"&card={card}" if card else "")
        body = self._ask("GET", target, b"", wait_s=wait_s, media_type=FRAMES_TYPE)
        return split_frames(body)

    def send_card(self, card_file: bytes) -> None:
        """Give the partner this nation's newest card with its statements; they prove themselves.

        Raises:
            PartnerUnreachable, PartnerRefused: it was not taken.
        """
        self._ask("POST", "/partner/v1/card", card_file, wait_s=0, media_type="application/json")

    def fetch_card(self, version: int) -> bytes:
        """Return the partner's card with its statements after a version; nothing in it is believed yet.

        Raises:
            PartnerUnreachable, PartnerRefused: there is none to be had.
        """
        return self._ask("GET", f"/partner/v1/card?after={version}", b"", wait_s=0, media_type="application/json")

    def send_receipt(self, receipt_envelope: bytes) -> None:
        """Give the partner this nation's signed receipt.

        Raises:
            PartnerUnreachable, PartnerRefused: it was not taken; it stays due.
        """
        self._ask("POST", "/partner/v1/receipts", receipt_envelope, wait_s=0, media_type="application/json")

    def fetch_proofs(self, first: int, last: int) -> Sequence[Unverified]:
        """Return sealed proofs of releases that came without one, of those between two numbers that can be had.

        Raises:
            PartnerUnreachable, PartnerRefused: none can be had yet; they stay owed.
            BadFrame, BadJson: the answer is no row of frames.
        """
        target = f"/partner/v1/log/proof?sequence={first}&until={last}"
        return split_frames(self._ask("GET", target, b"", wait_s=0, media_type=FRAMES_TYPE))

    def add_checkpoint(self, request: bytes) -> Answer:
        """Ask the partner to cosign a checkpoint; return its answer, whatever its status.

        Raises:
            PartnerUnreachable: no answer, or one that breaks off.
        """
        response, answer = self._exchange("POST", "/partner/v1/log/add-checkpoint", request, wait_s=0)
        return Answer(response.status_code, answer, _media_type(response))

    def fetch_membership_checkpoint(self, agreement_id: str) -> bytes:
        """Return the checkpoint of the partner's newest membership log of an agreement; nothing is verified yet.

        Raises:
            PartnerUnreachable, PartnerRefused: there is none to be had.
        """
        target = f"/partner/v1/log/checkpoint?agreement={agreement_id}"
        return self._ask("GET", target, b"", wait_s=0, media_type="text/plain")

    def fetch_tile(self, origin: str, tile: Tile) -> bytes:
        """Return a tile or a bundle of entries of one of the partner's logs; nothing is verified yet.

        Raises:
            PartnerUnreachable, PartnerRefused: there is none to be had.
        """
        target = f"/partner/v1/log/tile/{tile.path}?origin={origin}"
        return self._ask("GET", target, b"", wait_s=0, media_type="application/octet-stream")

    def send_letter(self, envelope: bytes) -> None:
        """Give the partner a signed agreement, or a statement about one.

        Raises:
            PartnerUnreachable, PartnerRefused: it was not taken; it stays due.
        """
        self._ask("POST", "/partner/v1/agreements", envelope, wait_s=0, media_type="application/json")

    def send_attestation(self, envelope: bytes) -> None:
        """Give the partner this nation's signed attestation of a deletion or a recall.

        Raises:
            PartnerUnreachable, PartnerRefused: it was not taken; it stays due.
        """
        self._ask("POST", "/partner/v1/attestations", envelope, wait_s=0, media_type="application/json")

    def _ask(self, method: str, target: str, body: bytes, *, wait_s: int, media_type: str) -> bytes:
        response, answer = self._exchange(method, target, body, wait_s=wait_s)
        if response.is_error or response.is_redirect:
            raise PartnerRefused(
                "the node of %(nation)s refused with %(status)s: %(detail)s",
                nation=self._partner,
                status=response.status_code,
                detail=_detail(_media_type(response), answer),
                refusal=_refusal(_media_type(response), answer),
            )
        if _media_type(response) != media_type:
            raise BadFrame("the node of %(nation)s answered in another media type", nation=self._partner)
        return answer

    def _exchange(self, method: str, target: str, body: bytes, *, wait_s: int) -> tuple[httpx.Response, bytes]:
        headers = sign_request(
            self._signer,
            sender=self._own,
            recipient=self._partner,
            method=method,
            target=target,
            body=body,
            at=self._clock.now(),
        )
        patience_s = wait_s + self._patience_s
        timeout = httpx.Timeout(_CONNECT_S, read=patience_s)
        try:
            with self._http.stream(
                method, self._address + target, content=body, headers=headers, timeout=timeout
            ) as response:
                answer = _bounded(response, MAX_RESPONSE_BYTES, patience_s)
                self.shown_card = response.headers.get(CARD_HEADER, "")[:MAX_TAG]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerUnreachable(
                "the node of %(nation)s does not answer", nation=self._partner, private=str(error)
            ) from error
        return response, answer


class WitnessClients:
    """Ask partners for cosignatures, over one connection to each."""

    def __init__(self, own: NationId, signer: Signer, clock: Clock) -> None:
        self._own = own
        self._signer = signer
        self._clock = clock
        self._clients: dict[tuple[NationId, str], PartnerClient] = {}

    def ask(self, partner: Partner, request: bytes, at: datetime) -> Answer:
        """Give a partner a request for its cosignature and return its answer.

        Raises:
            PartnerUnreachable: it publishes no address, or does not answer in time.
        """
        del at
        if not partner.card.addresses:
            raise PartnerUnreachable("the node of %(nation)s does not answer", nation=partner.nation)
        place = (partner.nation, partner.card.addresses[0])
        if place not in self._clients:
            self._clients[place] = PartnerClient(
                self._own, *place, self._signer, self._clock, patience_s=WITNESS_PATIENCE_S
            )
        began = time.monotonic()
        try:
            return self._clients[place].add_checkpoint(request)
        except PartnerUnreachable:
            if time.monotonic() - began > _AT_ONCE_S:
                raise
            return self._clients[place].add_checkpoint(request)  # a kept connection had just been closed

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


def _client(timeout_s: float) -> httpx.Client:
    return httpx.Client(verify=trusted(), trust_env=False, follow_redirects=False, timeout=timeout_s)


def fetch_card(address: str, *, patience_s: float = PATIENCE_S) -> bytes:
    """Fetch a nation's card from its node; nothing in it is believed until its fingerprint was compared.

    Raises:
        PartnerUnreachable, PartnerRefused: there is no card to be had at that address.
    """
    try:
        with (
            _client(min(_CONNECT_S, patience_s)) as http,
            http.stream("GET", f"{address.rstrip('/')}/partner/v1/card") as response,
        ):
            body = _bounded(response, MAX_CARD_FILE_BYTES, patience_s)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PartnerUnreachable("no node answers at %(address)s", address=address[:200], private=str(error)) from error
    if response.status_code != httpx.codes.OK:
        raise PartnerRefused("%(address)s shows no card", address=address[:200])
    return body


def _bounded(response: httpx.Response, limit: int, patience_s: float) -> bytes:
    """Read a body that is neither larger than the limit nor dripped for ever.

    Raises:
        BadFrame: it is larger.
        httpx.ReadTimeout: the patience is over, and since then it comes more slowly than any real link.
    """
    body = bytearray()
    began = time.monotonic()
    for part in response.iter_bytes():
        body += part
        if len(body) > limit:
            raise BadFrame("the answer is over the limit of %(limit)s bytes", limit=limit)
        if (time.monotonic() - began - patience_s) * MIN_BYTES_PER_S > len(body):
            raise httpx.ReadTimeout("the answer drips")
    return bytes(body)


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _refusal(media_type: str, answer: bytes) -> str:
    """Return the stable code of a refusal, where it is a problem document."""
    if media_type != _PROBLEM:
        return ""
    try:
        problem = canonical.loads(answer, max_bytes=MAX_CARD_BYTES)
    except Error:
        return ""
    return str(problem.get("title", ""))[:80] if isinstance(problem, dict) else ""


def _detail(media_type: str, answer: bytes) -> str:
    """Return what a refusal says, as text: its detail where it is a problem document (RFC 9457)."""
    if media_type == _PROBLEM:
        try:
            problem = canonical.loads(answer, max_bytes=MAX_CARD_BYTES)
        except Error:
            problem = None
        match problem:
            case {"detail": str(detail)}:
                return detail[:_MAX_SHOWN]
    return answer[:_MAX_SHOWN].decode("utf-8", "replace")
