"""The real Sigma rules, regression cases and Windows events beside the project, unpacked where they are read."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def unpacked(data_dir: Path, archive: str, into: Path) -> Path:
    """Unpack one of the two archives of rules; skip with the reason where it is not there."""
    path = data_dir / "sigma" / archive
    if not path.is_file():
        pytest.skip(f"the Sigma rules are not there: {path}")
    with tarfile.open(path) as file:
        file.extractall(into, filter="data")
    return into


def rule_texts(folder: Path) -> dict[str, bytes]:
    """Return the texts of all rules below a folder, by path."""
    return {str(path): path.read_bytes() for path in sorted(folder.glob("rules*/**/*.yml"))}


def windows_lines(data_dir: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the lines of each set of Windows events, by the set's name."""
    folder = data_dir / "telemetry" / "windows-atomic"
    if not folder.is_dir():
        pytest.skip(f"the Windows events are not there: {folder}")
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json") and "MACOSX" not in name:
                    yield path.stem, archive.read(name).splitlines()
