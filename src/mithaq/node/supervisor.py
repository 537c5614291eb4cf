"""Keep a node's processes alive: each role in a process of its own, forked from one that has loaded the program.

Forking shares the program's memory between the roles. The passphrase is read by the signer alone, after the fork.
"""

import ctypes
import fcntl
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from mithaq.kernel.errors import Error

_log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_FIRST_RESTART_S = 0.1
_LONGEST_RESTART_S = 10.0
_STABLE_S = 30.0
_GRACE_S = 8.0
_LOG_BYTES = 5 * 1024 * 1024

Role = Callable[[], None]


def setup_logging(path: Path | None) -> None:
    """Log to a file that is rotated, or to standard error."""
    handler: logging.Handler = (
        RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=3, encoding="utf-8")
        if path
        else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def fork_role(name: str, role: Role, log_file: Path | None) -> int:
    """Run a role in a forked process and return its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        setup_logging(log_file)
        if log_file:
            _redirect(log_file)
        role()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        logging.getLogger(__name__).exception("the role %s failed", name)
    finally:
        logging.shutdown()
        os._exit(code)


def _redirect(log_file: Path) -> None:
    """Send what a role, a library or a child of it prints to the role's log."""
    descriptor = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


@dataclass
class _Child:
    role: Role
    log_file: Path | None
    pid: int = 0
    started: float = 0.0
    retry_s: float = _FIRST_RESTART_S
    due: float = field(default=0.0)


class AlreadyRunning(Error):
    """A node whose processes run already."""

    code = "already-running"


@contextmanager
def running_alone(run_dir: Path) -> Iterator[None]:
    """Hold the node's folder while it runs; the lock falls with the process, however it ends.

    Raises:
        AlreadyRunning: another supervisor runs this node.
    """
    with (run_dir / "node.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning("this node runs already", subject=str(run_dir.parent)) from error
        yield


class Supervisor:
    """Start roles, start them again when they die, end them all at the end."""

    def __init__(self, roles: Mapping[str, Role], logs: Path | None) -> None:
        self._children = {name: _Child(role, logs / f"{name}.log" if logs else None) for name, role in roles.items()}
        self._ending = False

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT; no child survives."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        gc.collect()
        gc.freeze()
        while not self._ending:
            self._start_due()
            self._reap(0.1)
        self._stop_all()

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for name, child in self._children.items():
            if not child.pid and now >= child.due:
                child.started = now
                child.pid = fork_role(name, child.role, child.log_file)

    def _reap(self, wait_s: float) -> None:
        for name, child in self._children.items():
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._note_death(name, child, status)
        if not self._ending:
            time.sleep(wait_s)

    def _note_death(self, name: str, child: _Child, status: int) -> None:
        now = time.monotonic()
        child.pid = 0
        child.retry_s = (
            _FIRST_RESTART_S if now - child.started > _STABLE_S else min(child.retry_s * 2, _LONGEST_RESTART_S)
        )
        child.due = now + child.retry_s
        if self._ending:
            return
        _log.warning("%s ended with %s; it is started again in %.1f s", name, status, child.retry_s)

    def _stop_all(self) -> None:
        deadline = time.monotonic() + _GRACE_S
        for child in self._children.values():
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        while any(child.pid for child in self._children.values()) and time.monotonic() < deadline:
            self._reap(0)
            time.sleep(0.02)
        for child in self._children.values():
            if child.pid:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
