"""Sensors at the console."""

from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from mithaq.node.composition import compose
from tests.unit.cli.conftest import PASSPHRASE, Desk


def test_a_sensor_is_named_listed_shown_given_a_new_token_and_revoked(xa: Desk) -> None:
    made = xa("sensor", "add", "border-1", "--kind", "suricata")
    assert (made.code, len(made.out.strip()) > 40) == (0, True)
    (listed,) = xa.json("sensor", "list")
    assert (listed["name"], listed["kind"], listed["owner"], listed["state"]) == (
        "border-1",
        "suricata",
        None,
        "in-use",
    )
    assert "Suricata" in xa("sensor", "list").out
    assert xa.json("sensor", "show", "border-1") == [], "no process runs that would make a version"
    assert xa("sensor", "diff", "border-1").code == 0
    renewed = xa("sensor", "token", "border-1")
    assert renewed.out not in ("", made.out)
    assert xa("sensor", "revoke", "border-1").code == 0
    assert xa.json("sensor", "list")[0]["state"] == "revoked"
    assert [each["id"] for each in xa.json("constituent", "list")] == ["own-sensors"]


def test_what_is_unknown_or_unusable_says_so(xa: Desk) -> None:
    assert xa("sensor", "show", "nothing").code == 3
    assert xa("sensor", "revoke", "nothing").code == 3
    assert xa("sensor", "add", "Border", "--kind", "zeek").code == 1
    assert xa("sensor", "add", "border-1", "--kind", "zeek", "--for", "nobody").code == 3
    assert xa("sensor", "add", "border-1", "--kind", "snort").code == 2


def test_a_bundle_is_checked_with_both_halves_of_the_key(xa: Desk, tmp_path: Path) -> None:
    xa("sensor", "add", "border-1", "--kind", "zeek")
    with closing(compose(xa.root, passphrase=PASSPHRASE)) as node:
        node.sensors.refresh_all(node.clock.now())
        archive = node.sensors.show("border-1")[1][0].archive
    place = tmp_path / "bundle.tar.gz"
    place.write_bytes(archive)
    (manifest,) = xa.json("sensor", "check", str(place))
    assert (manifest["sensor"], manifest["version"]) == ("border-1", 1)
    place.write_bytes(archive[: len(archive) // 2])
    assert xa("sensor", "check", str(place)).code == 1


def test_the_key_is_printed_as_openssl_reads_it(xa: Desk) -> None:
    load_pem_public_key(xa("sensor", "key").out.encode())
