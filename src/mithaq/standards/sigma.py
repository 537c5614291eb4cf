"""Read Sigma rules (specification 2.1): one YAML document after the other, with limits, and what each says of itself.

Nothing here decides what a rule matches; that is `detection.sigma`. YAML is read event by event without recursion: no
aliases (so no bombs), no tags but those of plain scalars, no key twice (which value would count?).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import yaml

from mithaq.kernel.errors import Error

MAX_RULE_BYTES: Final = 1 << 20
"""The largest rule of SigmaHQ has 295,078."""
MAX_VALUES: Final = 10_000
"""Scalars of one rule; the largest rule of SigmaHQ has 4,433."""
MAX_DEPTH: Final = 16
MAX_SCALAR_CHARS: Final = 65_536
MAX_DOCUMENTS: Final = 1_000

LEVELS: Final = ("informational", "low", "medium", "high", "critical")
"""§ level, from the least severe."""

_DOCUMENT: Final = re.compile(rb"^---(?=[ \t\r\n]|\Z)[^\n]*\n?", re.MULTILINE)
_TECHNIQUE: Final = re.compile(r"attack\.([tT][0-9]{4}(?:\.[0-9]{3})?)")
_LIKELY_ID: Final = re.compile(rb"^id:[ \t]*['\"]?([0-9a-fA-F-]{36})", re.MULTILINE)
_PLAIN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str"))
_COLLECTIONS: Final = (None, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class BadRule(Error):
    """A Sigma rule that cannot be read or followed; the subject is its id, or its place where it has none."""

    code = "bad-sigma-rule"


class LogSource(NamedTuple):
    """Of which events a rule may be asked, or what an event is; an empty text leaves that open."""

    product: str = ""
    category: str = ""
    service: str = ""


_ANYTHING: Final = LogSource()


@dataclass(frozen=True, slots=True)
class SigmaRule:
    """Hold what one rule says of itself; `fields` are all its members and `text` the bytes it was read from.

    `references` are texts: nothing here fetches them. A correlation has no log source.
    """

    id: str
    title: str
    text: bytes
    fields: Mapping[str, Any]
    name: str = ""
    level: str = ""
    status: str = ""
    author: str = ""
    description: str = ""
    license: str = ""
    date: datetime.date | None = None
    modified: datetime.date | None = None
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    logsource: LogSource = _ANYTHING
    correlation: bool = False


def read_rules(text: bytes, name: str = "") -> Iterator[SigmaRule | BadRule]:
    """Yield each rule of a file, or why it could not be read; one that is broken does not hide the next.

    `name` stands in for the id of a rule that has none.
    """
    documents = [part for part in _DOCUMENT.split(text) if _says_something(part)]
    for number, part in enumerate(documents[:MAX_DOCUMENTS]):
        place = name if len(documents) == 1 else f"{name}#{number + 1}"
        try:
            yield read_rule(part, place)
        except BadRule as error:
            yield error
    if len(documents) > MAX_DOCUMENTS:
        yield BadRule("more than %(max)s rules in one file", subject=name, max=MAX_DOCUMENTS)


def read_rule(text: bytes, name: str = "") -> SigmaRule:
    """Read one rule from its bytes.

    Raises:
        BadRule: over a limit, no YAML of one document, or without what every rule has: an id, a title, a detection.
    """
    subject = likely_rule_id(text) or name
    if len(text) > MAX_RULE_BYTES:
        raise BadRule("larger than the limit of %(max)s bytes", subject=subject, max=MAX_RULE_BYTES)
    fields = _Document(text, subject).read()
    if "action" in fields:
        raise BadRule("collections with `action` are not read: write each rule out", subject=subject)
    return _rule(_Members(fields, subject), text)


def likely_rule_id(text: bytes) -> str:
    """Return the id that a rule's bytes seem to name, to be told in an error; empty where there is none."""
    found = _LIKELY_ID.search(text[:MAX_RULE_BYTES])
    return found.group(1).decode("ascii").lower() if found else ""


def techniques_of(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ATT&CK techniques that tags name, each once: `attack.t1059.001` is T1059.001.

    >>> techniques_of(("attack.execution", "attack.t1059.001"))
    ('T1059.001',)
    """
    found = (_TECHNIQUE.fullmatch(tag) for tag in tags)
    return tuple(dict.fromkeys(each.group(1).upper() for each in found if each))


def _says_something(part: bytes) -> bool:
    return any(line.strip() and not line.lstrip().startswith(b"#") for line in part.splitlines())


def _rule(members: _Members, text: bytes) -> SigmaRule:
    fields = members.fields
    correlation = "correlation" in fields
    if correlation == ("detection" in fields):
        raise members.bad("a rule has either a detection or a correlation")
    members.mapping("correlation" if correlation else "detection")
    source = members.mapping("logsource") if not correlation else {}
    tags = members.texts("tags")
    return SigmaRule(
        id=members.id(),
        title=members.needed_text("title"),
        text=text,
        fields=fields,
        name=members.text("name"),
        level=members.level(),
        status=members.text("status"),
        author=members.text("author"),
        description=members.text("description"),
        license=members.text("license"),
        date=members.day("date"),
        modified=members.day("modified"),
        references=members.texts("references"),
        false_positives=members.texts("falsepositives"),
        tags=tags,
        techniques=techniques_of(tags),
        logsource=LogSource(**{key: members.text_of(source, key) for key in ("product", "category", "service")}),
        correlation=correlation,
    )


class _Members:
    """Read typed values out of a rule's members, naming the rule in every complaint."""

    def __init__(self, fields: dict[str, Any], subject: str) -> None:
        self.fields = fields
        self._subject = subject

    def bad(self, message: str, **params: str | int) -> BadRule:
        return BadRule(message, subject=self._subject, private="", **params)

    def id(self) -> str:
        found = self.fields.get("id")
        try:
            return str(UUID(found)) if isinstance(found, str) else self._no_id()
        except ValueError:
            raise self.bad("the id of a rule is a UUID") from None

    def _no_id(self) -> str:
        raise self.bad("a rule without an id cannot be replaced by its next version: give it a UUID")

    def mapping(self, key: str) -> dict[str, Any]:
        found = self.fields.get(key)
        if not isinstance(found, dict) or not found:
            raise self.bad("%(key)s must be a mapping", key=key)
        return found

    def text(self, key: str) -> str:
        return self.text_of(self.fields, key)

    def text_of(self, fields: Mapping[str, Any], key: str) -> str:
        found = fields.get(key)
        if found is None:
            return ""
        if isinstance(found, dict | list):
            raise self.bad("%(key)s must be text", key=key)
        return str(found).strip()

    def needed_text(self, key: str) -> str:
        found = self.text(key)
        if not found:
            raise self.bad("a rule without %(key)s", key=key)
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.fields.get(key)
        items = found if isinstance(found, list) else [] if found is None else [found]
        if any(isinstance(item, dict | list) for item in items):
            raise self.bad("%(key)s must be a list of texts", key=key)
        return tuple(str(item) for item in items if item is not None)

    def level(self) -> str:
        found = self.text("level").lower()
        if found and found not in LEVELS:
            raise self.bad("%(level)s is no level of a rule", level=found[:40])
        return found

    def day(self, key: str) -> datetime.date | None:
        """Return a day, `2026-04-17` or as older rules write it, `2026/04/17`."""
        found = self.text(key).replace("/", "-")[:10]
        try:
            return datetime.date.fromisoformat(found) if found else None
        except ValueError:
            return None


class _Document:
    """Build one YAML document from the parser's events; the stack is a list, so depth costs no recursion."""

    def __init__(self, text: bytes, subject: str) -> None:
        self._text = text
        self._subject = subject
        self._root: list[Any] = []
        self._stack: list[tuple[Any, Any]] = [(self._root, None)]
        self._values = 0

    def read(self) -> dict[str, Any]:
        try:
            loader = yaml.CSafeLoader(self._text)
        except (yaml.YAMLError, ValueError) as error:
            raise BadRule("not valid YAML: %(problem)s", problem=_problem(error), subject=self._subject) from error
        try:
            while loader.check_event():
                self._take(loader, loader.get_event())
        except (yaml.YAMLError, ValueError) as error:
            raise BadRule("not valid YAML: %(problem)s", problem=_problem(error), subject=self._subject) from error
        finally:
            loader.dispose()
        if len(self._root) != 1 or not isinstance(self._root[0], dict):
            raise BadRule("a rule is one YAML mapping", subject=self._subject)
        return self._root[0]

    def _take(self, loader: yaml.CSafeLoader, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._put(self._scalar(loader, event))
        elif isinstance(event, yaml.CollectionStartEvent) and event.tag not in _COLLECTIONS:
            raise BadRule("the YAML tag %(tag)s is not read", tag=str(event.tag)[:100], subject=self._subject)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open({})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open([])
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise BadRule("YAML aliases are not read: write the value out", subject=self._subject)

    def _open(self, container: dict[str, Any] | list[Any]) -> None:
        if len(self._stack) > MAX_DEPTH:
            raise BadRule("nested deeper than %(max)s levels", max=MAX_DEPTH, subject=self._subject)
        self._put(container)
        self._stack.append((container, None))

    def _put(self, value: Any) -> None:
        self._values += 1
        if self._values > 2 * MAX_VALUES:
            raise BadRule("more than %(max)s values", max=MAX_VALUES, subject=self._subject)
        container, key = self._stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is None:
            self._stack[-1] = (container, self._key(container, value))
        else:
            container[key] = value
            self._stack[-1] = (container, None)

    def _key(self, container: dict[str, Any], value: Any) -> str:
        if isinstance(value, dict | list):
            raise BadRule("a key of a mapping must be text", subject=self._subject)
        key = str(value)
        if key in container:
            raise BadRule("the key %(key)s stands twice in one mapping", key=key[:100], subject=self._subject)
        return key

    def _scalar(self, loader: yaml.CSafeLoader, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if len(text) > MAX_SCALAR_CHARS:
            raise BadRule("a value longer than %(max)s characters", max=MAX_SCALAR_CHARS, subject=self._subject)
        tag: str = event.tag or loader.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
        if tag in _PLAIN_TAGS:
            return loader.construct_object(yaml.ScalarNode(tag, text))
        if tag == _TIMESTAMP or event.tag is None:
            return text
        raise BadRule("the YAML tag %(tag)s is not read", tag=tag[:100], subject=self._subject)


def _problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or error).splitlines()[0][:200]
    return f"{said}, line {mark.line + 1}" if mark is not None else said
