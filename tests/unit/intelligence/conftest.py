"""What the imports' tests share: holdings on SQLite alone, and the compiled warning lists of this run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mithaq.intelligence.model import ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.databases import ready_sqlite


@pytest.fixture(scope="session")
def warning_lists(tmp_path_factory: pytest.TempPathFactory) -> WarningLists:
    return WarningLists(tmp_path_factory.mktemp("warninglists"))


@pytest.fixture
def sqlite_holdings(tmp_path: Path) -> Iterator[Holdings]:
    db = Database.open(ready_sqlite(tmp_path / "holdings.db"))
    yield Holdings(db)
    db.close()


@pytest.fixture
def terms() -> ImportTerms:
    return ImportTerms(NationId("XA"), ACTUAL, Tlp.GREEN)
