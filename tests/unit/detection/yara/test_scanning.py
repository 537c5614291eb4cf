"""Files in a folder become events and hits, once, whatever lies there and whatever happens in between."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.detection.model import Hit, RuleSight
from mithaq.detection.yara import store
from mithaq.detection.yara.errors import FileRefused
from mithaq.detection.yara.quarantine import erase_old, is_quarantine, quarantine_folder
from mithaq.detection.yara.scanner import FileScan
from mithaq.detection.yara.scanning import Scanning
from mithaq.detection.yara.service import Files
from mithaq.detection.yara.settings import YaraLimits
from mithaq.detection.yara.store import FileState, KnownFile
from mithaq.intelligence.model import NewObject
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.stix import parse
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.feeds import FilesFeed, feed_of
from mithaq.telemetry.model import Format
from tests.unit.detection.worlds import AGREEMENT, PARTNER, Bench, indicator
from tests.unit.detection.yara.rules import EICAR, EICAR_RULE, ENDLESS, literal

LIMITS = YaraLimits(scan_s=1, grace_s=3.0, max_file_bytes=1 << 20)
TEST = Lane.parse("test")


def rule(
    text: str, at: datetime, *, stix_id: str | None = None, lane: Lane = ACTUAL, revoked: bool = False
) -> NewObject:
    """Return an indicator with a rule, as it came from a partner."""
    new = indicator("x", at, stix_id=stix_id, lane=lane, revoked=revoked)
    body = json.dumps({**json.loads(new.body), "pattern": text, "pattern_type": "yara"}).encode()
    return replace(new, body=body, stix=parse(body))


class Folder(Bench):
    """A node that scans one folder."""

    def __init__(self, db: Database, tmp_path: Path, at: datetime) -> None:
        super().__init__(db, tmp_path / "node", at)
        self.folder = tmp_path / "files"
        self.folder.mkdir()
        self.scanning = Scanning(db, self.holdings, self.data, limits=LIMITS)

    def watch(self, name: str = "drop", lane: Lane = ACTUAL, folder: Path | None = None, log: str = "") -> None:
        feed = FilesFeed(str(folder or self.folder), log)
        self.telemetry.add_source(name, path="", line_format=Format.ECS, by="test", at=self.at, lane=lane, feed=feed)

    def scan(self) -> None:
        """Scan until nothing is left, then read what was written."""
        self.scanning.learn(self.at)
        self.scanning.look(self.at)
        while self.scanning.step(self.at):
            pass
        self.settle()

    def restart(self) -> None:
        """Begin the scanning process anew."""
        self.scanning.close()
        self.scanning = Scanning(self.db, self.holdings, self.data, limits=LIMITS)
        self.scanning.start(self.at)

    def known(self, source: str = "drop") -> dict[str, KnownFile]:
        with self.db.read() as connection:
            return {each.found.path: each for each in store.of_source(connection, source)}


@pytest.fixture
def node(db: Database, tmp_path: Path, at: datetime) -> Iterator[Folder]:
    node = Folder(db, tmp_path, at)
    node.watch()
    node.start()
    node.scanning.start(at)
    yield node
    node.scanning.close()
    node.detector.close()


def said(hit: Hit) -> dict[str, object]:
    """Return the line of a hit."""
    found: dict[str, object] = json.loads(hit.raw)
    return found


def test_a_file_becomes_a_hit_by_its_rule_and_by_its_hash(node: Folder, at: datetime) -> None:
    digest = hashlib.sha256(b"--" + EICAR).hexdigest()
    by_rule, by_hash = rule(EICAR_RULE, at), indicator(f"[file:hashes.'SHA-256' = '{digest}']", at)
    node.store(by_rule, by_hash)
    (node.folder / "mail" / "new").mkdir(parents=True)
    (node.folder / "mail" / "new" / "invoice.exe").write_bytes(b"--" + EICAR)
    (node.folder / "harmless").write_bytes(b"")
    node.scan()
    hits = {hit.indicator_id: hit for hit in node.hits()}
    assert set(hits) == {by_rule.stix.id, by_hash.stix.id}
    hit = hits[by_rule.stix.id]
    answers = (("file.path", "mail/new/invoice.exe"), ("file.hash.sha256", digest))
    assert hit.sight == RuleSight("Eicar", "Eicar", "", answers)
    assert (hit.origin.nation, hit.origin.agreement_id) == (PARTNER, AGREEMENT)
    line = json.loads(hit.raw)
    assert (line["file"]["path"], line["file"]["size"]) == ("mail/new/invoice.exe", len(EICAR) + 2)
    (match,) = line["yara"]["matches"]
    assert [(text["text"], text["places"][0]["offset"]) for text in match["texts"]] == [(0, 30), (1, 2)]
    assert match["texts"][1]["places"][0]["hex"] == b"X5O!".hex()
    assert b"Eicar" not in hit.raw, "an object that is erased leaves none of its words in the lake"
    assert hits[by_hash.stix.id].sight.shown == digest


def test_a_file_is_told_once_through_restarts_touches_and_a_crash_before_it_was_noted(
    node: Folder, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store(rule(EICAR_RULE, at))
    bad = node.folder / "bad"
    bad.write_bytes(EICAR)

    class Crash(Exception):
        pass

    def crash(self: Scanning, done: KnownFile, scan: FileScan, at: datetime, *, lines: int) -> None:
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Scanning, "_save", crash)
        node.scan()
    node.settle()
    for _ in range(2):
        node.restart()
        node.scan()
        os.utime(bad, (1, 1))
    node.scan()
    assert len(node.hits()) == 1
    bad.write_bytes(EICAR + b"2")
    node.scan()
    assert [json.loads(hit.raw)["file"]["size"] for hit in node.hits()] == [68, 69]


def test_what_no_longer_stands_or_is_another_lanes_gives_no_hit(node: Folder, at: datetime) -> None:
    node.watch("test", TEST)
    new = rule(EICAR_RULE, at)
    node.store(new)
    (node.folder / "bad").write_bytes(EICAR)
    node.scanning.learn(at)
    node.scanning.look(at)
    while node.scanning.step(at):
        pass
    node.store(rule(EICAR_RULE, at + timedelta(seconds=1), stix_id=new.stix.id, revoked=True))
    node.settle()
    assert node.hits() == []
    node.scan()
    assert node.scanning.rules.of_lane(ACTUAL).scanner.keys == frozenset()


def test_a_pushed_line_cannot_claim_that_a_rule_was_true(node: Folder, at: datetime) -> None:
    new = rule(EICAR_RULE, at)
    node.store(new)
    node.source("zeek")
    with node.db.read() as connection:
        row = node.holdings.get(connection, new.stix.id, ACTUAL)[0].row
    line = {
        "@timestamp": "2026-11-01T00:00:00Z",
        "event": {"dataset": "mithaq.file", "kind": "event"},
        "ecs": {"version": "8.17.0"},
        "file": {"hash": {"sha256": "0" * 64}},
        "yara": {"matches": [{"indicator": new.stix.id, "row": row, "rule": 0, "texts": []}]},
    }
    node.push(json.loads(json.dumps(line)))
    node.settle()
    assert node.hits() == []


def test_new_rules_are_asked_of_files_that_are_still_there(node: Folder, at: datetime) -> None:
    (node.folder / "bad").write_bytes(EICAR)
    (node.folder / "gone").write_bytes(EICAR)
    node.scan()
    (node.folder / "gone").unlink()
    new = rule(EICAR_RULE, at)
    node.store(new)
    node.scan()
    node.restart()
    node.scan()
    (hit,) = node.hits()
    assert (hit.indicator_id, json.loads(hit.raw)["file"]["path"]) == (new.stix.id, "bad")
    assert set(node.known()) == {"bad"}


def test_a_rule_that_never_ends_costs_only_itself(node: Folder, at: datetime) -> None:
    endless, sound = rule(ENDLESS, at), [rule(literal(f"r{number}", f"text{number}"), at) for number in range(5)]
    node.store(endless, *sound, rule(EICAR_RULE, at))
    for number in range(4):
        (node.folder / f"bad{number}").write_bytes(EICAR + str(number).encode())
    node.scan()
    assert len(node.hits()) == 4
    known = node.known()
    told = known["bad0"].reason
    assert told is not None and told.sentence().startswith(
        "objects whose rules could not be asked to the end: 1; it took"
    )
    assert known["bad3"].reason is None, "after three files it is asked no more"
    assert list(node.scanning.rules.of_lane(ACTUAL).scanner.suspended) != []


def test_whatever_lies_in_the_folder_is_told_and_the_rest_goes_on(node: Folder, at: datetime, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(EICAR)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "bad").write_bytes(EICAR)
    (node.folder / "link").symlink_to(secret)
    (node.folder / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(node.folder / "pipe")
    with (node.folder / "sparse").open("wb") as file:
        file.truncate(1 << 42)
    with zipfile.ZipFile(node.folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (10 << 20))
    (node.folder / os.fsdecode(b"na\xffme")).write_bytes(EICAR)
    node.store(rule(EICAR_RULE, at))
    node.scan()
    told = {name: each.reason.sentence() for name, each in node.known().items() if each.reason is not None}
    assert told == {
        "link": "it is a link, and links are not followed",
        "linked": "it is a link, and links are not followed",
        "pipe": "it is no file",
        "sparse": f"larger than the limit of {LIMITS.max_file_bytes} bytes",
    }
    assert node.known()["bomb.zip"].state is FileState.SCANNED
    assert [json.loads(hit.raw)["file"]["path"] for hit in node.hits()] == ["na?me"]
    node.detector.close()
    lines = b"".join(path.read_bytes() for path in (node.data / "lake" / "open").rglob("*") if path.is_file())
    assert b'"not_unpacked":"zip"' in lines
    node.detector = node._new()


def test_a_file_that_vanishes_before_it_is_opened_is_told(node: Folder, at: datetime) -> None:
    (node.folder / "brief").write_bytes(EICAR)
    node.scanning.look(at)
    (node.folder / "brief").unlink()
    node.scanning.step(at)
    (known,) = node.known().values()
    assert known.reason is not None and known.reason.sentence() == "it is gone"


def test_what_is_still_being_written_is_left_until_it_rests_or_for_a_minute(db: Database, tmp_path: Path) -> None:
    node = Folder(db, tmp_path, datetime.now().astimezone())
    node.watch()
    node.scanning.start(node.at)
    growing = node.folder / "growing"
    growing.write_bytes(b"a")
    now = node.at.timestamp()
    for second in (0, 30, 61):
        os.utime(growing, (now + second, now + second))
        node.scanning.look(node.at + timedelta(seconds=second, milliseconds=100))
        assert bool(node.known()) is (second > 60)
    node.scanning.close()


def test_suricata_and_zeek_say_where_a_file_came_from(node: Folder, at: datetime, tmp_path: Path) -> None:
    filestore, extracted = tmp_path / "filestore", tmp_path / "extract_files"
    digest = hashlib.sha256(EICAR).hexdigest()
    (filestore / digest[:2]).mkdir(parents=True)
    (filestore / "tmp").mkdir()
    (filestore / "tmp" / "half").write_bytes(EICAR)
    (filestore / digest[:2] / digest).write_bytes(EICAR)
    record = {"src_ip": "192.0.2.1", "src_port": 80, "dest_ip": "10.0.0.9", "app_proto": "http"}
    record |= {"http": {"hostname": "evil.example", "url": "/a"}, "fileinfo": {"filename": "/a"}}
    (filestore / digest[:2] / f"{digest}.1700000000.1.json").write_text(json.dumps(record))
    extracted.mkdir()
    (extracted / "extract-1389719059.311698-HTTP-FBMLmd1ZxAhZCkOzFf").write_bytes(EICAR)
    log = tmp_path / "files.log"
    header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tfiles\n"
    names = "#fields\tts\tfuid\ttx_hosts\trx_hosts\tsource\tfilename\n"
    names += "#types\ttime\tstring\tset[addr]\tset[addr]\tstring\tstring\n"
    log.write_text(header + names + "1389719059.3\tFBMLmd1ZxAhZCkOzFf\t198.51.100.7\t10.0.0.8\tHTTP\ta.exe\n")
    node.watch("suricata", folder=filestore)
    node.watch("zeek", folder=extracted, log=str(log))
    node.store(rule(EICAR_RULE, at))
    node.scan()
    lines = {hit.source: json.loads(hit.raw) for hit in node.hits()}
    assert set(lines) == {"suricata", "zeek"}
    assert (lines["suricata"]["source"], lines["suricata"]["destination"]) == (
        {"ip": "192.0.2.1", "port": 80},
        {"ip": "10.0.0.9"},
    )
    assert lines["suricata"]["url"] == {"domain": "evil.example", "path": "/a"}
    assert (lines["zeek"]["source"]["ip"], lines["zeek"]["destination"]["ip"]) == ("198.51.100.7", "10.0.0.8")
    assert lines["zeek"]["file"]["name"] == "a.exe"


def test_a_file_waits_a_while_for_what_zeek_says_of_it(node: Folder, at: datetime, tmp_path: Path) -> None:
    node.watch("zeek", folder=tmp_path / "zeek", log=str(tmp_path / "files.log"))
    (tmp_path / "zeek").mkdir()
    (tmp_path / "zeek" / "extract-1.0-HTTP-FBMLmd1ZxAhZCkOzFf").write_bytes(EICAR)
    node.scan()
    assert [each.state for each in node.known("zeek").values()] == [FileState.WAITING]
    node.at += timedelta(seconds=16)
    node.scan()
    assert [each.state for each in node.known("zeek").values()] == [FileState.SCANNED]


def test_uploads_go_on_where_the_data_folder_is_named_otherwise_or_was_moved(
    node: Folder, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(node.data.parent)
    moved = node.data.with_name("moved")
    for data, body in ((Path(node.data.name), b"one"), (node.data, b"two"), (moved, b"three")):
        files = Files(node.db, node.telemetry, data)
        files.upload(io.BytesIO(body).read, name="a", by="aisha", at=at)
        with node.db.read() as connection:
            status = telemetry_store.get_source(connection, "uploads")
        assert status is not None
        assert feed_of(status.source.feed) == FilesFeed(str(quarantine_folder(data.resolve(), ACTUAL)))
        assert is_quarantine(data, quarantine_folder(data, ACTUAL))
    node.watch("uploads.test")
    with pytest.raises(FileRefused):
        files.upload(io.BytesIO(b"x").read, name="a", by="aisha", at=at, lane=TEST)


def test_an_upload_is_kept_under_its_hash_for_the_node_alone_and_erased_in_time(node: Folder, at: datetime) -> None:
    files = Files(node.db, node.telemetry, node.data)
    node.store(rule(EICAR_RULE, at))
    pieces = [EICAR, b""]
    digest = files.upload(lambda _size: pieces.pop(0), name="../../etc/passwd", by="aisha", at=at)
    assert digest == hashlib.sha256(EICAR).hexdigest()
    kept = quarantine_folder(node.data, ACTUAL) / digest
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    node.scan()
    (hit,) = node.hits()
    line = json.loads(hit.raw)
    assert (line["file"]["path"], line["file"]["name"], line["user"]["name"]) == (digest, "../../etc/passwd", "aisha")
    assert files.counts()[1].scanned == 1
    now = datetime.now().astimezone()
    assert erase_old(node.data, now, 30) == 0
    assert erase_old(node.data, now + timedelta(days=31), 30) == 2
    node.scan()
    assert node.known("uploads") == {}
