"""A running node follows its officials: new keys without a stop, and through kill -9."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mithaq.exchange.channel.client import fetch_card
from mithaq.nations.rules import read_card
from tests.running import ROLES, founded, serving, until

pytestmark = pytest.mark.functional


def test_a_running_node_changes_its_signing_key_and_keeps_it_through_a_kill(tmp_path: Path) -> None:
    with serving(founded(tmp_path)) as node:
        before = read_card(fetch_card(node.url), datetime.now(UTC))
        (prepared,) = node.json("key", "rotate")
        file, root = str(tmp_path / "next.json"), str(node.root / "keys" / "root-1.key")
        node.run("key", "statement", "draft", file)
        node.run(
            "key", "statement", "sign", file, "--root-key", root, "--root-passphrase-file", str(node.passphrase_file)
        )
        node.run("key", "statement", "publish", file)
        after = read_card(fetch_card(node.url), datetime.now(UTC))
        assert after.verify_key.key_id == prepared["signing_key"] != before.verify_key.key_id
        assert after.fingerprint == before.fingerprint
        assert node.signs()
        for role in ("signer", "worker"):
            node.roles()[role].send_signal(signal.SIGKILL)
        until(lambda: len(node.roles()) == len(ROLES) and node.signs(), 40, node.log)
        findings = json.loads(node.run("--json", "doctor", check=False).stdout)["findings"]
        levels = {each["code"]: each["level"] for each in findings}
        assert (levels["key-statement"], "card-keys" in levels) == ("fine", False), findings
        assert read_card(fetch_card(node.url), datetime.now(UTC)) == after
