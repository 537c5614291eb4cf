"""Releases with receipt and proof, keys, duties and consents, as each role sees them, in three languages."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape

import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.exchange.duties import docket
from mithaq.exchange.ledger.became import went
from mithaq.exchange.ledger.status import status_clocks
from mithaq.kernel import journal
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.node.language import translator
from mithaq.web.app import create_app
from tests.country import Country, deliver, fetch
from tests.pages import link_of, still_node
from tests.trusting import BETWEEN_OTHERS, DAY, ENERGY, HOUR, NEIGHBOURS, Troubled, number, troubled_three
from tests.trusting import post as post_letters
from tests.unit.web.test_foreign_text import assert_only_text
from tests.world import XA, XB, XD, Treaty

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
WAITS, LEFT, PROTECTED, JOINT, MINE, THEIRS = (number(each) for each in (60, 61, 63, 64, 52, 53))


@pytest.fixture
def troubled(countries: list[Country], at: datetime) -> Troubled:
    world = Troubled(countries, at)
    world.live()
    return world


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The pages of one world for all tests that only read."""
    folder = tmp_path_factory.mktemp("trust")
    countries = troubled_three(folder, AT)
    yield still_node(countries[0], folder, AT)
    for country in countries:
        country.db.close()


def signed_in_to(node: Node, *roles: Role) -> TestClient:
    client = TestClient(create_app(node), base_url="http://localhost", follow_redirects=False)
    assert client.post("/link", data={"t": link_of(node, *roles)}).status_code == 303
    return client


@pytest.fixture
def reader(lived: Node) -> Iterator[TestClient]:
    with signed_in_to(lived, Role.ANALYST) as client:
        yield client


def read(client: TestClient, path: str, status: int = 200) -> str:
    """The words of a page, without tags and runs of white space."""
    answer = client.get(path)
    assert answer.status_code == status, path
    return " ".join(unescape(answer.text).split())


def part(page: str, start: str, end: str = "</article>") -> str:
    return page.split(start, 1)[1].split(end, 1)[0]


def told_of(page: str, nation: str) -> str:
    """What the page of an object says of one partner."""
    return part(page, f'aria-labelledby="share-{nation}"')


def sequences(node: Node, object_id: str, nation: str) -> list[int]:
    with node.db.read() as connection:
        found = went(node.channel, connection, object_id, ACTUAL)
    return [each.sequence for each in found if each.recipient == nation]


def test_an_object_says_what_waits_for_which_witness_and_that_nobody_has_it(reader: TestClient, lived: Node) -> None:
    page = read(reader, f"/intelligence/{WAITS}")
    told = told_of(page, "XB")
    (sequence,) = sequences(lived, WAITS, "XB")
    assert f'href="/exchange/XB/sent/{sequence}"' in told
    assert "Waits for witnesses" in told
    assert '1 cosignature is needed of: <b dir="ltr">XC</b>' in told
    assert "Has it" not in told
    assert "No partner has it." in page
    assert 'Waits for witnesses: <b dir="ltr">XB</b>.' in page


def test_what_was_sent_is_not_said_to_be_had_before_its_receipt(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    first, second, _ = countries
    first.order(Treaty(at), at)
    object_id = first.add(1, at)
    client = signed_in(Role.ANALYST)
    fetch(first, second, at)
    assert "Sent, without receipt yet" in told_of(read(client, f"/intelligence/{object_id}"), "XB")
    deliver(first, second, at)
    assert "Has it" in told_of(read(client, f"/intelligence/{object_id}"), "XB")


def test_an_object_that_left_in_an_emergency_says_so_with_the_reason_and_its_receipt(reader: TestClient) -> None:
    told = told_of(read(reader, f"/intelligence/{LEFT}"), "XB")
    assert "Has it" in told
    assert "It left before witnesses had answered." in told
    assert "a hospital is under attack" in told
    assert "Admitted" in told
    assert "Energy grid warning" in told


def test_an_object_whose_protected_version_went_names_that_and_what_was_withheld(reader: TestClient) -> None:
    told = told_of(read(reader, f"/intelligence/{PROTECTED}"), "XB")
    assert "A protected version went instead" in told
    assert "1 time withheld" in told
    assert "the object shows what the agreement protects" in told
    assert "Has it" not in told


def test_an_object_that_two_persons_release_says_who_they_are(reader: TestClient) -> None:
    told = told_of(read(reader, f"/intelligence/{JOINT}"), "XB")
    assert "person--second" in told
    assert "person--releaser" in told
    assert "Has it" in told


def test_what_was_taken_back_or_not_admitted_is_not_said_to_be_had(reader: TestClient) -> None:
    taken_back = read(reader, f"/intelligence/{number(50)}")
    assert "Taken back" in told_of(taken_back, "XB")
    refused = told_of(read(reader, f"/intelligence/{number(62)}"), "XC")
    assert "Did not admit it" in refused
    assert "objects of type indicator are not shared under the agreement" in refused


def test_a_release_page_shows_receipt_signatures_leaf_and_the_evidence_command(reader: TestClient, lived: Node) -> None:
    sequence = min(sequences(lived, JOINT, "XB"))
    page = read(reader, f"/exchange/XB/sent/{sequence}")
    assert page.count("Signature holds") == 2
    assert "Witnessed" in page
    assert "mithaq audit evidence release--" in page
    assert f'href="/intelligence/{JOINT}"' in page
    assert "TLP:AMBER+STRICT" in page


def test_a_release_of_which_nothing_was_admitted_says_why_object_by_object(reader: TestClient, lived: Node) -> None:
    (sequence,) = sequences(lived, number(62), "XC")
    page = read(reader, f"/exchange/XC/sent/{sequence}")
    assert "What the recipient did not admit" in page
    assert "objects of type indicator are not shared under the agreement" in page


def test_a_received_release_shows_the_senders_signature_and_who_has_cosigned(reader: TestClient) -> None:
    page = read(reader, "/exchange/XB/received/1")
    assert "Signature holds" in page
    assert "Delivered" in page
    assert '<b dir="ltr">XA</b>' in part(page, 'id="log"', "</section>")
    assert '<b dir="ltr">XC</b>' in part(page, 'id="log"', "</section>")


def test_a_release_is_found_by_its_name_with_the_partner_it_was_exchanged_with(reader: TestClient, lived: Node) -> None:
    (sequence,) = sequences(lived, LEFT, "XB")
    page = read(reader, f"/exchange/XB/sent/{sequence}")
    name = "release--" + part(page, "mithaq audit evidence release--", " ")
    answer = reader.get(f"/exchange/XB/releases/{name}")
    assert answer.headers["location"] == f"/exchange/XB/sent/{sequence}"
    assert reader.get(f"/exchange/XC/releases/{name}").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/exchange/XB/sent/0", "/exchange/XB/sent/99", "/exchange/XB/sent/-1", "/exchange/XB/sent/%D9%A1x",
     "/exchange/XB/sent/99999999999999999999", "/exchange/XB/received/99", "/exchange/XZ/sent/1", "/exchange/XZ/keys",
     "/exchange/%00/keys", "/exchange/XB/releases/%3Cscript%3E", "/duties?lane=%00"],
)  # fmt: skip
def test_what_is_not_there_is_said_in_words(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code in (404, 422), path
    assert_only_text(path, answer.text)


def test_the_emergency_stands_in_the_rows_of_the_partner(reader: TestClient) -> None:
    rows = part(read(reader, "/exchange/XB"), 'aria-labelledby="sent"', "</section>").split("<tr>")
    assert [LEFT in row for row in rows if "Emergency" in row] == [True]
    assert [WAITS in row for row in rows if "Waits for witnesses" in row] == [True]


def test_the_release_log_names_who_is_waited_for_and_what_keeps_it(reader: TestClient) -> None:
    waiting = part(read(reader, "/exchange/log"), 'id="waiting"', "</section>")
    assert '1 cosignature is needed of: <b dir="ltr">XC</b>' in waiting
    assert "does not answer" in waiting
    assert "Waits for" in waiting


def test_the_keys_of_a_partner_show_every_statement_and_what_became_of_each_key(reader: TestClient) -> None:
    page = read(reader, "/exchange/XD/keys")
    keys = part(page, 'id="keys"', "</section>")
    assert keys.count("In use") == 1
    assert keys.count('<span class="tag bad">Revoked</span>') == 1
    assert "mithaq key impact XD" in keys
    assert part(page, 'id="row"', "</section>").count("1 of 1, 1 needed") == 2
    assert "Good neighbours" in part(page, 'id="status"', "</section>")
    assert "nothing under TLP:AMBER or stricter goes to this partner" in page


def test_a_status_becomes_stale_as_the_agreement_says(lived: Node) -> None:
    with lived.db.read() as connection:
        status_at = lived.partners.get(connection, XD).status_at
        (clock,) = status_clocks(lived.channel, connection, XD, AT)
    assert status_at is not None
    assert (clock.agreement_id, clock.stale_at) == (NEIGHBOURS, status_at + 30 * DAY)


def test_a_stale_status_stands_on_the_partners_page_and_on_that_of_its_keys(
    countries: list[Country], node: Node, at: datetime
) -> None:
    node.clock = FixedClock(at + 28 * DAY)
    with signed_in_to(node, Role.ANALYST) as client:
        assert "Stale" in part(read(client, "/exchange/XB/keys"), 'id="status"', "</section>")
        assert "Stale" in part(read(client, "/exchange/XB"), 'id="card"', "</section>")


def test_the_administrator_sees_keys_and_no_release(lived: Node) -> None:
    client = signed_in_to(lived, Role.ADMINISTRATOR)
    assert "Revoked" in read(client, "/exchange/XD/keys")
    assert 'href="/exchange/XD"' not in client.get("/exchange/XD/keys").text
    for path in ("/exchange/XB/sent/1", "/exchange/XB/received/1", "/duties", "/exchange/consents", "/exchange/log"):
        assert client.get(path).status_code == 403, path
    assert "duties overdue here" not in client.get("/").text


def test_this_nation_sees_its_own_keys(reader: TestClient) -> None:
    page = read(reader, "/exchange/XA/keys")
    assert "In use" in page
    assert "This nation" in page


def test_duties_stand_overdue_first_with_their_clocks(reader: TestClient) -> None:
    page = read(reader, "/duties")
    own, others = part(page, 'id="own"', "</section>"), part(page, 'id="others"', "</section>")
    assert own.index("Early warning of an incident") < own.index("Clocks that run") < own.index("Final report")
    assert own.count('<span class="tag bad">Overdue</span>') == 2
    assert "Once it is done, a duty officer, a releaser or a director settles it." in own
    assert "Answer to a recall" in others
    assert "Not answered yet." in others
    assert "Acknowledgement of a request" in others
    assert "settles it" not in others
    assert "<progress" in own
    assert "To be deleted here" in page
    assert "Agreement ends" in page


def test_duties_are_narrowed_to_a_partner_and_an_agreement(reader: TestClient) -> None:
    page = read(reader, "/duties?nation=XC")
    assert "Acknowledgement of a request" not in page
    assert "Answer to a recall" in page
    none = read(reader, f"/duties?agreement={NEIGHBOURS}")
    assert "No clock runs." in none
    assert "No copy of a partner is held." in none
    assert "Early warning" in read(reader, f"/duties?agreement={ENERGY}")
    assert reader.get("/duties?nation=%22%3E%3Cscript%3E&agreement=%00").status_code == 200


def test_an_open_page_of_duties_asks_for_its_clocks_alone(reader: TestClient) -> None:
    answer = reader.get("/duties?nation=XB", headers={"hx-request": "true"})
    assert "Clocks that run" in answer.text
    assert "<html" not in answer.text


def test_the_overview_counts_what_is_late_and_what_runs(reader: TestClient, lived: Node) -> None:
    with lived.db.read() as connection:
        counted = docket.tally(connection, XA, lived.clock.now())
    assert (counted.own_overdue, counted.others_overdue) == (2, 2)
    page = read(reader, "/")
    assert '<b class="bad">2</b>duties overdue here' in page
    assert "consents to answer" in page


def test_a_nation_without_duties_is_told_what_would_be_there(signed_in: SignIn) -> None:
    client = signed_in(Role.AUDITOR)
    assert "Notices of an incident, feedback, answers and recalls would be here" in read(client, "/duties")
    assert "Nobody has asked." in read(client, "/exchange/consents")
    assert "Nothing waits." in read(client, "/exchange/log")


def test_consents_of_both_directions_are_listed_and_only_a_releaser_answers(lived: Node) -> None:
    client = signed_in_to(lived, Role.DIRECTOR)
    page = read(client, "/exchange/consents")
    mine, theirs = page.split('id="theirs"')
    assert MINE in mine
    assert BETWEEN_OTHERS in mine
    assert THEIRS in theirs
    assert "A releaser answers." in mine
    assert "<button" not in part(mine, 'id="mine"', "</section>")
    token = part(client.get("/keys").text, 'name="_csrf" value="', '"')
    for path in ("/exchange/consents/1", "/exchange/consents/ask"):
        assert client.post(path, data={"_csrf": token, "answer": "given", "days": "3"}).status_code == 403


def test_a_releaser_consents_and_what_waited_goes_on(
    troubled: Troubled, signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    client = signed_in(Role.RELEASER)
    row = part(client.get("/exchange/consents").text, 'action="/exchange/consents/', '"')
    assert post(client, f"/exchange/consents/{row}", answer="given", days="3").status_code == 303
    assert "Take the consent back" in client.get("/exchange/consents").text
    with node.db.read() as connection:
        told = journal.newest(connection, before=None, limit=1, kinds=frozenset({"people.action"}))[0]
    assert (told.detail["action"], told.subject) == ("consent.given", MINE)
    post_letters(troubled.a, troubled.b, at)
    assert deliver(troubled.b, troubled.c, at) != []
    assert troubled.c.held(MINE)
    node.clock = FixedClock(at + HOUR)
    assert post(client, f"/exchange/consents/{row}", answer="refused").status_code == 303
    assert "Take the consent back" not in client.get("/exchange/consents").text


def test_a_consent_without_a_usable_time_is_refused_in_words(lived: Node) -> None:
    client = signed_in_to(lived, Role.RELEASER)
    token = part(client.get("/keys").text, 'name="_csrf" value="', '"')
    for days in ("", "0", "-1", "9999", "x", "9" * 400):
        answer = client.post("/exchange/consents/1", data={"_csrf": token, "answer": "given", "days": days})
        assert answer.status_code == 422, days
        assert "a consent counts for 1 to" in answer.text


def test_nobody_answers_for_another_originator(lived: Node) -> None:
    with lived.db.read() as connection:
        theirs = [each.row for each in lived.consents.all(connection) if each.passage.originator == XB]
    assert theirs
    client = signed_in_to(lived, Role.RELEASER)
    token = part(client.get("/keys").text, 'name="_csrf" value="', '"')
    for row in (*theirs, 999, "x"):
        answer = client.post(f"/exchange/consents/{row}", data={"_csrf": token, "answer": "given", "days": "3"})
        assert answer.status_code == 422, row
        assert "nobody has asked this nation under number" in answer.text


def test_a_releaser_asks_for_consent_from_the_page_of_the_object(
    troubled: Troubled, signed_in: SignIn, post: Post, node: Node
) -> None:
    assert "Ask the originator for consent</button>" not in signed_in(Role.ANALYST).get(f"/intelligence/{THEIRS}").text
    client = signed_in(Role.RELEASER, name="Omar")
    told = told_of(client.get(f"/intelligence/{THEIRS}").text, "XC")
    assert "Ask the originator for consent</button>" in told
    form = {"object": THEIRS, "lane": "actual", "nation": "XC", "agreement": ENERGY}
    answer = post(client, "/exchange/consents/ask", **form)
    assert answer.headers["location"] == f"/intelligence/{THEIRS}?lane=actual"
    assert "not answered yet" in told_of(client.get(f"/intelligence/{THEIRS}").text, "XC")
    for wrong in ({"object": number(999)}, {"nation": "XZ"}, {"agreement": "agreement--x"}, {"object": MINE}):
        assert post(client, "/exchange/consents/ask", **form | wrong).status_code in (404, 422), wrong


PAGES = {
    "/duties": "What this nation owes",
    "/exchange/consents": "Asked of this nation",
    "/exchange/log": "Releases that wait for witnesses",
    "/exchange/XD/keys": "Every signing key ever authorised",
    "/exchange/XB/sent/1": "In the release log",
    "/exchange/XB/received/1": "Signature of the sender",
    f"/intelligence/{LEFT}": "It left before witnesses had answered.",
    "/exchange/XB": "Keys and their history",
}


@pytest.mark.parametrize("lang", ["en", "fr", "ar"])
def test_each_page_speaks_the_readers_language_and_shows_foreign_text_as_text(reader: TestClient, lang: str) -> None:
    reader.get(f"/keys?lang={lang}")
    words = translator(lang)
    for path, sentence in PAGES.items():
        page = reader.get(path)
        assert page.status_code == 200, path
        assert f'<html lang="{lang}" dir="{words.direction}"' in page.text
        assert words.gettext(sentence) in unescape(page.text), path
        assert_only_text(path, page.text)
