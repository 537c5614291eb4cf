"""Find indicators in pasted text or a report, defanged or not, in Arabic, French and English.

People write indicators so that nobody clicks on them (`hxxp`, `[.]`, `(dot)`), with Arabic digits and punctuation,
between bidirectional marks, and glued to the words around them. Everything here is one pass over the text; nothing is
guessed that is not plausible: a domain needs a public suffix or must have been defanged on purpose.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from mithaq.standards.observable import Observable, canonical_domain, canonical_observable

_DOT: Final = "\ue000"
"""Stands for a dot that was defanged on purpose, until the value is classified."""

# Marks that show nothing (soft hyphen, joiners, bidirectional controls, byte order mark, tags), and our own sign.
_INVISIBLE: Final = (
    (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F),
    (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0001, 0xE007F), (ord(_DOT), ord(_DOT)),
)  # fmt: skip
_DROPPED: Final = {code: None for first, last in _INVISIBLE for code in range(first, last + 1)}
_DOTS: Final = {0x066B: ".", 0xFF0E: ".", 0x3002: ".", 0xFF61: ".", 0x2024: "."}
_HYPHENS: Final = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-")
_CLEAN: Final = _DROPPED | _DOTS | _HYPHENS

# Bounded or possessive throughout: one pass, whatever the input.
_FOREIGN_DIGITS: Final = re.compile(r"(?<![^\W\d_a-zA-Z])[\u0660-\u0669\u06f0-\u06f9\uff10-\uff19]++(?![^\W\d_a-zA-Z])")
_BRACKETED_DOT: Final = re.compile(r" ?[\[({] ?(?:\.|dot|point|نقطة) ?[\])}] ?|\[\.|\.\]|\\\.", re.IGNORECASE)
_BRACKETED_AT: Final = re.compile(r" ?[\[({] ?(?:@|at|arobase|آت) ?[\])}] ?", re.IGNORECASE)
_BRACKETED_SLASHES: Final = re.compile(r"\[:(//)?\](//)?|\[/\]|\(:\)")
_SCHEME_DEFANGED: Final = re.compile(r"\bh(?:xx|XX|\*\*|__|tx|xt)p(s?)(?=:)|\bfxp(?=:)", re.IGNORECASE)
_CHUNK: Final = re.compile(r"[^\s<>\"«»“”„`|،؛؟…]++")
_URL_START: Final = re.compile(r"(?:https?|ftps?|wss?|tcp|udp|sftp|ssh)://", re.IGNORECASE)
_GLUED_URLS: Final = re.compile(rf"[,;](?={_URL_START.pattern})", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[,;()\[\]{}=*\\'’‘]++")
_CVE: Final = re.compile(r"(?<![A-Za-z0-9])CVE-(\d{4})-(\d{4,7})(?!\d)", re.IGNORECASE)
_GLUED_PREFIX: Final = re.compile(r"[\u0621-\u064a]{1,4}(?=[A-Za-z0-9])")
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9._%+-]++$")
_EDGES: Final = ".:!?-_~^&#%$/·•"
_URL_TRAIL: Final = ".,;:!?'’*_~"
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}

_RESERVED_TLDS: Final = frozenset({"example", "onion", "i2p"})
_FILE_LIKE: Final = frozenset(
    {"zip", "mov", "sh", "py", "pl", "rs", "md", "ps", "so", "cc", "app", "ml", "mm", "mk", "vi", "in", "do"}
)
_NOT_DOMAINS: Final = frozenset({"asp.net", "vb.net", "ado.net", "e.g", "i.e"})
_VERSION_WORDS: Final = frozenset({"version", "v", "ver", "versions", "الإصدار", "إصدار", "النسخة"})
_HASH_KINDS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_LABEL_WORDS: Final = 3
"""How many words before a hash may say that it is a JA3."""


@dataclass(frozen=True, slots=True)
class FoundIndicator:
    """One value found in a text: an observable, or the number of a vulnerability (`cve`)."""

    kind: str
    value: str
    written: str

    @property
    def observable(self) -> Observable | None:
        """Return the value as an observable; a CVE number is none."""
        return canonical_observable(self.kind, self.value)


def extract(text: str) -> tuple[FoundIndicator, ...]:
    """Return the indicators in a text, each once, in the order in which they first stand there."""
    found: dict[tuple[str, str], FoundIndicator] = {}
    for item in _scan(refang(text)):
        found.setdefault((item.kind, item.value), item)
    return tuple(found.values())


def refang(text: str) -> str:
    """Return the text with defanged values restored, Arabic digits in them made ASCII and invisible marks removed.

    >>> refang("hxxps://evil[.]example").replace(chr(0xE000), ".")
    'https://evil.example'
    """
    clean = text.translate(_CLEAN)
    clean = _FOREIGN_DIGITS.sub(_ascii_digits, clean)
    clean = _BRACKETED_DOT.sub(_DOT, clean)
    clean = _BRACKETED_AT.sub("@", clean)
    clean = _BRACKETED_SLASHES.sub(_bare_slashes, clean)
    return _SCHEME_DEFANGED.sub(_scheme, clean)


def _ascii_digits(match: re.Match[str]) -> str:
    return "".join(str(unicodedata.digit(char)) for char in match.group())


def _bare_slashes(match: re.Match[str]) -> str:
    return "".join(char for char in match.group() if char in ":/")


def _scheme(match: re.Match[str]) -> str:
    return "ftp" if match.group()[0] in "fF" else "http" + (match.group(1) or "")


def refang_value(text: str) -> str:
    """Return one value as it would be written if nobody had defanged it."""
    return refang(text.strip()).replace(_DOT, ".")


def _scan(text: str) -> Iterator[FoundIndicator]:
    before: list[str] = []
    for chunk in _CHUNK.finditer(text):
        yield from _in_chunk(chunk.group(), before)
        del before[:-_LABEL_WORDS]


def _in_chunk(chunk: str, before: list[str]) -> Iterator[FoundIndicator]:
    for cve in _CVE.finditer(chunk):
        yield FoundIndicator("cve", cve.group().upper(), cve.group())
    start = _URL_START.search(chunk)
    yield from _in_parts(chunk if start is None else chunk[: start.start()], before)
    if start is not None:
        # URLs glued together by a comma or semicolon are several.
        for piece in _GLUED_URLS.split(chunk[start.start() :]):
            yield from _url(piece)


def _url(text: str) -> Iterator[FoundIndicator]:
    written = _trim_url(text).replace(_DOT, ".")
    observable = canonical_observable("url", written)
    if observable is not None:
        yield FoundIndicator("url", observable.value, written)


def _trim_url(text: str) -> str:
    """Drop the punctuation of the sentence around a URL; a closing bracket stays if it was opened inside."""
    end = len(text)
    counts = {mark: text.count(mark) for mark in "()[]{}"}
    while end:
        mark = text[end - 1]
        if mark in _PAIRS:
            if counts[mark] <= counts[_PAIRS[mark]]:
                break
            counts[mark] -= 1
        elif mark not in _URL_TRAIL and mark != _DOT:
            break
        end -= 1
    return text[:end]


def _in_parts(chunk: str, before: list[str]) -> Iterator[FoundIndicator]:
    for part in _SEPARATORS.split(chunk):
        word = part.strip(_EDGES + _DOT)
        if word:
            yield from _classify(word, before)
            before.append(word.lower())


def _classify(word: str, before: list[str]) -> Iterator[FoundIndicator]:
    found = _address(word, before) or _email(word) or _fingerprint(word, before) or _name(word)
    if found is not None:
        yield found
    elif ":" in word:
        for piece in word.split(":"):
            stripped = piece.strip(_EDGES + _DOT)
            if stripped:
                yield from _classify(stripped, before)
                before.append(stripped.lower())


def _address(word: str, before: list[str]) -> FoundIndicator | None:
    text = _GLUED_PREFIX.sub("", word.replace(_DOT, "."), count=1)
    if ":" in text and text.count(":") >= 2:
        plausible = any(char.isdigit() for char in text)
        return _found("ipv6", text, word) if plausible else None
    host = text.partition(":")[0]
    found = _found("ipv4", host, word)
    if found is None and "/" in host:
        found = _found("ipv4", host.partition("/")[0], word)
    bare_version = found is not None and before[-1:] and before[-1] in _VERSION_WORDS and _DOT not in word
    return None if bare_version else found


def _email(word: str) -> FoundIndicator | None:
    local, at, domain = word.replace(_DOT, ".").rpartition("@")
    match = _LOCAL_PART.search(local.rpartition(":")[2]) if at else None
    if match is None:
        return None
    return _found("email", f"{match.group()}@{domain.partition(':')[0]}", word)


def _fingerprint(word: str, before: list[str]) -> FoundIndicator | None:
    if word.count("_") == 2:
        return _found("ja4", word, word)
    kind = _HASH_KINDS.get(len(word))
    if kind is None:
        return None
    if kind == "md5":
        label = next((name for name in reversed(before) if name.startswith("ja3")), None)
        if label == "ja3s":
            return None
        kind = "ja3" if label else kind
    return _found(kind, word, word)


def _name(word: str) -> FoundIndicator | None:
    """Return a domain, or a URL whose scheme was left out."""
    text = _GLUED_PREFIX.sub("", word, count=1)
    authority, slash, path = text.partition("/")
    host, _, port = authority.partition(":")
    name = canonical_domain(host.replace(_DOT, "."))
    if name is None or (port and not port.isdecimal()) or not _is_plausible(name, host):
        return None
    if slash and path:
        return _found("url", f"http://{authority}/{path}".replace(_DOT, "."), word)
    return _found("domain", host.replace(_DOT, "."), word)


def _is_plausible(name: str, written: str) -> bool:
    if _DOT in written:
        return True
    labels = name.split(".")
    last_written = written.rpartition(".")[2]
    if name in _NOT_DOMAINS or (len(labels) == 2 and (labels[1] in _FILE_LIKE or _starts_a_sentence(last_written))):
        return False
    return labels[-1] in _RESERVED_TLDS or _suffixes().privatesuffix(name) is not None


def _starts_a_sentence(label: str) -> bool:
    """Tell whether a label looks like the first word of the next sentence, glued on (`done.It`)."""
    return len(label) > 1 and label[0].isupper() and label[1:].islower()


def _found(kind: str, value: str, written: str) -> FoundIndicator | None:
    observable = canonical_observable(kind, value)
    if observable is None:
        return None
    return FoundIndicator(observable.type, observable.value, written.replace(_DOT, "."))


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)
