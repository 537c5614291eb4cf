"""The processes that compile and scan: what they gave up, what ends them, and that nothing else is lost by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mithaq.detection.yara.compiling import RuleCompiler
from mithaq.detection.yara.errors import FileUnreadable
from mithaq.detection.yara.scanner import FileScan, Scanner
from mithaq.detection.yara.settings import YaraLimits
from tests.unit.detection.yara.rules import EICAR, EICAR_RULE, literal

LIMITS = YaraLimits(scan_s=2, grace_s=3.0, sets=2)
HUNGRY = (
    "rule Hungry { strings: "
    + " ".join(f'$a{number} = "text {number}" base64 base64wide' for number in range(23_000))
    + " condition: any of them }"
)
TRIES = """
import os, socket, sys
from mithaq.detection.yara.sandbox import give_up
assert give_up(1 << 30), "no filter"
def fails(what):
    try:
        what()
    except OSError:
        return True
    return False
tried = (
    lambda: open("/etc/hostname"), lambda: socket.socket(), lambda: socket.socketpair(), lambda: os.fork(),
    lambda: os.execv("/bin/true", ["true"]), lambda: os.kill(os.getppid(), 0), lambda: os.mkdir("/tmp/made"),
    lambda: os.unlink("/tmp/none"), lambda: os.memfd_create("x"), lambda: os.chmod("/tmp", 0o777),
)
print([fails(each) for each in tried], os.geteuid() != 0)
"""


@pytest.fixture
def scanner() -> Iterator[Scanner]:
    scanner = Scanner(LIMITS)
    yield scanner
    scanner.close()


def scan(scanner: Scanner, path: Path) -> FileScan:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return scanner.scan(descriptor, path.stat().st_size)
    finally:
        os.close(descriptor)


def rules_of(found: FileScan) -> list[str]:
    return sorted(match.rule for match in found.matches)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "bad").write_bytes(EICAR)
    return tmp_path / "bad"


def test_the_process_can_open_nothing_and_start_nothing() -> None:
    said = subprocess.run([sys.executable, "-c", TRIES], capture_output=True, text=True, check=True).stdout
    assert said == f"{[True] * 10} True\n"


def test_a_unit_that_ends_its_compiler_is_named_and_the_rest_is_compiled() -> None:
    compiler = RuleCompiler(replace(LIMITS, compile_memory_bytes=80 << 20))
    units = {"1": literal("a", "one"), "2": HUNGRY, "3": "rule bad { condition: nope }", "4": literal("b", "two")}
    compiled = compiler.compile(units)
    compiler.close()
    assert {key for each in compiled.sets for key in each.keys} == {"1", "4"}
    assert compiled.refused["2"].code == "yara-process-ended"
    assert compiled.refused["3"].sentence().startswith("line 1: unknown identifier")


def test_a_process_that_is_killed_is_begun_anew(scanner: Scanner, bad: Path) -> None:
    scanner.put({"1": EICAR_RULE})
    assert rules_of(scan(scanner, bad)) == ["Eicar"]
    process = scanner._process._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(FileUnreadable):
        scan(scanner, bad)
    assert rules_of(scan(scanner, bad)) == ["Eicar"]


def test_a_file_that_needs_too_much_memory_costs_only_that_file(bad: Path, tmp_path: Path) -> None:
    scanner = Scanner(replace(LIMITS, scan_memory_bytes=256 << 20))
    scanner.put({"1": EICAR_RULE})
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(FileUnreadable):
        scan(scanner, tmp_path / "large")
    assert rules_of(scan(scanner, bad)) == ["Eicar"]
    scanner.close()


def test_rules_come_go_and_are_put_together(scanner: Scanner, bad: Path) -> None:
    for number in range(5):
        scanner.put({str(number): literal(f"r{number}", "EICAR")})
    assert rules_of(scan(scanner, bad)) == ["r0", "r1", "r2", "r3", "r4"]
    scanner.drop(["0", "3"])
    while scanner.merge():
        pass
    assert rules_of(scan(scanner, bad)) == ["r1", "r2", "r4"]
    assert len(scanner._sets) <= LIMITS.sets
    assert scan(scanner, bad).unfinished == {}


def test_rules_that_end_the_process_cost_no_other_rules(bad: Path) -> None:
    scanner = Scanner(replace(LIMITS, scan_memory_bytes=160 << 20))
    assert scanner.put({"1": literal("before", "EICAR")}) == {}
    assert scanner.put({"2": HUNGRY}) == {}
    assert scanner.put({"3": EICAR_RULE}) == {}
    for _ in range(2):
        found = scan(scanner, bad)
        assert (rules_of(found), set(found.unfinished)) == (["Eicar", "before"], {"2"})
    scanner.close()
