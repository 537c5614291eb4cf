"""Compile YARA rules and scan files: a program of its own, without keys, files or network, within limits.

Started by `process.py`. What a hostile rule or file does to it ends it, and costs nobody else anything.
"""

from __future__ import annotations

import hashlib
import io
import os
import socket
import sys
from typing import Any, Final

import yara_x

from mithaq.detection.yara.sandbox import allow_cpu_s, give_up
from mithaq.detection.yara.settings import (
    CONTEXT_BYTES,
    MAX_MATCHED_RULES,
    MAX_PLACES,
    MAX_STRINGS,
    MAX_WARNINGS,
    REFUSED_MODULES,
)
from mithaq.detection.yara.wire import (
    REQUESTS,
    Add,
    Added,
    Begin,
    Build,
    Built,
    Done,
    Drop,
    Load,
    Open,
    Opened,
    Place,
    Problem,
    Reply,
    Request,
    RuleMatch,
    Scan,
    Scanned,
    Text,
    receive,
    send,
)

_SENTENCE_CHARS: Final = 300
_PIECE: Final = 1 << 20
_MAX_MATCHES: Final = 1_000
"""Of one pattern; the engine counts no further."""
_ARCHIVES: Final = (
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


class Child:
    """The state of the process: the set that is being put together, those that are loaded, and one file."""

    def __init__(self) -> None:
        self._compiler = _compiler()
        self._sets: dict[int, Any] = {}
        self._body = b""

    def answer(self, request: Request, descriptor: int | None) -> Reply:
        """Do what is asked."""
        match request:
            case Begin():
                self._compiler = _compiler()
                return Done()
            case Add():
                return self._add(request)
            case Build():
                file = io.BytesIO()
                self._compiler.build().serialize_into(file)
                return Built(file.getvalue())
            case Load(number, data):
                self._sets[number] = yara_x.Rules.deserialize_from(io.BytesIO(data))
                return Done()
            case Drop(number):
                self._sets.pop(number, None)
                return Done()
            case Open(max_bytes):
                return self._open(descriptor, max_bytes)
            case Scan(number, timeout_s):
                return self._scan(number, timeout_s)

    def _add(self, request: Add) -> Added:
        known = len(self._compiler.warnings()) if request.warnings else 0
        self._compiler.new_namespace(request.key)
        problems: list[Problem] = []
        try:
            self._compiler.add_source(request.text)
        except yara_x.CompileError as error:
            problems = _problems(self._compiler.errors()[-1:]) or [Problem(0, str(error)[:_SENTENCE_CHARS])]
        warnings = self._compiler.warnings()[known:] if request.warnings else []
        return Added(problems, _problems(warnings[:MAX_WARNINGS]))

    def _open(self, descriptor: int | None, max_bytes: int) -> Opened:
        self._body = b""
        if descriptor is None:
            return Opened(0, "", "", "", too_large=True)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            body = bytearray()
            while piece := file.read(min(_PIECE, max_bytes + 1 - len(body))):
                body += piece
                if len(body) > max_bytes:
                    return Opened(len(body), "", "", "", too_large=True)
        self._body = bytes(body)
        archive = next((name for magic, name in _ARCHIVES if self._body.startswith(magic)), "")
        return Opened(len(self._body), self._digest("md5"), self._digest("sha1"), self._digest("sha256"), archive)

    def _digest(self, name: str) -> str:
        return hashlib.new(name, self._body, usedforsecurity=False).hexdigest()

    def _scan(self, number: int, timeout_s: int) -> Scanned:
        scanner = yara_x.Scanner(self._sets[number])  # each reserves 80 MiB, so none is kept
        scanner.set_timeout(timeout_s)
        scanner.max_matches_per_pattern(_MAX_MATCHES)
        try:
            matching = scanner.scan(self._body).matching_rules
        except yara_x.TimeoutError:
            return Scanned([], timed_out=True)
        found = [self._match(rule) for rule in matching[:MAX_MATCHED_RULES]]
        return Scanned(found, more=len(matching) > MAX_MATCHED_RULES)

    def _match(self, rule: Any) -> RuleMatch:
        seen = [(number, each.identifier, each.matches) for number, each in enumerate(rule.patterns) if each.matches]
        texts = [
            Text(number, name, len(found), [self._place(each) for each in found[:MAX_PLACES]])
            for number, name, found in seen[:MAX_STRINGS]
        ]
        return RuleMatch(rule.namespace, rule.identifier, list(rule.tags), texts)

    def _place(self, found: Any) -> Place:
        end = found.offset + min(found.length, CONTEXT_BYTES)
        return Place(found.offset, found.length, self._body[found.offset : end].hex())


def _compiler() -> Any:
    compiler = yara_x.Compiler(relaxed_re_syntax=True, includes_enabled=False)
    compiler.max_warnings(MAX_WARNINGS)
    for module in REFUSED_MODULES:
        compiler.ignore_module(module)
    return compiler


def _problems(told: list[dict[str, Any]]) -> list[Problem]:
    return [Problem(int(each.get("line") or 0), _sentence(each), str(each.get("code", ""))) for each in told]


def _sentence(told: dict[str, Any]) -> str:
    labels = [str(label["text"]) for label in told.get("labels", ()) if label.get("text")]
    return ": ".join((str(told.get("title", "")), *labels[:1]))[:_SENTENCE_CHARS]


def _rehearse() -> None:
    """Do everything once before files are out of reach: what loads late is loaded then. It begins no thread."""
    first = Child()
    first.answer(Add("a", "rule a { condition: nope }", warnings=True), None)
    built = first.answer(Build(), None)
    hashlib.new("md5", usedforsecurity=False)
    if isinstance(built, Built):
        yara_x.Scanner(yara_x.Rules.deserialize_from(io.BytesIO(built.data))).scan(b"a")


def main(argv: list[str]) -> int:
    """Answer requests on the named socket until the other side is gone."""
    number, memory_bytes, cpu_s = (int(argument) for argument in argv)
    connection = socket.socket(fileno=number)
    _rehearse()
    child = Child()
    give_up(memory_bytes)
    while True:
        frame, descriptor = receive(connection)
        if not frame:
            return 0
        request = REQUESTS.decode(frame)
        allow_cpu_s(cpu_s + (request.timeout_s if isinstance(request, Scan) else 0))
        send(connection, child.answer(request, descriptor))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
