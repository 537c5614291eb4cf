"""A recipe is run as it is written, on a node of its own."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from mithaq.cli.main import cli
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)


def test_the_recipe_for_taxii_does_what_it_says(tmp_path: Path) -> None:
    root = tmp_path / "xa"
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example", listen_port=8479)
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
    secrets: list[str] = []
    account = ""
    lines = [line for block in BLOCK.findall((DOCS / "taxii.md").read_text("utf-8")) for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        words = shlex.split(line.replace("ACCOUNT", account))
        assert words[0] == "mithaq"
        answer = CliRunner().invoke(cli, ["--data", str(root), "--lang", "en", *words[1:]])
        assert answer.exit_code == 0, (line, answer.output)
        if words[1:3] == ["constituent", "token"]:
            secrets.append(answer.output.strip())
        if words[1:3] == ["constituent", "show"]:
            account = re.findall(r"account--\S+", answer.output)[0]
            node = compose(root)
            assert all(node.constituents.sign_in(secret, "grid-operator", node.clock.now()) for secret in secrets)
            node.close()
    assert len(secrets) == 2
    node = compose(root)
    assert [each.alias for each in node.collections.all() if each.closed_at is None] == ["national-feed", "reports"]
    assert not any(node.constituents.sign_in(secret, "grid-operator", node.clock.now()) for secret in secrets)
    node.close()


def test_the_recipe_for_misp_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "xa"
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example", listen_port=8479)
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
    monkeypatch.chdir(tmp_path)
    lines = [line for block in BLOCK.findall((DOCS / "misp.md").read_text("utf-8")) for line in block.splitlines()]
    assert len(lines) == 8
    for line in lines:
        answer = CliRunner().invoke(cli, ["--data", str(root), "--lang", "en", *shlex.split(line)[1:]])
        assert answer.exit_code == 0, (line, answer.output)
    assert {each.name for each in (tmp_path / "misp-feed").iterdir()} == {"manifest.json", "hashes.csv"}
    node = compose(root)
    versions = [each.misp_version for each in node.constituents.accounts("grid-operator")]
    assert sorted(versions, key=str) == ["2.4.198", None, None]
    node.close()
