"""Membership logs, and logs that contradict, as each role reads of them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html import unescape

import pytest
from starlette.testclient import TestClient

from mithaq.exchange.log import store as log_store
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.node.health import membership as health
from mithaq.node.health.model import Level
from tests.contradicting import OLD_LOG, contradict
from tests.country import Country
from tests.unit.exchange.membership.parties import treaty_of

SignIn = Callable[..., TestClient]


def read(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return " ".join(unescape(answer.text).split())


@pytest.fixture
def page(at: datetime) -> str:
    return f"/agreements/{treaty_of(at).agreement_id}/membership"


@pytest.fixture
def contradicted(countries: list[Country], at: datetime) -> Iterator[None]:
    contradict(countries, at)
    yield


def card(text: str, nation: str) -> str:
    return text.split(f'aria-labelledby="log-{nation}"', 1)[1].split("</section>", 1)[0]


@pytest.mark.usefixtures("contradicted")
def test_the_page_says_of_each_party_how_its_log_stands_the_gravest_first(signed_in: SignIn, page: str) -> None:
    text = read(signed_in(Role.ANALYST), page)
    swapped, ahead = card(text, "XB"), card(text, "XC")
    assert text.index('"log-XB"') < text.index('"log-XC"')
    assert "Contradicts" in swapped
    assert 'Key statement 1 <b dir="ltr">XA</b>' in swapped
    assert "f" * 16 in swapped
    assert "One of the two is behind" in ahead
    assert 'In the partner\'s log alone</span> Key statement 2 <b dir="ltr">XC</b>' in ahead
    assert 'href="/agreements/' in text
    assert "mithaq audit membership agreement--" in text


def test_before_anything_was_compared_the_page_says_so_and_who_has_cosigned(
    signed_in: SignIn, countries: list[Country], page: str, at: datetime
) -> None:
    client = signed_in(Role.ANALYST)
    assert "There is no log yet" in read(client, page)
    for country in 2 * countries:  # whose log began first is shown it again
        country.log_membership(at)
    text = read(client, page)
    assert "Not compared yet" in card(text, "XB")
    own = text.split('aria-labelledby="own"', 1)[1].split("</section>", 1)[0]
    assert 'Cosigned by</dt><dd><b dir="ltr">XB</b>' in own
    assert "Contradictions" not in text


@pytest.mark.usefixtures("contradicted")
def test_the_release_log_says_which_kind_of_contradiction_it_is(signed_in: SignIn) -> None:
    text = read(signed_in(Role.AUDITOR), "/exchange/log")
    assert "has signed two different logs of one size, 3." in text
    assert "A log of size 5 was shown that does not continue the one of size 3" in text
    assert "hold different texts under one number" in text
    assert "Evidence of two histories" not in text


@pytest.mark.usefixtures("contradicted")
def test_a_log_that_was_rolled_back_is_no_second_history(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    with countries[0].db.write(at) as tx:
        tx.execute(
            log_store.evidence.update()
            .values(ruling="rolled-back")
            .where(log_store.evidence.c.ruling == "not-consistent")
        )
    text = read(signed_in(Role.AUDITOR), "/exchange/log")
    assert "The log was shown with size 5, where size 3 had been seen." in text


@pytest.mark.usefixtures("contradicted")
def test_a_refused_proof_says_what_did_not_hold(signed_in: SignIn, countries: list[Country], at: datetime) -> None:
    proof = {"sender": "XB", "release_id": "release--1", "emergency": "", "proof": None, "due_at": at}
    codes = {
        "bad-note": "a signature does not hold",
        "bad-proof": "does not lead to the signed root",
        "bad-record": "says something else than the release",
        "new-code": '<code dir="ltr">new-code',
    }
    with countries[0].db.write(at) as tx:
        for number, code in enumerate(codes, 1):
            tx.execute(log_store.proofs.insert(), [proof | {"sequence": number, "refused": code}])
    text = read(signed_in(Role.AUDITOR), "/exchange/log")
    for words in codes.values():
        assert words in text


@pytest.mark.usefixtures("contradicted")
@pytest.mark.parametrize("role", Role)
def test_everybody_hears_of_a_contradiction_and_can_follow_the_link(signed_in: SignIn, role: Role) -> None:
    client = signed_in(role)
    text = read(client, "/")
    assert "A log contradicts" in text
    assert "Two texts under one number" in text
    told = read(client, "/exchange/XB")
    assert "has signed two different logs" in told
    assert OLD_LOG.origin in told


@pytest.mark.usefixtures("contradicted")
def test_the_agreement_names_whose_log_contradicts(signed_in: SignIn, page: str) -> None:
    text = read(signed_in(Role.DIRECTOR), page.removesuffix("/membership"))
    assert f'href="{page}"' in text
    assert '<b dir="ltr">XB</b> <span class="tag bad">Contradicts' in text


@pytest.mark.usefixtures("contradicted")
def test_doctor_names_what_contradicts_and_what_was_kept(node: Node, at: datetime) -> None:
    with node.db.read() as connection:
        found = [(each.level, each.reason.params["nation"], each.code) for each in health.logs(connection, at)]
    assert found == [(Level.WRONG, "XB", "membership")] + 2 * [(Level.WARNING, "XB", "contradiction")]


def test_doctor_says_that_logs_agree_and_once_a_paper_stays_away_who_lacks_it(
    node: Node, countries: list[Country], at: datetime
) -> None:
    contradict(countries, at)
    with node.db.read() as connection:
        later = list(health.logs(connection, at + timedelta(hours=2)))
    assert [each.reason.params["nation"] for each in later if "something else" in each.reason.message] == ["XC"]
