"""Events of a file as the engine takes them, offline: Windows event logs (EVTX) and lines of JSON."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec
from evtx import PyEvtxParser

from mithaq.detection.sigma.fields import Fields, Sources, flatten, instant_of

MAX_LINE_BYTES: Final = 8 << 20
_EVTX: Final = b"ElfFile\x00"
_GZIP: Final = b"\x1f\x8b"


class Event(NamedTuple):
    """One event: its number in the file, its bytes, and what rules are asked with."""

    number: int
    raw: bytes
    fields: Fields
    sources: Sources
    at: datetime | None


class Broken(NamedTuple):
    """A line or record that could not be read, and why."""

    number: int
    problem: str


def read_events(path: Path, sources: Sources = ()) -> Iterator[Event | Broken]:
    """Yield the events of a file in their order; `sources` say what events are that do not tell it themselves.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(len(_EVTX))
    if head == _EVTX:
        yield from _records(path, sources)
    elif head[:2] == _GZIP:
        with gzip.open(path, "rb") as unpacked:
            yield from _lines(unpacked, sources)
    else:
        with path.open("rb") as file:
            yield from _lines(file, sources)


def _records(path: Path, sources: Sources) -> Iterator[Event | Broken]:
    records = iter(PyEvtxParser(str(path)).records_json())
    number = 0
    while True:
        number += 1
        try:
            data = next(records)["data"]  # type: ignore[index]
        except StopIteration:
            return
        except (RuntimeError, ValueError, OSError) as error:
            yield Broken(number, str(error)[:200])
            continue
        yield _event(number, str(data).encode("utf-8", "replace"), sources)


def _lines(file: IO[bytes] | gzip.GzipFile, sources: Sources) -> Iterator[Event | Broken]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE_BYTES)
            yield Broken(number, f"longer than {MAX_LINE_BYTES} bytes")
        elif line.strip():
            yield _event(number, line.rstrip(b"\r\n"), sources)


def _event(number: int, raw: bytes, sources: Sources) -> Event | Broken:
    try:
        record = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Broken(number, str(error)[:200])
    if not isinstance(record, dict):
        return Broken(number, "not a JSON object")
    fields, found = flatten(record)
    return Event(number, raw, fields, found or sources, instant_of(fields))
