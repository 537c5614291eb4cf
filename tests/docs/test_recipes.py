"""A recipe is run as it is written, on a node of its own."""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

import pytest
from click.testing import CliRunner

from mithaq.agreements.model import AGREEMENT_TYPE, Party
from mithaq.agreements.rules import payload_of
from mithaq.cli.main import cli
from mithaq.exchange.taxii.partners import store as partners
from mithaq.kernel.signing import sign_with
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found, own_card
from mithaq.node.settings import Settings
from tests.scripted import Reply, scripted
from tests.world import XA, XB, Treaty, card_of, changed, keys_of, party

PASSPHRASE = b"only a test's passphrase"
DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)


def run(recipe: str, root: Path, meant: Mapping[str, str] | None = None) -> list[str]:
    """Run every command of a recipe on a new node; return the secrets it printed.

    `meant`: what stands for an address, a file or an id of the recipe here.
    """
    start(root)
    return follow(recipe, root, meant)


def start(root: Path) -> None:
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example", listen_port=8479)
    found(DataFolder(root), settings, PASSPHRASE, datetime.now(UTC))


def follow(recipe: str, root: Path, meant: Mapping[str, str] | None = None) -> list[str]:
    secrets: list[str] = []
    account = ""
    for block in BLOCK.findall((DOCS / recipe).read_text("utf-8")):
        for line in block.splitlines():
            words = shlex.split(reduce(lambda text, word: text.replace(*word), (meant or {}).items(), line))
            words = [account if word == "ACCOUNT" else word for word in words]
            assert words[0] == "mithaq"
            answer = CliRunner().invoke(cli, ["--data", str(root), "--lang", "en", *words[1:]])
            assert answer.exit_code == 0, (line, answer.output)
            if words[1:3] == ["constituent", "token"]:
                secrets.append(answer.output.strip())
                assert is_let_in(root, secrets[-1], words[words.index("--door") + 1] if "--door" in words else "taxii")
            if words[1:3] == ["partner", "token"]:
                assert reads(root, answer.output.strip())
            if words[1:3] in (["constituent", "show"], ["partner", "accounts"]):
                account = re.findall(r"account--\S+", answer.output)[0]
    return secrets


def is_let_in(root: Path, secret: str, door: str) -> bool:
    node = compose(root)
    known = node.constituents.sign_in(secret, "grid-operator", node.clock.now(), door=door)
    node.close()
    return known is not None


def reads(root: Path, secret: str) -> bool:
    """Tell whether the partner's program is let in."""
    node = compose(root)
    known = node.partner_accounts.sign_in(secret, "XB", node.clock.now())
    node.close()
    return known is not None


def agreed_with_xb(root: Path) -> str:
    """Sign an agreement with a partner that is trusted; return its id."""
    node, at = compose(root, passphrase=PASSPHRASE), datetime.now(UTC)
    partner = node.partners.add(card_of(XB, at), at=at, actor="person--1")
    node.partners.confirm(XB, partner.card.fingerprint, at=at, actor="person--1")
    own = Party(XA, own_card(node.folder).verify_key.key_id, {"en": "Xanadu"})
    document = changed(Treaty(at, (XA, XB)).document, parties=[own, party(XB)])
    node.agreements.propose(document, node.signer, at=at, actor="person--1")
    theirs = sign_with(keys_of(XB).signing, AGREEMENT_TYPE, payload_of(document))
    node.agreements.receive(theirs, at=at, actor="person--1")
    node.close()
    return document.id


def test_the_recipe_for_taxii_does_what_it_says(tmp_path: Path) -> None:
    root = tmp_path / "xa"
    start(root)
    secrets = follow("taxii.md", root, {"AGREEMENT": agreed_with_xb(root)})
    assert len(secrets) == 2
    node = compose(root)
    with node.db.read() as connection:
        assert partners.live_accounts(connection, node.clock.now()) == []
    assert [each.alias for each in node.collections.all() if each.closed_at is None] == ["national-feed", "reports"]
    node.close()
    assert not any(is_let_in(root, secret, "taxii") for secret in secrets)


def test_the_recipe_for_feeds_does_what_it_says(tmp_path: Path) -> None:
    root = tmp_path / "xa"
    secrets = run("feeds.md", root)
    doors = ("plain", "rpz", "suricata", "stix")
    assert [is_let_in(root, secret, door) for secret, door in zip(secrets, doors, strict=True)].count(False) == 1
    assert not is_let_in(root, secrets[0], "taxii")


def test_the_recipe_for_misp_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "xa"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid-misp.key").write_text("k" * 40)
    with scripted(lambda asked: Reply(b"[]")) as theirs:
        allowed = "--lenient private-network --lenient credential-over-http"
        run("misp.md", root, {"https://misp.grid.example/": f"{theirs.address}/ {allowed}"})
    assert {each.name for each in (tmp_path / "misp-feed").iterdir()} == {"manifest.json", "hashes.csv"}
    node = compose(root)
    versions = [each.misp_version for each in node.constituents.accounts("grid-operator")]
    assert sorted(versions, key=str) == ["2.4.198", None, None]
    node.close()
