"""`mithaq card` and `mithaq partner`: trust begins with a voice, never with a file."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mithaq.kernel.clock import from_rfc3339
from mithaq.nations.rules import MAX_CARD_FILE_BYTES, read_card
from tests.unit.cli.conftest import Desk, befriend


def test_a_card_says_the_fingerprint_that_is_read_out(xa: Desk) -> None:
    card = xa.one("card", "show")
    assert len(card["fingerprint"].split()) == 8
    assert card["fingerprint"] in xa("card", "show").out
    assert "الدولة XA" in xa("card", "show", lang="ar").out


def test_a_card_that_came_is_not_trusted_until_it_was_compared(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    xb("card", "export", str(tmp_path / "xb"))
    added = xa("partner", "add", str(tmp_path / "xb"))
    assert "Nothing is exchanged with XB yet" in added.err
    assert xa.one("partner", "list")["standing"] == "pending"
    differs = xa("partner", "confirm", "XB", "--fingerprint", "11111 " * 8)
    assert (differs.code, xa.one("partner", "list")["standing"]) == (1, "pending")
    assert "do not trust" in differs.err
    digits = xb.one("card", "show")["fingerprint"]
    assert xa("partner", "confirm", "XB", stdin=digits.encode() + b"\n").code == 0
    assert xa.one("partner", "list")["standing"] == "trusted"


def test_digits_may_be_typed_in_arabic_script(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    xa("partner", "suspend", "XB")
    digits = xb.one("card", "show")["fingerprint"].translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert xa.json("partner", "confirm", "XB", "--fingerprint", digits) == [{"nation": "XB", "standing": "trusted"}]


def test_a_partner_is_suspended_at_once_and_removed_only_when_asked_twice(xa: Desk, xb: Desk) -> None:
    befriend(xa, xb)
    assert xa.one("partner", "suspend", "XB") == {"nation": "XB", "standing": "suspended"}
    assert xa("partner", "remove", "XB", stdin=b"n\n").code == 130
    assert xa.one("partner", "show", "XB")["standing"] == "suspended"
    assert xa("partner", "remove", "XB", "--yes").code == 0
    assert xa("partner", "show", "XB").code == 3


@pytest.mark.parametrize("verb", ["show", "suspend", "remove", "confirm"])
def test_a_nation_without_a_card_is_not_found(xa: Desk, verb: str) -> None:
    said = xa("partner", verb, "XC")
    assert (said.code, said.out) == (3, "")
    assert "XC: no card of this nation is known here" in said.err


def test_what_is_no_card_is_refused_by_name(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("{}")
    (tmp_path / "huge").write_bytes(b"x" * (MAX_CARD_FILE_BYTES + 1))
    assert "card" in xa("partner", "add", str(tmp_path / "broken")).err
    assert "larger than the limit" in xa("partner", "add", str(tmp_path / "huge")).err
    assert "there is no such file" in xa("partner", "add", str(tmp_path / "absent")).err
    own = xa("card", "export", "-").out.encode()
    assert "own card" in xa("partner", "add", "-", stdin=own).err


@contextmanager
def served(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/partner/v1/card" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_card_is_fetched_from_a_node_and_taken_only_when_told_to(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    card = xb("card", "export", "-").out.encode()
    with served(card) as address:
        assert xa.one("card", "fetch", address, str(tmp_path / "kept"))["nation"] == "XB"
        assert xa.json("partner", "list") == []
        assert xa.one("partner", "add", address)["standing"] == "pending"
    assert (tmp_path / "kept").read_bytes() == card
    assert xa("partner", "add", address).code == 5


def test_a_file_that_is_there_is_not_overwritten(xa: Desk, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    said = xa("card", "export", str(tmp_path / "mine"))
    assert said.code == 1
    assert "nothing was overwritten" in said.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_card_is_renewed_with_the_same_fingerprint(xa: Desk) -> None:
    before = xa.one("card", "show")
    assert xa.one("card", "renew")["renewed"] is False
    settings = xa.root / "mithaq.toml"
    settings.write_text(settings.read_text().replace("duty@x.example", "desk@x.example"))
    after = xa.one("card", "renew")
    assert (after["renewed"], after["contact"], after["fingerprint"]) == (True, "desk@x.example", before["fingerprint"])
    assert xa.one("card", "renew", "--anyway")["renewed"] is True
    card = read_card((xa.root / "card.json").read_bytes(), from_rfc3339(after["issued"]))
    assert card.contact == "desk@x.example"
