"""How a source does, from what is kept of it: rate, lag, silence, fields that stopped coming. Pure.

Units: seconds, bytes, events a second. A source is silent when nothing has come for much longer than its own usual
gap, and a field is gone when most lines of its kind had it and the last ones have not.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

import msgspec

_MAX_KINDS: Final = 40
_MAX_FIELDS: Final = 300
_MAX_DEPTH: Final = 3
_USUAL_SHARE: Final = 0.3
_LEAST_LINES: Final = 100
_HALVED_AT: Final = 5_000
_LEAST_GAP_S: Final = 600
_GAP_FACTOR: Final = 3
_RATE_MINUTES: Final = 5
MAX_SAMPLES: Final = 10
MAX_SAMPLE_CHARS: Final = 300


class KindFields(msgspec.Struct):
    """The fields of one kind of line: how many of the lines had each, and how many lines ago it came last."""

    lines: int = 0
    counts: dict[str, int] = {}
    absent: dict[str, int] = {}


class Sample(msgspec.Struct, frozen=True):
    """A line that could not be read: why, and how it begins."""

    reason: str
    text: str


class Looked(msgspec.Struct):
    """What was seen of a source's newest lines, kept between looks."""

    kinds: dict[str, KindFields] = {}
    samples: list[Sample] = []

    def learn(self, kind: str, record: Mapping[str, object]) -> None:
        """Count the fields of one more line."""
        if kind not in self.kinds and len(self.kinds) >= _MAX_KINDS:
            return
        known = self.kinds.setdefault(kind, KindFields())
        known.lines += 1
        present = set(_names(record))
        for name in present:
            if name in known.counts or len(known.counts) < _MAX_FIELDS:
                known.counts[name] = known.counts.get(name, 0) + 1
        known.absent = {name: known.absent.get(name, 0) + 1 if name not in present else 0 for name in known.counts}
        if known.lines >= _HALVED_AT:
            _halve(known)

    def note(self, reason: str, line: bytes) -> None:
        """Keep the beginning of a line that could not be read; only the newest are kept, each once."""
        sample = Sample(reason, line[:MAX_SAMPLE_CHARS].decode("utf-8", "replace").replace("\0", "\ufffd"))
        self.samples = [sample, *(each for each in self.samples if each != sample)][:MAX_SAMPLES]

    def gone(self) -> list[tuple[str, str]]:
        """Return the fields that stopped coming, as (kind, field)."""
        return [
            (kind, name)
            for kind, known in sorted(self.kinds.items())
            for name, count in sorted(known.counts.items())
            if known.absent.get(name, 0) >= _LEAST_LINES and count >= _USUAL_SHARE * known.lines
        ]


class Vitals(msgspec.Struct, frozen=True):
    """How a source does at an instant."""

    events_per_s: float
    lag_s: float | None
    silent_s: float | None
    usual_gap_s: float | None
    gone: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]

    @property
    def is_silent(self) -> bool:
        """Tell whether nothing has come for longer than this source is ever quiet."""
        return self.silent_s is not None and self.usual_gap_s is not None and self.silent_s > self.usual_gap_s


def vitals(minutes: Sequence[tuple[int, int]], looked: Looked, newest: "Newest", at: datetime) -> Vitals:
    """Return how a source does; `minutes` are those in which lines came, with the number of events, oldest first."""
    now = int(at.timestamp()) // 60
    recent = sum(events for minute, events in minutes if now - _RATE_MINUTES <= minute < now)
    silent = None if newest.read_at is None else max(0.0, (at - newest.read_at).total_seconds())
    lag = None
    if newest.event_at is not None and newest.looked_read_at is not None:
        lag = (newest.looked_read_at - newest.event_at).total_seconds()
    return Vitals(
        recent / (60 * _RATE_MINUTES),
        lag,
        silent,
        usual_gap_s([minute for minute, _ in minutes]),
        tuple(looked.gone()),
        tuple(looked.samples),
    )


class Newest(msgspec.Struct, frozen=True):
    """When lines were read last, and the newest time in those that were looked at, with when they were read."""

    read_at: datetime | None
    event_at: datetime | None
    looked_read_at: datetime | None


def usual_gap_s(minutes: Sequence[int]) -> float | None:
    """Return how long a source may be quiet: three times all but its longest gaps, at least ten minutes.

    Nothing is usual of a source before it has come in ten different minutes.
    """
    gaps = sorted(after - before for before, after in pairwise(minutes))
    if len(gaps) < 10:
        return None
    return max(_LEAST_GAP_S, _GAP_FACTOR * 60 * gaps[int(len(gaps) * 0.98)])


def _halve(known: KindFields) -> None:
    """Forget slowly, so that a schema that has changed for good becomes the usual one."""
    known.lines //= 2
    known.counts = {name: count // 2 for name, count in known.counts.items() if count > 1}


def _names(record: Mapping[str, object]) -> Iterator[str]:
    stack: list[tuple[str, int, Mapping[str, object]]] = [("", 0, record)]
    taken = 0
    while stack and taken < _MAX_FIELDS:
        prefix, depth, part = stack.pop()
        for name, value in part.items():
            taken += 1
            path = f"{prefix}{name}"[:120].replace("\0", "\ufffd")
            if isinstance(value, Mapping) and depth + 1 < _MAX_DEPTH:
                stack.append((f"{path}.", depth + 1, value))
            else:
                yield path
