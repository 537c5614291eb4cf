"""Sigma read in the obvious way: pySigma's condition tree, walked for each rule and event, nothing indexed.

Shares no code with the engine but what decodes and names fields: texts are compared with Python's `re`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping

import yaml
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
)
from sigma.pipelines.sysmon.sysmon import sysmon_pipeline
from sigma.pipelines.windows.windows import windows_logsource_pipeline
from sigma.rule import SigmaRule
from sigma.types import (
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
    SpecialChars,
)

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
    SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
    SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
}


class Oracle:
    """One rule."""

    def __init__(self, text: bytes) -> None:
        fields = yaml.safe_load(text)
        rule = SigmaRule.from_dict({key: fields[key] for key in ("title", "logsource", "detection")})
        self.product = rule.logsource.product
        self.id = fields["id"]
        (sysmon_pipeline() + windows_logsource_pipeline()).apply(rule)
        self._trees = [each.parse() for each in rule.detection.parsed_condition]

    def matches(self, fields: Mapping[str, object], raw: bytes) -> bool:
        named = {name.replace(" ", "").lower(): value for name, value in fields.items() if value is not None}
        return any(_true(tree, named, raw.decode()) for tree in self._trees)


def _true(node, fields, raw):
    if isinstance(node, ConditionAND):
        return all(_true(each, fields, raw) for each in node.args)
    if isinstance(node, ConditionOR):
        return any(_true(each, fields, raw) for each in node.args)
    if isinstance(node, ConditionNOT):
        return not _true(node.args[0], fields, raw)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return _field(node.field.replace(" ", "").lower(), node.value, fields)
    return _keyword(node.value, raw)


def _field(name, value, fields):
    if isinstance(value, SigmaExpansion):
        return any(_field(name, each, fields) for each in value.values)
    if isinstance(value, SigmaNull):
        return name not in fields
    if isinstance(value, SigmaExists):
        return (name in fields) == value.exists
    if name not in fields:
        return False
    found = fields[name]
    texts = [_text(each) for each in (found if isinstance(found, list) else [found])]
    if isinstance(value, SigmaFieldReference):
        other = fields.get(value.field.replace(" ", "").lower())
        others = [_text(each) for each in (other if isinstance(other, list) else [] if other is None else [other])]
        return any(_same(text.lower(), each.lower(), value) for text in texts for each in others)
    return any(_one(value, text) for text in texts)


def _same(ours, other, value):
    if value.starts_with:
        return ours.startswith(other)
    return ours.endswith(other) if value.ends_with else ours == other


def _text(value):
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 2.0 and 2 are one number in JSON, and pySigma reads a rule's 2.0 as 2
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one(value, text):
    if isinstance(value, SigmaString):
        flags = 0 if isinstance(value, SigmaCasedString) else re.IGNORECASE
        return re.fullmatch(_wildcards(value), text, flags | re.DOTALL) is not None
    if isinstance(value, SigmaNumber | SigmaBool):
        return text.lower() == str(value).lower()
    if isinstance(value, SigmaRegularExpression):
        flags = 0
        for flag in value.flags:
            flags |= _FLAGS[flag]
        return re.search(str(value.regexp), text, flags) is not None
    if isinstance(value, SigmaCIDRExpression):
        try:
            return ipaddress.ip_address(text) in ipaddress.ip_network(value.cidr)
        except ValueError:
            return False
    assert isinstance(value, SigmaCompareExpression), value
    try:
        number, bound = float(text), value.number.number
    except ValueError:
        return False
    return {"LT": number < bound, "LTE": number <= bound, "GT": number > bound, "GTE": number >= bound}[value.op.name]


def _keyword(value, raw):
    if isinstance(value, SigmaExpansion):
        return any(_keyword(each, raw) for each in value.values)
    if isinstance(value, SigmaRegularExpression):
        return re.search(str(value.regexp), raw) is not None
    if isinstance(value, SigmaNumber):
        return str(value) in raw
    flags = 0 if isinstance(value, SigmaCasedString) else re.IGNORECASE
    return re.search(_wildcards(value, escaped=True), raw, flags | re.DOTALL) is not None


def _wildcards(value, *, escaped=False):
    pattern = ""
    for part in value.s:
        if part is SpecialChars.WILDCARD_MULTI:
            pattern += ".*"
        elif part is SpecialChars.WILDCARD_SINGLE:
            pattern += "."
        else:
            pattern += re.escape(json.dumps(part, ensure_ascii=False)[1:-1] if escaped else part)
    return pattern
