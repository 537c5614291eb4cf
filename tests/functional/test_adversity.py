"""What goes wrong without anybody lying in a body: too few signatures, a changed key, a full disk."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.applications import Starlette

from mithaq.api.app import machine_doors
from mithaq.kernel.keystore import Keys
from mithaq.nations.people.model import Verb
from tests.country import Country
from tests.doors import lying
from tests.explained import explained
from tests.pages import still_node
from tests.running import RunningNode, founded, serving, until
from tests.unit.cli.conftest import desk
from tests.unit.web.conftest import TestClient
from tests.world import XA, XB, Treaty, card_of

pytestmark = pytest.mark.functional


def test_an_agreement_that_too_few_have_signed_or_that_is_over_releases_nothing_and_says_so(
    tmp_path: Path, at: datetime
) -> None:
    country, other = Country.found(XA, tmp_path / XA), Country.found(XB, tmp_path / XB)
    country.befriend([other], at)
    unsigned = Treaty(at, nations=(XA, XB), signers=(XA,))
    over = Treaty(at - timedelta(days=90), nations=(XA, XB), agreement_id=unsigned.agreement_id[:-1] + "2")
    for treaty in (unsigned, over):
        country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    object_id = country.add(1, at)
    node = still_node(country, tmp_path, at)
    _, secret = node.people.add_token("program", frozenset({Verb.RELEASE_READ}), timedelta(days=1), at)
    with TestClient(Starlette(routes=machine_doors(node))) as client:
        question = {"object": object_id, "partner": "XB"}
        told = client.get("/api/v1/why", params=question, headers={"authorization": f"Bearer {secret}"}).json()
    said = {each["agreement"]: [reason["code"] for reason in each["reasons"]] for each in told["answers"]}
    assert said == {
        unsigned.agreement_id: ["agreement-unsigned", "party-unsigned"],
        over.agreement_id: ["agreement-expired"],
    }
    assert all(reason["remedy"] for each in told["answers"] for reason in each["reasons"])
    country.db.close()
    other.db.close()


def test_a_card_whose_key_changed_is_refused_by_its_address_too(tmp_path: Path) -> None:
    console, now = desk(tmp_path, "XA"), datetime.now(UTC)
    with lying() as there:
        there.misbehave = showing(card_of(XB, now, address=there.address))
        added = console.one("partner", "add", there.address)
        assert console("partner", "confirm", "XB", "--fingerprint", added["fingerprint"]).code == 0
        there.misbehave = showing(card_of(XB, now + timedelta(seconds=5), keys=Keys.generate()))
        said = console("partner", "add", there.address)
        assert said.code == 1
        assert "XB" in said.err
        assert "did not authorise" in said.err
        there.misbehave = showing(b'{"payload":' + b"[" * 100_000)
        assert console("partner", "add", there.address).code == 1
    known = console.one("partner", "show", "XB")
    assert (known["nation"], known["standing"], known["fingerprint"]) == ("XB", "trusted", added["fingerprint"])


def showing(card: bytes) -> Callable[[socket.socket], None]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(card)
    return lambda connection: connection.sendall(head + card)


# A disk that is full.


SCOPES = ("intelligence.write", "intelligence.read", "telemetry.push", "detection.read")


def test_a_full_disk_is_said_loses_nothing_acknowledged_and_passes(tmp_path: Path) -> None:
    """No process of the node may let a file grow; then it may again."""
    with serving(founded(tmp_path)) as running:
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        (token,) = running.json("token", "add", "sensor", *scopes)
        running.run("telemetry", "source", "add", "dns")
        headers = {"authorization": f"Bearer {token['token']}"}
        with httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=60) as http:
            kept = _fill(http, 3)
            _limit_files(running, 64 * 1024)
            refused = [_add(http, f"full-{number}.example") for number in range(3)]
            assert {explained(answer, 503) for answer in refused} == {"database-failed"}
            pushed = http.post("/api/v1/telemetry/dns", content=b'{"_path":"dns","query":"x.example"}\n' * 4000)
            assert explained(pushed, 503) == "telemetry-push-refused"
            assert http.get("/livez").status_code == 200
            assert http.get("/api/v1/objects").status_code == 200
            _limit_files(running, psutil.RLIM_INFINITY)
            until(lambda: _add(http, "again.example").status_code == 201, 20, running.log)
            found = http.get("/api/v1/objects", params={"limit": 500}).json()["objects"]
            assert {each["id"] for each in found} >= kept
            assert not [each for each in found if "full-" in each["pattern"]]
            assert http.post("/api/v1/telemetry/dns", content=_event("kept-0.example")).status_code == 202
            until(lambda: http.get("/api/v1/hits").json()["hits"], 30, running.log)


def _fill(http: httpx.Client, number: int) -> set[str]:
    answers = [_add(http, f"kept-{place}.example") for place in range(number)]
    return {each["id"] for answer in answers for each in answer.json()["created"]}


def _add(http: httpx.Client, value: str) -> httpx.Response:
    return http.post("/api/v1/indicators", json={"values": [value]})


def _event(value: str) -> bytes:
    line: dict[str, Any] = {"_path": "dns", "ts": datetime.now(UTC).timestamp(), "uid": "C1", "query": value}
    return json.dumps(line | {"id.orig_h": "192.0.2.7", "id.resp_h": "192.0.2.53"}).encode() + b"\n"


def _limit_files(running: RunningNode, size: int) -> None:
    for process in running.processes():
        process.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
