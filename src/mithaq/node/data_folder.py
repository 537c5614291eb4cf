"""Where a node keeps what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The layout of one node's data folder; everything a nation must protect and back up is in it."""

    root: Path

    @property
    def settings(self) -> Path:
        """Return the settings file."""
        return self.root / "mithaq.toml"

    @property
    def database(self) -> Path:
        """Return the SQLite file, where no PostgreSQL is used."""
        return self.root / "mithaq.db"

    @property
    def keys(self) -> Path:
        """Return the encrypted key file."""
        return self.root / "keys" / "node.keys"

    @property
    def source_key(self) -> Path:
        """Return the key under which the credentials of sources lie in the database."""
        return self.root / "keys" / "sources.key"

    @property
    def first_root(self) -> Path:
        """Return the root key a node is founded with, until it is taken offline."""
        return self.root / "keys" / "root-1.key"

    @property
    def card(self) -> Path:
        """Return this nation's signed card."""
        return self.root / "card.json"

    @property
    def run(self) -> Path:
        """Return the folder of sockets and process ids."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Return the folder of logs."""
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        """Return the folder of what can be computed anew."""
        return self.root / "cache"

    def prepare(self) -> None:
        """Create the folders, readable to their owner alone."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.run, self.logs, self.cache, self.keys.parent):
            folder.mkdir(exist_ok=True, mode=0o700)
