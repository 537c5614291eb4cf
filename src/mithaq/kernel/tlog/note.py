"""Signed notes: a text, a blank line, and lines of signatures.

Source: c2sp.org/signed-note v1.0.0. Checked here: UTF-8, no control characters, the last blank line parts text from
signatures, the form of every line, canonical base64, no line twice, limits. Verified elsewhere: the signatures.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import decode, encode

MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 64
MAX_NAME_CHARS = 200
_DASH = "\u2014"
_ID_BYTES = 4


def check_name(name: str) -> str:
    """Return the name of a key, or of a log, when it is one.

    Raises:
        BadNote: empty, too long, or with a space of any script, a plus or a control character.
    """
    bad = any(char == "+" or char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Zs") for char in name)
    if not name or len(name) > MAX_NAME_CHARS or bad:
        raise BadNote("%(name)s is no name of a key", name=ascii(name[:40]))
    return name


@dataclass(frozen=True, slots=True)
class Signature:
    """One line: who signed (name and four bytes of the key's digest) and the signature's bytes."""

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        """Return the line with its newline."""
        return f"{_DASH} {self.name} {encode(self.key_id + self.data)}\n"

    @staticmethod
    def parse(line: str) -> "Signature":
        """Read one line without its newline.

        Raises:
            BadNote: it is no signature line.
        """
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != _DASH:
            raise BadNote("no line of a signature")
        raw = decode(parts[2])
        if len(raw) <= _ID_BYTES:
            raise BadNote("a signature without bytes")
        return Signature(check_name(parts[1]), raw[:_ID_BYTES], raw[_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was read and not yet verified; `text` ends with its newline."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the bytes of the note."""
        return (self.text + "\n" + "".join(each.line for each in self.signatures)).encode()

    def joined(self, more: Iterable[Signature]) -> "Note":
        """Return the note with signatures of keys that have not signed it yet."""
        have = {(each.name, each.key_id) for each in self.signatures}
        fresh = {(each.name, each.key_id): each for each in more}
        return Note(self.text, (*self.signatures, *(each for key, each in fresh.items() if key not in have)))


def read_note(data: bytes) -> Note:
    """Read a note.

    Raises:
        BadNote: names the rule that was broken.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise BadNote("a note over the limit of %(limit)s bytes", limit=MAX_NOTE_BYTES)
    text = _text(data)
    body, blank, tail = text.rpartition("\n\n")
    if not blank or not body or not tail.endswith("\n"):
        raise BadNote("no blank line parts the text of the note from its signatures")
    return Note(body + "\n", read_signatures(tail))


def read_signatures(tail: str) -> tuple[Signature, ...]:
    """Read lines of signatures, each ending with a newline.

    Raises:
        BadNote: there is none or there are too many, one is malformed, or a key stands there twice.
    """
    lines = tail.split("\n")
    if lines[-1] or not 1 <= len(lines) - 1 <= MAX_SIGNATURES:
        raise BadNote("a note has from one to %(limit)s signatures", limit=MAX_SIGNATURES)
    signatures = tuple(Signature.parse(line) for line in lines[:-1])
    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):
        raise BadNote("a key signs twice in one note")
    return signatures


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadNote("the note is not UTF-8") from error
    if any(char < " " and char != "\n" for char in text):
        raise BadNote("a control character in the note")
    return text
