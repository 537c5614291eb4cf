"""One form for all patterns that mean the same (STIX 2.1 §9), so that equal indicators under other ids are found.

What may differ: white space, quotes, `==` and `<>`, the order and repetition of what OR and AND join, parentheses that
change nothing, `IN` for a row of equalities, and the spelling of an address, a name, a URL or a hash. Everything else
is kept as it stands: where this module is not sure that two patterns mean the same, their forms differ.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mithaq.standards.defang import refang_value
from mithaq.standards.stix.binding import Binding
from mithaq.standards.stix.grammar import Comparison, Token, Unreadable
from mithaq.standards.stix.pattern import MAX_PATTERN_CHARS, ONE_EQUALITY, hash_kind, observable_of

_ESCAPED: Final = re.compile(r"\\(['\\])")
_LOOSE: Final = frozenset({"ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr"})
_ADDRESS_KINDS: Final = {"ipv4-addr": {"ipv4"}, "ipv6-addr": {"ipv6"}, "domain-name": {"domain"}}
_COMPARING: Final = frozenset({"=", "<", ">", "<=", ">=", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})
_SAME: Final = {"==": "=", "<>": "!="}


class _Node(list[Any]):
    """A part of a form: its kind, then its parts or what JSON can write; its text is written once, however deep."""

    text = ""


def meaning_of(pattern: str, pattern_type: str = "stix") -> str | None:
    """Return the form that all patterns of the same meaning share, or None for a pattern that cannot be read.

    A pattern in another language is its own text.

    >>> meaning_of("[domain-name:value = 'Evil.Example']") == meaning_of("[ domain-name:'value'=='evil.example.' ]")
    True
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        return None
    if pattern_type not in {"", "stix"}:
        return _written(_Node([pattern_type, pattern.strip()]))
    single = ONE_EQUALITY.fullmatch(pattern)
    try:
        if single is not None:
            return _written(_Node(["obs", _equality(single.group(1), [single.group(2)], ["s", single.group(3)])]))
        return _written(_Former(pattern).whole())
    except Unreadable:
        return None


def _written(node: _Node) -> str:
    if not node.text:
        parts = (_written(each) if isinstance(each, _Node) else _json(each) for each in node)
        node.text = f"[{','.join(parts)}]"
    return node.text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _joined(word: str, parts: list[_Node], *, once: bool) -> _Node:
    """Join parts in one order; `once`: a part that is there twice says nothing more than once."""
    if len(parts) == 1:
        return parts[0]
    flat: list[_Node] = []
    for part in parts:
        flat += part[1:] if part[0] == word else [part]
    if once:
        flat = list({_written(each): each for each in flat}.values())
    found = sorted(flat, key=_written)
    return found[0] if len(found) == 1 else _Node([word, *found])


def _outside(tests: list[_Node]) -> _Node:
    """Return NOT IN: of a list it asks for one element outside the set, where a row of != may be met by several."""
    found = _joined("and", tests, once=True)
    return _Node(["not-in", *found[1:]]) if found[0] == "and" else found


class _Former(Binding[_Node, _Node]):
    """Make the form of one pattern."""

    def joined(self, word: str, parts: list[_Node]) -> _Node:
        """Join observations. AND asks for different ones: the same one twice is more than once (§9.5)."""
        if word == "FOLLOWEDBY":
            return _Node(["followedby", *parts])
        return _joined(f"o-{word.lower()}", parts, once=word == "OR")

    def observed(self, test: _Node) -> _Node:
        """Return one observation; `[a OR b]` is true exactly when `[a] OR [b]` is."""
        if test[0] == "or":
            return _joined("o-or", [_Node(["obs", each]) for each in test[1:]], once=True)
        return _Node(["obs", test])

    def qualified(self, word: str, part: _Node) -> _Node:
        """Read what limits observations."""
        limit = self._value()
        if word == "START":
            self._expect("STOP")
            return _Node(["start", limit, self._value(), part])
        self._unit(word)
        return _Node([word.lower(), limit, part])

    def combined(self, word: str, parts: list[_Node]) -> _Node:
        """Join comparisons."""
        found = _joined(word.lower(), parts, once=True)
        return found if word == "OR" else _without_guards(found)

    def compared(self) -> _Node:
        """Read one comparison."""
        if self._take_if("EXISTS"):
            object_type, path = self._object_path()
            return _Node(["exists", object_type, _steps(object_type, path)])
        return self._test(*self._object_path())

    def _test(self, object_type: str, path: list[str]) -> _Node:
        negated = self._take_if("NOT")
        operator = self._take().text
        operator = _SAME.get(operator, operator)
        if operator == "!=":
            if negated:
                raise Unreadable("NOT !=")
            operator, negated = "=", True
        if operator == "IN":
            values = self._listed(self._value)
            if negated and len(values) > 1:
                return _outside([_equality(object_type, path, value, negated=True) for value in values])
            return _joined("or", [_equality(object_type, path, each, negated=negated) for each in values], once=True)
        if operator not in _COMPARING:
            raise Unreadable(f"unknown operator {operator[:20]!r}")
        value = self._value()
        if operator == "=":
            return _equality(object_type, path, value, negated=negated)
        if operator in {"ISSUBSET", "ISSUPERSET"}:
            value = _spelled(object_type, path, value)
        return _Node(["not" if negated else "is", object_type, _steps(object_type, path), operator, value])

    def _index(self, index: str) -> list[str]:
        return [f"[{index if index == '*' else _number(index)}"]

    def _text(self, token: Token) -> str:
        """Return the text between the quotes; a backslash before anything but these two is kept, as it was written."""
        return _ESCAPED.sub(r"\1", token.text[token.text.index("'") + 1 : -1])

    def _value(self) -> list[str]:
        """Return a value with its kind: the text '80' is not the number 80."""
        token = self._take()
        match token.kind:
            case "string":
                return ["s" if token.text[0] == "'" else token.text[0], self._text(token)]
            case "number":
                return ["n", _number(token.text)]
            case "word":
                return ["w", token.text]
        raise Unreadable(f"a value expected at character {token.position + 1}")


def _equality(object_type: str, path: list[str], value: list[str], *, negated: bool = False) -> _Node:
    """Return an equality, its value as this node compares values of that property."""
    kind, spelled = "not" if negated else "is", _spelled(object_type, path, value)
    return _Node([kind, object_type, _steps(object_type, path), "=", spelled])


def _steps(object_type: str, path: list[str]) -> list[str]:
    """Return a path with the one name of a hash algorithm, which people write in several ways."""
    if object_type not in {"file", "artifact"} or len(path) != 2 or path[0] != "hashes":
        return path
    return ["hashes", hash_kind(path[1]) or path[1]]


def _spelled(object_type: str, path: list[str], value: list[str]) -> list[str]:
    if value[0] != "s" or any(step.startswith("[") for step in path):
        return value
    test = Comparison(object_type, tuple(path), "=", (value[1],), negated=False)
    is_loose = object_type in _LOOSE and path == ["value"]
    found = observable_of(test, refang_value(value[1]) if is_loose else value[1])
    return value if found is None else ["o", found.type, found.value]


def _without_guards(node: _Node) -> _Node:
    """Drop `dst_ref.type = 'ipv4-addr'` beside `dst_ref.value = '…'` where the value is of that type by itself."""
    if node[0] != "and":
        return node
    valued = {_key(test): test[4][1] for test in node[1:] if _is_equality(test, "value") and test[4][0] == "o"}
    kept = [test for test in node[1:] if not (_is_equality(test, "type") and _says_no_more(test, valued))]
    return _joined("and", kept, once=True) if kept else node


def _says_no_more(test: _Node, valued: dict[tuple[Any, ...], str]) -> bool:
    return valued.get(_key(test)) in _ADDRESS_KINDS.get(test[4][1], ())


def _is_equality(test: _Node, end: str) -> bool:
    return test[0] == "is" and test[3] == "=" and len(test[2]) > 1 and test[2][-1] == end


def _key(test: _Node) -> tuple[Any, ...]:
    return (test[1], *test[2][:-1])


def _number(text: str) -> str:
    bare = text.removeprefix("+")
    return str(int(bare)) if "." not in bare and len(bare) < 100 else bare
