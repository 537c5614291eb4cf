"""What constituents fetch as files: each door with its own token, each list judged for exactly its constituent."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stix2

from mithaq.exchange.orders import Orders
from mithaq.exchange.taxii.errors import BadCollection
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.errors import BadConstituent
from mithaq.response.feeds.service import Feeds
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import BANK, GRID, Served, TestClient, basic, made, name
from tests.world import XA

UNTIL = "2026-12-23T11:00:00.000Z"
PLAIN, RPZ, SURICATA, STIX = (f"/feeds/alerts/{form}" for form in ("plain", "rpz", "suricata", "stix"))


def bad(number: int, **changes: Any) -> bytes:
    return made(number, valid_until=UNTIL, **changes)


def domain(number: int) -> bytes:
    return bad(number, pattern=f"[domain-name:value = 'bad{number}.example']")


@pytest.fixture
def served(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Served]:
    found = Served.found(tmp_path, at, db_url, rehearses=True)
    found.collection("alerts", audience=(GRID, BANK))
    yield found
    found.country.db.close()


def token(served: Served, door: str | None, who: str = GRID, collection: str | None = "alerts") -> str:
    lifetime = timedelta(days=30)
    return served.node.collections.add_account(
        who, "firewall", lifetime, served.clock.now(), door=door, collection=collection
    )[1]


def asking(served: Served, door: str | None, who: str = GRID) -> TestClient:
    client = served.client(who)
    client.headers["authorization"] = basic(who, token(served, door, who))
    return client


def test_a_plain_list_holds_what_may_be_blocked_and_is_parted_for_firewalls(served: Served) -> None:
    served.store(
        bad(1, pattern="[ipv4-addr:value = '198.51.100.1']"),
        domain(2),
        bad(3, pattern="[url:value = 'http://bad3.example/x']"),
        made(4),
        bad(5, tlp=Tlp.RED),
    )
    client = asking(served, "plain")
    answer = client.get(PLAIN)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="alerts.txt"'
    assert answer.text.split() == ["198.51.100.1", "bad2.example", "http://bad3.example/x"], "no expiry, no block"
    assert client.get(PLAIN, params={"type": "ip"}).text == "198.51.100.1\n"
    assert client.get(PLAIN, params={"type": "domain"}).text == "bad2.example\n"
    assert client.get(PLAIN, params={"type": "url"}).text == "http://bad3.example/x\n"
    assert client.get(PLAIN, params={"type": "files"}).status_code == 404


def test_a_zone_and_rules_are_given_under_tokens_of_their_own(served: Served) -> None:
    served.store(domain(2))
    zone = asking(served, "rpz").get(RPZ)
    assert "bad2.example CNAME ." in zone.text.splitlines()
    rules = asking(served, "suricata").get(SURICATA)
    assert 'content:"bad2.example"' in rules.text or "bad2.example" in rules.text
    assert {zone.headers["content-disposition"], rules.headers["content-disposition"]} == {
        'attachment; filename="alerts.zone"',
        'attachment; filename="alerts.rules"',
    }


def test_a_serial_grows_only_with_the_content_and_an_unchanged_list_is_not_sent_again(served: Served) -> None:
    served.store(domain(2))
    client = asking(served, "rpz")
    first = client.get(RPZ)
    again = client.get(RPZ, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    served.store(domain(3))
    newer = client.get(RPZ, headers={"if-none-match": first.headers["etag"]})
    assert newer.status_code == 200
    assert _serial(newer.text) > _serial(first.text)


def test_a_bundle_is_every_object_released_in_the_bytes_it_came_in(served: Served) -> None:
    bodies = [bad(number) for number in range(1, 1_200)]
    served.store(*bodies, made(2_000, "malware", is_family=False, name="x"), made(2_001, "malware", tlp=Tlp.RED))
    answer = asking(served, "stix").get(STIX)
    assert answer.headers["content-type"] == "application/stix+json;version=2.1"
    bundle = json.loads(answer.content)
    assert (bundle["type"], len(bundle["objects"])) == ("bundle", 1_200)
    assert all(body in answer.content for body in bodies), "as they came, with their spaces"
    assert name(2_001, "malware") not in answer.text
    assert len(stix2.parse(answer.text, allow_custom=True).objects) == 1_200


def test_an_unchanged_bundle_is_not_sent_again_and_a_changed_one_is(served: Served) -> None:
    served.store(*(bad(number) for number in range(1, 4)), made(9, tlp=Tlp.RED))
    client = asking(served, "stix")
    first = client.get(STIX)
    known = {"if-none-match": f'"0", W/{first.headers["etag"]}'}

    def asked() -> tuple[int, list[str]]:
        answer = client.get(STIX, headers=known)
        head = client.head(STIX, headers=known)
        assert (head.status_code, head.headers["etag"]) == (answer.status_code, answer.headers["etag"])
        assert (answer.status_code == 304) == (answer.headers["etag"] == first.headers["etag"])
        return answer.status_code, [each["id"] for each in answer.json()["objects"]] if answer.content else []

    assert asked() == (304, [])
    assert client.get(STIX).content == first.content, "to the byte"
    assert asking(served, "stix", BANK).get(STIX).headers["etag"] != first.headers["etag"]
    served.store(made(10, tlp=Tlp.RED), made(9, tlp=Tlp.RED))
    assert asked() == (304, []), "what is withheld changes nothing"
    Orders(served.country.context).veto(name(2), None, at=served.clock.now(), actor="p")
    assert asked() == (200, [name(1), name(3)]), "before the reader has run"
    served.settle()
    Orders(served.country.context).lift_veto(name(2), None, at=served.clock.now(), actor="p")
    served.settle()
    assert asked() == (200, [name(1), name(3), name(2)])
    served.store(bad(1, modified="2026-11-23T11:30:00.000Z"))
    assert asked() == (200, [name(3), name(2), name(1)])


def test_what_comes_while_a_bundle_is_sent_is_in_the_next_one(served: Served) -> None:
    served.store(*(bad(number) for number in range(1, 4)))
    token(served, "stix")
    node = served.node
    feeds = Feeds(node.db, node.nation, node.blocklists, node.sensors, node.clock.now)
    account = served.node.constituents.accounts(GRID)[0]
    feed = feeds.fetch(account, "alerts", "stix", "")
    assert not isinstance(feed.content, bytes)
    pieces = [next(feed.content)]
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(2), ACTUAL, XA, "wrong")
    served.store(bad(4))
    sent = json.loads(b"".join([*pieces, *feed.content]))
    assert [each["id"] for each in sent["objects"]] == [name(1), name(3)], "and what is withdrawn is not sent"
    again = feeds.fetch(account, "alerts", "stix", "")
    assert again.etag != feed.etag


def test_of_several_versions_every_door_gives_what_stands(served: Served) -> None:
    for minute in (10, 20):
        served.store(
            bad(1, modified=f"2026-11-23T11:{minute}:00.000Z", pattern=f"[domain-name:value = '{minute}.example']")
        )
    assert asking(served, "plain").get(PLAIN).text.split() == ["20.example"]
    zone = asking(served, "rpz").get(RPZ).text
    assert ("20.example CNAME" in zone, "10.example" in zone) == (True, False)
    assert "10.example" not in asking(served, "suricata").get(SURICATA).text
    bundle = asking(served, "stix").get(STIX).json()["objects"]
    assert [each["modified"] for each in bundle] == ["2026-11-23T11:20:00.000Z"]
    place, asked = "/taxii2/mithaq/collections/alerts/objects/", {"match[version]": "all"}
    assert len(asking(served, None).get(place, params=asked).json()["objects"]) == 2


def test_an_empty_collection_gives_an_empty_list_and_a_bundle_without_objects(served: Served) -> None:
    assert asking(served, "plain").get(PLAIN).content == b""
    assert json.loads(asking(served, "stix").get(STIX).content)["objects"] == []


def test_a_long_list_is_packed_for_who_takes_it(served: Served) -> None:
    served.store(*(domain(number) for number in range(200)))
    client = asking(served, "plain")
    packed = client.get(PLAIN, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = client.get(PLAIN, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    with asking(served, "stix").stream("GET", STIX, headers={"accept-encoding": "gzip"}) as streamed:
        assert streamed.headers["content-encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(b"".join(streamed.iter_raw())))["objects"]) == 200


@pytest.mark.parametrize("door", ["taxii", "misp", "rpz", "suricata", "stix"])
def test_a_token_opens_no_other_door_than_its_own(served: Served, door: str) -> None:
    served.store(domain(1))
    client = asking(served, door)
    answer = client.get(PLAIN)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert client.get("/taxii2/").status_code == (200 if door == "taxii" else 401)


def test_a_token_of_one_collection_opens_no_other(served: Served) -> None:
    served.collection("reports")
    served.store(domain(1))
    client = asking(served, None)
    assert client.get(PLAIN).status_code == 200
    assert client.get("/feeds/reports/plain").status_code == 404
    titles = [each["title"] for each in client.get("/taxii2/mithaq/collections/").json()["collections"]]
    assert titles == ["Title of alerts"], "TAXII keeps to it too"
    whole = served.client()
    whole.headers["authorization"] = basic(GRID, token(served, "plain", collection=None))
    assert whole.get("/feeds/reports/plain").status_code == 200


def test_unknown_closed_and_other_peoples_collections_answer_alike(served: Served) -> None:
    served.collection("theirs", audience=(BANK,))
    served.collection("gone")
    client = served.client()
    client.headers["authorization"] = basic(GRID, token(served, "plain", collection=None))
    served.node.collections.close("gone", served.clock.now())
    answers = [client.get(f"/feeds/{alias}/plain") for alias in ("theirs", "gone", "nonsense")]
    answers += [client.get(place) for place in ("/feeds/alerts/pdf", "/feeds/alerts", "/feeds/", "/feeds/a/plain/c")]
    seen = {(each.status_code, each.content) for each in answers if each.status_code != 401}
    assert seen == {(404, b"there is no such feed here\n")}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_feeds_are_only_read(served: Served, method: str) -> None:
    answer = asking(served, "plain").request(method, PLAIN)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_revoked_token_and_none_at_all_are_refused(served: Served, at: datetime) -> None:
    client = asking(served, "plain")
    for account in served.node.constituents.accounts(GRID):
        served.node.constituents.revoke(account.id, at)
    assert client.get(PLAIN).status_code == 401
    del client.headers["authorization"]
    assert client.get(PLAIN).status_code == 401


def test_a_head_gives_no_body(served: Served) -> None:
    served.store(domain(1))
    for door in ("plain", "stix"):
        answer = asking(served, door).head(f"/feeds/alerts/{door}")
        assert (answer.status_code, answer.content) == (200, b"")


def test_what_is_withheld_from_one_changes_no_byte_of_another_list(served: Served) -> None:
    served.store(domain(1), domain(2))
    doors = {form: asking(served, form) for form in ("plain", "rpz", "suricata")}
    before = {form: client.get(f"/feeds/alerts/{form}").content for form, client in doors.items()}
    served.store(bad(50, tlp=Tlp.RED), bad(51, pap=Pap.RED))
    Orders(served.country.context).veto(name(52), f"constituent:{GRID}", at=served.clock.now(), actor="p")  # type: ignore[arg-type]
    served.store(domain(52))
    assert {form: client.get(f"/feeds/alerts/{form}").content for form, client in doors.items()} == before
    assert "bad52.example" in asking(served, "plain", BANK).get(PLAIN).text


def test_a_veto_and_a_withdrawal_hold_at_the_next_request(served: Served) -> None:
    served.store(domain(1), domain(2), domain(3))
    client = asking(served, "plain")
    assert client.get(PLAIN).text.split() == ["bad1.example", "bad2.example", "bad3.example"]
    Orders(served.country.context).veto(name(1), None, at=served.clock.now(), actor="person--1")
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(2), ACTUAL, XA, "wrong")
    assert client.get(PLAIN).text.split() == ["bad3.example"], "though the shelf's reader has not run"
    served.clock.at += timedelta(days=40)
    late = asking(served, "plain")
    assert late.get(PLAIN).content == b"", "it has expired"


def test_what_may_only_be_watched_for_is_no_blocklist_but_is_in_the_bundle(served: Served) -> None:
    served.store(domain(1), bad(2, pap=Pap.AMBER))
    assert asking(served, "plain").get(PLAIN).text.split() == ["bad1.example"]
    assert name(2) in asking(served, "stix").get(STIX).text


def test_what_a_constituent_posted_itself_blocks_nothing(served: Served) -> None:
    served.collection("shared", can_write=True, floor=Tlp.GREEN)
    client = served.client()
    envelope = {"objects": [json.loads(domain(7))]}
    headers = {"content-type": "application/taxii+json;version=2.1"}
    posted = client.post("/taxii2/mithaq/collections/shared/objects/", json=envelope, headers=headers)
    assert posted.json()["success_count"] == 1
    served.settle()
    assert name(7) in client.get("/taxii2/mithaq/collections/shared/objects/").text
    assert client.get("/feeds/shared/plain").content == b""


def test_an_account_is_given_only_for_what_its_constituent_has(served: Served) -> None:
    served.collection("theirs", audience=(BANK,))
    with pytest.raises(BadCollection, match="not in its audience"):
        token(served, "rpz", collection="theirs")
    with pytest.raises(BadConstituent, match="no such door"):
        token(served, "window")


def _serial(zone: str) -> int:
    return int(next(line for line in zone.splitlines() if " SOA " in line).split()[4])
