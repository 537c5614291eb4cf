"""Read the grammar of STIX patterns (STIX 2.1 §9) into alternatives of tests; what they mean is judged elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from mithaq.kernel.reason import Reason

_MAX_NESTING: Final = 32

# Possessive throughout: one pass, whatever the input.
_TOKEN: Final = re.compile(
    r"\s++"
    r"|(?P<string>[hbt]?'(?>[^'\\]++|\\.)*+')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_-]*+)"
    r"|(?P<number>[+-]?[0-9]++(?:\.[0-9]++)?+)"
    r"|(?P<sign>!=|<>|==|<=|>=|[=<>\[\]().:,*])",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
Value = TypeVar("Value")


class Unreadable(Exception):
    """The pattern does not follow the grammar; the text says where."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a pattern: its kind, its text, and where it begins."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: object type, path, operator, values; `negated` for NOT and !=."""

    object_type: str
    path: tuple[str, ...]
    operator: str
    values: tuple[str, ...]
    negated: bool

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """Return what two comparisons of one thing's properties share: its type and the path without its end."""
        return (self.object_type, self.path[:-1])


# A pattern in disjunctive form: any of the conjunctions makes it true.
Conjunction = tuple[Comparison, ...]


def refusal(code: str, message: str, **params: str | int) -> Reason:
    """Return why a pattern, or a part of it, cannot be matched by single observables."""
    return Reason(code, message, params, "write one indicator for each value that is dangerous by itself")


def tokens_of(pattern: str) -> Iterator[Token]:
    """Yield the tokens of a pattern; the last one is `end`.

    Raises:
        Unreadable: a character begins no token.
    """
    position = 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise Unreadable(f"character {position + 1}")
        if match.lastgroup is not None:
            yield Token(match.lastgroup, match.group(), position)
        position = match.end()
    yield Token("end", "", position)


class Walk:
    """Go through the tokens of a pattern once, left to right."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(tokens_of(pattern))
        self._next = 0
        self._nesting = 0

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise Unreadable(f"more than {_MAX_NESTING} parentheses deep")

    def _leave(self) -> None:
        self._nesting -= 1

    def _peek(self) -> str:
        token = self._tokens[self._next]
        return "" if token.kind == "string" else token.text

    def _take(self) -> Token:
        token = self._tokens[self._next]
        if token.kind == "end":
            raise Unreadable("it ends too early")
        self._next += 1
        return token

    def _take_if(self, *texts: str) -> bool:
        if self._peek() in texts:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        token = self._tokens[self._next]
        if token.text != text or token.kind == "string":
            raise Unreadable(f"{text or 'the end'!r} expected at character {token.position + 1}")
        self._next += 1

    def _object_path(self) -> tuple[str, list[str]]:
        """Read the type of an object and the path of a property."""
        object_type = self._name()
        self._expect(":")
        path = [self._name()]
        while True:
            if self._take_if("."):
                path.append(self._name())
            elif self._take_if("["):
                token = self._take()
                if token.kind != "number" and token.text != "*":
                    raise Unreadable("a list index is a number or *")
                path += self._index(token.text)
                self._expect("]")
            else:
                return object_type, path

    def _index(self, index: str) -> list[str]:
        """Return what an index of a list adds to a path: nothing where any element will do."""
        del index
        return []

    def _name(self) -> str:
        token = self._take()
        if token.kind == "word":
            return token.text
        if token.kind == "string" and token.text[0] == "'":
            return self._text(token)
        raise Unreadable(f"a name expected at character {token.position + 1}")

    def _text(self, token: Token) -> str:
        """Return the text between the quotes of a token; a backslash makes any character stand for itself."""
        return _ESCAPE.sub(r"\1", token.text[token.text.index("'") + 1 : -1])

    def _listed(self, value: Callable[[], Value]) -> list[Value]:
        """Read values in parentheses, after IN."""
        self._expect("(")
        values = [value()]
        while self._take_if(","):
            values.append(value())
        self._expect(")")
        return values


class Comparisons(Walk):
    """Read single comparisons where the tokens are at one."""

    def _test(self) -> Comparison:
        is_existence = self._take_if("EXISTS")
        object_type, steps = self._object_path()
        path = tuple(steps)
        if is_existence:
            return Comparison(object_type, path, "EXISTS", (), False)
        negated = self._take_if("NOT")
        operator = self._take().text
        if operator in {"!=", "<>"}:
            return Comparison(object_type, path, "=", (self._value(),), True)
        if operator == "IN":
            return Comparison(object_type, path, "IN", tuple(self._listed(self._value)), negated)
        if operator in {"=", "==", "<", ">", "<=", ">=", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"}:
            return Comparison(object_type, path, "=" if operator == "==" else operator, (self._value(),), negated)
        raise Unreadable(f"unknown operator {operator[:20]!r}")

    def _value(self) -> str:
        token = self._take()
        if token.kind == "string":
            return self._text(token)
        if token.kind in {"number", "word"}:
            return token.text
        raise Unreadable(f"a value expected at character {token.position + 1}")


class Reader(Comparisons):
    """Read a pattern once, left to right; `reason` says what no single observation can show."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self.tests: list[Comparison] = []
        self.reason: Reason | None = None

    def pattern(self) -> list[Conjunction]:
        """Return the alternatives of the whole pattern.

        Raises:
            Unreadable: it does not follow the grammar.
        """
        found = self._observations()
        self._expect("")
        return found

    def _observations(self) -> list[Conjunction]:
        found = self._observation()
        while self._peek() in {"OR", "AND", "FOLLOWEDBY"}:
            word = self._take().text
            if word != "OR":
                self._refuse(
                    "pattern-several-observations",
                    "the pattern needs several observations together (%(word)s)",
                    word=word,
                )
            found += self._observation()
        return found

    def _observation(self) -> list[Conjunction]:
        opening = self._take()
        if opening.text == "[":
            found = self._any_of()
            self._expect("]")
        elif opening.text == "(":
            self._enter()
            found = self._observations()
            self._expect(")")
            self._leave()
        else:
            raise Unreadable(f"[ or ( expected at character {opening.position + 1}")
        self._qualifiers()
        return found

    def _qualifiers(self) -> None:
        while self._peek() in {"WITHIN", "REPEATS", "START"}:
            word = self._take().text
            self._refuse("pattern-qualifier", "the pattern limits time or number (%(word)s)", word=word)
            self._take()
            self._take_if("SECONDS", "TIMES")
            if word == "START":
                self._expect("STOP")
                self._take()

    def _any_of(self) -> list[Conjunction]:
        """OR binds weaker than AND (STIX 2.1 §9.6.1)."""
        found = self._all_of()
        while self._take_if("OR"):
            found += self._all_of()
        return found

    def _all_of(self) -> list[Conjunction]:
        groups = [self._comparison()]
        while self._take_if("AND"):
            groups.append(self._comparison())
        if len(groups) == 1:
            return groups[0]
        if any(len(group) > 1 for group in groups):
            self._refuse("pattern-and", "the pattern needs several things at once (AND)")
        return [tuple(test for group in groups for test in group[0])]

    def _comparison(self) -> list[Conjunction]:
        if self._take_if("("):
            self._enter()
            found = self._any_of()
            self._expect(")")
            self._leave()
            return found
        test = self._test()
        self.tests.append(test)
        return [(test,)]

    def _refuse(self, code: str, message: str, **params: str | int) -> None:
        self.reason = self.reason or refusal(code, message, **params)
