"""Stories in which a played nation knocks at the node's doors; each returns the node's answer."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import httpx

from conformance.bench import Bench
from conformance.nation import now
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.keystore import Keys
from mithaq.nations.signer import LocalSigner

Request = Callable[[Bench], httpx.Response]

RELEASES = "/partner/v1/releases?after=0&wait=0"


def true_request(bench: Bench) -> httpx.Response:
    """Ask for one's own releases."""
    return bench.ask(bench.first.nation, "GET", RELEASES)


def unsigned_request(bench: Bench) -> httpx.Response:
    """Ask without a signature."""
    return bench.http.get(RELEASES)


def unsigned_receipt(bench: Bench) -> httpx.Response:
    """Post a receipt without a signature on the request."""
    return bench.http.post("/partner/v1/receipts", content=_receipt(bench, bench.first.nation.signer))


def forged_nation(bench: Bench) -> httpx.Response:
    """Ask in the name of one nation with the key of another."""
    return bench.ask(bench.second.nation, "GET", RELEASES, sender=bench.first.nation.code)


def stranger(bench: Bench) -> httpx.Response:
    """Ask as a nation that the node does not know."""
    return bench.ask(bench.first.nation, "GET", RELEASES, sender=NationId("XX"))


def request_for_another(bench: Bench) -> httpx.Response:
    """Send the node what was signed for another node."""
    return bench.ask(bench.first.nation, "GET", RELEASES, recipient=bench.second.nation.code)


def replayed_request(bench: Bench) -> httpx.Response:
    """Send the same signed request twice."""
    headers = bench.first.nation.request(bench.node.nation, "GET", RELEASES, b"")
    bench.http.get(RELEASES, headers=headers)
    return bench.http.get(RELEASES, headers=headers)


def another_path(bench: Bench) -> httpx.Response:
    """Use a signature at another door than the one it was made for."""
    headers = bench.first.nation.request(bench.node.nation, "GET", RELEASES, b"")
    return bench.http.get("/partner/v1/releases?after=1&wait=0", headers=headers)


def another_body(bench: Bench) -> httpx.Response:
    """Change a body after it was signed."""
    body = _receipt(bench, bench.first.nation.signer)
    headers = bench.first.nation.request(bench.node.nation, "POST", "/partner/v1/receipts", body)
    return bench.http.post("/partner/v1/receipts", content=body + b" ", headers=headers)


def clock_ahead(bench: Bench) -> httpx.Response:
    """Ask with a clock that is an hour ahead."""
    return bench.ask(bench.first.nation, "GET", RELEASES, at=now() + timedelta(hours=1))


def clock_behind(bench: Bench) -> httpx.Response:
    """Ask with a clock that is an hour behind."""
    return bench.ask(bench.first.nation, "GET", RELEASES, at=now() - timedelta(hours=1))


def cursor_ahead(bench: Bench) -> httpx.Response:
    """Claim to have more than was ever sent."""
    return bench.ask(bench.first.nation, "GET", "/partner/v1/releases?after=999999&wait=0")


def cursor_that_is_none(bench: Bench) -> httpx.Response:
    """Ask after a number that is none."""
    return bench.ask(bench.first.nation, "GET", "/partner/v1/releases?after=1%20OR%201=1&wait=0")


def forged_receipt(bench: Bench) -> httpx.Response:
    """Confirm a release with a key that is not one's own."""
    return _post_receipt(bench, _receipt(bench, LocalSigner(Keys.generate(), bench.first.nation.code)))


def receipt_of_nothing(bench: Bench) -> httpx.Response:
    """Confirm a release that never was."""
    return _post_receipt(bench, _receipt(bench, bench.first.nation.signer))


def receipt_of_another(bench: Bench) -> httpx.Response:
    """Confirm a release in the name of another nation."""
    return _post_receipt(bench, _receipt(bench, bench.first.nation.signer, recipient=bench.second.nation.code))


def oversized_receipt(bench: Bench) -> httpx.Response:
    """Post more than a receipt may hold."""
    return _post_receipt(bench, b"[" + secrets.token_hex(1_200_000).encode() + b"]")


STORIES: Final[dict[str, Request]] = {
    story.__name__: story
    for story in (
        true_request, unsigned_request, unsigned_receipt, forged_nation, stranger, request_for_another,
        replayed_request, another_path, another_body, clock_ahead, clock_behind, cursor_ahead, cursor_that_is_none,
        forged_receipt, receipt_of_nothing, receipt_of_another, oversized_receipt,
    )
}  # fmt: skip


def _receipt(bench: Bench, signer: LocalSigner, **changes: NationId) -> bytes:
    receipt = Receipt(
        sender=bench.node.nation,
        recipient=changes.get("recipient", bench.first.nation.code),
        release_id=new_id("release"),
        sequence=1,
        digest="0" * 64,
        outcome="admitted",
        at=now(),
    )
    return signer.sign(RECEIPT_TYPE, receipt.encode())


def _post_receipt(bench: Bench, body: bytes) -> httpx.Response:
    return bench.ask(bench.first.nation, "POST", "/partner/v1/receipts", body)
