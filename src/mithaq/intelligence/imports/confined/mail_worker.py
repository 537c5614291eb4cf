"""Take an e-mail or a zip archive apart in a process that holds no keys; asked by `documents.py` through its nursery.

Lines of JSON come out: `{"head": …}` once for a message, `{"text": …}` for its body, `{"name": …, "media_type": …,
"data": base64}` for a part that is no text of the message, `{"left": name, "code": why}` for what was not taken.
Nothing is written to a disk and no name is a path; archives are read member by member under one limit for all of them.
"""

import base64
import email.policy
import io
import zipfile
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from typing import Any, Final

from mithaq.intelligence.imports.confined.lines import write

_MAX_DEPTH: Final = 5
_MAX_PARTS: Final = 200
_MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_NAME: Final = 200
_BLOCK: Final = 64 * 1024
_ZIP: Final = b"PK\x03\x04"
_HIDDEN: Final = frozenset({"script", "style", "head", "template"})
_HEADERS: Final = ("message-id", "subject", "from", "date")
_LINK: Final = 0o120000


class Budget:
    """What all parts of one file may come to."""

    def __init__(self) -> None:
        self.parts = _MAX_PARTS
        self.bytes = _MAX_BYTES

    def part(self) -> bool:
        """Take one part; tell whether it may still be had."""
        self.parts -= 1
        return self.parts >= 0


def prepare() -> None:
    """Nothing more is to be imported."""


def work(file: bytes, cpu_s: int) -> None:  # noqa: ARG001 - a worker's form
    """Take the file apart."""
    budget = Budget()
    if file.startswith(_ZIP):
        _archive("", file, 0, budget)
    else:
        _message(BytesParser(policy=email.policy.default).parsebytes(file), 0, budget)


def _message(message: Any, depth: int, budget: Budget) -> None:
    if depth == 0:
        write({"head": {name: _header(message, name) for name in _HEADERS}})
    for part in _leaves(message):
        if not budget.part():
            write({"left": "", "code": "mail-too-many-parts"})
            return
        _part(part, depth, budget)


def _leaves(message: Any) -> list[Any]:
    """Return the parts of a message, without going into the messages that are attached to it."""
    found: list[Any] = []
    waiting = [message]
    while waiting and len(found) <= _MAX_PARTS:
        part = waiting.pop(0)
        if part.get_content_type() == "message/rfc822" or not part.is_multipart():
            found.append(part)
        else:
            waiting[:0] = part.get_payload()
    return found


def _part(part: EmailMessage, depth: int, budget: Budget) -> None:
    name = _name(part)
    kind = part.get_content_type()
    if kind == "message/rfc822":
        inner = part.get_payload()
        if depth + 1 >= _MAX_DEPTH or not isinstance(inner, list) or not inner:
            write({"left": name or kind, "code": "mail-too-deep"})
        else:
            _message(inner[0], depth + 1, budget)
        return
    try:
        data = part.get_payload(decode=True)
    except Exception:  # noqa: BLE001 - the boundary of this process: the part is named, the rest goes on
        data = None
    if not isinstance(data, bytes):
        write({"left": name or kind, "code": "mail-part-unreadable"})
        return
    is_body = part.get_content_disposition() != "attachment" and not name
    if is_body and kind in ("text/plain", "text/html"):
        text = _decoded(data, part.get_content_charset())
        write({"text": _plain(text) if kind == "text/html" else text})
    else:
        _give(name or kind, kind, data, depth, budget)


def _give(name: str, kind: str, data: bytes, depth: int, budget: Budget) -> None:
    budget.bytes -= len(data)
    if budget.bytes < 0:
        write({"left": name, "code": "mail-too-large"})
    elif data.startswith(_ZIP):
        _archive(name, data, depth + 1, budget)
    elif name.lower().endswith(".eml") and depth + 1 < _MAX_DEPTH:
        _message(BytesParser(policy=email.policy.default).parsebytes(data), depth + 1, budget)
    else:
        write({"name": name, "media_type": kind, "data": base64.b64encode(data).decode("ascii")})


def _archive(name: str, data: bytes, depth: int, budget: Budget) -> None:
    if depth >= _MAX_DEPTH:
        write({"left": name, "code": "mail-too-deep"})
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeError):
        write({"left": name, "code": "zip-unreadable"})
        return
    for member in members:
        if not member.is_dir():
            if not budget.part():
                write({"left": name, "code": "mail-too-many-parts"})
                return
            _member(archive, member, f"{name}/" if name else "", depth, budget)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, within: str, depth: int, budget: Budget) -> None:
    shown = within + _printable(member.filename)
    if _is_path_trick(member):
        write({"left": shown, "code": "zip-path"})
        return
    if member.flag_bits & 1:
        write({"left": shown, "code": "zip-encrypted"})
        return
    room = budget.bytes
    read = bytearray()
    try:
        with archive.open(member) as opened:
            while len(read) <= room and (block := opened.read(_BLOCK)):
                read += block
    except Exception:  # noqa: BLE001 - the boundary of this process: the member is named, the rest goes on
        write({"left": shown, "code": "zip-unreadable"})
        return
    if len(read) > room:
        budget.bytes = -1  # nothing more comes out of a bomb
        write({"left": shown, "code": "zip-bomb"})
        return
    _give(shown, "application/octet-stream", bytes(read), depth, budget)


def _is_path_trick(member: zipfile.ZipInfo) -> bool:
    name = member.orig_filename.replace("\\", "/")
    return (
        name.startswith("/")
        or ".." in name.split("/")
        or ":" in name[:3]
        or "\x00" in name
        or (member.external_attr >> 16) & 0o170000 == _LINK
    )


class _Text(HTMLParser):
    """Keep what a reader of the page sees, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count what is hidden; write down a link."""
        self._hidden += tag in _HIDDEN
        target = next((value for name, value in attrs if name == "href" and value), None)
        self.parts.append(f" {target} " if tag == "a" and target and target.startswith("http") else " ")

    def handle_endtag(self, tag: str) -> None:
        """Count what is hidden."""
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._hidden:
            self.parts.append(data)


def _plain(html: str) -> str:
    reader = _Text()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _header(message: Any, name: str) -> str:
    try:
        return _printable(str(message.get(name, "")), 998)
    except Exception:  # noqa: BLE001 - the boundary of this process: a header that cannot be read is none
        return ""


def _name(part: EmailMessage) -> str:
    try:
        return _printable(part.get_filename() or "")
    except Exception:  # noqa: BLE001 - the boundary of this process: a name that cannot be read is none
        return ""


def _printable(text: str, chars: int = _MAX_NAME) -> str:
    return "".join(char for char in text[:chars] if char.isprintable()).strip()
