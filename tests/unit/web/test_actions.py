"""What the buttons do: create, release, veto, sign, suspend, trust, confirm, import, invite."""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from httpx import Response
from starlette.testclient import TestClient

from mithaq.agreements.model import Official, Passkey, Signatories
from mithaq.agreements.statement import Draft
from mithaq.detection.hits.record import record_hits
from mithaq.detection.model import Dismissal, HitState
from mithaq.detection.service import Detection
from mithaq.exchange import ledger
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel import journal
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role, Verb
from mithaq.node.composition import Node
from tests.authenticator import Authenticator
from tests.country import Country, deliver, indicator
from tests.sight import hit_of
from tests.world import DEFAULT_TERMS, XA, XB, Treaty

SignIn = Callable[..., TestClient]
Post = Callable[..., Response]
ORIGIN = "http://localhost"
AGREEMENT = "agreement--11111111-1111-4111-8111-111111111111"


def actions(node: Node) -> list[tuple[str, str]]:
    with node.db.read() as connection:
        entries = journal.newest(connection, before=None, limit=50, kinds=frozenset({"people.action"}))
    return [(entry.detail["action"], entry.detail["outcome"]) for entry in entries]


def held(node: Node, object_id: str) -> bool:
    with node.db.read() as connection:
        return bool(node.holdings.get(connection, object_id, ACTUAL))


def test_a_looked_up_value_becomes_an_indicator_of_this_nation(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.ANALYST)
    seen = post(client, "/look-up", q="evil[.]example and 8.8.8.8 and CVE-2026-1234")
    assert 'value="evil.example" checked' in seen.text
    assert 'value="8.8.8.8" checked' not in seen.text
    assert "List of known IPv4 public DNS resolvers" in seen.text
    made = post(
        client, "/intelligence", value=["evil.example"], name="اختبار", tlp="TLP:GREEN", pap="PAP:GREEN", days="30"
    )
    object_id = made.headers["location"].rpartition("/")[2]
    with node.db.read() as connection:
        (stored,) = node.holdings.get(connection, object_id, ACTUAL)
    assert (stored.stix.name, stored.tlp.label, stored.provenance[0].source) == ("اختبار", "TLP:GREEN", "own")
    assert stored.stix.valid_until == node.clock.now() + timedelta(days=30)
    assert actions(node)[0] == ("intelligence.add", "done")


def test_words_alone_are_a_search(signed_in: SignIn, post: Post) -> None:
    answer = post(signed_in(Role.ANALYST), "/look-up", q="quiet crane")
    assert answer.headers["location"] == "/intelligence?q=quiet%20crane"
    assert post(signed_in(Role.ANALYST, name="B"), "/look-up", q="type:indicator 192.0.2.1").status_code == 303


@pytest.mark.parametrize("fields", [{"value": []}, {"value": ["evil.example"], "days": "0"}, {"value": ["not one"]}])
def test_a_form_that_makes_no_indicator_says_why(signed_in: SignIn, post: Post, fields: dict[str, object]) -> None:
    assert post(signed_in(Role.ANALYST), "/intelligence", **{"days": "30", **fields}).status_code == 422


def test_only_a_releaser_orders_a_release_while_creating(
    signed_in: SignIn, post: Post, countries: list[Country], at: datetime
) -> None:
    form = {"value": ["evil.example"], "tlp": "TLP:GREEN", "pap": "PAP:GREEN", "days": "30"}
    post(signed_in(Role.ANALYST), "/intelligence", **form, release=f"{AGREEMENT} defence")
    assert deliver(countries[0], countries[1], at) == []
    releaser = signed_in(Role.RELEASER, name="Omar")
    assert "Release at once" in post(releaser, "/look-up", q="bad.example").text
    post(releaser, "/intelligence", **form | {"value": ["bad.example"]}, release=f"{AGREEMENT} defence")
    assert deliver(countries[0], countries[1], at) == ["admitted"]


def test_an_object_says_in_one_line_who_said_it_and_who_may_have_it(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    first, second, _ = countries
    second.order(Treaty(at), at)
    object_id = second.add(30, at)
    deliver(second, first, at)
    page = signed_in(Role.ANALYST).get(f"/intelligence/{object_id}").text
    line = " ".join(page.split('class="lead note"', 1)[1].split("</p>", 1)[0].split())
    assert "Said by" in line
    assert ">XB</b>" in line
    assert "Joint defence" in line
    assert "You may not share it with" in line
    assert "does not allow passing it on" in page


def test_a_veto_keeps_an_object_and_is_lifted_again(
    signed_in: SignIn, post: Post, node: Node, countries: list[Country], at: datetime
) -> None:
    object_id = countries[0].add(1, at)
    client = signed_in(Role.DIRECTOR)
    post(client, "/veto", object=object_id, nation="XB")
    page = client.get(f"/intelligence/{object_id}").text
    assert "a national veto stands against it" in page
    assert "Lift the veto" in page
    post(client, "/veto", object=object_id, nation="XB", lift="yes")
    with node.db.read() as connection:
        assert ledger.vetoes(connection, object_id) == frozenset()
    assert actions(node)[:2] == [("release.veto-lift", "done"), ("release.veto", "done")]


def test_an_agreement_is_read_as_sentences_in_the_readers_language(signed_in: SignIn) -> None:
    client = signed_in(Role.ANALYST)
    assert (
        "The recipient deletes an object 90 days after it was released." in client.get(f"/agreements/{AGREEMENT}").text
    )
    client.get("/keys?lang=ar")
    assert "لا تُشارَك إلا هذه الأنواع من الكائنات:" in client.get(f"/agreements/{AGREEMENT}").text


def test_a_director_suspends_an_agreement_and_takes_it_up_again(
    signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    client = signed_in(Role.DIRECTOR)
    post(client, f"/agreements/{AGREEMENT}/suspend", suspended="yes")
    with node.db.read() as connection:
        assert node.agreements.get(connection, AGREEMENT).suspended
    assert "Said since it was signed" in client.get(f"/agreements/{AGREEMENT}").text
    post(client, f"/agreements/{AGREEMENT}/suspend")
    with node.db.read() as connection:
        assert not node.agreements.get(connection, AGREEMENT).suspended


def test_a_page_counts_who_wants_a_party_suspended(
    signed_in: SignIn, node: Node, countries: list[Country], at: datetime
) -> None:
    terms = msgspec.structs.replace(Treaty(at).terms, suspension_by=2)
    treaty = Treaty(at, terms=terms, agreement_id="agreement--88888888-8888-4888-8888-888888888888")
    countries[0].context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    draft = Draft("suspend", "material-breach", target=XB)
    node.statements.say(treaty.agreement_id, draft, node.signer, at=at, actor="person--1")
    page = signed_in(Role.ANALYST).get(f"/agreements/{treaty.agreement_id}").text
    assert "1 of 2 parties that it takes have suspended XB." in page
    assert "a material breach" in page


def test_a_director_signs_what_this_nation_has_not_signed(
    signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    draft = Treaty(at, agreement_id="agreement--22222222-2222-4222-8222-222222222222", signers=(XB,))
    node.agreements.receive(draft.envelope.encode(), at=at, actor="person--1")
    client = signed_in(Role.DIRECTOR)
    assert "Said since" not in client.get(f"/agreements/{draft.agreement_id}").text
    assert "Sign for this nation" in client.get(f"/agreements/{draft.agreement_id}").text
    assert "Sign for this nation" not in client.get(f"/agreements/{AGREEMENT}").text
    post(client, f"/agreements/{draft.agreement_id}/sign")
    with node.db.read() as connection:
        assert node.agreements.get(connection, draft.agreement_id).signed_by == {"XA", "XB"}
    assert actions(node)[0] == ("agreement.sign", "done")


def test_a_releaser_gives_and_ends_a_standing_order(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.RELEASER)
    post(client, f"/agreements/{AGREEMENT}/order", purpose="defence")
    with node.db.read() as connection:
        assert node.exchange.standing(connection) == [(AGREEMENT, "defence")]
    assert "for this purpose: defence" in client.get(f"/agreements/{AGREEMENT}").text
    assert post(client, f"/agreements/{AGREEMENT}/order", purpose="attribution").status_code == 422
    post(client, f"/agreements/{AGREEMENT}/order", purpose="")
    with node.db.read() as connection:
        assert node.exchange.standing(connection) == []


def test_a_partner_is_suspended_and_trusted_again_by_its_fingerprint(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.ADMINISTRATOR)
    post(client, "/exchange/XB/suspend")
    assert post(client, "/exchange/XB/confirm", fingerprint="0" * 40).status_code == 422
    with node.db.read() as connection:
        partner = node.partners.get(connection, NationId("XB"))
    assert not partner.is_trusted
    assert post(client, "/exchange/XB/confirm", fingerprint=partner.card.fingerprint).status_code == 303
    with node.db.read() as connection:
        assert node.partners.get(connection, NationId("XB")).is_trusted


def test_releases_and_their_receipts_are_shown_by_partner(
    signed_in: SignIn, countries: list[Country], at: datetime
) -> None:
    countries[0].order(Treaty(at), at)
    object_id = countries[0].add(1, at)
    deliver(countries[0], countries[1], at)
    page = signed_in(Role.RELEASER).get("/exchange/XB").text
    assert object_id in page
    assert "Admitted" in page
    assert signed_in(Role.RELEASER, name="B").get("/exchange/XQ").status_code == 404


def test_a_hit_is_confirmed_once_and_becomes_a_sighting(
    signed_in: SignIn, post: Post, node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    hit = hit_of(countries[0], 1, 1, at)
    with node.db.write(at) as tx:
        record_hits(tx, [hit])
    client = signed_in(Role.DUTY_OFFICER)
    assert hit.hit_id in client.get("/detection/hits").text
    post(client, f"/detection/{hit.hit_id}/confirm")
    with node.db.read() as connection:
        found = node.detection.explain(connection, hit.hit_id).hit
    assert found.state is HitState.CONFIRMED
    assert held(node, found.sighting_id)
    assert post(client, f"/detection/{hit.hit_id}/dismiss").status_code == 422
    assert actions(node)[:2] == [("detection.dismiss", "failed"), ("detection.confirm", "done")]
    assert "Decided by" in client.get(f"/detection/{hit.hit_id}").text


def disputing(node: Node, country: Country, at: datetime) -> str:
    """Let a partner dismiss a hit on this nation's first indicator as a false positive; return its opinion."""
    feedback = msgspec.structs.replace(DEFAULT_TERMS, kinds=[*DEFAULT_TERMS.kinds, "opinion"])
    treaty = Treaty(at, (XA, XB), terms=feedback, agreement_id="agreement--55555555-5555-4555-8555-555555555555")
    other = country.neighbours[XB]
    for each in (country, other):
        each.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    country.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    deliver(country, other, at)
    hit = hit_of(other, 1, 1, at)
    with other.db.write(at) as tx:
        record_hits(tx, [hit])
    said = Detection(other.db, other.context.holdings, XB)
    opinion_id = said.dismiss(hit.hit_id, "p", at, why=Dismissal.FALSE_POSITIVE, reason="<b>half</b> of all shops")
    assert deliver(other, country, at) == ["admitted"]
    return opinion_id


def test_whoever_disputes_an_own_object_stands_on_its_page_with_the_reason(
    signed_in: SignIn, node: Node, countries: list[Country], at: datetime
) -> None:
    opinion_id = disputing(node, countries[0], at)
    client = signed_in(Role.ANALYST)
    page = client.get("/intelligence/indicator--00000000-0000-4000-8000-000000000001").text
    assert "What was found of it" in page
    assert "Strongly disagrees" in page
    assert "&lt;b&gt;half&lt;/b&gt; of all shops" in page
    assert f"/intelligence/{opinion_id}" in page
    assert "mithaq object withdraw indicator--00000000-0000-4000-8000-000000000001" in page
    assert "Opinion of XB on:" in client.get("/").text.replace("\u2068", "").replace("\u2069", "")
    assert client.get(f"/intelligence/{opinion_id}").status_code == 200


def test_a_false_positive_needs_words_and_what_is_expected_here_needs_none(
    signed_in: SignIn, post: Post, node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    first, second = (hit_of(countries[0], event, 1, at) for event in (1, 2))
    with node.db.write(at) as tx:
        record_hits(tx, [first, second])
    client = signed_in(Role.DUTY_OFFICER)
    assert "Dismiss as a false positive" in client.get(f"/detection/{first.hit_id}").text
    assert post(client, f"/detection/{first.hit_id}/dismiss", why="false-positive").status_code == 422
    post(client, f"/detection/{first.hit_id}/dismiss", why="false-positive", reason="a mirror")
    post(client, f"/detection/{second.hit_id}/dismiss", why="benign")
    with node.db.read() as connection:
        found = [node.detection.explain(connection, each.hit_id).hit for each in (first, second)]
    assert [each.dismissed_as for each in found] == [Dismissal.FALSE_POSITIVE, Dismissal.BENIGN]
    page = client.get(f"/detection/{first.hit_id}").text
    assert "False positive" in page
    assert "a mirror" in page


def test_a_bundle_is_imported_and_what_is_refused_says_why(
    signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    good, bad = json.loads(indicator(1)), {"type": "indicator", "name": "without id"}
    bundle = json.dumps({"type": "bundle", "objects": [good, bad]}).encode()
    node.clock.at = datetime.now(tz=at.tzinfo)  # type: ignore[attr-defined]  # the import's process has the real clock
    client = signed_in(Role.ANALYST)
    answer = post(
        client, "/intelligence/import", form="stix", tlp="TLP:GREEN", lane="actual", files={"file": ("b.json", bundle)}
    )
    assert answer.status_code == 200
    assert "Refused, and why" in answer.text
    assert held(node, good["id"])
    assert actions(node)[0] == ("intelligence.import", "done")


@pytest.mark.parametrize("body", [b"", b"{", b'{"type": "bundle"', b"[" * 100_000])
def test_a_broken_file_is_refused_with_a_sentence(signed_in: SignIn, post: Post, body: bytes) -> None:
    answer = post(signed_in(Role.ANALYST), "/intelligence/import", form="stix", files={"file": ("b.json", body)})
    assert answer.status_code in {200, 422}
    assert 'role="alert"' in answer.text


def test_an_administrator_invites_and_shuts_out(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.ADMINISTRATOR)
    answer = post(client, "/people/link", name="Omar", role=["analyst", "releaser"])
    secret = answer.text.split("/link?t=", 1)[1].split("<", 1)[0]
    omar = next(person for person in node.people.persons() if person.name == "Omar")
    assert omar.roles == {Role.ANALYST, Role.RELEASER}
    post(client, "/people/disable", person=omar.id)
    assert client.post("/link", data={"t": secret, "_csrf": ""}).status_code == 403
    client.cookies.clear()
    assert client.post("/link", data={"t": secret}).status_code == 422


def test_a_token_is_shown_once_and_revoked(signed_in: SignIn, post: Post, node: Node) -> None:
    client = signed_in(Role.ADMINISTRATOR)
    answer = post(client, "/people/token", name="sensor", scope=["telemetry.push"], days="30")
    secret = answer.text.split('class="secret" dir="ltr">', 1)[1].split("<", 1)[0]
    actor = node.people.actor_of_token(secret, node.clock.now())
    assert actor is not None
    assert actor.verbs == {Verb.TELEMETRY_PUSH}
    assert secret not in client.get("/people").text
    post(client, "/people/revoke", token=actor.id)
    assert node.people.actor_of_token(secret, node.clock.now()) is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/people/token", {"name": "x", "scope": ["people.manage"], "days": "30"}),
        ("/people/token", {"name": "x", "scope": ["telemetry.push"], "days": "999"}),
        ("/people/token", {"name": "x", "scope": ["all"], "days": "9"}),
        ("/people/link", {"name": "x"}),
        ("/people/link", {"name": "x", "role": ["king"]}),
        ("/people/disable", {"person": "person--0"}),
    ],
)
def test_a_form_that_would_give_too_much_is_refused(
    signed_in: SignIn, post: Post, path: str, fields: dict[str, object]
) -> None:
    assert post(signed_in(Role.ADMINISTRATOR), path, **fields).status_code in {404, 422}


def test_two_releasers_approve_together_and_one_alone_does_not(
    signed_in: SignIn, post: Post, node: Node, countries: list[Country], at: datetime
) -> None:
    terms = msgspec.structs.replace(Treaty(at).terms, two_person_from="TLP:GREEN")
    joint = Treaty(at, terms=terms, agreement_id="agreement--66666666-6666-4666-8666-666666666666")
    for country in countries:
        country.context.agreements.receive(joint.envelope.encode(), at=at, actor="person--1")
    countries[0].order(joint, at)
    object_id = countries[0].add(1, at)
    countries[0].plan(at)
    first, second = signed_in(Role.RELEASER, name="Layla"), signed_in(Role.RELEASER, name="Karim")
    page = first.get(f"/intelligence/{object_id}").text
    assert "Approve the release of this version" in page
    asked = {
        "object": object_id, "lane": "actual", "agreement": joint.agreement_id,
        "digest": page.split('name="digest" value="', 1)[1].split('"', 1)[0],
    }  # fmt: skip
    assert post(signed_in(Role.ANALYST, name="Amal"), "/approve", **asked).status_code == 403
    assert post(first, "/approve", **asked).status_code == 303
    assert "Approve the release" not in first.get(f"/intelligence/{object_id}").text
    assert "it takes another person" in post(first, "/approve", **asked).text
    assert "Layla" in second.get(f"/intelligence/{object_id}").text
    assert post(second, "/approve", **(asked | {"digest": "0" * 64})).status_code == 422
    assert post(second, "/approve", **asked).status_code == 303
    assert actions(node)[0] == ("release.approve", "done")
    assert deliver(countries[0], countries[1], at) == ["admitted"]


def test_an_official_signs_with_a_passkey_over_exactly_this_text(node: Node, signed_in: SignIn, at: datetime) -> None:
    client, device = signed_in(Role.DIRECTOR, name="Amina"), Authenticator()
    (person,) = [each for each in node.people.persons() if each.name == "Amina"]
    token = client.get("/keys").text.split('name="_csrf" value="', 1)[1].split('"', 1)[0]

    def tell(path: str, value: object) -> Response:
        return client.post(path, json=value, headers={"x-form-token": token})

    begun = tell("/passkeys/options", {}).json()
    enrolled = {"ceremony": begun["ceremony"], "credential": device.create(json.dumps(begun["options"]), ORIGIN)}
    assert tell("/passkeys", enrolled).status_code == 200
    (passkey,) = node.people.passkeys.of_person(person.id)
    draft = Treaty(at, agreement_id="agreement--33333333-3333-4333-8333-333333333333")
    key = Passkey(base64.b64encode(passkey.public_key).decode(), "localhost")
    own = msgspec.structs.replace(
        draft.document.parties[0], signatories=Signatories(1, [Official("amina", "Amina", "Minister", key)])
    )
    document = msgspec.structs.replace(draft.document, parties=[own, *draft.document.parties[1:]])
    node.agreements.propose(document, node.signer, at=at, actor="person--1")

    page = f"/agreements/{draft.agreement_id}"
    assert "0 of 1 officials" in client.get(page).text
    assert "data-passkey" in client.get(page).text
    begun = tell(f"{page}/official/options", {}).json()
    answer = {"ceremony": begun["ceremony"], "credential": device.get(json.dumps(begun["options"]), ORIGIN)}
    assert tell(f"{page}/official", answer | {"ceremony": "0" * 64}).status_code == 422
    assert tell(f"{page}/official", answer).json() == {"location": page}
    with node.db.read() as connection:
        assert node.agreements.get(connection, draft.agreement_id).signed_by == {"XA"}
    assert "data-passkey" not in client.get(page).text
    assert tell(f"{page}/official/options", {}).status_code == 422
    assert actions(node)[0] == ("agreement.official", "done")


def test_whoever_has_no_officials_passkey_cannot_begin_to_sign_as_one(signed_in: SignIn) -> None:
    client = signed_in(Role.DIRECTOR)
    token = client.get("/keys").text.split('name="_csrf" value="', 1)[1].split('"', 1)[0]
    answer = client.post(f"/agreements/{AGREEMENT}/official/options", json={}, headers={"x-form-token": token})
    assert answer.status_code == 422
    assert signed_in(Role.ANALYST).post(f"/agreements/{AGREEMENT}/official", data={}).status_code == 403
