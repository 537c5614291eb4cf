"""Foreign text is text in every field and on every page; Arabic pages speak Arabic."""

import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser

from starlette.testclient import TestClient

from mithaq.detection.hits.record import record_hits
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.web.app import DOORS
from mithaq.web.rendering import apart, plain, visible
from tests.country import Country, deliver
from tests.sight import hit_of
from tests.world import Treaty

SignIn = Callable[..., TestClient]
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<div hx-get=/people hx-trigger=load>",
    "&lt;script&gt;",
    "\u202egnp.exe",
    "</textarea><script>alert(1)</script>",
)
PAGES = [door.path for door in DOORS if door.method == "GET" and "{" not in door.path and door.path != "/live"]


VOID = {"meta", "link", "input", "br", "path", "img"}


class Reader(HTMLParser):
    """Collect tags, attributes and the text outside machine and foreign text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[bool] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in VOID:
            foreign = tag in {"code", "bdi", "script", "title", "kbd", "textarea"} or "lang" in found or "dir" in found
            self.open.append(foreign and tag != "html")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.open):
            self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_attacks_in_every_text_field_stay_text(
    signed_in: SignIn, countries: list[Country], node: Node, at: datetime
) -> None:
    first, second, _ = countries
    for country in (first, second):
        country.order(Treaty(at), at)
    pages = [*PAGES, "/exchange/XB"]
    for number, attack in enumerate(ATTACKS, 1):
        fields = {"name": attack, "description": attack, "labels": [attack, "PAP:GREEN"]}
        pages.append(f"/intelligence/{second.add(number, at, **fields)}")
        first.add(100 + number, at, **fields | {"object_marking_refs": []})
        node.people.link(attack.replace("\u202e", ""), frozenset({Role.ANALYST}), at)
    deliver(second, first, at)
    deliver(first, second, at)
    hits = [hit_of(first, number, number, at) for number in range(1, len(ATTACKS) + 1)]
    with node.db.write(at) as tx:
        record_hits(tx, hits)
    client = signed_in(*Role)
    for path in [*pages, *(f"/detection/{hit.hit_id}" for hit in hits)]:
        assert_only_text(path, client.get(path).text)
    for attack in ATTACKS:
        assert_only_text(attack, client.get("/intelligence", params={"q": attack}).text)


def assert_only_text(where: str, text: str) -> None:
    reader = read(text)
    assert "\u202e" not in "".join(reader.said), where
    assert "img" not in {tag for tag, _ in reader.tags}, where
    for tag, attrs in reader.tags:
        assert tag != "script" or str(attrs.get("src")).startswith("/static/"), where
        assert not any(name.startswith("on") for name in attrs), (where, tag, attrs)
        assert not (attrs.get("href") or "").startswith("javascript:"), where
        assert "hx-get" not in attrs or attrs.get("hx-nonce"), where


def test_machine_text_shows_what_it_hides() -> None:
    assert visible("a\u202eb\x00c\u200bd") == "a\\u202eb\\u0000c\\u200bd"


def test_human_text_keeps_what_arabic_needs_and_nothing_that_overrides() -> None:
    assert plain("می\u200cخواهم \u200fب\u202e!") == "می\u200cخواهم \u200fب\\u202e!"


def test_an_arabic_page_has_no_latin_word_but_names_of_standards(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    countries[0].order(Treaty(at), at)
    countries[0].add(1, at)
    countries[0].add(2, at, object_marking_refs=[])
    deliver(countries[0], countries[1], at)
    client = signed_in(*Role, name="ليلى")
    client.get("/keys?lang=ar")
    known = {"TLP", "PAP", "RED", "AMBER", "UTC", "XA", "XB", "XC", "MISP", "STIX", "MiB", "JavaScript", "JSON", "PDF"}
    known |= {"CLEAR", "GREEN", "STRICT", "OIC", "CERT", "TAXII", "YARA"}
    for path in PAGES:
        words = set(re.findall(r"[A-Za-z]{2,}", " ".join(read(client.get(path).text).said)))
        assert words <= known, path


def test_an_address_in_a_line_of_arabic_stands_apart_and_is_not_reversed() -> None:
    assert apart("ثم 203[.]0[.]113[.]77، <b> (x.example).") == (
        'ثم <bdi dir="ltr">203[.]0[.]113[.]77</bdi>، &lt;b&gt; <bdi dir="ltr">(x.example</bdi>).'
    )
    assert "\\u202e" in apart("\u202ea.b")
