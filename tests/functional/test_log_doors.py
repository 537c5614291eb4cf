"""The release log over real HTTP on loopback: witnesses are asked, tiles and proofs are read, strangers get nothing."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest
from sqlalchemy import select

from mithaq.exchange.channel.client import WitnessClients
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.attached import read_attached
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.owed import Owed
from mithaq.exchange.planning import Planning
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, read_checkpoint, verified
from mithaq.kernel.tlog.lines import decode_hash
from mithaq.kernel.tlog.tree import Edge, check_consistency, leaf_hash
from mithaq.kernel.tlog.witness import Request
from mithaq.nations.names import LogName, witness_name
from mithaq.standards.tlp import Tlp
from tests.channel import CLOCK, World, opened
from tests.country import Country, alliance, deliver
from tests.doors import channels_of, serving
from tests.running import until
from tests.unit.exchange.log.test_record import RECORD
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty, card_of, keys_of, signer_of

pytestmark = pytest.mark.functional
ADD = "/partner/v1/log/add-checkpoint"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as world:
        yield world


def ask(world: World, target: str, body: bytes = b"", *, sender: NationId = XB, url: str = "") -> httpx.Response:
    method = "POST" if body else "GET"
    headers = sign_request(
        signer_of(sender), sender=sender, recipient=XA, method=method, target=target, body=body, at=CLOCK.now()
    )
    return world.http.request(method, url + target, content=body, headers=headers)


def logged(world: World) -> Checkpoint:
    """Release four objects to the second country and return the checkpoint that was cosigned."""
    at = CLOCK.now()
    for number in range(4):
        world.first.add(number, at, tlp=Tlp.AMBER)
        assert deliver(world.first, world.second, at) == ["admitted"]
    answer = ask(world, "/partner/v1/log/checkpoint")
    assert answer.status_code == 200
    checkpoint, note = read_checkpoint(answer.content)
    key = LogName.parse(checkpoint.origin).key(keys_of(XA).log_public)
    assert key in verified(note, [key])
    assert len(note.signatures) >= 3
    return checkpoint


def test_a_partner_reads_the_log_and_verifies_it_from_its_tiles(world: World) -> None:
    checkpoint = logged(world)
    answer = ask(world, f"/partner/v1/log/tile/entries/000.p/{checkpoint.size}")
    entries = [answer.content[place + 2 : place + 34] for place in range(0, len(answer.content), 34)]
    assert Edge().extended(map(leaf_hash, entries)).root == checkpoint.root
    tile = ask(world, f"/partner/v1/log/tile/0/000.p/{checkpoint.size}")
    assert tile.content == b"".join(map(leaf_hash, entries))
    proof = ask(world, f"/partner/v1/log/consistency?old=2&new={checkpoint.size}").text.splitlines()
    older = Edge().extended(map(leaf_hash, entries[:2])).root
    check_consistency(2, checkpoint.size, older, checkpoint.root, [decode_hash(line) for line in proof])


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("tile/0/000.p/200", 404), ("tile/0/001", 404), ("tile/entries/000", 404), ("tile/0/0", 400),
        ("tile/9999", 400),
        ("consistency?old=0&new=99999", 400), ("consistency?old=x&new=1", 409), ("proof?sequence=99", 503),
        ("proof?sequence=-1", 409), ("checkpoint?origin=nothing", 404), ("witnessed?origin=nothing", 404),
        ("tile/0/000.p/1?origin=cert.xb.example/releases/2026", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_or_malformed_is_refused(world: World, target: str, status: int) -> None:
    logged(world)
    assert ask(world, f"/partner/v1/log/{target}").status_code == status


@pytest.mark.parametrize("target", ["checkpoint", "tile/0/000.p/1", "consistency?old=0&new=1", "proof?sequence=1"])
def test_a_stranger_gets_nothing_of_the_log(world: World, target: str) -> None:
    assert ask(world, f"/partner/v1/log/{target}", sender=XD).status_code == 401
    assert world.ask("GET", f"/partner/v1/log/{target}").status_code == 401


def test_a_partners_checkpoint_is_cosigned_over_http_and_a_rollback_is_not(world: World) -> None:
    at, other = CLOCK.now(), world.second
    with other.db.write(at) as tx:
        other.context.log.append(tx, [RECORD] * 3)
    note = other.context.log.checkpoint(1)
    answer = ask(world, ADD, Request(0, (), note).encode())
    assert (answer.status_code, answer.text.count("\n")) == (200, 2)
    assert ask(world, f"/partner/v1/log/witnessed?origin={Checkpoint.of(note).origin}").content == note.encode()
    conflict = ask(world, ADD, Request(0, (), note).encode())
    assert (conflict.status_code, conflict.text, conflict.headers["content-type"]) == (409, "3\n", "text/x.tlog.size")
    assert ask(world, ADD, b"garbage").status_code == 400
    assert ask(world, ADD, b"x" * 400_000).status_code == 413
    assert ask(world, ADD, Request(0, (), note).encode(), sender=XD).status_code == 401


def test_an_amber_object_goes_round_by_http_alone_and_a_green_ones_proof_is_fetched(tmp_path: Path) -> None:
    """The sender asks its witnesses, the recipient itself among them, at their own addresses; two must answer."""
    at = CLOCK.now()
    treaty = Treaty(at, terms=msgspec.structs.replace(DEFAULT_TERMS, witnesses=2))
    first, second, _ = countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    clients = WitnessClients(XA, signer_of(XA), CLOCK)
    flusher = Flusher(first.db, first.context.log, first.context.partners, clients.ask)
    first.context = replace(first.context, flusher=flusher)
    first.planner = Planning(first.context).reader()
    first.order(treaty, at)
    with ExitStack() as stack:
        stack.callback(clients.close)
        for served in countries:
            url = stack.enter_context(serving(served, tmp_path / served.nation, CLOCK))
            for country in countries:
                if country is not served:
                    card = card_of(served.nation, CLOCK.now(), address=url)
                    country.context.partners.add(card, at=CLOCK.now(), actor="person--1")
        stack.enter_context(channels_of(second, tmp_path / XB, CLOCK))
        amber = first.add(1, CLOCK.now(), tlp=Tlp.AMBER)
        green = first.add(2, CLOCK.now(), tlp=Tlp.GREEN)
        first.plan(CLOCK.now())
        until(lambda: second.held(amber) and second.held(green), 20)
        until(lambda: not owed_to(second), 20)
    with second.db.read() as connection:
        kept = [read_attached(bytes(each or b"")) for each in connection.scalars(select(log_store.proofs.c.proof))]
    for attached in kept:
        names = {each.name for each in attached.proof.note.signatures}
        assert {witness_name(XB), witness_name(XC)} <= names
    for country in countries:
        country.db.close()


def owed_to(country: Country) -> list[int]:
    return list(Owed(country.context).due(XA))
