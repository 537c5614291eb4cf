"""A recipe is run as it is written, on a node of its own."""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

import pytest
from click.testing import CliRunner

from mithaq.cli.main import cli
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings
from tests.scripted import Reply, scripted

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)


def run(recipe: str, root: Path, meant: Mapping[str, str] | None = None) -> list[str]:
    """Run every command of a recipe on a new node; return the secrets it printed.

    `meant`: what stands for an address or a file of the recipe here.
    """
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example", listen_port=8479)
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
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
            if words[1:3] == ["constituent", "show"]:
                account = re.findall(r"account--\S+", answer.output)[0]
    return secrets


def is_let_in(root: Path, secret: str, door: str) -> bool:
    node = compose(root)
    known = node.constituents.sign_in(secret, "grid-operator", node.clock.now(), door=door)
    node.close()
    return known is not None


def test_the_recipe_for_taxii_does_what_it_says(tmp_path: Path) -> None:
    root = tmp_path / "xa"
    secrets = run("taxii.md", root)
    assert len(secrets) == 2
    node = compose(root)
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
