"""The two encodings that every file of a log uses, read in their one canonical form.

Source: c2sp.org/tlog-checkpoint (decimals without leading zeroes), RFC 4648 §4 and §3.5 (base64, pad bits zero).
"""

import base64
import binascii
import re

from mithaq.kernel.tlog.errors import BadNote

MAX_COUNT = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
HASH_BYTES = 32


def decimal(text: str) -> int:
    """Read an ASCII decimal of at most 63 bits: no sign, no leading zero, no digits of other scripts.

    Raises:
        BadNote: it is none.

    >>> decimal("70560")
    70560
    """
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > MAX_COUNT:
        raise BadNote("%(text)s is no decimal number of a log", text=ascii(text[:40]))
    return number


def encode(data: bytes) -> str:
    """Return base64 of the standard alphabet."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Read base64 that encodes exactly as it was written.

    Raises:
        BadNote: other characters, missing padding, or pad bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("%(text)s is no base64", text=ascii(text[:40])) from error
    if encode(data) != text:
        raise BadNote("%(text)s is no canonical base64", text=ascii(text[:40]))
    return data


def decode_hash(text: str) -> bytes:
    """Read one SHA-256 hash.

    Raises:
        BadNote: it is no canonical base64 of 32 bytes.
    """
    data = decode(text)
    if len(data) != HASH_BYTES:
        raise BadNote("a hash of %(length)s bytes, not 32", length=len(data))
    return data
