"""A node with two constituents, on each database; a MISP file that several tests import is converted once."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from mithaq.intelligence.imports import misp
from tests.taxii import Served

_convert = misp._converted


@cache
def _once(file: bytes) -> tuple[bytes, ...]:
    return tuple(_convert(file))


@pytest.fixture(autouse=True)
def converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter is a process that takes seconds to start: what it said of the same bytes is remembered."""
    monkeypatch.setattr(misp, "_converted", _once)


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process keeps the shelves of these nodes but `Served.settle`, for which an answer would wait in vain."""
    monkeypatch.setattr("mithaq.exchange.misp.doors.SHELVES_WAIT_S", 0.0)


@pytest.fixture
def served(tmp_path: Path, db_url: str, at: datetime) -> Iterator[Served]:
    found = Served.found(tmp_path, at, db_url)
    yield found
    found.country.db.close()


@pytest.fixture
def quick(tmp_path: Path, at: datetime) -> Iterator[Served]:
    """The same on SQLite alone, for what touches no statement of its own."""
    found = Served.found(tmp_path, at)
    yield found
    found.country.db.close()
