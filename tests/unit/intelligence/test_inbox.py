"""Each mail of a folder is taken once; what its settings name is stored, and everything else says why it was not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.errors import BadMailbox, BadMapping, NotInTray
from mithaq.intelligence.imports.documents import read_document, whole_text
from mithaq.intelligence.imports.inbox import Inbox, InboxSettings, TrayItem, read_settings
from mithaq.intelligence.imports.lists.mapping import Columns, Mapping
from mithaq.intelligence.imports.mailbox import Mailbox
from mithaq.intelligence.imports.text import look_up
from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import REPORT_MAX_BYTES
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.papers import pdf
from tests.unit.intelligence.test_imports import bundle, indicator

CSV = Mapping(origin="mail", form="csv", header=True, columns=Columns(value="ioc"))
ALL = InboxSettings(take=("stix", "misp", "csaf", "csv"), tlp="TLP:AMBER", mapping=CSV)


@pytest.fixture
def holdings(db: Database) -> Iterator[Holdings]:
    yield Holdings(db)


@pytest.fixture
def inbox(holdings: Holdings) -> Inbox:
    return Inbox(holdings, None, keep_event)


def mail(text: str = "", message_id: str = "<1@b.example>", **files: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@b.example", "warning", message_id
    message.set_content(text)
    for name, data in files.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name.replace("_", "."))
    return message


def items(inbox: Inbox, holdings: Holdings, *, every: bool = True) -> list[TrayItem]:
    with holdings.db.read() as connection:
        return inbox.tray(connection, every=every)


def outcome(item: TrayItem) -> dict[str, tuple[str, int, list[str]]]:
    return {
        each["name"]: (each["door"], each["stored"], [reason["code"] for reason in each["reasons"]])
        for each in item.outcome
    }


def count(holdings: Holdings) -> int:
    with holdings.db.read() as connection:
        return len(holdings.rows(connection, range(1, 1000)))


@pytest.fixture
def full(data_dir: Path) -> EmailMessage:
    """A mail with one of everything, real files where there are any."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.json", bundle(indicator(5)))
        archive.writestr("../up.json", bundle(indicator(6)))
    return mail(
        "see one[.]example",
        bundle_json=bundle(indicator(0), indicator(1), b'{"id":7}'),
        event_json=(data_dir / "misp-events" / "winter_vivern_misp-wintervivern.event.json").read_bytes(),
        advisory_json=(data_dir / "csaf" / "icsa-24-277-01.json").read_bytes(),
        list_csv=b"ioc,x\nfour.example,1\nnothing,2\n",
        report_pdf=pdf(["two[.]example"]),
        packed_zip=packed.getvalue(),
        odd_bin=b"\x00\x01",
        odd_json=b'{"x":1}',
    )


def test_every_attachment_goes_through_its_own_door_and_the_rest_says_why(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime, full: EmailMessage
) -> None:
    assert inbox.take(full.as_bytes(), "m", ALL, terms, at)
    (item,) = items(inbox, holdings)
    became = outcome(item)
    assert became["bundle.json"][:2] == ("stix", 2)
    assert len(became["bundle.json"][2]) == 1
    assert became["event.json"][0] == "misp"
    assert became["event.json"][1] > 15
    assert became["advisory.json"][1] == 3
    assert became["list.csv"] == ("csv", 1, ["line-without-value"])
    assert became["packed.zip/inner.json"] == ("stix", 1, [])
    assert became["packed.zip/../up.json"] == ("", 0, ["zip-path"])
    assert became["report.pdf"] == ("tray", 0, [])
    assert became["odd.bin"] == ("", 0, ["mail-no-door"])
    with holdings.db.read() as connection:
        (stored, *_) = holdings.rows(connection, [1])
        assert inbox.message(connection, item.row) == full.as_bytes()
    assert (stored.tlp, stored.provenance[0].carried["mail"]["message_id"]) == (Tlp.AMBER, "<1@b.example>")


def test_without_settings_nothing_is_stored_and_each_part_says_so(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime, full: EmailMessage
) -> None:
    inbox.take(full.as_bytes(), "m", InboxSettings(), terms, at)
    (item,) = items(inbox, holdings, every=False)
    codes = {name: reasons for name, (_, _, reasons) in outcome(item).items()}
    closed = ("bundle.json", "event.json", "advisory.json", "list.csv", "packed.zip/inner.json")
    assert all(codes[name] == ["mail-door-closed"] for name in closed)
    assert count(holdings) == 0


def test_a_message_is_taken_once_and_another_under_its_id_is_another(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    one, other = mail("a[.]example").as_bytes(), mail("b[.]example").as_bytes()
    assert [inbox.take(each, "m", ALL, terms, at) for each in (one, one, other)] == [True, False, True]
    assert len(items(inbox, holdings)) == 2


def test_what_broke_off_before_it_was_noted_is_taken_again_without_doubling(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = mail("x", b_json=bundle(indicator(0)), l_csv=b"ioc\na.example\n").as_bytes()

    def dies(*args: Any, **more: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_note", dies)
        with pytest.raises(KeyboardInterrupt):
            inbox.take(message, "m", ALL, terms, at)
    assert (count(holdings), items(inbox, holdings)) == (2, [])
    assert inbox.take(message, "m", ALL, terms, at)
    assert (count(holdings), len(items(inbox, holdings))) == (2, 1)


def test_a_message_that_cannot_be_read_is_noted_with_the_reason(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    assert inbox.take(None, "huge.eml", ALL, terms, at)
    (item,) = items(inbox, holdings)
    assert (item.state, outcome(item)["huge.eml"][2]) == ("done", ["mail-too-large"])


def test_a_broken_attachment_holds_up_nothing(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    message = mail("", a_json=b'{"type":"bundle","objects":[', b_json=b"[" * 100_000, c_csv=b"other\nx\n",
                   d_json=b'{"document":{"csaf_version":"9"}}', e_json=bundle(indicator(0)))  # fmt: skip
    inbox.take(message.as_bytes(), "m", ALL, terms, at)
    became = outcome(items(inbox, holdings)[0])
    assert became["c.csv"][2] == ["bad-list-mapping"]
    assert became["d.json"][2] == ["bad-csaf"]
    assert became["e.json"] == ("stix", 1, [])


def test_the_tray_is_worked_off_message_by_message(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    inbox.take(mail("a[.]example").as_bytes(), "m", ALL, terms, at)
    (item,) = items(inbox, holdings, every=False)
    assert (item.subject, item.sender, item.lane) == ("warning", "a@b.example", ACTUAL)
    inbox.close(item.row, at)
    assert items(inbox, holdings, every=False) == []
    for row in (item.row, 99):
        with pytest.raises(NotInTray):
            inbox.close(row, at)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b'{"take":["pdf"]}', b'{"tlp":"PINK"}', b'{"take":["csv"]}', b'{"x":1}', b'{"mapping":{"origin":""}}'],
)
def test_settings_that_cannot_be_are_refused(document: bytes) -> None:
    with pytest.raises((BadMailbox, BadMapping)):
        read_settings(document)


def test_a_maildir_is_read_from_new_into_cur(tmp_path: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1.host").write_bytes(b"Subject: x\n\ny")
    (tmp_path / "tmp" / "2.host").write_bytes(b"half")
    (tmp_path / "cur" / "1.host:2,S").write_bytes(b"before")
    box = Mailbox(tmp_path)
    ((path, body),) = box.messages()
    box.done(path)
    assert body == b"Subject: x\n\ny"
    assert list(box.messages()) == []
    assert {each.name for each in (tmp_path / "cur").iterdir()} == {"1.host:2,S", "1-1.host:2,S"}


def test_a_plain_folder_gives_its_eml_files_and_follows_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.eml").write_bytes(b"secret")
    (folder / "link.eml").symlink_to(tmp_path / "secret.eml")
    (folder / "a.eml").write_bytes(b"Subject: x\n\ny")
    (folder / "big.eml").write_bytes(b"x" * (REPORT_MAX_BYTES + 1))
    (folder / "note.txt").write_bytes(b"no message")
    box = Mailbox(folder)
    found = {path.name: body for path, body in box.messages()}
    assert found == {"a.eml": b"Subject: x\n\ny", "big.eml": None}
    for path, _ in list(box.messages()):
        box.done(path)
    assert {each.name for each in (folder / "done").iterdir()} == {"a.eml", "big.eml"}
    with pytest.raises(BadMailbox):
        Mailbox(tmp_path / "nowhere")


def test_settings_are_a_json_document() -> None:
    document = json.dumps({"take": ["csv"], "tlp": "green", "mapping": json.loads(CSV.as_json())}).encode()
    assert read_settings(document) == InboxSettings(take=("csv",), tlp="green", mapping=CSV)


def test_half_characters_and_nul_in_a_mail_end_nothing(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    message = (
        b"Subject: \xff\xfe =?utf-16?q?=d8=00?= a\x00b\r\nMessage-ID: <\xed\xa0\x80@x>\r\n"
        b"Content-Type: text/plain; charset=utf-7\r\n\r\nhttp://evil.example/+2AA- \x00 one[.]example\r\n"
    )
    assert inbox.take(message, "m", ALL, terms, at)
    (item,) = items(inbox, holdings)
    with holdings.db.read() as connection:
        text = whole_text(read_document(inbox.message(connection, item.row), "m.eml")).text
        found = look_up(holdings, connection, text, ACTUAL, None)
    assert "one.example" in {each.value for each in found}


def test_a_message_takes_so_many_parts_through_doors_and_says_so(
    inbox: Inbox, holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    files = {f"b{number:02}_json": bundle(indicator(0)) for number in range(23)}
    inbox.take(mail("x", **files).as_bytes(), "m", ALL, terms, at)
    left = [name for name, (_, _, codes) in outcome(items(inbox, holdings)[0]).items() if codes]
    assert left == ["b20.json", "b21.json", "b22.json"]
