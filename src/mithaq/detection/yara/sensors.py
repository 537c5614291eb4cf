"""What a sensor says of a file that it extracted: from which connection it came, and what it was called there.

Zeek names an extracted file after its id in `files.log`; Suricata writes its `fileinfo` beside a file of its store.
Both are data of a sensor and are read within limits; what cannot be read says nothing.

Source: Zeek `base/files/extract`, `files.log`; Suricata user guide, "File-store (Enabling File Extraction)".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from mithaq.detection.yara.errors import FileRefused
from mithaq.detection.yara.files import open_beneath
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.parsers.line import LineParser

MAX_META_BYTES: Final = 256 << 10
MAX_LOG_BYTES: Final = 8 << 20
"""How far back Zeek's log is searched."""

_HEAD_BYTES: Final = 64 << 10
_FUID: Final = re.compile(r"(F[A-Za-z0-9]{10,24})(?:\.[A-Za-z0-9]{1,10})?")
_STORED: Final = re.compile(r"[0-9a-f]{64}")
_MAX_CHARS: Final = 1_000

About = dict[str, Any]


def fuid_of(path: str) -> str:
    """Return the id that Zeek gave an extracted file, empty where its name says none.

    >>> fuid_of("extract-1389719059.311698-HTTP-FBMLmd1ZxAhZCkOzFf.exe")
    'FBMLmd1ZxAhZCkOzFf'
    """
    found = _FUID.fullmatch(path.rpartition("/")[2].rpartition("-")[2])
    return found[1] if found else ""


def told_by_suricata(folder: Path, path: str) -> About:
    """Return what lies beside a file of Suricata's store: the newest of its records."""
    name = path.rpartition("/")[2]
    if not _STORED.fullmatch(name):
        return {}
    beside = f"{path.removesuffix(name)}"
    try:
        with os.scandir(folder / beside) as listed:
            records = sorted(each.name for each in listed if each.name.startswith(f"{name}.") and _is_json(each.name))
    except OSError:
        return {}
    for record in reversed(records[-3:]):
        read = _json_of(folder, beside + record)
        if read:
            return _of_suricata(read)
    return {}


def told_by_zeek(log: Path, fuid: str) -> About:
    """Return what Zeek's `files.log` says of a file, empty where it says nothing (yet)."""
    try:
        with log.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_LOG_BYTES))
            tail = file.read(MAX_LOG_BYTES)
    except OSError:
        return {}
    parser = LineParser(Source("files", "", Format.AUTO, ACTUAL), file_name="files.log")
    now = datetime.now(UTC)  # for a line without a time; nothing of it is kept
    for line in head.split(b"\n")[:-1]:
        if line.startswith(b"#"):
            _decoded(parser, line, now)
    wanted = fuid.encode()
    for line in reversed(tail.split(b"\n")):
        record = _decoded(parser, line, now) if wanted in line else {}
        if record.get("fuid") == fuid:
            return _of_zeek(record)
    return {}


def told_by_uploader(folder: Path, path: str) -> About:
    """Return what was kept beside an uploaded file: what it was called, and who gave it."""
    read = _json_of(folder, f".{path}.json")
    name, by = read.get("name"), read.get("by")
    if not isinstance(name, str) or not isinstance(by, str):
        return {}
    return {"file": {"name": name[:_MAX_CHARS]}, "user": {"name": by[:_MAX_CHARS]}}


def _of_suricata(record: Mapping[str, Any]) -> About:
    http, info = _mapping(record, "http"), _mapping(record, "fileinfo")
    return _about(
        source=(record.get("src_ip"), record.get("src_port")),
        destination=(record.get("dest_ip"), record.get("dest_port")),
        name=info.get("filename"),
        protocol=record.get("app_proto"),
        host=http.get("hostname"),
        uri=http.get("url"),
    )


def _of_zeek(record: Mapping[str, Any]) -> About:
    sender = record.get("tx_hosts") or record.get("id.resp_h")
    receiver = record.get("rx_hosts") or record.get("id.orig_h")
    return _about(
        source=(_first(sender), None),
        destination=(_first(receiver), None),
        name=record.get("filename"),
        protocol=str(record.get("source") or "").lower(),
    )


def _about(
    *,
    source: tuple[Any, Any],
    destination: tuple[Any, Any],
    name: Any = None,
    protocol: Any = None,
    host: Any = None,
    uri: Any = None,
) -> About:
    """Return what is known under the names of the Elastic Common Schema; the file went from source to destination."""
    found: About = {}
    for side, (address, port) in (("source", source), ("destination", destination)):
        if isinstance(address, str) and address:
            found[side] = {"ip": address[:_MAX_CHARS]} | ({"port": port} if isinstance(port, int) else {})
    if isinstance(protocol, str) and protocol:
        found["network"] = {"protocol": protocol[:_MAX_CHARS]}
    if isinstance(host, str) and host:
        found["url"] = {"domain": host[:_MAX_CHARS]} | ({"path": uri[:_MAX_CHARS]} if isinstance(uri, str) else {})
    if isinstance(name, str) and name and name != "-":
        found["file"] = {"name": name[:_MAX_CHARS]}
    return found


def _json_of(folder: Path, path: str) -> dict[str, Any]:
    try:
        descriptor = open_beneath(folder, path)
    except FileRefused:
        return {}
    with os.fdopen(descriptor, "rb") as file:
        body = file.read(MAX_META_BYTES + 1)
    try:
        read = msgspec.json.decode(body) if len(body) <= MAX_META_BYTES else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _decoded(parser: LineParser, line: bytes, now: datetime) -> Mapping[str, Any]:
    try:
        decoded = parser.decode(line, now)
    except BadLine:
        return {}
    return {} if decoded is None else decoded.record


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}


def _first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, list | tuple) else value


def _is_json(name: str) -> bool:
    return name.endswith(".json")
