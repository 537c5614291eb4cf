"""Read a large bundle in a process beside this one, which stores meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from subprocess import PIPE
from typing import IO, Final

import msgspec

from mithaq.intelligence.errors import ConfinedFailed
from mithaq.intelligence.imports.confined import bundle_worker
from mithaq.intelligence.imports.confined.bundle_pieces import (
    DECODER,
    LENGTH_BYTES,
    MAX_BATCH_BYTES,
    Batch,
    Broken,
    Readied,
)
from mithaq.intelligence.settings import BUNDLE_CPU_S, BUNDLE_MEMORY_BYTES
from mithaq.kernel.confined import start
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import Readable

_BLOCK: Final = 1 << 18
_BATCHES_AHEAD: Final = 4


def read_ahead(source: Readable, lane: Lane, max_object_bytes: int) -> Iterator[Batch]:
    """Yield what is read of a bundle, in its order; the reader is a few batches ahead of who asks.

    Where the bundle is broken, a last batch says so and nothing else.

    Raises:
        ConfinedFailed: the reading process died.
        TooMuch, OSError: what the source itself raised, after everything that was read before.
    """
    limits = (BUNDLE_MEMORY_BYTES, BUNDLE_CPU_S, max_object_bytes, str(lane))
    with start(bundle_worker.__file__, *limits, stdin=PIPE, stdout=PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process without its pipes")
        feeding, taking = _Feeding(source, process.stdin), _Taking(process.stdout)
        feeding.start()
        taking.start()
        try:
            for batch in taking.batches():
                if isinstance(batch.told[-1], Broken):
                    feeding.demand_whole()  # a bundle that the source cut short is broken because of that
                yield batch
            feeding.demand_whole()
            if process.wait() != 0:
                raise ConfinedFailed("reading it took more than it may, or failed (%(code)s)", code=process.returncode)
        finally:
            process.kill()
            feeding.join()
            taking.end()


class _Feeding(threading.Thread):
    """Give the reader the source's bytes; what the source raises is kept in `error`."""

    def __init__(self, source: Readable, sink: IO[bytes]) -> None:
        super().__init__(name="bundle-feeding", daemon=True)
        self._source = source
        self._sink = sink
        self.error: Exception | None = None

    def demand_whole(self) -> None:
        """Wait until the source was given, or nobody takes more of it; raise what it raised."""
        self.join()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        """Read and write on."""
        try:
            while block := self._source.read(_BLOCK):
                self._sink.write(block)
        except BrokenPipeError:
            pass  # the reader is gone; its end says why
        except Exception as error:  # noqa: BLE001 - raised again where the bundle is read
            self.error = error
        finally:
            with suppress(BrokenPipeError):
                self._sink.close()


class _Taking(threading.Thread):
    """Take what the reader wrote, a few batches before it is asked for: a pipe alone holds less than one."""

    def __init__(self, output: IO[bytes]) -> None:
        super().__init__(name="bundle-taking", daemon=True)
        self._output = output
        self._taken: Queue[bytes] = Queue(_BATCHES_AHEAD)

    def batches(self) -> Iterator[Batch]:
        """Yield what was told, until the reader has ended or was cut short, which its end says."""
        while encoded := self._taken.get():
            try:
                batch = DECODER.decode(encoded)
            except msgspec.DecodeError:
                return
            if not batch.concordance().is_sound() or batch.readied != sum(
                isinstance(each, Readied) for each in batch.told
            ):
                raise ConfinedFailed("reading it took more than it may, or failed (%(code)s)", code="?")
            if batch.told:
                yield batch

    def run(self) -> None:
        """Read on."""
        try:
            while head := self._output.read(LENGTH_BYTES):
                length = int.from_bytes(head, "big")
                if length > MAX_BATCH_BYTES:
                    break
                self._taken.put(self._output.read(length))
        finally:
            self._taken.put(b"")

    def end(self) -> None:
        """Throw away what was not asked for, until nothing more comes."""
        while self.is_alive():
            with suppress(Empty):
                self._taken.get(timeout=0.05)
