"""Answer a search from the index: newest first, segment by segment, as far as the page needs.

A search is clauses that must all hold; each is worked out for a whole segment at once, as bits. What the index knows
only to the minute or the day is looked at again on the objects themselves. Whatever the words, a page costs at most
one look at each token in each segment, and for a frequent word only the newest segments are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from mithaq.intelligence import reading, tokens
from mithaq.intelligence.bits import Bits, Window, add_range, bits_of
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.places import PART_ROWS
from mithaq.intelligence.postings import SEGMENT_BITS, SEGMENT_REACH, segment_of, segments_near
from mithaq.intelligence.search import Query, Terms, no_giver
from mithaq.intelligence.tables import objects, observables, provenance
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable

_NEWEST_ROWS: Final = 2048
_SEGMENTS_ASKED: Final = (2, 8, 32, 128, 256)
"""Segments looked at in one step: few while the page may soon be full, then more."""

_NAMING_ASKED: Final = 500
_NAMED_ALIKE: Final = 500
"""Objects of one ATT&CK id or name of which what refers to them is found."""

_LAST_DAY: Final = 9_999_999
_LAST_LETTER: Final = chr(0x10FFFF)
_FIRST_RARE: Final = 3
_WHOLE_SEGMENT: Final = (1 << SEGMENT_REACH) - 1
_ANY_LANE: Final = "lane:"
_LAST_MINUTE: Final = 9_999_999_999
_EPOCH: Final = datetime.min.replace(tzinfo=UTC)

_LAST_ROW: Final = select(func.max(objects.c.row))
_NAMING: Final = select(observables.c.object).where(
    observables.c.type == bindparam("type"), observables.c.key == bindparam("key")
)
_NAMING_BETWEEN: Final = _NAMING.where(observables.c.object.between(bindparam("low"), bindparam("high")))
_NAMING_NEWEST: Final = (
    _NAMING.where(observables.c.object < bindparam("before"))
    .order_by(observables.c.object.desc())
    .limit(bindparam("count"))
)
_OF_IDS: Final = select(objects.c.row).where(
    objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == bindparam("lane")
)
_PUBLISHER: Final = (
    select(provenance.c.nation)
    .where(
        provenance.c.source == "publisher",
        (provenance.c.nation == bindparam("name")) | (func.lower(provenance.c.nation) == bindparam("lower")),
    )
    .limit(1)
)

Range = tuple[str, str]
Read = dict[str, Bits]
"""For each token that was read, the rows that have it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One of these is enough: tokens, ranges of tokens, an observable, rows. Negated: none of these.

    What is likely `rare` is looked at first; the rest only where that leaves anything.
    """

    tokens: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    observable: Observable | None = None
    rows: tuple[int, ...] | None = None
    negated: bool = False
    rare: bool = False


def search(
    connection: Connection, query: Query, lane: Lane, *, after: int | None, limit: int, at: datetime
) -> list[StoredObject]:
    """Return at most `limit` objects that a search finds, with a row below `after`, newest first; `at` is now.

    Raises:
        BadQuery: it asks for what somebody gave of whom nothing can be held.
    """
    before = int(connection.scalar(_LAST_ROW) or 0) + 1
    if after is not None:
        before = min(before, after)
    clauses = _clauses(connection, query, lane, at)
    rows = _rows(connection, clauses, before, limit)
    is_meant = _exact(query, at)
    found: list[StoredObject] = []
    while len(found) < limit and (asked := list(islice(rows, limit - len(found)))):
        found += [item for item in reversed(reading.by_rows(connection, sorted(asked))) if is_meant(item)]
    return found


def _clauses(connection: Connection, query: Query, lane: Lane, at: datetime) -> list[Clause]:
    clauses = list(standing_in(lane)) if query.standing == "stands" else [in_lane(lane)]
    if query.standing == "withdrawn":
        clauses.append(Clause((tokens.FALLEN,)))
    for terms, negated in ((query.wanted, False), (query.unwanted, True)):
        clauses += _any_of(connection, terms, lane, negated=negated)
        clauses += _each_of(terms, negated=negated)
        clauses += [_seen_clause(at, span, negated=negated) for span in terms.seen]
        clauses += [_valid_clause(at, valid=answer is not negated) for answer in terms.valid]
    if all(clause.negated or clause.rows is not None or clause.observable is not None for clause in clauses):
        # What every object has says in which of two segments a row lies, too: its number alone does not.
        clauses.append(Clause((tokens.EVERY,)))
    return clauses


def in_lane(lane: Lane) -> Clause:
    """Return what lies in a lane; only lanes other than `actual` have tokens."""
    if lane == ACTUAL:
        return Clause(ranges=((_ANY_LANE, _ANY_LANE + _LAST_LETTER),), negated=True)
    return Clause((tokens.lane_token(lane),))


def standing_in(lane: Lane) -> tuple[Clause, Clause]:
    """Return what stands in a lane."""
    return in_lane(lane), Clause((tokens.FALLEN,), negated=True)


def _any_of(connection: Connection, terms: Terms, lane: Lane, *, negated: bool) -> Iterator[Clause]:
    """Yield the filters of which one value is enough."""
    named = (
        tuple(map(tokens.type_token, terms.types)),
        tuple(map(tokens.giver_token, [*terms.givers, *(_publisher(connection, each) for each in terms.publishers)])),
        tuple(map(tokens.tlp_token, terms.tlps)),
        tuple(map(tokens.label_token, terms.labels)),
        tuple(map(tokens.sector_token, terms.sectors)),
    )
    for place, each in enumerate(named):
        if each:
            yield Clause(each, negated=negated, rare=not negated and place >= _FIRST_RARE)
    if terms.attacks:
        yield Clause(_of_attack(connection, terms.attacks, lane), negated=negated, rare=not negated)
    if terms.refs:
        yield Clause(tuple(map(tokens.ref_token, terms.refs)), negated=negated, rare=not negated)
    if terms.ids:
        rows = connection.scalars(_OF_IDS, {"ids": terms.ids, "lane": str(lane)})
        yield Clause(rows=tuple(rows), negated=negated, rare=not negated)


def _publisher(connection: Connection, name: str) -> str:
    """Return the name under which a publisher's words are kept, however its letters are written.

    Raises:
        BadQuery: nothing of such a publisher was ever held.
    """
    found = connection.scalar(_PUBLISHER, {"name": name, "lower": name.lower()})
    if found is None:
        raise no_giver(name)
    return str(found)


def _of_attack(connection: Connection, names: Sequence[str], lane: Lane) -> tuple[str, ...]:
    """Return the tokens of what has one of these ATT&CK ids or names, and of what refers to it."""
    wanted = [tokens.attack_token(name) for name in names]
    rows = {row for found in newest_with(connection, wanted, lane, _NAMED_ALIKE).values() for row in found}
    known = [each.stix for each in reading.by_rows(connection, sorted(rows)) if each.stix.type in tokens.ATTACK_TYPES]
    ids = (tokens.attack_token(name) for stix in known for name in stix.attack_ids)
    return tuple(dict.fromkeys((*wanted, *ids, *(tokens.ref_token(stix.id) for stix in known))))


def _each_of(terms: Terms, *, negated: bool) -> Iterator[Clause]:
    """Yield the terms of which each one counts."""
    for word in terms.words:
        yield Clause((tokens.word_token(word),), negated=negated, rare=not negated)
    for prefix in terms.prefixes:
        yield Clause(ranges=((prefix, prefix + _LAST_LETTER),), negated=negated, rare=not negated)
    for observable in terms.observables:
        yield Clause(observable=observable, negated=negated, rare=not negated)
    for low, high in terms.confidences:
        # An empty range has no token between its ends, so nothing is found, as is meant.
        yield Clause(
            ranges=((tokens.confidence_token(max(0, low)), tokens.confidence_token(high)),) if low <= high else (),
            negated=negated,
        )


def _seen_clause(at: datetime, span: timedelta, *, negated: bool) -> Clause:
    """Return what may have been seen since, to the minute; negated, what may not have been."""
    first = tokens.minute_of(_since(at, span)) + (1 if negated else 0)
    return Clause(ranges=((tokens.seen_token(first), tokens.seen_token(_LAST_MINUTE)),), negated=negated)


def _valid_clause(at: datetime, *, valid: bool) -> Clause:
    """Return what may be valid, to the day, or what may not be."""
    today = at.astimezone(UTC).toordinal()
    edge = 1 if valid else 0
    over = (tokens.until_token(0), tokens.until_token(today - edge))
    to_come = (tokens.since_token(today + edge), tokens.since_token(_LAST_DAY))
    return Clause((tokens.REVOKED,), (over, to_come), negated=valid)


def _since(at: datetime, span: timedelta) -> datetime:
    return at - span if at - _EPOCH > span else _EPOCH


def _exact(query: Query, at: datetime) -> Callable[[StoredObject], bool]:
    """Return the check of what the index knows only to the minute or the day."""
    wanted, unwanted = query.wanted, query.unwanted

    def is_meant(item: StoredObject) -> bool:
        seen_at = max((item.stored_at, *(word.received_at for word in item.provenance)))
        return (
            all(seen_at >= _since(at, span) for span in wanted.seen)
            and not any(seen_at >= _since(at, span) for span in unwanted.seen)
            and all(is_valid(item, at) is answer for answer in wanted.valid)
            and not any(is_valid(item, at) is answer for answer in unwanted.valid)
        )

    return is_meant


def is_valid(item: StoredObject, at: datetime) -> bool:
    """Tell whether an object is valid at an instant: not revoked, begun, not over."""
    stix = item.stix
    has_begun = stix.valid_from is None or stix.valid_from <= at
    return not stix.revoked and has_begun and (stix.valid_until is None or at < stix.valid_until)


def _rows(connection: Connection, clauses: Sequence[Clause], before: int, wanted: int) -> Iterator[int]:
    """Yield the rows below `before` for which every clause holds, newest first; so many may be wanted at once."""
    absent: set[Clause] = set()
    for window, likely, asked, read in _likely(connection, clauses, before, wanted, absent):
        others = [clause for clause in clauses if clause not in asked]
        holding = _narrowed(connection, _groups(others, absent), window, likely, absent, read)
        for segment in window.segments:
            bits, base = holding[segment], segment << SEGMENT_BITS
            yield from _top(bits, base, bits.bit_count())


def _likely(
    connection: Connection, clauses: Sequence[Clause], before: int, wanted: int, absent: set[Clause]
) -> Iterator[tuple[Window, Bits, list[Clause], Read]]:
    """Yield where rows may lie, which of them may be meant, the clauses that were asked for that, and what was read.

    What is rare, and what was absent before, is looked for alone, until it holds for as many rows as are wanted: the
    other clauses are then asked for all of these at once, not in each of the windows they came from.
    """
    likely, low, high, asked, read = Bits(), before, 0, _first_of(clauses, absent), Read()
    for window in _windows(connection, clauses, before):
        low, high = min(low, window.low), max(high, window.high)
        here = Read()
        found = _narrowed(connection, _groups(asked, absent), window, _all_in(window), absent, here)
        _add(likely, {segment: bits for segment, bits in found.items() if bits})
        for token, bits in here.items():
            _add(read.setdefault(token, {}), bits)
        if sum(map(int.bit_count, likely.values())) >= wanted:
            yield Window(list(likely), low, high), likely, asked, read
            likely, low, high, asked, read = Bits(), before, 0, _first_of(clauses, absent), Read()
    yield Window(list(likely), low, high), likely, asked, read


def _add(bits: Bits, more: Bits) -> None:
    for segment, rows in more.items():
        bits[segment] = bits.get(segment, 0) | rows


def _first_of(clauses: Sequence[Clause], absent: Collection[Clause]) -> list[Clause]:
    return [clause for clause in clauses if clause.rare or (clause in absent and not clause.negated)]


def holding_in(connection: Connection, clauses: Sequence[Clause], window: Window) -> Bits:
    """Return the rows of a window for which every clause holds."""
    return _narrowed(connection, _groups(clauses, ()), window, _all_in(window), set(), {})


def _all_in(window: Window) -> Bits:
    """Return every row of a window, held or not."""
    holding: Bits = {}
    for segment in window.segments:
        base = segment << SEGMENT_BITS
        if window.low <= base and base + SEGMENT_REACH <= window.high:
            holding[segment] = _WHOLE_SEGMENT
        else:
            low, high = (min(max(0, row - base), SEGMENT_REACH) for row in (window.low, window.high))
            holding[segment] = (1 << high) - (1 << low)
    return holding


def _narrowed(
    connection: Connection,
    groups: Sequence[Sequence[Clause]],
    window: Window,
    bits: Bits,
    absent: set[Clause],
    read: Read,
) -> Bits:
    """Return those of a window's rows for which every clause holds, each group asked where the ones before left any.

    `absent`: the clauses that held nowhere in the window before; noted anew for the next one. `read`: the tokens that
    were read already where a row may be meant; what is read besides is added.
    """
    holding = dict(bits)
    for group in groups:
        alive = Window([segment for segment in window.segments if holding[segment]], window.low, window.high)
        if not alive.segments:
            break
        for clause, found in zip(group, _worked_out(connection, group, alive, read), strict=True):
            (absent.discard if found else absent.add)(clause)
            for segment in alive.segments:
                if clause.negated:
                    holding[segment] &= ~found.get(segment, 0)
                else:
                    holding[segment] &= found.get(segment, 0)
    return holding


def _groups(clauses: Sequence[Clause], absent: Collection[Clause]) -> list[list[Clause]]:
    """Return clauses in the order in which they are asked: those of tokens alone are asked together.

    What was absent before is asked first: where it still is, nothing else is read. A range may have many tokens, so
    each is asked by itself, only where the ones before left anything.
    """
    unlikely = [each for each in clauses if each in absent and not each.negated]
    others = [each for each in clauses if each not in unlikely]
    rare = [each for each in others if each.rare]
    plain = [each for each in others if not each.rare and not each.ranges]
    ranges = [[each] for each in others if not each.rare and each.ranges]
    return [group for group in (unlikely, rare, plain, *ranges) if group]


def newest_with(connection: Connection, wanted: Iterable[str], lane: Lane, count: int) -> dict[str, list[int]]:
    """Return the newest standing rows that have each of some tokens, newest first, at most `count` of each.

    Cost: one look at each token in each segment, until there are enough of all.
    """
    found: dict[str, list[int]] = {token: [] for token in wanted}
    before = int(connection.scalar(_LAST_ROW) or 0) + 1
    for window in _all_windows(before):
        lacking = [token for token, rows in found.items() if len(rows) < count]
        if not lacking:
            break
        by_token = bits_of(connection, lacking, window)
        having = {segment for bits in by_token.values() for segment in bits}
        alive = Window([segment for segment in window.segments if segment in having], window.low, window.high)
        standing = holding_in(connection, standing_in(lane), alive) if having else {}
        for token in lacking:
            for segment in alive.segments:
                bits = by_token[token].get(segment, 0) & standing[segment]
                found[token] += _top(bits, segment << SEGMENT_BITS, count - len(found[token]))
    return found


def _top(bits: int, base: int, count: int) -> Iterator[int]:
    """Yield the rows of the highest bits, at most `count`."""
    while bits and count > 0:
        place = bits.bit_length() - 1
        yield base + place
        bits ^= 1 << place
        count -= 1


def _windows(connection: Connection, clauses: Sequence[Clause], before: int) -> Iterator[Window]:
    """Yield what is to be looked at, newest first; where rows or an observable are asked for, only around theirs."""
    positive = [clause for clause in clauses if not clause.negated]
    rows = next((clause.rows for clause in positive if clause.rows is not None), None)
    observable = next((clause.observable for clause in positive if clause.observable is not None), None)
    if rows is not None:
        yield from [Window(_around(rows), 0, before)] if rows else []
    elif observable is not None:
        yield from (Window(segments, 0, before) for segments in _naming(connection, observable, before))
    else:
        yield from _all_windows(before)


def _all_windows(before: int) -> Iterator[Window]:
    """Yield the newest few rows, which fill most pages, then whole segments."""
    low = max(0, before - _NEWEST_ROWS)
    first = segment_of(max(0, low - PART_ROWS))
    yield Window(list(range(segment_of(before - 1), first - 1, -1)), low, before)
    newest, steps = segment_of(low - 1), list(_SEGMENTS_ASKED)
    while low and newest >= 0:
        count = steps.pop(0) if len(steps) > 1 else steps[0]
        yield Window(list(range(newest, max(-1, newest - count), -1)), 0, low)
        newest -= count


def _naming(connection: Connection, observable: Observable, before: int) -> Iterator[list[int]]:
    """Yield the segments of the rows that name an observable, newest first."""
    asked = {"type": observable.type, "key": tokens.index_key(observable), "count": _NAMING_ASKED}
    done = segment_of(before) + 1
    while rows := list(connection.scalars(_NAMING_NEWEST, {**asked, "before": before})):
        segments = [segment for segment in _around(rows) if segment < done]
        if segments:
            yield segments
            done = segments[-1]
        if len(rows) < _NAMING_ASKED:
            return
        before = rows[-1]


def _around(rows: Sequence[int]) -> list[int]:
    """Return the segments in which rows can lie."""
    return sorted({near for row in rows for near in segments_near(row)}, reverse=True)


def _worked_out(connection: Connection, clauses: Sequence[Clause], window: Window, read: Read) -> list[Bits]:
    """Return, for each clause, the rows of each segment for which one of its alternatives holds."""
    read |= bits_of(connection, {token for clause in clauses for token in clause.tokens} - read.keys(), window)
    found: list[Bits] = []
    for clause in clauses:
        bits = read[clause.tokens[0]] if len(clause.tokens) == 1 else _joined(read, clause.tokens)
        if clause.ranges or clause.rows or clause.observable:
            bits = dict(bits)
            for low, high in clause.ranges:
                add_range(connection, bits, low, high, window)
            for row in clause.rows or () if clause.observable is None else _naming_in(connection, clause, window):
                for segment in segments_near(row):
                    bits[segment] = bits.get(segment, 0) | 1 << (row - (segment << SEGMENT_BITS))
        found.append(bits)
    return found


def _joined(by_token: Read, alternatives: Sequence[str]) -> Bits:
    bits: Bits = {}
    for token in alternatives:
        for segment, rows in by_token[token].items():
            bits[segment] = bits.get(segment, 0) | rows
    return bits


def _naming_in(connection: Connection, clause: Clause, window: Window) -> list[int]:
    if clause.observable is None:
        return []
    asked = {
        "type": clause.observable.type,
        "key": tokens.index_key(clause.observable),
        "low": max(window.low, window.segments[-1] << SEGMENT_BITS),
        "high": min(window.high, (window.segments[0] << SEGMENT_BITS) + SEGMENT_REACH),
    }
    return list(connection.scalars(_NAMING_BETWEEN, asked))
