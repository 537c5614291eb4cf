"""Read the text of a PDF in a process that holds no keys; asked by `documents.py` through its nursery.

Nothing in a PDF is run, opened or fetched: scripts, actions, attachments and forms are not looked at. A line
is `{"text": …}` for a page, `{"page": n}` for one that cannot be read, or `{"end": why}` where the reading ends early.
"""

import io
import time
from typing import Any

from mithaq.intelligence.imports.confined.lines import write

_MAX_PAGES = 2000
_MAX_CHARS = 2_000_000
_SHARE = 0.7
"""Of its processor time, after which no further page is begun, so that what was read is not lost."""


def prepare() -> None:
    """Import the reader."""
    import pypdf  # noqa: F401


def work(file: bytes, cpu_s: int) -> None:
    """Read page by page, within the limits."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(file), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            write({"end": "encrypted"})
            return
        _read(iter(reader.pages), _SHARE * cpu_s)
    except (
        PyPdfError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
        NotImplementedError,
    ):
        write({"end": "broken"})
    except MemoryError:
        write({"end": "memory"})


def _read(pages: Any, enough_s: float) -> None:
    left = _MAX_CHARS
    for number, page in enumerate(pages, 1):
        if number > _MAX_PAGES:
            write({"end": "pages"})
            return
        if time.process_time() > enough_s:
            write({"end": "time"})
            return
        try:
            text = page.extract_text()
        except MemoryError:
            write({"page": number})
            continue
        except Exception:  # noqa: BLE001 - the boundary of this process: one page is named, the rest goes on
            write({"page": number})
            continue
        if len(text) > left:
            write({"text": text[:left]})
            write({"end": "chars"})
            return
        left -= len(text)
        write({"text": text})
