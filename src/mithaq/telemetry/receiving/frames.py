"""Messages out of a syslog stream: octet counting and line feeds (RFC 6587 §3.4), told apart message by message.

No I/O. A message beyond the limit is passed over without being kept, however long it is.
"""

from dataclasses import dataclass, field
from typing import Final

_MAX_DIGITS: Final = 10
_DIGITS: Final = frozenset(b"0123456789")
_FIRST: Final = frozenset(b"123456789")


@dataclass(slots=True)
class Frames:
    """What one sender's stream has given so far."""

    max_bytes: int
    _buffer: bytearray = field(default_factory=bytearray)
    _skip: int = 0
    _is_skipping_line: bool = False
    broken: list[str] = field(default_factory=list)
    """Why messages were passed over; taken by the caller."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole now."""
        self._buffer += data
        found: list[bytes] = []
        while self._buffer:
            before = len(self._buffer)
            message = self._next()
            if message:
                found.append(message)
            if len(self._buffer) == before:
                break
        return found

    def end(self) -> list[bytes]:
        """Return the last message of a stream that ended; half a counted one is broken."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._skip or self._is_skipping_line or not rest.strip():
            return []
        if rest[0] in _FIRST and b" " in rest[: _MAX_DIGITS + 1]:
            size = rest.partition(b" ")[0].decode("ascii", "replace")
            self.broken.append(f"half a message: the sender announced {size} bytes and ended before")
            return []
        return [rest]

    def _next(self) -> bytes:
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            return b""
        if self._is_skipping_line:
            self._pass_over_line()
            return b""
        if self._buffer[0] in _FIRST:
            return self._counted()
        return self._line()

    def _counted(self) -> bytes:
        end = self._buffer.find(b" ", 0, _MAX_DIGITS + 1)
        digits = bytes(self._buffer[: end if end >= 0 else _MAX_DIGITS + 1])
        if not _DIGITS.issuperset(digits) or len(digits) > _MAX_DIGITS:
            return self._line()  # no length: a line that begins with a digit
        if end < 0:
            return b""
        size = int(digits)
        if size > self.max_bytes:
            del self._buffer[: end + 1]
            self._skip = size
            self.broken.append(f"a message of {size} bytes is longer than {self.max_bytes}")
            return b""
        if len(self._buffer) < end + 1 + size:
            return b""
        message = bytes(self._buffer[end + 1 : end + 1 + size])
        del self._buffer[: end + 1 + size]
        return message

    def _line(self) -> bytes:
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) > self.max_bytes:
            self._buffer.clear()
            self._is_skipping_line = True
            self.broken.append(f"a message is longer than {self.max_bytes} bytes")
            return b""
        if end < 0:
            return b""
        message = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(message) > self.max_bytes:
            self.broken.append(f"a message is longer than {self.max_bytes} bytes")
            return b""
        return message

    def _pass_over_line(self) -> None:
        end = self._buffer.find(b"\n")
        if end < 0:
            self._buffer.clear()
            return
        del self._buffer[: end + 1]
        self._is_skipping_line = False


def as_line(message: bytes) -> bytes:
    """Return a message as one line; a line feed in it becomes `#012`, as syslog programs write it."""
    return message.rstrip(b"\r\n\0").replace(b"\n", b"#012")
