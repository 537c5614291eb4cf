"""The database's schema over time (Alembic); one way to bring any earlier node up to date."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from mithaq.kernel.database import Database
from mithaq.kernel.errors import Error

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_HERE = Path(__file__).parent


class DatabaseNewer(Error):
    """A database that a newer program has migrated."""

    code = "database-newer"


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, from whatever earlier one it has.

    Raises:
        DatabaseNewer: a newer program has migrated it; nothing was changed.
    """
    from alembic import command

    refuse_newer(present_revision(url))
    command.upgrade(_config(url), revision)


def refuse_newer(present: str | None) -> None:
    """Refuse a revision that this program does not know.

    Raises:
        DatabaseNewer: it was made by a newer program.
    """
    if present is not None and present not in known_revisions():
        raise DatabaseNewer(
            "the database is at revision %(found)s, this program knows none after %(known)s; nothing was changed. "
            "Run the newer program, or restore a backup",
            found=present,
            known=newest_revision(),
        )


def present_revision(url: str) -> str | None:
    """Return the revision a database is at, nothing for an empty one."""
    database = Database.open(url)
    try:
        with database.read() as connection:
            return revision_of(connection)
    finally:
        database.close()


def revision_of(connection: Connection) -> str | None:
    """Return the revision of an open database, nothing for an empty one."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> tuple[str, ...]:
    """Return every revision of this program, newest first."""
    return tuple(script.revision for script in _scripts().walk_revisions())


def newest_revision() -> str:
    """Return the revision this program works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise RuntimeError("the program was built without its migrations")
    return head


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config(""))


def _config(url: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.attributes["url"] = url
    return config
