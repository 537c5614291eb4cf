"""What is wrong with a node is found, under a stable code, with what would mend it."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from mithaq.exchange import store as exchange_store
from mithaq.exchange.errors import ClockSkew, PartnerRefused, PartnerUnreachable
from mithaq.exchange.log import store as log_store
from mithaq.exchange.receiving.service import Receiving
from mithaq.kernel import keystore
from mithaq.kernel.errors import Error
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.wake import WakeListener
from mithaq.nations.signer import SignerServer
from mithaq.node.composition import Node
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import own_card
from mithaq.node.health import place, records, running
from mithaq.node.health.model import Finding, Level, is_healthy
from mithaq.node.health.service import examine
from mithaq.node.language import translator
from mithaq.node.settings import Settings, write_settings
from mithaq.response.sensors.model import SensorKind
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.health import Looked
from mithaq.telemetry.model import Format
from tests.unit.node.conftest import KEY_PASSPHRASE
from tests.world import XA, XB, Treaty, card_of, keys_of

GIB = 1024**3


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'unused.db'}"


def one(findings: Iterable[Finding], code: str) -> Finding:
    (found,) = (finding for finding in findings if finding.code == code)
    return found


def of(node: Node, at: datetime, code: str) -> list[Finding]:
    return [finding for finding in examine(node.folder, None, at) if finding.code == code]


def test_a_founded_node_that_does_not_run_has_that_one_fault(node: Node, at: datetime) -> None:
    findings = examine(node.folder, KEY_PASSPHRASE, at)
    assert [finding.code for finding in findings if finding.level is Level.WRONG] == ["node"]
    assert not is_healthy(findings)
    assert one(findings, "keys").reason.message == "the keys open and fit the card"


def test_every_fault_and_warning_says_how_to_mend_it_in_the_readers_words(node: Node, at: datetime) -> None:
    node.folder.root.chmod(0o755)
    for finding in examine(node.folder, None, at + timedelta(days=400)):
        if finding.level is not Level.FINE:
            assert translator("en").remedy(finding.reason)
            assert "%(" not in translator("en").reason(finding.reason) + translator("en").remedy(finding.reason)


def test_a_folder_without_a_node_and_broken_settings_are_said(node: Node, tmp_path: Path, at: datetime) -> None:
    (absent,) = examine(DataFolder(tmp_path / "absent"), None, at)
    assert (absent.code, absent.level) == ("settings", Level.WRONG)
    node.folder.settings.write_text("surprise = 1\n")
    (broken,) = examine(node.folder, None, at)
    assert "surprise" in broken.reason.sentence()


@pytest.mark.parametrize("name", ["", "keys", "keys/node.keys"])
def test_what_others_may_read_is_named(node: Node, at: datetime, name: str) -> None:
    path = node.data / name
    path.chmod(0o755 if path.is_dir() else 0o644)
    finding = one(place.permissions(node.folder), "permissions")
    assert (finding.level, finding.reason.params["path"]) == (Level.WRONG, str(path))


def test_keys_that_are_missing_damaged_closed_or_foreign_are_told_apart(node: Node) -> None:
    card, folder = own_card(node.folder), node.folder

    def told(passphrase: bytes | None) -> tuple[Level, str]:
        finding = one(place.keys(folder, card, passphrase), "keys")
        return finding.level, finding.reason.message

    assert told(None) == (Level.FINE, "the keys are there, encrypted")
    assert told(b"another passphrase entirely")[0] is Level.WRONG
    keystore.write(folder.keys, Keys.generate(), KEY_PASSPHRASE)
    assert told(KEY_PASSPHRASE) == (Level.WRONG, "the keys are not those of the card")
    folder.keys.write_bytes(b"plain seeds")
    assert told(None) == (Level.WRONG, "the key file is damaged or not encrypted")
    folder.keys.unlink()
    assert told(None) == (Level.WRONG, "the key file is missing")


def test_a_card_near_its_end_warns_and_one_past_it_is_wrong(node: Node, at: datetime) -> None:
    levels = [
        one(place.own_card(own_card(node.folder), at + timedelta(days=days)), "card").level for days in (1, 340, 366)
    ]
    assert levels == [Level.FINE, Level.WARNING, Level.WRONG]


def test_a_changed_card_is_said(node: Node, at: datetime) -> None:
    node.folder.card.write_bytes(node.folder.card.read_bytes().replace(b"payload", b"pay1oad"))
    assert of(node, at, "card")[0].level is Level.WRONG


@pytest.mark.parametrize(
    ("free", "level"), [(200 * GIB, Level.FINE), (8 * GIB, Level.WARNING), (GIB // 8, Level.WRONG)]
)
def test_a_disk_that_fills_up_warns_before_it_is_full(free: int, level: Level) -> None:
    assert one(place.disk(free, 400 * GIB), "disk").level is level


def test_sqlite_on_a_network_file_system_is_wrong_and_postgresql_does_not_mind() -> None:
    settings = Settings(nation="XA", names={"en": "Alpha"}, contact="x")
    assert one(place.file_system("nfs4", settings), "file-system").level is Level.WRONG
    assert one(place.file_system("ext4", settings), "file-system").level is Level.FINE
    remote = msgspec.structs.replace(settings, database="postgresql+psycopg://db.example/mithaq")
    assert list(place.file_system("nfs4", remote)) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount() -> None:
    assert place.file_system_of(Path("/proc/self")) == "proc"
    assert place.file_system_of(Path("/")) != "proc"


@contextmanager
def signing(node: Node, keys: Keys) -> Iterator[None]:
    with SignerServer(node.run_dir, keys, node.nation) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(body: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def processes(node: Node) -> dict[str, Level]:
    settings = msgspec.toml.decode(node.folder.settings.read_bytes(), type=Settings)
    return {each.code: each.level for each in running.processes(node.folder, settings, own_card(node.folder))}


def test_a_signer_with_other_keys_is_told_from_one_that_is_gone(node: Node) -> None:
    assert processes(node)["signer"] is Level.WRONG
    with signing(node, keystore.read(node.folder.keys, KEY_PASSPHRASE)):
        assert processes(node)["signer"] is Level.FINE
    with signing(node, keys_of(XB)):
        assert processes(node)["signer"] is Level.WRONG


def test_another_program_at_the_nodes_address_is_found(node: Node, at: datetime) -> None:
    for body, level in ((node.card_bytes(), Level.FINE), (card_of(XB, at), Level.WRONG)):
        with serving(body) as port:
            write_settings(node.folder.settings, msgspec.structs.replace(node.settings, listen_port=port))
            assert processes(node)["web"] is level


def test_worker_and_detector_live_while_a_living_process_listens(node: Node) -> None:
    with WakeListener(node.run_dir, "channels"), WakeListener(node.run_dir, "detector"):
        found = processes(node)
        assert (found["worker"], found["detector"]) == (Level.FINE, Level.FINE)
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    (node.run_dir / f"channels-{dead}-1-any.wake").touch()
    assert processes(node)["worker"] is Level.WRONG


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "http://127.0.0.1:8470"), ("::", "http://[::1]:8470"), ("192.0.2.1", "http://192.0.2.1:8470")],
)
def test_a_node_that_listens_everywhere_is_asked_on_loopback(host: str, address: str) -> None:
    assert running.own_address(Settings(nation="XA", names={}, contact="", listen_host=host)) == address


def test_a_database_of_another_revision_or_that_is_gone_is_said(node: Node, at: datetime) -> None:
    assert of(node, at, "database")[0].level is Level.FINE
    with node.db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer program" in of(node, at, "database")[0].reason.sentence()
    with node.db.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert of(node, at, "database")[0].reason.remedy.startswith("run: mithaq serve")
    gone = msgspec.structs.replace(node.settings, database="postgresql+psycopg://127.0.0.1:9/nothing")
    write_settings(node.folder.settings, gone)
    assert "does not answer" in of(node, at, "database")[0].reason.sentence()


def test_a_clock_that_was_set_back_is_found(node: Node, at: datetime) -> None:
    with node.db.write(at) as tx:
        tx.append("nations.card", subject="XB", lane=ACTUAL, actor="person--1")
    assert of(node, at, "clock")[0].level is Level.FINE
    assert of(node, at - timedelta(hours=1), "clock")[0].level is Level.WRONG


@pytest.mark.parametrize(("seconds", "level"), [(5, Level.FINE), (60, Level.WARNING), (600, Level.WRONG)])
def test_a_reader_is_judged_by_how_long_its_news_waited(node: Node, at: datetime, seconds: int, level: Level) -> None:
    with node.db.write(at) as tx:
        tx.append("intelligence.stored", subject="x", lane=ACTUAL, actor="person--1", detail={"rows": []})
        tx.append("people.action", subject="x", lane=ACTUAL, actor="person--1")
    with node.db.read() as connection:
        found = list(records.readers(node, connection, at + timedelta(seconds=seconds)))
    levels = {finding.reason.params["reader"]: finding.level for finding in found}
    assert levels == {
        "exchange.planning": level,
        "exchange.taxii": level,
        "exchange.taxii.partners": level,
        "detection.matcher": level,
        "detection.files": level,
        "response.sensors": Level.FINE,
        "exchange.duties": level,
        "exchange.membership": level,  # the founding told of this nation's key statement
    }


def partner_findings(node: Node, at: datetime) -> list[Finding]:
    with node.db.read() as connection:
        return list(records.partners(node, connection, at))


def trust(node: Node, at: datetime) -> None:
    partner = node.partners.add(card_of(XB, at), at=at, actor="p")
    node.partners.confirm(XB, partner.card.fingerprint, at=at, actor="p")


def test_partners_are_followed_from_pending_to_in_step(node: Node, at: datetime) -> None:
    assert "no partner yet" in partner_findings(node, at)[0].reason.sentence()
    node.partners.add(card_of(XB, at), at=at, actor="p")
    assert "not compared" in partner_findings(node, at)[0].reason.sentence()
    trust(node, at)
    assert "no contact" in partner_findings(node, at)[0].reason.sentence()
    node.partners.suspend(XB, at=at, actor="p")
    assert "suspended" in partner_findings(node, at)[0].reason.sentence()


def test_a_partners_card_near_its_end_is_asked_for(node: Node, at: datetime) -> None:
    trust(node, at)
    later = one(partner_findings(node, at + timedelta(days=350)), "partner-card")
    assert (later.level, later.reason.params) == (Level.WARNING, {"nation": XB, "days": 15})


SKEW = ClockSkew("the clocks differ by %(skew)s seconds", skew=3600)
REFUSED = PartnerRefused("refused with %(status)s: %(detail)s", status=401, detail='{"title":"clock-skew"}')
GONE = PartnerUnreachable("the node of %(nation)s does not answer", nation="XB")


@pytest.mark.parametrize(("trouble", "code"), [(SKEW, "clock-skew"), (REFUSED, "clock-skew"), (GONE, "channel")])
def test_trouble_on_a_channel_is_said_and_a_clock_is_known_by_either_side(
    node: Node, at: datetime, trouble: Error, code: str
) -> None:
    trust(node, at)
    Receiving(node.channel).note_trouble(XB, trouble, at)
    (found,) = partner_findings(node, at + timedelta(minutes=2))
    assert (found.code, found.level) == (code, Level.WRONG)


def test_trouble_that_began_a_moment_ago_only_warns(node: Node, at: datetime) -> None:
    trust(node, at)
    Receiving(node.channel).note_trouble(XB, GONE, at)
    (found,) = partner_findings(node, at + timedelta(seconds=30))
    assert (found.level, found.reason.params["seconds"]) == (Level.WARNING, 30)


def test_a_missing_witness_what_waits_for_it_and_overdue_proofs_are_said(node: Node, at: datetime) -> None:
    trust(node, at)
    trouble = {"code": GONE.code, "message": GONE.message, "params": GONE.params}
    sent = {
        "recipient": XB, "sequence": 1, "release_id": "release--1", "action": "release", "lane": "actual",
        "agreement_id": "a", "agreement_version": 1, "purpose": "defence", "digest": "", "frame": b"", "sent_at": at,
        "label": "TLP:AMBER", "log": 1, "leaf": 0,
    }  # fmt: skip
    behind = {
        "recipient": XB, "action": "release", "object_row": 1, "object_id": "indicator--1", "version": "1",
        "lane": "actual", "agreement_id": "a", "purpose": "defence", "decided_at": at,
    }  # fmt: skip
    owed = {"sender": XB, "sequence": 1, "release_id": "r", "emergency": "", "due_at": at, "refused": ""}
    with node.db.write(at) as tx:
        exchange_store.set_channel(tx, XB, witness_trouble=trouble, witness_trouble_at=at, asked_at=at)
        tx.execute(exchange_store.sent.insert().values(**sent))
        tx.execute(exchange_store.outbox.insert().values(**behind))
        tx.execute(log_store.proofs.insert().values(**owed))
    found = partner_findings(node, at + timedelta(minutes=2))
    assert [each.level for each in found if each.code == "witness"] == [Level.WARNING, Level.WRONG]
    (waits,) = [each.reason for each in found if each.code == "witness" and each.level is Level.WRONG]
    assert waits.params == {
        "nation": XB, "release": "release--1", "label": "TLP:AMBER", "seconds": 120, "count": 1,
    }  # fmt: skip
    assert "held back behind it: 1" in waits.sentence()
    assert one(found, "proofs").reason.params == {"nation": XB, "count": 1}


def test_a_partner_that_has_seen_another_membership_log_is_named(node: Node, at: datetime) -> None:
    trust(node, at)
    origin = "cert.xa.example/agreements/agreement--11111111-1111-4111-8111-111111111111"
    with node.db.write(at) as tx:
        log = {"origin": origin, "year": 0, "shard": 1, "size": 1, "peaks": bytes(32), "agreement": origin[-47:]}
        tx.execute(log_store.logs.insert().values(**log))
    node.channel.log.keep_refusal(1, XB, GONE, at)
    found = one(partner_findings(node, at), "witness")
    assert (found.level, found.reason.params["nation"], found.reason.params["log"]) == (Level.WRONG, XB, origin)
    assert "begin-anew" in found.reason.remedy


@pytest.mark.parametrize(("minutes", "level"), [(0, Level.FINE), (5, Level.WARNING), (20, Level.WRONG)])
def test_a_partner_that_does_not_fetch_falls_behind(node: Node, at: datetime, minutes: int, level: Level) -> None:
    trust(node, at)
    waiting = {
        "recipient": XB, "action": "release", "object_row": 1, "object_id": "indicator--1", "version": "1",
        "lane": "actual", "agreement_id": "a", "purpose": "defence", "decided_at": at,
    }  # fmt: skip
    with node.db.write(at) as tx:
        tx.execute(exchange_store.outbox.insert().values(**waiting))
        tx.execute(exchange_store.channels.insert().values(partner=XB, received_sequence=0, asked_at=at))
    (found,) = partner_findings(node, at + timedelta(minutes=minutes))
    assert found.level is level


def test_an_agreement_that_ends_within_a_month_is_said(at: datetime) -> None:
    treaty = Treaty(at, nations=(XA, XB), days=60)
    found = [list(records.agreements([treaty.agreement], at + timedelta(days=days))) for days in (0, 45, 61)]
    assert [[each.level for each in one] for one in found] == [
        [Level.FINE],
        [Level.WARNING, Level.FINE],
        [Level.WARNING],
    ]
    assert "--amends agreement--1111" in found[1][0].reason.remedy_sentence()
    assert "no agreement is in force" in found[2][0].reason.sentence()
    suspended = replace(treaty.agreement, suspended=True)
    assert [each.level for each in records.agreements([suspended], at)] == [Level.WARNING]


def test_a_source_that_cannot_be_read_is_named(node: Node, tmp_path: Path, at: datetime) -> None:
    assert "no source" in next(records.sources(node, at)).reason.sentence()
    node.telemetry.add_source("zeek", path=str(tmp_path / "gone.log"), line_format=Format.AUTO, by="p", at=at)
    (found,) = records.sources(node, at)
    assert (found.code, found.reason.params["source"]) == ("telemetry", "zeek")


def test_a_source_that_is_silent_or_has_changed_is_named(node: Node, at: datetime) -> None:
    node.telemetry.add_source("dns", path="", line_format=Format.AUTO, by="p", at=at)
    looked = Looked()
    for number in range(300):
        looked.learn("dns", {"query": "x", **({"client": "y"} if number < 150 else {})})
    for minute in range(20):
        with node.db.write(at + timedelta(minutes=minute)) as tx:
            telemetry_store.count_lines(tx, "dns", lines=1, events=1, broken=0)
            telemetry_store.save_looked(tx, "dns", looked, event_at=None, read_at=tx.at)
    later = at + timedelta(minutes=40)
    found = {each.code: each.reason.sentence() for each in records.sources(node, later)}
    assert found == {
        "telemetry-silent": "nothing has come from dns for 21 minutes; more than 10 is not usual for it",
        "telemetry-fields": "dns has changed; fields that do not come any more: 1 (dns: client)",
    }


def test_a_part_of_the_lake_that_cannot_be_read_is_named(node: Node, at: datetime) -> None:
    whole = telemetry_store.Segment(1, telemetry_store.SEALED, "zeek", 9, 1, at, path="a")
    with node.db.write(at) as tx:
        for segment in (whole, replace(whole, segment=2, trouble="a file of the segment is damaged or cut")):
            telemetry_store.save_segment(tx, segment)
    found = one(of(node, at, "telemetry-lake"), "telemetry-lake")
    assert (found.level, found.reason.params) == (Level.WRONG, {"source": "zeek", "count": 1})


def test_a_lake_that_is_filled_faster_than_it_is_sealed_is_named(node: Node, at: datetime) -> None:
    closed = telemetry_store.Segment(1, telemetry_store.CLOSED, "zeek", 3 << 20, 1, at, closed_at=at)
    with node.db.write(at) as tx:
        telemetry_store.save_segment(tx, closed)
        telemetry_store.save_segment(tx, replace(closed, segment=2, state=telemetry_store.OPEN, closed_at=None))
    assert of(node, at + timedelta(minutes=29), "telemetry-sealing") == []
    found = one(of(node, at + timedelta(minutes=31), "telemetry-sealing"), "telemetry-sealing")
    assert (found.level, found.reason.params) == (Level.WARNING, {"source": "zeek", "minutes": 31, "mb": 3})


def test_a_sensor_that_does_not_fetch_and_a_token_that_ends_are_named(node: Node, at: datetime) -> None:
    node.sensors.add("border-1", SensorKind.ZEEK, None, timedelta(days=20), at)
    assert [each.level for each in of(node, at, "sensor")] == [Level.FINE]
    assert of(node, at, "sensor-token") == []
    assert [each.level for each in of(node, at + timedelta(days=2), "sensor")] == [Level.WARNING]
    assert [each.level for each in of(node, at + timedelta(days=8), "sensor")] == [Level.WRONG]
    assert one(of(node, at + timedelta(days=8), "sensor-token"), "sensor-token").level is Level.WARNING
    assert one(of(node, at + timedelta(days=21), "sensor-token"), "sensor-token").level is Level.WRONG
    node.sensors.revoke("border-1", at)
    assert of(node, at + timedelta(days=30), "sensor") == []
