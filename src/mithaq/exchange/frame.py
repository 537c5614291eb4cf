"""A release on the wire: a clear header and the sealed envelope, bound to each other.

A response is a row of frames. Each frame is two parts, each with four bytes of length: the canonical JSON header,
then the HPKE ciphertext. The header is the HPKE `info`, so that a changed header opens nothing. The plaintext is the
DSSE envelope after four bytes of its length, then the proof that it was logged, nothing where that follows later.

Format 2. Format 1 had no room for a proof and is refused.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from mithaq.exchange.errors import BadFrame
from mithaq.exchange.settings import MAX_FRAME_BYTES, MAX_FRAMES_PER_RESPONSE
from mithaq.kernel import canonical, sealing
from mithaq.kernel.ids import NationId
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import Signer
from mithaq.nations.errors import BadCard
from mithaq.nations.rules import nation_code

FRAMES_TYPE = "application/vnd.mithaq.frames"
FORMAT = 2
_INFO = b"mithaq/release/2\0"
_MAX_HEADER = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """Who seals what number to whom, with which key."""

    sender: NationId
    recipient: NationId
    sequence: int
    key_id: str

    def encode(self) -> bytes:
        """Return the canonical bytes, which are also the sealing context."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "suite": sealing.SUITE_ID,
                "sender": self.sender,
                "recipient": self.recipient,
                "sequence": self.sequence,
                "key_id": self.key_id,
            }
        )


@dataclass(frozen=True, slots=True)
class Unverified:
    """A frame as it came: nothing in it is believed yet."""

    header: Header
    header_bytes: bytes
    sealed: bytes

    def open(self, signer: Signer) -> tuple[bytes, bytes]:
        """Return the DSSE envelope inside, and the proof that came with it.

        Raises:
            BadSeal: it was sealed to somebody else, or header or body were changed.
            BadFrame: the plaintext is cut off.
        """
        plaintext = signer.open_sealed(self.sealed, _INFO + self.header_bytes)
        envelope, position = _part(plaintext, 0, MAX_FRAME_BYTES)
        return envelope, plaintext[position:]


def seal_frame(
    envelope: bytes, proof: bytes, sender: NationId, recipient: NationId, sequence: int, key: SealKey
) -> bytes:
    """Seal a signed release, and the proof that it was logged, to its recipient and return the frame."""
    header = Header(sender, recipient, sequence, key.key_id).encode()
    sealed = sealing.seal(struct.pack(">I", len(envelope)) + envelope + proof, key, _INFO + header)
    return struct.pack(">I", len(header)) + header + struct.pack(">I", len(sealed)) + sealed


def split_frames(body: bytes) -> Sequence[Unverified]:
    """Split a response into frames.

    Raises:
        BadFrame: a part is cut off or over its limit, or a header is malformed.
        BadJson: a header is not canonical JSON.
    """
    frames = []
    position = 0
    while position < len(body):
        header, position = _part(body, position, _MAX_HEADER)
        sealed, position = _part(body, position, MAX_FRAME_BYTES)
        frames.append(Unverified(_read_header(header), header, sealed))
        if len(frames) > MAX_FRAMES_PER_RESPONSE:
            raise BadFrame("more frames than a response may carry")
    return frames


def _part(body: bytes, position: int, limit: int) -> tuple[bytes, int]:
    start = position + 4
    if start > len(body):
        raise BadFrame("the transfer was cut off")
    (length,) = struct.unpack(">I", body[position:start])
    if length > limit:
        raise BadFrame("a part of %(length)s bytes is over the limit of %(limit)s", length=length, limit=limit)
    if start + length > len(body):
        raise BadFrame("the transfer was cut off")
    return body[start : start + length], start + length


def _read_header(data: bytes) -> Header:
    value = canonical.loads_canonical(data, max_bytes=_MAX_HEADER, subject="frame header")
    try:
        if value["format_version"] != FORMAT:
            found = str(value["format_version"])[:20]
            raise BadFrame("frame format %(found)s is not read here, this node reads format 2", found=found)
        if value["suite"] != sealing.SUITE_ID:
            raise BadFrame("sealed with %(found)s, which is not accepted", found=str(value["suite"])[:80])
        if not isinstance(value["sequence"], int):
            raise BadFrame("the sequence is no number")
        sender, recipient = nation_code(value["sender"]), nation_code(value["recipient"])
        return Header(sender, recipient, value["sequence"], str(value["key_id"]))
    except BadCard as error:
        raise BadFrame("a frame between nations that are none") from error
    except (KeyError, TypeError) as error:
        raise BadFrame("a field of the header is missing: %(detail)s", detail=str(error)[:40]) from error
