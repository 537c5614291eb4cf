"""The database's schema over time (Alembic); one way to bring any earlier node up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_HERE = Path(__file__).parent


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, from whatever earlier one it has."""
    command.upgrade(_config(url), revision)


def newest_revision() -> str:
    """Return the revision this program works with."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    if head is None:
        raise RuntimeError("the program was built without its migrations")
    return head
