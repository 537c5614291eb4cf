"""What a constituent posts is its word: kept as such, shown to itself, passed on to nobody without a person."""

import json
from datetime import datetime
from typing import Any

import pytest

from mithaq.exchange.recalling import take_back
from mithaq.exchange.taxii.posting import giver
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.settings import TAXII_POST
from mithaq.kernel import journal
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Recipient
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import BANK, GRID, ROOT, TAXII, Served, ids_in, made, name
from tests.world import XA, XB, Treaty

FEED = f"{ROOT}collections/feed/"
MIXED = f"{ROOT}collections/mixed/"


@pytest.fixture
def mixed(served: Served) -> Served:
    served.collection(audience=(GRID, BANK))
    served.collection("mixed", audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    return served


def envelope(*bodies: bytes, **more: Any) -> bytes:
    head = "".join(f"{json.dumps(key)}:{json.dumps(value)}," for key, value in more.items())
    return b"{" + head.encode() + b'"objects":[' + b",".join(bodies) + b"]}"


def post(served: Served, *bodies: bytes, who: str = GRID, content: bytes | None = None) -> dict[str, Any]:
    client = served.client(who)
    content = envelope(*bodies) if content is None else content
    answer = client.post(f"{MIXED}objects/", content=content, headers={"content-type": TAXII})
    assert answer.status_code == 202, answer.text
    status: dict[str, Any] = answer.json()
    assert client.get(f"{ROOT}status/{status['id']}/").json() == status
    served.settle()
    counts = [status[f"{each}_count"] for each in ("success", "failure", "pending")]
    assert counts == [len(status[each]) for each in ("successes", "failures", "pendings")]
    assert sum(counts) == status["total_count"]
    return status


def shown(served: Served, who: str, place: str = MIXED) -> list[str]:
    return sorted(ids_in(served.client(who).get(f"{place}objects/").content))


def test_what_is_posted_comes_back_to_its_poster_byte_for_byte_and_to_nobody_else(mixed: Served) -> None:
    mixed.store(made(9))
    status = post(mixed, made(1), made(2, tlp=None, pap=None))
    assert (status["status"], status["success_count"], status["failures"]) == ("complete", 2, [])
    assert status["successes"][0] == {"id": name(1), "version": "2026-11-23T11:00:00.000Z"}
    assert shown(mixed, GRID) == [name(1), name(2), name(9)]
    assert mixed.client().get(f"{MIXED}objects/{name(1)}/").content.count(made(1)) == 1
    assert shown(mixed, BANK) == [name(9)]
    assert shown(mixed, GRID, FEED) == [name(9)], "it is where it was posted"


def test_the_holdings_say_whose_word_it_is_and_under_which_label(mixed: Served) -> None:
    post(mixed, made(1, tlp=Tlp.CLEAR, pap=Pap.CLEAR), made(2, tlp=None, pap=None), made(3, tlp=Tlp.RED, pap=Pap.RED))
    with mixed.node.db.read() as connection:
        held = [mixed.node.holdings.get(connection, name(number), ACTUAL)[0] for number in (1, 2, 3)]
        told = journal.entries(connection, 0, kinds=frozenset({"exchange.posted"}))
    for each in held:
        (word,) = each.provenance
        assert (word.source, word.nation) == ("constituent", giver(GRID))
        assert word.carried["onward"] == "none"
    assert [(each.tlp, each.pap) for each in held] == [
        (Tlp.GREEN, Pap.AMBER), (Tlp.GREEN, Pap.AMBER), (Tlp.RED, Pap.RED),
    ]  # fmt: skip
    assert [entry.detail for entry in told] == [{"taken": 3, "refused": 0}]
    assert shown(mixed, GRID) == [name(1), name(2)], "what is RED goes to nobody over this way"


def test_bad_objects_do_not_stop_good_ones_and_each_is_told_its_reason(mixed: Served) -> None:
    bad = (
        made(2).replace(name(2).encode(), b"indicator--bad"),
        b'{"type":"indicator"}',
        b"17",
        made(5, created_by_ref=identity_id(XA)),
        made(4, valid_until="2020-01-01T00:00:00Z"),
        b'{"id":"x","type":7}',
    )
    status = post(mixed, made(1), *bad, made(3))
    assert [each["id"] for each in status["successes"]] == [name(1), name(3)]
    assert len(status["failures"]) == 6
    assert all(each["message"] and each["version"] for each in status["failures"])
    assert shown(mixed, GRID) == [name(1), name(3)]


def test_an_object_of_another_stix_version_is_refused_with_the_reason_and_the_rest_is_stored(mixed: Served) -> None:
    others = [made(number, spec_version=each) for number, each in enumerate(("2.0", "2.2", "indicator", "2.1 "), 10)]
    status = post(mixed, made(1), *others)
    assert [each["id"] for each in status["successes"]] == [name(1)]
    assert [each["id"] for each in status["failures"]] == [name(number) for number in range(10, 14)]
    told = status["failures"][0]
    assert told["version"] == "2026-11-23T11:00:00.000Z"
    assert told["message"] == "the object says that it is STIX 2.0, and this server takes STIX 2.1"
    without = {key: value for key, value in json.loads(made(3)).items() if key != "spec_version"}
    bundle = {"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "spec_version": "2.0"}
    assert post(mixed, content=envelope(json.dumps(without).encode(), **bundle))["failures"] == []
    client = mixed.client()
    assert shown(mixed, GRID) == ids_in(client.get(f"{MIXED}objects/?match[spec_version]=2.1").content)
    assert shown(mixed, GRID) == [name(1), name(3)]


def test_the_same_again_is_a_success_and_another_content_of_the_same_version_a_failure(mixed: Served) -> None:
    post(mixed, made(1))
    assert post(mixed, made(1))["success_count"] == 1
    status = post(mixed, made(1, name="other"))
    assert status["failures"][0]["id"] == name(1)
    assert "other contents" in status["failures"][0]["message"]
    assert mixed.client().get(f"{MIXED}objects/{name(1)}/versions/").json()["versions"] == ["2026-11-23T11:00:00.000Z"]
    within = post(mixed, made(2), made(2), made(2, name="other"), made(2, modified="2026-11-23T11:30:00.000Z"))
    assert [(each["id"], "message" in each) for each in within["successes"] + within["failures"]] == [
        (name(2), False), (name(2), False), (name(2), False), (name(2), True),
    ]  # fmt: skip


def test_two_constituents_that_write_the_same_version_each_keep_their_own(mixed: Served) -> None:
    assert post(mixed, made(1, name="of the grid"))["success_count"] == 1
    assert post(mixed, made(1, name="of the bank"), who=BANK)["success_count"] == 1
    for who, text in ((GRID, b"of the grid"), (BANK, b"of the bank")):
        body = mixed.client(who).get(f"{MIXED}objects/{name(1)}/?match[version]=all").content
        assert body.count(name(1).encode()) == 1
        assert text in body


def test_envelopes_of_every_client_are_taken(mixed: Served) -> None:
    bundle = {"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "spec_version": "2.1"}
    assert post(mixed, content=envelope(made(1), **bundle))["success_count"] == 1
    assert post(mixed, content=envelope(made(2), more=False))["success_count"] == 1
    assert post(mixed, content=b'{"objects":[]}')["total_count"] == 0
    plain = {"type": "ipv4-addr", "id": name(3, "ipv4-addr"), "value": "203.0.113.9"}
    assert post(mixed, content=envelope(json.dumps(plain).encode()))["failures"] == []
    assert name(3, "ipv4-addr") in shown(mixed, GRID)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"17", b'"x"', b"{}", made(1), b'{"objects":{}}', b'{"objects":[{}', b"\xff", b"[1]"]
)
def test_what_is_no_envelope_is_refused_whole(mixed: Served, content: bytes) -> None:
    answer = mixed.client().post(f"{MIXED}objects/", content=content, headers={"content-type": TAXII})
    assert answer.status_code == 422, answer.text
    mixed.settle()
    assert shown(mixed, GRID) == []


def test_who_may_not_write_writes_nothing(mixed: Served) -> None:
    for client, place in ((mixed.client(may_write=False), MIXED), (mixed.client(), FEED)):
        answer = client.post(f"{place}objects/", content=envelope(made(1)), headers={"content-type": TAXII})
        assert answer.status_code == 403
        assert client.delete(f"{place}objects/{name(1)}/").status_code == 403
    with mixed.node.db.read() as connection:
        assert mixed.node.holdings.get(connection, name(1), ACTUAL) == []


def test_a_status_is_for_the_account_that_posted(mixed: Served) -> None:
    client, other, bank = mixed.client(), mixed.client(), mixed.client(BANK)
    posted = client.post(f"{MIXED}objects/", content=envelope(made(1)), headers={"content-type": TAXII})
    place = f"{ROOT}status/{posted.json()['id']}/"
    assert client.get(place).content == posted.content
    missing = f"{ROOT}status/00000000-0000-4000-8000-000000000000/"
    answers = [other.get(place), bank.get(place), client.get(missing)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_taking_back_takes_the_own_word_and_no_other(mixed: Served) -> None:
    mixed.store(made(9))
    post(mixed, made(1), made(2))
    post(mixed, made(1, name="of the bank"), who=BANK)
    client = mixed.client()
    assert client.delete(f"{MIXED}objects/{name(9)}/").status_code == 403, "it sees it, and did not say it"
    assert client.delete(f"{MIXED}objects/{name(7)}/").status_code == 404
    assert client.delete(f"{MIXED}objects/{name(1)}/").status_code == 200
    mixed.settle()
    assert shown(mixed, GRID) == [name(2), name(9)]
    assert shown(mixed, BANK) == [name(1), name(9)]
    assert client.delete(f"{MIXED}objects/{name(1)}/").status_code == 404
    assert mixed.client(BANK).delete(f"{MIXED}objects/{name(2)}/").status_code == 404
    assert shown(mixed, GRID) == [name(2), name(9)]


def test_taking_back_takes_just_the_versions_that_are_named(mixed: Served) -> None:
    first, second, third = (f"2026-11-23T11:{minute}:00.000Z" for minute in (10, 20, 30))
    client = mixed.client()

    def after_deletion(query: str) -> tuple[int, list[str]]:
        post(mixed, *(made(1, modified=each) for each in (first, second, third)))
        status = client.delete(f"{MIXED}objects/{name(1)}/?{query}").status_code
        mixed.settle()
        left = client.get(f"{MIXED}objects/{name(1)}/versions/").json().get("versions", [])
        newest = client.get(f"{MIXED}objects/{name(1)}/").json().get("objects", [])
        assert [each["modified"] for each in newest] == left[-1:]
        return status, sorted(left)

    assert after_deletion("match[version]=2019-01-01T00:00:00Z") == (404, [first, second, third])
    assert after_deletion("match[spec_version]=2.0") == (404, [first, second, third])
    assert after_deletion("match[version]=first") == (200, [second, third])
    assert client.delete(f"{MIXED}objects/{name(1)}/?match[version]={first}").status_code == 404, "it is gone"
    assert after_deletion(f"match[version]={second}") == (200, [first, third])
    assert after_deletion("match[version]=last") == (200, [first, second])
    assert after_deletion(f"match[version]=last,{first}") == (200, [second])
    assert after_deletion("") == (200, [])
    assert client.delete(f"{MIXED}objects/{name(1)}/").status_code == 404


def test_a_version_that_somebody_else_says_is_not_taken_back_and_that_is_what_the_answer_says(mixed: Served) -> None:
    old, new = "2026-11-23T11:00:00.000Z", "2026-11-23T11:30:00.000Z"
    mixed.store(made(1, modified=old))
    post(mixed, made(1, modified=new))
    client = mixed.client()
    assert client.delete(f"{MIXED}objects/{name(1)}/?match[version]={old}").status_code == 403
    assert client.delete(f"{MIXED}objects/{name(1)}/?match[version]=2019-01-01T00:00:00Z").status_code == 404
    assert client.delete(f"{MIXED}objects/{name(1)}/?match[version]={old},{new}").status_code == 200
    mixed.settle()
    assert client.get(f"{MIXED}objects/{name(1)}/versions/").json()["versions"] == [old]


def test_it_goes_on_to_nobody_until_a_person_instructs_it(mixed: Served, at: datetime) -> None:
    treaty, country = Treaty(at, nations=(XA, XB)), mixed.country
    country.befriend([_partner(mixed, at)], at)
    country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    country.order(treaty, at)
    post(mixed, made(1, valid_until="2026-12-23T11:00:00Z"))
    country.plan(at)
    sensor = Recipient("sensor", "dns")

    def outcome() -> tuple[int, int, bool]:
        with mixed.node.db.read() as connection:
            planned = len(journal.entries(connection, 0, kinds=frozenset({"exchange.planned"})))
            held = mixed.node.holdings.get(connection, name(1), ACTUAL)[0]
            gate = country.context.gatekeeper(connection, at)
            verdict = gate.judge(held, XB, treaty.agreement_id, "defence")
        return planned, len(mixed.node.blocklists.build(sensor, at).refused), verdict.allowed

    assert outcome() == (0, 1, False)
    assert shown(mixed, BANK) == []
    mixed.instruct(name(1), treaty.agreement_id)
    country.plan(at)
    assert (outcome()[0], outcome()[2]) == (1, True)
    assert shown(mixed, BANK) == [name(1)]


def _partner(served: Served, at: datetime) -> Any:
    from tests.country import Country

    return Country.over(XB, served.node.db)


def test_a_nations_recall_takes_its_constituents_same_word_along(mixed: Served) -> None:
    post(mixed, made(1))
    mixed.store(made(1))
    assert shown(mixed, BANK) == [name(1)], "this nation says it too"
    with mixed.node.db.write(mixed.clock.now()) as tx:
        assert take_back(tx, mixed.node.holdings, name(1), ACTUAL, XA, "wrong")
    mixed.settle()
    assert shown(mixed, BANK) == shown(mixed, GRID) == []


def test_what_is_posted_back_keeps_nothing_alive(mixed: Served) -> None:
    """A client that writes what it has read, as OpenCTI's does, adds no word of its own."""
    mixed.store(made(1))
    assert post(mixed, made(1))["success_count"] == 1
    with mixed.node.db.read() as connection:
        (held,) = mixed.node.holdings.get(connection, name(1), ACTUAL)
    assert [word.source for word in held.provenance] == ["own"]


def test_a_constituents_newer_version_replaces_nobody_elses(mixed: Served) -> None:
    mixed.store(made(1))
    post(mixed, made(1, modified="2026-11-23T11:30:00.000Z", revoked=True))
    assert shown(mixed, BANK) == [name(1)]
    assert b'"revoked"' not in mixed.client(BANK).get(f"{MIXED}objects/{name(1)}/").content
    assert b'"revoked"' in mixed.client(GRID).get(f"{MIXED}objects/{name(1)}/").content


def test_markings_that_nobody_here_reads_come_back_as_they_came(mixed: Served) -> None:
    """Markings of another system, such as ACS, are lost on the way through MISP (MISP#10278)."""
    acs = "marking-definition--11111111-1111-4111-8111-111111111111"
    marking = (
        b'{"type":"marking-definition","spec_version":"2.1","id":"%s","created":"2026-11-23T11:00:00.000Z",'
        b'"extensions":{"extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce":{"extension_type":'
        b'"property-extension","identifier":"isa:guide.19001.ACS3","access_privilege":[{"privilege_action":"DSPLY"}]}}}'
    ) % acs.encode()
    marked = made(1, object_marking_refs=[Tlp.GREEN.marking_id, acs])
    assert post(mixed, marking, marked)["success_count"] == 2
    answer = mixed.client().get(f"{MIXED}objects/").content
    assert marking in answer
    assert marked in answer


def test_the_label_of_a_constituent_binds_nobody_who_knows_the_same_without_it(mixed: Served) -> None:
    post(mixed, made(1, tlp=None, pap=None))  # counts as strictly as the floor, and PAP:AMBER
    terms = ImportTerms(XA, ACTUAL, Tlp.GREEN, Pap.GREEN)
    data, now = envelope(made(1, tlp=None, pap=None)), mixed.clock.now()
    report = import_bundle(mixed.node.holdings, data, door=TAXII_POST, terms=terms, warning_lists=None, at=now)
    assert report.duplicates == 1
    mixed.settle()
    with mixed.node.db.read() as connection:
        (held,) = mixed.node.holdings.get(connection, name(1), ACTUAL)
    assert [word.source for word in held.provenance] == ["constituent", "import"]
    assert (held.tlp, held.pap) == (Tlp.GREEN, Pap.GREEN)
    assert shown(mixed, BANK, FEED) == [name(1)]
