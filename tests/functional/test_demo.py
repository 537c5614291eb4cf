"""`mithaq demo` as a stranger meets it: what it prints, what it listens on, and what it leaves behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from mithaq.cli.demo import attack
from mithaq.cli.demo.coalition import MERRIN, RIMAL, VALDORE, DemoNation
from mithaq.cli.demo.leaks import count_leaks
from mithaq.cli.demo.nodes import DemoNode
from mithaq.cli.demo.story import Stage, add_indicator
from mithaq.kernel.clock import SystemClock
from mithaq.kernel.ids import new_id
from mithaq.kernel.lane import Lane
from mithaq.web.app import create_app
from tests.coalition import processes_naming
from tests.country import Country, deliver
from tests.databases import ready_sqlite
from tests.doors import answering
from tests.pages import node_of
from tests.running import until
from tests.world import Treaty

pytestmark = pytest.mark.functional

_MAIN = [sys.executable, "-c", "from mithaq.cli.main import main; main()", "demo"]
_ENGLISH = re.compile(r"\b(the|is|are|was|of|and|above|why|under|named|known|that|with|agreement)\b", re.IGNORECASE)
_FOREIGN = re.compile(r"\(p50 / p95 / max\)|\S*[/@\d]\S*|\S+\.example|\b[A-Z][\w+:-]*")
"""Addresses, values, labels and names, which no language translates."""


@dataclass
class Demo:
    """One run of the command, watched while it runs."""

    folder: Path
    process: subprocess.Popen[str]
    listening: set[tuple[str, int]] = field(default_factory=set)
    spoken_with: set[str] = field(default_factory=set)
    told: str = ""

    def look(self) -> None:
        """Note what every process of the demonstration listens on and speaks with."""
        for process in processes_naming(str(self.folder)):
            try:
                connections = process.net_connections("inet")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self.listening |= {(each.laddr.ip, each.laddr.port) for each in connections if each.status == "LISTEN"}
            self.spoken_with |= {each.raddr.ip for each in connections if each.raddr}

    def wait(self, seconds: float = 150) -> str:
        """Watch until the end and return what it printed on standard output."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.told
            self.look()
            time.sleep(0.4)
        out, err = self.process.communicate()
        self.told += err
        return out

    def tell_until(self, text: str) -> None:
        """Read what it tells until a text comes."""
        assert self.process.stderr is not None
        while text not in self.told:
            line = self.process.stderr.readline()
            assert line, self.told
            self.told += line

    def is_gone(self) -> None:
        until(lambda: not processes_naming(str(self.folder)), 60, lambda: str(processes_naming(str(self.folder))))


def begin(folder: Path, *arguments: str) -> Demo:
    command = [*_MAIN, "--dir", str(folder), *arguments]
    env = {name: text for name, text in os.environ.items() if not name.startswith("MITHAQ_")}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=env,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one begun in the background ignores it
    )
    return Demo(folder, process)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, str]]:
    """One whole story, told to a program, its folders kept."""
    demo = begin(tmp_path_factory.mktemp("demo") / "kept", "--once", "--json", "--keep")
    yield demo, demo.wait()
    demo.is_gone()


@pytest.mark.long
def test_a_program_is_told_the_whole_result_and_nothing_else(kept: tuple[Demo, str]) -> None:
    demo, out = kept
    assert (demo.process.returncode, demo.told) == (0, "")
    (line,) = out.splitlines()
    told = json.loads(line)
    assert set(told) == {
        "nations", "released", "withheld", "hits", "receipts_verified", "receipts_missing",
        "discovery_to_protection_ms", "leaks",
    }  # fmt: skip
    assert told["nations"] == 3
    assert told["released"] >= 2
    assert told["withheld"] >= 1
    assert set(told["hits"]) == {"XA", "XB", "XC"}
    assert min(told["hits"]["XB"], told["hits"]["XC"]) > 0
    assert told["receipts_verified"] >= told["released"]
    assert (told["receipts_missing"], told["leaks"]) == (0, 0)
    spread = told["discovery_to_protection_ms"]
    assert set(spread) == {"p50", "p95", "max"}
    assert 0 < spread["p50"] <= spread["p95"] <= spread["max"]


@pytest.mark.long
def test_it_listens_on_loopback_alone_and_speaks_with_nobody_else(kept: tuple[Demo, str]) -> None:
    demo, _ = kept
    assert len(demo.listening) == 3
    assert {address for address, _ in demo.listening} == {"127.0.0.1"}
    assert demo.spoken_with <= {"127.0.0.1", "::1"}


@pytest.mark.long
def test_what_was_kept_is_not_played_over_unless_that_is_asked_for(kept: tuple[Demo, str]) -> None:
    demo, _ = kept
    assert {path.name for path in demo.folder.iterdir()} >= {"XA", "XB", "XC"}
    again = begin(demo.folder, "--once", "--keep")
    again.wait()
    assert again.process.returncode == 1
    assert "an earlier demonstration was kept here; --reset removes it" in again.told
    assert (demo.folder / "XA" / "mithaq.db").is_file()
    stranger = demo.folder / "thesis.txt"
    stranger.touch()
    refused = begin(demo.folder, "--once", "--reset")
    refused.wait()
    assert refused.process.returncode == 1
    assert "thesis.txt" in refused.told
    stranger.unlink()


@pytest.mark.long
def test_the_story_is_told_in_arabic_alone_and_goes_on_until_it_is_ended(kept: tuple[Demo, str]) -> None:
    demo = begin(kept[0].folder, "--reset", "--lang", "ar")
    demo.tell_until("Ctrl-C")
    assert len(processes_naming(str(demo.folder))) >= 3 * 5
    demo.process.send_signal(signal.SIGTERM)
    summary = demo.wait(120)
    assert demo.process.returncode == 0
    told = re.sub("[\u2066-\u2069]", "", demo.told + summary)
    assert not re.findall(r"[A-Za-z]*[a-z]{2,}", _FOREIGN.sub(" ", told)), told
    demo.is_gone()
    assert not demo.folder.exists()


@pytest.mark.long
def test_ctrl_c_in_mid_story_ends_everything_and_says_so(tmp_path: Path) -> None:
    demo = begin(tmp_path / "french", "--once", "--lang", "fr")
    demo.tell_until("Attaque")
    demo.process.send_signal(signal.SIGINT)
    out = demo.wait(120)
    assert (demo.process.returncode, out) == (130, "")
    assert not _ENGLISH.search(_FOREIGN.sub(" ", demo.told)), demo.told
    demo.is_gone()
    assert not demo.folder.exists()


@pytest.mark.deep
def test_even_a_killed_demonstration_leaves_no_process_behind(tmp_path: Path) -> None:
    demo = begin(tmp_path / "killed", "--once")
    demo.tell_until("serve their pages")
    assert len(processes_naming(str(demo.folder))) > 3
    demo.process.kill()
    demo.wait(120)
    demo.is_gone()


@contextmanager
def on_stage(nation: DemoNation, folder: Path) -> Iterator[tuple[Stage, Country]]:
    """A nation with its whole data folder and its pages, without processes."""
    root, clock = folder / f"node-{nation.code}", SystemClock()
    country = Country.found(nation.code, root, ready_sqlite(root / "mithaq.db"))
    node = node_of(country, folder, clock, rehearses=True)
    with answering(create_app(node)) as address:
        yield Stage(DemoNode(nation, root, int(address.rpartition(":")[2]), folder / "none"), node), country
    country.db.close()


def test_a_leak_is_seen_in_plaintexts_databases_and_pages(tmp_path: Path) -> None:
    """What "leaks: 0" is worth: once a partner really has what was withheld, the same search finds it."""
    secret, now = attack.KEPT[0], datetime.now(UTC)
    with on_stage(VALDORE, tmp_path) as (second, receiver), on_stage(MERRIN, tmp_path) as (third, bystander):
        sender = Country.found(RIMAL.code, tmp_path / "XA")
        countries, treaty = [sender, receiver, bystander], Treaty(now)
        for country in countries:
            country.befriend(countries, now)
            country.context.agreements.receive(treaty.envelope.encode(), at=now, actor="person--1")
        sender.order(treaty, now)
        assert count_leaks([second, third], attack.WITHHELD_TOKENS) == []
        add_indicator(second.node, secret)
        places = set(count_leaks([second, third], attack.WITHHELD_TOKENS))
        assert "XB: page /intelligence" in places
        assert [place for place in places if place.startswith("XB: mithaq.db")]
        assert not [place for place in places if place.startswith("XC")]
        sender.add(1, now, name=secret.names["en"])
        assert deliver(sender, bystander, now) == ["admitted"]
        assert "XC: plaintext 1" in count_leaks([third], attack.WITHHELD_TOKENS)
        sender.db.close()


def played_on(material: Path, folder: Path) -> dict[str, Any]:
    demo = begin(folder, "--once", "--json", "--data", str(material))
    out = demo.wait(280)
    assert demo.process.returncode == 0, demo.told
    demo.is_gone()
    told: dict[str, Any] = json.loads(out)
    assert told["withheld"] >= 1
    assert told["receipts_verified"] > 0
    assert (told["receipts_missing"], told["leaks"]) == (0, 0)
    return told


@pytest.mark.long
def test_real_material_gives_exactly_the_hits_of_the_truth(data_dir: Path, tmp_path: Path) -> None:
    """The command fails by itself where one line is missing or too many."""
    material = tmp_path / "material"
    (material / "misp-events").mkdir(parents=True)
    (material / "telemetry").symlink_to(data_dir / "telemetry")
    smallest = sorted((data_dir / "misp-events").glob("*.json"), key=lambda path: path.stat().st_size)[:2]
    for path in smallest:
        (material / "misp-events" / path.name).symlink_to(path)
    told = played_on(material, tmp_path / "demo")
    truth = json.loads((data_dir / "telemetry" / "apt29-zeek" / "expected-hits.json").read_bytes())["lines"]
    assert min(told["hits"]["XB"], told["hits"]["XC"]) >= len({line for lines in truth.values() for line in lines})


@pytest.mark.deep
def test_all_real_material_is_shared_and_detected(data_dir: Path, tmp_path: Path) -> None:
    told = played_on(data_dir, tmp_path / "demo")
    assert told["released"] > 500


def test_material_that_lacks_a_part_is_refused_before_anything_is_founded(tmp_path: Path) -> None:
    material = tmp_path / "material"
    material.mkdir()
    demo = begin(tmp_path / "demo", "--once", "--data", str(material))
    demo.wait()
    assert demo.process.returncode == 1
    assert "the material lacks combined_zeek.log" in demo.told
    assert not demo.folder.exists()


def test_what_an_exercise_moved_would_be_seen(tmp_path: Path) -> None:
    """What "an exercise moved nothing" is worth: the inject in the wrong lane is found where it does harm."""
    with on_stage(VALDORE, tmp_path) as (stage, _):
        add_indicator(stage.node, attack.INJECT, Lane(new_id("exercise")))
        assert not stage.has_operational(attack.DRILL)
        add_indicator(stage.node, attack.INJECT)
        assert stage.has_operational(attack.DRILL)
