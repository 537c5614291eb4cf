"""One search for page, API and CLI: values in any spelling, words in any script, a few filters."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest

from mithaq.intelligence.errors import BadQuery
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.search import parse_query
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.words import words_of
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from tests.conftest import AT

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
OBJECTS: list[tuple[str, str, Tlp, dict[str, Any]]] = [
    ("malware", "XA", Tlp.GREEN, {"name": "الهجوم على الشبكات", "description": "تسلّل إلى مُؤسَّسات حكوميّة"}),
    ("malware", "XB", Tlp.AMBER, {"name": "Hameçonnage ciblé", "description": "Campagne contre l’énergie"}),
    (
        "indicator",
        "XC",
        Tlp.GREEN,
        {"name": "Spear phishing 100%", "pattern": "[url:value = 'http://login.evil.example/a']"},
    ),
    ("indicator", "XA", Tlp.RED, {"pattern": f"[file:hashes.MD5 = '{MD5}']", "labels": ["Emotet"]}),
    (
        "indicator",
        "XA",
        Tlp.CLEAR,
        {"pattern": "[domain-name:value = 'a.example' AND ipv4-addr:value = '198.51.100.7']"},
    ),
]


@pytest.fixture
def held(db: Database, at: datetime) -> Holdings:
    holdings = Holdings(db)
    objects = []
    for number, (kind, nation, tlp, extra) in enumerate(OBJECTS):
        fields = {
            "type": kind,
            "id": f"{kind}--5b8f0b1e-1234-4abc-8def-{number:012x}",
            "modified": at.isoformat(),
            **extra,
        }
        raw = json.dumps(fields).encode()
        provenance = Provenance("import", NationId(nation), None, None, None, None, tlp, None, {}, at)
        objects.append(NewObject(raw, parse(raw), ACTUAL, provenance))
    with db.write(at) as tx:
        holdings.store(tx, objects)
    return holdings


def found(holdings: Holdings, query: str) -> list[int]:
    with holdings.db.read() as connection:
        page = holdings.search(connection, query, ACTUAL, None, 50, at=AT)
    return [int(item.stix.id[-12:], 16) for item in page.objects]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [4, 3, 2, 1, 0]),
        ("type:indicator", [4, 3, 2]),
        ("type:indicator from:XA", [4, 3]),
        ("from:xb", [1]),
        ("tlp:green", [2, 0]),
        ("tlp:green tlp:red", [3, 2, 0]),
        ("هجوم", [0]),
        ("الهجوم", [0]),
        ("مؤسسات حكومية", [0]),
        ("الشبكات", [0]),
        ("hameconnage", [1]),
        ("CIBLÉ", [1]),
        ("energie", [1]),
        ("phishing", [2]),
        ('"spear phishing"', [2]),
        ("100%", [2]),
        ("%", [4, 3, 2, 1, 0]),
        ("emotet", [3]),
        (MD5.upper(), [3]),
        ("hxxp://login[.]evil[.]example/a", [2]),
        ("login[.]evil.example", [2]),
        ("198.51.100[.]7", [4]),
        ("١٩٨٫٥١٫١٠٠٫٧", [4]),
        ("indicator--5b8f0b1e-1234-4abc-8def-000000000003", [3]),
        ("is:withdrawn", []),
        ("is:any type:malware", [1, 0]),
        ("nothing-like-this", []),
    ],
)
def test_a_search_finds_what_it_means(held: Holdings, query: str, expected: list[int]) -> None:
    assert found(held, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from:source:osint", ["source:osint"]),
        ("from:SOURCE:Osint type:tool", ["source:osint"]),
        ("from:constituent:grid-operator", ["constituent:grid-operator"]),
        ("from:MITRE", ["MITRE"]),
        ("from:mitre", ["MITRE"]),
        ('from:"Publié ici"', ["Publié ici"]),
        ("from:source:osint from:XA", ["XA", "source:osint"]),
        ("type:tool -from:source:osint -from:MITRE", ["Publié ici", "constituent:grid-operator", "XA"]),
        ("from:source:nobody", []),
        ("from:xc", []),
    ],
)
def test_everybody_whom_results_name_can_be_asked_for(
    db: Database, at: datetime, query: str, expected: list[str]
) -> None:
    holdings, sources = Holdings(db), {"XA": "own", "source:osint": "import"}
    sources |= {"constituent:grid-operator": "constituent", "MITRE": "publisher", "Publié ici": "publisher"}
    objects = []
    for number, (giver, source) in enumerate(sources.items()):
        fields = {"type": "tool", "id": f"tool--5b8f0b1e-1234-4abc-8def-{number:012x}", "modified": at.isoformat()}
        said = Provenance(source, NationId(giver), None, None, None, None, Tlp.GREEN, None, {}, at)  # type: ignore[arg-type]
        raw = json.dumps(fields).encode()
        objects.append(NewObject(raw, parse(raw), ACTUAL, said))
    with db.write(at) as tx:
        holdings.store(tx, objects)
    with db.read() as connection:
        page = holdings.search(connection, query, ACTUAL, None, 50, at=AT)
    assert sorted(word.nation for item in page.objects for word in item.provenance) == sorted(expected)


@pytest.mark.parametrize("query", ["from:France", "-from:France", "from:osint", "from:XA from:mitre"])
def test_a_giver_of_whom_nothing_can_be_held_is_refused_by_name(held: Holdings, query: str) -> None:
    with pytest.raises(BadQuery) as raised:
        found(held, query)
    assert raised.value.params["word"] == query.rpartition(":")[2]


def test_pages_follow_one_another_without_gap_or_repeat(held: Holdings) -> None:
    seen: list[int] = []
    after: int | None = None
    for _ in range(3):
        with held.db.read() as connection:
            page = held.search(connection, "", ACTUAL, after, 2, at=AT)
        seen += [item.row for item in page.objects]
        after = page.next
    assert (seen, after) == ([5, 4, 3, 2, 1], None)


def test_what_was_withdrawn_is_found_when_asked_for(held: Holdings, at: datetime) -> None:
    object_id = "malware--5b8f0b1e-1234-4abc-8def-000000000001"
    with held.db.write(at) as tx:
        held.withdraw(tx, object_id, ACTUAL, NationId("XB"), "recalled")
    assert found(held, "ciblé") == []
    assert found(held, "is:withdrawn ciblé") == [1]


@pytest.mark.parametrize("query", ["tlp:purple", "is:gone", "x" * 3000, " ".join(f"word{n}" for n in range(30))])
def test_a_search_that_means_nothing_is_refused(query: str) -> None:
    with pytest.raises(BadQuery):
        parse_query(query)


def test_an_unknown_filter_is_a_plain_word() -> None:
    assert tuple(parse_query("http:nonsense").wanted.words) == ("http", "nonsense")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("إِرْهَاب", "ارهاب"),
        ("مؤسسة", "موسسه"),
        ("علىـــ", "علي"),
        ("Énergie", "energie"),
        ("٤٤٣", "443"),
        ("کتاب", "كتاب"),
    ],
)
def test_spellings_of_one_word_are_the_same_word(left: str, right: str) -> None:
    assert words_of(left) == words_of(right)


def test_words_of_ascii_are_its_letters_and_digits_whatever_stands_between_them() -> None:
    text = "".join(f"Ab{between}9z" for between in map(chr, range(128)))
    assert words_of(text) == re.findall(r"[a-z0-9]+", text.lower())
