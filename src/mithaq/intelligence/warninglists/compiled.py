"""The form of the compiled file: a header in JSON, then sorted tables of fixed width."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Final

import msgspec

FORMAT: Final = 1
PACKAGE: Final = "pymispwarninglists"


class Header(msgspec.Struct):
    """What precedes the tables in the compiled file.

    `names` and `types` describe the lists; `combinations` are the sets of lists that a table entry points at;
    `skipped` are lists that are not used (regular expressions, other kinds of values).
    """

    format: int
    names: list[str]
    types: list[list[str]]
    combinations: list[list[int]]
    skipped: list[str]
    substrings: list[tuple[str, int]]
    ipv6_starts: list[str]
    ipv6_combinations: list[int]
    digests: int
    ipv4_edges: int


def name_digest(kind: str, name: str) -> int:
    """Return the 64-bit digest under which a name is filed; `kind` keeps exact names and suffixes apart."""
    return int.from_bytes(hashlib.blake2b(f"{kind}{name}".encode(), digest_size=8).digest(), "big")


def compiled_in(folder: Path) -> Path:
    """Return where the compiled file of the installed lists lies in a folder, whether it is there or not."""
    return folder / f"warninglists-{importlib.metadata.version(PACKAGE)}-{FORMAT}.bin"
