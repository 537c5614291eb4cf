"""Fill a node with what an import of generated indicators would have written, by COPY, in a fraction of the time.

Nothing is parsed: of each kind of indicator one specimen goes through the real reading, and the values of the others
are put in its place. Texts come again after some four thousand objects, values and ids never. Postings are written as
they lie once the worker has gathered them.
`differing` stores some of the same objects as an import does, gathers, and compares every table.
"""

import hashlib
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, select, text, update

from benchmarks.holdings import AT, COMMON_WORD, RARE_EVERY, Maker, opened, vocabulary
from mithaq.exchange.taxii.shelving import READER, Shelving
from mithaq.exchange.taxii.store import places, shelved, shelves
from mithaq.intelligence.gathering import Gathering
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.postings import WHOLE, bits_in_segment, encode_whole, grouped
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import CHUNK_OBJECTS
from mithaq.intelligence.tables import objects, observables, postings, provenance
from mithaq.intelligence.tokens import changing_tokens, fixed_tokens, named_observables, since_token, until_token
from mithaq.intelligence.words import words_of
from mithaq.kernel import journal
from mithaq.kernel.bulk import Bulk
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import EPOCH, Database, Transaction, upsert
from mithaq.kernel.database import cursors as reading
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.stix import meaning_of
from mithaq.standards.tlp import Tlp

OWN = NationId("XA")
WORD = Provenance("own", OWN, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, AT)
TABLES = (objects, observables, provenance, postings, places, shelved)
"""What a fill writes, beside the journal."""

_COMMIT = 20_000
_DRAWN = 65_536
_NAME_WORDS, _TEXT_WORDS = 4, 12
_SPECIMENS = ("203.0.113.77", "specimen.example", "https://www.specimen.example/77", "77" * 16)
_OF_ITS_OWN = ("since:", "until:", "confidence:", "means:")
_Posting = tuple[int, bytes, int, bytes]
"""Segment, token, part, rows."""

_FURTHER = ("الشبكات", "énergie", "réseau", "هجوم")


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the kinds of indicators: what the real reading makes of its specimen."""

    path: str
    specimen: str
    meaning: str
    named: tuple[tuple[str, str, bool], ...]


class Filler:
    """Write the same rows as `Holdings.store` and the shelving, for indicators made from a seed."""

    def __init__(self, seed: int) -> None:
        chance, words = random.Random(seed), [*vocabulary(seed)[:20_000], *_FURTHER]
        self._maker = Maker(seed)
        weights = [1 / rank for rank in range(1, len(words) + 1)]
        self._drawn = chance.choices(words, weights, k=_DRAWN)
        self._folded = [words_of(word) for word in self._drawn]
        self._kinds = [self._kind(number, specimen) for number, specimen in enumerate(_SPECIMENS)]
        self._common = self._tokens_of_all()
        self._changing = changing_tokens(True, WORD.tlp, (WORD.nation,), AT)

    def body(self, number: int) -> bytes:
        """Return the indicator of this number as canonical JSON."""
        path, value = self._maker.value(number)
        return self._body(number, f"[{path} = '{value}']")

    def _body(self, number: int, pattern: str) -> bytes:
        made = _made(number)
        return (
            f'{{"confidence":{number % 101},"created":"{made}","description":"{" ".join(self._text(number))}",'
            f'"id":"{_id(number)}","labels":["PAP:GREEN"],"modified":"{made}","name":"{self._name(number)}",'
            f'"object_marking_refs":["{Tlp.GREEN.marking_id}"],"pattern":"{pattern}","pattern_type":"stix",'
            f'"spec_version":"2.1","type":"indicator","valid_from":"{made}",'
            f'"valid_until":"{rfc3339(_until(number))}"}}'
        ).encode()

    def fill(self, db: Database, first: int, end: int, shelf: int) -> None:
        """Write the objects of these numbers into the rows after them, and put them on a shelf."""
        with _bare(db):
            segment = _Segment()
            for start in range(first, end, _COMMIT):
                self._write(db, start, min(end, start + _COMMIT), shelf, segment)
            with db.write(AT) as tx:
                segment.write(tx)
        gather(db)

    def _write(self, db: Database, first: int, end: int, shelf: int, segment: "_Segment") -> None:
        numbers = range(first, end)
        bodies = [self.body(number) for number in numbers]
        with db.write(AT) as tx:
            OBJECTS.insert(tx, [self._object(number, body) for number, body in zip(numbers, bodies, strict=True)])
            OBSERVABLES.insert(tx, [row for number in numbers for row in self._named(number)])
            PROVENANCE.insert(tx, [(number + 1, *_PROVENANCE_VALUES) for number in numbers])
            for start in range(first, end, CHUNK_OBJECTS):
                chunk = range(start, min(end, start + CHUNK_OBJECTS))
                segment.add(tx, grouped([(number + 1, self._tokens(number)) for number in chunk]))
                detail = {"rows": [number + 1 for number in chunk]}
                tx.append("intelligence.stored", subject=_id(start), lane=ACTUAL, actor=f"nation:{OWN}", detail=detail)
            PLACES.insert(tx, [(number + 1, False, (_created(number) - EPOCH).days) for number in numbers])
            SHELVED.insert(
                tx, [(shelf, _added(each), each + 1, "indicator", _created(each), False, False) for each in numbers]
            )
            full = {"last_added": _added(end - 1), "filled_to": end, "fill_to": end}
            tx.execute(update(shelves).where(shelves.c.id == shelf).values(**full))
            seen = -(-end // CHUNK_OBJECTS)
            upsert(tx, reading, [{"reader": READER, "seq": seen}], keys=["reader"], changed=["seq"])

    def _object(self, number: int, body: bytes) -> tuple[Any, ...]:
        return (
            *(number + 1, _id(number), "indicator", str(ACTUAL), _created(number), False, _until(number), True),
            *(self._name(number), int(WORD.tlp), int(Pap.GREEN), True, AT, hashlib.sha256(body).digest(), body, ""),
        )

    def _named(self, number: int) -> Iterator[tuple[str, str, int, bool]]:
        kind, value = self._kinds[number % 4], self._maker.value(number)[1]
        host = value.split("/")[2] if number % 4 == 2 else value
        for name, key, sufficient in kind.named:
            yield name, value if key == kind.specimen else host, number + 1, sufficient

    def _tokens(self, number: int) -> list[str]:
        kind = self._kinds[number % 4]
        meaning = kind.meaning.replace(kind.specimen, self._maker.value(number)[1])
        found = {word for words in self._words(number) for word in words}
        if number % 2:
            found.add(COMMON_WORD)
        if number % 7 == 0:
            found.add(f"rare{number % RARE_EVERY}")
        found.add(f"means:{hashlib.sha256(meaning.encode()).hexdigest()[:32]}")
        found.add(f"confidence:{number % 101:03}")
        found.add(since_token(_created(number).toordinal()))
        found.add(until_token(_until(number).toordinal()))
        return [*found.union(self._common), *self._changing]

    def _words(self, number: int) -> list[list[str]]:
        place = _place(number)
        return self._folded[place : place + _NAME_WORDS + _TEXT_WORDS]

    def _name(self, number: int) -> str:
        place = _place(number)
        common = f" {COMMON_WORD}" if number % 2 else ""
        rare = f" rare{number % RARE_EVERY}" if number % 7 == 0 else ""
        return " ".join(self._drawn[place : place + _NAME_WORDS]) + common + rare

    def _text(self, number: int) -> list[str]:
        place = _place(number) + _NAME_WORDS
        return self._drawn[place : place + _TEXT_WORDS]

    def _kind(self, number: int, specimen: str) -> _Kind:
        path = self._maker.value(number)[0]
        pattern = f"[{path} = '{specimen}']"
        read = stix.parse(self._body(number, pattern))
        return _Kind(path, specimen, meaning_of(pattern) or "", named_observables(read))

    def _tokens_of_all(self) -> frozenset[str]:
        """Return what two far-apart objects have in common that no word of theirs is."""
        read = [fixed_tokens(stix.parse(self.body(number)), ACTUAL) for number in (0, 1_000_003)]
        words = {word for number in (0, 1_000_003) for found in self._words(number) for word in found}
        return frozenset(token for token in (read[0] & read[1]) - words if not token.startswith(_OF_ITS_OWN))


class _Segment:
    """The postings of the newest segment, held back until the next one begins: then they are written gathered."""

    def __init__(self) -> None:
        self._number = -1
        self._parts: defaultdict[bytes, list[_Posting]] = defaultdict(list)

    def add(self, tx: Transaction, part: Sequence[_Posting]) -> None:
        """Take the postings of one more part."""
        if part[0][0] != self._number:
            if self._number >= 0:
                POSTINGS.insert(tx, [self._gathered(token, parts) for token, parts in self._parts.items()])
            self._number = part[0][0]
            self._parts.clear()
        for posting in part:
            self._parts[posting[1]].append(posting)

    def write(self, tx: Transaction) -> None:
        """Write what is held back as it is: nothing has followed it."""
        POSTINGS.insert(tx, sorted(posting for parts in self._parts.values() for posting in parts))

    def _gathered(self, token: bytes, parts: Sequence[_Posting]) -> _Posting:
        if len(parts) == 1:
            return parts[0]
        bits = 0
        for segment, _, part, stored in parts:
            bits |= bits_in_segment(segment, part, stored)
        return self._number, token, WHOLE, encode_whole(bits)


def gather(db: Database) -> None:
    """Gather what is left to gather, as the worker does in time."""
    gathering = Gathering(db)
    while gathering.step(AT):
        pass


def differing(filler: Filler, count: int) -> list[str]:
    """Store objects as an import does, and fill another database; return the tables that are not the same."""
    with opened("postgresql") as real, _shelf(real):
        _imported(real, [filler.body(number) for number in range(count)])
        by_import = {table.name: _rows(real, table) for table in TABLES}
        by_import["journal"] = _told(real)
    with opened("postgresql") as copied, _shelf(copied) as shelf:
        filler.fill(copied, 0, count, shelf)
        by_copy = {table.name: _rows(copied, table) for table in TABLES}
        by_copy["journal"] = _told(copied)
    return [name for name, rows in by_import.items() if rows != by_copy[name]]


def _imported(db: Database, bodies: Sequence[bytes]) -> None:
    holdings, reader = Holdings(db), Shelving(db, OWN, lambda: AT).reader()
    for start in range(0, len(bodies), CHUNK_OBJECTS):
        chunk = bodies[start : start + CHUNK_OBJECTS]
        with db.write(AT) as tx:
            holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, WORD) for body in chunk])
    while journal.run_once(db, reader, AT):
        pass
    gather(db)


@contextmanager
def _shelf(db: Database) -> Iterator[int]:
    """Yield an empty shelf of one collection."""
    from mithaq.exchange.taxii.service import Collections
    from mithaq.nations.constituents.service import Constituents

    constituents = Constituents(db)
    constituents.add("reader", {"en": "Reader"}, [], "soc@reader.example", AT)
    Collections(db, constituents).add("feed", "Feed", AT, audience=("reader",))
    with db.read() as connection:
        yield int(connection.scalars(select(shelves.c.id)).one())


def _rows(db: Database, table: Table) -> list[tuple[Any, ...]]:
    with db.read() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*(c for c in table.c if c.name != "pap"))))


def _told(db: Database) -> list[tuple[Any, ...]]:
    with db.read() as connection:
        found = journal.entries(connection, 0, limit=1_000_000, kinds=frozenset({"intelligence.stored"}))
    return [(entry.at, entry.subject, entry.actor, entry.detail) for entry in found]


@contextmanager
def _bare(db: Database) -> Iterator[None]:
    """Take indexes that are no keys away while rows come in, and make them again; keys that point are not checked."""
    names = ", ".join(f"'{table.name}'" for table in TABLES)
    listed = text(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN "
        f"({names}) AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        kept = connection.execute(listed).all()
        for name, _ in kept:
            connection.exec_driver_sql(f'DROP INDEX "{name}"')
        for table in TABLES:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL")
        yield
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET maintenance_work_mem = '512MB'")
        for table in TABLES:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ENABLE TRIGGER ALL")
        for _, definition in kept:
            connection.exec_driver_sql(definition)


def _place(number: int) -> int:
    """Return where an object's words begin among those that were drawn."""
    length = _NAME_WORDS + _TEXT_WORDS
    return number * length % (_DRAWN - length)


def _created(number: int) -> datetime:
    return AT - timedelta(minutes=500_000 - number % 499_999)


def _made(number: int) -> str:
    return rfc3339(_created(number))


def _until(number: int) -> datetime:
    return AT + timedelta(days=1 + number * 7 % 700)


def _added(number: int) -> datetime:
    return AT + timedelta(milliseconds=number)


def _id(number: int) -> str:
    return f"indicator--{uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128), version=4)}"


def _bulk(table: Table) -> Bulk:
    return Bulk(table, *(column.name for column in table.c if table is not provenance or column.name != "row"))


OBJECTS, OBSERVABLES, PROVENANCE, POSTINGS = map(_bulk, (objects, observables, provenance, postings))
PLACES, SHELVED = map(_bulk, (places, shelved))
_PROVENANCE_VALUES: tuple[Any, ...] = (
    *(WORD.source, WORD.nation, None, None, None, None, int(WORD.tlp), int(Pap.GREEN), {}, AT, None),
    *(None, "stands", "", "stated"),
)
