"""What a foreign rule may ask of the parser behind: looked at before that parser sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mithaq.detection.sigma import settings
from mithaq.standards.sigma import BadRule

_DASH: Final = re.compile(r"\B[-/]\b")
_WORD: Final = re.compile(r"[^\s()]+")


def check_detection(detection: Mapping[str, Any], subject: str) -> None:
    """Refuse a detection that would cost its parser more than its size shows.

    Raises:
        BadRule: too many selections, a condition too long or too deep, a value with too many spellings.
    """
    selections = {key: value for key, value in detection.items() if key not in ("condition", "timeframe")}
    if len(selections) > settings.MAX_SELECTIONS:
        raise _bad("more than %(max)s selections", subject, max=settings.MAX_SELECTIONS)
    for name in selections:
        if len(name) > settings.MAX_SELECTION_CHARS:
            raise _bad("the name of a selection is longer than %(max)s characters", subject,
                       max=settings.MAX_SELECTION_CHARS)  # fmt: skip
    found = detection.get("condition")
    conditions = found if isinstance(found, list) else [found]
    if len(conditions) > settings.MAX_CONDITIONS:
        raise _bad("more than %(max)s conditions", subject, max=settings.MAX_CONDITIONS)
    values = sum(_count(value) for value in selections.values())
    for condition in conditions:
        if not isinstance(condition, str):
            raise _bad("the condition must be text", subject)
        _check_condition(condition, values, subject)
    _check_spellings(selections, subject)


def _check_condition(condition: str, values: int, subject: str) -> None:
    if len(condition) > settings.MAX_CONDITION_CHARS:
        raise _bad("a condition longer than %(max)s characters", subject, max=settings.MAX_CONDITION_CHARS)
    if _depth(condition) > settings.MAX_CONDITION_DEPTH or _nots(condition) > settings.MAX_CONDITION_NOTS:
        raise _bad("a condition nested deeper than %(max)s levels", subject, max=settings.MAX_CONDITION_DEPTH)
    words = _WORD.findall(condition)
    if any(word.count("*") > settings.MAX_SELECTOR_STARS for word in words):
        raise _bad("more than %(max)s wildcards in the name of selections", subject, max=settings.MAX_SELECTOR_STARS)
    selectors = words.count("of")
    if selectors * values > 5 * settings.MAX_PREDICATES:
        raise _bad("more than %(max)s predicates", subject, max=settings.MAX_PREDICATES)


def _depth(condition: str) -> int:
    deepest = depth = 0
    for character in condition:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _nots(condition: str) -> int:
    """Return how many `not` follow each other at most."""
    most = run = 0
    for word in _WORD.findall(condition):
        run = run + 1 if word == "not" else 0
        most = max(most, run)
    return most


def _check_spellings(selections: Mapping[str, Any], subject: str) -> None:
    for key, value in _items(selections):
        if "windash" not in key.split("|")[1:]:
            continue
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(_DASH.findall(text)) > settings.MAX_DASHES:
                raise _bad("windash in a value with more than %(max)s dashes", subject, max=settings.MAX_DASHES)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _items(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _items(each)


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 1


def _bad(message: str, subject: str, **params: str | int) -> BadRule:
    return BadRule(message, subject=subject, private="", **params)
