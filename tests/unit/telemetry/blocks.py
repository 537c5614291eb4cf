"""Blocks of lines for tests of the lake and of detection."""

from datetime import datetime

from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.telemetry.blocks import Block
from mithaq.telemetry.model import Format, Source


def block(
    text: bytes, at: datetime, *, source: str = "s", lane: Lane = ACTUAL, place: int = 0, checked: bool = True
) -> Block:
    """Return lines as they would come from a pushed source."""
    of = Source(source, "", Format.AUTO, lane)
    return Block(of, "", b"", 1, place, place, at, text, checked)
