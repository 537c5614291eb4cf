"""What was compiled, kept in a folder so that the next process loads it instead: units and Hyperscan's databases.

The file is this node's own and lies in its data folder, readable by its user alone; it is checked against damage, not
against its owner. Where the databases do not fit (another version, another processor), only these are made anew:
reading rules takes twice as long as compiling them. Where the units do not fit either, or the file is torn, all is.
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
"""Of the databases: how predicates are numbered and named."""
UNITS_FORMAT: Final = 1
"""Of the units, and of the file."""
_NAME: Final = "rules.sigma"
_READERS: Final = ("google-re2", "pysigma", "pysigma-pipeline-sysmon", "pysigma-pipeline-windows")
_COMPILERS: Final = ("hyperscan",)
_DIGEST_BYTES: Final = 32
_MAX_BYTES: Final = 1 << 30


class Kept(msgspec.Struct, frozen=True):
    """One unit that was put: the key it was put under, and the digest of its text."""

    key: str
    digest: bytes
    unit: Unit


class Snapshot(msgspec.Struct, frozen=True):
    """A whole index: the units in the order in which they are numbered, and the databases of each field.

    `databases`: None where they are not for this program on this machine.
    """

    read_with: str
    made_for: str
    kept: tuple[Kept, ...]
    databases: dict[str, list[bytes]] | None


def digest_of(text: bytes) -> bytes:
    """Return the digest by which a unit's text is known again."""
    return hashlib.sha256(text).digest()


def write(folder: Path, kept: tuple[Kept, ...], databases: dict[str, list[bytes]]) -> None:
    """Replace the snapshot in a folder, whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    body = msgspec.msgpack.encode(Snapshot(_read_with(), _made_for(), kept, databases))
    replace_whole(folder / _NAME, hashlib.sha256(body).digest() + body)


def read(folder: Path) -> Snapshot | None:
    """Return the snapshot of a folder; None where there is none whose units fit this program."""
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
    if snapshot.read_with != _read_with():
        return None
    return snapshot if snapshot.made_for == _made_for() else msgspec.structs.replace(snapshot, databases=None)


def _read_with() -> str:
    """Say what must be the same for the units: their format, and the libraries that read rules."""
    return "; ".join([str(UNITS_FORMAT), *map(_named, _READERS)])


def _made_for() -> str:
    """Say what must be the same for the databases: their format, the compiler, the processor."""
    return "; ".join([str(FORMAT), *map(_named, _COMPILERS), platform.machine(), _processor()])


def _named(library: str) -> str:
    return f"{library} {version(library)}"


def _processor() -> str:
    """Return the processor's abilities, for which a database is compiled."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(flags.encode()).hexdigest()[:16]
