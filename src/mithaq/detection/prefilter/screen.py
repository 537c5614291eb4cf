"""Which lines of a block are worth reading? Asked of all their bytes at once, in NumPy.

A *label* is a run of letters, digits, `-` and `_`; a *token* is labels joined by single dots. Every text that something
looked for could be (a token, what follows any of its dots, the beginning of an address, a label as long as a hash) is
asked of a Bloom filter. Runs with colons are read one by one, once each. Lines of which the bytes alone do not tell it
(escapes that hide a character, characters that are not ASCII, overlong ones) are always worth reading.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mithaq.detection.prefilter.bloom import MARGIN, Bloom, Numbers, Places, Truths, are_numbers, keys_of
from mithaq.detection.prefilter.labels import Labels

Span = tuple[int, int]
_Bytes: TypeAlias = npt.NDArray[np.uint8]

_CHUNK_BYTES: Final = 1 << 20
"""So much is looked at together, or a little more; a longer line is read without being screened."""
_FEED, _DOT, _COLON, _QUOTE, _SLASH, _AT = b'\n.:"\\@'
_FIRST: Final = np.zeros(1, np.intp)
_NOWHERE: Final = np.zeros(0, np.intp)
_BEFORE: Final = b"\n" * MARGIN
_AFTER: Final = b"\n\n"
_LONGEST_WORD: Final = 255
_LONGEST_NAME: Final = 255
_LONGEST_IPV4: Final = len("255.255.255.255")
_SHORTEST_HASH: Final = 32
_IPV6_COLONS: Final = 6
"""An IPv6 address has as many, each at most five bytes behind the one before, or two that stand together."""
_REACH: Final = 64
"""How far a run is followed on each side of a colon; the line of a longer one is read."""
_NO_RUN: Final = bytes(each if chr(each) in "0123456789abcdefABCDEF:." else 0 for each in range(256))
_MOST_CLEAN_RUNS: Final = 100_000


class Screen:
    """What is looked for, as bytes; may name too many lines, never too few."""

    def __init__(self, is_wanted_run: Callable[[str], bool]) -> None:
        self._is_wanted_run = is_wanted_run
        self._bloom = Bloom()
        self._lengths = np.zeros(_LONGEST_WORD + 1, bool)
        self._shortest = _LONGEST_WORD + 1
        self._octets: set[int] = set()
        self._has_email = False
        self._clean_runs: set[bytes] = set()

    @property
    def size_bytes(self) -> int:
        """Return the memory that it takes."""
        return self._bloom.size_bytes + 100 * len(self._clean_runs)

    def add(
        self,
        tokens: Iterable[str],
        *,
        words: Iterable[str] = (),
        networks: Iterable[str] = (),
        emails: Iterable[str] = (),
    ) -> None:
        """Look for tokens (and names that end in one), for labels, for the first octets of addresses, for e-mail.

        What is not ASCII need not be given: the lines that could hold it are read.
        """
        words, networks, emails = list(words), list(networks), [_email_key(each) for each in emails]
        texts = [each.encode() for each in (*tokens, *words, *networks, *emails) if each.isascii()]
        for start in range(0, len(texts), 1 << 16):
            self._bloom.add(_keys(texts[start : start + (1 << 16)]))
        for word in words:
            self._lengths[len(word)] = True
            self._shortest = min(self._shortest, len(word))
        self._octets |= {each.count(".") + 1 for each in networks}
        self._has_email = self._has_email or bool(emails)
        self._clean_runs = set()  # replaced: a scan that began before goes on with the old one

    def lines(self, text: bytes) -> Iterator[Span]:
        """Yield start and end of each line that is worth reading, in order."""
        start = 0
        while start < len(text):
            end = text.rfind(b"\n", start, start + _CHUNK_BYTES) + 1
            if len(text) - start <= _CHUNK_BYTES * 9 // 8:  # a small rest would cost as much as a chunk
                end = len(text)
            if end:
                for first, last in self._in_chunk(_BEFORE + text[start:end] + _AFTER):
                    yield start + first, start + last
            else:
                end = text.find(b"\n", start) + 1 or len(text)
                yield start, end - (text[end - 1] == 10)
            start = end

    def _in_chunk(self, piece: bytes) -> list[Span]:
        clean = self._clean_runs
        chunk = _Chunk(piece)
        places = [self._places(chunk), self._runs(chunk, clean)]
        if not piece.isascii():
            places.append(_where(chunk.raw >= 128))
        if b"\\" in piece:
            hidden, blanks = chunk.escapes
            places.append(hidden)
            if len(blanks):
                places.append(self._places(chunk.with_blanks(blanks)))
        return chunk.lines(np.concatenate(places))

    def _places(self, chunk: "_Chunk") -> Places:
        """Return where something stands that may be looked for."""
        tokens = chunk.tokens
        texts = [(tokens.starts_of_names, tokens.ends_of_names), (tokens.addresses, tokens.ends_of_addresses)]
        texts += [(tokens.addresses, tokens.ends_of_octets(octets)) for octets in self._octets]
        if self._shortest <= _LONGEST_WORD:
            starts, ends = chunk.labels.of_length(self._shortest)
            wanted = self._lengths[np.minimum(ends - starts, _LONGEST_WORD)]
            texts.append((starts[wanted], ends[wanted]))
        if self._has_email and b"@" in chunk.piece:
            texts.append(chunk.emails)
        # Asked together: a question costs more than a text.
        starts, ends = map(np.concatenate, zip(*texts, strict=True))
        found: Places = starts[self._bloom.find(keys_of(chunk.piece, starts, ends))]
        return found

    def _runs(self, chunk: "_Chunk", clean: set[bytes]) -> Places:
        """Return where an IPv6 address, or a hash that is written with colons, may be wanted."""
        wanted = []
        last = -1
        for place in chunk.colons.tolist():
            if place < last:
                continue
            before, after = _run_around(chunk.piece, place)
            last = place + len(after)
            run = before + after
            if run in clean:
                continue
            if max(len(before), len(after)) == _REACH or self._is_wanted_run(run.decode()):
                wanted.append(place)
            elif len(clean) < _MOST_CLEAN_RUNS:
                clean.add(run)
        return np.array(wanted, np.intp)


class _Chunk:
    """Whole lines, between margins."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.raw: _Bytes = np.frombuffer(piece, np.uint8)
        self.labels = Labels(self.raw)

    @cached_property
    def tokens(self) -> "_Tokens":
        """Return the tokens of more than one label that are not keys of JSON."""
        return _Tokens(self, *self._joints(_where(self.raw == _DOT)))

    def _joints(self, places: Places) -> tuple[Places, Places, Places]:
        """Return those of these places that have a label on both sides, and where the two begin and end."""
        if not len(places):
            return places, places, places
        ends = places + 1 + self.labels.after(places + 1)
        starts = np.concatenate((_FIRST, places[:-1] + 1))
        heads = np.concatenate((_FIRST, _where(places[1:] != ends[:-1]) + 1))  # of the others the label is known
        starts[heads] = places[heads] - self.labels.before(places[heads])
        inside = _where((starts < places) & (ends > places + 1))
        return places[inside], starts[inside], ends[inside]

    @property
    def colons(self) -> Places:
        """Return a colon of every run that may be an IPv6 address or a hash, in order."""
        colons = _where((self.raw[1:] == _COLON) & (self.raw[:-1] != _QUOTE)) + 1  # most follow a key of JSON
        double = colons[self.raw[colons - 1] == _COLON]
        reach = 5 * (_IPV6_COLONS - 1)
        many = colons[: 1 - _IPV6_COLONS][colons[_IPV6_COLONS - 1 :] - colons[: 1 - _IPV6_COLONS] <= reach]
        joints, starts, ends = self._joints(colons)
        first, last = _groups(joints, ends)
        long = ends[last] - starts[first] > _SHORTEST_HASH
        return np.sort(np.concatenate((double, many, joints[first[long]])))

    @property
    def escapes(self) -> tuple[Places, Places]:
        """Return the backslashes that hide a character, and the letters of those that stand for a blank."""
        slashes = _where(self.raw == _SLASH)
        after = self.raw[slashes + 1]
        first, last = _groups(slashes, slashes + 1)
        number = np.arange(len(slashes)) - np.repeat(first, last - first + 1)  # one that is itself escaped is odd
        is_json = ((after == ord("u")) | (after == ord("f"))) & (number % 2 == 0)
        is_blank = (after == ord("n")) | (after == ord("r")) | (after == ord("t"))
        return slashes[is_json | (after == ord("x"))], slashes[is_blank] + 1

    def with_blanks(self, letters: Places) -> "_Chunk":
        """Return the chunk in which these letters are blanks."""
        raw = self.raw.copy()
        raw[letters] = ord(" ")
        return _Chunk(raw.tobytes())

    @property
    def emails(self) -> tuple[Places, Places]:
        """Return from the last label of a local part to the end of the domain."""
        signs = _where(self.raw == _AT)
        names, ends = self.tokens.starts_of_names, self.tokens.ends_of_names
        place = np.searchsorted(names, signs + 1)
        signs, place = signs[place < len(names)], place[place < len(names)]
        has_name = names[place] == signs + 1
        signs, ends = signs[has_name], ends[place[has_name]]
        return signs - self.labels.before(signs), ends

    def lines(self, places: Places) -> list[Span]:
        """Return the lines with these places, counted from the first margin."""
        if not len(places):
            return []
        feeds = _where(self.raw == _FEED)
        after = np.unique(np.searchsorted(feeds, places))
        return list(zip((feeds[after - 1] + 1 - MARGIN).tolist(), (feeds[after] - MARGIN).tolist(), strict=True))


class _Tokens:
    """The tokens of a chunk that may be names or addresses of IPv4."""

    def __init__(self, chunk: _Chunk, dots: Places, starts: Places, ends: Places) -> None:
        """Sort them; of each dot: where the labels beside it begin and end."""
        first, last = _groups(dots, ends)
        self._dots = dots
        wholes, ends = starts[first], ends[last]
        is_key = (chunk.raw[ends] == _QUOTE) & (chunk.raw[ends + 1] == _COLON)
        is_number = are_numbers(chunk.piece, dots[last] + 1, ends)
        has_four = is_number & (last - first == 2) & (ends - wholes <= _LONGEST_IPV4)
        self._first_dots = first[has_four]
        self.addresses: Places = wholes[has_four]
        self.ends_of_addresses: Places = ends[has_four]
        is_name = ~(is_number | is_key)
        counts = last - first + 1
        self.starts_of_names: Places = starts[np.repeat(is_name, counts)]
        self.ends_of_names: Places = np.repeat(ends[is_name], counts[is_name])
        short = self.ends_of_names - self.starts_of_names <= _LONGEST_NAME
        if not short.all():
            self.starts_of_names, self.ends_of_names = self.starts_of_names[short], self.ends_of_names[short]

    def ends_of_octets(self, count: int) -> Places:
        """Return where the first octets of each address end."""
        ends: Places = self._dots[self._first_dots + (count - 1)]
        return ends


def _where(condition: Truths) -> Places:
    places: Places = condition.nonzero()[0]
    return places


def _groups(starts: Places, ends: Places) -> tuple[Places, Places]:
    """Return the places of the first and the last of each row in which one begins where the one before ends."""
    if not len(starts):
        return _NOWHERE, _NOWHERE
    breaks = _where(starts[1:] != ends[:-1])
    return np.concatenate((_FIRST, breaks + 1)), np.concatenate((breaks, [len(starts) - 1]))


def _run_around(piece: bytes, place: int) -> tuple[bytes, bytes]:
    """Return the hexadecimal digits, colons and dots that stand before a colon, and from it on."""
    before = piece[max(0, place - _REACH) : place].translate(_NO_RUN).rpartition(b"\0")[2]
    return before, piece[place : place + _REACH].translate(_NO_RUN).partition(b"\0")[0]


def _email_key(email: str) -> str:
    local, _, domain = email.rpartition("@")
    label = len(local)
    while label and (local[label - 1].isalnum() or local[label - 1] in "-_"):
        label -= 1
    return f"{local[label:]}@{domain}"


def _keys(texts: list[bytes]) -> Numbers:
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    ends = np.cumsum(lengths) + MARGIN
    return keys_of(_BEFORE + b"".join(texts), ends - lengths, ends)
