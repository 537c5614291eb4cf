"""Be told by the kernel that a followed file has grown or was replaced, without polling it."""

import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from watchfiles import watch

logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every change

_STEP_MS: Final = 2
_DEBOUNCE_MS: Final = 20
_STOP_CHECK_MS: Final = 500


class Watch:
    """Watch the folders of the sources; `fileno()` becomes readable when something in them changed."""

    def __init__(self, folders: Iterable[Path], *, recursive: bool = False) -> None:
        self._recursive = recursive
        self._readable, self._writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        present = sorted({str(folder) for folder in folders if folder.is_dir()})
        if present:
            self._thread = threading.Thread(target=self._run, args=(present,), name="watch", daemon=True)
            self._thread.start()

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._readable

    def drain(self) -> None:
        """Take the pending news, so that the next wait waits for newer ones."""
        try:
            while os.read(self._readable, 4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self._readable)
        os.close(self._writable)

    def _run(self, folders: list[str]) -> None:
        changes = watch(
            *folders,
            watch_filter=None,
            recursive=self._recursive,
            step=_STEP_MS,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_STOP_CHECK_MS,
            stop_event=self._stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for _ in changes:
            try:
                os.write(self._writable, b"!")
            except BlockingIOError:
                continue  # the pipe is full: the reader will wake anyway
