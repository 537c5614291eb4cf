"""Signed, stateless cursors: any process of a node continues a list that another one began."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from mithaq.kernel.errors import Error

_MAC_BYTES = 16
_ROW_BYTES = 8


class BadCursor(Error):
    """A cursor that this node did not give out for this list."""

    code = "bad-cursor"


class Cursors:
    """Write and read the cursors of a node; the key is drawn once and may be lost without harm."""

    def __init__(self, key_file: Path) -> None:
        self._key = _key(key_file)

    def write(self, of: str, row: int) -> str:
        """Return the cursor that continues a list after a row; `of` names the list with all its filters."""
        place = row.to_bytes(_ROW_BYTES, "big")
        return base64.urlsafe_b64encode(place + self._mac(of, place)).decode()

    def read(self, of: str, cursor: str) -> int:
        """Return the row a cursor stands at.

        Raises:
            BadCursor: it was changed, or belongs to another list or node.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor.encode())
        except ValueError as error:
            raise BadCursor("this cursor was not given out for this list") from error
        place, mac = raw[:_ROW_BYTES], raw[_ROW_BYTES:]
        if len(place) != _ROW_BYTES or not hmac.compare_digest(mac, self._mac(of, place)):
            raise BadCursor("this cursor was not given out for this list")
        return int.from_bytes(place, "big")

    def _mac(self, of: str, place: bytes) -> bytes:
        return hmac.digest(self._key, place + of.encode(), hashlib.sha256)[:_MAC_BYTES]


def _key(file: Path) -> bytes:
    """Return the key in a file, drawing it where there is none; of two that draw, the first stays."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    if not file.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
        try:
            os.link(fresh, file)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_bytes()
