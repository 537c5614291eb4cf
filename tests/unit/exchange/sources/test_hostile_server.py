"""A server of the world may be slow, hostile or broken: it costs what it was given and nobody else anything."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mithaq.exchange.sources import settings
from mithaq.exchange.sources.credentials import Credential
from mithaq.exchange.sources.errors import (
    BadSource,
    Cut,
    SourceBrokenOff,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
    SourceUnreadable,
)
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP
from mithaq.exchange.sources.rules import address_refusal, is_public, redirected, within
from mithaq.exchange.sources.web import Budget, Web
from mithaq.exchange.sources.worker import SourceWorker
from mithaq.intelligence.indicators import identity_id
from tests.doors import listening
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.taxii import made
from tests.unit.exchange.sources.conftest import Fetching
from tests.unit.exchange.sources.test_taxii_client import dated
from tests.world import XA

MIB = 1024 * 1024


@contextmanager
def asking(
    address: str, *, private: bool = True, credential: dict[str, str] | None = None, **budget: object
) -> Iterator[Web]:
    with Web(address, credential or {}, Budget(time.monotonic, **budget), may_be_private=private) as web:  # type: ignore[arg-type]
        yield web


@contextmanager
def raw(answer: bytes, *, drip_s: float | None = None) -> Iterator[str]:
    """A server that answers these bytes, all at once or one by one, and then says nothing more."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=speak, args=(connection,), daemon=True).start()

    def speak(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                parts = [answer] if drip_s is None else [answer[place : place + 1] for place in range(len(answer))]
                for part in parts:
                    connection.sendall(part)
                    if drip_s and over.wait(drip_s):
                        return
                if drip_s is not None:
                    over.wait(60)
            except OSError:
                return

    with listening() as listener:
        listener.listen(16)
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join(10)


def test_a_gzip_bomb_costs_what_one_answer_may_cost() -> None:
    bomb = gzip.compress(bytes(400 * MIB), compresslevel=9)
    nested = gzip.compress(bomb)
    assert len(bomb) < MIB
    for body, encoding, problem in (
        (bomb, "gzip", SourceTooLarge),
        (zlib.compress(bytes(200 * MIB)), "deflate", SourceTooLarge),
        (nested, "gzip, gzip", SourceUnreadable),
        (b"x", "br", SourceUnreadable),
        (b"no gzip", "gzip", SourceUnreadable),
        (gzip.compress(b"{}" * 1000)[:-9], "gzip", SourceBrokenOff),
    ):
        reply = Reply(body, headers={"content-encoding": encoding})
        with scripted(lambda asked, reply=reply: reply) as world, asking(world.address) as web:
            tracemalloc.start()
            with pytest.raises(problem):
                web.get(world.address + "/", max_bytes=8 * MIB)
            assert tracemalloc.get_traced_memory()[1] < 64 * MIB
            tracemalloc.stop()


def test_what_is_packed_in_parts_is_whole() -> None:
    parts = gzip.compress(b"first ") + gzip.compress(b"second")
    with (
        scripted(lambda asked: Reply(parts, headers={"content-encoding": "gzip"})) as world,
        asking(world.address) as web,
    ):
        assert web.get(world.address + "/", max_bytes=100).body == b"first second"


def test_a_body_without_end_is_left(at: datetime) -> None:
    with (
        scripted(lambda asked: Reply(bytes(9 * MIB))) as world,
        asking(world.address) as web,
        pytest.raises(SourceTooLarge),
    ):
        web.get(world.address + "/", max_bytes=8 * MIB)
    with (
        scripted(lambda asked: Reply(bytes(9 * MIB))) as world,
        asking(world.address, bytes=MIB) as web,
        pytest.raises(Cut),
    ):
        web.get(world.address + "/", max_bytes=80 * MIB)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nx-slow: " + b"a" * 5000, b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"a" * 5000],
)
def test_a_server_that_drips_is_left_when_the_time_of_the_run_is_over(answer: bytes) -> None:
    """Each byte comes well within what a connection may be silent: only the run's own time ends it."""
    with raw(answer, drip_s=0.02) as address, asking(address, seconds=1.0) as web:
        begun = time.monotonic()
        with pytest.raises(Cut):
            web.get(address, max_bytes=MIB)
        assert time.monotonic() - begun < settings.SILENCE_S / 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
        b"\x00\xff" * 100,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_told(answer: bytes) -> None:
    with raw(answer) as address, asking(address) as web, pytest.raises(SourceBrokenOff):
        web.get(address, max_bytes=MIB)


def test_redirects_stay_at_their_host(at: datetime) -> None:
    with scripted(lambda asked: Reply(b"other")) as other:

        def leading(asked: Asked) -> Reply:
            places = {"/here": "/there", "/away": other.address, "/circle": "/circle", "/host": "//localhost/x"}
            if asked.path in places:
                return Reply(b"", 302, {"location": places[asked.path]})
            return Reply(asked.path.encode())

        with scripted(leading) as world, asking(world.address, credential={"Authorization": "Bearer s"}) as web:
            assert web.get(world.address + "/here", max_bytes=99).body == b"/there"
            for path in ("/away", "/host"):
                with pytest.raises(SourceRefused):
                    web.get(world.address + path, max_bytes=99)
            with pytest.raises(SourceUnreachable):
                web.get(world.address + "/circle", max_bytes=99)
        assert other.asked == []


def test_a_private_address_is_asked_only_where_the_source_may_lie_there(quick: Fetching) -> None:
    with scripted(lambda asked: Reply(b"inside")) as world:
        for address in (world.address, world.address.replace("127.0.0.1", "localhost")):
            with asking(address, private=False) as web, pytest.raises(SourceRefused):
                web.get(address + "/", max_bytes=99)
            with asking(address) as web:
                assert web.get(address + "/", max_bytes=99).body == b"inside"
        assert len(world.asked) == 2
        quick.sources.add("inside", "misp-feed", world.address, quick.clock.now())
        outcome = quick.run("inside")
        assert outcome.reason is not None
        assert (outcome.reason.code, quick.progress("inside").standing) == ("source-refused", "stopped")


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "fe80::1%eth0",
     "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "255.255.255.255"],
)  # fmt: skip
def test_a_private_number_is_private_in_any_wrapping(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://h/x", "gopher://h", "https://", "https:///x", "//h/x", "https://u:p@h/", "https://h/#x",
     "https://h:0/", "https://h:99999/", "https://h\\@evil/",
     "https://h/ x", "https://h/\nHost: x", "http://h" + "x" * 3000,
     "https://ḥost/", "javascript:1", ""],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(quick: Fetching, address: str) -> None:
    assert address_refusal(address) is not None
    with pytest.raises(BadSource):
        quick.sources.add("bad", "misp-feed", address, quick.clock.now())


def test_what_a_document_names_is_followed_at_its_own_origin_alone() -> None:
    base = "https://feeds.example/taxii2/"
    assert within(base, "root/") == "https://feeds.example/taxii2/root/"
    assert within(base, "/other/") == "https://feeds.example/other/"
    for away in (
        "https://feeds.example.evil/",
        "http://feeds.example/",
        "//x/",
        "https://feeds.example:8443/",
        "file:/x",
    ):
        assert within(base, away) is None
    assert redirected("https://feeds.example/a", "//feeds.example/b") == "https://feeds.example/b"
    assert redirected("https://feeds.example/a", "http://feeds.example/b") is None


def test_failures_back_off_with_jitter_and_a_success_ends_it(quick: Fetching, at: datetime) -> None:
    broken = [True]
    script = TaxiiScript(dated(at, 3), change=lambda asked, reply: Reply(b"", 500) if broken[0] else reply)
    with scripted(script) as world:
        quick.follow(world.address + "/taxii2/")
        waits = []
        for drawn in (1.0, 1.0, 1.0, 0.0, 0.5):
            quick.drawn = drawn
            quick.run()
            waits.append((quick.progress().due_at - quick.clock.now()).total_seconds())
        assert waits == [60, 120, 240, 240, 720]
        assert [each["failures"] for each in quick.journal("exchange.fetch-failed")] == [1, 2, 3, 4, 5]
        broken[0] = False
        assert quick.run().stored == 3
        assert (quick.progress().failures, quick.progress().reason) == (0, None)
        assert quick.progress().due_at == quick.clock.now() + timedelta(hours=1)


@pytest.mark.parametrize(
    ("asked_for", "waits"),
    [
        ("300", 300),
        ("7", 60),
        ("999999999", 24 * 3600),
        ("Mon, 23 Nov 2026 14:00:00 GMT", 7200),
        ("soon", 60),
        ("-5", 60),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(quick: Fetching, at: datetime, asked_for: str, waits: int, status: int) -> None:
    def busy(asked: Asked) -> Reply:
        return Reply(b"", status, {"retry-after": asked_for})

    with scripted(busy) as world:
        quick.follow(world.address + "/taxii2/")
        quick.run()
        assert quick.progress().due_at == at + timedelta(seconds=waits)
        assert len(world.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_source_that_lets_nobody_in_stops_until_somebody_has_looked(
    quick: Fetching, at: datetime, tmp_path: Path, status: int
) -> None:
    def closed(asked: Asked, reply: Reply) -> Reply:
        return reply if asked.headers.get("authorization") == "Bearer right" else Reply(b"", status)

    with scripted(TaxiiScript(dated(at, 3), change=closed)) as world:
        quick.follow(world.address + "/taxii2/", flags=[CREDENTIAL_OVER_HTTP], credential=Credential("bearer", "wrong"))
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-refused"
        assert quick.journal("exchange.fetch-failed") == [{"code": "source-refused", "failures": 1, "stopped": True}]
        count = len(world.asked)
        quick.later(days=9)
        assert SourceWorker(quick.db, quick.running, quick.clock, tmp_path / "run").step() > 0
        assert len(world.asked) == count
        quick.sources.resume("feed", quick.clock.now(), credential=Credential("bearer", "right"))
        assert SourceWorker(quick.db, quick.running, quick.clock, tmp_path / "run").step() == 0
        assert len(quick.held()) == 3


def test_a_slow_source_holds_nobody_up(quick: Fetching, at: datetime, tmp_path: Path) -> None:
    """The one due first drips for ever; its run ends with its time, and the others have their turn before it again."""
    quick.budget = lambda clock_s: Budget(clock_s, seconds=0.5)
    with (
        raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 9000, drip_s=0.02) as slow,
        scripted(TaxiiScript(dated(at, 3))) as world,
    ):
        quick.follow(slow + "taxii2/", name="slow")
        quick.later(seconds=1)
        quick.follow(world.address + "/taxii2/", name="good")
        worker = SourceWorker(quick.db, quick.running, quick.clock, tmp_path / "run")
        assert [worker.step(), worker.step()] == [0, 0]
        assert len(quick.held("good")) == 3
        assert worker.step() > 0
        assert quick.progress("slow").due_at > quick.clock.now()


def test_a_large_source_goes_on_after_the_others(quick: Fetching, at: datetime, tmp_path: Path) -> None:
    """A run is over by its objects: the rest comes in further runs, from where each ended, with the others between."""
    quick.budget = lambda clock_s: Budget(clock_s, objects=25)
    with scripted(TaxiiScript(dated(at, 60), most=10)) as large, scripted(TaxiiScript(dated(at, 5))) as small:
        quick.follow(large.address + "/taxii2/", name="large")
        quick.later(seconds=1)
        quick.follow(small.address + "/taxii2/", name="small")
        worker = SourceWorker(quick.db, quick.running, quick.clock, tmp_path / "run")
        got = []
        while worker.step() == 0:
            quick.later(seconds=1)
            got.append((len(quick.held("large")), len(quick.held("small"))))
        assert got == [(30, 0), (30, 5), (60, 5)]
        assert len(large.queries("/objects/")) == 6


def test_one_bad_object_of_many_is_put_aside_and_the_rest_goes_on(fetching: Fetching, at: datetime) -> None:
    deep = b'{"id":"indicator--deep","type":"indicator","x":' + b"[" * 80 + b"]" * 80 + b"}"
    bad = [b'{"type":"indicator"}', b'"text"', b"3", deep, b'{"type":"indicator","id":"malware--1"}']
    good = [made(number) for number in range(50)]
    script = TaxiiScript([(at, body) for body in [*good[:20], *bad, *good[20:]]], says_manifest=False)
    with scripted(script) as world:
        fetching.follow(world.address + "/taxii2/")
        outcome = fetching.run()
        assert (outcome.stored, outcome.quarantined, outcome.reason) == (50, len(bad), None)
        waiting = fetching.sources.quarantine("feed")
        assert [each.size for each in waiting] == [
            len(body) for body in sorted(bad, key=lambda each: each == deep, reverse=True)
        ]
        assert waiting[0].object_id == "indicator--deep"
        assert {each.reason.code for each in waiting} == {"too-deep", "bad-stix-object"}
        fetching.sources.restart("feed", fetching.clock.now())
        assert fetching.run().known == 50
        assert [each.times for each in fetching.sources.quarantine("feed")] == [2] * len(bad)


@pytest.mark.parametrize("bad", [b'{"id":"\\ud800","type":"x"}', b'{"id":"\xff","type":"x"}', b'{"id":"x","n":NaN}'])
def test_an_object_that_no_strict_reader_takes_does_not_spoil_its_page(
    fetching: Fetching, at: datetime, bad: bytes
) -> None:
    with scripted(TaxiiScript([*dated(at, 9), (at, bad), (at, made(9))], most=10)) as world:
        fetching.follow(world.address + "/taxii2/")
        outcome = fetching.run()
        assert (outcome.stored, outcome.quarantined, outcome.reason) == (10, 1, None)
        assert fetching.sources.quarantine("feed")[0].size == len(bad)


def test_a_quarantine_is_bounded_and_can_be_tried_again(
    fetching: Fetching, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mithaq.exchange.sources.store.QUARANTINE_ROWS", 4)
    monkeypatch.setattr("mithaq.exchange.sources.store.QUARANTINE_BODY_BYTES", 300)
    own = made(1, created_by_ref=identity_id(XA))
    bad = [b'{"type":"indicator","n":%d}' % number for number in range(9)] + [b'{"x":"' + b"a" * 400 + b'"}']
    with scripted(TaxiiScript([(at, body) for body in [bad[-1], *bad[:-1], own]])) as world:
        fetching.follow(world.address + "/taxii2/")
        fetching.run()
        waiting = fetching.sources.quarantine("feed")
        assert [each.is_kept for each in waiting] == [False, True, True, True]
        assert fetching.progress().unkept == 7
    source = fetching.sources.get("feed").source
    outcome = fetching.retrying.retry(source, waiting, at)
    assert (outcome.stored, outcome.quarantined) == (0, 3)
    assert fetching.sources.discard("feed", [waiting[0].row, waiting[1].row], at) == 2
    assert len(fetching.sources.quarantine("feed")) == 2


def test_what_was_put_aside_is_admitted_once_it_can_be(fetching: Fetching, at: datetime) -> None:
    """A conflict with a version that this source has taken back since."""
    changed = made(1, description="another")
    script = TaxiiScript([(at, made(1))])
    with scripted(script) as world:
        fetching.follow(world.address + "/taxii2/")
        fetching.run()
        script.objects = [(at + timedelta(seconds=1), changed)]
        assert fetching.run().quarantined == 1
    (waiting,) = fetching.sources.quarantine("feed")
    source = replace(fetching.sources.get("feed").source, name="renamed")
    outcome = fetching.retrying.retry(source, [waiting], at)
    assert (outcome.stored, outcome.quarantined) == (1, 0)
    assert fetching.sources.quarantine("feed") == []


def test_a_source_that_is_paused_or_removed_while_it_runs_ends_with_its_page(fetching: Fetching, at: datetime) -> None:
    acts = {"10": lambda: fetching.sources.pause("feed", at), "30": lambda: fetching.sources.remove("feed", at)}

    def meddling(asked: Asked, reply: Reply) -> Reply:
        act = acts.pop(asked.query.get("next", ""), None)
        if act:
            act()
        return reply

    with scripted(TaxiiScript(dated(at, 60), most=10, change=meddling)) as world:
        fetching.follow(world.address + "/taxii2/")
        fetching.run()
        assert (len(fetching.held()), fetching.progress().standing) == (10, "paused")
        fetching.sources.resume("feed", at)
        fetching.run()
        assert len(fetching.held()) == 30
        assert fetching.sources.all() == []
