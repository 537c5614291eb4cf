"""A node with two constituents, on each database."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.taxii import Served


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
