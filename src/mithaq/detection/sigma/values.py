"""Turn the values of pySigma into predicates."""

from __future__ import annotations

import ipaddress
from typing import Final

from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from mithaq.detection.sigma import patterns, settings
from mithaq.detection.sigma.model import JSON_LINE, LINE, Any, Condition, Leaf, Not, Predicate, SameAs
from mithaq.detection.sigma.patterns import MANY, ONE, Part
from mithaq.standards.sigma import BadRule

_COMPARISONS: Final = {"LT": "lt", "LTE": "lte", "GT": "gt", "GTE": "gte", "NEQ": "neq"}
_LETTERS: Final = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


class Predicates:
    """The predicates of one rule, each once, in the order in which they come."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._places: dict[Predicate, int] = {}

    def all(self) -> tuple[Predicate, ...]:
        """Return them."""
        return tuple(self._places)

    def leaf(self, predicate: Predicate) -> Leaf:
        """Return the leaf of a predicate.

        Raises:
            BadRule: the rule has more than a rule may have.
        """
        place = self._places.setdefault(predicate, len(self._places))
        if place >= settings.MAX_PREDICATES:
            raise self.bad("more than %(max)s predicates", max=settings.MAX_PREDICATES)
        return Leaf(place)

    def bad(self, message: str, **params: str | int) -> BadRule:
        """Return an error that names the rule."""
        return BadRule(message, subject=self.subject, private="", **params)

    def of_field(self, field: str, value: SigmaType) -> Condition:
        """Return what must be true of a field.

        Raises:
            BadRule: a value that needs what this node does not have.
        """
        match value:
            case SigmaExpansion():
                return Any(tuple(self.of_field(field, each) for each in value.values))
            case SigmaString():
                return self._text(field, value)
            case SigmaTimestampPart():
                unit = value.timestamp_part.name.lower()
                return self.leaf(Predicate(field, "time", f"{unit} {value.number}"))
            case SigmaNumber() | SigmaBool():
                return self.leaf(Predicate(field, "is", str(value).lower()))
            case SigmaRegularExpression():
                return self.leaf(patterns.regular_expression(field, self._regex(value), self.subject))
            case SigmaNull():
                return Not(self.leaf(Predicate(field, "exists")))
            case SigmaExists():
                there = self.leaf(Predicate(field, "exists"))
                return there if value.exists else Not(there)
            case SigmaCIDRExpression():
                return self.leaf(Predicate(field, "cidr", str(ipaddress.ip_network(value.cidr))))
            case SigmaCompareExpression():
                operator = _COMPARISONS[value.op.name]
                return self.leaf(Predicate(field, operator, str(value.number.number)))  # type: ignore[arg-type]
            case SigmaFieldReference():
                how = "startswith" if value.starts_with else "endswith" if value.ends_with else "is"
                return SameAs(field, value.field, how)  # type: ignore[arg-type]
            case _:
                raise self.bad("values of the kind %(kind)s are not read", kind=type(value).__name__)

    def of_line(self, value: SigmaType) -> Condition:
        """Return what must stand somewhere in the raw line.

        Raises:
            BadRule: a keyword that is no text, number or regular expression.
        """
        match value:
            case SigmaExpansion():
                return Any(tuple(self.of_line(each) for each in value.values))
            case SigmaString():
                parts, cased = self._parts(value), isinstance(value, SigmaCasedString)
            case SigmaNumber():
                parts, cased = [str(value)], False
            case SigmaRegularExpression():
                pattern = self._regex(value)
                each = [patterns.regular_expression(field, pattern, self.subject) for field in (LINE, JSON_LINE)]
                return Any(tuple(map(self.leaf, each)))
            case _:
                raise self.bad("keywords of the kind %(kind)s are not read", kind=type(value).__name__)
        if all(isinstance(part, Part) for part in parts):
            raise self.bad("a keyword that says nothing")
        plain = patterns.like(LINE, parts, cased=cased, anchored=False, subject=self.subject)
        escaped = patterns.json_escaped(parts)
        inside = patterns.like(JSON_LINE, escaped, cased=cased, anchored=False, subject=self.subject)
        return Any((self.leaf(plain), self.leaf(inside)))

    def _text(self, field: str, value: SigmaString) -> Condition:
        parts, cased = self._parts(value), isinstance(value, SigmaCasedString)
        if not any(isinstance(part, Part) for part in parts):
            text = "".join(parts)
            return self.leaf(Predicate(field, "is-cased" if cased else "is", text if cased else text.lower()))
        if all(part == MANY and isinstance(part, Part) for part in parts):
            return self.leaf(Predicate(field, "exists"))
        return self.leaf(patterns.like(field, parts, cased=cased, anchored=True, subject=self.subject))

    def _parts(self, value: SigmaString) -> list[str]:
        found: list[str] = []
        for part in value.s:
            if isinstance(part, Placeholder):
                raise self.bad("the placeholder %(name)s is not known to this node", name=str(part.name)[:80])
            if part is SpecialChars.WILDCARD_MULTI:
                if not (found and isinstance(found[-1], Part) and found[-1] == MANY):
                    found.append(Part(MANY))
            elif part is SpecialChars.WILDCARD_SINGLE:
                found.append(Part(ONE))
            elif isinstance(part, str):
                found.append(part)
        return found

    def _regex(self, value: SigmaRegularExpression) -> str:
        if value.contains_placeholder():
            raise self.bad("a placeholder in a regular expression is not known to this node")
        letters = "".join(sorted(_LETTERS[flag] for flag in value.flags))
        return (f"(?{letters})" if letters else "") + str(value.regexp)
