"""Cards and key statements over real HTTP: they prove themselves, whoever brings them, and make nobody a partner."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from mithaq.exchange.channel.acquaintance import Acquaintance
from mithaq.exchange.settings import CARD_HEADER
from mithaq.kernel import canonical
from mithaq.kernel.keystore import Keys
from mithaq.nations.keys import rules
from mithaq.nations.keys.card_file import tag_of_file, with_statements
from mithaq.nations.keys.settings import MAX_CHAIN_BYTES
from tests.channel import CLOCK, World, opened
from tests.functional.test_channel import RELEASES, refused, signed
from tests.world import XA, XB, XD, bare_card, card_of, first_statement, keys_of, online_of, root_of, signed_statement

pytestmark = pytest.mark.functional


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as world:
        yield world


def newer_card() -> tuple[bytes, Keys]:
    """XB's card of a new week: another sealing key under the same statement."""
    keys = msgspec.structs.replace(keys_of(XB), open_keys=Keys.generate().open_keys)
    at = CLOCK.now() + timedelta(seconds=1)
    first = first_statement(XB, at)
    return with_statements(bare_card(XB, at, first, keys=keys), [first.envelope]), keys


def test_nothing_is_sealed_to_an_older_card_once_its_nation_names_a_newer_one(world: World) -> None:
    world.add(1)
    card, keys = newer_card()
    target = f"{RELEASES}&card={tag_of_file(card)}"
    problem = refused(world.ask("GET", target, **signed(target)), 409, "card-wanted")
    assert problem["params"]["statement"] == 1
    partner = Acquaintance(world.second.context, CLOCK, XA, lambda: card)
    (frame,) = partner.fetch(world.client(world.second), 0, 0)
    assert frame.header.key_id == keys.opening[0].seal_key.key_id


@pytest.mark.parametrize("tag", ["", "0.0", "x", "1.1.1", "-1.5", "٣.٣", "9" * 400])
def test_a_tag_that_names_nothing_newer_changes_nothing(world: World, tag: str) -> None:
    target = f"{RELEASES}&card={quote(tag)}"
    answer = world.ask("GET", target, **signed(target))
    assert answer.status_code == 200
    assert answer.headers[CARD_HEADER].endswith(".1")


def test_a_statement_reaches_a_partner_by_anybodys_hand_and_stops_the_stolen_key(world: World) -> None:
    at, official = CLOCK.now(), root_of(XB)
    first = first_statement(XB, at)
    made = rules.draft(
        first, nation=XB, roots=[official.root], threshold=1, online=online_of(Keys.generate()), revoked=(), at=at,
        expires_at=at + timedelta(days=90),
    )  # fmt: skip
    body = canonical.dumps({"statements": [json.loads(signed_statement(made, official).envelope)]})
    assert world.ask("GET", RELEASES, **signed(RELEASES)).status_code == 200
    assert world.ask("POST", "/partner/v1/statement", body).status_code == 202
    assert world.ask("POST", "/partner/v1/statement", body).status_code == 202
    refused(world.ask("GET", RELEASES, **signed(RELEASES)), 401, "bad-request-signature")


def test_own_statements_are_shown_after_a_number(world: World) -> None:
    shown = world.ask("GET", "/partner/v1/statement").json()["statements"]
    assert rules.accept(canonical.dumps(shown[0]), None, XA, CLOCK.now()).statement.version == 1
    assert world.ask("GET", "/partner/v1/statement?after=1").json() == {"statements": []}
    assert world.ask("GET", "/partner/v1/statement?after=x").status_code == 409
    assert "statements" in world.ask("GET", "/partner/v1/card?after=1").json()


def test_a_stranger_is_not_brought_in_and_a_known_card_is_not_replaced_by_an_older(world: World) -> None:
    refused(world.ask("POST", "/partner/v1/card", card_of(XD, CLOCK.now())), 404, "unknown-partner")
    old = card_of(XB, CLOCK.now() - timedelta(days=2))
    assert world.ask("POST", "/partner/v1/card", old).status_code == 400
    with world.first.db.read() as connection:
        assert XD not in [each.nation for each in world.first.context.partners.all(connection)]


@pytest.mark.parametrize("door", ["/partner/v1/card", "/partner/v1/statement"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"statements":[]}', b'{"statements":[1]}', b'{"statements":{}}', b"[" * 100_000,
     b'{"statements":[{"payload":"e30=","payloadType":"x","signatures":[]}]}', b"\xff\xfe"],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_introduction_is_refused_with_its_reason(world: World, door: str, body: bytes) -> None:
    answer = world.ask("POST", door, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_an_introduction_over_the_limit_is_refused(world: World) -> None:
    assert world.ask("POST", "/partner/v1/card", b"x" * (MAX_CHAIN_BYTES + 1)).status_code == 413
