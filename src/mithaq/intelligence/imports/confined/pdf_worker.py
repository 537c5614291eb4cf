"""Read the text of a PDF in a process that holds no keys; started by `documents.py`, file in, lines of JSON out.

Nothing in a PDF is run, opened or fetched: scripts, actions, attachments and forms are not looked at. A line is
`{"text": …}` for a page, `{"page": n}` for one that cannot be read, or `{"end": why}` where the reading ends early.
"""

import io
import sys
import time
from typing import Any

from mithaq.intelligence.imports.confined.limits import confine, write

_MAX_PAGES = 2000
_MAX_CHARS = 2_000_000
_SHARE = 0.7
"""Of its processor time, after which no further page is begun, so that what was read is not lost."""


def main() -> None:
    """Read page by page, within the limits."""
    file = confine()
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(file), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            write({"end": "encrypted"})
            return
        _read(iter(reader.pages))
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


def _read(pages: Any) -> None:
    left = _MAX_CHARS
    for number, page in enumerate(pages, 1):
        if number > _MAX_PAGES:
            write({"end": "pages"})
            return
        if time.process_time() > _SHARE * int(sys.argv[2]):
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


if __name__ == "__main__":
    main()
