"""A report is read whatever it is written in, by a process that no file can make grow, spin or write."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from mithaq.intelligence.errors import ConfinedFailed, TooMuch
from mithaq.intelligence.imports.confined.running import Limits, run_confined
from mithaq.intelligence.imports.documents import ReadDocument, kind_of, read_document, whole_text
from mithaq.intelligence.settings import MIB, REPORT_MAX_BYTES
from mithaq.standards.defang import extract
from tests.papers import pdf, stream

ARABIC = "يتصل بالخادم evil0[.]example"


def codes(document: ReadDocument) -> list[tuple[str, str]]:
    return [(name, reason.code) for name, reason in document.left]


def values(document: ReadDocument) -> set[str]:
    return {each.value for each in extract(document.text)}


def mail(text: str = "body evil1[.]example", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "a@b.example", "Subject": "warning", "Message-ID": "<1@b.example>", **headers}.items():
        message[name] = value
    message.set_content(text)
    return message


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_a_pdf_is_read_in_arabic_and_latin_page_by_page() -> None:
    as_drawn = "يتصل بالخادم"[::-1]  # a page shows glyphs from left to right
    document = read_document(pdf([f"{as_drawn}\nhxxp://bad[.]example/a", "198[.]51[.]100[.]7"]))
    assert document.kind == "pdf"
    assert values(document) == {"http://bad.example/a", "198.51.100.7"}
    assert "يتصل بالخادم" in document.text
    assert document.left == ()


def test_nothing_in_a_pdf_is_run() -> None:
    script = "/OpenAction << /S /JavaScript /JS (app.launchURL\\('http://js.example/'\\)) >>"
    link = "/AA << /O << /S /URI /URI (http://uri.example/) >> >>"
    assert values(read_document(pdf(["evil1[.]example"], catalog=script + link))) == {"evil1.example"}


def test_an_encrypted_pdf_is_named_as_such_and_one_with_an_empty_password_is_read() -> None:
    for password, text, left in (("secret", "", [("", "pdf-encrypted")]), ("", "evil1[.]example", [])):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(["evil1[.]example"]))))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        file = io.BytesIO()
        writer.write(file)
        document = read_document(file.getvalue())
        assert (document.text.strip(), codes(document)) == (text, left)


def test_pages_end_at_their_limit() -> None:
    document = read_document(pdf(["evil1[.]example"], repeat=2100))
    assert codes(document) == [("", "pdf-limit")]
    assert document.text.count("evil1") == 2000


def test_a_page_tree_that_bites_its_tail_ends() -> None:
    looped = pdf(["evil1[.]example"]).replace(b"/Kids [6 0 R] /Count 1", b"/Kids [2 0 R] /Count 9")
    document = read_document(looped)
    assert document.text == ""


def test_a_bomb_in_a_page_costs_that_page_alone() -> None:
    bomb = stream(b"BT " + b" " * (300 * MIB) + b" ET")
    body = pdf(["one[.]example", "two[.]example"])
    second = body.index(b"9 0 obj\n") + len(b"9 0 obj\n")
    end = body.index(b"\nendobj", second)
    document = read_document(body[:second] + bomb + body[end:])
    assert "one.example" in values(document)
    assert "two.example" not in values(document)


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_pdf_is_read_as_far_as_it_goes_or_refused(seed: int) -> None:
    noise = random.Random(seed)
    body = bytearray(pdf(["one[.]example"] * 3))
    for _ in range(40):
        body[noise.randrange(9, len(body))] = noise.randrange(256)
    try:
        assert read_document(bytes(body)).kind == "pdf"
    except ConfinedFailed as error:
        assert str(error)


@pytest.mark.parametrize("body", [b"%PDF-", b"%PDF-1.7\n" + b"[" * 500_000, b"%PDF-1.4\n%%EOF", b"x" * 9 + b"%PDF-1"])
def test_what_only_begins_like_a_pdf_is_refused(body: bytes) -> None:
    try:
        document = read_document(body)
    except ConfinedFailed as error:
        assert str(error)
    else:
        assert (document.text, bool(document.left)) == ("", True)


@pytest.mark.parametrize("limits", [Limits(1024 * MIB, 60, 0, MIB), Limits(1024 * MIB, 60, 60, 5)])
def test_a_process_over_its_time_or_output_is_ended(limits: Limits) -> None:
    with pytest.raises(ConfinedFailed):
        run_confined("pdf_worker", pdf(["x" * 1000] * 1000), limits)


def test_a_process_over_its_memory_is_ended_or_ends_early_and_says_so() -> None:
    try:
        *_, last = run_confined("pdf_worker", pdf(["x" * 1000] * 1000), Limits(20 * MIB, 60, 60, MIB))
    except ConfinedFailed:
        return
    assert json.loads(last) == {"end": "memory"}


def test_many_files_at_once_have_a_process_each_and_one_that_is_ended_ends_alone() -> None:
    with ThreadPoolExecutor(8) as threads:
        ended = threads.submit(run_confined, "pdf_worker", pdf(["x" * 1000] * 1000), Limits(1024 * MIB, 60, 0, MIB))
        read = list(threads.map(lambda number: read_document(pdf([f"page {number}"])).text.strip(), range(16)))
    assert read == [f"page {number}" for number in range(16)]
    with pytest.raises(ConfinedFailed):
        ended.result()


def test_a_nursery_that_was_killed_is_started_anew() -> None:
    assert read_document(pdf(["before"])).text.strip() == "before"
    for process in nurseries_of("pdf_worker"):
        os.kill(process, signal.SIGKILL)
    while nurseries_of("pdf_worker"):
        time.sleep(0.01)
    assert read_document(pdf(["after"])).text.strip() == "after"


def nurseries_of(worker: str) -> list[int]:
    """Return the processes that this process has started to read such files, and that are still there."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if worker in Path(f"/proc/{child}/cmdline").read_text():
                    found.append(int(child))
    return found


def test_a_report_over_its_size_is_not_opened() -> None:
    with pytest.raises(TooMuch):
        read_document(b" " * (REPORT_MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("body", "name", "kind"),
    [
        (b"plain", "a.txt", "text"),
        (b"Subject: x\n\ny", "a.txt", "mail"),
        (b"y", "a.EML", "mail"),
        (b"PK\x03\x04", "", "zip"),
        (b"\n%PDF-1.4", "a.eml", "pdf"),
        (b"subjective", "", "text"),
    ],
)
def test_a_file_is_what_it_holds(body: bytes, name: str, kind: str) -> None:
    assert kind_of(body, name) == kind


def test_texts_are_read_in_the_encodings_of_windows_too() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "windows-1256"):
        assert read_document(ARABIC.encode(encoding)).text == ARABIC


def test_a_mail_is_its_body_and_what_is_attached() -> None:
    inner = mail("inner two[.]example", Subject="inner")
    outer = mail("outer one[.]example")
    outer.add_alternative("<p>html <a href='http://three.example/x'>here</a><script>four.example</script>", "html")
    outer.add_attachment(pdf(["five[.]example"]), maintype="application", subtype="pdf", filename="r.pdf")
    outer.add_attachment(inner)
    outer.add_attachment(
        zipped(**{"a/b.txt": b"six[.]example"}), maintype="application", subtype="zip", filename="z.zip"
    )
    document = whole_text(read_document(outer.as_bytes()))
    assert (document.kind, document.head["subject"], document.head["message-id"]) == (
        "mail",
        "warning",
        "<1@b.example>",
    )
    assert {part.name for part in document.parts} == {"r.pdf", "z.zip/a/b.txt"}
    assert values(document) == {
        "one.example", "two.example", "http://three.example/x", "five.example", "six.example",
    }  # fmt: skip
    assert document.left == ()


def attached(data: bytes, name: str = "z.zip") -> ReadDocument:
    message = mail()
    message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return read_document(message.as_bytes())


def test_path_tricks_in_an_archive_are_refused_by_name() -> None:
    tricks = {"../up.txt": b"x", "/abs.txt": b"x", "a/../../b.txt": b"x", "C:\\w.txt": b"x", "ok.txt": b"one[.]example"}
    document = attached(zipped(**tricks))
    assert [code for _, code in codes(document)] == ["zip-path"] * 4
    assert [part.name for part in document.parts] == ["z.zip/ok.txt"]


def test_a_link_in_an_archive_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert codes(attached(file.getvalue())) == [("z.zip/link", "zip-path")]


def test_a_bomb_gives_nothing_and_does_not_hide_what_came_before() -> None:
    bomb = zipped(**{"a.txt": b"one[.]example", "b.bin": b"\x00" * (65 * MIB), "c.txt": b"x"})
    document = attached(bomb)
    assert [part.name for part in document.parts] == ["z.zip/a.txt"]
    assert [code for _, code in codes(document)] == ["zip-bomb", "zip-bomb"]


def test_archives_in_archives_end_at_a_depth() -> None:
    data = zipped(**{"x.txt": b"x"})
    for _ in range(8):
        data = zipped(**{"n.zip": data})
    document = attached(data)
    assert (document.parts, [code for _, code in codes(document)]) == ((), ["mail-too-deep"])


def test_messages_in_messages_end_at_a_depth() -> None:
    message = mail("deepest nine[.]example")
    for _ in range(8):
        outer = mail("x")
        outer.add_attachment(message)
        message = outer
    assert [code for _, code in codes(read_document(message.as_bytes()))] == ["mail-too-deep"]


def test_parts_end_at_their_limit() -> None:
    document = attached(zipped(**{f"{n}.txt": b"x" for n in range(500)}))
    assert codes(document)[-1] == ("z.zip", "mail-too-many-parts")
    assert len(document.parts) < 200


@pytest.mark.parametrize("body", [
    b"PK\x03\x04" + b"\x00" * 100,
    b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n--a\n" * 3,
    b"Subject: " + b"=?utf-8?b?" * 50_000 + b"\n\nx",
    b"Content-Type: text/plain; charset=no-such\nSubject: x\n\nx",
    b"Subject: x\nContent-Transfer-Encoding: base64\n\n!!!!",
    b"Subject: x\nContent-Type: message/rfc822\n\n" * 200,
    b"Subject: x\n" + b"X-H: y\n" * 50_000 + b"\nx",
    b"Subject: \xff\xfe\x00\r\r\r\n\x00\n",
])  # fmt: skip
def test_odd_mail_is_read_or_refused_and_never_more(body: bytes) -> None:
    try:
        document = read_document(body, "m.eml")
    except ConfinedFailed as error:
        assert str(error)
    else:
        assert document.kind in ("mail", "zip")
