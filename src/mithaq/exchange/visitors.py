"""Let the programs of constituents in at a door: who comes with which account, how many at once, on which threads.

The event loop only waits: who asks, what the gate says, and every byte of an answer are worked out in threads of the
door's own number, so that a constituent that reads much delays no partner.
"""

import base64
import binascii
import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from mithaq.kernel.clock import Clock
from mithaq.nations.constituents.model import Account, Constituent
from mithaq.nations.constituents.service import Constituents

GZIP_FROM_BYTES: Final = 1_000
_GZIP_LEVEL: Final = 1

P = ParamSpec("P")
T = TypeVar("T")


class TooMany(Exception):
    """An account has too many open requests."""


class Visitors:
    """The visitors of one door; `door` as accounts name it."""

    def __init__(self, constituents: Constituents, clock: Clock, door: str, *, threads: int, max_open: int) -> None:
        self._constituents = constituents
        self._clock = clock
        self._door = door
        self._threads_count = threads
        self._max_open = max_open
        self._open: Counter[str] = Counter()
        self._threads: anyio.CapacityLimiter | None = None

    def known(self, request: Request) -> tuple[Constituent, Account] | None:
        """Return who asks, or None where nobody is let in with what was shown."""
        return self.known_by(*credentials(request.headers.get("authorization", "")))

    def known_by(self, user: str | None, secret: str) -> tuple[Constituent, Account] | None:
        """Return whose secret this is, or None where nobody is let in with it; `user` as HTTP Basic names it."""
        return self._constituents.sign_in(secret, user, self._clock.now(), door=self._door) if secret else None

    @contextmanager
    def opened(self, account: str) -> Iterator[None]:
        """Count the open requests of an account.

        Raises:
            TooMany: it has as many as it may have.
        """
        if self._open[account] >= self._max_open:
            raise TooMany
        self._open[account] += 1
        try:
            yield
        finally:
            self._open[account] -= 1

    async def in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a function in one of the door's threads."""
        del named
        if self._threads is None:  # made inside the event loop
            self._threads = anyio.CapacityLimiter(self._threads_count)
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)


def credentials(header: str) -> tuple[str | None, str]:
    """Return the user, None where the scheme names none, and the secret; an empty one where there is none.

    Source: RFC 7617 (Basic), RFC 6750 (Bearer); OpenCTI's clients may write `Token`.
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return None, rest.strip()
    if scheme.lower() != "basic":
        return None, ""
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None, ""
    user, _, secret = text.partition(":")
    return user, secret


def packed(body: bytes, request: Request) -> bytes | None:
    """Return a body packed with gzip, or None where it is too short or the asker does not take it."""
    if len(body) < GZIP_FROM_BYTES or not takes_gzip(request):
        return None
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


def takes_gzip(request: Request) -> bool:
    """Tell whether the asker takes an answer that is packed with gzip."""
    header = request.headers.get("accept-encoding", "")
    names = {part.partition(";")[0].strip().lower(): part for part in header.split(",")}
    return "gzip" in names and names["gzip"].replace(" ", "").partition(";q=")[2] not in ("0", "0.0", "0.00", "0.000")
