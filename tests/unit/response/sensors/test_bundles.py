"""What a sensor fetches: judged for its owner, numbered, signed, with what changed and why."""

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.orders import Orders
from mithaq.kernel import journal
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import SigningKey, sign_with
from mithaq.kernel.wake import WakeListener, Waker
from mithaq.nations.constituents.errors import UnknownConstituent
from mithaq.response.model import Blocklist
from mithaq.response.sensors import bundle, store, worker
from mithaq.response.sensors.errors import BadBundle, BadSensor, UnknownSensor
from mithaq.response.sensors.model import Sensor, SensorKind
from mithaq.response.sensors.readers import reader
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.databases import ready_sqlite
from tests.taxii import BANK, GRID, Served, TestClient, basic, carried, made, name
from tests.world import XA, XB

UNTIL = "2026-12-23T11:00:00.000Z"
LATER = "2026-11-23T11:30:00.000Z"
DAYS = timedelta(days=30)


def bad(number: int, **changes: Any) -> bytes:
    changes.setdefault("pattern", f"[domain-name:value = 'bad{number}.example']")
    return made(number, **{"valid_until": UNTIL, **changes})


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path, at: datetime) -> Iterator[Served]:
    """A node on SQLite; on PostgreSQL too where a test is parametrized so."""
    url = request.getfixturevalue("postgres_url") if hasattr(request, "param") else ready_sqlite(tmp_path / "mithaq.db")
    found = Served.found(tmp_path, at, url, rehearses=True)
    yield found
    found.country.db.close()


ON_POSTGRESQL = pytest.mark.parametrize("served", ["postgresql"], indirect=True)


class Pulling:
    """One sensor, and the program that fetches for it."""

    def __init__(
        self, served: Served, sensor: str = "border-1", kind: SensorKind = SensorKind.ZEEK, owner: str | None = GRID
    ) -> None:
        self.served, self.sensor = served, sensor
        _, secret = served.node.sensors.add(sensor, kind, owner, DAYS, served.clock.now())
        self.client: TestClient = served.client()
        self.client.headers["authorization"] = f"Bearer {secret}"

    def get(self, **rest: Any) -> Any:
        return self.client.get(f"/feeds/{self.sensor}/sensor", **rest)

    def files(self) -> dict[str, bytes]:
        return bundle.opened(self.get().content, self.served.node.signer.verify_key)

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files()[bundle.MANIFEST])
        return found

    def changed(self) -> list[tuple[str, str, str]]:
        return [(each["what"], each["value"], each["why"]) for each in self.manifest()["changes"]]

    def values(self) -> list[str]:
        return [json.loads(line)["value"] for line in self.files()["indicators.ndjson"].splitlines()]


def test_a_sensor_fetches_what_may_be_looked_for_signed_and_numbered(served: Served) -> None:
    served.store(bad(1), bad(2, pap=Pap.AMBER), bad(3, pap=Pap.RED), bad(4, tlp=Tlp.RED), made(5))
    pulling = Pulling(served)
    answer = pulling.get()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/gzip")
    assert answer.headers["content-disposition"] == 'attachment; filename="border-1-1.tar.gz"'
    assert pulling.values() == ["bad1.example", "bad2.example"], "an alert is seen by nobody outside: PAP:AMBER will do"
    said = pulling.manifest()
    assert (said["nation"], said["sensor"], said["kind"], said["lane"]) == ("XA", "border-1", "zeek", "actual")
    assert (said["version"], said["previous"], said["values"]) == (1, None, 2)
    assert [each["path"] for each in said["files"]] == ["indicators.ndjson", "zeek/mithaq.intel"]


def test_a_version_is_made_only_when_the_content_changed_and_says_what_and_why(served: Served) -> None:
    served.store(bad(1), bad(2), bad(3), bad(4))
    pulling = Pulling(served)
    first = pulling.get()
    assert pulling.get(headers={"if-none-match": first.headers["etag"]}).status_code == 304
    served.clock.at += timedelta(minutes=30)
    node, now = served.node, served.clock.now()
    assert pulling.get().content == first.content, "time alone makes no version"
    served.store(bad(5), bad(2, modified=LATER, valid_until="2026-12-30T11:00:00.000Z"))
    node.blocklists.never_add("bad3.example", "ours", "person--1", now)
    Orders(served.country.context).veto(name(4), None, at=now, actor="person--1")
    with node.db.write(now) as tx:
        node.holdings.withdraw(tx, name(1), ACTUAL, XA, "wrong")
    assert pulling.changed() == [
        ("added", "bad5.example", "new"),
        ("changed", "bad2.example", "restated"),
        ("removed", "bad1.example", "withdrawn"),
        ("removed", "bad3.example", "unsafe"),
        ("removed", "bad4.example", "not-permitted"),
    ]
    assert pulling.manifest()["version"] == 2
    served.clock.at += timedelta(days=29, hours=23)
    assert ("removed", "bad5.example", "expired") in pulling.changed()


def test_news_make_the_next_version_before_anybody_asks(served: Served) -> None:
    pulling = Pulling(served)
    assert served.node.sensors.refresh_all(served.clock.now()) == 1
    served.store(bad(1))
    assert served.node.sensors.refresh_all(served.clock.now()) == 1
    assert served.node.sensors.refresh_all(served.clock.now()) == 0
    sensor, versions = served.node.sensors.show("border-1")
    assert [(each.number, each.values) for each in versions] == [(2, 1), (1, 0)]
    with served.node.db.read() as connection:
        told = journal.newest(connection, before=None, limit=1)[0]
    assert (told.kind, told.subject) == ("response.sensor.version", "border-1")
    assert told.detail == {"version": 2, "values": 1, "added": 1, "changed": 0, "removed": 0}, "ids and counts alone"
    assert sensor.pulled_at is None
    pulling.get()
    sensor, _ = served.node.sensors.show("border-1")
    assert (sensor.pulled_at, sensor.pulled_version) == (served.clock.now(), 2)


def test_what_is_withheld_from_the_owner_changes_no_byte_and_no_number(served: Served) -> None:
    kinds = [*SensorKind]
    served.store(bad(1), bad(2))
    sensors = [Pulling(served, f"sensor-{kind.value}", kind) for kind in kinds]
    bank = Pulling(served, "sensor-bank", SensorKind.SURICATA, BANK)
    before = [(each.get().content, each.get().headers["etag"]) for each in sensors]
    bank.get()
    served.clock.at += timedelta(minutes=5)
    served.store(bad(50, tlp=Tlp.RED), bad(51, pap=Pap.RED))
    served.store(bad(52, pattern="[ipv4-addr:value = '198.51.100.9']", tlp=Tlp.RED))
    Orders(served.country.context).veto(name(53), f"constituent:{GRID}", at=served.clock.now(), actor="p")
    served.store(bad(53))
    served.node.sensors.refresh_all(served.clock.now())
    assert [(each.get().content, each.get().headers["etag"]) for each in sensors] == before
    assert "bad53.example" in bank.values()
    served.store(bad(54))
    assert [each.manifest()["version"] for each in sensors] == [2] * len(kinds)
    rules = {each.sensor: each.files()["suricata/mithaq.rules"] for each in (sensors[0], bank)}
    grid, more = (set(rules[each].splitlines()) for each in ("sensor-suricata", "sensor-bank"))
    assert grid < more, "a rule has the same number at every sensor, whatever else is in its bundle"


def test_an_exercise_reaches_no_bundle(served: Served) -> None:
    pulling = Pulling(served)
    before = pulling.get().content
    lane = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
    served.store(bad(1), lane=lane)
    served.store(bad(2), lane=Lane.parse("test"))
    assert pulling.get().content == before


def test_a_partners_word_reaches_own_sensors_and_constituents_as_its_terms_say(served: Served, at: datetime) -> None:
    served.store(bad(1), partner=carried(at, constituents=None))
    served.store(bad(2), partner=carried(at))
    served.store(bad(3), partner=carried(at, action=1))
    grid, own = Pulling(served), Pulling(served, "own-1", owner=None)
    assert grid.values() == ["bad2.example"]
    assert own.values() == ["bad2.example"], "the terms speak of all inside the nation"
    lines = [json.loads(each.files()["indicators.ndjson"].splitlines()[0]) for each in (grid, own)]
    assert [line["nation"] for line in lines] == ["", XB], "an agreement that is not known here lets nobody be named"
    assert lines[1]["agreement"] == carried(at).agreement.id


def test_a_resolver_blocks_so_it_gets_what_a_blocklist_would(served: Served) -> None:
    served.store(bad(1), bad(2, pap=Pap.AMBER))
    served.node.blocklists.never_add("safe.example", "ours", "person--1", served.clock.now())
    zone = Pulling(served, kind=SensorKind.RESOLVER).files()["rpz/mithaq.zone"].decode()
    assert "bad1.example CNAME ." in zone.splitlines()
    assert "bad2.example" not in zone
    assert "safe.example CNAME rpz-passthru." in zone.splitlines()
    assert " 1 300 60 604800 60\n" in zone, "the serial is the version"


def test_a_number_is_an_indicators_for_life_and_its_revision_grows(served: Served) -> None:
    served.store(bad(1))
    pulling = Pulling(served, kind=SensorKind.SURICATA)

    def numbers() -> dict[str, str]:
        rules = pulling.files()["suricata/mithaq.rules"].decode().splitlines()
        return {line.split(" ")[1]: line[line.index("sid:") : -1] for line in rules if "mithaq_object" in line}

    first = numbers()
    assert set(first) == {"dns", "tls", "http"}
    assert all(text.endswith(" rev:1;") for text in first.values())
    served.store(bad(2))
    served.store(bad(1, modified=LATER, pattern="[domain-name:value = 'worse1.example']"))
    with_both = pulling.files()["suricata/mithaq.rules"].decode()
    for protocol, text in first.items():
        line = next(line for line in with_both.splitlines() if text.split(";")[0] + ";" in line)
        assert (line.split(" ")[1], "worse1.example" in line, "rev:2;" in line) == (protocol, True, True)


def test_an_older_version_is_given_while_all_of_it_may_still_go(served: Served) -> None:
    served.store(bad(1))
    pulling = Pulling(served)
    first = pulling.get().content
    served.store(bad(2))
    assert pulling.manifest()["version"] == 2
    assert pulling.get(params={"version": "1"}).content == first
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XA, "wrong")
    gone = pulling.get(params={"version": "1"})
    assert (gone.status_code, b"bad1" in gone.content) == (410, False)
    for nonsense in ("0", "99", "-1", "one", "1" * 40):
        assert pulling.get(params={"version": nonsense}).status_code == 404


@ON_POSTGRESQL
def test_another_database_keeps_the_same(served: Served) -> None:
    test_a_version_is_made_only_when_the_content_changed_and_says_what_and_why(served)


@ON_POSTGRESQL
def test_another_database_numbers_and_erases_alike(served: Served) -> None:
    test_what_is_erased_leaves_kept_versions_and_numbers_too(served)


def test_kept_versions_are_bounded(served: Served) -> None:
    pulling = Pulling(served)
    for number in range(13):
        served.store(bad(number))
        pulling.get()
    _, versions = served.node.sensors.show("border-1")
    assert [each.number for each in versions] == [*range(13, 3, -1)]


def test_what_is_erased_leaves_kept_versions_and_numbers_too(served: Served) -> None:
    served.store(bad(1), bad(2))
    pulling = Pulling(served, kind=SensorKind.SURICATA)
    pulling.get()
    erasing = reader()
    with served.node.db.write(served.clock.now()) as tx:
        detail = {"rows": [1], "objects": [name(1)], "kept": []}
        tx.append("intelligence.erased", subject=name(1), lane=ACTUAL, actor="node", detail=detail)
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XA, "erased")
    while journal.run_once(served.node.db, erasing, served.clock.now()):
        pass
    with served.node.db.read() as connection:
        found = store.version(connection, "border-1", 1)
        numbers = store.numbers(connection, "border-1")
    assert found is not None and (found.erased, found.archive) == (True, b"")
    assert [each.value for each in found.lines] == ["bad2.example"]
    assert name(1) not in {each.object_id for each in numbers}
    assert pulling.manifest()["version"] == 2
    assert pulling.changed() == [], "not even its removal names it"
    assert pulling.get(params={"version": "1"}).status_code == 410


def test_only_a_sensors_own_token_opens_its_bundle(served: Served) -> None:
    served.collection("alerts")
    pulling, other = Pulling(served), Pulling(served, "border-2")
    assert other.client.get("/feeds/border-1/sensor").status_code == 404
    assert pulling.client.get("/feeds/alerts/plain").status_code == 401, "and it opens nothing else"
    assert served.client().get("/feeds/border-1/sensor").status_code == 404, "not even every door's account"
    secret = served.node.sensors.renew("border-1", DAYS, served.clock.now())
    assert pulling.get().status_code == 401
    pulling.client.headers["authorization"] = basic(GRID, secret)
    assert pulling.get().status_code == 200
    served.node.sensors.revoke("border-1", served.clock.now())
    assert pulling.get().status_code == 401
    assert served.node.sensors.show("border-1")[1] == []
    with pytest.raises(UnknownSensor):
        served.node.sensors.revoke("border-1", served.clock.now())


@pytest.mark.parametrize("wrong", ["", "a", "Border", "border--1", "1st", "b" * 64, "a/b", "حدود"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(served: Served, wrong: str) -> None:
    with pytest.raises(BadSensor):
        served.node.sensors.add(wrong, SensorKind.ZEEK, GRID, DAYS, served.clock.now())


def test_a_name_is_used_once_and_an_owner_must_be_known(served: Served) -> None:
    Pulling(served)
    with pytest.raises(BadSensor, match="there is, or was"):
        Pulling(served)
    with pytest.raises(UnknownConstituent):
        Pulling(served, "border-2", owner="nobody")


def test_a_changed_bundle_is_found_with_common_tools(served: Served, tmp_path: Path) -> None:
    served.store(bad(1))
    pulling = Pulling(served)
    (tmp_path / "mithaq.pem").write_text(bundle.pem(served.node.signer.verify_key))
    (tmp_path / "bundle.tar.gz").write_bytes(pulling.get().content)
    script = """
        tar -xzf bundle.tar.gz
        printf 'DSSEv1 36 application/vnd.mithaq.sensor-bundle %d ' "$(wc -c < SHA256SUMS)" | cat - SHA256SUMS > signed
        openssl pkeyutl -verify -pubin -inkey mithaq.pem -rawin -in signed -sigfile SHA256SUMS.sig
        sha256sum --check --strict --quiet SHA256SUMS
    """

    def checked() -> int:
        return subprocess.run(["bash", "-euc", script], cwd=tmp_path, capture_output=True, check=False).returncode

    assert checked() == 0
    files = bundle.unpacked(pulling.get().content)
    for path in (bundle.SUMS, bundle.SIGNATURE, "zeek/mithaq.intel"):
        changed = {**files, path: files[path] + b"x"}
        (tmp_path / "bundle.tar.gz").write_bytes(bundle._archive(changed, served.clock.now()))
        assert checked() != 0
    with pytest.raises(BadBundle):
        bundle.opened(bundle._archive({**files, "more": b""}, served.clock.now()), served.node.signer.verify_key)


def test_a_rotated_key_signs_the_bundle_anew(served: Served) -> None:
    served.store(bad(1))
    pulling = Pulling(served)
    pulling.get()

    class Rotated:
        key = SigningKey.generate()
        verify_key = key.verify_key

        def sign(self, payload_type: str, payload: bytes) -> bytes:
            return sign_with(self.key, payload_type, payload)

    served.node.sensors._signer = Rotated()  # type: ignore[assignment]
    archive = pulling.get().content
    said = json.loads(bundle.opened(archive, Rotated.verify_key)[bundle.MANIFEST])
    assert (said["version"], said["changes"]) == (2, [])


def test_the_worker_makes_a_version_as_soon_as_something_is_stored(served: Served) -> None:
    Pulling(served)
    node, stop = served.node, threading.Event()
    work = threading.Thread(target=worker.run, args=(node.db, node.sensors, node.run_dir, served.clock, stop))
    with WakeListener(node.run_dir, "test", ["response.sensor.version"]) as made_one:
        work.start()
        try:
            assert made_one.wait(30)
            served.store(bad(1))
            assert made_one.wait(30), "long before it would have looked by itself"
            _, versions = node.sensors.show("border-1")
            assert [(each.number, each.values) for each in versions] == [(2, 1), (1, 0)]
        finally:
            stop.set()
            Waker(node.run_dir).wake(["response.sensor.changed"])
            work.join(10)


def test_a_process_that_was_quicker_is_not_overwritten(served: Served) -> None:
    served.store(bad(1))
    Pulling(served)
    sensors, at = served.node.sensors, served.clock.now()
    build = sensors._build

    def slow(sensor: Sensor, instant: datetime) -> Blocklist:
        sensors._build = build  # type: ignore[method-assign]
        judged = build(sensor, instant)
        served.store(bad(2))
        assert sensors.refresh_all(at) == 1
        return judged

    sensors._build = slow  # type: ignore[method-assign, assignment]
    assert sensors.refresh_all(at) == 0
    _, versions = sensors.show("border-1")
    assert [each.values for each in versions] == [2]
