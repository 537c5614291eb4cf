"""`key=value` pairs in the text of a log, in linear time."""

import re
from typing import Final

_PAIR: Final = re.compile(r"(?<![^\s,;(])([A-Za-z][A-Za-z0-9_.-]{0,63})=")
_ENDS: Final = {'"': '"', "<": ">", "[": "]"}
MAX_PAIRS: Final = 256


def pairs(text: str) -> dict[str, object]:
    """Return the pairs of a line; a key that comes again makes a list, what is quoted loses its quotes.

    >>> pairs('from=<a@b.example>, size=12, helo=<x>, note="two words"')
    {'from': 'a@b.example', 'size': '12', 'helo': 'x', 'note': 'two words'}
    """
    found: dict[str, object] = {}
    place = 0
    for _ in range(MAX_PAIRS):
        match = _PAIR.search(text, place)
        if match is None:
            break
        value, place = _value(text, match.end())
        add(found, match[1], value)
    return found


def add(record: dict[str, object], key: str, value: str) -> None:
    """Keep a value under a key beside the ones that are there."""
    known = record.get(key)
    if known is None:
        record[key] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        record[key] = [known, value]


def _value(text: str, start: int) -> tuple[str, int]:
    closing = _ENDS.get(text[start : start + 1])
    if closing is not None:
        end = text.find(closing, start + 1)
        if end >= 0:
            return text[start + 1 : end], end + 1
    end = start
    while end < len(text) and text[end] not in " \t,;":
        end += 1
    return text[start:end], end
