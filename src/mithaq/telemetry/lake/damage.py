"""What Arrow says of a damaged file, told as what it is: a segment of the lake that is broken."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from mithaq.telemetry.errors import LakeBroken


@contextmanager
def told_of(stem: str) -> Iterator[None]:
    """Read a segment's files within this.

    Raises:
        LakeBroken: a file of the segment is not there, damaged or cut.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise LakeBroken("a file of the segment is not there", subject=stem, private=str(error)) from error
    except (OSError, pa.ArrowException) as error:
        raise LakeBroken("a file of the segment is damaged or cut", subject=stem, private=str(error)[:500]) from error
