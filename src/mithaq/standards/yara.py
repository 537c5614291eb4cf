"""Read YARA rules: what each rule of a file is called and says of itself, and which rules belong together.

Nothing here decides what a rule matches, and nothing is compiled: that is `detection.yara`, in a process with limits.
Only the words of the language are told apart (a division is `\\`, so `/` begins a comment or a regular expression).

Source: the YARA documentation, "Writing YARA rules", and that of YARA-X on where it differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mithaq.kernel.errors import Error

MAX_FILE_BYTES: Final = 16 << 20
MAX_UNIT_BYTES: Final = 1 << 20
"""Of a rule, or of rules that refer to each other."""
MAX_UNIT_WORDS: Final = 300_000
MAX_FILE_WORDS: Final = 3_000_000
MAX_RULES: Final = 20_000
"""Rules in one file."""
MAX_META: Final = 200
MAX_META_CHARS: Final = 10_000
MAX_TAGS: Final = 100

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<regex>/(?:[^/\\\n*]|\\[^\n])(?:[^/\\\n]|\\[^\n])*/[a-z]*)
      | (?P<pattern>[$#@!][A-Za-z0-9_]*)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>-?[0-9][A-Za-z0-9_.]*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_TECHNIQUE: Final = re.compile(r"(?<![A-Za-z0-9])[Tt]([0-9]{4})(?:[._]([0-9]{3}))?(?![A-Za-z0-9])")
_ATTACK_KEYS: Final = ("mitre", "attack", "att_ck", "technique", "ttp")
_SECTIONS: Final = frozenset({"strings", "variables", "condition"})


class BadYara(Error):
    """A YARA rule that cannot be read or followed; the subject is its name, or its place where it has none."""

    code = "bad-yara-rule"


@dataclass(frozen=True, slots=True)
class YaraRule:
    """What one rule says of itself; `uses` are all words of its body, the names of other rules among them."""

    name: str
    text: str
    line: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    is_private: bool = False
    is_global: bool = False
    uses: frozenset[str] = frozenset()

    @property
    def techniques(self) -> tuple[str, ...]:
        """Return the ATT&CK techniques that its tags and the metadata about ATT&CK name, each once."""
        about = (value for key, value in self.meta.items() if any(word in key.lower() for word in _ATTACK_KEYS))
        return techniques_of((*self.tags, *about))


@dataclass(frozen=True, slots=True)
class YaraUnit:
    """Rules that belong together, as one text; it is named after the last of them that is not private."""

    rules: tuple[YaraRule, ...]
    text: str
    imports: tuple[str, ...] = ()

    @property
    def main(self) -> YaraRule:
        """Return the rule that the others serve."""
        public = [rule for rule in self.rules if not rule.is_private]
        return (public or list(self.rules))[-1]

    @property
    def name(self) -> str:
        """Return the name of its main rule."""
        return self.main.name

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of its rules, each once."""
        return tuple(dict.fromkeys(tag for rule in self.rules for tag in rule.tags))

    @property
    def techniques(self) -> tuple[str, ...]:
        """Return the ATT&CK techniques of its rules, each once."""
        return tuple(dict.fromkeys(each for rule in self.rules for each in rule.techniques))


def techniques_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the ATT&CK techniques that texts name, each once, in their usual spelling.

    >>> techniques_of(("attack_t1059_001", "T1027, T1059.001"))
    ('T1059.001', 'T1027')
    """
    found = (match for text in texts for match in _TECHNIQUE.finditer(text))
    return tuple(dict.fromkeys(f"T{each[1]}.{each[2]}" if each[2] else f"T{each[1]}" for each in found))


def read_units(text: bytes, name: str = "") -> Iterator[YaraUnit | BadYara]:
    """Yield the rules of a file, those that refer to each other together; or why it cannot be read.

    A file with one unit is that unit's text as it is; of several, each has its rules with the imports it uses and the
    comment at the beginning of the file, where its licence often stands. `name` stands for what has no name.
    """
    try:
        source = _Source.read(text, name, MAX_FILE_WORDS)
        rules = source.rules
    except BadYara as error:
        yield error
        return
    groups = _together(rules)
    for group in groups:
        found = source.whole(group) if len(groups) == 1 else source.unit(group)
        if len(found.text.encode()) > MAX_UNIT_BYTES:
            yield BadYara("larger than the limit of %(max)s bytes", subject=found.name, max=MAX_UNIT_BYTES)
        else:
            yield found


def read_unit(text: str) -> YaraUnit:
    """Return all rules of a text as one unit, as an object of the holdings carries it.

    Raises:
        BadYara: it cannot be read, is too large, or there is no rule in it.
    """
    body = text.encode("utf-8", "surrogatepass")
    if len(body) > MAX_UNIT_BYTES:
        raise BadYara("larger than the limit of %(max)s bytes", max=MAX_UNIT_BYTES)
    source = _Source.read(body, "", MAX_UNIT_WORDS)
    return source.whole(source.rules)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class _Source:
    """One file, read from its first token to its last."""

    def __init__(self, text: str, name: str, max_words: int) -> None:
        self._text = text
        self._name = name
        self._tokens = _tokens(text, name, max_words)
        self._place = 0
        self._imports: dict[str, None] = {}
        self._head = _head(text)
        self.rules: list[YaraRule] = []

    @staticmethod
    def read(body: bytes, name: str, max_words: int) -> _Source:
        """Read a file.

        Raises:
            BadYara: it is too large, no UTF-8, or not what a file of rules looks like.
        """
        if len(body) > MAX_FILE_BYTES:
            raise BadYara("larger than the limit of %(max)s bytes", subject=name, max=MAX_FILE_BYTES)
        try:
            source = _Source(body.decode("utf-8-sig"), name, max_words)
        except UnicodeDecodeError as error:
            raise BadYara("the rule is not UTF-8", subject=name) from error
        source._read()
        return source

    def whole(self, rules: Sequence[YaraRule]) -> YaraUnit:
        """Return these rules, which are all of them, with the text as it is."""
        return YaraUnit(tuple(rules), self._text, tuple(self._imports))

    def unit(self, rules: Sequence[YaraRule]) -> YaraUnit:
        """Return some rules with what of the file they need."""
        used = tuple(each for each in self._imports if any(each in rule.uses for rule in rules))
        parts = [self._head] if self._head and self._head not in rules[0].text else []
        parts += [f'import "{each}"' for each in used]
        return YaraUnit(tuple(rules), "\n".join((*parts, *(rule.text for rule in rules))) + "\n", used)

    def _read(self) -> None:
        after = len(self._head)
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            if token.text == "import":
                self._imports[self._next_text()] = None
                after = self._tokens[self._place].end
                self._place += 1
            elif token.text == "include":
                raise self._bad(
                    "line %(line)s: other files are not included: write the rules into one file", token.start
                )
            else:
                rule, after = self._rule(after)
                self.rules.append(rule)
            if len(self.rules) > MAX_RULES:
                raise BadYara("more than %(max)s rules in one file", subject=self._name, max=MAX_RULES)
        if not self.rules:
            raise BadYara("there is no rule in it", subject=self._name)
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise BadYara("two rules with one name", subject=twice)

    def _next_text(self) -> str:
        self._place += 1
        token = self._tokens[self._place] if self._place < len(self._tokens) else None
        if token is None or token.kind != "text":
            raise self._bad(
                "line %(line)s: an import without the name of a module", self._tokens[self._place - 1].start
            )
        return unescaped(token.text[1:-1])

    def _rule(self, begin: int) -> tuple[YaraRule, int]:
        first = self._tokens[self._place]
        modifiers = set()
        while self._word() in {"private", "global"}:
            modifiers.add(self._take().text)
        if self._word() != "rule":
            raise self._bad("line %(line)s: a rule is expected here", first.start)
        self._take()
        name = self._take()
        if name.kind != "word":
            raise self._bad("line %(line)s: a rule without a name", name.start)
        tags = self._tags()
        if self._take().text != "{":
            raise self._bad("line %(line)s: a rule without a body", name.start, name.text)
        opened = self._place
        end = self._close(name)
        body = self._tokens[opened : self._place - 1]
        rule = YaraRule(
            name=name.text,
            text=self._text[begin:end].strip("\r\n"),
            line=self._text.count("\n", 0, name.start) + 1,
            tags=tags,
            meta=_meta(body),
            is_private="private" in modifiers,
            is_global="global" in modifiers,
            uses=frozenset(token.text for token in body if token.kind == "word"),
        )
        return rule, end

    def _word(self) -> str:
        return self._tokens[self._place].text if self._place < len(self._tokens) else ""

    def _take(self) -> _Token:
        if self._place >= len(self._tokens):
            raise self._bad("line %(line)s: the file ends within a rule", len(self._text))
        self._place += 1
        return self._tokens[self._place - 1]

    def _tags(self) -> tuple[str, ...]:
        tags: dict[str, None] = {}
        if self._word() == ":":
            self._take()
            while self._word() not in {"{", ""} and len(tags) <= MAX_TAGS:
                tags[self._take().text] = None
        if len(tags) > MAX_TAGS:
            raise BadYara("more than %(max)s tags", subject=self._name, max=MAX_TAGS)
        return tuple(tags)

    def _close(self, name: _Token) -> int:
        depth = 1
        while self._place < len(self._tokens):
            token = self._take()
            depth += (token.text == "{") - (token.text == "}")
            if not depth:
                return token.end
        raise self._bad("line %(line)s: the file ends within a rule", name.start, name.text)

    def _bad(self, message: str, place: int, subject: str = "") -> BadYara:
        line = self._text.count("\n", 0, place) + 1
        return BadYara(message, subject=subject or self._name, private="", line=line)


def unescaped(text: str) -> str:
    r"""Return what a text in quotation marks stands for.

    >>> unescaped(r'a\"b\x41')
    'a"bA'
    """
    return _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPES.get(m[1], m[1]), text)


def _tokens(text: str, name: str, max_words: int) -> list[_Token]:
    """Return the tokens but blanks and comments. What is not closed ends the reading, so each place is read once."""
    found: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind, piece = match.lastgroup or "", match[0]
        if kind == "other" and piece in {'"', "/"}:
            line = text.count("\n", 0, match.start()) + 1
            raise BadYara("line %(line)s: a text, comment or expression is not closed", subject=name, line=line)
        if len(found) > max_words:
            raise BadYara("more than %(max)s words", subject=name, max=max_words)
        if kind != "space":
            found.append(_Token(kind, piece, match.start(), match.end()))
    return found


def _head(text: str) -> str:
    """Return the comments before the imports of a file; without imports they are the first rule's."""
    place = 0
    while (match := _TOKEN.match(text, place)) is not None and match.lastgroup == "space":
        place = match.end()
    return text[:place].strip() if text.startswith("import", place) else ""


def _meta(body: Sequence[_Token]) -> dict[str, str]:
    """Return the metadata at the beginning of a rule's body; of a key that stands there twice, the first."""
    if len(body) < 2 or (body[0].text, body[1].text) != ("meta", ":"):
        return {}
    found: dict[str, str] = {}
    place = 2
    while place + 2 < len(body) and body[place + 1].text == "=" and len(found) < MAX_META:
        key, value = body[place].text, body[place + 2]
        if key in _SECTIONS:
            break
        text = unescaped(value.text[1:-1]) if value.kind == "text" else value.text
        found.setdefault(key, text[:MAX_META_CHARS])
        place += 3
    return found


def _together(rules: Sequence[YaraRule]) -> list[list[YaraRule]]:
    """Group rules that name each other; a global rule decides about all rules of its file."""
    if any(rule.is_global for rule in rules):
        return [list(rules)]
    place = {rule.name: number for number, rule in enumerate(rules)}
    parent = list(range(len(rules)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for number, rule in enumerate(rules):
        for other in rule.uses & place.keys():
            parent[root(number)] = root(place[other])
    groups: dict[int, list[YaraRule]] = {}
    for number, rule in enumerate(rules):
        groups.setdefault(root(number), []).append(rule)
    return list(groups.values())
