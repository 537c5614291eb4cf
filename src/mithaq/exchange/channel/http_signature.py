"""Requests between nations are signed by the nation's key (RFC 9421, Ed25519), whatever TLS does.

The tag names the recipient, so that a request to one nation cannot be replayed to another; the nonce is remembered for
the length of the window, so that it cannot be replayed to the same one.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)

from mithaq.exchange.errors import BadRequestSignature, ClockSkew
from mithaq.exchange.settings import PROTOCOL_VERSION, SIGNATURE_WINDOW_S
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Signer, VerifyKey

_COVERED = ("@method", "@path", "@query")
_MAX_NONCES = 100_000
_ORIGIN = "http://partner.invalid"


@dataclass(slots=True)
class _Message:
    """What the library reads of a request: only path and query of the address are signed."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def _tag(recipient: NationId) -> str:
    return f"mithaq-partner/{PROTOCOL_VERSION}:{recipient}"


def sign_request(
    signer: Signer, *, sender: NationId, recipient: NationId, method: str, target: str, body: bytes, at: datetime
) -> dict[str, str]:
    """Return the headers that sign a request; `target` is path and query."""
    message = _Message(method, _ORIGIN + target)
    library = HTTPMessageSigner(signature_algorithm=algorithms.ED25519)
    prepared = library.prepare(
        message,
        key_id=sender,
        created=at,
        nonce=secrets.token_urlsafe(16),
        label="mithaq",
        tag=_tag(recipient),
        covered_component_ids=_COVERED,
        body=body,
    )
    library.apply(message, prepared, signer.sign_request(prepared.signature_base))
    return message.headers


class _WindowedVerifier(HTTPMessageVerifier):
    """The library's verifier, with the instant as an argument and a refusal that names the skew."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], at: datetime) -> None:
        super().__init__(
            signature_algorithm=algorithms.ED25519,
            key_resolver=MappingKeyResolver(public_keys=dict(keys), private_keys={}),
        )
        self._at = at

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:
        """Refuse a request made more than the window before or after this node's instant."""
        del max_age
        created = sig_input.params.get("created")
        if type(created) is not int:
            raise BadRequestSignature("the signature does not say when it was made")
        skew = int((datetime.fromtimestamp(created, UTC) - self._at).total_seconds())
        if abs(skew) > SIGNATURE_WINDOW_S:
            raise ClockSkew(
                "the clocks differ by %(skew)s seconds, more than the %(window)s that are allowed; "
                "compare both nodes' time sources",
                skew=skew,
                window=SIGNATURE_WINDOW_S,
            )


class RequestVerifier:
    """Tell which nation made a request; remembers nonces for the length of the window."""

    def __init__(self, own: NationId) -> None:
        self._own = own
        self._nonces: OrderedDict[str, datetime] = OrderedDict()

    def nation_of(
        self,
        *,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        keys: Mapping[NationId, VerifyKey],
        at: datetime,
    ) -> NationId:
        """Return the nation whose key signed this request.

        Raises:
            BadRequestSignature: not signed, signed for another nation, by an unknown key, or seen before.
            ClockSkew: made too long before or after this node's instant.
        """
        public = {str(nation): Ed25519PublicKey.from_public_bytes(key.ed25519) for nation, key in keys.items()}
        message = _Message(method, _ORIGIN + target, dict(headers))
        try:
            (result,) = _WindowedVerifier(public, at).verify(
                message, max_age=None, expect_tag=_tag(self._own), require_components=_COVERED, body=body
            )
        except (HTTPMessageSignaturesException, ValueError) as error:
            raise BadRequestSignature(
                "the request is not signed by a partner of this nation", private=str(error)
            ) from error
        nation = NationId(str(result.parameters["keyid"]))
        self._remember(f"{nation} {result.nonce}", at)
        return nation

    def _remember(self, nonce: str, at: datetime) -> None:
        limit = at - timedelta(seconds=2 * SIGNATURE_WINDOW_S)
        while self._nonces and (len(self._nonces) > _MAX_NONCES or next(iter(self._nonces.values())) < limit):
            self._nonces.popitem(last=False)
        if nonce in self._nonces:
            raise BadRequestSignature("the request was made before and is repeated")
        self._nonces[nonce] = at
