"""The originator's consent that a holder passes one version of one object on to one nation, asked for and given.

Both papers are canonical JSON in a DSSE envelope: the holder signs the request, the originator the answer. The answer
travels on with the object, so that the recipient can check it without asking anybody.
"""

from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from mithaq.agreements.terms import Part
from mithaq.agreements.vocabulary import Code, Hash, Instant, Line
from mithaq.exchange.errors import BadLetter
from mithaq.kernel import canonical
from mithaq.kernel.clock import from_rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import VerifyKey, verify

REQUEST_TYPE = "application/vnd.mithaq.consent-request+json"
CONSENT_TYPE = "application/vnd.mithaq.consent+json"
MAX_CONSENT_BYTES = 16 * 1024

Answer = Literal["given", "refused"]


class Passage(Part, frozen=True):
    """What is to be passed on: the SHA-256 names the version, the agreement is the one with the recipient."""

    object: Line
    lane: Line
    digest: Hash
    originator: Code
    holder: Code
    recipient: Code
    agreement: Annotated[str, msgspec.Meta(pattern=r"^agreement--[0-9a-f-]{36}$")]


class ConsentRequest(Part, frozen=True):
    """A holder asks the originator."""

    format_version: Literal[1]
    passage: Passage
    at: Instant


class Consent(Part, frozen=True):
    """The originator's answer; a consent counts until an instant."""

    format_version: Literal[1]
    passage: Passage
    answer: Answer
    at: Instant
    until: Instant


def payload_of(paper: ConsentRequest | Consent) -> bytes:
    """Return the canonical bytes that are signed."""
    return canonical.dumps(msgspec.to_builtins(paper))


def read_request(envelope: bytes, holder: NationId, key: VerifyKey) -> ConsentRequest:
    """Read a request that its holder has signed.

    Raises:
        BadJson, BadSignature: it is not signed by the holder.
        BadLetter: a field is missing or malformed, or it speaks for another nation.
    """
    payload = verify(envelope, key, REQUEST_TYPE, subject=f"consent request of {holder}")
    request = _read(payload, ConsentRequest)
    if request.passage.holder != holder:
        raise BadLetter("%(nation)s asks in the name of another nation", nation=holder)
    return request


def read_consent(envelope: bytes, originator: NationId, key: VerifyKey) -> Consent:
    """Read an answer that the originator has signed.

    Raises:
        BadJson, BadSignature: it is not signed by the originator.
        BadLetter: a field is missing or malformed, or it speaks for another nation.
    """
    payload = verify(envelope, key, CONSENT_TYPE, subject=f"consent of {originator}")
    consent = _read(payload, Consent)
    if consent.passage.originator != originator:
        raise BadLetter("%(nation)s answers in the name of another nation", nation=originator)
    return consent


def permits(consent: Consent, passage: Passage, at: datetime) -> bool:
    """Tell whether an answer lets exactly this pass at an instant."""
    return consent.answer == "given" and consent.passage == passage and at < from_rfc3339(consent.until)


_Paper = TypeVar("_Paper", ConsentRequest, Consent)


def _read(payload: bytes, kind: type[_Paper]) -> _Paper:
    canonical.loads_canonical(payload, max_bytes=MAX_CONSENT_BYTES, subject="consent")
    try:
        paper = msgspec.json.decode(payload, type=kind)
        from_rfc3339(paper.at)
        if isinstance(paper, Consent):
            from_rfc3339(paper.until)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadLetter("not in the vocabulary of consents: %(detail)s", detail=str(error)[:200]) from error
    return paper
