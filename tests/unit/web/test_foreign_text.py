"""Foreign text is text in every field and on every page; Arabic pages speak Arabic."""

import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from mithaq.detection.record import record_hits
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.web.app import DOORS
from mithaq.web.rendering import plain, visible
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


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_every_text_field_stays_text(
    signed_in: SignIn, countries: list[Country], node: Node, at: datetime, attack: str
) -> None:
    first, second, _ = countries
    for country in (first, second):
        country.order(Treaty(at), at)
    fields = {"name": attack, "description": attack, "labels": [attack, "PAP:GREEN"]}
    object_id = second.add(1, at, **fields)
    first.add(2, at, **fields | {"object_marking_refs": []})
    deliver(second, first, at)
    deliver(first, second, at)
    with node.db.write(at) as tx:
        record_hits(tx, [hit_of(first, 1, 1, at)])
    node.people.link(attack.replace("\u202e", "")[:100], frozenset({Role.ANALYST}), at)
    client = signed_in(*Role)
    query = {"q": attack}
    for path in [*PAGES, f"/intelligence/{object_id}", f"/detection/{hit_of(first, 1, 1, at).hit_id}", "/exchange/XB"]:
        text = client.get(path, params=query if path == "/intelligence" else None).text
        reader = read(text)
        assert "\u202e" not in "".join(reader.said)
        assert not [tag for tag, _ in reader.tags if tag == "img"]
        for tag, attrs in reader.tags:
            assert tag != "script" or attrs.get("src", "").startswith("/static/"), path  # type: ignore[union-attr]
            assert not any(name.startswith("on") for name in attrs), (path, tag, attrs)
            assert not (attrs.get("href") or "").startswith("javascript:"), path
            assert "hx-get" not in attrs or attrs.get("hx-nonce"), path


def test_machine_text_shows_what_it_hides() -> None:
    assert visible("a\u202eb\x00c\u200bd") == "a\\u202eb\\u0000c\\u200bd"


def test_human_text_keeps_what_arabic_needs_and_nothing_that_overrides() -> None:
    assert plain("می\u200cخواهم \u200fب\u202e!") == "می\u200cخواهم \u200fب\\u202e!"


@pytest.mark.parametrize("path", PAGES)
def test_an_arabic_page_has_no_latin_word_but_names_of_standards(
    signed_in: SignIn, countries: list[Country], at: datetime, path: str
) -> None:
    countries[0].order(Treaty(at), at)
    countries[0].add(1, at)
    countries[0].add(2, at, object_marking_refs=[])
    deliver(countries[0], countries[1], at)
    client = signed_in(*Role, name="ليلى")
    client.get("/keys?lang=ar")
    words = set(re.findall(r"[A-Za-z]{2,}", " ".join(read(client.get(path).text).said)))
    known = {"TLP", "PAP", "RED", "AMBER", "UTC", "XA", "XB", "XC", "MISP", "STIX", "MiB", "JavaScript", "JSON"}
    assert words <= known
