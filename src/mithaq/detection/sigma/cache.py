"""What was compiled, kept in a folder so that the next process loads it instead: units and Hyperscan's databases.

The file is this node's own and lies in its data folder, readable by its user alone; it is checked against damage, not
against its owner. Whatever does not fit (another version, another processor, a torn file) is compiled anew.
"""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from mithaq.detection.sigma.model import Unit
from mithaq.kernel.durable import replace_whole

FORMAT: Final = 3
_NAME: Final = "rules.sigma"
_LIBRARIES: Final = ("hyperscan", "google-re2", "pysigma", "pysigma-pipeline-sysmon", "pysigma-pipeline-windows")
_DIGEST_BYTES: Final = 32
_MAX_BYTES: Final = 1 << 30


class Kept(msgspec.Struct, frozen=True):
    """One unit that was put: the key it was put under, and the digest of its text."""

    key: str
    digest: bytes
    unit: Unit


class Snapshot(msgspec.Struct, frozen=True):
    """A whole index: the units in the order in which they are numbered, and the databases of each field."""

    made_for: str
    kept: tuple[Kept, ...]
    databases: dict[str, list[bytes]]


def digest_of(text: bytes) -> bytes:
    """Return the digest by which a unit's text is known again."""
    return hashlib.sha256(text).digest()


def write(folder: Path, kept: tuple[Kept, ...], databases: dict[str, list[bytes]]) -> None:
    """Replace the snapshot in a folder, whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = msgspec.msgpack.encode(Snapshot(_made_for(), kept, databases))
    replace_whole(folder / _NAME, hashlib.sha256(body).digest() + body)


def read(folder: Path) -> Snapshot | None:
    """Return the snapshot of a folder; None where there is none that fits this program on this machine."""
    path = folder / _NAME
    try:
        data = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    except OSError:
        return None
    body = memoryview(data)[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != data[:_DIGEST_BYTES]:
        return None
    try:
        snapshot = msgspec.msgpack.decode(body, type=Snapshot)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return snapshot if snapshot.made_for == _made_for() else None


def _made_for() -> str:
    """Say what must be the same: our format, the libraries, the processor."""
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return "; ".join([str(FORMAT), *libraries, platform.machine(), _processor()])


def _processor() -> str:
    """Return the processor's abilities, for which a database is compiled."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(flags.encode()).hexdigest()[:16]
