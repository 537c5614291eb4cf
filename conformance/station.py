"""The address of a played nation: a small server that gives the node what a story lays out, and keeps what it says."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from conformance.nation import Nation
from mithaq.exchange.frame import FRAMES_TYPE
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt, read_receipt
from mithaq.kernel.errors import Error
from mithaq.kernel.signing import VerifyKey, verify

_POLL_S = 0.02
_LONGEST_WAIT_S = 2.0
_MAX_BODY = 4 * 1024 * 1024

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Station:
    """What waits for the node at one nation's address, and what the node has said there."""

    nation: Nation
    node_key: VerifyKey
    next_answer: Answer | None = None
    cursors: list[int] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """Requests that no partner should make: other paths, unsigned receipts."""

    def lay_out(self, body: bytes, *, media_type: str = FRAMES_TYPE, **headers: str) -> None:
        """Give the node this body when it asks next, once."""
        names = {"Content-Type": media_type, "Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            for name, value in names.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.next_answer = answer

    @property
    def cursor(self) -> int:
        """Return the number after which the node asked last, 0 before it ever asked."""
        return self.cursors[-1] if self.cursors else 0

    def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds; tell whether it did in time."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def serve(self, port: int) -> ThreadingHTTPServer:
        """Serve in a thread of its own; the caller shuts the server down."""
        station = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                station.get(self)

            def do_POST(self) -> None:
                station.post(self)

            def log_message(self, *arguments: object) -> None:
                """Stay silent: the program reports what matters."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a question of the node."""
        split = urlsplit(handler.path)
        if split.path == "/partner/v1/card":
            return _send(handler, 200, "application/json", self.nation.card_bytes)
        if split.path != "/partner/v1/releases":
            if not split.path.startswith("/partner/v1/"):
                self.strange.append(f"GET {handler.path}"[:200])
            return _send(handler, 404, "application/problem+json", b"{}")
        asked = parse_qs(split.query)
        self.cursors.append(int(asked["after"][0]))
        self.wait(lambda: self.next_answer is not None, min(float(asked.get("wait", ["0"])[0]), _LONGEST_WAIT_S))
        answer, self.next_answer = self.next_answer, None
        if answer is None:
            return _send(handler, 200, FRAMES_TYPE, b"")
        return answer(handler)

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        """Take what the node says."""
        body = handler.rfile.read(min(int(handler.headers.get("Content-Length", "0")), _MAX_BODY))
        if handler.path == "/partner/v1/receipts":
            try:
                self.receipts.append(read_receipt(verify(body, self.node_key, RECEIPT_TYPE)))
            except Error as error:
                self.strange.append(f"a receipt that does not hold: {error}"[:200])
            return _send(handler, 202, "application/json", b"{}")
        return _send(handler, 404, "application/problem+json", b"{}")


def _send(handler: BaseHTTPRequestHandler, status: int, media_type: str, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
