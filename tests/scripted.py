"""A server of the world that does what a test tells it, over a real socket; and a TAXII server with every defect."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mithaq.exchange.sources.envelope import date_of, date_text

TAXII = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


@dataclass(frozen=True)
class Asked:
    """One request: its path, its query, its headers by names in small letters, its body and method."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    method: str = "GET"


@dataclass
class Reply:
    """What is answered; with `cut` only so many bytes of the body come, though the length says more."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    before: Callable[[], None] | None = None

    @staticmethod
    def of(value: Any, **rest: Any) -> "Reply":
        return Reply(json.dumps(value).encode(), headers={"content-type": TAXII, **rest.pop("headers", {})}, **rest)

    def packed(self) -> "Reply":
        return Reply(gzip.compress(self.body), self.status, {**self.headers, "content-encoding": "gzip"}, self.cut)


Script = Callable[[Asked], Reply]


@dataclass
class Scripted:
    """A server on loopback that remembers what it was asked."""

    script: Script
    address: str = ""
    asked: list[Asked] = field(default_factory=list)

    def queries(self, ending: str) -> list[dict[str, str]]:
        """Return the queries of the requests whose path ends so, in order."""
        return [each.query for each in self.asked if each.path.endswith(ending)]


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Serve a script until the block ends."""
    world = Scripted(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_HEAD(self) -> None:
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(parts.path, query, headers, body, self.command)
            world.asked.append(asked)
            reply = world.script(asked)
            if reply.before:
                reply.before()
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            if reply.status != 304:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("content-length", "0"))))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    world.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class TaxiiScript:
    """A TAXII 2.1 server with one collection, and the defects that real ones have.

    `objects` are (date_added, bytes), ascending. `inclusive`: `added_after` gives what was added at that instant too.
    `pages_by`: `next` or nothing. `says_dates`: the headers; `says_manifest`: the manifest. `date`: how headers are
    written. `most`: the most objects it gives at once, however many are asked for.
    """

    objects: list[tuple[datetime, bytes]]
    most: int = 1000
    inclusive: bool = False
    pages_by: str = "next"
    says_dates: bool = True
    says_manifest: bool = True
    date: Callable[[datetime], str] = date_text
    objects_key: str = "objects"
    path: str = f"/taxii2/root/collections/{COLLECTION}/objects/"
    is_descending: bool = False
    change: Callable[[Asked, Reply], Reply] = field(default=lambda asked, reply: reply)

    def __call__(self, asked: Asked) -> Reply:
        return self.change(asked, self._answered(asked))

    def _answered(self, asked: Asked) -> Reply:
        match asked.path:
            case "/taxii2/":
                return Reply.of({"title": "Test", "default": "/taxii2/root/", "api_roots": ["/taxii2/root/"]})
            case "/taxii2/root/":
                return Reply.of({"title": "Root", "versions": [TAXII], "max_content_length": 1000000})
            case "/taxii2/root/collections/":
                found = {"id": COLLECTION, "title": "Indicators", "alias": "indicators", "can_read": True}
                return Reply.of({"collections": [found | {"can_write": False}]})
            case self.path:
                return self._page(asked)
            case path if path == self.path.replace("/objects/", "/manifest/") and self.says_manifest:
                return self._manifest(asked)
        return Reply.of({"title": "not found", "http_status": "404"}, status=404)

    def _page(self, asked: Asked) -> Reply:
        next_ = asked.query.get("next", "")
        start, found = int(next_) if next_.isdecimal() else 0, self._matching(asked)
        count = min(int(asked.query.get("limit", self.most)), self.most)
        page = found[start : start + count]
        more = start + count < len(found)
        body = b'{"more":%b,%b"%b":[%b]}' % (
            b"true" if more else b"false",
            b'"next":"%d",' % (start + count) if more and self.pages_by == "next" else b"",
            self.objects_key.encode(),
            b",".join(each for _, each in page),
        )
        headers = {"content-type": TAXII}
        if page and self.says_dates:
            headers["X-TAXII-Date-Added-First"] = self.date(page[0][0])
            headers["X-TAXII-Date-Added-Last"] = self.date(page[-1][0])
        return Reply(body, headers=headers)

    def _matching(self, asked: Asked) -> list[tuple[datetime, bytes]]:
        after = date_of(asked.query.get("added_after", ""))
        found = [
            (at, body)
            for at, body in self.objects
            if after is None or at > after[0] or (self.inclusive and at == after[0])
        ]
        types = asked.query.get("match[type]")
        found = [each for each in found if types is None or json.loads(each[1])["type"] in types.split(",")]
        return found[::-1] if self.is_descending else found

    def _manifest(self, asked: Asked) -> Reply:
        wanted = asked.query["match[id]"].split(",")
        listed = [{"id": json.loads(body)["id"], "date_added": date_text(at)} for at, body in self.objects]
        return Reply.of({"more": False, "objects": [each for each in listed if each["id"] in wanted]})
