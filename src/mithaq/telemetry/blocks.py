"""Whole lines as they lie in a source's file: what is scanned and kept as it is, and parsed only where it must be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import BrokenLine, Event, Source
from mithaq.telemetry.parsers.line import Decoded, LineParser

Span = tuple[int, int]
"""Where a line lies in its block: its first byte and the one behind its last, without the line feed."""

_HEADER: Final = b"#"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one source, one after the other.

    `header` is what the parser must know before the first line; `number`, `offset` and `place` are those of that line.
    `checked`: every line was parsed when it came, and those that are broken have been told.
    """

    source: Source
    file_name: str
    header: bytes
    number: int
    offset: int
    place: int
    received_at: datetime
    text: bytes
    checked: bool

    @property
    def line_count(self) -> int:
        """Return how many lines there are."""
        return self.text.count(b"\n") + (self.text[-1:] not in {b"\n", b""})

    def header_after(self) -> bytes:
        """Return what the parser must know to go on behind this block."""
        parser = self._parser()
        for start, end in self._headers():
            _parsed(parser, self, start, end)
        return parser.state

    def events(self) -> Iterator[Event | BrokenLine]:
        """Yield the event of every line that has one, and what is broken."""
        parser, start = self._parser(), 0
        for number, line in enumerate(self.text.split(b"\n"), self.number):
            try:
                event = parser.parse(line, self.place + start, self.received_at)
            except BadLine as error:
                yield BrokenLine(self.source.name, number, self.offset + start, str(error))
            else:
                if event is not None:
                    yield event
            start += len(line) + 1

    def parsed(self) -> "Parsed":
        """Return what all lines say, and what is broken."""
        parser, found, start = self._parser(), Parsed(self.source), 0
        for number, line in enumerate(self.text.split(b"\n"), self.number):
            try:
                decoded = parser.decode(line, self.received_at)
            except BadLine as error:
                found.broken.append(BrokenLine(self.source.name, number, self.offset + start, str(error)))
            else:
                if decoded is not None:
                    found.places.append(self.place + start)
                    found.ats.append(decoded.at or self.received_at)
                    found.kinds.append(decoded.kind)
                    found.raws.append(line)
                    found.headers.append(b"" if line[:1] == b"{" else parser.state)
                    found.records.append(decoded.record)
            start += len(line) + 1
        return found

    def events_at(self, spans: Sequence[Span]) -> Iterator[Event]:
        """Yield the events of these lines, which stand in order; a broken one gives none."""
        if not spans:
            return
        parser = self._parser()
        for start, end in _in_order(self._headers(), spans):
            event = _parsed(parser, self, start, end)
            if event is not None:
                yield event

    def decoded_at(self, spans: Sequence[Span]) -> Iterator[tuple[Span, Decoded]]:
        """Yield what these lines say, which stand in order; a broken one, a header or an empty one says nothing."""
        parser = self._parser()
        for start, end in _in_order(self._headers(), spans):
            try:
                decoded = parser.decode(self.text[start:end], self.received_at)
            except BadLine:
                continue
            if decoded is not None:
                yield (start, end), decoded

    def _parser(self) -> LineParser:
        return LineParser(self.source, state=self.header, file_name=self.file_name)

    def _headers(self) -> Iterator[Span]:
        """Yield where the header lines and comments lie; zeros may stand before one, where a file was truncated."""
        start = 0
        while True:
            end = self.text.find(b"\n", start)
            end = len(self.text) if end < 0 else end
            if self.text[start:end].lstrip(b"\0").startswith(_HEADER):
                yield start, end
            # One byte is found several times as fast as two, and most blocks have neither of these at all.
            places = [self.text.find(each, start) for each in (b"\n#", b"\n\0") if self.text.find(each[1:], start) >= 0]
            following = [place for place in places if place >= 0]
            if not following:
                return
            start = min(following) + 1


@dataclass(slots=True)
class Parsed:
    """What lines of one source say, one list of each thing, in order: many events without what they name."""

    source: Source
    places: list[int] = field(default_factory=list)
    ats: list[datetime] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    records: list[Mapping[str, object]] = field(default_factory=list)
    broken: list[BrokenLine] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)

    def extend(self, more: "Parsed") -> None:
        """Put what lines of the same source say behind this."""
        self.places += more.places
        self.ats += more.ats
        self.kinds += more.kinds
        self.raws += more.raws
        self.headers += more.headers
        self.records += more.records
        self.broken += more.broken


def _parsed(parser: LineParser, block: Block, start: int, end: int) -> Event | None:
    try:
        return parser.parse(block.text[start:end], block.place + start, block.received_at)
    except BadLine:
        return None


def _in_order(headers: Iterable[Span], spans: Sequence[Span]) -> list[Span]:
    """Put the header lines between those asked for, each once."""
    return sorted({*headers, *spans})
