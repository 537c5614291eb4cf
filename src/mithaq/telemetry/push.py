"""What senders really push over HTTP, as lines: compressed bodies, JSON arrays, JSON objects one after another.

Vector's `http` sink sends NDJSON (`application/x-ndjson`) or an array (`application/json`), with gzip, zlib, zstd or
nothing; Fluent Bit's `http` output sends an array, `json_lines` (`application/x-ndjson`) or `json_stream` (objects
without anything between them), with gzip or zstd. Curl and scripts send lines.

Source: vectordotdev/vector `src/sinks/http/`, fluent/fluent-bit `plugins/out_http/http.c` and their documentation.
"""

import json
import zlib
from typing import Final

import msgspec
import zstandard

from mithaq.telemetry.errors import PushTooLarge, PushUnreadable, PushUnsupported

_JSON: Final = "application/json"
_FOREIGN: Final = frozenset({"application/msgpack", "application/x-protobuf", "application/octet-stream"})
_ZSTD_WINDOW: Final = 1 << 27
_ZSTD_STEP: Final = 1024
_GZIP, _ZLIB = 31, 15


def unpacked(body: bytes, *, content_type: str, content_encoding: str, max_bytes: int) -> bytes:
    """Return a pushed body as lines; an event that was sent over several lines becomes one.

    Raises:
        PushUnsupported: the encoding or the type is none that is read here.
        PushUnreadable: the body is not what its headers say.
        PushTooLarge: it expands to more than `max_bytes`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _FOREIGN:
        raise PushUnsupported("bodies of the type %(type)s are not read; send JSON lines", type=media_type)
    for coding in reversed([part.strip().lower() for part in content_encoding.split(",") if part.strip()]):
        body = _expanded(body, coding, max_bytes)
    if body.lstrip()[:1] == b"[":
        return _array(body)
    return _stream(body) if media_type == _JSON else body


def _expanded(body: bytes, coding: str, max_bytes: int) -> bytes:
    try:
        match coding:
            case "identity":
                return body
            case "gzip" | "x-gzip":
                out = _inflated(body, _GZIP, max_bytes)
            case "deflate":
                out = _inflated(body, _ZLIB, max_bytes)
            case "zstd":
                out = _unzstd(body, max_bytes)
            case _:
                raise PushUnsupported(
                    "the encoding %(coding)s is not read; send gzip, zstd or none", coding=coding[:40]
                )
    except (zlib.error, zstandard.ZstdError) as error:
        raise PushUnreadable("the body is not %(coding)s: it is damaged", coding=coding, private=str(error)) from error
    if len(out) > max_bytes:
        raise PushTooLarge("the body is larger than %(limit)d bytes", limit=max_bytes)
    return out


def _inflated(body: bytes, window: int, max_bytes: int) -> bytes:
    """Expand one member after another, up to the limit; a body that was cut is refused."""
    out = bytearray()
    while body and len(out) <= max_bytes:
        decoder = zlib.decompressobj(window)
        out += decoder.decompress(body, max_bytes + 1 - len(out))
        if not decoder.eof and len(out) <= max_bytes:
            raise zlib.error("it ends too early")
        body = decoder.unused_data
    return bytes(out)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    """Expand one frame after another in small steps, since a step cannot be bounded otherwise."""
    out, is_whole = bytearray(), True
    while body and len(out) <= max_bytes:
        decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        place, is_whole = 0, False
        while place < len(body) and not decoder.eof and len(out) <= max_bytes:
            out += decoder.decompress(body[place : place + _ZSTD_STEP])
            place += _ZSTD_STEP
        is_whole = decoder.eof
        body = decoder.unused_data + body[place:]
    if not is_whole and len(out) <= max_bytes:
        raise zstandard.ZstdError("it ends too early")
    return bytes(out)


def _array(body: bytes) -> bytes:
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PushUnreadable("the body is no JSON array", private=str(error)) from error
    return b"\n".join(_on_one_line(bytes(item)) for item in items)


def _stream(body: bytes) -> bytes:
    """Part objects that stand one after another; what is not JSON stays as it is, and becomes a broken line."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"\n".join(part for line in body.split(b"\n") for part in _objects(line))
    return _on_one_line(body)


def _objects(line: bytes) -> list[bytes]:
    try:
        text = line.decode().strip()
        decoder, found, place = json.JSONDecoder(), [], 0
        while place < len(text):
            _, end = decoder.raw_decode(text, place)
            found.append(text[place:end].encode())
            place = end
            while text[place : place + 1].isspace():
                place += 1
    except (ValueError, RecursionError):
        return [line]
    return found


def _on_one_line(item: bytes) -> bytes:
    """Line feeds in JSON stand between its parts and never within a string."""
    return item.replace(b"\r", b" ").replace(b"\n", b" ").strip()
