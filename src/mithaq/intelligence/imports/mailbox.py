"""A folder of messages: a Maildir, or plain files that end in `.eml`; what was taken is moved, never deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mithaq.intelligence.errors import BadMailbox
from mithaq.intelligence.settings import REPORT_MAX_BYTES

MAX_MESSAGES: Final = 1000
"""Messages taken in one go; the rest waits for the next."""

_DONE: Final = "done"
_SEEN: Final = ":2,S"


class Mailbox:
    """One folder. A Maildir's `new` is read and its `cur` is written; a plain folder gets a folder `done`."""

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Raises:
            BadMailbox: there is no such folder, or it cannot be written.
        """
        self._is_maildir = (folder / "new").is_dir() and (folder / "cur").is_dir()
        self._source = folder / "new" if self._is_maildir else folder
        self._target = folder / "cur" if self._is_maildir else folder / _DONE
        if not folder.is_dir() or not os.access(self._source, os.W_OK):
            raise BadMailbox("there is no such folder, or it cannot be written", subject=str(folder))

    def messages(self) -> Iterator[tuple[Path, bytes | None]]:
        """Return the messages that wait, by name; None for one that is larger than is read.

        Links and whatever is no plain file are left alone. A message counts as whole when it lies there: write it under
        another name, or beside the folder, and rename it in.
        """
        for path in sorted(self._source.iterdir()):
            if path.is_symlink() or not path.is_file() or not self._is_message(path):
                continue
            try:
                with path.open("rb") as file:
                    body = file.read(REPORT_MAX_BYTES + 1)
            except OSError:
                continue
            yield path, body if len(body) <= REPORT_MAX_BYTES else None

    def done(self, path: Path) -> None:
        """Move a message that was taken; one of the same name is not overwritten."""
        self._target.mkdir(exist_ok=True)
        name = f"{path.name}{_SEEN}" if self._is_maildir and ":2," not in path.name else path.name
        target = self._target / name
        number = 0
        while target.exists():
            number += 1
            target = self._target / f"{number}-{name}"
        path.rename(target)

    def _is_message(self, path: Path) -> bool:
        return not path.name.startswith(".") and (self._is_maildir or path.suffix.lower() == ".eml")
