"""The files of sealed segments, by name: which belong to one, deleting them, and what no segment names."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from mithaq.kernel.durable import UNFINISHED
from mithaq.telemetry.lake.index import index_path


def files_of(data: Path, stem: str) -> tuple[Path, Path]:
    """Return the files of a sealed segment's events and values."""
    return data / f"{stem}.events.parquet", data / f"{stem}.values.parquet"


def remove(data: Path, stem: str) -> None:
    """Delete the files of a segment, and the folders that they leave empty."""
    for path in (*files_of(data, stem), index_path(data, stem)):
        path.unlink(missing_ok=True)
    for folder in list((data / stem).parents)[:2]:
        with suppress(OSError):  # others are in it
            folder.rmdir()


def sweep(data: Path, known: Collection[str]) -> None:
    """Delete the files that no segment names: what a crash left of an unfinished sealing or merging."""
    for path in (data / "lake").glob("hour=*/source=*/*"):
        stem = f"{path.parent.relative_to(data)}/{path.name.partition('.')[0]}"
        if stem not in known or path.suffix == UNFINISHED:
            path.unlink(missing_ok=True)
