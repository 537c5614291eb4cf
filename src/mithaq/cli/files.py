"""Files that people name on the command line: read, write, and say plainly what is wrong with one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from mithaq.kernel.errors import Error


class FileUnusable(Error):
    """A file that cannot be read, or must not be written."""

    code = "file-unusable"


def read_input(name: str, max_bytes: int) -> bytes:
    """Return the bytes of a file, or of standard input where the name is `-`.

    Raises:
        FileUnusable: there is no such file, it may not be read, or it is over the limit.
    """
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise unusable(name, error) from error
    if len(data) > max_bytes:
        raise FileUnusable("larger than the limit of %(max)s bytes", subject=name, max=max_bytes)
    return data


@contextmanager
def open_input(name: str) -> Iterator[IO[bytes]]:
    """Open a file to be read as it comes, or standard input where the name is `-`.

    Raises:
        FileUnusable: there is no such file, or it may not be read.
    """
    try:
        opened = click.open_file(name, "rb")
    except OSError as error:
        raise unusable(name, error) from error
    with opened as source:
        yield source


def write_output(name: str, data: bytes) -> None:
    """Write a file that is not there yet, or standard output where the name is `-`.

    Raises:
        FileUnusable: it is there already, or cannot be written.
    """
    if name == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        with Path(name).open("xb") as file:
            file.write(data)
    except OSError as error:
        raise unusable(name, error) from error


def unusable(name: str, error: OSError) -> FileUnusable:
    """Return what is wrong with a file, by its name."""
    if isinstance(error, FileNotFoundError):
        return FileUnusable("there is no such file or folder", subject=name)
    if isinstance(error, FileExistsError):
        return FileUnusable("it is there already; nothing was overwritten", subject=name)
    return FileUnusable("%(detail)s", subject=name, detail=os.strerror(error.errno) if error.errno else str(error))
