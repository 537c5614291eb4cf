"""What an index remembers of the values it was asked of, within one bound for all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.field_index import FieldIndex
from mithaq.detection.sigma.fields import text_of


class Verdict:
    """What a value makes true: numbers of predicates, and the rules that have one of them as a witness.

    All values of a column with the same answers share one, and two are equal only where they are the same.
    """

    __slots__ = ("rules", "true")

    def __init__(self, true: tuple[int, ...], rules: tuple[int, ...]) -> None:
        self.true: Final = true
        self.rules: Final = rules


class Memory:
    """Count what is remembered, and forget everything where it becomes too much: it is worked out anew then."""

    def __init__(self) -> None:
        self._forgets: list[Callable[[], None]] = []
        self._entries = 0
        self._chars = 0

    def share(self, forget: Callable[[], None]) -> None:
        """Call this too when everything is forgotten."""
        self._forgets.append(forget)

    def make_room(self, chars: int) -> None:
        """Count one more entry of so many characters, before it is remembered."""
        full = self._entries >= settings.MAX_REMEMBERED or self._chars + chars > settings.MAX_REMEMBERED_TEXT
        if full:
            for forget in self._forgets:
                forget()
            self._entries = self._chars = 0
        self._entries += 1
        self._chars += chars


class Column(dict[object, Verdict | None]):
    """The verdicts on one field's values, by text, for the rules of one route; None where a value makes nothing true.

    A text that was not seen lately is asked when it is looked up; only texts are remembered, so that true is never
    taken for 1. `relevant` are the predicates of the route's rules.
    """

    def __init__(
        self,
        index: FieldIndex,
        relevant: frozenset[int],
        rules: frozenset[int],
        witnessed: Mapping[int, Sequence[int]],
        memory: Memory,
    ) -> None:
        super().__init__()
        self.index: Final = index
        self._relevant = relevant
        self._rules = rules
        self._witnessed = witnessed
        self._memory = memory
        self._verdicts: dict[tuple[int, ...], Verdict] = {}
        memory.share(self.forget)

    def __missing__(self, value: object) -> Verdict | None:
        text = text_of(value)
        if text is None:
            return self.verdict(self.index.numbers(value))
        if text is not value:
            return self[text]
        verdict = self.verdict(self.index.of_text(text))
        if len(text) <= settings.MAX_REMEMBERED_CHARS:
            self._memory.make_room(len(text))
            self[text] = verdict
        return verdict

    def of(self, value: object) -> Verdict | None:
        """Return the verdict on a value of any kind, also of one that cannot be a key; of a list, any item will do."""
        if isinstance(value, list):
            items = map(self.of, value[: settings.MAX_LIST_ITEMS])
            return self.verdict(self.index.numbers([]) + [number for each in items if each for number in each.true])
        return self[value] if value.__class__ is str else self.__missing__(value)

    def verdict(self, numbers: Collection[int]) -> Verdict | None:
        """Return the verdict on what makes these predicates true."""
        if not numbers:
            return None
        true = tuple(sorted(self._relevant.intersection(numbers)))
        if not true:
            return None
        known = self._verdicts.get(true)
        if known is None:
            rules = {rule for number in true for rule in self._witnessed.get(number, ())}
            self._memory.make_room(len(true))
            known = self._verdicts[true] = Verdict(true, tuple(sorted(rules & self._rules)))
        return known

    def forget(self) -> None:
        """Forget every verdict."""
        self.clear()
        self._verdicts.clear()
