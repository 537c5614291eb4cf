"""Write a constituent's feed as files, for static hosting or a carrier: the bytes that the doors serve, and digests.

The manifest is written last and names nothing that is not there; what it no longer names is taken away.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.misp.serving import Serving, digest, event_file, manifest
from mithaq.kernel.durable import replace_whole
from mithaq.standards.misp import feed
from mithaq.standards.stix import is_uuid

MANIFEST: Final = "manifest.json"
HASHES: Final = "hashes.csv"
_MAX_MANIFEST_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many events, and how many files of an earlier feed were taken away."""

    events: int
    removed: int


def write_feed(serving: Serving, constituent: str, folder: Path, at: datetime) -> Written:
    """Write the feed of a constituent into a folder, which is made if it is not there.

    Raises:
        BadMisp: the folder's manifest is none, so it is not known what lies there.
        OSError: something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _named(folder)
    digests: dict[str, str] = {}
    reader = Reader(constituent)
    heads = serving.heads(reader, at)
    lines: list[str] = []
    for head, event in serving.events(reader, heads, at, "feed"):
        body = event_file(event)
        digests[head.uuid] = digest(body)
        _write(folder / f"{head.uuid}.json", body)
        lines += feed.hash_lines(event)
    _write(folder / HASHES, "".join(f"{line}\n" for line in lines).encode())
    _write(folder / MANIFEST, manifest([head for head in heads if head.uuid in digests], digests))
    gone = before - digests.keys()
    for uuid in sorted(gone):
        (folder / f"{uuid}.json").unlink(missing_ok=True)
    return Written(len(digests), len(gone))


def _named(folder: Path) -> frozenset[str]:
    """Return the events that an earlier feed in a folder names."""
    place = folder / MANIFEST
    if not place.exists():
        return frozenset()
    if place.stat().st_size > _MAX_MANIFEST_BYTES:
        raise BadMisp("the manifest in the folder is none of a feed", subject=str(place))
    try:
        found = msgspec.json.decode(place.read_bytes())
    except msgspec.DecodeError as error:
        raise BadMisp("the manifest in the folder is none of a feed", subject=str(place)) from error
    named = found if isinstance(found, dict) else {}
    return frozenset(uuid for uuid in named if is_uuid(uuid))


def _write(place: Path, body: bytes) -> None:
    """Write a file whole or not at all; a web server may read it."""
    replace_whole(place, body, mode=0o666)
