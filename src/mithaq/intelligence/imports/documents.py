"""Get the text out of a report, whatever it is written in; PDF and e-mail are read by confined processes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mithaq.intelligence.errors import ConfinedFailed, TooMuch
from mithaq.intelligence.imports.confined.running import Limits, run_confined
from mithaq.intelligence.settings import (
    DOCUMENT_CPU_S,
    DOCUMENT_MEMORY_BYTES,
    DOCUMENT_WALL_S,
    MAX_TEXT_CHARS,
    MIB,
    REPORT_MAX_BYTES,
)
from mithaq.kernel.reason import Reason

Kind = Literal["text", "pdf", "mail", "zip"]
MEDIA_TYPES: Final[dict[Kind, str]] = {
    "text": "text/plain",
    "pdf": "application/pdf",
    "mail": "message/rfc822",
    "zip": "application/zip",
}

_PDF_LIMITS: Final = Limits(DOCUMENT_MEMORY_BYTES, DOCUMENT_CPU_S, DOCUMENT_WALL_S, 16 * MIB)
_MAIL_LIMITS: Final = Limits(DOCUMENT_MEMORY_BYTES, DOCUMENT_CPU_S, DOCUMENT_WALL_S, 128 * MIB)
_PDF_HEAD_BYTES: Final = 1024
_MAIL_HEADERS: Final = (b"from:", b"received:", b"return-path:", b"message-id:", b"mime-version:", b"delivered-to:",
                        b"date:", b"subject:", b"to:", b"dkim-signature:")  # fmt: skip

_ENDS: Final = {
    "encrypted": Reason("pdf-encrypted", "the PDF is encrypted", {}, "ask for it without a password"),
    "broken": Reason("pdf-broken", "the PDF is damaged"),
    "memory": Reason("pdf-limit", "the rest of the PDF takes more memory than it may"),
    "time": Reason("pdf-limit", "the rest of the PDF takes more time than it may"),
    "pages": Reason("pdf-limit", "the PDF has more pages than are read"),
    "chars": Reason("pdf-limit", "the PDF has more text than is read"),
}
_LEFT: Final = {
    each.code: each
    for each in (
        Reason("mail-too-many-parts", "there are more parts than are read"),
        Reason("mail-too-deep", "it is nested deeper than is read"),
        Reason("mail-too-large", "the parts together are larger than is read"),
        Reason("mail-part-unreadable", "the part cannot be decoded"),
        Reason("zip-unreadable", "it is no archive that can be read"),
        Reason("zip-path", "its name leads out of the archive"),
        Reason("zip-encrypted", "it is encrypted", {}, "ask for it without a password"),
        Reason("zip-bomb", "it unpacks to more than is read"),
    )
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside an e-mail or an archive, by the name it came under."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """What a file holds: its text, the files inside it, and by name what could not be read and why."""

    kind: Kind
    text: str
    parts: tuple[Part, ...] = ()
    left: tuple[tuple[str, Reason], ...] = ()
    head: dict[str, str] = field(default_factory=dict)


def kind_of(body: bytes, name: str = "") -> Kind:
    """Tell what a file is written in, by what it holds; its name is asked only whether it is an e-mail."""
    if b"%PDF-" in body[:_PDF_HEAD_BYTES]:
        return "pdf"
    if body.startswith(b"PK\x03\x04"):
        return "zip"
    first = body[:_PDF_HEAD_BYTES].lstrip().lower()
    return "mail" if name.lower().endswith(".eml") or first.startswith(_MAIL_HEADERS) else "text"


def read_document(body: bytes, name: str = "") -> ReadDocument:
    """Return the text of a report and what is attached to it; nothing is run, written or fetched.

    Raises:
        TooMuch: it is larger than a report may be.
        ConfinedFailed: the process that reads it died or ran into its limits.
    """
    if len(body) > REPORT_MAX_BYTES:
        raise TooMuch("larger than the %(max)s bytes of a report", subject=name, max=REPORT_MAX_BYTES)
    kind = kind_of(body, name)
    match kind:
        case "pdf":
            return _pdf(body)
        case "mail" | "zip":
            return _taken_apart(kind, body)
        case "text":
            return ReadDocument("text", _storable(_as_text(body[: 4 * MAX_TEXT_CHARS]))[:MAX_TEXT_CHARS])


def whole_text(document: ReadDocument) -> ReadDocument:
    """Return a document whose text is its own and that of the texts and PDFs inside it, cut to a report's length."""
    texts, left = [document.text], list(document.left)
    for part in document.parts:
        if kind_of(part.body) == "pdf":
            inner = _pdf(part.body)
            texts.append(inner.text)
            left += [(f"{part.name} {place}".strip(), reason) for place, reason in inner.left]
        elif b"\x00" not in part.body:
            texts.append(_storable(_as_text(part.body[: 4 * MAX_TEXT_CHARS])))
        else:
            left.append((part.name, Reason("part-without-text", "it is neither a text nor a PDF")))
    text = "\n".join(texts)[:MAX_TEXT_CHARS]
    return ReadDocument(document.kind, text, document.parts, tuple(left), document.head)


def _pdf(body: bytes) -> ReadDocument:
    texts: list[str] = []
    left: list[tuple[str, Reason]] = []
    for line in _lines("pdf_worker", body, _PDF_LIMITS):
        if "text" in line:
            texts.append(_storable(line["text"]))
        elif "end" in line:
            left.append(("", _ENDS.get(str(line["end"]), _ENDS["broken"])))
        else:
            left.append((f"#{line.get('page')}", Reason("pdf-page", "the page cannot be read")))
    return ReadDocument("pdf", "\n".join(texts)[:MAX_TEXT_CHARS], left=tuple(left[:1000]))


def _taken_apart(kind: Kind, body: bytes) -> ReadDocument:
    texts: list[str] = []
    parts: list[Part] = []
    left: list[tuple[str, Reason]] = []
    head: dict[str, str] = {}
    for line in _lines("mail_worker", body, _MAIL_LIMITS):
        if "head" in line:
            head = {str(name): _storable(value) for name, value in dict(line["head"]).items()}
        elif "text" in line:
            texts.append(_storable(line["text"]))
        elif "left" in line:
            left.append((_storable(line["left"]), _LEFT.get(str(line.get("code")), _LEFT["mail-part-unreadable"])))
        else:
            parts.append(Part(_storable(line.get("name")), base64.b64decode(str(line.get("data")))))
    text = "\n".join((head.get("subject", ""), *texts)).strip()
    return ReadDocument(kind, text[:MAX_TEXT_CHARS], tuple(parts), tuple(left), head)


def _storable(value: Any) -> str:
    """Return a worker's text without NUL and without halves of characters, which no database keeps."""
    return str(value).encode("utf-8", "replace").decode("utf-8").replace("\x00", " ")


def _lines(worker: str, body: bytes, limits: Limits) -> Iterator[dict[str, Any]]:
    """Return what a worker wrote; it has read hostile bytes, so its own words are not believed either."""
    for line in run_confined(worker, body, limits):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfinedFailed("the process that reads it wrote no JSON") from error
        if not isinstance(value, dict):
            raise ConfinedFailed("the process that reads it wrote no JSON")
        yield value


def _as_text(body: bytes) -> str:
    """Decode a text: UTF-8, UTF-16 where it says so, else the Arabic of Windows, whose Latin letters are the same."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("windows-1256", "replace")
