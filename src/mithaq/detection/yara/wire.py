"""What passes between the node and the process that compiles and scans: frames of MessagePack over a socket."""

import socket
from typing import Final

import msgspec

_LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 1 << 30


class Problem(msgspec.Struct, frozen=True):
    """What the compiler says of a rule: the line in its text, and a sentence."""

    line: int
    text: str
    code: str = ""


class Begin(msgspec.Struct, tag=0):
    """Begin a new set of rules."""


class Add(msgspec.Struct, tag=1):
    """Add an object's rules to the set, by a key of their own."""

    key: str
    text: str
    warnings: bool = False


class Build(msgspec.Struct, tag=2):
    """Put the set together."""


class Load(msgspec.Struct, tag=3):
    """Keep a set to scan with, by its number."""

    number: int
    data: bytes


class Drop(msgspec.Struct, tag=4):
    """Forget a set."""

    number: int


class Open(msgspec.Struct, tag=5):
    """Read a file, whose descriptor comes with this."""

    max_bytes: int


class Scan(msgspec.Struct, tag=6):
    """Ask a set of the file that was opened."""

    number: int
    timeout_s: int


Request = Begin | Add | Build | Load | Drop | Open | Scan


class Done(msgspec.Struct, tag=0):
    """It is done."""


class Added(msgspec.Struct, tag=1):
    """What the compiler says of an object's rules; with problems they are not in the set."""

    problems: list[Problem]
    warnings: list[Problem]


class Built(msgspec.Struct, tag=2):
    """A set, ready to be loaded."""

    data: bytes


class Opened(msgspec.Struct, tag=3):
    """A file as it was read; `archive` where what is in it was not unpacked."""

    size: int
    md5: str
    sha1: str
    sha256: str
    archive: str = ""
    too_large: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where a text of a rule lies in a file, and how the file reads there (hexadecimal, a few bytes)."""

    offset: int
    length: int
    hex: str


class Text(msgspec.Struct, frozen=True):
    """A text of a rule that was found; `number` counts the texts of its rule from 0."""

    number: int
    id: str
    count: int
    places: list[Place]


class RuleMatch(msgspec.Struct, frozen=True):
    """A rule that is true of a file; `key` is that of the object it stands in."""

    key: str
    rule: str
    tags: list[str]
    texts: list[Text]


class Scanned(msgspec.Struct, tag=4):
    """What is true of the file; `timed_out` where not all rules were asked."""

    matches: list[RuleMatch]
    timed_out: bool = False
    more: bool = False


Reply = Done | Added | Built | Opened | Scanned

_encoder = msgspec.msgpack.Encoder()
REQUESTS: Final = msgspec.msgpack.Decoder(Request)
REPLIES: Final = msgspec.msgpack.Decoder(Reply)


def send(connection: socket.socket, message: Request | Reply, descriptor: int | None = None) -> None:
    """Send a frame, with a file's descriptor if one is named."""
    body = _encoder.encode(message)
    head = len(body).to_bytes(_LENGTH_BYTES, "big")
    if descriptor is None:
        connection.sendall(head)
    else:
        socket.send_fds(connection, [head], [descriptor])
    connection.sendall(body)


def receive(connection: socket.socket) -> tuple[bytes, int | None]:
    """Return the next frame and the descriptor that came with it; nothing when the other side is gone.

    Raises:
        ValueError: a frame larger than any is.
    """
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH_BYTES, 1)
    descriptor = descriptors[0] if descriptors else None
    if head:
        head += _exactly(connection, _LENGTH_BYTES - len(head))
    if len(head) < _LENGTH_BYTES:
        return b"", descriptor
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME_BYTES:
        raise ValueError("a frame that is too large")
    return _exactly(connection, size), descriptor


def _exactly(connection: socket.socket, size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        piece = connection.recv(min(size - len(body), 1 << 20))
        if not piece:
            return b""
        body += piece
    return bytes(body)
