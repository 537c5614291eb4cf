"""How the parts of a STIX pattern bind (STIX 2.1 §9), for whoever makes something of them: a tree, or a form.

FOLLOWEDBY binds weakest, then OR, then AND; within an observation OR weaker than AND; a qualifier binds to what stands
before it; parentheses say otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from mithaq.standards.stix.grammar import Unreadable, Walk

Observed = TypeVar("Observed")
Compared = TypeVar("Compared")
Part = TypeVar("Part")
_UNITS: Final = {"WITHIN": "SECONDS", "REPEATS": "TIMES"}


class Binding(Walk, ABC, Generic[Observed, Compared]):
    """Read one pattern, left to right; `Observed` is what observations become, `Compared` what comparisons do.

    Of several parts joined by one word, `joined` and `combined` get at least two.
    """

    def whole(self) -> Observed:
        """Read the whole pattern.

        Raises:
            Unreadable: it does not follow the grammar.
        """
        found = self._followed()
        self._expect("")
        return found

    @abstractmethod
    def joined(self, word: str, parts: list[Observed]) -> Observed:
        """Return observations that are joined by FOLLOWEDBY, OR or AND."""

    @abstractmethod
    def observed(self, test: Compared) -> Observed:
        """Return one observation, `[…]`."""

    @abstractmethod
    def qualified(self, word: str, part: Observed) -> Observed:
        """Return what WITHIN, REPEATS or START limits; the word was read, its values and units come next."""

    @abstractmethod
    def combined(self, word: str, parts: list[Compared]) -> Compared:
        """Return comparisons of one observation that are joined by OR or AND."""

    @abstractmethod
    def compared(self) -> Compared:
        """Read one comparison."""

    def _unit(self, word: str) -> None:
        self._expect(_UNITS[word])

    def _followed(self) -> Observed:
        return self._row("FOLLOWEDBY", self._either, self.joined)

    def _either(self) -> Observed:
        return self._row("OR", self._together, self.joined)

    def _together(self) -> Observed:
        return self._row("AND", self._observation, self.joined)

    def _observation(self) -> Observed:
        if self._take_if("["):
            found = self.observed(self._any())
            self._expect("]")
        elif self._peek() == "(":
            found = self._inside(self._followed)
        else:
            raise Unreadable(f"[ or ( expected at character {self._tokens[self._next].position + 1}")
        while self._peek() in {"WITHIN", "REPEATS", "START"}:
            found = self.qualified(self._take().text, found)
        return found

    def _any(self) -> Compared:
        return self._row("OR", self._all, self.combined)

    def _all(self) -> Compared:
        return self._row("AND", self._single, self.combined)

    def _single(self) -> Compared:
        return self._inside(self._any) if self._peek() == "(" else self.compared()

    def _row(self, word: str, part: Callable[[], Part], join: Callable[[str, list[Part]], Part]) -> Part:
        parts = [part()]
        while self._take_if(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(word, parts)

    def _inside(self, part: Callable[[], Part]) -> Part:
        self._expect("(")
        self._enter()
        found = part()
        self._expect(")")
        self._leave()
        return found
