"""Membership logs over real HTTP on loopback: parties read and witness them, nobody else learns that they exist."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from mithaq.exchange.channel.client import WitnessClients
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.channel.membership import ChannelSource
from mithaq.exchange.errors import PartnerUnreachable
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.membership.comparing import Comparing
from mithaq.exchange.membership.outcome import outcomes
from mithaq.exchange.membership.shown import Source
from mithaq.exchange.membership.worker import ComparingWorker, MembershipWorker
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, read_checkpoint
from mithaq.kernel.wake import Waker
from mithaq.nations.model import Partner
from mithaq.nations.names import MembershipName
from tests.channel import CLOCK
from tests.country import Country
from tests.doors import serving
from tests.running import until
from tests.unit.exchange.membership.parties import gathered, treaty_of
from tests.world import XA, XB, XC, XD, card_of, signer_of

pytestmark = pytest.mark.functional
AGREEMENT = treaty_of(CLOCK.now()).agreement_id
NOTHING = "agreement--99999999-9999-4999-8999-999999999999"


@pytest.fixture
def four(tmp_path: Path) -> Iterator[list[Country]]:
    countries = gathered(tmp_path, CLOCK.now())
    yield countries
    for country in countries:
        country.db.close()


def ask(url: str, target: str, sender: NationId, body: bytes = b"") -> httpx.Response:
    method = "POST" if body else "GET"
    headers = sign_request(
        signer_of(sender), sender=sender, recipient=XA, method=method, target=target, body=body, at=CLOCK.now()
    )
    return httpx.request(method, url + target, content=body, headers=headers, trust_env=False, timeout=20)


def states(country: Country) -> dict[NationId, str]:
    with country.db.read() as connection:
        return {each.nation: each.state for each in outcomes(connection, AGREEMENT)}


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """All that an answer says, its date left out."""
    return answer.status_code, answer.content, {k: v for k, v in answer.headers.items() if k != "date"}


def test_who_is_no_party_is_answered_as_if_there_were_no_such_agreement(four: list[Country], tmp_path: Path) -> None:
    a, *_ = four
    for country in four:
        country.membership.follow(CLOCK.now())
    with serving(a, tmp_path / XA, CLOCK) as url:

        def origin(agreement: str) -> str:
            return MembershipName(XA, agreement).origin

        targets = ("checkpoint?agreement={id}", "checkpoint?origin={origin}", "tile/0/000.p/1?origin={origin}",
                   "tile/entries/000.p/1?agreement={id}", "consistency?old=0&new=1&origin={origin}",
                   "consistency?old=0&new=99999&origin={origin}", "witnessed?origin={origin}")  # fmt: skip
        for target in targets:
            true, none = (
                "/partner/v1/log/" + target.format(id=each, origin=origin(each)) for each in (AGREEMENT, NOTHING)
            )
            assert told(ask(url, true, XD)) == told(ask(url, none, XD)), target
            assert ask(url, true, XD).status_code == 404
            assert httpx.get(url + true, trust_env=False).status_code == 401
        true, none = (
            b"old 0\n\n" + signer_of(XD).sign_checkpoint(Checkpoint(MembershipName(XD, each).origin, 1, bytes(32)).text)
            for each in (AGREEMENT, NOTHING)
        )
        add = "/partner/v1/log/add-checkpoint"
        assert told(ask(url, add, XD, true)) == told(ask(url, add, XD, none))
        answer = ask(url, f"/partner/v1/log/checkpoint?agreement={AGREEMENT}", XC)
        assert read_checkpoint(answer.content)[0].origin == origin(AGREEMENT)
        assert ask(url, "/partner/v1/log/checkpoint", XC).status_code == 404, "there is no release log yet"


def test_logs_are_appended_witnessed_and_compared_by_http_alone(four: list[Country], tmp_path: Path) -> None:
    a, b, c, _ = four
    stop = threading.Event()
    with ExitStack() as stack:
        for served in (a, b, c):
            url = stack.enter_context(serving(served, tmp_path / served.nation, CLOCK))
            for country in (a, b, c):
                if country is not served:
                    country.context.partners.add(
                        card_of(served.nation, CLOCK.now(), address=url), at=CLOCK.now(), actor="person--1"
                    )
        for country in (b, c, a):
            clients = WitnessClients(country.nation, country.context.signer, CLOCK)
            stack.callback(clients.close)
            flusher = Flusher(country.db, country.context.log, country.context.partners, clients.ask)
            country.context = replace(country.context, flusher=flusher)
            country.membership.follow(CLOCK.now())
        thread = threading.Thread(
            target=MembershipWorker(a.context, CLOCK, tmp_path / XA).run, args=(stop,), daemon=True
        )
        thread.start()
        until(lambda: cosigners(a) == {XB, XC}, 20)

        def opened(partner: Partner, agreement_id: str) -> AbstractContextManager[Source]:
            return closing(ChannelSource(a.context, CLOCK, partner, agreement_id))

        comparing = ComparingWorker(a.context, CLOCK, tmp_path / XA, opened)
        threading.Thread(target=comparing.run, args=(stop,), daemon=True).start()
        until(lambda: states(a) == {XB: "agrees", XC: "agrees"}, 60)
        a.context.partners.suspend(XC, at=CLOCK.now(), actor="person--1")
        sources = []

        def source(partner: object) -> ChannelSource:
            sources.append(ChannelSource(a.context, CLOCK, partner, AGREEMENT))  # type: ignore[arg-type]
            stack.callback(sources[-1].close)
            return sources[-1]

        found = Comparing(a.context).with_all(AGREEMENT, source, CLOCK.now())
        assert [(each.nation, each.agrees, each.size) for each in found] == [(XB, True, 4), (XC, True, 4)]
        stop.set()
        Waker(tmp_path / XA).wake(["agreements.changed"])
        thread.join(20)
        assert not thread.is_alive()


def cosigners(country: Country) -> set[str]:
    with country.db.read() as connection:
        return set(connection.scalars(select(log_store.cosignatures.c.witness)))


def test_a_partner_without_an_address_is_trouble_of_its_own(four: list[Country]) -> None:
    a, *_ = four
    with a.db.read() as connection:
        partner = a.context.partners.get(connection, XB)
    lonely = replace(partner, card=replace(partner.card, addresses=()))
    source = ChannelSource(a.context, CLOCK, lonely, AGREEMENT)
    with pytest.raises(PartnerUnreachable):
        source.checkpoint()
    source.close()
