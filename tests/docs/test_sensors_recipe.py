"""The script that sensors fetch with is run as the page has it, against a node that listens."""

import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.response.sensors import bundle
from mithaq.response.sensors.model import SensorKind
from tests.databases import ready_sqlite
from tests.taxii import Served, listening_node, made

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sensors.md"
UNTIL = "2026-12-23T11:00:00.000Z"


def bad(number: int) -> bytes:
    return made(number, pattern=f"[domain-name:value = 'bad{number}.example']", valid_until=UNTIL)


class Fetching:
    """A sensor's folder, and its cron job."""

    def __init__(self, folder: Path, served: Served, address: str) -> None:
        script = re.search(r"```sh\n(#!/bin/sh\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        assert script is not None
        self.script, self.folder, self.address = script[1], folder, f"{address}/feeds/border-1/sensor"
        folder.mkdir()
        _, secret = served.node.sensors.add("border-1", SensorKind.ZEEK, None, timedelta(days=9), served.clock.now())
        (folder / "token").write_text(secret + "\n")
        (folder / "mithaq.pem").write_text(bundle.pem(served.node.signer.verify_key))

    def run(self, query: str = "") -> "subprocess.CompletedProcess[str]":
        command = ["sh", "-c", self.script, "mithaq-fetch", self.address + query, str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def present(self) -> tuple[str, str]:
        current = self.folder / "current"
        return current.resolve().name, (current / "zeek" / "mithaq.intel").read_text()

    def listed(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture
def fetching(tmp_path: Path, at: datetime) -> Iterator[tuple[Served, Fetching]]:
    served = Served.found(tmp_path, at, ready_sqlite(tmp_path / "mithaq.db"), rehearses=True)
    with listening_node(served) as address:
        yield served, Fetching(tmp_path / "sensor", served, address)
    served.country.db.close()


def test_a_sensor_fetches_checks_and_switches(fetching: tuple[Served, Fetching]) -> None:
    served, sensor = fetching
    served.store(bad(1))
    ran: Any = sensor.run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert sensor.present()[0] == "version-1"
    assert "bad1.example" in sensor.present()[1]
    assert sensor.run().returncode == 0
    assert sensor.listed() == ["current", "etag", "mithaq.pem", "token", "version-1"], "a 304 leaves nothing behind"
    served.store(bad(2))
    assert sensor.run().returncode == 0
    assert sensor.present()[0] == "version-2"
    (sensor.folder / "etag").unlink()
    again = sensor.run("?version=1")
    assert (again.returncode, again.stderr) == (1, "version 1 is not newer than 2\n"), "nobody can put it back"
    assert sensor.present()[0] == "version-2"


def test_a_sensor_takes_nothing_that_is_signed_by_another(fetching: tuple[Served, Fetching]) -> None:
    served, sensor = fetching
    served.store(bad(1))
    other = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=other, capture_output=True, check=True).stdout
    (sensor.folder / "mithaq.pem").write_bytes(public)
    assert sensor.run().returncode != 0
    assert sensor.listed() == ["mithaq.pem", "token"]
