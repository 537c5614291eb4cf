"""Texts and regular expressions as Hyperscan and RE2 read them; what neither can is refused with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import hyperscan
import re2

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.model import Operator, Predicate
from mithaq.standards.sigma import BadRule

MANY: Final = "*"
ONE: Final = "?"

_FLAGS: Final = {
    "like": hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH,
    "like-cased": hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH,
    "re": hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY | hyperscan.HS_FLAG_UTF8,
}
_SIMPLE_CHARS: Final = 1_000
"""A wildcard pattern up to this length, with few wildcards, is one that Hyperscan takes."""
_SIMPLE_GAPS: Final = 3


class Part(str):
    """One piece of a wildcard pattern that is a wildcard, not text."""

    __slots__ = ()


def wildcard_pattern(parts: Sequence[str], *, anchored: bool) -> str:
    """Return the regular expression of a wildcard pattern; leading and trailing `*` cost nothing.

    >>> wildcard_pattern([Part("*"), "mimi.exe"], anchored=True)
    'mimi\\\\.exe\\\\z'
    """
    inner = list(parts)
    starts, ends = anchored, anchored
    while inner and isinstance(inner[0], Part) and inner[0] == MANY:
        starts = False
        del inner[0]
    while inner and isinstance(inner[-1], Part) and inner[-1] == MANY:
        ends = False
        del inner[-1]
    text = "".join(_written(part) for part in inner)
    return ("\\A" if starts else "") + text + ("\\z" if ends else "")


def json_escaped(parts: Sequence[str]) -> list[str]:
    """Return the pieces as they stand between the quotes of a JSON text."""
    return [part if isinstance(part, Part) else json.dumps(part, ensure_ascii=False)[1:-1] for part in parts]


def like(field: str, parts: Sequence[str], *, cased: bool, anchored: bool, subject: str) -> Predicate:
    """Return the predicate of a wildcard pattern, for the engine that can take it.

    Raises:
        BadRule: neither engine takes it.
    """
    pattern = wildcard_pattern(parts, anchored=anchored)
    operator: Operator = "like-cased" if cased else "like"
    if len(pattern) <= _SIMPLE_CHARS and pattern.count(".*") <= _SIMPLE_GAPS:
        return Predicate(field, operator, pattern)
    if hyperscan_takes(operator, pattern):
        return Predicate(field, operator, pattern)
    slow = ("(?s)" if cased else "(?is)") + pattern
    check_re2(slow, subject)
    return Predicate(field, "re-slow", slow)


def regular_expression(field: str, pattern: str, subject: str) -> Predicate:
    """Return the predicate of a rule's own regular expression.

    Raises:
        BadRule: too long, with look-around or back-references, or larger than RE2 may grow.
    """
    if len(pattern) > settings.MAX_REGEX_CHARS:
        raise _bad("a regular expression longer than %(max)s characters", subject, max=settings.MAX_REGEX_CHARS)
    program = check_re2(pattern, subject)
    fast = program <= settings.MAX_HYPERSCAN_PROGRAM and hyperscan_takes("re", pattern)
    return Predicate(field, "re" if fast else "re-slow", pattern)


def flags_of(predicate: Predicate) -> int:
    """Return Hyperscan's flags for a predicate."""
    flags = _FLAGS[predicate.operator]
    if not predicate.value.isascii() or re.search(r"(?<!\\)\.(?!\*)", predicate.value):
        flags |= hyperscan.HS_FLAG_UTF8
    return flags


def hyperscan_takes(operator: Operator, pattern: str) -> bool:
    """Tell whether Hyperscan compiles a pattern.

    Cost: up to 0.1 s for a pattern of `MAX_HYPERSCAN_PROGRAM` instructions.
    """
    predicate = Predicate("", operator, pattern)
    try:
        hyperscan.Database().compile(expressions=[pattern.encode()], ids=[0], elements=1, flags=[flags_of(predicate)])
    except hyperscan.error:
        return False
    return True


def check_re2(pattern: str, subject: str) -> int:
    """Return the size of RE2's program for a pattern, both directions counted.

    Raises:
        BadRule: RE2 does not take it.
    """
    try:
        compiled = re2_of(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        detail = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise _bad("the regular expression %(pattern)s cannot be bounded: %(problem)s", subject,
                   pattern=pattern[:100], problem=detail[:200]) from error  # fmt: skip
    return max(int(compiled.programsize), int(compiled.reverseprogramsize))


@lru_cache(maxsize=1_000)
def re2_of(pattern: str) -> re2._Regexp:
    """Return a pattern compiled by RE2: linear in the value, within bounds of memory.

    Raises:
        re2.error: it is not one that RE2 takes.
    """
    options = re2.Options()
    options.max_mem = settings.MAX_REGEX_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


def _written(part: str) -> str:
    if isinstance(part, Part):
        return ".*" if part == MANY else "."
    return re.escape(part)


def _bad(message: str, subject: str, **params: str | int) -> BadRule:
    return BadRule(message, subject=subject, private="", **params)
