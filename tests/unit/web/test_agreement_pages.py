"""The pages of agreements: what they say, how versions differ, drafting, statements; who may, and what is refused."""

import json
from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.web.rendering import sentence
from tests.country import Country, deliver
from tests.world import Treaty

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
AGREEMENT = "/agreements/agreement--11111111-1111-4111-8111-111111111111"
FORM = {
    "party": ["XB"], "title_en": "Two nations", "kinds": ["indicator", "sighting"], "purposes": ["defence"],
    "lanes": ["actual"], "tlp_ceiling": "TLP:GREEN", "pap_ceiling": "PAP:GREEN", "onward": "none",
    "retention_days": "30", "witnesses": "1", "valid_days": "365",
}  # fmt: skip


@pytest.fixture
def amended(countries: list[Country], at: datetime) -> Treaty:
    """A second version, with a lower ceiling and a longer retention, signed by the second nation alone."""
    first = Treaty(at)
    terms = msgspec.structs.replace(first.terms, tlp_ceiling="TLP:GREEN", retention_days=200)
    digest = first.agreement.reference.hash
    second = Treaty(at, terms=terms, version=2, previous_hash=digest, signers=(first.nations[1],))
    countries[0].context.agreements.receive(second.envelope.encode(), at=at, actor="person--1")
    return second


def test_sentences_stand_under_how_they_are_kept(signed_in: SignIn) -> None:
    page = signed_in(Role.ANALYST).get(AGREEMENT).text
    prevented = page.split('id="kept-prevent"', 1)[1].split("</section>", 1)[0]
    carried_out = page.split('id="kept-oblige"', 1)[1].split("</section>", 1)[0]
    assert "Nothing labelled above TLP:AMBER is shared" in prevented
    assert "The recipient deletes an object 90 days after it was released." in carried_out


def test_all_languages_are_read_side_by_side_with_the_digest_that_is_signed(signed_in: SignIn, at: datetime) -> None:
    page = signed_in(Role.ANALYST).get(f"{AGREEMENT}/languages").text
    assert Treaty(at).agreement.reference.hash in page
    assert page.count('<td lang="ar" dir="rtl">') == page.count('<td lang="en" dir="ltr">') > 10


def test_a_page_says_what_a_version_changes_in_effective_terms(signed_in: SignIn, amended: Treaty) -> None:
    client = signed_in(Role.ANALYST)
    page = client.get(f"{AGREEMENT}/changes?version={amended.version}").text
    assert "less passes" in page
    assert "Nothing labelled above TLP:GREEN is shared" in page
    assert "200 days after" in page
    assert "A newer version of this agreement exists." in client.get(f"{AGREEMENT}?version=1").text


@pytest.mark.parametrize(
    "path", [f"{AGREEMENT}?version=9", f"{AGREEMENT}/changes", f"{AGREEMENT}/languages?version=x", "/agreements/none"]
)
def test_a_version_that_is_not_here_is_not_found(signed_in: SignIn, path: str) -> None:
    assert signed_in(Role.ANALYST).get(path).status_code == 404


def test_hostile_words_of_a_title_are_text(signed_in: SignIn, post: Post) -> None:
    client = signed_in(Role.DIRECTOR)
    hostile = '<script>alert(1)</script>"><img src=x>\u202e'
    page = post(client, "/agreements/draft", **(FORM | {"title_en": hostile})).text
    assert "<script>alert" not in page
    assert "<img" not in page
    proposed = post(client, "/agreements/draft/propose", **(FORM | {"title_en": '" autofocus onfocus="x\u202e'}))
    shown = client.get(proposed.headers["location"]).text
    assert '" autofocus' not in shown
    assert "\\u202e" in shown


def test_a_director_suspends_with_a_reason_and_words_that_the_others_read(signed_in: SignIn, post: Post) -> None:
    client = signed_in(Role.DIRECTOR)
    post(client, f"{AGREEMENT}/suspend", suspended="yes", reason="suspected-breach", words="<b>until it is clear")
    page = client.get(AGREEMENT).text
    assert "a suspected breach" in page
    assert "&lt;b&gt;until it is clear" in page
    assert post(client, f"{AGREEMENT}/suspend", suspended="yes", reason="because").status_code == 422


def test_a_withdrawal_says_from_when_on_it_counts(signed_in: SignIn, post: Post) -> None:
    client = signed_in(Role.DIRECTOR)
    assert post(client, f"{AGREEMENT}/withdraw", reason="national-law").status_code == 303
    assert "The withdrawal counts" in client.get(AGREEMENT).text
    assert post(client, f"{AGREEMENT}/object").status_code == 422


@pytest.mark.parametrize(
    "template", ["bilateral", "regional", "research-only", "exercise-only", "oic-cert-multilateral"]
)
def test_every_template_fills_the_form(signed_in: SignIn, template: str) -> None:
    page = signed_in(Role.DIRECTOR).get(f"/agreements/draft?template={template}").text
    assert f'<option value="{template}" selected>' in page
    assert 'name="kinds" value="indicator" checked' in page


def test_a_draft_is_looked_at_in_sentences_with_what_is_wrong(signed_in: SignIn, post: Post) -> None:
    page = post(signed_in(Role.DIRECTOR), "/agreements/draft", **(FORM | {"purposes": ["exercise"]})).text
    assert "The purpose of exercises is allowed, and no lane of exercises." in page
    assert "Nothing labelled above TLP:GREEN is shared" in page


def test_a_draft_with_errors_is_not_proposed(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.DIRECTOR)
    refused = post(client, "/agreements/draft/propose", **(FORM | {"purposes": ["exercise"]}))
    assert refused.status_code == 422
    with node.db.read() as connection:
        assert len(node.agreements.all(connection)) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"party": []}, {"kinds": []}, {"tlp_ceiling": "TLP:PINK"}, {"retention_days": "-1"}, {"valid_days": "x"},
     {"start": "2026-13-40"}, {"onward": "everybody"}, {"witnesses": "99"}],
)  # fmt: skip
def test_a_form_that_is_no_agreement_says_why_and_keeps_what_was_typed(
    signed_in: SignIn, post: Post, wrong: dict[str, object]
) -> None:
    answer = post(signed_in(Role.DIRECTOR), "/agreements/draft", **(FORM | wrong))
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "Two nations" in answer.text


def test_a_draft_is_downloaded_as_the_file_that_the_command_line_takes(signed_in: SignIn, post: Post) -> None:
    answer = post(signed_in(Role.DIRECTOR), "/agreements/draft/file", **FORM)
    assert "attachment" in answer.headers["content-disposition"]
    draft = json.loads(answer.content)
    assert [party["nation"] for party in draft["parties"]] == ["XA", "XB"]
    assert draft["terms"]["tlp_ceiling"] == "TLP:GREEN"


def test_a_counter_proposal_shows_the_difference_and_becomes_the_next_version(
    signed_in: SignIn, post: Post, node: Node
) -> None:
    client = signed_in(Role.DIRECTOR)
    agreement_id = AGREEMENT.rpartition("/")[2]
    assert 'value="90"' in client.get(f"/agreements/draft?amends={agreement_id}").text
    form = FORM | {"amends": agreement_id}
    assert "less passes" in post(client, "/agreements/draft", **form).text
    assert post(client, "/agreements/draft/propose", **form).status_code == 303
    with node.db.read() as connection:
        newest = node.agreements.get(connection, agreement_id)
    assert (newest.document.version, newest.signed_by) == (2, {"XA"})


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DIRECTOR])
def test_only_a_director_drafts_and_speaks_for_the_nation(signed_in: SignIn, post: Post, role: Role) -> None:
    client = signed_in(role)
    assert client.get("/agreements/draft").status_code == 403
    for path in ("/agreements/draft/propose", "/agreements/draft/file", f"{AGREEMENT}/withdraw", f"{AGREEMENT}/object"):
        assert post(client, path, **FORM).status_code == 403


def test_the_log_says_who_has_cosigned_it_and_how_far(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    client = signed_in(Role.AUDITOR)
    assert "Nothing has been logged yet." in client.get("/exchange/log").text
    countries[0].order(Treaty(at), at)
    countries[0].add(1, at)
    deliver(countries[0], countries[1], at)
    page = client.get("/exchange/log").text
    assert "No partner’s log contradicts what was seen of it" in page
    assert "Nothing has been logged yet." not in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u2068XA\u2069 signs", "\u2068XA\u2069 signs"),
        ("\u2068XA\u202e\u2069 signs", "\u2068XA\\u202e\u2069 signs"),
        ("\u2068XA\u2069\u2069 signs", "\\u2068XA\\u2069\\u2069 signs"),
        ("\u2068XA signs", "\\u2068XA signs"),
    ],
)
def test_a_name_in_a_sentence_cannot_leave_its_isolate_or_override_a_direction(text: str, shown: str) -> None:
    assert sentence(text) == shown
