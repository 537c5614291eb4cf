"""Whatever is searched for, the index finds what a plain look at every object finds, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mithaq.intelligence.model import HeldWord, NewObject, Provenance, StoredObject
from mithaq.intelligence.places import PART_ROWS
from mithaq.intelligence.postings import SEGMENT_BITS
from mithaq.intelligence.search import parse_query
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.words import words_of
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, canonical_observable, recognise
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from tests.conftest import AT
from tests.databases import postgresql, ready_sqlite

WORDS = [
    "phishing",
    "Phish",
    "هجوم",
    "الهُجُوم",
    "والهجوم",
    "énergie",
    "ENERGIE",
    "مؤسسة",
    "موسسه",
    "x" * 90,
    "apt29",
    "_",
    "٤٤٣",
]
VALUES = ["evil.example", "login.evil.example", "198.51.100.7"]
TYPES = ["indicator", "malware", "report"]
NATIONS = ["XA", "XB", "XC"]
LABELS = ["Énergie solaire", "Emotet", "هجوم"]
SECTORS = ["energy", "télécoms"]
MINUTES = [0, 59, 60, 61, 24 * 60, 7 * 24 * 60 - 1, 7 * 24 * 60, 7 * 24 * 60 + 1, 30 * 24 * 60]

words = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
moments = st.sampled_from([timedelta(), *(timedelta(seconds=s) for s in (-90000, -1, 1, 90000)), timedelta(days=400)])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(TYPES))
    body: dict[str, Any] = {"type": kind, "name": draw(words), "description": draw(words)}
    if kind == "indicator":
        value = draw(st.sampled_from(VALUES))
        path = "ipv4-addr:value" if value[0] == "1" else "url:value" if draw(st.booleans()) else "domain-name:value"
        body["pattern"] = f"[{path} = '{'http://' + value + '/a' if path[0] == 'u' else value}']"
        begun = draw(st.none() | moments)
        over = draw(st.none() | moments)
        if begun is not None and (over is None or begun < over):
            body["valid_from"] = (AT + begun).isoformat()
        if over is not None:
            body["valid_until"] = (AT + over).isoformat()
    for name, choice in (
        ("confidence", st.sampled_from([0, 1, 9, 10, 70, 71, 99, 100])),
        ("revoked", st.booleans()),
        ("labels", st.lists(st.sampled_from(LABELS), max_size=2)),
        ("sectors", st.lists(st.sampled_from(SECTORS), max_size=2)),
    ):
        found = draw(st.none() | choice)
        if found is not None:
            body[name] = found
    return body


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What happens to a node: deliveries, words of others for the same objects, words taken back, erasures."""
    steps: list[tuple[Any, ...]] = []
    count = 0
    for _ in range(draw(st.integers(1, 4))):
        chunk = []
        for _ in range(draw(st.integers(1, 6))):
            again = draw(st.booleans()) and count > 0
            number = draw(st.integers(0, count - 1)) if again else count
            count += not again
            version, nation = draw(st.integers(0, 1)), draw(st.sampled_from(NATIONS))
            lane = draw(st.sampled_from([ACTUAL, ACTUAL, TEST]))
            chunk.append((number, version, nation, draw(st.sampled_from(list(Tlp))), lane, draw(bodies())))
        steps.append(("store", draw(st.sampled_from(MINUTES)), chunk))
        if draw(st.booleans()):
            steps.append(("withdraw", draw(st.integers(0, count - 1)), draw(st.sampled_from(NATIONS))))
        if draw(st.booleans()):
            steps.append(("erase", draw(st.integers(0, count - 1)), draw(st.sampled_from(NATIONS))))
    return steps


def object_id(number: int, kind: str = "indicator") -> str:
    return f"{kind}--5b8f0b1e-1234-4abc-8def-{number:012x}"


def parts() -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(["phi*", "هجو*", "ene*", "abc*"]),
        st.sampled_from(
            ["evil[.]example", "LOGIN.evil.example", "198.51.100[.]7", "hxxp://evil.example/a", "no.example"]
        ),
        st.sampled_from([f"type:{kind}" for kind in TYPES]),
        st.sampled_from([f"from:{nation.lower()}" for nation in NATIONS]),
        st.sampled_from([f"tlp:{tlp.label[4:].lower()}" for tlp in Tlp]),
        st.sampled_from(
            ['label:"energie  SOLAIRE"', "label:emotet", "label:nothing", "sector:telecoms", "sector:Energy"]
        ),
        st.tuples(st.sampled_from([">", ">=", "<", "<=", "=", ":"]), st.sampled_from([0, 9, 10, 70, 100])).map(
            lambda pair: f"confidence{pair[0]}{pair[1]}"
        ),
        st.sampled_from(["seen:1h", "seen:24h", "seen:7d", "seen:1w", "seen:0h"]),
        st.sampled_from(["valid:yes", "valid:no"]),
        st.just(object_id(0)),
    )


queries = st.tuples(
    st.lists(st.tuples(st.sampled_from(["", "", "-"]), parts()).map("".join), max_size=3),
    st.sampled_from(["", "", "is:any", "is:withdrawn", "-is:withdrawn"]),
).map(lambda pair: " ".join((*pair[0], pair[1])))


# Without shrinking: each example writes to a real database, and the smallest one would take minutes to find.
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories(), asked=st.lists(queries, min_size=5, max_size=12), limit=st.integers(1, 4))
def test_the_index_finds_what_a_plain_look_finds(
    db: Database, history: list[tuple[Any, ...]], asked: list[str], limit: int
) -> None:
    holdings = Holdings(db)
    with emptied(db):
        for step in history:
            happen(holdings, step)
        with db.read() as connection:
            held = holdings.rows(connection, range(1, 200))
            for query in asked:
                for lane in (ACTUAL, TEST):
                    expected = [item.row for item in reversed(held) if item.lane == lane and plainly(item, query)]
                    assert paged(holdings, connection, query, lane, limit) == expected, query


class emptied:  # noqa: N801 - a context
    """Begin each history with nothing held."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def __enter__(self) -> None:
        from mithaq.intelligence.tables import objects, observables, postings, provenance, tombstones

        with self.db.write(AT) as tx:
            for table in (postings, observables, provenance, objects, tombstones):
                tx.execute(table.delete())

    def __exit__(self, *_: object) -> None:
        pass


def happen(holdings: Holdings, step: tuple[Any, ...]) -> None:
    if step[0] == "store":
        _, minutes, chunk = step
        at = AT - timedelta(minutes=minutes)
        with holdings.db.write(at) as tx:
            holdings.store(tx, [new_object(at, *each) for each in chunk])
        return
    _, number, nation = step
    for kind in TYPES:
        with holdings.db.write(AT) as tx:
            if step[0] == "withdraw":
                holdings.withdraw(tx, object_id(number, kind), ACTUAL, NationId(nation), "taken back")
            else:
                rows = [item.row for item in holdings.get(tx.connection, object_id(number, kind), ACTUAL)]
                holdings.erase(tx, [HeldWord(row, NationId(nation), "release--1") for row in rows])


def new_object(
    at: datetime, number: int, version: int, nation: str, tlp: Tlp, lane: Lane, fields: dict[str, Any]
) -> NewObject:
    modified = (AT + timedelta(days=version)).isoformat()
    raw = json.dumps({**fields, "id": object_id(number, fields["type"]), "modified": modified}).encode()
    given = Provenance("partner", NationId(nation), "agreement--1", 1, "release--1", None, tlp, None, {}, at)
    return NewObject(raw, parse(raw), lane, given)


def paged(holdings: Holdings, connection: Any, query: str, lane: Lane, limit: int) -> list[int]:
    found: list[int] = []
    after: int | None = None
    while True:
        page = holdings.search(connection, query, lane, after, limit, at=AT)
        found += [item.row for item in page.objects]
        after = page.next
        if after is None:
            return found


def plainly(item: StoredObject, query: str) -> bool:
    """Hold an object against a search part by part, in the plainest way."""
    standing, any_of = "stands", {}
    for part in query.replace('label:"energie  SOLAIRE"', "label:energie_SOLAIRE").split():
        bare = part.removeprefix("-")
        name = bare.partition(":")[0]
        if bare.startswith("is:"):
            standing = "stands" if part == "-is:withdrawn" else bare[3:]
        elif name in {"type", "from", "tlp", "label", "sector"} or "--" in bare:
            any_of.setdefault((part[0] == "-", name if ":" in bare else "id"), []).append(bare)
        elif bare != "_" and one(item, bare) is (part[0] == "-"):  # a mark alone says nothing
            return False
    if standing != "any" and item.stands is not (standing == "stands"):
        return False
    return all(any(one(item, each) for each in group) is not negated for (negated, _), group in any_of.items())


def one(item: StoredObject, part: str) -> bool:
    stix = item.stix
    text = " ".join((stix.name, stix.description, *stix.labels))
    name, _, value = part.partition(":")
    if part.startswith("confidence"):
        sign, number = part[10:].rstrip("0123456789"), int(part[10:].lstrip("<>=:"))
        if stix.confidence is None:
            return False
        return {
            ">": stix.confidence > number, ">=": stix.confidence >= number, "<": stix.confidence < number,
            "<=": stix.confidence <= number, "=": stix.confidence == number, ":": stix.confidence == number,
        }[sign]  # fmt: skip
    match name:
        case "type":
            return stix.type == value
        case "from":
            return value.upper() in {word.nation for word in item.provenance}
        case "tlp":
            return item.tlp is Tlp.parse(value)
        case "label":
            return words_of(value.replace("_", " ")) in [words_of(label) for label in stix.labels]
        case "sector":
            return words_of(value) in [words_of(sector) for sector in stix.sectors]
        case "seen":
            span = timedelta(**{{"h": "hours", "d": "days", "w": "weeks"}[value[-1]]: int(value[:-1])})
            return (
                max(item.stored_at, *(word.received_at for word in item.provenance), AT - timedelta(9999)) >= AT - span
            )
        case "valid":
            valid = not stix.revoked and (not stix.valid_from or stix.valid_from <= AT)
            valid = valid and (not stix.valid_until or stix.valid_until > AT)
            return valid is (value == "yes")
    if "--" in part:
        return stix.id == part
    if part.endswith("*"):
        return any(word.startswith(words_of(part[:-1])[0]) for word in words_of(text))
    observable = recognise(refang_value(part))
    if observable is not None:
        return observable in {found for each in stix.mentions for found in (each, host(each))}
    return set(words_of(part)) <= set(words_of(text))


def host(observable: Observable) -> Observable | None:
    if observable.type != "url":
        return None
    name = observable.value.split("/")[2]
    return canonical_observable("ipv4", name) or canonical_observable("domain", name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holdings]:
    """Rows on both sides of the ends of parts and of segments, and gaps between them; they are only read."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = ready_sqlite(tmp_path_factory.mktemp("many") / "mithaq.db")
        else:
            server, template = (request.getfixturevalue(f"postgres_{each}") for each in ("server", "template"))
            url = stack.enter_context(postgresql(server, template))
        db = stack.enter_context(closing(Database.open(url)))
        yield holding_many(db, AT)


def holding_many(db: Database, at: datetime) -> Holdings:
    from mithaq.intelligence.tables import tombstones

    holdings = Holdings(db)
    firsts = [1, PART_ROWS - 3, (1 << SEGMENT_BITS) - 5, (1 << SEGMENT_BITS) + PART_ROWS - 20, 40 << SEGMENT_BITS]
    for number, first in enumerate(firsts):
        if first > 1:
            with db.write(at) as tx:
                row = {"row": first - 1, "stix_id": f"report--{number}", "lane": "actual", "erased_at": at}
                tx.execute(tombstones.insert(), [row])
        for size in (1, 7, 3):
            fields = {"type": "report", "name": f"chunk{number} every", "description": "odd" if size == 7 else ""}
            chunk = [
                new_object(at, first * 100 + size * 10 + each, 0, "XA", Tlp.GREEN, ACTUAL, fields)
                for each in range(size)
            ]
            with db.write(at) as tx:
                holdings.store(tx, chunk)
    return holdings


@pytest.mark.parametrize("limit", [1, 4, 500])
@pytest.mark.parametrize(
    "query",
    ["", "every", "chunk0", "chunk2", "odd", "-odd", "every -chunk3", "nothing", "chu*", "type:malware every",
     "from:XB type:report", "from:XA chunk1 odd", "odd chunk0 chunk4", "type:report tlp:green -odd chunk1"],
)  # fmt: skip
def test_parts_and_segments_end_anywhere(many: Holdings, query: str, limit: int) -> None:
    with many.db.read() as connection:
        held = many.rows(connection, many_rows(connection))
        expected = [item.row for item in reversed(held) if plainly(item, query)]
        assert paged(many, connection, query, ACTUAL, limit) == expected
        assert len(held) == 55


def many_rows(connection: Any) -> list[int]:
    from mithaq.intelligence.tables import objects

    return [row.row for row in connection.execute(objects.select().with_only_columns(objects.c.row))]


def test_an_erased_object_leaves_nothing_in_the_index(db: Database, at: datetime) -> None:
    from mithaq.intelligence.tables import postings

    holdings = Holdings(db)
    stays = new_object(at, 1, 0, "XA", Tlp.GREEN, ACTUAL, {"type": "report", "name": "shared remains"})
    goes = new_object(at, 2, 0, "XB", Tlp.RED, ACTUAL, {"type": "report", "name": "shared secretword", "confidence": 7})
    with db.write(at) as tx:
        rows = holdings.store(tx, [stays, goes]).rows
    with db.write(at) as tx:
        holdings.erase(tx, [HeldWord(rows[1], NationId("XB"), "release--1")])
    with db.read() as connection:
        left = {bytes(row.token).decode(): bytes(row.rows) for row in connection.execute(postings.select())}
    assert set(left) == {*stays.indexed.tokens, "tlp:1", "from:XA", *(t for t in left if t.startswith("seen:"))}
    assert set(left.values()) == {b"\0\0"}


def test_a_search_goes_on_after_its_newest_object_is_erased(db: Database, at: datetime) -> None:
    holdings = Holdings(db)
    fields = {"type": "report", "name": "again"}
    with db.write(at) as tx:
        rows = holdings.store(tx, [new_object(at, n, 0, "XA", Tlp.GREEN, ACTUAL, fields) for n in range(3)]).rows
    with db.write(at) as tx:
        holdings.erase(tx, [HeldWord(row, NationId("XA"), "release--1") for row in rows])
    with db.write(at) as tx:
        stored = holdings.store(tx, [new_object(at, 9, 0, "XA", Tlp.GREEN, ACTUAL, fields)]).rows
    with db.read() as connection:
        assert paged(holdings, connection, "again", ACTUAL, 2) == list(stored) == [rows[-1] + 1]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("type:Ma!ware", "Ma!ware"),
        ("type:", ""),
        ("from:source:", "source:"),
        ("from:sources:osint", "sources:osint"),
        ('from:"source:not one"', "source:not one"),
        ("from:", ""),
        ("-tlp:purple", "purple"),
        ("is:gone", "gone"),
        ("-is:any", "any"),
        ("seen:7", "7"),
        ("seen:soon", "soon"),
        ("valid:perhaps", "perhaps"),
        ("confidence>high", "high"),
        ("confidence>=101", "101"),
        ("confidence:-1", "-1"),
        ("confidence<٧٠", "٧٠"),
    ],
)
def test_a_wrong_word_is_named(query: str, word: str) -> None:
    from mithaq.intelligence.errors import BadQuery

    with pytest.raises(BadQuery) as raised:
        parse_query(f"good {query} words")
    assert raised.value.params["word"] == word


def test_the_same_history_told_again_changes_nothing(db: Database, at: datetime) -> None:
    from mithaq.intelligence.tables import postings

    holdings = Holdings(db)
    new = new_object(at, 1, 0, "XA", Tlp.GREEN, ACTUAL, {"type": "report", "name": "once"})
    with db.write(at) as tx:
        holdings.store(tx, [new])
    with db.read() as connection:
        before = connection.execute(postings.select()).all()
    with db.write(at) as tx:
        holdings.store(tx, [replace(new)])
    with db.read() as connection:
        assert connection.execute(postings.select()).all() == before


def test_an_erased_word_is_in_no_file(tmp_path: Path, at: datetime) -> None:
    db = Database.open(ready_sqlite(tmp_path / "holdings.db"))
    holdings = Holdings(db)
    fields = {"type": "report", "name": "Zzyzxword", "labels": ["Zzyzxlabel"]}
    new = [new_object(at, number, 0, "XA", Tlp.GREEN, ACTUAL, fields if number == 7 else fields | {"name": "other"})
           for number in range(20)]  # fmt: skip
    with db.write(at) as tx:
        rows = holdings.store(tx, new).rows
    assert any(b"zzyzxword" in path.read_bytes() for path in tmp_path.iterdir()), "the search finds what is there"
    with db.write(at) as tx:
        holdings.erase(tx, [HeldWord(rows[7], NationId("XA"), "release--1")])
    assert db.wipe_log()
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert not any(b"zzyzxword" in data or b"Zzyzxword" in data for data in files)
    assert any(b"zzyzxlabel" in data for data in files), "the others' words stay"
    db.close()
