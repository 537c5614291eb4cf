"""Make the index of a sealed segment; reading one (`index`) needs no Arrow, this does."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from mithaq.kernel.durable import replace_whole
from mithaq.standards.observable import ObservableType
from mithaq.telemetry.lake.damage import told_of
from mithaq.telemetry.lake.files import files_of
from mithaq.telemetry.lake.index import (
    MAGIC,
    ROWS_A_FRAME,
    SIGHTS_A_FRAME,
    Contents,
    Sighted,
    fingerprint,
    index_path,
)
from mithaq.telemetry.lake.layout import in_order
from mithaq.telemetry.lake.page_headers import UnknownPage, placed_pages
from mithaq.telemetry.lake.single import PAGE, PAGED, Forms
from mithaq.telemetry.lake.values import Catalogue, Values

_WORD: Final = 8
_UPPER_DIGITS: Final = 16
_FORMED: Final = ("source", "kind", "lane", "header")
_Parts = dict[str, bytes]


def write_index(data: Path, stem: str, catalogue: Catalogue) -> None:
    """Write the index of a segment with these values durably; its other files are there."""
    replace_whole(index_path(data, stem), _index(catalogue, files_of(data, stem)[0]))


def indexed_anew(data: Path, stem: str) -> bytes:
    """Return the index of a segment as its files say it.

    Raises:
        LakeBroken: these cannot be read either.
    """
    events_file, values_file = files_of(data, stem)
    values = Values()
    with told_of(stem):
        values.add_sealed(values_file, 0)
        return _index(values.catalogue(), events_file)


def _index(catalogue: Catalogue, events_file: Path) -> bytes:
    pages = _pages(events_file)
    events_bytes = events_file.stat().st_size if pages else -1
    return _joined(_fingerprints(catalogue) | _addresses(catalogue) | _sights(catalogue) | pages, events_bytes)


def _joined(parts: _Parts, events_bytes: int) -> bytes:
    """Put the parts one after the other, each at a whole word, behind what says where they are."""
    room = _WORD * (1 + sum(len(name) + 40 for name in parts) // _WORD + 8)
    start, places = 2 * _WORD + room, {}
    for name, part in parts.items():
        places[name] = (start, start + len(part))
        start += len(part) + -len(part) % _WORD
    told = msgspec.json.encode(Contents(places, events_bytes)).ljust(room)
    padded = (part + bytes(-len(part) % _WORD) for part in parts.values())
    return b"".join((MAGIC, room.to_bytes(_WORD, "little"), told, *padded))


def _fingerprints(catalogue: Catalogue) -> _Parts:
    numbers: list[int] = []
    counts: list[int] = []
    for (kind, value, lane), group in groupby(catalogue.named, key=lambda each: each[:3]):
        numbers.append(fingerprint(lane, kind, value))
        counts.append(sum(1 for _ in group))
    values = np.repeat(np.array(numbers, np.uint64), counts)
    return _looked_up("values", "value_sights", values, [each[-1] for each in catalogue.named])


def _addresses(catalogue: Catalogue) -> _Parts:
    """Return the addresses of both families in their order; of IPv6 the upper half."""
    found: dict[ObservableType, tuple[list[int], list[int]]] = {"ipv4": ([], []), "ipv6": ([], [])}
    for number, (kind, value, _, _) in enumerate(catalogue.sights):
        if kind in found:
            found[kind][0].append(int(in_order(value)[2:][:_UPPER_DIGITS], 16))
            found[kind][1].append(number)
    parts: _Parts = {}
    for kind, (addresses, numbers) in found.items():
        parts |= _looked_up(kind, f"{kind}_sights", np.array(addresses, np.uint64), numbers)
    return parts


def _looked_up(name: str, of: str, column: np.ndarray, sights: Sequence[int]) -> _Parts:
    numbers = np.array(sights, np.uint32)
    order = np.lexsort((numbers, column))
    return {name: column[order].tobytes(), of: numbers[order].tobytes()}


def _sights(catalogue: Catalogue) -> _Parts:
    starts, counts = catalogue.rows.offsets.to_numpy(), catalogue.rows.value_lengths().to_numpy()
    flat = catalogue.rows.flatten().to_numpy().astype(np.uint32)
    told = [
        Sighted(kind, value, lane, field, first, count)
        for (kind, value, lane, field), first, count in zip(
            catalogue.sights, (starts - starts[0]).tolist(), counts.tolist(), strict=False
        )
    ]
    sights = (msgspec.msgpack.encode(told[at : at + SIGHTS_A_FRAME]) for at in range(0, len(told), SIGHTS_A_FRAME))
    rows = (_folded(flat[at : at + ROWS_A_FRAME]) for at in range(0, len(flat), ROWS_A_FRAME))
    return _frames("sights", sights) | _frames("rows", rows)


def _folded(rows: np.ndarray) -> bytes:
    """Return rows as what each is more than the one before, all lowest bytes first: so they take little room."""
    return np.diff(rows, prepend=np.uint32(0)).view(np.uint8).reshape(-1, 4).T.tobytes()


def _frames(part: str, bodies: Iterator[bytes]) -> _Parts:
    packer = zstandard.ZstdCompressor(level=1, write_checksum=True)
    packed = [packer.compress(body) for body in bodies]
    ends = np.cumsum([len(each) for each in packed], dtype=np.uint64)
    return {part: b"".join(packed), f"{part}_ends": ends.tobytes()}


def _pages(events_file: Path) -> _Parts:
    """Return where single events are found; nothing of a file whose columns are not plain, as others write them."""
    with pq.ParquetFile(events_file) as file, events_file.open("rb") as opened:
        if not file.metadata.num_rows:
            return {}
        try:
            tables = {name: _page_table(file, opened, name) for name in PAGED}
        except UnknownPage:
            return {}
        there = [name for name in _FORMED if name in file.schema_arrow.names]
        with pq.ParquetFile(events_file, metadata=file.metadata, read_dictionary=there) as again:
            forms = _forms(again.read(there, use_threads=False).unify_dictionaries())
    return tables | _frames("forms", iter([msgspec.msgpack.encode(forms)]))


def _page_table(file: pq.ParquetFile, opened: BinaryIO, name: str) -> bytes:
    table = bytearray()
    place, row = file.schema_arrow.get_field_index(name), 0
    for number in range(file.metadata.num_row_groups):
        # no column before the paged ones is nested, so that both schemas count them alike
        chunk = file.metadata.row_group(number).column(place)
        if chunk.path_in_schema != name or chunk.compression != "ZSTD" or chunk.has_dictionary_page:
            raise UnknownPage
        start = chunk.data_page_offset
        for page in placed_pages(os.pread(opened.fileno(), chunk.total_compressed_size, start)):
            table += PAGE.pack(start + page.start, page.packed_bytes, page.checksum, row, page.unpacked_bytes)
            row += page.values
    if row != file.metadata.num_rows:
        raise UnknownPage
    return bytes(table)


def _forms(table: pa.Table) -> Forms:
    codes = np.zeros(table.num_rows, np.int64)
    for column in table.itercolumns():
        values = column.combine_chunks()
        absent = len(values.dictionary)
        codes = codes * (absent + 1) + values.indices.fill_null(absent).to_numpy()
    _, first, rows = np.unique(codes, return_index=True, return_inverse=True)
    told = table.take(first).to_pylist()
    forms = [(each["source"], each["kind"], each["lane"], each.get("header") or b"") for each in told]
    width = next(width for width in (1, 2, 4) if len(forms) <= 1 << 8 * width)
    return Forms(forms, width, rows.astype(f"<u{width}").tobytes())
