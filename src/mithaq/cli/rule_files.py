"""The files that hold rules, of Sigma or YARA: single ones, folders, zip archives, standard input."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mithaq.cli.files import FileUnusable, read_input, unusable
from mithaq.standards.sigma import MAX_RULE_BYTES

MAX_FILES: Final = 50_000
MAX_FILE_BYTES: Final = 16 * MAX_RULE_BYTES
"""A file may hold several rules."""
MAX_TOTAL_BYTES: Final = 512 << 20
SIGMA: Final = (".yml", ".yaml")
YARA: Final = (".yar", ".yara", ".yarax", ".rule", ".rules")


def rule_files(paths: Sequence[str], endings: tuple[str, ...] = SIGMA) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file; of folders and archives, of those with these endings. Links are not followed.

    Raises:
        FileUnusable: one cannot be read, a folder or an archive holds none, or there is too much.
    """
    number = size = 0
    for path in paths:
        before = number
        for name, body in _within(path, endings):
            number += 1
            size += len(body)
            if number > MAX_FILES:
                raise FileUnusable("more than %(max)s files", subject=path, max=MAX_FILES)
            if size > MAX_TOTAL_BYTES:
                raise FileUnusable("larger than the limit of %(max)s bytes", subject=path, max=MAX_TOTAL_BYTES)
            yield name, body
        if number == before:
            raise FileUnusable("no file in it ends in %(endings)s", subject=path, endings=", ".join(endings))


def _within(path: str, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    if path != "-" and Path(path).is_dir():
        yield from _folder(Path(path), endings)
    elif path != "-" and zipfile.is_zipfile(path):
        yield from _archive(path, endings)
    else:
        yield path, read_input(path, MAX_FILE_BYTES)


def _folder(folder: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if name.lower().endswith(endings) and not path.is_symlink():
                yield str(path), read_input(str(path), MAX_FILE_BYTES)


def _archive(path: str, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist()[: MAX_FILES + 1]:
                if info.filename.lower().endswith(endings):
                    with archive.open(info) as file:
                        body = file.read(MAX_FILE_BYTES + 1)
                    if len(body) > MAX_FILE_BYTES:
                        raise FileUnusable("larger than the limit of %(max)s bytes", subject=info.filename,
                                           max=MAX_FILE_BYTES)  # fmt: skip
                    yield info.filename, body
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise FileUnusable("the archive cannot be read: %(problem)s", subject=path, problem=str(error)[:200]) from error
    except OSError as error:
        raise unusable(path, error) from error
