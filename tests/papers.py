"""Papers for tests: PDFs written by hand, so that the reader's own library did not make what it reads."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 5 0 R >>"
)
_GLYPHS = (
    b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F /DW 600 "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
)


def pdf(pages: Sequence[str], *, catalog: str = "", more: Sequence[bytes] = (), repeat: int = 1) -> bytes:
    """A PDF whose pages show these texts, in any script; `repeat` names each page so many times."""
    streams = [stream(_shown(text)) for text in pages]
    first = 6
    kids = " ".join(f"{first + 2 * place} 0 R" for place in range(len(pages)) for _ in range(repeat))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages) * repeat} >>".encode(),
        _FONT,
        _GLYPHS,
        stream(_to_unicode("".join(pages))),
    ]
    for place, content in enumerate(streams):
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {first + 2 * place + 1} 0 R "
        objects += [f"{page}/Resources << /Font << /F1 3 0 R >> >> >>".encode(), content]
    return written([*objects, *more])


def stream(data: bytes, extra: str = "") -> bytes:
    """A stream object, deflated."""
    packed = zlib.compress(data, 9)
    return f"<< /Length {len(packed)} /Filter /FlateDecode {extra}>>\nstream\n".encode() + packed + b"\nendstream"


def written(objects: Sequence[bytes]) -> bytes:
    """A PDF file of these objects, the first being its catalog."""
    body, places = bytearray(b"%PDF-1.7\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    body += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    body += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(body)


def _shown(text: str) -> bytes:
    lines = b" T* ".join(f"<{line.encode('utf-16-be').hex()}> Tj".encode() for line in text.splitlines() or [""])
    return b"BT /F1 12 Tf 14 TL 50 700 Td " + lines + b" ET"


def _to_unicode(text: str) -> bytes:
    codes = sorted({char.encode("utf-16-be").hex() for char in text if not char.isspace() or char == " "})
    pairs = "\n".join(f"<{code}> <{code}>" for code in codes)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{len(codes)} beginbfchar\n{pairs}\nendbfchar\nendcmap end end"
    ).encode()
