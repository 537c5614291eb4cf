"""Which of a few objects have a token, put together before it is known which rows they become.

An object's place is its number among those that are read together, at most a part full. Where all of them become new
rows, one after another, which is by far most of an import, their places are those of the rows in their part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mithaq.intelligence.places import are_places, decode, encode, places_of

BETWEEN_TOKENS: Final = b"\n"
"""Stands in no token."""

Listed = tuple[bytes, bytes]
"""A token, and the places of those that have it, as they are stored."""


def listed(entries: Iterable[tuple[int, Iterable[str]]]) -> list[Listed]:
    """Return what is to be stored of objects at ascending places with their tokens, each once, in the tokens' order."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, tokens in entries:
        for token in tokens:  # the innermost loop of every import
            found[token].append(place)
    return [(token.encode(), encode(found[token])) for token in sorted(found)]


class Concordance:
    """The tokens of some objects, as a process that reads them passes them on: few texts and numbers, nothing twice."""

    def __init__(self, count: int, tokens: str, places: Sequence[bytes]) -> None:
        self.count = count
        self._tokens = tokens
        self._places = places
        self._by_place: list[list[str]] | None = None

    def listed(self) -> list[Listed]:
        """Return what is to be stored, in the tokens' order."""
        return list(zip(self._tokens.encode().split(BETWEEN_TOKENS), self._places, strict=True))

    def is_sound(self) -> bool:
        """Tell whether this is what `listed` returns of so many objects: else it is not to be stored."""
        tokens = self._tokens.split(BETWEEN_TOKENS.decode())
        is_listed = len(tokens) == len(self._places) and tokens == sorted(set(tokens))
        return (self.count == 0 and not self._places) or (is_listed and are_places(self._places, self.count))

    def of(self, place: int) -> list[str]:
        """Return the tokens of one object."""
        if self._by_place is None:
            self._by_place = [[] for _ in range(self.count)]
            for token, stored in self.listed():
                text = token.decode()
                for each in places_of(decode(stored)):
                    self._by_place[each].append(text)
        return self._by_place[place]

    def shares(self) -> Iterator[Share]:
        """Yield what each object has, in order."""
        return (Share(self, place) for place in range(self.count))


class Share:
    """The tokens of one object in a concordance: looked for there only when they are asked for by themselves."""

    __slots__ = ("place", "whole")

    def __init__(self, whole: Concordance, place: int) -> None:
        self.whole = whole
        self.place = place

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole.of(self.place))


def whole_of(tokens: Sequence[Iterable[str]]) -> Concordance | None:
    """Return the concordance of which these are all the shares, in their order; None where they are anything else."""
    first = tokens[0]
    if not isinstance(first, Share) or len(tokens) != first.whole.count:
        return None
    whole = first.whole
    for place, each in enumerate(tokens):
        if not isinstance(each, Share) or each.whole is not whole or each.place != place:
            return None
    return whole
