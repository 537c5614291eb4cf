"""A credential reaches its server and nothing else."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.exchange.sources import store
from mithaq.exchange.sources.credentials import Credential, Vault
from mithaq.exchange.sources.errors import BadSource, CredentialUnusable
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP
from mithaq.kernel import journal
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.taxii import basic, made
from tests.unit.exchange.sources.conftest import Fetching

SECRET = "hunter2-pässword"
OPEN = {CREDENTIAL_OVER_HTTP}


@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [
        (Credential("basic", SECRET, user="xa"), "authorization", basic("xa", SECRET)),
        (Credential("bearer", "t0ken"), "authorization", "Bearer t0ken"),
        (Credential("token", "t0ken"), "authorization", "Token t0ken"),
        (Credential("header", "t0ken", header="X-API-Key"), "x-api-key", "t0ken"),
    ],
)
def test_each_kind_travels_in_its_header(
    quick: Fetching, at: datetime, credential: Credential, header: str, value: str
) -> None:
    with scripted(TaxiiScript([(at, made(1))])) as world:
        quick.follow(world.address + "/taxii2/", credential=credential, flags=OPEN)
        assert quick.run().reason is None
        assert {each.headers.get(header) for each in world.asked} == {value}


def test_a_secret_is_in_nothing_that_is_kept_or_said(
    quick: Fetching, at: datetime, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Through a success, a refusal and a server that says it back."""
    answers = iter([500, 401])

    def echoing(asked: Asked, reply: Reply) -> Reply:
        said = asked.headers["authorization"].encode()
        return (
            reply if len(world.asked) < 5 else Reply(said, next(answers), {"x-said": said.decode(), "retry-after": "5"})
        )

    caplog.set_level(logging.INFO)
    with scripted(TaxiiScript([(at, made(1))], change=echoing)) as world:
        quick.follow(world.address + "/taxii2/", credential=Credential("bearer", "s3cret-t0ken"), flags=OPEN)
        outcomes = [quick.run() for _ in range(4)]
    assert [each.reason.code if each.reason else None for each in outcomes] == [
        None,
        None,
        "source-failed",
        "source-refused",
    ]
    with quick.db.read() as connection:
        entries = str(journal.entries(connection, 0))
    said = "".join(
        (entries, caplog.text, str(quick.sources.all()), str(outcomes), repr(Credential("bearer", "s3cret-t0ken")))
    )
    assert "feed" in said
    assert "s3cret-t0ken" not in said
    quick.db.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"s3cret-t0ken" not in kept


def test_what_is_sealed_opens_for_its_own_source_and_origin_alone(
    fetching: Fetching, at: datetime, tmp_path: Path
) -> None:
    fetching.follow("https://taxii.example/taxii2/", credential=Credential("bearer", "t0ken"))
    source = fetching.sources.get("feed").source
    with fetching.db.read() as connection:
        sealed = store.credential_of(connection, source.id)
    assert sealed is not None
    vault = fetching.vault
    assert vault.open(source, sealed).secret == "t0ken"
    assert vault.open(replace(source, address="https://TAXII.example:443/other"), sealed).secret == "t0ken"
    for other in (
        replace(source, id="source--other"),
        replace(source, address="https://evil.example/taxii2/"),
        replace(source, address="http://taxii.example/taxii2/"),
        replace(source, address="https://taxii.example:8443/taxii2/"),
    ):
        with pytest.raises(CredentialUnusable):
            vault.open(other, sealed)
    with pytest.raises(CredentialUnusable):
        Vault(tmp_path / "elsewhere").open(source, sealed)
    with pytest.raises(CredentialUnusable):
        vault.open(source, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    key = tmp_path / "sources.key"
    assert (key.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 32)
    assert [path.name for path in tmp_path.iterdir() if "sources" in path.name] == ["sources.key"]


def test_a_credential_that_cannot_be_opened_stops_its_source_and_asks_nobody(quick: Fetching, at: datetime) -> None:
    with scripted(TaxiiScript([(at, made(1))])) as world:
        quick.follow(world.address + "/taxii2/", credential=Credential("bearer", "t0ken"), flags=OPEN)
        (quick.folder / "sources.key").unlink()
        outcome = quick.run()
        assert outcome.reason is not None
        assert (outcome.reason.code, quick.progress().standing) == ("source-credential-unusable", "stopped")
        quick.sources.resume("feed", at, credential=Credential("bearer", "other"))
        assert quick.run().reason is None
        assert world.asked[0].headers["authorization"] == "Bearer other"


@pytest.mark.parametrize(
    "credential",
    [
        Credential("bearer", ""),
        Credential("bearer", "a\r\nX-Other: b"),
        Credential("bearer", "pässword"),
        Credential("bearer", "x" * 9000),
        Credential("basic", SECRET),
        Credential("basic", SECRET, user="a:b"),
        Credential("header", "x"),
        Credential("header", "x", header="Host"),
        Credential("header", "x", header="X-A\r\nB"),
        Credential("header", "x", header="Content-Length"),
    ],
)
def test_a_credential_that_breaks_out_of_its_header_is_refused(quick: Fetching, credential: Credential) -> None:
    with pytest.raises(BadSource):
        quick.follow("https://taxii.example/", credential=credential)


def test_a_credential_does_not_travel_without_tls_unless_that_was_allowed(quick: Fetching, at: datetime) -> None:
    with pytest.raises(BadSource, match="unencrypted"):
        quick.follow("http://taxii.example/", credential=Credential("bearer", "t0ken"))
    quick.follow("http://taxii.example/")
    with pytest.raises(BadSource, match="unencrypted"):
        quick.sources.resume("feed", at, credential=Credential("bearer", "t0ken"))
    quick.follow("http://taxii.example/", name="allowed", credential=Credential("bearer", "t0ken"), flags=OPEN)
