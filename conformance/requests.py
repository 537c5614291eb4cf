"""Stories in which a played nation knocks at the node's doors; each returns the node's answer."""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import httpx

from conformance.bench import PATIENCE_S, Bench
from conformance.nation import now
from mithaq.exchange.membership.record import read_records
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.keystore import Keys
from mithaq.kernel.tlog.checkpoint import Checkpoint, read_checkpoint
from mithaq.kernel.tlog.tiles import bundles_of, split_bundle
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from mithaq.kernel.tlog.witness import is_signed
from mithaq.nations.names import MembershipName
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


def membership_log(bench: Bench) -> httpx.Response:
    """Read the first leaves of the log that the node keeps of an agreement, as a party to it; verify them."""
    deadline = now() + timedelta(seconds=PATIENCE_S)
    while (answer := _membership(bench, bench.agreement.document.id)).status_code == httpx.codes.NOT_FOUND:
        if now() > deadline:
            return answer
        time.sleep(0.2)  # a node may write what it accepted a moment later
    checkpoint, note = read_checkpoint(answer.content)
    name = MembershipName(bench.node.nation, bench.agreement.document.id)
    if not is_signed(note, [name.key(bench.node.log_key)]):
        return httpx.Response(500, text=f"the checkpoint of {checkpoint.origin} is not the node's")
    entries: list[bytes] = []
    for bundle in bundles_of(checkpoint.size):
        target = f"/partner/v1/log/tile/{bundle.path}?origin={checkpoint.origin}"
        entries += split_bundle(bench.ask(bench.first.nation, "GET", target).content, bundle.width)
    if Edge().extended(map(leaf_hash, entries)).root != checkpoint.root:
        return httpx.Response(500, text="the entries do not lead to the root")
    kinds = {record.about[0] for record in read_records(entries, bench.agreement.document.id)}
    return answer if "version" in kinds else httpx.Response(500, text=f"no version is logged: {kinds}")


def membership_log_of_nothing(bench: Bench) -> httpx.Response:
    """Ask for the log of an agreement that exists nowhere."""
    return _membership(bench, "agreement--99999999-9999-4999-8999-999999999999")


def membership_log_for_a_stranger(bench: Bench) -> httpx.Response:
    """Ask for the log of a true agreement as a nation that the node does not know."""
    return _membership(bench, bench.agreement.document.id, sender=NationId("XX"))


def membership_log_of_another(bench: Bench) -> httpx.Response:
    """Have the node cosign a membership log that its presenter does not keep."""
    nation = bench.second.nation
    name = MembershipName(nation.code, bench.agreement.document.id)
    note = nation.signer.sign_checkpoint(Checkpoint(name.origin, 1, bytes(32)).text)
    return bench.ask(bench.first.nation, "POST", "/partner/v1/log/add-checkpoint", b"old 0\n\n" + note)


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
        membership_log, membership_log_of_nothing, membership_log_for_a_stranger, membership_log_of_another,
        forged_receipt, receipt_of_nothing, receipt_of_another, oversized_receipt,
    )
}  # fmt: skip


def _membership(bench: Bench, agreement_id: str, sender: NationId | None = None) -> httpx.Response:
    target = f"/partner/v1/log/checkpoint?agreement={agreement_id}"
    return bench.ask(bench.first.nation, "GET", target, sender=sender or bench.first.nation.code)


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
