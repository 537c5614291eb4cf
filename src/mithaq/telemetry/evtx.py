"""Windows event log files (EVTX): their records as JSON lines, read by a process of its own with limits.

The file is hostile and its format is involved; what a bad one can do is end that process. A record that cannot be
read is told in its place, and the rest goes on.
"""

import os
import sys
import warnings
from typing import Final

from mithaq.kernel.confined import limit, start
from mithaq.telemetry.settings import TelemetryLimits

EVTX_MAGIC: Final = b"ElfFile\0"
TOLD: Final = b"\0evtx: "
"""What a line begins with that says why a record is missing; no line of JSON does."""

_OPENED: Final = 3
_WRITE_BYTES: Final = 1 << 20


class EvtxRecords:
    """The records of one file, as they flow from the process that reads it."""

    def __init__(self, descriptor: int, limits: TelemetryLimits) -> None:
        self.trouble = ""
        budget = (limits.evtx_memory_bytes, limits.evtx_cpu_s)
        self._readable, writable = os.pipe()
        try:
            self._process = start(__file__, descriptor, *budget, stdout=writable, pass_fds=[descriptor])
        finally:
            os.close(writable)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of JSON lines, or nothing at the end."""
        piece = os.read(self._readable, size)
        if not piece:
            code = self._process.wait()
            self.trouble = "" if code == 0 else f"its reader ended with {code}: it is damaged or too large"
        return piece

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        os.close(self._readable)


def main(argv: list[str]) -> int:
    """Write the records of an opened file to standard output; exit code 3 says that it is no EVTX file."""
    descriptor, memory_bytes, cpu_s = (int(argument) for argument in argv)
    limit(memory_bytes, cpu_s)
    from evtx import PyEvtxParser

    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            _write_records(PyEvtxParser(file, number_of_threads=1, indent=False, skip_errors=True))
    except (RuntimeError, ValueError, OSError, MemoryError):
        return _OPENED
    return 0


def _write_records(parser: object) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for record in parser.records_json():  # type: ignore[attr-defined]
            _write_told(told)
            _write(record["data"].replace("\n", " ").encode("utf-8", "replace"))
        _write_told(told)


def _write_told(told: "list[warnings.WarningMessage]") -> None:
    for each in told:
        _write(TOLD + " ".join(str(each.message).split())[:200].encode("utf-8", "replace"))
    told.clear()


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
