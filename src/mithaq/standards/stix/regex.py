"""The texts that patterns compare with LIKE and MATCHES, for an engine whose time is linear (RE2)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

MAX_REGEX_CHARS: Final = 2_000
_MAX_BYTES: Final = 4 << 20
_REMEMBERED: Final = 2_000


class Unmatchable(Exception):
    """The expression is too long or large, or none that this engine takes."""


@lru_cache(maxsize=_REMEMBERED)
def like(text: str, *, any_case: bool) -> Any:
    """Return the expression of a LIKE: `%` is any text, `_` any one character (STIX 2.1 §9.6.1).

    Raises:
        Unmatchable: it is too long.
    """
    wanted = {"%": ".*", "_": "."}
    parts = "".join(wanted.get(character) or re2.escape(character) for character in text)
    return _compiled(rf"\A(?:{parts})\z", any_case)


@lru_cache(maxsize=_REMEMBERED)
def regular(text: str, *, any_case: bool) -> Any:
    """Return the expression of a MATCHES, which is found anywhere in a value.

    Raises:
        Unmatchable: RE2 does not take it.
    """
    return _compiled(text, any_case)


def _compiled(text: str, any_case: bool) -> Any:
    if len(text) > MAX_REGEX_CHARS:
        raise Unmatchable("it is too long")
    options = re2.Options()
    options.max_mem = _MAX_BYTES
    options.case_sensitive = not any_case
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise Unmatchable(str(error.args[0] if error.args else error)[:100]) from error
