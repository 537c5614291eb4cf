"""The commands `mithaq person` and `mithaq token`, on a real node in a folder."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from mithaq.cli.main import cli
from mithaq.nations.people.model import Role, Verb
from mithaq.node.composition import compose
from mithaq.node.data_folder import DataFolder
from mithaq.node.founding import found
from mithaq.node.settings import Settings

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("node") / "xa"
    settings = Settings(nation="XA", names={"en": "Xanadu"}, contact="duty@cert.example", listen_port=8479)
    found(DataFolder(root), settings, b"only a test's passphrase", datetime.now(UTC))
    return root


@pytest.fixture
def run(folder: Path) -> Run:
    def call(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--data", str(folder), "--lang", "en", "--json", *words])

    return call


def one(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_a_printed_link_signs_its_person_in(run: Run, folder: Path) -> None:
    made = one(run("person", "link", "ليلى", "--role", "analyst", "--role", "releaser"))
    address = urlsplit(made["url"])
    assert (address.hostname, address.port, address.path) == ("localhost", 8479, "/link")
    node = compose(folder)
    person, _ = node.people.redeem(parse_qs(address.query)["t"][0], datetime.now(UTC))
    node.close()
    assert (person.name, person.roles) == ("ليلى", {Role.ANALYST, Role.RELEASER})


def test_a_person_is_listed_and_shut_out(run: Run) -> None:
    run("person", "link", "Omar", "--role", "auditor")
    assert one(run("person", "disable", "Omar"))["state"] == "shut-out"
    listed = [json.loads(line) for line in run("person", "list").stdout.splitlines()]
    assert [(each["roles"], each["state"]) for each in listed if each["name"] == "Omar"] == [(["auditor"], "shut-out")]


def test_a_new_person_without_a_role_is_refused(run: Run) -> None:
    assert run("person", "link", "Nobody").exit_code != 0


def test_a_token_is_given_listed_and_revoked(run: Run, folder: Path) -> None:
    made = one(run("token", "add", "sensor", "--scope", "telemetry.push", "--days", "30"))
    node = compose(folder)
    actor = node.people.actor_of_token(made["token"], datetime.now(UTC))
    assert actor is not None
    assert actor.verbs == {Verb.TELEMETRY_PUSH}
    assert "token" not in json.loads(run("token", "list").stdout.splitlines()[0])
    assert one(run("token", "revoke", made["id"]))["state"] == "revoked"
    assert node.people.actor_of_token(made["token"], datetime.now(UTC)) is None
    node.close()


def test_a_scope_that_needs_a_person_cannot_be_asked_for(run: Run) -> None:
    assert run("token", "add", "robot", "--scope", "agreement.sign").exit_code == 2
